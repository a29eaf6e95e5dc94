package cachehandler

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
		{"9110-4.2.3 an empty port is no port", KeyOptions{}, "http://a.example:/", "http://a.example/"},
		{"9110-4.2.3 an empty path is that of the root", KeyOptions{}, "http://a.example?b=1", "http://a.example/?b=1"},
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
		{"cloaking: a query with a semicolon is taken whole", KeyOptions{Query: &QueryOptions{Drop: []string{"utm_*"}}}, "http://a/x?a=1&utm_x=1;a=2", "http://a/x?a=1&utm_x=1;a=2"},
		{"cloaking: one with a name that does not decode", KeyOptions{Query: &QueryOptions{Keep: []string{"a"}}}, "http://a/x?a=1&b%zz=2", "http://a/x?a=1&b%zz=2"},
		{"cloaking: one with a control character in a name", KeyOptions{Query: &QueryOptions{Drop: []string{"*_x"}}}, "http://a/x?a=1&a%00_x=2", "http://a/x?a=1&a%00_x=2"},
		{"cloaking: an encoded semicolon separates nothing", KeyOptions{Query: &QueryOptions{Drop: []string{"utm_*"}}}, "http://a/x?a=1&utm_x=1%3ba=2", "http://a/x?a=1"},
		{"cloaking: keep in other spellings", KeyOptions{Query: &QueryOptions{Keep: []string{"page_no"}}}, "http://a/x?Page_No=1&page.no=2&page%20no=3&page_no[]=4&page_no[x]=5&pageno=6", "http://a/x?Page_No=1&page.no=2&page%20no=3&page_no[]=4&page_no[x]=5"},
		{"cloaking: drop in the spelling that is written", KeyOptions{Query: &QueryOptions{Drop: []string{"utm_x"}}}, "http://a/x?UTM_X=1&utm.x=2&utm_x=3", "http://a/x?UTM_X=1&utm.x=2"},
		{"cloaking: sort keeps the order of spellings", KeyOptions{Query: &QueryOptions{Sort: true}}, "http://a/x?b=1&A=2&a=3&a[]=4", "http://a/x?A=2&a=3&a[]=4&b=1"},
		{"an absent field is not an empty one", KeyOptions{Header: []string{"x-none"}}, "http://a/x", "http://a/x hX-None=-"},
		{"an absent cookie is not an empty one", KeyOptions{Cookie: []string{"none"}}, "http://a/x", "http://a/x cnone=-"},
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
	stripUnkeyed(r, nil, false)
	if r.Header.Get("X-Forwarded-Host") != "" {
		t.Error("untrusted: the field reaches the origin")
	}

	r = get("http://a/", field)
	caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true)
	if got, want := keyOf(t, KeyOptions{}, r), "http://a/ hX-Forwarded-Host=12:evil.example"; got != want {
		t.Errorf("trusted: key = %q, want %q", got, want)
	}
	stripUnkeyed(r, nil, false)
	if r.Header.Get("X-Forwarded-Host") == "" {
		t.Error("trusted: the field does not reach the origin")
	}

	r = get("http://a/", field)
	stripUnkeyed(r, []string{"X-Forwarded-Host"}, false)
	if r.Header.Get("X-Forwarded-Host") == "" {
		t.Error("keyed: the field does not reach the origin")
	}
}

// RFC 7239 §5: of Forwarded, the URI is in the key, and not the client.
func TestForwardedInKey(t *testing.T) {
	for forwarded, want := range map[string]string{
		"for=192.0.2.1;host=a.test;proto=https":             "host=a.test;proto=https;",
		`proto=https; For="[2001:db8::1]:4711"; by=_hidden`: "proto=https;",
		"for=192.0.2.1, for=unknown;host=a.test":            ",host=a.test;",
		`for="192.0.2.1, host=evil.test`:                    `for="192.0.2.1;,host=evil.test;`,
		`for="a;host=evil.test"`:                            `for="a;host=evil.test";`,
		`for="a\";host=evil.test`:                           `for="a\";host=evil.test;`,
		"for=a b":                                           "for=a b;",
		"for":                                               "",
		"fort=a;x":                                          "fort=a;x;",
	} {
		r := get("http://a/", "Forwarded: "+forwarded)
		caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true)
		part := fmt.Sprintf("http://a/ hForwarded=%d:%s", len(want), want)
		if got := keyOf(t, KeyOptions{}, r); got != part {
			t.Errorf("Forwarded: %s: key = %q, want %q", forwarded, got, part)
		}
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
		`sessionid=a"b`:                 false, // which net/http does not count
		"currency=EUR;":                 true,
	} {
		if got := o.hasCookies(http.Header{"Cookie": {cookies}}); got != want {
			t.Errorf("hasCookies(%q) = %v, want %v", cookies, got, want)
		}
	}
}

