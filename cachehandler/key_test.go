package cachehandler

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func keyOf(t *testing.T, o KeyOptions, r *http.Request) string {
	t.Helper()
	o.provision()
	if err := o.validate(); err != nil {
		t.Fatal(err)
	}
	key, _ := o.append(nil, r)
	return string(key)
}

func TestKey(t *testing.T) {
	off := false
	tests := []struct {
		name    string
		options KeyOptions
		target  string
		want    string
	}{
		{"everything by default", KeyOptions{}, "http://a.example/p?b=2&a=1", "http://a.example/p?b=2&a=1"},
		{"9110-4.2.3 the host is case-insensitive", KeyOptions{}, "http://A.Example/P", "http://a.example/P"},
		{"9110-4.2.3 the default port is no port", KeyOptions{}, "http://a.example:80/", "http://a.example/"},
		{"another port is another origin", KeyOptions{}, "http://a.example:8080/", "http://a.example:8080/"},
		{"the path is compared as spelled", KeyOptions{}, "http://a/%7Ex//y%2Fz", "http://a/%7Ex//y%2Fz"},
		{"an empty query is a query", KeyOptions{}, "http://a/x?", "http://a/x?"},
		{"host off", KeyOptions{Host: &off}, "http://a/x", "http:/x"},
		{"scheme off", KeyOptions{Scheme: &off}, "http://a/x", "//a/x"},
		{"query ignore", KeyOptions{Query: &QueryOptions{Ignore: true}}, "http://a/x?a=1", "http://a/x"},
		{"query drop", KeyOptions{Query: &QueryOptions{Drop: []string{"utm_*", "gclid"}}}, "http://a/x?utm_source=q&a=1&gclid=2", "http://a/x?a=1"},
		{"query drop sees encoded names", KeyOptions{Query: &QueryOptions{Drop: []string{"utm_*"}}}, "http://a/x?utm%5Fsource=q", "http://a/x"},
		{"query keep", KeyOptions{Query: &QueryOptions{Keep: []string{"page"}}}, "http://a/x?a=1&page=2", "http://a/x?page=2"},
		{"query sort keeps the order of equal names", KeyOptions{Query: &QueryOptions{Sort: true}}, "http://a/x?b=2&a=2&a=1", "http://a/x?a=2&a=1&b=2"},
		{"header, with its length", KeyOptions{Header: []string{"x-device"}}, "http://a/x", "http://a/x hX-Device=6:mobile"},
		{"cookie", KeyOptions{Cookie: []string{"lang"}}, "http://a/x", "http://a/x clang=2:de"},
		{"placeholder", KeyOptions{Placeholder: []string{"{http.request.method}"}}, "http://a/x", "http://a/x p{http.request.method}=3:GET"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := get(tt.target, "X-Device: mobile", "Cookie: lang=de")
			if got := keyOf(t, tt.options, r); got != tt.want {
				t.Errorf("key = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestKeyOfHTTPS(t *testing.T) {
	r := get("http://a:443/")
	r.TLS = new(tls.ConnectionState)
	if got, want := keyOf(t, KeyOptions{}, r), "https://a/"; got != want {
		t.Errorf("key = %q, want %q", got, want)
	}
}

// A rewrite must not make two URIs one.
func TestKeyIsOfTheOriginalURI(t *testing.T) {
	r := get("http://a/public/x?q=1")
	r.URL.Path, r.URL.RawQuery = "/x", ""
	if got, want := keyOf(t, KeyOptions{}, r), "http://a/public/x?q=1"; got != want {
		t.Errorf("key = %q, want %q", got, want)
	}
}

// No value can pass itself off as another part of the key.
func TestKeyIsInjective(t *testing.T) {
	o := KeyOptions{Header: []string{"A", "B"}}
	one := keyOf(t, o, get("http://a/", "A: x hB=1:y", "B: z"))
	other := keyOf(t, o, get("http://a/", "A: x", "B: y hB=1:z"))
	if one == other {
		t.Errorf("both are %q", one)
	}
}

// What applications take for the URI is part of the key from a trusted proxy,
// and does not reach the origin from anybody else.
func TestOverridingFields(t *testing.T) {
	const field = "X-Forwarded-Host: evil.example"
	r := get("http://a/", field)
	if got, want := keyOf(t, KeyOptions{}, r), "http://a/"; got != want {
		t.Errorf("untrusted: key = %q, want %q", got, want)
	}
	stripOverriding(r, nil)
	if r.Header.Get("X-Forwarded-Host") != "" {
		t.Error("untrusted: the field reaches the origin")
	}

	r = get("http://a/", field)
	caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true)
	if got, want := keyOf(t, KeyOptions{}, r), "http://a/ hX-Forwarded-Host=12:evil.example"; got != want {
		t.Errorf("trusted: key = %q, want %q", got, want)
	}
	stripOverriding(r, nil)
	if r.Header.Get("X-Forwarded-Host") == "" {
		t.Error("trusted: the field does not reach the origin")
	}

	r = get("http://a/", field)
	stripOverriding(r, []string{"X-Forwarded-Host"})
	if r.Header.Get("X-Forwarded-Host") == "" {
		t.Error("keyed: the field does not reach the origin")
	}
}

// One keyed cookie says nothing about the others.
func TestHasCookies(t *testing.T) {
	o := KeyOptions{Cookie: []string{"currency", "lang"}}
	for cookies, want := range map[string]bool{
		"currency=EUR":                  true,
		"currency=EUR; lang=de":         true,
		"currency=EUR; sessionid=alice": false,
		"sessionid=alice":               false,
	} {
		if got := o.hasCookies(http.Header{"Cookie": {cookies}}); got != want {
			t.Errorf("hasCookies(%q) = %v, want %v", cookies, got, want)
		}
	}
}
