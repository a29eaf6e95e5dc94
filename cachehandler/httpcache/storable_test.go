package httpcache

import (
	"net/http"
	"strconv"
	"testing"
	"time"
)

const fresh = "Cache-Control: max-age=60\n"

func TestStore(t *testing.T) {
	modified := "Last-Modified: " + date(-100000) + "\n"
	onError := Policy{StaleIfError: time.Hour}
	tests := []struct {
		name              string
		policy            Policy
		request, response string
		want              Reason
	}{
		{"9111-3 explicit lifetime", Policy{}, "", fresh, Storable},
		{"9111-3 Expires", Policy{}, "", "Expires: " + date(60), Storable},
		{"9111-3 nothing said", Policy{}, "", "", NoLifetime},
		{"9111-3 nothing said, heuristic", DefaultPolicy(), "", modified, Storable},
		{"9111-3 nothing said, ttl", Policy{TTL: []Lifetime{{nil, time.Minute}}}, "", "", Storable},
		{"9111-3 nothing said, with a validator", Policy{}, "", "Etag: \"a\"", Storable},
		{"9111-3 nothing said, with a weak validator", Policy{}, "", "Etag: W/\"a\"", Storable},
		{"9111-3 nothing said, with a tag that is none", Policy{}, "", "Etag: a", NoLifetime},
		{"9111-3 nothing said, with a date that is none", Policy{}, "", "Last-Modified: 0", NoLifetime},
		{"9111-3 public alone", Policy{}, "", "Cache-Control: public", NoLifetime},

		{"9111-5.2.2.5 no-store", Policy{}, "", "Cache-Control: no-store, max-age=60", NoStore},
		{"9111-5.2.2.5 no-store, any case", Policy{}, "", "Cache-Control: No-StOrE", NoStore},
		{"9111-5.2.2.5 no-store with ttl_override", Policy{TTLOverride: []Lifetime{{nil, time.Minute}}}, "", "Cache-Control: no-store", NoStore},
		{"9111-5.2.1.5 no-store of the request", Policy{}, "Cache-Control: no-store", fresh, RequestNoStore},
		{"9111-5.2.1.5 ignored", Policy{IgnoreRequestDirectives: true}, "Cache-Control: no-store", fresh, Storable},
		{"9111-5.2.2.7 private", Policy{}, "", "Cache-Control: private, max-age=60", Private},
		{"9111-5.2.2.7 private and public", Policy{}, "", "Cache-Control: public, private, max-age=60", Private},
		{"9111-5.2.2.7 private with ttl_override", Policy{TTLOverride: []Lifetime{{nil, time.Minute}}}, "", "Cache-Control: private", Private},
		{"9111-5.2.2.7 private for a field", Policy{}, "", "Cache-Control: private=\"x-user\", max-age=60", Storable},

		{"9111-5.2.2.4 no-cache without validator", Policy{}, "", "Cache-Control: no-cache, max-age=60", NoCache},
		{"9111-5.2.2.4 no-cache with a validator", Policy{}, "", "Cache-Control: no-cache\nEtag: \"a\"", Storable},
		{"9111-5.2.2.4 no-cache with a date", Policy{}, "", "Cache-Control: no-cache\n" + modified, Storable},
		{"9111-5.2.2.4 no-cache for a field", Policy{}, "", "Cache-Control: no-cache=\"x-user\", max-age=60", Storable},
		{"9111-5.2.2.4 no-cache with ttl_override", Policy{TTLOverride: []Lifetime{{nil, time.Minute}}}, "", "Cache-Control: no-cache", Storable},
		{"9111-5.2.2.4 no-cache with ttl", Policy{TTL: []Lifetime{{nil, time.Minute}}}, "", "Cache-Control: no-cache", NoCache},

		{"9111-3.5 Authorization", Policy{}, "Authorization: Basic eDp5", fresh, Authorization},
		{"9111-3.5 Authorization and public", Policy{}, "Authorization: Basic eDp5", "Cache-Control: public, max-age=60", Storable},
		{"9111-3.5 Authorization and s-maxage", Policy{}, "Authorization: Basic eDp5", "Cache-Control: s-maxage=60", Storable},
		{"9111-3.5 Authorization and s-maxage that is none", Policy{}, "Authorization: Basic eDp5", "Cache-Control: s-maxage=x\nEtag: \"a\"", Authorization},
		{"9111-3.5 Authorization and must-revalidate", Policy{}, "Authorization: Basic eDp5", "Cache-Control: must-revalidate, max-age=60", Storable},
		{"9111-3.5 Authorization and proxy-revalidate", Policy{}, "Authorization: Basic eDp5", "Cache-Control: proxy-revalidate, max-age=60", Authorization},
		{"9111-3.5 Authorization and ttl_override", Policy{TTLOverride: []Lifetime{{nil, time.Minute}}}, "Authorization: Basic eDp5", "", Authorization},
		{"9213-2.2 Authorization and targeted max-age", DefaultPolicy(), "Authorization: Basic eDp5", "Cdn-Cache-Control: max-age=60", Authorization},
		{"9213-2.2 Authorization and targeted public", DefaultPolicy(), "Authorization: Basic eDp5", "Cdn-Cache-Control: public, max-age=60", Storable},

		{"9111-4.1 Vary: *", Policy{}, "", fresh + "Vary: *", VaryAny},
		{"9111-4.1 Vary: * among others", Policy{}, "", fresh + "Vary: Foo, *", VaryAny},
		{"9111-4.1 Vary: * on the second line", Policy{}, "", fresh + "Vary:\nVary: *", VaryAny},
		{"9111-4.1 Vary: Host, and the host in no key", Policy{HostIgnored: true}, "", fresh + "Vary: Foo, host", VaryAny},
		{"9111-4.1 Vary: Host, which is to be ignored", Policy{HostIgnored: true, VaryIgnore: []string{"Host"}}, "", fresh + "Vary: Host", Storable},
		{"9111-4.1 Vary: Host, and the host in every key", Policy{}, "", fresh + "Vary: Host", Storable},
		{"9110-12.5.3 a coding that was excluded", Policy{}, "Accept-Encoding: gzip, br;q=0", fresh + "Content-Encoding: br\nVary: Accept-Encoding", VaryAny},
		{"9110-12.5.3 a coding that was excluded, without Vary", Policy{}, "Accept-Encoding: gzip;q=0.0", fresh + "Content-Encoding: x-gzip", VaryAny},
		{"9110-12.5.3 a coding that was excluded with all others", Policy{}, "Accept-Encoding: *;q=0, gzip", fresh + "Content-Encoding: br\nVary: Accept-Encoding", VaryAny},
		{"9110-12.5.3 a coding that was not excluded with all others", Policy{}, "Accept-Encoding: *;q=0, X-GZIP", fresh + "Content-Encoding: gzip\nVary: Accept-Encoding", Storable},
		{"9110-12.5.3 a coding that was not named", Policy{}, "Accept-Encoding: gzip", fresh + "Content-Encoding: none\nVary: Accept-Encoding", Storable},
		{"9842 dictionary-coded without Vary", Policy{}, "", fresh + "Content-Encoding: dcb\nVary: Accept-Encoding", VaryAny},
		{"9842-6.2 dictionary-coded, Available-Dictionary ignored", Policy{VaryIgnore: []string{"Available-Dictionary"}}, "", fresh + "Content-Encoding: dcz\nVary: Accept-Encoding, Available-Dictionary", VaryAny},
		{"9842-6.2 dictionary-coded, Accept-Encoding ignored", Policy{VaryIgnore: []string{"Accept-Encoding"}}, "", fresh + "Content-Encoding: dcz\nVary: Accept-Encoding, Available-Dictionary", VaryAny},
		{"9842-2.1 a dictionary", Policy{}, "", fresh + "Use-As-Dictionary: match=\"/app/*.js\", id=\"1\"", Storable},
		{"9842 dictionary-coded with Vary", Policy{}, "", fresh + "Content-Encoding: dcz\nVary: Accept-Encoding, Available-Dictionary", Storable},

		{"9111-4.2 stale on arrival", Policy{}, "", "Cache-Control: max-age=0", Expired},
		{"9111-4.2 stale on arrival by Age", Policy{}, "", fresh + "Age: 60", Expired},
		{"9111-4.2 stale on arrival by Expires", Policy{}, "", "Expires: 0", Expired},
		{"9111-4.2 stale on arrival with a validator", Policy{}, "", "Cache-Control: max-age=0\nEtag: \"a\"", Storable},
		{"5861-3 stale on arrival with a window", Policy{}, "", "Cache-Control: max-age=0, stale-while-revalidate=60", Storable},
		{"5861-4 stale on arrival with a window", Policy{}, "", "Cache-Control: max-age=0, stale-if-error=60", Storable},
		{"5861-4 stale on arrival behind the window", Policy{}, "", "Cache-Control: max-age=1, stale-if-error=9\nAge: 10", Expired},
		{"option stale_if_error keeps what aged elsewhere", onError, "", fresh + "Age: 600", Storable},
		{"option stale_if_error keeps nothing that was never fresh", onError, "", "Cache-Control: max-age=0", Expired},
		{"9111-4.2.4 stale on arrival with a window and must-revalidate", onError, "", fresh + "Age: 600\nCache-Control: must-revalidate", Expired},

		{"9111-7.3 Set-Cookie", Policy{}, "", fresh + "Set-Cookie: a=b", HasSetCookie},
		{"6265-9.4 Set-Cookie2 alone sets none", Policy{}, "", fresh + "Set-Cookie2: a=b", Storable},
		{"9111-5.2.2.4 Set-Cookie that the origin separates, and Set-Cookie2", Policy{}, "", fresh + "Cache-Control: no-cache=\"set-cookie\"\nSet-Cookie: a=b\nSet-Cookie2: c=d", HasSetCookie},
		{"9111-7.3 Set-Cookie and public", Policy{}, "", "Cache-Control: public, max-age=60\nSet-Cookie: a=b", Storable},
		{"9111-7.3 Set-Cookie and s-maxage", Policy{}, "", "Cache-Control: s-maxage=60\nSet-Cookie: a=b", Storable},
		{"9213-2.2 Set-Cookie and a targeted lifetime", DefaultPolicy(), "", "Cdn-Cache-Control: max-age=60\nSet-Cookie: a=b", Storable},
		{"9213-2.2 Set-Cookie and a targeted field without lifetime", DefaultPolicy(), "", "Cdn-Cache-Control: foo\nEtag: \"a\"\nSet-Cookie: a=b", HasSetCookie},
		{"9111-5.2.2.4 Set-Cookie that the origin separates", Policy{}, "", fresh + "Cache-Control: no-cache=\"set-cookie\"\nSet-Cookie: a=b", Storable},
		{"option set_cookie refuse", Policy{SetCookie: SetCookieRefuse}, "", "Cache-Control: public, max-age=60\nSet-Cookie: a=b", HasSetCookie},
		{"option set_cookie strip", Policy{SetCookie: SetCookieStrip}, "", fresh + "Set-Cookie: a=b", Storable},
		{"option set_cookie store", Policy{SetCookie: SetCookieStore}, "", fresh + "Set-Cookie: a=b", Storable},
		{"option ttl_override never makes a cookie storable", Policy{TTLOverride: []Lifetime{{nil, time.Minute}}}, "", "Set-Cookie: a=b", HasSetCookie},

		{"Cookie and an explicit lifetime", Policy{}, "Cookie: a=b", fresh, Storable},
		{"Cookie and no lifetime but a validator", Policy{}, "Cookie: a=b", "Etag: \"a\"", CookieRequest},
		{"Cookie and a lifetime of nothing", Policy{}, "Cookie: a=b", "Cache-Control: max-age=0\nEtag: \"a\"", CookieRequest},
		{"Cookie and a heuristic", DefaultPolicy(), "Cookie: a=b", modified, CookieRequest},
		{"Cookie, a heuristic and public", DefaultPolicy(), "Cookie: a=b", "Cache-Control: public\n" + modified, Storable},
		{"Cookie and ttl", Policy{TTL: []Lifetime{{nil, time.Minute}}}, "Cookie: a=b", "", CookieRequest},
		{"Cookie, ttl and Vary: Cookie", Policy{TTL: []Lifetime{{nil, time.Minute}}}, "Cookie: a=b", "Vary: Cookie", Storable},
		{"Cookie, ttl and Vary: Cookie that is ignored", Policy{TTL: []Lifetime{{nil, time.Minute}}, VaryIgnore: []string{"Cookie"}}, "Cookie: a=b", "Vary: Cookie", CookieRequest},
		{"Cookie in the key and ttl", Policy{TTL: []Lifetime{{nil, time.Minute}}, CookieInKey: true}, "Cookie: a=b", "", Storable},
		{"Cookie and ttl_override", Policy{TTLOverride: []Lifetime{{nil, time.Minute}}}, "Cookie: a=b", "", Storable},

		{"9111-5.2.2.3 must-understand without a token", Policy{}, "", "Cache-Control: no-store, must-understand=1, max-age=60", NoStore},
		{"9111-5.2 no-store with an argument", Policy{}, "", "Cache-Control: no-store=\"x\", max-age=60", NoStore},
		{"9111-5.2 no-store in quotes is none", Policy{}, "", "Cache-Control: \"no-store\", max-age=60", Storable},
		{"9111-5.2 no-store on another line", Policy{}, "", "Cache-Control: max-age=60\nCache-Control: no-store", NoStore},
		{"9111-5.2 no-store behind garbage", Policy{}, "", "Cache-Control: max-age=60 no-store", NoStore},
		{"9111-5.2 no-store behind a semicolon", Policy{}, "", "Cache-Control: max-age=60; no-store", NoStore},
		{"9111-5.2.2.7 private for a field without quotes", Policy{}, "", "Cache-Control: private=x-user, max-age=60", Storable},
		{"9111-5.2.2.7 private for nothing is all", Policy{}, "", "Cache-Control: private=\"\", max-age=60", Private},
		{"9111-5.2.2.7 private for what is no name is all", Policy{}, "", "Cache-Control: private=\"x user\", max-age=60", Private},
		{"9111-5.2.2.7 private for a field, and for all", Policy{}, "", "Cache-Control: private=\"x-user\", private, max-age=60", Private},
		{"9111-5.2.2.9 public with an argument is none", Policy{}, "Authorization: Basic eDp5", "Cache-Control: public=1, max-age=60", Authorization},
		{"9111-5.2.2.10 s-maxage of nothing beside max-age", Policy{}, "", "Cache-Control: s-maxage=0, max-age=60", Expired},
		{"9111-5.2.3 s-maxage of nothing with a window", Policy{}, "", "Cache-Control: s-maxage=0, stale-while-revalidate=60", Storable},
		{"9111-4.2.1 quoted lifetime", Policy{}, "", "Cache-Control: max-age=\"60\"", Storable},

		{"10036 Incremental", Policy{}, "", fresh + "Incremental: ?1", Stream},
		{"event stream", Policy{}, "", fresh + "Content-Type: text/event-stream", Stream},
		{"9110-6.5 trailers", Policy{}, "", fresh + "Trailer: Grpc-Status", HasTrailer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, got := Store(getWith(tt.request, 200, tt.response), &tt.policy)
			if got != tt.want || (s != nil) != (got == Storable) {
				t.Errorf("Store = %v, %v; want %v", s != nil, got, tt.want)
			}
		})
	}
}

