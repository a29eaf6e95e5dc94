package httpcache

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fieldsOf makes a header of "Name: value" lines.
func fieldsOf(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func partExchange(lines ...string) *Exchange {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	return &Exchange{
		Method: http.MethodGet, RequestHeader: fieldsOf("Range: bytes=0-"), Status: http.StatusPartialContent,
		Header:      fieldsOf(append([]string{"Cache-Control: max-age=60", "Date: " + now.Format(http.TimeFormat)}, lines...)...),
		RequestTime: now, ResponseTime: now,
	}
}

// storedPart is a part as Store makes it; its Content-Length is that of the range.
func storedPart(t *testing.T, contentRange, length string, lines ...string) *Stored {
	t.Helper()
	p := DefaultPolicy()
	s, why := Store(partExchange(append(lines, "Content-Range: "+contentRange, "Content-Length: "+length)...), &p)
	if s == nil {
		t.Fatalf("%s: not stored: %v", contentRange, why)
	}
	return s
}

// RFC 9110 §2.4: as many bytes as were asked for, and a Content-Range that counts more.
func TestStoreSuffix(t *testing.T) {
	part := func(start, length, complete int64) *Part {
		return &Part{Range: Range{start, length}, Complete: complete}
	}
	tests := []struct {
		name, asked, contentRange, length string
		want                              *Part // nil: not stored
	}{
		{"one too many", "bytes=-5", "bytes 4-9/10", "5", &Part{Range{4, 5}, 9, "bytes 4-9/10"}},
		{"right", "bytes=-5", "bytes 5-9/10", "5", part(5, 5, 10)},
		{"not as many as asked for", "bytes=-6", "bytes 4-9/10", "5", nil},
		{"more than it says", "bytes=-7", "bytes 4-9/10", "7", nil},
		{"not the end of it", "bytes=-5", "bytes 4-9/12", "5", nil},
		{"of unknown length", "bytes=-5", "bytes 4-9/10", "", nil},
		{"an end that is not known", "bytes=-5", "bytes 4-9/*", "5", nil},
		{"nothing", "bytes=-0", "bytes 4-9/10", "0", nil},
		{"not a suffix", "bytes=4-8", "bytes 4-9/10", "5", nil},
		{"two of them", "bytes=-5, -2", "bytes 4-9/10", "5", nil},
		{"another unit", "lines=-5", "bytes 4-9/10", "5", nil},
	}
	p := DefaultPolicy()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := partExchange("Content-Range: " + tt.contentRange)
			x.RequestHeader.Set("Range", tt.asked)
			if tt.length != "" {
				x.Header.Set("Content-Length", tt.length)
			}
			s, why := Store(x, &p)
			var got *Part
			if s != nil {
				got = s.Part
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%v (-want +got)\n%s", why, diff)
			}
		})
	}
}

func TestStorePart(t *testing.T) {
	part := func(start, length, complete int64) *Part {
		return &Part{Range: Range{start, length}, Complete: complete}
	}
	tests := []struct {
		name                 string
		contentRange, length string
		want                 *Part // nil: not stored
	}{
		{"9110-14.4 first and last are in it", "bytes 2-4/10", "3", part(2, 3, 10)},
		{"9110-14.4 the complete length is not known", "bytes 2-4/*", "3", part(2, 3, -1)},
		{"9110-14.1 units are case-insensitive", "Bytes 0-0/2", "1", part(0, 1, 2)},
		{"9110-14.4 last before first", "bytes 4-2/10", "3", nil},
		{"9110-14.4 last just before first", "bytes 4-3/10", "0", nil},
		{"9110-14.4 no last", "bytes 0-/10", "0", nil},
		{"9110-14.4 complete length not beyond last", "bytes 2-4/4", "3", nil},
		{"9110-14.4 unsatisfied", "bytes */10", "3", nil},
		{"9110-14.4 another unit", "lines 2-4/10", "3", nil},
		{"9110-14.4 no numbers", "bytes a-4/10", "3", nil},
		{"9110-14.4 a sign", "bytes +2-4/10", "3", nil},
		{"9110-14.4 no complete length", "bytes 2-4", "3", nil},
		{"9110-14.4 a number no file is long", "bytes 0-99999999999999999999/*", "3", nil},
		{"9110-8.6 shorter than it says", "bytes 2-5/10", "3", nil},
		{"9110-8.6 longer than it says", "bytes 2-3/10", "3", nil},
		{"9110-8.6 of unknown length", "bytes 2-4/10", "", nil},
		{"9110-15.3.7.2 several", "", "3", nil},
	}
	p := DefaultPolicy()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := partExchange()
			for name, value := range map[string]string{"Content-Range": tt.contentRange, "Content-Length": tt.length} {
				if value != "" {
					x.Header.Set(name, value)
				}
			}
			s, why := Store(x, &p)
			if tt.want == nil {
				if s != nil || why != PartialContent {
					t.Errorf("stored %v, %v, want %v", s, why, PartialContent)
				}
				return
			}
			if diff := cmp.Diff(tt.want, s.Part); diff != "" || s.Status != http.StatusPartialContent {
				t.Errorf("status %d, part (-want +got):\n%s", s.Status, diff)
			}
			if s.Fields.Get("Content-Range")+s.Fields.Get("Content-Length") != "" {
				t.Error("its fields say how long the answer to another request was")
			}
		})
	}
}

