package examples_test

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestDemo does what the comment of the demo's Caddyfile tells its reader to try.
func TestDemo(t *testing.T) {
	_, port, _ := net.SplitHostPort(freeAddr(t))
	docs, err := filepath.Abs("../docs")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ORIGIN_PORT", port)
	t.Setenv("DOCS", docs)
	s := startSite(t, "demo")
	t.Run("the slow page is slow once", s.slowOnce)
	t.Run("a variant for each language", s.languages)
	t.Run("parts of a large page", s.largePart)
	t.Run("a page with a cookie is not shared", s.personal)
	t.Run("files are revalidated", s.demoFiles)
	t.Run("compressed once", s.compressed)
	t.Run("stats", s.stats)
}

func (s *site) slowOnce(t *testing.T) {
	const clients = 20
	bodies := make([]string, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/slow", nil)
			r, err := fetch(s.client, req)
			if err != nil || r.Status != 200 {
				t.Errorf("client %d: %d, %v", i, r.Status, err)
			}
			bodies[i] = string(r.Body)
		})
	}
	all.Wait()
	for _, b := range bodies {
		if b != bodies[0] || !strings.HasPrefix(b, "made at ") {
			t.Errorf("body = %q, want %q for everyone", b, bodies[0])
		}
	}
	if r := s.get("/slow"); !r.hit(t) || string(r.Body) != bodies[0] {
		t.Errorf("afterwards: %q (%s), want a hit of %q", r.Body, r.Header.Get("Cache-Status"), bodies[0])
	}
}

func (s *site) languages(t *testing.T) {
	tests := []struct {
		language, greeting string
		hit                bool
	}{
		{"de-AT, de;q=0.8", "Guten Tag", false},
		{"DE-at,de;q=0.80", "Guten Tag", true},
		{"en", "Good day", false},
		{"de-AT, de;q=0.8", "Guten Tag", true},
	}
	for _, tt := range tests {
		r := s.get("/hello", "Accept-Language: "+tt.language)
		if !strings.HasPrefix(string(r.Body), tt.greeting) || r.hit(t) != tt.hit {
			t.Errorf("%s: %q (%s), want %s, hit %t", tt.language, r.Body, r.Header.Get("Cache-Status"), tt.greeting, tt.hit)
		}
	}
}

func (s *site) largePart(t *testing.T) {
	if r := s.get("/large"); r.Status != 200 || len(r.Body) != 32<<20 {
		t.Errorf("%d with %d bytes, want 200 with 32 MiB", r.Status, len(r.Body))
	}
	r := s.get("/large", "Range: bytes=16777216-16777231")
	r.want(t, http.StatusPartialContent, "sixteen bytes..\n")
	if !r.hit(t) {
		t.Errorf("%s, want a hit", r.Header.Get("Cache-Status"))
	}
}

func (s *site) personal(t *testing.T) {
	first, second := s.get("/me"), s.get("/me")
	if first.hit(t) || second.hit(t) || string(first.Body) == string(second.Body) ||
		first.Header.Get("Set-Cookie") == second.Header.Get("Set-Cookie") {
		t.Errorf("two visitors got %q %v and %q %v", first.Body, first.Header, second.Body, second.Header)
	}
}

func (s *site) demoFiles(t *testing.T) {
	first := s.get("/response_cache.md")
	if first.Status != 200 || !strings.HasPrefix(string(first.Body), "# ") {
		t.Errorf("%d %.80q, want the page about response_cache", first.Status, first.Body)
	}
	if r := s.get("/response_cache.md"); !r.hit(t) {
		t.Errorf("second: %s, want a hit", r.Header.Get("Cache-Status"))
	}
	r := s.get("/response_cache.md", "Cache-Control: no-cache")
	r.want(t, 200, string(first.Body))
	if status, _ := r.cacheStatus(t).Get("fwd-status"); status != int64(304) {
		t.Errorf("with no-cache: %s, want fwd-status=304", r.Header.Get("Cache-Status"))
	}
	if r := s.get("/"); r.Status != 200 || !strings.HasPrefix(string(r.Body), "# Portico") {
		t.Errorf("the index: %d %.80q", r.Status, r.Body)
	}
}

// compressed asks as browsers do: what encode made is stored, is validated as
// any other variant, and does not reach those who cannot read it.
func (s *site) compressed(t *testing.T) {
	const path = "/how-it-decides.md"
	plain := s.get(path)
	first := s.get(path, "Accept-Encoding: gzip, deflate, br")
	second := s.get(path, "Accept-Encoding: gzip;q=1.0, br, deflate")
	for _, r := range []reply{first, second} {
		if r.Header.Get("Content-Encoding") != "gzip" || unpack(t, r) != string(plain.Body) {
			t.Errorf("got %d bytes that are not the page, packed (%v)", len(r.Body), r.Header)
		}
	}
	if !second.hit(t) {
		t.Errorf("second: %s, want a hit", second.Header.Get("Cache-Status"))
	}
	r := s.get(path, "Accept-Encoding: gzip, deflate, br", "Cache-Control: no-cache")
	if unpack(t, r) != string(plain.Body) {
		t.Errorf("validated: %d %v, want the page, packed", r.Status, r.Header)
	}
	if status, _ := r.cacheStatus(t).Get("fwd-status"); status != int64(304) {
		t.Errorf("validated: %s, want fwd-status=304", r.Header.Get("Cache-Status"))
	}
	if r.Header.Get("Etag") != first.Header.Get("Etag") {
		t.Errorf("validated: ETag = %s, want %s", r.Header.Get("Etag"), first.Header.Get("Etag"))
	}
	if r := s.get(path); r.Header.Get("Content-Encoding") != "" || string(r.Body) != string(plain.Body) || !r.hit(t) {
		t.Errorf("plain again: %v, want a hit of the page as it is", r.Header)
	}
}

// stats asks the admin API, as the last line of the comment does.
func (s *site) stats(t *testing.T) {
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.admin+"/response_cache/stats", nil)
	r := s.send(s.client, req)
	if r.Status != 200 || !json.Valid(r.Body) || !strings.Contains(string(r.Body), `"objects"`) {
		t.Errorf("stats: %d %q", r.Status, r.Body)
	}
}