// Every cookie that some origin takes for the keyed one is in the key.
func TestCookieValue(t *testing.T) {
	tests := []struct {
		name, cookies, want string
		there               bool
	}{
		{"6265-4.2.1 one", "a=1; currency=EUR; b=2", "EUR", true},
		{"6265-4.2.1 none", "a=1", "", false},
		{"6265-4.2.1 empty", "currency=", "", true},
		{"6265-4.2.1 quotes are part of it", `currency="EUR"`, `"EUR"`, true},
		{"two", "currency=EUR; currency=evil", ";currency=EUR;currency=evil", true},
		{"no cookie for some", `currency=a"b c\d`, `a"b c\d`, true},
		{"2109-4.3.4 comma", "a=1, currency=evil", ";a=1, currency=evil", true},
		{"another case", "Currency=evil", ";Currency=evil", true},
		{"encoded name", "%63urrency=evil", ";%63urrency=evil", true},
		{"space before =", "currency =evil", ";currency =evil", true},
		{"another name", "currency2=EUR", "", false},
		{"in a value", "a=currency=EUR", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, there := cookieValue(http.Header{"Cookie": {tt.cookies}}, "currency")
			if there != tt.there || there && got != tt.want {
				t.Errorf("cookieValue(%q) = %q, %v; want %q, %v", tt.cookies, got, there, tt.want, tt.there)
			}
		})
	}
}

// The part of a key before those of fields, cookies and placeholders is the URI.
func TestKeyParts(t *testing.T) {
	for _, target := range []string{"http://a/x", "http://a/%20?b=%20+c", "http://a/x?"} {
		o := KeyOptions{Header: []string{"X-Tenant"}}
		o.provision()
		key, ends := o.append(nil, get(target, "X-Tenant: a b"))
		path, _, _ := strings.Cut(target, "?")
		if string(key[:ends.query]) != target || string(key[:ends.path]) != path {
			t.Errorf("the key of %q has the path %q and the URI %q", target, key[:ends.path], key[:ends.query])
		}
	}
}

// A query that is too long to be worth it is not taken apart: it is no key either way.
func TestLongQueries(t *testing.T) {
	o := QueryOptions{Sort: true, Drop: []string{"utm_*"}}
	raw := strings.Repeat("b&a&", maxSortedBytes/4) + "utm_x"
	if got := string(o.append(nil, raw)); got != "?"+raw {
		t.Errorf("a query of %d bytes is in the key as %d", len(raw), len(got))
	}
	if got := string(o.append(nil, "b&a&utm_x")); got != "?a&b" {
		t.Errorf("a short one is in the key as %q", got)
	}
}

// lenient are ways in which origins take a query apart, each without what
// "query drop utm_*" leaves to be dropped.
var lenient = map[string]func(raw string) []string{
	"ampersands": func(raw string) []string { return parameters(raw, "&") },
	"semicolons": func(raw string) []string { return parameters(raw, "&;") },
}

func parameters(raw, separators string) (kept []string) {
	for _, param := range strings.FieldsFunc(raw, func(c rune) bool { return strings.ContainsRune(separators, c) }) {
		if name, _, _ := strings.Cut(param, "="); !strings.HasPrefix(name, "utm_") {
			kept = append(kept, param)
		}
	}
	return kept
}

// FuzzCloaking: two queries with one key are one to every origin.
func FuzzCloaking(f *testing.F) {
	f.Add("a=1&utm_x=2", "utm_y=3&a=1")
	f.Add("a=1&utm_x=2;a=3", "a=1")
	f.Add("utm_%00=1", "")
	f.Add("a=1;utm_x", "a=1")
	f.Fuzz(func(t *testing.T, a, b string) {
		o := QueryOptions{Drop: []string{"utm_*"}}
		if strings.Contains(a+b, "%") {
			return // names in other spellings are dropped as well
		}
		if string(o.append(nil, a)) != string(o.append(nil, b)) {
			return
		}
		for name, parse := range lenient {
			if !slices.Equal(parse(a), parse(b)) {
				t.Errorf("%q and %q have one key, but are %q and %q to an origin that separates by %s", a, b, parse(a), parse(b), name)
			}
		}
	})
}