// RFC 9111 §3.3: a part is stored if it was asked for, and it is the whole if it
// has everything.
func TestStorePartOfWhat(t *testing.T) {
	p := DefaultPolicy()
	x := partExchange("Content-Range: bytes 0-9/10", "Content-Length: 10")
	s, _ := Store(x, &p)
	if s == nil || s.Status != http.StatusOK || s.Part != nil || s.Fields.Get("Content-Length") != "10" || s.Fields.Get("Content-Range") != "" {
		t.Errorf("all of it is stored as %+v, want a 200", s)
	}
	if x.Status != http.StatusPartialContent || x.Header.Get("Content-Range") == "" {
		t.Error("the exchange itself was changed")
	}
	x.RequestHeader = http.Header{}
	if s, why := Store(x, &p); s != nil || why != PartialContent {
		t.Errorf("unasked: %v, %v", s, why)
	}
	// §3.3 calls a 206 an incomplete 200, so lifetimes for 200 are for it as well.
	p.TTL = []Lifetime{{Statuses: []int{200}, For: time.Hour}}
	x = partExchange("Content-Range: bytes 0-8/10", "Content-Length: 9")
	x.Header.Del("Cache-Control")
	if s, why := Store(x, &p); s == nil || s.Lifetime != time.Hour {
		t.Errorf("with ttl 200: %v, %v", s, why)
	}
}

func spelled(ranges []Range) string {
	var words []string
	for _, r := range ranges {
		words = append(words, fmt.Sprintf("%d+%d", r.Start, r.Length))
	}
	return strings.Join(words, " ")
}

func TestPartRanges(t *testing.T) {
	known := storedPart(t, "bytes 4-7/10", "4", `ETag: "v"`)
	unknown := storedPart(t, "bytes 4-7/*", "4", `ETag: "v"`)
	tests := []struct {
		field          string
		known, unknown string // the bytes, "" if they are not all there
	}{
		{"bytes=4-7", "4+4", "4+4"},
		{"bytes=5-6", "5+2", "5+2"},
		{"bytes=4-4,7-7", "4+1 7+1", "4+1 7+1"},
		{"bytes=3-7", "", ""},
		{"bytes=4-8", "", ""},
		{"bytes=4-", "", ""},
		{"bytes=-3", "", ""},
		{"bytes=-1", "", ""},
		{"bytes=0-0,5-6", "", ""},
		{"bytes=20-", "", ""},
		{"bytes=6-5", "", ""},
		{"lines=5-6", "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		for s, want := range map[*Stored]string{known: tt.known, unknown: tt.unknown} {
			request := http.Header{}
			if tt.field != "" {
				request.Set("Range", tt.field)
			}
			ranges, ok := PartRanges(s, request)
			if got := spelled(ranges); ok != (want != "") || ok && got != want {
				t.Errorf("%s of %v: %s, %v, want %s", tt.field, *s.Part, got, ok, want)
			}
		}
	}
	end := storedPart(t, "bytes 4-9/10", "6")
	for field, want := range map[string]string{"bytes=6-": "6+4", "bytes=-1": "9+1", "bytes=8-100": "8+2"} {
		if ranges, ok := PartRanges(end, fieldsOf("Range: "+field)); !ok || spelled(ranges) != want {
			t.Errorf("%s of the end: %s, %v, want %s", field, spelled(ranges), ok, want)
		}
	}
	if _, ok := PartRanges(known, fieldsOf("Range: bytes=5-6", `If-Range: "w"`)); ok {
		t.Error("If-Range names another representation, and wants the whole (RFC 9110 §13.1.5)")
	}
}

