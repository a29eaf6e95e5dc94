package leak

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	tests := []struct {
		name     string
		extra    []string
		own      http.Header
		in, want http.Header
	}{
		{
			"9110-10.2.4 Server", nil, nil,
			http.Header{"Server": {"nginx"}, "Content-Type": {"text/html"}},
			http.Header{"Content-Type": {"text/html"}},
		},
		{"9110-7.6.3 Via", nil, nil, http.Header{"Via": {"1.1 a"}}, http.Header{}},
		{"a prefix", nil, nil, http.Header{"X-Powered-By-Plesk": {"1"}, "X-Powe": {"1"}}, http.Header{"X-Powe": {"1"}}},
		{"odd case", nil, nil, http.Header{"x-poWERED-by": {"1"}}, http.Header{}},
		{
			"9110-6.6.2 Trailer", nil, nil,
			http.Header{"Trailer": {"X-Trace-Id, Grpc-Status"}},
			http.Header{"Trailer": {"Grpc-Status"}},
		},
		{"9110-6.6.2 Trailer of leaks only", nil, nil, http.Header{"Trailer": {"X-Trace-Id", "Via"}}, http.Header{}},
		{"undeclared trailer", nil, nil, http.Header{"Trailer:X-Runtime": {"1"}}, http.Header{}},
		{"one more", []string{"X-Own-*"}, nil, http.Header{"X-Own-A": {"1"}}, http.Header{}},
		{"a glob in the middle", []string{"X-*-Node"}, nil, http.Header{"X-A-Node": {"1"}, "X-A": {"1"}}, http.Header{"X-A": {"1"}}},
		{"one kept", []string{"-X-Request-Id"}, nil, http.Header{"X-Request-Id": {"1"}}, http.Header{"X-Request-Id": {"1"}}},
		{
			"7838 the site's own Alt-Svc", nil,
			http.Header{"Alt-Svc": {`h3=":443"`}},
			http.Header{"Alt-Svc": {`h3=":443"`, `h3="origin:1"`}},
			http.Header{"Alt-Svc": {`h3=":443"`}},
		},
		{
			"allow only",
			[]string{"allow_only", "X-Wanted*"},
			nil,
			http.Header{"X-Wanted-A": {"1"}, "X-Other": {"1"}, "Content-Type": {"a/b"}, "Server": {"1"}, "Set-Cookie": {"a=b"}},
			http.Header{"X-Wanted-A": {"1"}, "Content-Type": {"a/b"}, "Set-Cookie": {"a=b"}},
		},
	}
	for _, tt := range tests {
		n, err := New(tt.extra...)
		if err != nil {
			t.Fatal(err)
		}
		n.Clean(tt.in, tt.own)
		if diff := cmp.Diff(tt.want, tt.in); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Fields that the web works with are no leaks.
func TestWanted(t *testing.T) {
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"Content-Type", "Set-Cookie", "Location", "Etag", "Cache-Control", "Vary", "Strict-Transport-Security", "X-Frame-Options",
		"X-Content-Type-Options", "Access-Control-Allow-Origin", "Content-Security-Policy", "Link", "Retry-After", "Grpc-Status",
		"X-Csrf-Token", "X-Ratelimit-Remaining", "X-Total-Count", "X-Robots-Tag", "X-Xss-Protection", "Www-Authenticate", "Age", "Refresh",
		"Sec-Websocket-Accept", "Permissions-Policy", "Cross-Origin-Opener-Policy", "X-Dns-Prefetch-Control", "Content-Disposition", "Cache-Status",
		"X-Wp-Total", "X-Wp-Totalpages", "X-Nextjs-Redirect", "X-Nextjs-Rewrite", "X-Nextjs-Matched-Path", "X-Nextjs-Data",
	} {
		if n.Match(name) {
			t.Errorf("%s goes", name)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, bad := range [][]string{{""}, {"-"}, {"[a"}, {"allow_only"}, {"allow_only", "-A"}, {"X", "allow_only"}, {"X-A: b"}, {"--x"}} {
		if _, err := New(bad...); err == nil {
			t.Errorf("New(%q) gives no error", bad)
		}
	}
}

func TestMatchAllocates(t *testing.T) {
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { n.Match("X-Some-Header"); n.Match("Server") }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func sealer(t testing.TB, key string) *Sealer {
	t.Helper()
	s, err := NewSealer([]byte(strings.Repeat(key, KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealer(t *testing.T) {
	s, other := sealer(t, "k"), sealer(t, "l")
	for _, tag := range []string{`"1a2b-3c"`, `W/"x"`, `""`, `"` + strings.Repeat("a", 200) + `"`, "\"\x80\""} {
		sealed := s.Seal(tag)
		if sealed == tag || strings.HasPrefix(sealed, "W/") != strings.HasPrefix(tag, "W/") {
			t.Errorf("Seal(%q) = %q", tag, sealed)
		}
		if again := sealer(t, "k").Seal(tag); again != sealed {
			t.Errorf("Seal(%q) = %q and %q: validators would change", tag, sealed, again)
		}
		if got, ok := s.Open(sealed); !ok || got != tag {
			t.Errorf("Open(Seal(%q)) = %q, %t", tag, got, ok)
		}
		if got, ok := other.Open(sealed); ok {
			t.Errorf("opened with another key: %q", got)
		}
	}
	if got := s.Seal("bare"); strings.Contains(got, "bare") {
		t.Errorf("a tag without quotes shows: %q", got)
	}
}

func TestOpenList(t *testing.T) {
	s := sealer(t, "k")
	a, b := s.Seal(`"a"`), s.Seal(`W/"b"`)
	tests := []struct{ name, in, want string }{
		{"9110-13.1.2 one", a, `"a"`},
		{"9110-13.1.2 list", a + ",  " + b, `"a", W/"b"`},
		{"9110-13.1.1 any", "*", "*"},
		{"9110-13.1.5 date", "Sat, 29 Oct 1994 19:43:31 GMT", "Sat, 29 Oct 1994 19:43:31 GMT"},
		{"the origin's own is not tried", `"a"`, `"-"`},
		{"beside ours", `"x", ` + a, `"-", "a"`},
		{"weakened on the way", "W/" + a, `W/"a"`},
		{"broken", `"`, `"-"`},
	}
	for _, tt := range tests {
		if got := s.OpenList(tt.in); got != tt.want {
			t.Errorf("%s: OpenList(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
	if got := (*Sealer)(nil).OpenList(a); got != `"-"` {
		t.Errorf("without a key: %q", got)
	}
}

func FuzzSealer(f *testing.F) {
	f.Add(`"a"`, []byte("AAAA"))
	f.Fuzz(func(t *testing.T, tag string, forged []byte) {
		s := sealer(t, "k")
		weak, opaque := split(tag)
		if got, ok := s.Open(s.Seal(tag)); !ok || got != weak+`"`+opaque+`"` {
			t.Errorf("Open(Seal(%q)) = %q, %t", tag, got, ok)
		}
		text := `"` + base64.RawURLEncoding.EncodeToString(forged) + `"`
		if got, ok := s.Open(text); ok && s.Seal(got) != text {
			t.Errorf("%q opens as %q, which nobody sealed", text, got)
		}
	})
}

func TestDetails(t *testing.T) {
	led := func(s string) string { return strings.ReplaceAll(s, "10.0.0.1", "site") }
	encode := func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		name, in string
		want     bool
	}{
		{"for clients", encode("\x08\x05\x12\x09not found\x1a\x2btype.googleapis.com/google.rpc.ErrorInfo"), false},
		{"a stack", encode("\x1a\x2btype.googleapis.com/google.rpc.DebugInfo"), true},
		{"a place", encode("\x12\x08\x0a10.0.0.1"), true},
		{"no base64", "?", true},
	}
	for _, tt := range tests {
		if got := Details(tt.in, led); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