func TestStoreByStatus(t *testing.T) {
	modified := "Last-Modified: " + date(-100000)
	heuristically := map[int]bool{200: true, 203: true, 204: true, 300: true, 301: true, 308: true, 404: true, 405: true, 410: true, 414: true, 451: true, 501: true}
	never := map[int]Reason{
		206: PartialContent,     // RFC 9111 §3.3
		226: StatusNotCacheable, // RFC 3229 §10.4.1
		304: StatusNotCacheable,
		406: StatusNotCacheable, 408: StatusNotCacheable, 411: StatusNotCacheable, 413: StatusNotCacheable, 415: StatusNotCacheable, 426: StatusNotCacheable,
		407: StatusNotCacheable, 412: StatusNotCacheable, 416: StatusNotCacheable, 417: StatusNotCacheable, 425: StatusNotCacheable,
		428: StatusNotCacheable, 429: StatusNotCacheable, 431: StatusNotCacheable, 511: StatusNotCacheable, // RFC 6585
	}
	p := DefaultPolicy()
	for status := 100; status < 700; status++ {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			explicit, implicit := Storable, NoLifetime
			if heuristically[status] {
				implicit = Storable
			}
			if why, ok := never[status]; ok {
				explicit, implicit = why, why
			}
			if status < 200 || status > 599 {
				explicit, implicit = StatusNotCacheable, StatusNotCacheable
			}
			if _, got := Store(get(status, fresh), &p); got != explicit {
				t.Errorf("9111-3 explicit lifetime: %v, want %v", got, explicit)
			}
			if _, got := Store(get(status, modified), &p); got != implicit {
				t.Errorf("9110-15.1 no lifetime: %v, want %v", got, implicit)
			}
		})
	}
}