func TestRest(t *testing.T) {
	strong, modified := `ETag: "v"`, "Last-Modified: Fri, 01 May 2026 11:58:00 GMT"
	begin := func(lines ...string) *Stored { return storedPart(t, "bytes 0-3/10", "4", lines...) }
	middle := storedPart(t, "bytes 3-6/10", "4", strong)
	tests := []struct {
		name  string
		part  *Stored
		field string // the client's Range
		want  string // "": nothing is asked for in parts
	}{
		{"9111-3.4 the whole, of which the beginning is there", begin(strong), "", "bytes=4-"},
		{"9111-3.4 the whole, of which the end is there", storedPart(t, "bytes 6-9/10", "4", strong), "", "bytes=0-5"},
		{"9111-3.4 the whole, of which the middle is there", middle, "", ""},
		{"9111-3.4 more than the beginning", begin(strong), "bytes=2-5", "bytes=4-5"},
		{"9111-3.4 up to the end", begin(strong), "bytes=2-", "bytes=4-"},
		{"9111-3.4 beyond the end", begin(strong), "bytes=2-99", "bytes=4-"},
		{"9111-3.4 from before it", middle, "bytes=1-4", "bytes=1-2"},
		{"9111-3.4 on both sides of it", middle, "bytes=1-8", ""},
		{"9111-3.4 a suffix", middle, "bytes=-5", "bytes=7-"},
		{"9111-3.4 beside it", begin(strong), "bytes=4-5", ""},
		{"9111-3.4 the whole, of unknown length", storedPart(t, "bytes 0-3/*", "4", strong), "", "bytes=4-"},
		{"9111-3.4 a suffix of unknown length", storedPart(t, "bytes 0-3/*", "4", strong), "bytes=-5", ""},
		{"9111-3.4 the whole, without a validator", begin(), "", "bytes=4-"},
		{"9111-3.4 the whole, of unknown length, without a validator", storedPart(t, "bytes 0-3/*", "4"), "", "bytes=4-"},
		{"9111-3.4 more than the beginning, without a validator", begin(), "bytes=2-5", ""},
		{"9111-3.4 the whole, of which the end is there, without a validator", storedPart(t, "bytes 6-9/10", "4"), "", ""},
		{"9110-13.1.5 a weak validator", begin(`ETag: W/"v"`), "", ""},
		{"9110-13.1.5 a weak validator beside a date", begin(`ETag: W/"v"`, modified), "", ""},
		{"9110-8.8.2.2 an old date", begin(modified), "", "bytes=4-"},
		{"9110-8.8.2.2 a date too young to tell", begin("Last-Modified: Fri, 01 May 2026 11:59:30 GMT"), "", ""},
		{"9110-14.2 several ranges", begin(strong), "bytes=0-1,3-5", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := http.Header{}
			if tt.field != "" {
				request.Set("Range", tt.field)
			}
			if rest, ok := tt.part.Rest(request); rest.Field != tt.want || ok != (tt.want != "") {
				t.Errorf("%+v, %v, want %q", rest, ok, tt.want)
			}
		})
	}
}

