package httpcache

import (
	"slices"
	"testing"
)

// What a response varies on though its origin did not say so, and that a 304
// or an answer to HEAD does not make it vary on less.
func TestVariesWithoutVary(t *testing.T) {
	const allow = "Access-Control-Allow-Origin: "
	tests := []struct {
		name              string
		request, response string
		want              []string
	}{
		{"fetch-3.3 opened to the site that asked", "Origin: https://a.test", allow + "https://a.test", []string{"Origin"}},
		{"fetch-3.3 opened to all", "Origin: https://a.test", allow + "*", nil},
		{"fetch-3.3 opened to another, always the same", "Origin: https://a.test", allow + "https://b.test", nil},
		{"fetch-3.3 opened, nobody asked", "", allow + "https://a.test", nil},
		{"fetch-3.3 not opened", "Origin: https://a.test", "", nil},
		{"fetch-3.3 null is one for many", "Origin: null", allow + "null", []string{"Origin"}},
		{"fetch-3.3 and Vary", "Origin: https://a.test", allow + "https://a.test\nVary: origin, Foo", []string{"Foo", "Origin"}},
		{"a fragment", "Rsc: 1", "", []string{"Rsc"}},
		{"a fragment, and Vary", "Hx-Request: true", "Vary: Accept-Encoding", []string{"Accept-Encoding", "Hx-Request"}},
		{"no fragment", "X-Other: 1", "", nil},
		{"a picture in an app", "X-Requested-With: com.example.app", "Content-Type: Image/PNG", nil},
		{"a style sheet, fetched ahead", "Sec-Purpose: prefetch\nPurpose: prefetch", "Content-Type: text/css; charset=utf-8", nil},
		{"a recording for a library of requests", "Content-Type: application/json", "Content-Type: video/mp4", nil},
		{"a font for a script", "X-Requested-With: XMLHttpRequest", "Content-Type: font/woff2", nil},
		{"a drawing for a script", "X-Requested-With: XMLHttpRequest", "Content-Type: image/svg+xml", []string{"X-Requested-With"}},
		{"a script for a script", "X-Requested-With: XMLHttpRequest", "Content-Type: text/javascript", []string{"X-Requested-With"}},
		{"a smaller picture", "Save-Data: on\nX-Device: phone", "Content-Type: image/jpeg", []string{"Save-Data", "X-Device"}},
		{"a picture for a tenant", "X-Tenant: a\nX-Api-Key: b", "Content-Type: image/jpeg", []string{"X-Api-Key", "X-Tenant"}},
		{"a script", "X-Requested-With: XMLHttpRequest", "", []string{"X-Requested-With"}},
		{"an app's web view", "X-Requested-With: com.example.my_App1", "", nil},
		{"a script in an app's web view", "X-Requested-With: com.example.app, XMLHttpRequest", "", []string{"X-Requested-With"}},
		{"a browser with a proxy of its own", "X-Operamini-Phone-Ua: a phone", "", nil},
		{
			"a browser with a proxy of its own, where it matters", "X-Operamini-Phone-Ua: a phone", "Vary: User-Agent",
			[]string{"User-Agent", "X-Operamini-Phone-Ua"},
		},
		{"a prefetch", "Sec-Purpose: prefetch", "", []string{"Sec-Purpose"}},
		{"data for a program", "Accept: application/json, text/plain, */*", "Content-Type: application/json", []string{"Accept"}},
		{"linked data for a server", "Accept: application/activity+json", "Content-Type: application/ld+json; charset=utf-8", []string{"Accept"}},
		{"text for a program", "Accept: text/markdown", "Content-Type: text/markdown", []string{"Accept"}},
		{"data for a browser", "Accept: text/html,application/xml;q=0.9,*/*;q=0.8", "Content-Type: application/xml", nil},
		{"data for one who takes pages, too", "Accept: application/json, text/html", "Content-Type: application/json", nil},
		{"data for who takes all", "Accept: */*", "Content-Type: application/json", nil},
		{"a page for a program", "Accept: application/json", "Content-Type: text/html", nil},
		{
			"a page for one whom a proxy let through", "Remote-User: a\nX-Auth-Request-Email: a@b.test", "Content-Type: text/html",
			[]string{"Remote-User", "X-Auth-Request-Email"},
		},
		{"a page for everybody", "Remote-User: a", "Content-Type: text/html\nCache-Control: public", nil},
		{"a picture for one whom a proxy let through", "Remote-User: a", "Content-Type: image/png", nil},
		{"a tenant", "X-Tenant: a", "", []string{"X-Tenant"}},
		{"a style sheet", "Accept: text/css,*/*;q=0.1", "Content-Type: text/css", nil},
		{"a picture", "Accept: image/avif,image/webp,*/*;q=0.8", "Content-Type: image/webp", nil},
		{"a key", "X-Api-Key: abc", "", []string{"X-Api-Key"}},
		{"9111-3.5 a key for what everybody gets", "X-Api-Key: abc\nX-Session-Id: 1", "Cache-Control: public, max-age=60\nContent-Type: application/json", nil},
		{"9111-3.5 a key for what caches may share", "X-Auth-Token: abc", "Cache-Control: s-maxage=60", nil},
		{"a tenant of what everybody gets", "X-Tenant: a\nX-Api-Key: b", "Cache-Control: public, max-age=60", []string{"X-Tenant"}},
		{"fetch-3.3 opened to the same in another case", "Origin: https://A.test/", allow + "https://a.test", []string{"Origin"}},
		{"led to a field's host", "X-My-Host: evil.test", "Location: https://Evil.test/a", []string{"X-My-Host"}},
		{"led to a field's path", "X-My-Base: /evil", "Location: https://example.com/evil/a", []string{"X-My-Base"}},
		{"led back to the Referer", "Referer: https://evil.test/x", "Refresh: 0; url=https://evil.test/x", []string{"Referer"}},
		{"opened to the Referer", "Referer: https://evil.test", "Content-Security-Policy: frame-ancestors https://evil.test", []string{"Referer"}},
		{"the site's own page", "Referer: https://example.com/a", "Location: https://example.com/a/", nil},
		{"the site's own host", "X-Forwarded-Host: example.com\nX-Forwarded-Proto: https", "Location: https://example.com/a/", nil},
		{"nothing in common", "X-My-Host: evil.test\nUser-Agent: Mozilla/5.0", "Location: /a", nil},
		{"a word that policies are made of", "Sec-Fetch-Dest: script", "Content-Security-Policy: script-src 'self'", nil},
		{"too short to say", "Dnt: 1\nX: abc", "Location: /1/abc", nil},
		{"led by a cookie", "Cookie: a=b; region=north", "Location: /north/", []string{"Cookie"}},
		{"by a part of a word of a cookie", "Cookie: a=b; shown=nort", "Location: /north/", nil},
		{"a cookie of a word that policies are made of", "Cookie: consent=none", "Content-Security-Policy: frame-ancestors 'none'", nil},
		{"led by language", "Accept-Language: fr;q=0.5, de-DE", "Location: /de/x", []string{"Accept-Language"}},
		{"in no language of the request", "Accept-Language: fr", "Location: /de/x", nil},
		{"other languages of a page", "Accept-Language: en-US", "Link: </en-US/>; rel=alternate; hreflang=en-US", nil},
		{"preloads", "Accept: text/html\nUser-Agent: x/1.0", "Link: </a.css>; rel=preload; as=style", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &Policy{}
			x := getWith(tt.request, 200, fresh+"Etag: \"a\"\n"+tt.response)
			x.Host = "example.com"
			s := mustStoreAs(t, x, p)
			if !slices.Equal(s.Vary, tt.want) {
				t.Fatalf("varies on %q, want %q", s.Vary, tt.want)
			}
			for _, asks := range []string{tt.request, ""} {
				x := getWith(asks, 304, "Etag: \"a\"")
				x.Host = "example.com"
				if updated, why, ok := Freshen(s, x, p); !ok || !slices.Equal(updated.Vary, s.Vary) || updated.Variant != s.Variant {
					t.Errorf("after a 304 to %q: %v, varies on %q (%q), want %q (%q)", asks, why, updated.Vary, updated.Variant, s.Vary, s.Variant)
				}
			}
		})
	}
	aside := getWith("Accept: application/json, text/plain, */*", 301, fresh+"Location: /x\nContent-Type: text/plain")
	if s := mustStoreAs(t, aside, &Policy{}); len(s.Vary) > 0 {
		t.Errorf("what a redirection says varies on %q", s.Vary)
	}
	ignoring := &Policy{VaryIgnore: []string{"Rsc", "Origin"}}
	if s := mustStoreAs(t, getWith("Rsc: 1\nOrigin: https://a.test", 200, fresh+allow+"https://a.test"), ignoring); len(s.Vary) > 0 {
		t.Errorf("with vary ignore it varies on %q", s.Vary)
	}
}

// Whose answer says something about what is stored for others.
func TestAsksApart(t *testing.T) {
	const public = "Cache-Control: public, max-age=60\n"
	for _, tt := range []struct {
		name, request string
		status        int
		response      string
		want          bool
	}{
		{"an ordinary request", "Accept: text/html\nX-Other: 1", 200, fresh, false},
		{"for a fragment", "Rsc: 1", 200, fresh, true},
		{"for a fragment, which is stored", "Rsc: 1", 200, fresh + "Vary: Rsc", false},
		{"for a picture", "X-Requested-With: XMLHttpRequest", 200, fresh + "Content-Type: image/png", false},
		{"with a key for what everybody gets", "X-Api-Key: a", 200, public, false},
		{"with a key for an error that everybody gets", "X-Api-Key: a", 404, public, true},
	} {
		x := get(tt.status, tt.response)
		if s := mustStoreAs(t, x, &Policy{}); AsksApart(x.Method, header(tt.request), s) != tt.want {
			t.Errorf("%s: %v", tt.name, !tt.want)
		}
	}
}
