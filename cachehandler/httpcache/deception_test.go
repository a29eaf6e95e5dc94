package httpcache

import (
	"testing"
	"time"
)

func TestMismatchesType(t *testing.T) {
	tests := []struct {
		name, path, contentType string
		want                    bool
	}{
		{"page as style sheet", "/account/x.css", "text/html", true},
		{"page with parameters", "/account/x.css", "Text/HTML; charset=utf-8", true},
		{"XHTML", "/account/x.png", "application/xhtml+xml", true},
		{"JSON as picture", "/api/me/a.jpg", "application/json", true},
		{"other JSON as script", "/api/me/a.js", "application/ld+json", true},
		{"JSON as JSON", "/api/me.json", "application/json", false},
		{"JSON as source map", "/a.js.map", "application/json", false},
		{"page as JSON", "/api/me.json", "text/html", true},
		{"page as text", "/robots.txt", "text/html", true},
		{"JSON as text", "/a.txt", "application/json", false},
		{"page as feed", "/feed.xml", "text/html", true},
		{"upper-case extension", "/account/X.CSS", "text/html", true},
		{"encoded dot", "/account/x%2ecss", "text/html", true},
		{"encoded slash", "/account%2fx.css", "text/html", true},
		{"encoded delimiters", "/account%3b%0a%3fx.css", "text/html", true},
		{"path parameter", "/account;x.css", "text/html", true},
		{"trailing slash", "/account/x.css/", "text/html", true},
		{"broken encoding", "/account/%zz.css", "text/html", true},
		{"extension in a directory only", "/x.css/account", "text/html", false},
		{"page", "/account", "text/html", false},
		{"page extension", "/a.html", "text/html", false},
		{"program extension", "/a.php", "text/html", false},
		{"unknown extension", "/john.doe", "text/html", false},
		{"wrong but harmless type", "/a.png", "image/webp", false},
		{"script as text", "/a.js", "text/plain", false},
		{"bytes", "/a.zip", "application/octet-stream", false},
		{"no type", "/a.zip", "", false},
		{"no path", "", "text/html", false},
		{"path parameter behind the extension", "/account/x.css;a=1.2", "text/html", true},
		{"encoded delimiter behind the extension", "/account/x.css%3fy", "text/html", true},
		{"delimiters on both sides", "/account;x.css;y", "text/html", true},
		{"NUL behind the extension", "/account/x.png%00.html", "text/html", true},
		{"a page with a parameter", "/a.html;b", "text/html", false},
		{"a number behind a dot", "/release/v1.2,3", "text/html", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := MismatchesType(tt.path, tt.contentType); got != tt.want {
				t.Errorf("MismatchesType(%q, %q) = %v, want %v", tt.path, tt.contentType, got, tt.want)
			}
		})
	}
}

// With a cookie or Authorization in the request, "public" is believed only of what is
// what its name says.
func TestStoreDisguised(t *testing.T) {
	const public = "Cache-Control: public, max-age=60\n"
	tests := []struct {
		name, path string
		status     int
		response   string
		want       Reason // for a request that says who asks
	}{
		{"XML as picture", "/account/x.png", 200, "Content-Type: application/xml", TypeMismatch},
		{"XML as script", "/account/x.js", 200, "Content-Type: text/xml; charset=utf-8", TypeMismatch},
		{"a table as picture", "/account/x.jpg", 200, "Content-Type: text/csv", TypeMismatch},
		{"text as font", "/account/x.woff2", 200, "Content-Type: text/plain", TypeMismatch},
		{"JSON as text", "/api/me/x.txt", 200, "Content-Type: application/json", TypeMismatch},
		{"redirected to a page that names a style sheet", "/account/x.css", 302, "Location: /login?from=/x.css", TypeMismatch},
		{"redirected to a place of a page that names one", "/account/x.css", 302, "Location: /users/alice#x.css", TypeMismatch},
		{"JSON as feed", "/api/me.xml", 200, "Content-Type: application/json", TypeMismatch},
		{"text as script", "/a.js", 200, "Content-Type: text/plain", Storable},
		{"XML as drawing", "/a.svg", 200, "Content-Type: text/xml", Storable},
		{"XML as XML", "/sitemap.xml", 200, "Content-Type: application/xml", Storable},
		{"bytes as font", "/a.woff2", 200, "Content-Type: application/octet-stream", Storable},
		{"picture of another type", "/a.png", 200, "Content-Type: image/webp", Storable},
		{"page", "/news", 200, "Content-Type: text/html", Storable},
		{"two dots in a name", "/a..b/c..d", 200, "", Storable},
		{"a parameter", "/page;v=1", 200, "Content-Type: text/html", Storable},
		{"redirected to one's own page", "/account/x.css", 302, "Location: /users/alice", TypeMismatch},
		{"redirected to another place", "/a.png", 302, "Location: https://cdn.test/b.webp?v=1", Storable},
		{"redirected page", "/news", 302, "Location: /news/today", Storable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, request := range []string{"Cookie: a=b", "Authorization: Basic eDp5", ""} {
				x := getWith(request, tt.status, public+tt.response)
				x.Path = tt.path
				want := tt.want
				if request == "" {
					want = Storable
				}
				if _, got := Store(x, &Policy{}); got != want {
					t.Errorf("to %q: %v, want %v", request, got, want)
				}
			}
		})
	}
}

