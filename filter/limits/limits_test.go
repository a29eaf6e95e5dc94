package limits

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

func request(method, target, body, contentType string, length int64) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	if body != "" {
		r.Body = io.NopCloser(iotest.OneByteReader(strings.NewReader(body)))
		r.Header.Set("Content-Type", contentType)
	}
	r.ContentLength = length
	return r
}

var small = Limits{URI: 20, Headers: 3, HeaderBytes: 60, Args: 3, Body: 10, JSONDepth: 2}

func TestHead(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(r *http.Request)
		want Excess
	}{
		{"nothing", func(*http.Request) {}, None},
		{"target at the limit", func(r *http.Request) { r.RequestURI = strings.Repeat("/", 20) }, None},
		{"target", func(r *http.Request) { r.RequestURI = strings.Repeat("/", 21) }, URI},
		{"lines at the limit, with Host", func(r *http.Request) { r.Header["A"] = []string{"", ""} }, None},
		{"lines", func(r *http.Request) { r.Header["A"] = []string{"", "", ""} }, Headers},
		{"bytes", func(r *http.Request) { r.Header["A"] = []string{strings.Repeat("x", 60)} }, HeaderBytes},
		{"arguments at the limit", func(r *http.Request) { r.URL.RawQuery = "a&b&c" }, None},
		{"arguments", func(r *http.Request) { r.URL.RawQuery = "a=1&a=1&&" }, Args},
		{"body at the limit", func(r *http.Request) { r.ContentLength = 10 }, None},
		{"body", func(r *http.Request) { r.ContentLength = 11 }, Body},
		{"body next to Upgrade", func(r *http.Request) {
			r.ContentLength, r.Header = 11, http.Header{"Upgrade": {"x"}, "Connection": {"upgrade"}}
		}, Body},
		{"gRPC", func(r *http.Request) {
			r.ContentLength, r.ProtoMajor, r.Header = 11, 2, http.Header{"Content-Type": {"application/grpc"}}
		}, None},
	} {
		r := request("POST", "/", "", "", 0)
		test.edit(r)
		if got := small.Head(r); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got.Name(), test.want.Name())
		}
		if got := (Limits{}).Head(r); got != None {
			t.Errorf("%s without limits: %q", test.name, got.Name())
		}
	}
}

func TestBody(t *testing.T) {
	const urlencoded = "application/x-www-form-urlencoded; charset=utf-8"
	for _, test := range []struct {
		body, contentType string
		length            int64
		want              Excess
	}{
		{"0123456789", "text/plain", -1, None},
		{"0123456789x", "text/plain", -1, Body},
		{"a=1&b=2&c", urlencoded, -1, None},
		{"a&b&c&d", urlencoded, 7, Args},
		{"a&b&c&d", "text/plain", 7, None},
		{`[[1],{}]`, "application/json", 8, None},
		{`[[[1]]]`, "Application/JSON; x", 7, JSONDepth},
		{`[{"a":[`, "application/problem+json", -1, JSONDepth},
		{`["[[\"[["]`, "application/json", 10, None},
	} {
		got, err := io.ReadAll(small.Stream(request("POST", "/", test.body, test.contentType, test.length)))
		var excess *Error
		switch {
		case test.want == None && (err != nil || string(got) != test.body),
			test.want != None && (!errors.As(err, &excess) || excess.Excess != test.want || len(got) >= len(test.body)):
			t.Errorf("%q as %s: %q, %v, want %q", test.body, test.contentType, got, err, test.want.Name())
		}
	}
}

// What is compressed has brackets and ampersands by chance.
func TestEncodedBodiesAreOnlyMeasured(t *testing.T) {
	for _, test := range []struct {
		coding, body, contentType string
		want                      Excess
	}{
		{"gzip", "[[[[", "application/json", None},
		{"br", "&&&&&", "application/x-www-form-urlencoded", None},
		{"gzip", "[[[[0123456789", "application/json", Body},
		{"identity", "[[[[", "application/json", JSONDepth},
	} {
		r := request("POST", "/", test.body, test.contentType, -1)
		r.Header.Set("Content-Encoding", test.coding)
		_, err := io.ReadAll(small.Stream(r))
		var excess *Error
		if errors.As(err, &excess) != (test.want != None) || excess != nil && excess.Excess != test.want {
			t.Errorf("%q in %s: %v, want %q", test.body, test.coding, err, test.want.Name())
		}
	}
}