func TestExtend(t *testing.T) {
	base := storedPart(t, "bytes 0-3/10", "4", `ETag: "v"`, "Content-Type: text/plain", "X-Old: 1", "X-Both: old")
	tests := []struct {
		name string
		rest []string // the fields of what comes
		want Reason
		part *Part // nil: the whole
	}{
		{"9111-3.4 all that was missing", []string{"Content-Range: bytes 4-9/10", "Content-Length: 6", `ETag: "v"`}, Storable, nil},
		{"9111-3.4 some of it", []string{"Content-Range: bytes 4-5/10", "Content-Length: 2", `ETag: "v"`}, Storable, &Part{Range: Range{0, 6}, Complete: 10}},
		{"9111-3.4 more than was missing", []string{"Content-Range: bytes 2-9/10", "Content-Length: 8", `ETag: "v"`}, Storable, nil},
		{"9110-15.3.7.3 another representation", []string{"Content-Range: bytes 4-9/10", "Content-Length: 6", `ETag: "w"`}, OtherValidator, nil},
		{"9110-15.3.7.3 a weak validator", []string{"Content-Range: bytes 4-9/10", "Content-Length: 6", `ETag: W/"v"`}, OtherValidator, nil},
		{"9110-15.3.7.3 no validator", []string{"Content-Range: bytes 4-9/10", "Content-Length: 6"}, OtherValidator, nil},
		{"9110-15.3.7.3 a gap", []string{"Content-Range: bytes 5-9/10", "Content-Length: 5", `ETag: "v"`}, PartialContent, nil},
		{"9110-15.3.7.3 another length", []string{"Content-Range: bytes 4-9/11", "Content-Length: 6", `ETag: "v"`}, PartialContent, nil},
		{"9110-8.6 it lies about its length", []string{"Content-Range: bytes 4-9/10", "Content-Length: 5", `ETag: "v"`}, PartialContent, nil},
		{"9110-8.4 coded", []string{"Content-Range: bytes 4-9/10", "Content-Length: 6", `ETag: "v"`, "Content-Encoding: gzip"}, OtherValidator, nil},
		{"9111-3 not to be stored any more", []string{"Content-Range: bytes 4-9/10", "Content-Length: 6", `ETag: "v"`, "Cache-Control: no-store"}, NoStore, nil},
	}
	p := DefaultPolicy()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := partExchange(append(tt.rest, "X-Both: new", "X-New: 1")...)
			x.RequestHeader = http.Header{}
			s, _, why := Extend(base, x, &p)
			if why != tt.want {
				t.Fatalf("%v, want %v", why, tt.want)
			}
			if why != Storable {
				return
			}
			if diff := cmp.Diff(tt.part, s.Part); diff != "" {
				t.Errorf("part (-want +got):\n%s", diff)
			}
			got := []string{s.Fields.Get("X-Old"), s.Fields.Get("X-Both"), s.Fields.Get("X-New"), s.Fields.Get("Content-Type"), s.Fields.Get("Content-Range")}
			if diff := cmp.Diff([]string{"1", "new", "1", "text/plain", ""}, got); diff != "" {
				t.Errorf("9111-3.4 fields (-want +got):\n%s", diff)
			}
			if length := s.Fields.Get("Content-Length"); (tt.part == nil) != (s.Status == http.StatusOK && length == "10") {
				t.Errorf("status %d, Content-Length %q", s.Status, length)
			}
		})
	}
}

