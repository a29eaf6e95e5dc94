package httpcache

import (
	"slices"
	"strings"
	"testing"
)

const (
	ofBrowser = "Accept-Encoding: gzip, deflate, br, zstd\nAccept-Language: en-GB,en;q=0.9\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\n"
	ofPage    = ofBrowser + "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\nPriority: u=0, i\n" +
		"Sec-Fetch-Dest: document\nSec-Fetch-Mode: navigate\nSec-Fetch-User: ?1\nUpgrade-Insecure-Requests: 1\n"
)

// clients are requests as common programs send them, with what separates the answers to
// them from those to others: only what asks for something else.
var clients = []struct{ name, request, apart string }{
	{"Chrome", ofPage + "Sec-Ch-Ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\nSec-Ch-Ua-Mobile: ?0\nSec-Ch-Ua-Platform: \"Windows\"\nSec-Fetch-Site: none", ""},
	{"Chrome, a reload", ofPage + "Cache-Control: max-age=0\nReferer: https://example.com/a", ""},
	{"Chrome, another language", "Accept-Language: de-DE,de;q=0.9\nAccept-Encoding: gzip, deflate, br, zstd\nUser-Agent: Mozilla/5.0 (Linux; Android 10; K)", ""},
	{"Chrome, a picture", ofBrowser + "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\nReferer: https://example.com/\nSec-Fetch-Dest: image", ""},
	{"Chrome, a style sheet", ofBrowser + "Accept: text/css,*/*;q=0.1\nReferer: https://example.com/\nSec-Fetch-Dest: style", ""},
	{"Chrome, a font", ofBrowser + "Accept: */*\nOrigin: https://example.com\nReferer: https://example.com/a.css\nSec-Fetch-Mode: cors", ""},
	{"Chrome, a script of the site", ofBrowser + "Accept: */*\nReferer: https://example.com/\nSec-Fetch-Mode: cors\nSec-Fetch-Site: same-origin", ""},
	{"Chrome, a script of another site", ofBrowser + "Accept: */*\nOrigin: https://app.test\nReferer: https://app.test/\nSec-Fetch-Site: cross-site", ""},
	{"Chrome, a prefetch", ofPage + "Purpose: prefetch\nSec-Purpose: prefetch;prerender\nReferer: https://example.com/", "Purpose Sec-Purpose"},
	{"Chrome, saving data", ofPage + "Save-Data: on", "Save-Data"},
	{"a web view of an app", ofPage + "X-Requested-With: com.example.app", ""},
	{"Firefox", ofPage + "Dnt: 1\nSec-Gpc: 1\nTe: trailers", ""},
	{"Safari", ofPage + "Accept-Encoding: gzip, deflate, br", ""},
	{"axios", ofBrowser + "Accept: application/json, text/plain, */*\nReferer: https://example.com/", ""},
	{"jQuery", ofBrowser + "Accept: application/json, text/javascript, */*; q=0.01\nX-Requested-With: XMLHttpRequest", "X-Requested-With"},
	{"a client of an API", "Accept: application/json\nContent-Type: application/json\nUser-Agent: sdk/1.2", "Content-Type"},
	{"curl", "Accept: */*\nUser-Agent: curl/8.16.0", ""},
	{"Go", "Accept-Encoding: gzip\nUser-Agent: Go-http-client/2.0", ""},
	{"python-requests", "Accept: */*\nAccept-Encoding: gzip, deflate\nConnection: keep-alive\nUser-Agent: python-requests/2.32.5", ""},
	{"CFNetwork", "Accept: */*\nAccept-Language: en-GB,en;q=0.9\nUser-Agent: App/1 CFNetwork/1496.0.7 Darwin/23.5.0", ""},
	{"Googlebot", ofPage + "Amp-Cache-Transform: google;v=\"1..8\"\nFrom: googlebot(at)googlebot.com", ""},
	{"Bingbot", "Accept: */*\nCache-Control: no-cache\nFrom: bingbot(at)microsoft.com\nPragma: no-cache", ""},
	{"a reader of feeds", "Accept: application/atom+xml,application/rss+xml,application/xml;q=0.9,*/*;q=0.1\nIf-None-Match: \"b\"", ""},
	{"feedparser", "A-Im: feed\nAccept: application/atom+xml,application/rdf+xml,application/rss+xml,*/*;q=0.1", ""},
}

// What ordinary clients get is one for all of them, whoever asked first: what none of
// them sends with a purpose separates nothing.
func TestOrdinaryClients(t *testing.T) {
	forPrograms := map[string]bool{"axios": true, "jQuery": true, "a client of an API": true} // docs/security.md, what it costs
	for _, r := range []struct {
		name, path string
		status     int
		response   string
		file, data bool
	}{
		{"a page", "/", 200, "Content-Type: text/html\nX-Frame-Options: SAMEORIGIN\nLink: </a.css>; rel=preload; as=style\n" +
			"Content-Security-Policy: default-src 'self' https://example.com; frame-ancestors 'none'", false, false},
		{"a missing page", "/a", 404, "Content-Type: text/html", false, false},
		{"a picture", "/a.webp", 200, "Content-Type: image/webp", true, false},
		{"a style sheet", "/a.css", 200, "Content-Type: text/css\nAccess-Control-Allow-Origin: *", true, false},
		{"a font", "/a.woff2", 200, "Content-Type: font/woff2\nAccess-Control-Allow-Origin: *", true, false},
		{"a script", "/a.js", 200, "Content-Type: text/javascript", false, false},
		{"a drawing", "/a.svg", 200, "Content-Type: image/svg+xml", false, false},
		{"data", "/api/a", 200, "Content-Type: application/json\nAccess-Control-Allow-Origin: *", false, true},
		{"data by its name", "/a.json", 200, "Content-Type: application/json", false, false},
		{"a feed", "/feed", 200, "Content-Type: application/rss+xml", false, false},
		{"robots.txt", "/robots.txt", 200, "Content-Type: text/plain", false, false},
		{"a site map", "/sitemap.xml", 200, "Content-Type: text/xml", false, false},
		{"a redirection", "/a", 301, "Location: https://www.example.com/a/", false, false},
	} {
		for _, c := range clients {
			want := strings.Fields(c.apart)
			if r.file {
				want = slices.DeleteFunc(want, func(name string) bool { return ofPages[name] })
			}
			if r.data && forPrograms[c.name] {
				want = slices.Sorted(slices.Values(append(want, "Accept")))
			}
			x := getWith(c.request, r.status, fresh+r.response)
			x.Host, x.Path = "example.com", r.path
			if s := mustStoreAs(t, x, &Policy{}); !slices.Equal(s.Vary, want) {
				t.Errorf("%s for %s varies on %q, want %q", r.name, c.name, s.Vary, want)
			}
		}
	}
}
