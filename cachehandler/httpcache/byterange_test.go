package httpcache

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRanges(t *testing.T) {
	type rs = []Range
	tests := []struct {
		name, field string
		length      int64
		want        []Range
		status      int
	}{
		{"9110-14.1.2 first bytes", "bytes=0-4", 10, rs{{0, 5}}, 206},
		{"9110-14.1.2 one byte", "bytes=9-9", 10, rs{{9, 1}}, 206},
		{"9110-14.1.2 to the end", "bytes=5-", 10, rs{{5, 5}}, 206},
		{"9110-14.1.2 past the end", "bytes=5-99", 10, rs{{5, 5}}, 206},
		{"9110-14.1.2 suffix", "bytes=-3", 10, rs{{7, 3}}, 206},
		{"9110-14.1.2 long suffix", "bytes=-99", 10, rs{{0, 10}}, 206},
		{"9110-14.1.2 all", "bytes=0-", 10, rs{{0, 10}}, 206},
		{"9110-14.1.2 behind the end", "bytes=10-", 10, nil, 416},
		{"9110-14.1.2 empty suffix", "bytes=-0", 10, nil, 416},
		{"9110-14.1.2 more than 2^63", "bytes=99999999999999999999-", 10, nil, 416},
		{"9110-14.1.2 to more than 2^63", "bytes=5-99999999999999999999", 10, rs{{5, 5}}, 206},
		// These would be 1, 6 and 1 if they overflowed.
		{"9110-14.1.2 more than 2^64", "bytes=18446744073709551617-", 10, nil, 416},
		{"9110-14.1.2 to more than 2^64", "bytes=5-18446744073709551622", 10, rs{{5, 5}}, 206},
		{"9110-14.1.2 a suffix of more than 2^64", "bytes=-18446744073709551617", 10, rs{{0, 10}}, 206},
		{"9110-14.1 unit in any case", "Bytes=0-4", 10, rs{{0, 5}}, 206},
		{"9110-14.1.2 empty content", "bytes=0-", 0, nil, 416},
		{"9110-14.1.2 suffix of empty content", "bytes=-5", 0, nil, 200},

		{"9110-14.1.2 several", "bytes=0-1,4-5", 10, rs{{0, 2}, {4, 2}}, 206},
		{"9110-14.2 in the client's order", "bytes=8-9, 0-1", 10, rs{{8, 2}, {0, 2}}, 206},
		{"9110-5.6.1 empty elements", "bytes= ,0-1 ,, 4-5,", 10, rs{{0, 2}, {4, 2}}, 206},
		{"9110-14.1.2 what is satisfiable", "bytes=20-30,0-1", 10, rs{{0, 2}}, 206},
		{"9110-14.1.2 nothing is", "bytes=20-30,-0", 10, nil, 416},
		{"9110-15.3.7.2 overlap: made one", "bytes=0-5,3-7", 10, rs{{0, 8}}, 206},
		{"9110-15.3.7.2 touch: made one", "bytes=0-4,5-7", 10, rs{{0, 8}}, 206},
		{"9110-15.3.7.2 the same twice", "bytes=1-2,1-2", 10, rs{{1, 2}}, 206},
		{"9110-15.3.7.2 in the place of the first", "bytes=8-9,0-1,1-2", 10, rs{{8, 2}, {0, 3}}, 206},
		{"9110-14.2 many overlap", "bytes=0-,0-,0-,0-", 10, nil, 200},
		{"9110-14.2 many", "bytes=" + steps(maxRanges), 1000, stepRanges(maxRanges), 206},
		{"9110-14.2 too many", "bytes=" + steps(maxRanges+1), 1000, nil, 200},
		{"9110-17.15 far too many", "bytes=" + strings.Repeat("0-0,", 5000), 10, nil, 200},

		{"9110-14.2 none", "", 10, nil, 200},
		{"9110-14.2 another unit", "lines=0-4", 10, nil, 200},
		{"9110-14.2 no unit", "0-4", 10, nil, 200},
		{"9110-14.1.1 nothing named", "bytes=", 10, nil, 200},
		{"9110-14.1.1 only commas", "bytes=,,", 10, nil, 200},
		{"9110-14.1.2 last before first", "bytes=5-4", 10, nil, 200},
		{"9110-14.1.2 one of them is invalid", "bytes=0-1,5-4", 10, nil, 200},
		{"9110-14.1.1 no numbers", "bytes=a-b", 10, nil, 200},
		{"9110-14.1.1 a hyphen", "bytes=-", 10, nil, 200},
		{"9110-14.1.1 two hyphens", "bytes=--1", 10, nil, 200},
		{"9110-14.1.1 signs", "bytes=+0-+4", 10, nil, 200},
		{"9110-14.1.1 space inside", "bytes=0 - 4", 10, nil, 200},
		{"9110-14.1.1 space before =", "bytes =0-4", 10, nil, 200},
	}
	s := mustStore(t, fresh)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := http.Header{}
			if tt.field != "" {
				request.Set("Range", tt.field)
			}
			got, status := Ranges(s, request, tt.length)
			if !slices.Equal(got, tt.want) || status != tt.status {
				t.Errorf("Ranges(%q) = %v, %d; want %v, %d", tt.field, got, status, tt.want, tt.status)
			}
		})
	}
}

// steps are n ranges of one byte, apart; stepRanges what they mean.
func steps(n int) string {
	var specs []string
	for i := range n {
		specs = append(specs, fmt.Sprintf("%d-%d", 10*i, 10*i))
	}
	return strings.Join(specs, ",")
}