func TestMustUnderstand(t *testing.T) {
	tests := []struct {
		name     string
		status   int
		response string
		want     Reason
	}{
		{"9111-5.2.2.3 understood: no-store is ignored", 200, "Cache-Control: no-store, must-understand, max-age=60", Storable},
		{"9111-5.2.2.3 understood: 404", 404, "Cache-Control: no-store, must-understand, max-age=60", Storable},
		{"9111-5.2.2.3 not understood, with no-store", 599, "Cache-Control: no-store, must-understand, max-age=60", MustUnderstand},
		{"9111-5.2.2.3 not understood, without no-store", 299, "Cache-Control: must-understand, max-age=60", MustUnderstand},
		{"9111-5.2.2.3 private is not ignored", 200, "Cache-Control: private, must-understand, max-age=60", Private},
		{"9111-3 not understood, not asked", 299, "Cache-Control: max-age=60", Storable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := Store(get(tt.status, tt.response), &Policy{}); got != tt.want {
				t.Errorf("Store = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStoreByMethod(t *testing.T) {
	const target = "https://example.com/a?b=c"
	tests := []struct {
		name, method, target string
		status               int
		response             string
		want                 Reason
	}{
		{"9111-3 GET", "GET", "", 200, fresh, Storable},
		{"9110-9.3.2 HEAD has no content", "HEAD", target, 200, fresh, Method},
		{"9110-9.1 methods are case-sensitive", "get", target, 200, fresh, Method},
		{"10008-2.7 QUERY", "QUERY", target, 200, fresh, Storable},
		{"10008-2.7 QUERY, with a heuristic lifetime", "QUERY", target, 200, "Last-Modified: " + date(-9*3600), Storable},
		{"10008-2.7 QUERY, with none", "QUERY", target, 200, "", NoLifetime},
		{"9110-9.3.4 PUT", "PUT", target, 200, fresh + "Content-Location: " + target, Method},
		{"9110-9.3.3 POST", "POST", target, 200, fresh, Method},
		{"9110-9.3.3 POST with Content-Location", "POST", target, 200, fresh + "Content-Location: " + target, Storable},
		{"9110-9.3.3 POST with a relative one", "POST", target, 200, fresh + "Content-Location: ?b=c", Storable},
		{"9110-9.3.3 POST with an empty one, which is the target", "POST", target, 200, "Content-Location:\nExpires: " + date(60), Storable},
		{"9110-9.3.3 POST of something else", "POST", target, 200, fresh + "Content-Location: /a", Method},
		{"9110-9.3.3 POST at another origin", "POST", target, 200, fresh + "Content-Location: http://example.com/a?b=c", Method},
		{"9110-9.3.3 POST without lifetime", "POST", target, 200, "Etag: \"a\"\nContent-Location: " + target, Method},
		{"9110-9.3.3 POST to an unknown target", "POST", "", 200, fresh + "Content-Location: " + target, Method},
		{"9110-9.3.3 POST to a relative target", "POST", "/a", 200, fresh + "Content-Location: /a", Method},
		{"9110-9.3.3 POST of no reference", "POST", target, 200, fresh + "Content-Location: http://[", Method},
		{"9110-9.3.3 POST of two", "POST", target, 200, fresh + "Content-Location: ?b=c\nContent-Location: /x", Method},
		{"9110-9.3.3 POST that failed", "POST", target, 500, fresh + "Content-Location: " + target, Method},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := get(tt.status, tt.response)
			x.Method, x.Target = tt.method, tt.target
			if _, got := Store(x, &Policy{}); got != tt.want {
				t.Errorf("Store = %v, want %v", got, tt.want)
			}
		})
	}
}

// What one with a cookie gets for a change is for everybody if it says so.
func TestStorePostWithCookie(t *testing.T) {
	for response, want := range map[string]Reason{
		"Cache-Control: max-age=60\n":         Method,
		"Cache-Control: public, max-age=60\n": Storable,
	} {
		x := getWith("Cookie: a=b", 200, response+"Content-Location: ?b=c")
		x.Method, x.Target = http.MethodPost, "https://example.com/a?b=c"
		if _, got := Store(x, &Policy{}); got != want {
			t.Errorf("%q: %v, want %v", response, got, want)
		}
	}
}

func TestStoreLeavesTheExchangeAlone(t *testing.T) {
	x := getWith("Accept-Encoding: gzip", 200, fresh+"Connection: x-a\nX-A: 1\nX-B: 1\nAge: 5\nContent-Length: 5\nSet-Cookie: a=b\nVary: Accept-Encoding\nContent-Encoding: gzip")
	request, response := x.RequestHeader.Clone(), x.Header.Clone()
	s := mustStoreAs(t, x, &Policy{SetCookie: SetCookieStrip})
	if !equalHeaders(x.RequestHeader, request) || !equalHeaders(x.Header, response) {
		t.Errorf("Store changed the exchange: %v, %v", x.RequestHeader, x.Header)
	}
	x.Header["X-B"][0] = "changed"
	if got := s.Fields.Get("X-B"); got != "1" {
		t.Errorf("what is stored changed with the response: %q", got)
	}
}

func equalHeaders(a, b http.Header) bool {
	if len(a) != len(b) {
		return false
	}
	for name, values := range a {
		if len(values) != len(b[name]) {
			return false
		}
		for i := range values {
			if values[i] != b[name][i] {
				return false
			}
		}
	}
	return true
}

// A class of statuses is not for those that are about who asks.
func TestLifetimeOfAClass(t *testing.T) {
	for status, want := range map[int]Reason{
		400: NoLifetime, 401: NoLifetime, 403: NoLifetime, 402: Storable, 404: Storable, 409: Storable, 410: Storable, 451: Storable,
	} {
		p := Policy{TTL: []Lifetime{{[]int{4}, time.Minute}}}
		if _, got := Store(get(status, ""), &p); got != want {
			t.Errorf("%d by its class: %v, want %v", status, got, want)
		}
		p = Policy{TTL: []Lifetime{{[]int{status}, time.Minute}}}
		if _, got := Store(get(status, ""), &p); got != Storable {
			t.Errorf("%d by its number: %v", status, got)
		}
	}
}