func TestWatchHandsOnEverything(t *testing.T) {
	for _, test := range []struct {
		body, contentType string
		want              Excess
	}{
		{"0123456789", "text/plain", None},
		{"0123456789xyz", "text/plain", Body},
		{"[[[[1]]]]", "application/json", JSONDepth},
	} {
		var found []Excess
		r := request("POST", "/", test.body, test.contentType, -1)
		got, err := io.ReadAll(small.Watch(r, func(e Excess) { found = append(found, e) }))
		if err != nil || string(got) != test.body {
			t.Errorf("%q: %q, %v", test.body, got, err)
		}
		if len(found) > 1 || len(found) == 1 != (test.want != None) || len(found) == 1 && found[0] != test.want {
			t.Errorf("%q: found %v, want %q", test.body, found, test.want.Name())
		}
	}
}

func TestStreamsAreLeftAlone(t *testing.T) {
	upgrade := request("GET", "/", "x", "", 0)
	upgrade.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"keep-alive, Upgrade"}}
	grpc := request("POST", "/", "x", "application/grpc+proto", -1)
	grpc.ProtoMajor = 2
	for _, r := range []*http.Request{upgrade, grpc, request("CONNECT", "site.test:443", "x", "", -1)} {
		if got := small.Stream(r); got != r.Body {
			t.Errorf("%s %v: the body is wrapped", r.Method, r.Header)
		}
	}
}

func TestStatuses(t *testing.T) {
	for e, want := range map[Excess]int{URI: 414, Headers: 431, HeaderBytes: 431, Args: 400, Body: 413, JSONDepth: 400} {
		if e.Status() != want || e.Name() == "" || e.String() == "" {
			t.Errorf("excess %d: %d %q %q, want %d", e, e.Status(), e.Name(), e, want)
		}
	}
}

func TestNoBodyDoesNotAllocate(t *testing.T) {
	r := httptest.NewRequest("GET", "/?a=1&b=2", nil)
	r.Body = http.NoBody
	if n := testing.AllocsPerRun(100, func() {
		if Default.Head(r) != None || Default.Stream(r) != http.NoBody {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Of what encoding/json takes, the depth is what its tokens say, wherever the
// text is cut.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`[]`, `{"a":[1,{"b":"]}\\"}]}`, `"\"["`, `[[[["\u005b"]]]]`, `{"\\":{}}`} {
		f.Add([]byte(text), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		if !stdjson.Valid(text) {
			return
		}
		depth, deepest := 0, 0
		for decoder := stdjson.NewDecoder(bytes.NewReader(text)); ; {
			token, err := decoder.Token()
			if err != nil {
				break
			}
			switch token {
			case stdjson.Delim('['), stdjson.Delim('{'):
				depth++
			case stdjson.Delim(']'), stdjson.Delim('}'):
				depth--
			}
			deepest = max(deepest, depth)
		}
		if deepest == 0 {
			return
		}
		cut = min(max(cut, 0), len(text))
		for _, limit := range []int{deepest, deepest - 1} {
			j := JSON{Max: limit}
			if got := j.Scan(text[:cut]) && j.Scan(text[cut:]); got != (limit >= deepest) {
				t.Fatalf("%q, %d levels, limit %d, cut at %d: within = %t", text, deepest, limit, cut, got)
			}
		}
	})
}

// A body passes exactly if it is within the limits as a whole.
func FuzzBody(f *testing.F) {
	f.Add("a=1&b=2", int64(7), 2, 3)
	f.Add("&&&", int64(2), 9, 1)
	f.Fuzz(func(t *testing.T, text string, length int64, args, piece int) {
		l := Limits{Args: max(args, 1), Body: max(length, 1)}
		r := request("POST", "/", text, "application/x-www-form-urlencoded", -1)
		if text == "" {
			return
		}
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{l.Stream(r)}, make([]byte, min(max(piece, 1), 64)))
		within := int64(len(text)) <= l.Body && strings.Count(text, "&")+1 <= l.Args
		if (err == nil) != within {
			t.Fatalf("%q with %+v: %v", text, l, err)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	text := []byte(strings.Repeat(`{"id":12345,"name":"Some \"quoted\" name","tags":["a","b"],"text":"Longer text that goes on for a while."},`, 1000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		j := JSON{Max: 64}
		if !j.Scan(text) {
			b.Fatal("too deep")
		}
	}
}
