package httpcache

import (
	"reflect"
	"testing"
	"time"
)

func TestKeptFields(t *testing.T) {
	tests := []struct {
		name     string
		policy   Policy
		response string
		want     string // besides Cache-Control and Date
	}{
		{"9111-3.1 unknown fields", Policy{}, "X-Foo: 1\nContent-Foo: 2", "X-Foo: 1\nContent-Foo: 2"},
		{"9111-3.1 hop-by-hop", Policy{}, "Connection: close\nKeep-Alive: a\nTe: b\nTransfer-Encoding: chunked\nUpgrade: c\nX-Foo: 1", "X-Foo: 1"},
		{"9111-3.1 for proxies", Policy{}, "Proxy-Connection: a\nProxy-Authenticate: b\nProxy-Authentication-Info: c\nProxy-Authorization: d", ""},
		{"9111-3.1 named by Connection", Policy{}, "Connection: a, B\nA: 1\nB: 2\nC: 3", "C: 3"},
		{"9111-3.1 named by a second Connection", Policy{}, "Connection: x\nConnection: a\nA: 1\nC: 3", "C: 3"},
		{"9111-5.1 Age", Policy{}, "Age: 5", ""},
		{"9211-2 Cache-Status of others", Policy{}, "Cache-Status: Origin; hit", "Cache-Status: Origin; hit"},
		{"9111-5.2.2.4 no-cache for fields", Policy{}, "Cache-Control: no-cache=\"a, b\"\nA: 1\nB: 2\nC: 3", "C: 3"},
		{"9111-5.2.2.7 private for fields", Policy{}, "Cache-Control: private=a\nA: 1\nC: 3", "C: 3"},
		{"9110-8.6 one of equal lengths", Policy{}, "Content-Length: 5\nContent-Length: 5", "Content-Length: 5"},
		{"9110-8.6 none of different lengths", Policy{}, "Content-Length: 5\nContent-Length: 6", ""},
		{"9110-8.6 not a length", Policy{}, "Content-Length: +5", ""},
		{"9110-8.6 a huge length", Policy{}, "Content-Length: 99999999999999999999", ""},
		{"lines stay in order", Policy{}, "Link: </b>\nLink: </a>", "Link: </b>\nLink: </a>"},
		{"option set_cookie strip", Policy{SetCookie: SetCookieStrip}, "Set-Cookie: a=b\nSet-Cookie2: c=d", ""},
		{"6265-9.4 Set-Cookie2 alone", Policy{}, "Set-Cookie2: a=b", "Set-Cookie2: a=b"},
		{"option set_cookie store", Policy{SetCookie: SetCookieStore}, "Set-Cookie: a=b\nSet-Cookie: c=d", "Set-Cookie: a=b\nSet-Cookie: c=d"},
		{"option set_cookie store, but private", Policy{SetCookie: SetCookieStore}, "Cache-Control: private=set-cookie\nSet-Cookie: a=b", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := mustStoreAs(t, get(200, fresh+tt.response), &tt.policy).Fields.Header()
			delete(got, "Cache-Control")
			delete(got, "Date")
			if want := header(tt.want); !equalHeaders(got, want) {
				t.Errorf("kept %v, want %v", got, want)
			}
		})
	}
}

func TestKeptDate(t *testing.T) {
	tests := []struct{ name, response, want string }{
		{"9110-6.6.1 the origin's", "Date: " + date(-5), date(-5)},
		{"9110-6.6.1 none: when it came", "", date(0)},
		{"9110-6.6.1 invalid: when it came", "Date: foo", date(0)},
		{"9110-6.6.1 named by Connection", "Connection: date\nDate: " + date(-5), date(-5)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, fresh+tt.response)
			if got := s.Fields.Values("Date"); len(got) != 1 || got[0] != tt.want {
				t.Errorf("Date = %q, want %q", got, tt.want)
			}
			if s.Date.Format(time.RFC1123) != mustParse(t, tt.want).Format(time.RFC1123) {
				t.Errorf("Stored.Date = %v, want %v", s.Date, tt.want)
			}
		})
	}
}

func mustParse(t testing.TB, s string) time.Time {
	t.Helper()
	at, ok := parseDate(s, now)
	if !ok {
		t.Fatalf("not a date: %q", s)
	}
	return at
}

func TestFrozenHead(t *testing.T) {
	x := getWith("Accept-Language: de", 203, "Cache-Control: max-age=60, stale-while-revalidate=5, immutable, public\nAge: 10\n"+
		"Etag: W/\"a\"\nLast-Modified: "+date(-100)+"\nVary: accept-language, Foo\nDate: "+date(0))
	got := mustStoreAs(t, x, &Policy{StaleIfError: time.Minute, StaleWhileRevalidate: time.Hour})
	want := &Stored{
		Status: 203, Fields: got.Fields, ResponseTime: now, Date: now,
		InitialAge: 10 * time.Second, Lifetime: time.Minute, LifetimeFrom: FromMaxAge,
		StaleWhileRevalidate: 5 * time.Second, StaleIfError: time.Minute,
		Flags: ForAuthorized | Immutable | ForEverybody, ETag: `W/"a"`, LastModified: now.Add(-100 * time.Second),
		Vary: []string{"Accept-Language", "Foo"}, Variant: "=2:de-",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("frozen:\n%+v, want\n%+v", got, want)
	}
}

