package route

import (
	"net/http"
	"net/url"
	"testing"
)

func request(t *testing.T, pairs ...string) (*http.Request, error) {
	t.Helper()
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Add(pairs[i], pairs[i+1])
	}
	return Request(t.Context(), query, "client")
}

// The target is what a client that takes the URL as it is writes (RFC 9112 §3.2.1).
func TestRequestTarget(t *testing.T) {
	for text, want := range map[string]string{
		"http://a.test":                   "/",
		"http://a.test/":                  "/",
		"http://a.test#top":               "/",
		"http://a.test?q":                 "/?q",
		"http://a.test?q=/x":              "/?q=/x",
		"https://a.test:8443/b/../c?d#e":  "/b/../c?d",
		"http://a.test/%2e%2E/b%2fc":      "/%2e%2E/b%2fc",
		`http://a.test/a\b`:               `/a\b`,
		"http://[2001:db8::1]/é":          "/é",
		"http://a.test//b?u=http://c/d?e": "//b?u=http://c/d?e",
	} {
		r, err := request(t, "url", text)
		if err != nil || r.RequestURI != want {
			t.Errorf("%s: %v (%v), want %s", text, r, err, want)
		}
	}
}

func TestFragmentsAreNotSent(t *testing.T) {
	if r, err := request(t, "url", "http://a.test/b#top"); err != nil || URL(r).String() != "http://a.test/b" {
		t.Errorf("%v (%v)", r, err)
	}
}

func TestRequest(t *testing.T) {
	r, err := request(t, "url", "https://a.test:8443/b", "method", "POST", "client", "2001:db8::1",
		"header", "Host: b.test", "header", "X: 1", "header", "x:2")
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "POST" || r.Host != "b.test" || r.RemoteAddr != "[2001:db8::1]:1024" || r.TLS == nil ||
		len(r.Header["X"]) != 2 || r.Header.Get("Host") != "" || URL(r).Host != "a.test:8443" {
		t.Errorf("%+v", r)
	}
	if r, err := request(t, "url", "http://a.test/"); err != nil || r.Method != "GET" || r.TLS != nil || r.RemoteAddr != TestNet+":1024" {
		t.Errorf("%+v (%v)", r, err)
	}
	for _, wrong := range [][]string{
		{},
		{"url", "/path"},
		{"url", "ftp://a.test/"},
		{"url", "http:///path"},
		{"url", "http://user@a.test/"},
		{"url", "http://a.test/%zz"},
		{"url", "http://a.test/b c"},
		{"url", "http://a.test/", "method", "A B"},
		{"url", "http://a.test/", "client", "a.test"},
		{"url", "http://a.test/", "header", "nonsense"},
		{"url", "http://a.test/", "header", "a b: c"},
		{"url", "http://a.test/", "header", "a: b\nc: d"},
		{"url", "http://a.test/", "remote_ip", "192.0.2.1"},
	} {
		if r, err := request(t, wrong...); err == nil {
			t.Errorf("%q is %+v, want an error", wrong, r)
		}
	}
}
