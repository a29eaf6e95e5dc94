package portico_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This file makes the random options, requests and responses of TestForetold. All
// times in them are far from each other, so that none passes while a test runs.

// dice throws for a choice.
type dice struct{ *rand.Rand }

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func (d dice) one(of ...string) string { return of[d.IntN(len(of))] }

// some is each of lines with a chance.
func (d dice) some(percent int, lines ...string) (chosen []string) {
	for _, line := range lines {
		if d.chance(percent) {
			chosen = append(chosen, line)
		}
	}
	return chosen
}

// site is a Caddyfile whose answers say what became of the request.
func (d dice) site() string {
	options := d.some(12,
		"ttl 60s", "ttl 4xx 1000s", "ttl 500 1000s", "ttl_override 200 100s", "ttl_override 1000s", "max_ttl 50s",
		"stale_while_revalidate 1000s", "request_directives ignore", "max_object_size 100", "fill_range_up_to 100",
		"vary normalise X-K", "vary ignore X-K", "vary max 1", "collapse off", "query_method off", "tags X-Tags",
		"bypass /bypassed*", "@skip header X-Skip *\nskip_store @skip",
		"bypass @editors",
	)
	options = append(options, d.one("", "", "set_cookie strip", "set_cookie refuse", "set_cookie store"))
	options = append(options, d.one("", "", "heuristic off", "heuristic 20 1h", "heuristic 50 100s"))
	options = append(options, d.one("", "", "", "targeted X-CC CDN-Cache-Control", "targeted Surrogate-Control X-Accel-Expires"))
	options = append(options, d.one("", "", "stale_if_error off", "stale_if_error 10s"))
	key := append(d.some(12, "scheme off", "host off", "header X-K", "cookie ck", "placeholder {http.request.header.X-P}", "no_vary_search off"),
		d.one("", "", "", "query drop utm_*", "query keep a b", "query sort", "query ignore"))
	if lines := strings.TrimSpace(strings.Join(key, "\n")); lines != "" {
		options = append(options, "key {\n"+lines+"\n}")
	}
	if slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "max_object") }) { // which bounds it
		options = slices.DeleteFunc(options, func(o string) bool { return strings.HasPrefix(o, "fill_range") })
	}
	return "header >X-Result \"{http.response_cache.status} {http.response_cache.reason} {http.response_cache.ttl}\"\n" +
		"@editors header X-Editor *\n" +
		"response_cache {\nstatus_header full\n" + strings.Join(options, "\n") + "\n}\nreverse_proxy $ORIGIN\n"
}

// request is one for a few URLs, with what matters to caches in its fields.
func (d dice) request(s *site) *http.Request {
	method := d.one("GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "HEAD", "QUERY", "QUERY", "POST", "DELETE", "PURGE", "OPTIONS")
	r := s.request("/")
	r.URL.Opaque = d.one("/a", "/a", "/a", "/dir/b.css", "/bypassed", "/c") + d.one("", "", "", "?", "?a=1", "?a=1&utm_s=2", "?b=2&a=1", "?a=1&b=2")
	r.Method = method
	if d.chance(5) {
		r.Host = d.one("other.test", "SITE.test", "site.test:80")
	}
	for _, f := range []struct {
		percent int
		name    string
		values  []string
	}{
		{20, "Accept-Encoding", []string{"gzip, br", "br,gzip", "identity"}},
		{20, "Accept-Language", []string{"de", "fr;q=0.9, de", "de, fr;q=0.9"}},
		{12, "Cookie", []string{"ck=1", "ck=2; s=1", "s=2"}},
		{6, "Authorization", []string{"Basic eDp5", "Bearer z"}},
		{20, "Cache-Control", []string{
			"no-cache", "max-age=0", "max-age=30", "max-age=30, max-stale=1000", "max-stale", "max-stale=1000", "max-stale=1", "min-fresh=10", "min-fresh=1000",
			"no-store", "only-if-cached", "stale-if-error=10000", "only-if-cached, max-stale", "x", "",
		}},
		{4, "Pragma", []string{"no-cache", "x"}},
		{15, "Range", []string{"bytes=0-9", "bytes=10-19", "bytes=5-14", "bytes=-5", "bytes=20-", "bytes=0-1,3-4", "bytes=1000-", "bytes=0-", "items=1-2", "bytes=x"}},
		{4, "If-Range", []string{`"v1"`, `"v2"`, `W/"v1"`}},
		{8, "If-None-Match", []string{`"v1"`, `"v2"`, `W/"v1", "v3"`, "*"}},
		{5, "If-Modified-Since", []string{imf(-time.Hour), imf(-48 * time.Hour), "x"}},
		{2, "If-Match", []string{`"v1"`}},
		{15, "X-K", []string{"1", "2", "1, 2", "2,1"}},
		{5, "X-P", []string{"1"}},
		{3, "X-Editor", []string{"1"}},
		{3, "X-Forwarded-Host", []string{"evil.test"}},
		{5, "Accept", []string{"text/event-stream", "text/html", "application/json", "application/json, text/html;q=0.5"}},
		{6, "Origin", []string{"https://a.test", "https://b.test"}},
		{5, d.one("X-Requested-With", "X-Api-Key", "Rsc", "Sec-Purpose", "Prefer"), []string{"one", "two"}},
		{3, "Connection", []string{"close", "Cookie", "Accept-Language", "Upgrade"}},
		{2, "Upgrade", []string{"h2c", "websocket"}},
	} {
		if d.chance(f.percent) {
			r.Header.Set(f.name, d.one(f.values...))
		}
	}
	r.Header["User-Agent"] = nil
	if method != "QUERY" && d.chance(4) { // whose key has it
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("abc")), 3
	}
	return r
}

