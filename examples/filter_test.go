package examples_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestFilter does what the comment of the example tells its reader to try.
func TestFilter(t *testing.T) {
	_, port, _ := net.SplitHostPort(freeAddr(t))
	t.Setenv("APP_PORT", port)
	s := startSite(t, "filter")
	tests := []struct {
		name, path string
		fields     []string
		status     int
		body       string
	}{
		{"the application", "/", nil, 200, "hello, tags: \n"},
		{"tagged", "/api/orders", nil, 200, "hello, tags: api\n"},
		{"a probe", "/.env", nil, 404, "404: refused (probe secret)\n"},
		{"a path that may be read in two ways", "/static/../secret", nil, 400, "400: refused (path traversal)\n"},
		{"a scanner", "/", []string{"User-Agent: sqlmap/1.8"}, 403, "403: refused (bot scanners)\n"},
		{"AI training", "/", []string{"User-Agent: GPTBot/1.2"}, 403, "403: refused (bot ai_crawlers)\n"},
		{"AI search", "/", []string{"User-Agent: OAI-SearchBot/1.0"}, 200, "hello, tags: \n"},
		{"the trap", "/old-admin/", []string{"X-Forwarded-For: 192.0.2.1"}, 404, "404: refused (honeypot /old-admin)\n"},
		{"after the trap", "/", []string{"X-Forwarded-For: 192.0.2.1"}, 403, "403: refused (banned honeypot)\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.get(tt.path, tt.fields...).want(t, tt.status, tt.body)
		})
	}
	t.Run("deep JSON", func(t *testing.T) {
		r := s.do(http.MethodPost, "/", []byte(strings.Repeat("[", 200)), "Content-Type: application/json")
		r.want(t, 400, "400: refused (limit json_depth)\n")
	})
	t.Run("logins", s.logins)
	t.Run("the list of bans", func(t *testing.T) {
		r, err := fetch(s.client, mustRequest(t, s.admin+"/request_filter/bans"))
		if err != nil || r.Status != 200 || !strings.Contains(string(r.Body), "192.0.2.1") {
			t.Errorf("%d %s %v, want a list with 192.0.2.1", r.Status, r.Body, err)
		}
	})
}

func (s *site) logins(t *testing.T) {
	for _, want := range []string{"r=2", "r=1", "r=0"} {
		if r := s.get("/login"); r.Status != 200 || !strings.Contains(r.Header.Get("RateLimit"), want) {
			t.Errorf("%d, RateLimit %q, want 200 and %s", r.Status, r.Header.Get("RateLimit"), want)
		}
	}
	if r := s.get("/login"); r.Status != 429 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q, want 429 and a time", r.Status, r.Header.Get("Retry-After"))
	}
}

func mustRequest(t *testing.T, url string) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