func TestFlags(t *testing.T) {
	tests := []struct {
		name, directives string
		policy           Policy
		want             Flags
	}{
		{"9111-5.2.2.1 max-age alone", "max-age=60", Policy{}, 0},
		{"9111-5.2.2.2 must-revalidate", "max-age=60, must-revalidate", Policy{}, NeverStale | ForAuthorized},
		{"9111-5.2.2.8 proxy-revalidate", "max-age=60, proxy-revalidate", Policy{}, NeverStale},
		{"9111-5.2.2.10 s-maxage", "s-maxage=60", Policy{}, NeverStale | ForAuthorized | ForEverybody},
		{"9111-5.2.2.10 s-maxage that is none", "s-maxage=x", Policy{}, NeverStale},
		{"9111-5.2.2.4 no-cache", "no-cache", Policy{}, MustValidate | NeverStale},
		{"9111-5.2.2.4 no-cache overridden", "no-cache", Policy{TTLOverride: []Lifetime{{nil, time.Minute}}}, 0},
		{"9111-5.2.2.9 public", "max-age=60, public", Policy{}, ForAuthorized | ForEverybody},
		{"8246-2 immutable", "max-age=60, immutable", Policy{}, Immutable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStoreAs(t, get(200, "Etag: \"a\"\nCache-Control: "+tt.directives), &tt.policy)
			if s.Flags != tt.want {
				t.Errorf("Flags = %b, want %b", s.Flags, tt.want)
			}
		})
	}
}

func TestStaleWindows(t *testing.T) {
	p := Policy{StaleWhileRevalidate: time.Minute, StaleIfError: time.Hour}
	override := p
	override.TTLOverride = []Lifetime{{nil, time.Minute}}
	const s = time.Second
	tests := []struct {
		name, response           string
		policy                   Policy
		whileRevalidate, onError time.Duration
	}{
		{"option: where the origin says nothing", fresh, p, time.Minute, time.Hour},
		{"5861-3 the origin's", "Cache-Control: max-age=1, stale-while-revalidate=5", p, 5 * s, time.Hour},
		{"5861-4 the origin's", "Cache-Control: max-age=1, stale-if-error=5", p, time.Minute, 5 * s},
		{"5861-3 the origin's zero", "Cache-Control: max-age=1, stale-while-revalidate=0, stale-if-error=0", p, 0, 0},
		{"5861-3 without argument: nothing said", "Cache-Control: max-age=1, stale-while-revalidate", p, time.Minute, time.Hour},
		{"9111-4.2.4 must-revalidate", "Cache-Control: max-age=1, must-revalidate, stale-while-revalidate=5", p, 0, 0},
		{"9111-4.2.4 proxy-revalidate", "Cache-Control: max-age=1, proxy-revalidate, stale-if-error=5", p, 0, 0},
		{"9111-5.2.2.10 s-maxage: not the administrator's", "Cache-Control: s-maxage=1", p, 0, 0},
		{"9111-5.2.3 s-maxage: the origin's own modifies it", "Cache-Control: s-maxage=1, stale-while-revalidate=5", p, 5 * s, 0},
		{"9111-5.2.3 s-maxage: the origin's own on errors", "Cache-Control: s-maxage=1, stale-if-error=5", p, 0, 5 * s},
		{"9111-5.2.2.8 s-maxage and proxy-revalidate", "Cache-Control: s-maxage=1, proxy-revalidate, stale-while-revalidate=5", p, 0, 0},
		{"9111-5.2.2.4 no-cache", "Cache-Control: no-cache, max-age=1", p, 0, 0},
		{"9111-5.2.2.4 no-cache overridden", "Cache-Control: no-cache", override, time.Minute, time.Hour},
		{"option: not for what has no lifetime", "Cache-Control: foo", p, 0, time.Hour},
		{"option: not for what is never fresh", "Cache-Control: max-age=0", p, 0, time.Hour},
		{"5861-3 the origin's, never fresh", "Cache-Control: max-age=0, stale-while-revalidate=5", p, 5 * s, time.Hour},
		{"1.2.2 huge", "Cache-Control: max-age=1, stale-if-error=99999999999999", p, time.Minute, maxAge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := mustStoreAs(t, get(200, "Etag: \"a\"\n"+tt.response), &tt.policy)
			if got.StaleWhileRevalidate != tt.whileRevalidate || got.StaleIfError != tt.onError {
				t.Errorf("windows %v and %v, want %v and %v", got.StaleWhileRevalidate, got.StaleIfError, tt.whileRevalidate, tt.onError)
			}
		})
	}
}