func TestJoin(t *testing.T) {
	first := storedPart(t, "bytes 0-3/10", "4", `ETag: "v"`)
	tests := []struct {
		name         string
		other        *Stored
		joined, gone bool // gone: outdated by the first
	}{
		{"9110-15.3.7.3 touching", storedPart(t, "bytes 4-6/10", "3", `ETag: "v"`), true, false},
		{"9110-15.3.7.3 overlapping", storedPart(t, "bytes 2-6/10", "5", `ETag: "v"`), true, false},
		{"9110-15.3.7.3 of unknown length", storedPart(t, "bytes 4-6/*", "3", `ETag: "v"`), true, false},
		{"9110-15.3.7.3 in it", storedPart(t, "bytes 1-2/10", "2", `ETag: "v"`), true, true},
		{"9110-15.3.7.3 a gap", storedPart(t, "bytes 5-6/10", "2", `ETag: "v"`), false, false},
		{"9110-15.3.7.3 another validator", storedPart(t, "bytes 4-6/10", "3", `ETag: "w"`), false, true},
		{"9110-15.3.7.3 no validator", storedPart(t, "bytes 4-6/10", "3"), false, false},
		{"9110-15.3.7.3 another length", storedPart(t, "bytes 4-6/11", "3"), false, true},
		{"9110-15.3.7.3 unknown length, shorter than the other says", storedPart(t, "bytes 4-12/*", "9", `ETag: "v"`), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, ok := Join(first, tt.other); ok != tt.joined {
				t.Errorf("joined: %v, want %v", ok, tt.joined)
			}
			if _, ok := Join(tt.other, first); ok != tt.joined {
				t.Errorf("joined the other way: %v, want %v", ok, tt.joined)
			}
			if gone := first.Outdates(tt.other); gone != tt.gone {
				t.Errorf("outdated: %v, want %v", gone, tt.gone)
			}
		})
	}
	weak := storedPart(t, "bytes 0-3/10", "4", `ETag: W/"v"`)
	if _, ok := Join(weak, storedPart(t, "bytes 4-9/10", "6", `ETag: W/"v"`)); ok {
		t.Error("put together by a weak validator")
	}
	coded := storedPart(t, "bytes 0-3/10", "4", `ETag: "v"`, "Content-Encoding: gzip")
	if _, ok := Join(coded, storedPart(t, "bytes 4-9/10", "6", `ETag: "v"`, "Content-Encoding: br")); ok {
		t.Error("put together in two codings")
	}
}

// RFC 9111 §3.4: the fields of what is put together are those of the newer part, and
// what only the older one has.
func TestJoinUpdatesFields(t *testing.T) {
	older := storedPart(t, "bytes 0-3/10", "4", `ETag: "v"`, "X-Both: old", "X-Old: yes")
	newer := storedPart(t, "bytes 4-9/10", "6", `ETag: "v"`, "X-Both: new", "X-New: yes")
	newer.ResponseTime = older.ResponseTime.Add(time.Second)
	for _, pair := range [][2]*Stored{{older, newer}, {newer, older}} {
		joined, ok := Join(pair[0], pair[1])
		if !ok || joined.Status != http.StatusOK || !joined.ResponseTime.Equal(newer.ResponseTime) {
			t.Fatalf("joined: %+v, %v", joined, ok)
		}
		for name, want := range map[string]string{"X-Both": "new", "X-Old": "yes", "X-New": "yes", "Content-Length": "10"} {
			if got := joined.Fields.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

// A 304 leaves a part the part that it is (RFC 9111 §4.3.4).
func TestFreshenPart(t *testing.T) {
	p := DefaultPolicy()
	s := storedPart(t, "bytes 2-4/10", "3", `ETag: "v"`)
	x := partExchange(`ETag: "v"`)
	x.Status = http.StatusNotModified
	fresh, _, ok := Freshen(s, x, &p)
	if !ok || fresh.Status != http.StatusPartialContent {
		t.Fatalf("%+v, %v", fresh, ok)
	}
	if diff := cmp.Diff(s.Part, fresh.Part); diff != "" {
		t.Errorf("part (-want +got):\n%s", diff)
	}
}

// RFC 9110 §14.1.2: which ranges are all there is.
func TestRangeIsAll(t *testing.T) {
	for field, want := range map[string]bool{
		"bytes=0-": true, "bytes=0-9": true, "bytes=0-99": true, "bytes=-10": true, "bytes=-11": true,
		"bytes=0-8": false, "bytes=1-": false, "bytes=-9": false, "bytes=-0": false, "bytes=0-4,5-": false,
		"items=0-": false, "bytes=": false, "bytes=9-0": false,
	} {
		if got := RangeIsAll(http.Header{"Range": {field}}, 10); got != want {
			t.Errorf("RangeIsAll(%q, 10) = %v", field, got)
		}
	}
	for _, length := range []int64{-1, 0} {
		if RangeIsAll(http.Header{"Range": {"bytes=0-"}}, length) {
			t.Errorf("RangeIsAll of length %d", length)
		}
	}
}