func stepRanges(n int) (ranges []Range) {
	for i := range n {
		ranges = append(ranges, Range{int64(10 * i), 1})
	}
	return ranges
}

func TestRangesOfOthers(t *testing.T) {
	request := header("Range: bytes=0-1")
	for _, status := range []int{203, 204, 301, 404, 500} {
		s := mustStoreAs(t, get(status, fresh), &Policy{})
		if _, got := Ranges(s, request, 10); got != http.StatusOK {
			t.Errorf("9110-14.2 a %d has no ranges: %d", status, got)
		}
	}
	request.Add("Range", "bytes=0-1")
	if _, got := Ranges(mustStore(t, fresh), request, 10); got != http.StatusOK {
		t.Errorf("9110-5.3 two Range fields are none: %d", got)
	}
}

func TestFirstByte(t *testing.T) {
	tests := []struct {
		name, field string
		start, end  int64
		ok          bool
	}{
		{"9110-14.1.2 first bytes", "bytes=0-4", 0, 4, true},
		{"9110-14.1.2 to the end", "bytes=5-", 5, -1, true},
		{"9110-5.6.1 whitespace", "bytes= 5-6 ", 5, 6, true},
		{"9110-14.1.2 suffix", "bytes=-5", 0, 0, false},
		{"9110-14.1.2 several", "bytes=0-1,3-4", 0, 0, false},
		{"9110-14.1.2 last before first", "bytes=5-4", 0, 0, false},
		{"9110-14.2 another unit", "lines=0-4", 0, 0, false},
		{"9110-14.1.1 nothing", "bytes=", 0, 0, false},
		{"9110-14.2 none", "", 0, 0, false},
	}
	s := mustStore(t, fresh)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start, end, ok := FirstByte(s, header("Range: "+tt.field))
			if start != tt.start || end != tt.end || ok != tt.ok {
				t.Errorf("FirstByte(%q) = %d, %d, %v; want %d, %d, %v", tt.field, start, end, ok, tt.start, tt.end, tt.ok)
			}
		})
	}
}

// FuzzRanges compares with http.ServeContent. Where we ignore a field it may
// refuse it, and we may join ranges; otherwise both send the same bytes.
func FuzzRanges(f *testing.F) {
	for _, seed := range []string{
		"bytes=0-4", "bytes=-3", "bytes=5-", "bytes=0-1,4-5", "bytes=3-1", "bytes=0-5,3-7", "bytes=99-", "bytes=-0", "bytes=0-0,-1", "bytes=2-3,1-2",
	} {
		f.Add(seed, uint8(10))
	}
	f.Fuzz(func(t *testing.T, field string, size uint8) {
		if size == 0 {
			t.Skip("net/http ignores all ranges of empty content")
		}
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i)
		}
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Range", field)
		s := mustStore(t, fresh)
		ranges, status := Ranges(s, request.Header, int64(size))
		checkRanges(t, field, ranges, int64(size))

		if unit, specs, _ := strings.Cut(trimOWS(field), "="); strings.EqualFold(unit, "bytes") {
			request.Header.Set("Range", "bytes="+specs) // it knows the unit in small letters only
		}
		w := httptest.NewRecorder()
		http.ServeContent(w, request, "", time.Time{}, bytes.NewReader(content))
		switch {
		case status == http.StatusOK:
			return // always right: RFC 9110 §14.2
		case w.Code == http.StatusOK && status == http.StatusPartialContent:
			return // it sends all rather than ranges that make more than all
		case status == http.StatusRequestedRangeNotSatisfiable && strings.Contains(field, "-0"):
			return // it sends nothing as a part, where §14.1.2 says unsatisfiable
		case status != w.Code:
			t.Fatalf("Ranges(%q, %d) = %d, ServeContent %d", field, size, status, w.Code)
		case status == http.StatusPartialContent:
			if got, want := bytesOf(ranges), servedBytes(t, w); got != want {
				t.Errorf("Ranges(%q, %d) = %v, which is %s; ServeContent sent %s", field, size, ranges, got, want)
			}
		}
	})
}

// checkRanges holds what every caller relies on.
func checkRanges(t *testing.T, field string, ranges []Range, length int64) {
	t.Helper()
	for i, r := range ranges {
		if r.Start < 0 || r.Length < 1 || r.end() > length {
			t.Fatalf("Ranges(%q): %v is outside of %d bytes", field, r, length)
		}
		for _, other := range ranges[:i] {
			if r.Start < other.end() && other.Start < r.end() {
				t.Fatalf("Ranges(%q): %v and %v overlap", field, r, other)
			}
		}
	}
}

// bytesOf is the set of bytes in ranges, as a string of 0 and 1.
func bytesOf(ranges []Range) string {
	var set [256]byte
	for _, r := range ranges {
		for i := r.Start; i < r.end(); i++ {
			set[i] = 1
		}
	}
	return fmt.Sprint(set)
}

// servedBytes is the set of bytes in an answer; byte i of the content is i.
func servedBytes(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var set [256]byte
	add := func(part io.Reader) {
		b, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range b {
			set[i] = 1
		}
	}
	mediaType, parameters, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil || mediaType != "multipart/byteranges" {
		add(w.Body)
		return fmt.Sprint(set)
	}
	for parts := multipart.NewReader(w.Body, parameters["boundary"]); ; {
		part, err := parts.NextPart()
		if err != nil {
			return fmt.Sprint(set)
		}
		add(part)
	}
}