// plan is how the origin answers, until there is another.
type plan struct {
	status    int
	fields    [][2]string
	length    int
	ranges    bool // it sends parts
	validates bool // it answers 304
	fails     bool // it breaks the connection
}

func (d dice) plan() *plan {
	p := &plan{status: 200, length: 10 * d.IntN(12), ranges: d.chance(50), validates: d.chance(70), fails: d.chance(5)}
	if d.chance(20) {
		p.status, _ = strconv.Atoi(d.one("203", "204", "301", "302", "403", "404", "410", "429", "500", "503", "501", "202"))
	}
	add := func(percent int, name string, values ...string) {
		if d.chance(percent) {
			p.fields = append(p.fields, [2]string{name, d.one(values...)})
		}
	}
	add(65, "Cache-Control", "max-age=60", "max-age=60", "max-age=1000", "max-age=10000, stale-while-revalidate=1000", "max-age=60, stale-while-revalidate=1000",
		"s-maxage=60", "s-maxage=1000, stale-if-error=1000", "max-age=60, must-revalidate", "no-cache", "private", "no-store", "public", "public, max-age=60",
		"max-age=1000, immutable", "max-age=0", "max-age=60, stale-if-error=0", `max-age=60, no-cache="X-A"`, `max-age=60, private="X-A"`, "must-understand, no-store, max-age=60",
		"max-age=60, proxy-revalidate", "max-age=x", "max-age=60, max-age=1000")
	add(6, d.one("X-CC", "CDN-Cache-Control", "Surrogate-Control"), "max-age=60", "max-age=1000", "no-store", "private", "max-age=60+1000")
	add(3, "X-Accel-Expires", "60", "0", "x")
	add(20, "Age", "20", "20", "100", "5000")
	add(4, "Date", imf(-100*time.Second), "x")
	add(12, "Expires", imf(time.Hour), imf(-time.Hour), "0")
	add(55, "ETag", `"v1"`, `"v1"`, `"v2"`, `W/"v1"`)
	add(35, "Last-Modified", imf(-24*time.Hour), imf(-100*time.Hour), imf(-time.Second), "x")
	add(30, "Vary", "Accept-Encoding", "Accept-Language", "X-K", "X-K, Accept-Language", "Cookie", "*", "Authorization", "Origin")
	add(8, "Set-Cookie", "a=b")
	add(70, "Content-Type", "text/html", "text/html", "text/css", "application/json", "image/png", "text/event-stream")
	add(8, "Access-Control-Allow-Origin", "https://a.test", "*")
	add(5, "Content-Encoding", "br", "zstd")
	add(3, "Trailer", "X-T")
	add(8, "Content-Language", "de")
	add(8, "No-Vary-Search", `params=("utm_s")`, "params", "key-order", `except=("a")`)
	add(8, "Cache-Groups", `"g", "h"`)
	add(8, d.one("Surrogate-Key", "X-Tags"), "one two")
	add(4, "X-Skip", "1")
	add(10, "X-A", "1")
	add(10, "Accept-Ranges", "bytes", "none")
	add(5, "Cache-Status", "Inner; hit")
	add(3, "Location", "/c")
	add(8, "Content-Location", "/a", "/c")
	add(3, "Cache-Group-Invalidation", `"g"`)
	return p
}

// plannedOrigin answers by the plan, and notes what it is asked.
type plannedOrigin struct {
	mu   sync.Mutex
	plan *plan
	seen []*http.Request
}

// next sets the plan, and forgets what was asked.
func (o *plannedOrigin) next(p *plan) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.plan, o.seen = p, nil
}

func (o *plannedOrigin) asked() []*http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.seen)
}

func (o *plannedOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	p := o.plan
	o.seen = append(o.seen, r)
	o.mu.Unlock()
	if p.fails {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("Connection", "close") // else a request that fails is repeated
	for _, f := range p.fields {
		h.Add(f[0], f[1])
	}
	body := pattern(0, p.length)
	etag := h.Get("ETag")
	switch {
	case p.validates && etag != "" && strings.Contains(r.Header.Get("If-None-Match"), etag),
		p.validates && r.Header.Get("If-None-Match") == "" && h.Get("Last-Modified") != "" && r.Header.Get("If-Modified-Since") == h.Get("Last-Modified"):
		w.WriteHeader(http.StatusNotModified)
		return
	case p.ranges && p.status == 200 && r.Header.Get("Range") != "" && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == etag):
		var from, to int
		if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 && from >= 0 && from <= to && from < p.length {
			to = min(to, p.length-1)
			h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, p.length))
			h.Set("Content-Length", strconv.Itoa(to+1-from))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body[from : to+1])
			return
		}
	}
	if p.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(p.length))
	}
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead && p.status != http.StatusNoContent {
		_, _ = w.Write(body)
	}
}
