package rewrite

import (
	"net/url"
	"strings"
	"testing"
)

func rule(t testing.TB, from, to string) Rule {
	t.Helper()
	f, ok := ParseTarget(from)
	if !ok {
		t.Fatalf("%q is no target", from)
	}
	if to == "" {
		return Rule{From: f}
	}
	target, ok := ParseTarget(to)
	if !ok {
		t.Fatalf("%q is no target", to)
	}
	return Rule{From: f, To: target}
}

// site is https://example.com in front of app.example.net:8080 and an address.
func site(rules ...Rule) Map {
	return Map{
		Scheme: "https", Host: "example.com", Rules: rules, Answered: Place{"app.example.net", "8080"},
		Upstreams: []Place{{"app.example.net", "8080"}, {"203.0.113.9", "9000"}},
	}
}

func TestURL(t *testing.T) {
	plain, nonStandard, nameless := site(), site(), site()
	nonStandard.Host = "example.com:8443"
	nameless.Host = ""
	native := site()
	native.Asked = "redirect_uri=http://127.0.0.1:51004/cb&x=http://10.0.0.1/cb"
	overHTTP := site()
	overHTTP.Scheme, overHTTP.Host = "http", "example.com:8081"
	prefixed := site(rule(t, "http://app.example.net:8080/app", "/public"))
	below := site(rule(t, "app.example.net:8080", "/public"))
	above := site(rule(t, "http://app.example.net:8080/app", "/"))
	other := site(rule(t, "http://static.example.org", "https://cdn.example.com/s"), rule(t, "10.1.1.1", "10.1.1.1"))
	tests := []struct {
		name     string
		m        Map
		in, want string
	}{
		{"9110-10.2.2 an upstream", plain, "http://app.example.net:8080/a?b#c", "https://example.com/a?b#c"},
		{"9110-10.2.2 an upstream without its port", plain, "http://app.example.net/a", "https://example.com/a"},
		{"9110-10.2.2 an upstream's address", plain, "http://203.0.113.9:9000/", "https://example.com/"},
		{"9110-10.2.2 case and final dot", plain, "HTTP://App.Example.NET.:8080/A", "https://example.com/A"},
		{"9110-10.2.2 elsewhere", plain, "https://other.example/a", "https://other.example/a"},
		{"3986-4.2 path", plain, "/a", "/a"},
		{"3986-4.2 relative", plain, "a:b/c", "a:b/c"},
		{"3986-4.2 network path", plain, "//app.example.net:8080/a", "//example.com/a"},
		{"3986-3.2.1 user", plain, "http://root:secret@app.example.net/a", "https://example.com/a"},
		{"3986-3.2.1 a user that looks like a host", plain, "http://other.example@10.0.0.1/a", "https://example.com/a"},
		{"whatwg backslashes", plain, `http:\\app.example.net\a`, `https://example.com\a`},
		{"an escape that is none", plain, "http://10.0.0.1/%zz", "https://example.com/%zz"},
		{"1918", plain, "http://192.168.1.2:3000/a", "https://example.com/a"},
		{"4193", plain, "http://[fd00::1]:3000/a", "https://example.com/a"},
		{"4291 loopback", plain, "http://[::1]/a", "https://example.com/a"},
		{"4291 mapped", plain, "http://[::ffff:10.0.0.1]/a", "https://example.com/a"},
		{"3927", plain, "http://169.254.169.254/a", "https://example.com/a"},
		{"6598", plain, "http://100.64.0.1/a", "https://example.com/a"},
		{"loopback by name", plain, "http://localhost:8080/a", "https://example.com/a"},
		{"one label", plain, "http://tomcat:8080/a", "https://example.com/a"},
		{"whatwg number", plain, "http://2130706433/a", "https://example.com/a"},
		{"whatwg hexadecimal", plain, "http://0x7f.1/a", "https://example.com/a"},
		{"6762", plain, "http://printer.local/a", "https://example.com/a"},
		{"a private host of another scheme", plain, "ftp://10.0.0.1/a", "https://example.com/a"},
		{"6455", plain, "ws://app.example.net:8080/s", "wss://example.com/s"},
		{"a mail address", plain, "mailto:a@10.0.0.1", "mailto:a@10.0.0.1"},

		{"site: no TLS at the origin", plain, "http://example.com/login", "https://example.com/login"},
		{"site: as it is", plain, "https://example.com/login", "https://example.com/login"},
		{"site: the upstream's port", plain, "http://example.com:8080/login", "https://example.com/login"},
		{"site: another port", plain, "http://example.com:5000/", "http://example.com:5000/"},
		{"site: TLS ends before Caddy", overHTTP, "https://example.com:8081/", "https://example.com:8081/"},
		{"port: no TLS at the origin", nonStandard, "http://example.com:8443/", "https://example.com:8443/"},
		{"port: of the upstream", nonStandard, "http://example.com:8080/", "https://example.com:8443/"},
		{"port: none, which no upstream has", nonStandard, "http://example.com/", "http://example.com/"},
		{"port: an upstream", nonStandard, "http://app.example.net:8080/", "https://example.com:8443/"},
		{"port: over http", overHTTP, "http://example.com:8080/a", "http://example.com:8081/a"},
		{"9112-3.2 no host", nameless, "http://app.example.net:8080", "/"},

		{"prefix: URL", prefixed, "http://app.example.net:8080/app/a", "https://example.com/public/a"},
		{"prefix: the same", prefixed, "http://app.example.net:8080/app", "https://example.com/public"},
		{"prefix: no whole segment", prefixed, "http://app.example.net:8080/apple", "https://example.com/apple"},
		{"prefix: path", prefixed, "/app/a", "/public/a"},
		{"prefix: led already", prefixed, "/public/a", "/public/a"},
		{"prefix: by the site's name", prefixed, "http://example.com/public/a", "https://example.com/public/a"},
		{"stripped: URL", below, "http://app.example.net:8080/a", "https://example.com/public/a"},
		{"stripped: path", below, "/a", "/public/a"},
		{"stripped: an origin that knows", below, "/public/a", "/public/a"},
		{"added", above, "http://app.example.net:8080/app/a", "https://example.com/a"},
		{"added: path", above, "/app/a", "/a"},
		{"added: root", above, "/app", "/"},

		{"rule: another place", other, "http://static.example.org/x.css", "https://cdn.example.com/s/x.css"},
		{"rule: a private place that is meant", other, "http://10.1.1.1/a", "http://10.1.1.1/a"},
		{
			"query: where to come back to", plain, "https://idp.example/auth?redirect_uri=http%3A%2F%2Fapp.example.net%3A8080%2Fcb&x=1",
			"https://idp.example/auth?redirect_uri=https%3A%2F%2Fexample.com%2Fcb&x=1",
		},
		{"query: plain", plain, "/login?next=http://10.0.0.1/a", "/login?next=https://example.com/a"},
	}
	for _, tt := range tests {
		got := tt.m.URL(tt.in)
		if got != tt.want {
			t.Errorf("%s: URL(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
		if again := tt.m.URL(got); again != got {
			t.Errorf("%s: URL(%q) = %q: led twice", tt.name, got, again)
		}
	}
}

func TestField(t *testing.T) {
	m := site(rule(t, "http://app.example.net:8080/app", "/public"))
	m.Origin = "http://localhost:3000"
	tests := []struct{ name, field, in, want string }{
		{"8288-3", "Link", "<http://tomcat/a>; rel=next, </b>", "<https://example.com/a>; rel=next, </b>"},
		{"8288-3 quotes", "Link", `</b>; title="<http://tomcat/a", <http://tomcat/>`, `</b>; title="<http://tomcat/a", <https://example.com/>`},
		{"8288-3.2 anchor", "Link", `</b>; anchor="http://tomcat/a"`, `</b>; anchor="https://example.com/a"`},
		{"refresh", "Refresh", "5; url=http://tomcat/a", "5; url=https://example.com/a"},
		{"refresh quoted", "Refresh", `0;URL="http://tomcat/a"`, `0;URL="https://example.com/a"`},
		{"refresh without url", "Refresh", "0, http://tomcat/a;b", "0, https://example.com/a;b"},
		{"refresh here", "Refresh", "30", "30"},
		{"6265-5.2.3 behind", "Set-Cookie", "a=b; Domain=.app.example.net; Path=/", "a=b; Path=/"},
		{"6265-5.2.3 an upstream's parent", "Set-Cookie", "a=b; domain=example.net", "a=b"},
		{"6265-5.2.3 private", "Set-Cookie", "a=b; Domain=internal", "a=b"},
		{"6265-5.2.3 public", "Set-Cookie", "a=b; Domain=example.com", "a=b; Domain=example.com"},
		{"6265-5.2.4 prefix", "Set-Cookie", "a=b; path=/app; Secure", "a=b; Path=/public; Secure"},
		{"6265-5.2 a value is no attribute", "Set-Cookie", "domain=internal", "domain=internal"},
		{"fetch-3.3.3", "Access-Control-Allow-Origin", "http://tomcat:8080", "https://example.com"},
		{"fetch-3.3.3 the client's own", "Access-Control-Allow-Origin", "http://localhost:3000", "http://localhost:3000"},
		{"fetch-3.3.3 any", "Access-Control-Allow-Origin", "*", "*"},
		{
			"csp", "Content-Security-Policy", "default-src 'self' http://tomcat:8080 10.0.0.1 https: data:; img-src *.app.example.net cdn.example.org",
			"default-src 'self' https://example.com example.com https: data:; img-src example.com cdn.example.org",
		},
		{"9110-11.5 realm", "Www-Authenticate", `Basic realm="tomcat on 10.0.0.1:8080"`, `Basic realm="tomcat on example.com"`},
		{"9110-11.5 no place", "Www-Authenticate", `Bearer realm="Members", error="invalid_token"`, `Bearer realm="Members", error="invalid_token"`},
		{"7616-3.4.2", "Www-Authenticate", `Digest realm="10.0.0.1"`, `Digest realm="10.0.0.1"`},
		{"grpc-message", "Grpc-Message", "dial app.example.net:8080: no 50%25", "dial example.com: no 50%25"},
		{"any other field", "X-Application", "see http://app.example.net:8080/doc, a=https://[fd00::7]:9/x", "see https://example.com/doc, a=https://example.com/x"},
		{"any other field: no place", "X-Time", "12:30:01 1.2.3", "12:30:01 1.2.3"},
		{"6797", "Strict-Transport-Security", "max-age=1", "max-age=1"},
		{"grpc-message as it is", "Grpc-Message", "version 1.2.3 at 8.8.8.8", "version 1.2.3 at 8.8.8.8"},
	}
	for _, tt := range tests {
		if got := m.Field(tt.field, tt.in); got != tt.want {
			t.Errorf("%s: Field(%q) =\n     %q,\nwant %q", tt.name, tt.in, got, tt.want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, good := range []string{"app", "app:8080", "http://app/x/", "[::1]:80", "/public", "/"} {
		if _, ok := ParseTarget(good); !ok {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "http://", "http://u:p@app", "app?x", "ftp://app", "a b", "{upstream}", "mailto:x@y"} {
		if got, ok := ParseTarget(bad); ok {
			t.Errorf("%q is taken as %+v", bad, got)
		}
	}
}

func TestCookies(t *testing.T) {
	c := Cookies{
		Rename: []Pair{{"PHPSESSID", "sid"}}, Path: []Pair{{"/app", "/"}},
		Secure: true, HTTPOnly: true, SameSite: "Lax",
	}
	responses := []struct{ name, in, want string }{
		{"6265-4.1.1 name", "PHPSESSID=a=b", "sid=a=b; Secure; HttpOnly; SameSite=Lax"},
		{"attributes once", "a=b; secure; HTTPONLY; SameSite=None", "a=b; Secure; HttpOnly; SameSite=Lax"},
		{"path", "a=b; path=/app/x", "a=b; Path=/x; Secure; HttpOnly; SameSite=Lax"},
		{"path to the root", "a=b; Path=/app", "a=b; Path=/; Secure; HttpOnly; SameSite=Lax"},
		{"another path", "a=b; Path=/apple", "a=b; Path=/apple; Secure; HttpOnly; SameSite=Lax"},
		{"other attributes", "a=b; Max-Age=1; Partitioned", "a=b; Max-Age=1; Partitioned; Secure; HttpOnly; SameSite=Lax"},
	}
	for _, tt := range responses {
		if got := c.Response(tt.in); got != tt.want {
			t.Errorf("%s: Response(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
	requests := []struct{ name, in, want string }{
		{"back", "a=1; sid=x=y; b=2", "a=1; PHPSESSID=x=y; b=2"},
		{"the origin's own name is not the renamed one", "PHPSESSID=forged; sid=true", "PHPSESSID=true"},
		{"nothing left", "PHPSESSID=forged", ""},
		{"spaces around the name", " PHPSESSID =forged", ""},
		{"no name", "x; sid=a", "x; PHPSESSID=a"},
	}
	for _, tt := range requests {
		if got := c.Request(tt.in); got != tt.want && strings.TrimPrefix(got, "=") != tt.want {
			t.Errorf("%s: Request(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
}

// FuzzURL: what net/url understands stays what it is but for the place, and no
// reference to a place behind comes out, whatever its form.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{"http://app.example.net:8080/a?b=http://10.0.0.1/#c", "//tomcat/a", `\\10.0.0.1\x`, "https://u:p@[fd00::1]:1/%41"} {
		f.Add(seed)
	}
	m := site()
	f.Fuzz(func(t *testing.T, ref string) {
		got := m.URL(ref)
		in, err := url.Parse(ref)
		if err != nil || strings.TrimSpace(ref) != ref || strings.Contains(ref, `\`) || strings.Contains(ref, "///") ||
			strings.HasPrefix(in.Host, "[") != strings.Contains(in.Host, "]") ||
			strings.Count(in.Host, ":") > 1 && !strings.Contains(in.Host, "[") || in.Opaque != "" {
			return // net/url and clients differ
		}
		out, err := url.Parse(got)
		if err != nil {
			t.Fatalf("URL(%q) = %q: %v", ref, got, err)
		}
		if in.Host != "" && out.Host != "example.com" {
			name := strings.TrimSuffix(strings.ToLower(out.Hostname()), ".")
			if name != "example.com" && !strings.Contains(name, "%") && (Private(name) || m.upstream(name)) {
				t.Errorf("URL(%q) = %q: the host is behind", ref, got)
			}
		}
		if strings.HasPrefix(in.Path, "//") || in.Host == "" && strings.HasPrefix(ref, "//") {
			return // a path that clients take for a host
		}
		if in.EscapedPath() != out.EscapedPath() || in.EscapedFragment() != out.EscapedFragment() {
			t.Errorf("URL(%q) = %q: path or fragment changed", ref, got)
		}
	})
}