func TestLeadsElsewhere(t *testing.T) {
	for path, want := range map[string]bool{
		"/static/..%2faccount": true, "/static/%252e%252e%252faccount": true, "/static/..%5caccount": true, "/static/..;/account": true,
		"/static/%2e%2e/account": true, "/static/..;a=b/account": true, "/..": true, "/static/..%3b/account": true,
		"//static/account": true, "/%5cstatic/account": true, "/\\static/account": true, "/%2fstatic/account": true, "/a//b": false,
		"/a..b/c..d": false, "/a/...": false, "/a/.": false, "/a;v=..": false, "/": false, "/%zz": false, "": false,
	} {
		if got := leadsElsewhere(path); got != want {
			t.Errorf("leadsElsewhere(%q) = %v", path, got)
		}
	}
}

func TestCacheDeception(t *testing.T) {
	const page = "Content-Type: text/html; charset=utf-8\n"
	tests := []struct {
		name, path string
		status     int
		response   string
		want       Reason
	}{
		{"a page as a style sheet", "/account/x.css", 200, fresh + page, TypeMismatch},
		{"a style sheet", "/x.css", 200, fresh + "Content-Type: text/css", Storable},
		{"a page", "/account", 200, fresh + page, Storable},
		{"the origin says it is for all", "/x.css", 200, "Cache-Control: public, max-age=60\n" + page, Storable},
		{"the origin says so with s-maxage", "/x.css", 200, "Cache-Control: s-maxage=60\n" + page, Storable},
		{"an error page is a page", "/x.css", 404, fresh + page, Storable},
		{"the path is not known", "", 200, fresh + page, Storable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := get(tt.status, tt.response)
			x.Path = tt.path
			if _, got := Store(x, &Policy{}); got != tt.want {
				t.Errorf("Store = %v, want %v", got, tt.want)
			}
		})
	}
}

// A path that two parsers read differently makes a lifetime doubtful, but only
// where there is somebody to be confused with another.
func TestStoreUnderAmbiguousPath(t *testing.T) {
	override := Policy{TTLOverride: []Lifetime{{nil, time.Minute}}}
	tests := []struct {
		name, path string
		policy     Policy
		request    string
		response   string
		want       Reason
	}{
		{"a plain path", "/static/a", override, "Cookie: a=b", "", Storable},
		{"another way to spell letters", "/static/%61", override, "Cookie: a=b", "", Storable},
		{"encoded slash", "/account%2f..%2fstatic/a", override, "Cookie: a=b", "", CookieRequest},
		{"encoded slash, explicit lifetime", "/account%2Fstatic", Policy{}, "Cookie: a=b", fresh, CookieRequest},
		{"encoded twice", "/account%252f..%252fstatic/a", override, "Cookie: a=b", "", CookieRequest},
		{"encoded twice, and not up", "/account%252fstatic/a", override, "Cookie: a=b", "", CookieRequest},
		{"segments that go nowhere", "/account/./static/a", override, "Cookie: a=b", "", CookieRequest},
		{"segments that go up", "/account/../static/a", override, "Cookie: a=b", "", CookieRequest},
		{"encoded segments that go up", "/account/%2e%2e/static/a", override, "Cookie: a=b", "", CookieRequest},
		{"semicolon", "/account;/static/a", override, "Cookie: a=b", "", CookieRequest},
		{"encoded semicolon", "/account%3b/static/a", override, "Cookie: a=b", "", CookieRequest},
		{"encoded question mark", "/account%3f/static/a", override, "Cookie: a=b", "", CookieRequest},
		{"encoded fragment", "/account%23/static/a", override, "Cookie: a=b", "", CookieRequest},
		{"encoded NUL", "/account%00/static/a", override, "Cookie: a=b", "", CookieRequest},
		{"encoded line break", "/account%0a/static/a", override, "Cookie: a=b", "", CookieRequest},
		{"backslash", "/account\\static", override, "Cookie: a=b", "", CookieRequest},
		{"encoded backslash", "/account%5cstatic", override, "Cookie: a=b", "", CookieRequest},
		{"two slashes", "/account//static", override, "Cookie: a=b", "", CookieRequest},
		{"nobody to confuse", "/account%2f..%2fstatic/a", override, "", "", Storable},
		{"public", "/account%2fstatic/a", override, "Cookie: a=b", "Cache-Control: public", Storable},
		{"public, and up", "/account%2f..%2fstatic/a", override, "Cookie: a=b", "Cache-Control: public", CookieRequest},
		{"public, and up with a parameter", "/static/..;/account", Policy{}, "Cookie: a=b", "Cache-Control: public, max-age=60", CookieRequest},
		{"public, and begun like a host", "//static/account", Policy{}, "Cookie: a=b", "Cache-Control: public, max-age=60", CookieRequest},
		{"public, and up for one who is authenticated", "/static/..%5caccount", Policy{}, "Authorization: Basic eDp5", "Cache-Control: public, max-age=60", Authorization},
		{"Vary: Cookie", "/account%2f..%2fstatic/a", override, "Cookie: a=b", "Vary: Cookie", Storable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := getWith(tt.request, 200, tt.response)
			x.Path = tt.path
			if _, got := Store(x, &tt.policy); got != tt.want {
				t.Errorf("Store = %v, want %v", got, tt.want)
			}
		})
	}
}
