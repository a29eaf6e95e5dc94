package httpcache

import (
	"net/http"
	"testing"
	"time"
)

// TestHitAllocates holds the budget of a hit: the decisions allocate nothing,
// the header one slice for all values.
func TestHitAllocates(t *testing.T) {
	p := DefaultPolicy()
	const selecting = "Accept-Encoding: gzip, deflate, br, zstd\nAccept-Language: en-US,en;q=0.9,de;q=0.5\nUser-Agent: Mozilla/5.0\n"
	s := mustStoreAs(t, getWith(selecting, 200, fresh+"Etag: \"a\"\nContent-Type: text/html\nVary: Accept-Encoding, Accept-Language\nLast-Modified: "+date(-100)), &p)
	plain := header(selecting)
	reload := header(selecting + "Cache-Control: max-age=0\nPragma: no-cache\nIf-None-Match: \"b\", W/\"a\"")
	since := header(selecting + "If-Modified-Since: " + date(-100))
	authorized := header(selecting + "Authorization: Basic eDp5")
	at := now.Add(time.Second)
	german := header("Accept-Language: de")
	translated := mustStoreAs(t, getWith("Accept-Language: en, de", 200, fresh+"Vary: Accept-Language\nContent-Language: de"), &p)
	h := make(http.Header, 16)
	field := make([]byte, 0, 256)
	status := Status{Name: "Portico", Hit: true, HasTTL: true, TTL: time.Minute, Key: "GET https://example.com/?a=b"}
	tests := []struct {
		name string
		max  float64
		f    func()
	}{
		{"Selects", 0, func() { p.Selects(s, plain) }},
		{"Selects, by language", 0, func() { p.Selects(translated, german) }},
		{"Reuse", 0, func() { p.Reuse(s, plain, at) }},
		{"Reuse, reload", 0, func() { p.Reuse(s, reload, at) }},
		{"Reuse, authorized", 0, func() { p.Reuse(s, authorized, at) }},
		{"ReuseOnError", 0, func() { p.ReuseOnError(s, reload, 0, at) }},
		{"OnlyIfCached and NoStore", 0, func() { p.OnlyIfCached(reload); p.NoStore(reload) }},
		{"Age and TTL", 0, func() { s.Age(at); s.TTL(at) }},
		{"Precondition", 0, func() { Precondition(s, plain) }},
		{"Precondition, tags", 0, func() { Precondition(s, reload) }},
		{"Precondition, date", 0, func() { Precondition(s, since) }},
		{"Ranges", 0, func() { Ranges(s, plain, 1000) }},
		{"FirstByte", 0, func() { FirstByte(s, plain) }},
		{"Status.Append", 0, func() { field = status.Append(field[:0]) }},
		{"Fields.CopyTo", 1, func() { s.Fields.CopyTo(h, nil, 3) }},
		{"Fields.Get", 0, func() { s.Fields.Get("Content-Type") }},
		{"Reason", 0, func() { _ = Fresh.String() }},
		{"parseCacheControl", 0, func() { parseCacheControl([]string{`public, max-age=31536000, no-cache="set-cookie", immutable`}) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := testing.AllocsPerRun(100, tt.f); got > tt.max {
				t.Errorf("%v allocations, want at most %v", got, tt.max)
			}
		})
	}
}

func BenchmarkHit(b *testing.B) {
	p := DefaultPolicy()
	s := mustStoreAs(b, getWith("Accept-Encoding: gzip, br", 200, fresh+"Etag: \"a\"\nVary: Accept-Encoding"), &p)
	request := header("Accept-Encoding: br, gzip\nUser-Agent: Mozilla/5.0")
	h := make(http.Header, 16)
	b.ReportAllocs()
	for b.Loop() {
		if !p.Selects(s, request) {
			b.Fatal("not selected")
		}
		p.Reuse(s, request, now)
		Precondition(s, request)
		s.Fields.CopyTo(h, nil, 2)
	}
}
