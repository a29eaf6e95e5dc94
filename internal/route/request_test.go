package route

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
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
		{"url", "http://a.test:99999/"},
		{"url", "http://:80/"},
		{"url", "http://a_ü.test/"},
		{"url", "http://a.test/", "header", "Content-Length: many"},
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

// What is wrong is said, and neither a password nor a credential, as the endpoint logs it.
func TestMistakesAreNamed(t *testing.T) {
	for _, c := range []struct{ url, header, want string }{
		{"a.test/", "", "url: not an absolute http or https URL, such as https://example.com/path"},
		{"u:secret@a.test/", "", "url: not an absolute http or https URL, such as https://example.com/path"},
		{"http://a.test/%zz?secret", "", `url: invalid URL escape "%zz"`},
		{"http://a.test:b/?secret", "", `url: invalid port ":b" after host`},
		{"http://u:secret@a.test/", "", "url: a user and a password are no part of it: clients send them in the field Authorization"},
		{"http://a.test/", "Authorization secret", `header: "Authorization" begins no field line, such as Accept-Encoding: gzip`},
		{"http://a.test/", "Authorization: secret\n", ""},
		{"http://a.test/", "Authorization: a\nsecret", `header: "Authorization" begins no field line, such as Accept-Encoding: gzip`},
	} {
		pairs := []string{"url", c.url}
		if c.header != "" {
			pairs = append(pairs, "header", c.header)
		}
		said := ""
		if _, err := request(t, pairs...); err != nil {
			said = err.Error()
		}
		if said != c.want {
			t.Errorf("%s %s: %s, want %s", c.url, c.header, said, c.want)
		}
	}
}

// A name in other letters is sent in its ASCII form (RFC 5890 §2.3.2.1), as every client
// does; an address stays as it is.
func TestNamesInOtherLetters(t *testing.T) {
	for text, want := range map[string]string{
		"https://bücher.test/":          "xn--bcher-kva.test",
		"https://BÜCHER.test:8443/":     "xn--bcher-kva.test:8443",
		"https://xn--bcher-kva.test/":   "xn--bcher-kva.test",
		"https://A_b.test/":             "A_b.test",
		"https://[2001:db8::1]:8443/ü/": "[2001:db8::1]:8443",
	} {
		r, err := request(t, "url", text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if r.Host != want || URL(r).Host != want || !strings.Contains(want, r.TLS.ServerName) {
			t.Errorf("%s is for %s, want %s", text, r.Host, want)
		}
	}
}

// The content that fields announce is there, as a server has it (RFC 9112 §6).
func TestContentIsAnnounced(t *testing.T) {
	for _, c := range []struct {
		line  string
		want  int64
		field string
	}{
		{"Accept: */*", 0, ""},
		{"Content-Length: 0", 0, "0"},
		{"Content-Length: 5", 5, "5"},
		{"Transfer-Encoding: chunked", -1, ""},
	} {
		r, err := request(t, "url", "http://a.test/", "header", c.line)
		if err != nil || r.ContentLength != c.want || r.Header.Get("Content-Length") != c.field || r.Header["Transfer-Encoding"] != nil {
			t.Errorf("%s: %d, %v (%v)", c.line, r.ContentLength, r.Header, err)
		}
	}
}

// A server with policies for TLS does without on the port for HTTP.
func TestSpeaks(t *testing.T) {
	policies := caddytls.ConnectionPolicies{{}}
	for _, c := range []struct {
		server      *caddyhttp.Server
		http, https bool
		tlsAt       string
	}{
		{&caddyhttp.Server{Listen: []string{":80", ":443"}}, true, false, ""},
		{&caddyhttp.Server{Listen: []string{":443"}, TLSConnPolicies: policies}, false, true, "https://a.test/"},
		{&caddyhttp.Server{Listen: []string{":443", ":80"}, TLSConnPolicies: policies}, true, true, "https://a.test/"},
		{&caddyhttp.Server{Listen: []string{"127.0.0.1:79-81"}, TLSConnPolicies: policies}, true, true, "http://a.test:81/"},
	} {
		app, tlsAt := &caddyhttp.App{}, []string{}
		for _, text := range []string{"http://a.test/", "http://a.test:81/", "https://a.test/"} {
			target, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if listensOn(c.server, portOf(app, target)) && SpeaksTLS(app, c.server, target) {
				tlsAt = append(tlsAt, text)
			}
		}
		http, https := Speaks(app, c.server, "http"), Speaks(app, c.server, "https")
		if http != c.http || https != c.https || strings.Join(tlsAt, " ") != c.tlsAt {
			t.Errorf("%s: HTTP %v, HTTPS %v, TLS at %s", c.server.Listen, http, https, tlsAt)
		}
	}
}
