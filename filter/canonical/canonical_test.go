package canonical

import (
	"net/url"
	"strings"
	"testing"
)

// Attacks, as raw targets, and why each is refused.
var attacks = []struct {
	target string
	want   Defect
}{
	{"/a/../b", Traversal},
	{"/..", Traversal},
	{"/a/./b", Traversal},
	{"/%2e%2e/etc/passwd", Traversal},
	{"/.%2E/x", Traversal},
	{"/a/..%2fb", Traversal},
	{"/a%2f..%2fb", Traversal},
	{"/a/..;/manager/html", Traversal},
	{"/a/..;x=1/b", Traversal},
	{"/a/..%3b/b", Traversal},
	{"/a/.;/b", Traversal},
	{"/a/..%20/b", Traversal},
	{"//../b", Traversal},
	{"http://site.test/a/../b", Traversal},
	{"/%252e%252e/x", DoubleEncoding},
	{"/a%252fb", DoubleEncoding},
	{"/%25252e", DoubleEncoding},
	{"/%25%32%65", DoubleEncoding},
	{"/%%32%65", Escape},
	{"/%25c0%25ae", DoubleEncoding},
	{"/%25u002e", DoubleEncoding},
	{"/%2565nv", DoubleEncoding},
	{"/a%00.php", Control},
	{"/a%0d%0aX:y", Control},
	{"/a%7f", Control},
	{"/a\x00b", Control},
	{"/a\x7fb", Control},
	{"/a%C2%85b", Control},
	{"/a\\..\\b", Backslash},
	{"/a%5c..%5Cb", Backslash},
	{"/%c0%ae%c0%ae/x", UTF8},
	{"/%e0%80%ae", UTF8},
	{"/%f0%80%80%ae", UTF8},
	{"/%ff", UTF8},
	{"/\xc0\xaf", UTF8},
	{"/%ed%a0%80", UTF8},
	{"/a b", Space},
	{"/a\tb", Space},
	{"/a?b c", Space},
	{"/a#b", Fragment},
	{"/a?b#c", Fragment},
	{"/%u002e%u002e/x", UnicodeEscape},
	{"/%U002f", UnicodeEscape},
	{"/%zz", Escape},
	{"/100%", Escape},
	{"/a%2", Escape},
	{"/a/\uff0e\uff0e/b", LookAlike},
	{"/a/%E2%80%A5/b", LookAlike},
	{"/a%ef%bc%8f..%ef%bc%8fb", LookAlike},
	{"a", Form},
	{"", Form},
	{"?a", Form},
	{"*", Form},
	{"site.test:443", Form},
	{"ftp://site.test/", Form},
	{"file:///etc/passwd", Form},
	{"http:///a", Form},
	{"http://user@site.test/", Form},
	{"http:site.test/a", Form},
}

// Legitimate targets and what rules see of them.
var legitimate = []struct{ target, path, bare string }{
	{"/", "/", "/"},
	{"/a..b/..c/d../...", "/a..b/..c/d../...", "/a..b/..c/d../..."},
	{"/.well-known/acme-challenge/x", "/.well-known/acme-challenge/x", "/.well-known/acme-challenge/x"},
	{"/caf\u00e9", "/caf\u00e9", "/caf\u00e9"},
	{"/caf%C3%A9", "/caf\u00e9", "/caf\u00e9"},
	{"/a%20b+c@d:e~f!$&'()*,=", "/a b+c@d:e~f!$&'()*,=", "/a b+c@d:e~f!$&'()*,="},
	{"/a;v=1/b;w=2", "/a;v=1/b;w=2", "/a/b"},
	{"/@scope%2Fname", "/@scope/name", "/@scope/name"},
	{"/api/v4/projects/group%2fproject", "/api/v4/projects/group/project", "/api/v4/projects/group/project"},
	{"/100%25", "/100%", "/100%"},
	{"/50%25%20off", "/50% off", "/50% off"},
	{"/50%25off", "/50%off", "/50%off"},
	{"/100%25%25", "/100%%", "/100%%"},
	{"//a///b", "/a/b", "/a/b"},
	{"/web/2020/https://example.com/x", "/web/2020/https:/example.com/x", "/web/2020/https:/example.com/x"},
	{"/wiki/AC\uff0fDC", "/wiki/AC\uff0fDC", "/wiki/AC\uff0fDC"},
	{"/wiki/%E2%80%A6", "/wiki/\u2026", "/wiki/\u2026"},
	{"/img/aGVsbG8gd29ybGQ%2Bx%2Fy%3D%3D", "/img/aGVsbG8gd29ybGQ+x/y==", "/img/aGVsbG8gd29ybGQ+x/y=="},
	{"/cb?redirect_uri=https%3A%2F%2Fa%2F%3Fx%3D%252E%252e&s=%00..%2F..%5C%zz", "/cb", "/cb"},
	{"/a?../..\\b?c", "/a", "/a"},
	{"http://site.test/a", "/a", "/a"},
	{"HTTPS://site.test:8443?x", "/", "/"},
}

func TestAttacks(t *testing.T) {
	for _, test := range attacks {
		if got, d := Judge("GET", test.target); d != test.want || got.Path != "" {
			t.Errorf("%q: %q %+v, want %q", test.target, d.Name(), got, test.want.Name())
		}
	}
}

func TestLegitimate(t *testing.T) {
	for _, test := range legitimate {
		if got, d := Judge("GET", test.target); d != None || got.Path != test.path || got.Bare != test.bare {
			t.Errorf("%q: %q %+v", test.target, d.Name(), got)
		}
	}
	if got, d := Judge("OPTIONS", "*"); d != None || got.Path != "*" {
		t.Errorf("OPTIONS *: %q %+v", d.Name(), got)
	}
}

func TestEveryDefectHasItsTexts(t *testing.T) {
	seen := map[string]bool{"": true}
	for d := Form; d < defects; d++ {
		if seen[d.Name()] || d.String() == "" {
			t.Errorf("defect %d: name %q, text %q", d, d.Name(), d)
		}
		seen[d.Name()] = true
	}
}

func TestPlainPathsDoNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Judge("GET", "/assets/app.min.js?v=1%20") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What passes is what net/url sees, and however often an origin decodes and
// resolves it, it stays where it is.
func FuzzJudge(f *testing.F) {
	for _, a := range attacks {
		f.Add(a.target)
	}
	for _, l := range legitimate {
		f.Add(l.target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, d := Judge("GET", target)
		if d != None {
			return
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			if strings.HasPrefix(target, "/") {
				t.Fatalf("%q passes, net/url: %v", target, err)
			}
			return // an authority net/url does not take: the server has answered 400
		}
		want := u.Path
		for strings.Contains(want, "//") {
			want = strings.ReplaceAll(want, "//", "/")
		}
		if want == "" {
			want = "/"
		}
		if got.Path != want || got.Query != u.RawQuery {
			t.Fatalf("%q: %+v, net/url sees %q and %q", target, got, want, u.RawQuery)
		}
		for p, n := got.Path, 0; n < 3; n++ {
			for segment := range strings.SplitSeq(strings.ReplaceAll(p, "\\", "/"), "/") {
				if name, _, _ := strings.Cut(segment, ";"); name == ".." {
					t.Fatalf("%q becomes %q", target, p)
				}
			}
			if p, err = url.PathUnescape(p); err != nil {
				break
			}
		}
	})
}
