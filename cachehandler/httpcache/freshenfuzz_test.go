package httpcache

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFreshenProperties holds, for random stored responses and 304s, what must
// be true whatever they say.
func TestFreshenProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 3))
	p := &Policy{StaleIfError: time.Hour}
	freshened := 0
	for range 6000 {
		x := getWith("Foo: 1", 200, "Etag: \"a\"\nVary: Foo\nX-Kept: 1\nContent-Length: 5\nContent-Encoding: gzip")
		for name, values := range randomResponse(r) {
			x.Header[name] = values
		}
		s, _ := Store(x, p)
		if s == nil {
			continue
		}
		before := s.Fields.Header()
		n := notModified("Content-Length: 0\nContent-Encoding: br\nConnection: x-hop\nX-Hop: 1\nAge: 3")
		n.RequestHeader = header("Foo: 1")
		for name, values := range randomResponse(r) {
			n.Header[name] = values
		}
		got, why, ok := Freshen(s, n, p)
		if !equalHeaders(before, s.Fields.Header()) {
			t.Fatalf("the stored response changed: %v", s.Fields.Header())
		}
		if got == nil {
			continue
		}
		if ok {
			freshened++
		}
		checkFreshened(t, s, got, n)
		if ok != (why == Storable) {
			t.Fatalf("ok %v, but %v", ok, why)
		}
		if slow, want := slowDirectives(got.Fields.Header()), true; ok == want && slowHas(slow, "no-store", "private") {
			t.Fatalf("%v may not be stored any more", got.Fields.Header())
		}
	}
	if freshened < 500 {
		t.Errorf("only %d were freshened", freshened)
	}
}

func checkFreshened(t *testing.T, s, got *Stored, x *Exchange) {
	t.Helper()
	f := got.Fields
	switch {
	case f.Get("X-Kept") != "1", f.Get("X-Hop") != "", f.Get("Connection") != "", f.Get("Age") != "":
		t.Fatalf("fields %v", f.Header())
	case f.Get("Content-Length") != "5", f.Get("Content-Encoding") != "gzip":
		t.Fatalf("the content is described as another: %v", f.Header())
	case f.Get("Set-Cookie") != "":
		t.Fatalf("a cookie was stored: %v", f.Header())
	case got.Status != s.Status || !got.ResponseTime.Equal(x.ResponseTime) || got.InitialAge < 3*time.Second:
		t.Fatalf("status %d, at %v, age %v", got.Status, got.ResponseTime, got.InitialAge)
	case got.ETag != s.ETag:
		t.Fatalf("another tag: %q, was %q", got.ETag, s.ETag)
	}
	for _, name := range []string{"Cache-Control", "Last-Modified", "Expires"} {
		want := s.Fields.Values(name)
		if lines, ok := x.Header[name]; ok {
			want = lines
		}
		if !slices.Equal(f.Values(name), want) {
			t.Fatalf("%s = %q, want %q", name, f.Values(name), want)
		}
	}
}

// FuzzFields: freezing and thawing loses nothing, and lookup agrees with the map.
func FuzzFields(f *testing.F) {
	f.Add("A: 1\nB: 2\nA: 3", "A")
	f.Add("Content-Type: x", "content-type")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, lines, name string) {
		h := header(lines)
		fields := FreezeFields(h)
		if got := fields.Header(); !equalHeaders(got, h) {
			t.Errorf("thawed %v, want %v", got, h)
		}
		canonical := http.CanonicalHeaderKey(name)
		if got, want := fields.Get(canonical), h.Get(name); got != want {
			t.Errorf("Get(%q) = %q, want %q", canonical, got, want)
		}
		if got := fields.Values(canonical); !slices.Equal(got, h.Values(name)) {
			t.Errorf("Values(%q) = %q, want %q", canonical, got, h.Values(name))
		}
		bytes := 0
		for name, values := range h {
			bytes += len(values)*(len(name)+bytesPerLine) + len(strings.Join(values, ""))
		}
		if fields.Bytes() != bytes {
			t.Errorf("Bytes = %d, want %d", fields.Bytes(), bytes)
		}
	})
}
