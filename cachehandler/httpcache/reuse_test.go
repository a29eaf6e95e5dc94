package httpcache

import (
	"net/http"
	"testing"
	"time"
)

func TestReuse(t *testing.T) {
	const (
		basic  = "Cache-Control: max-age=60"
		window = "Cache-Control: max-age=60, stale-while-revalidate=30"
	)
	tests := []struct {
		name              string
		response, request string
		after             int // seconds
		want              Use
		why               Reason
	}{
		{"9111-4.2 fresh", basic, "", 59, UseFresh, Fresh},
		{"9111-4.2 fresh while the lifetime exceeds the age", basic, "", 60, UseValidated, Expired},
		{"9111-4.2 stale", basic, "", 61, UseValidated, Expired},

		{"9111-3.5 authenticated request", basic, "Authorization: Basic eDp5", 1, UseNot, Authorization},
		{"9111-3.5 authenticated request, public", basic + ", public", "Authorization: Basic eDp5", 1, UseFresh, Fresh},
		{"9111-3.5 authenticated request, must-revalidate", basic + ", must-revalidate", "Authorization: Basic eDp5", 1, UseFresh, Fresh},
		{"9111-3.5 authenticated request, s-maxage", "Cache-Control: s-maxage=60", "Authorization: Basic eDp5", 1, UseFresh, Fresh},
		{"9111-4.3.2 If-Match is the origin's", basic, "If-Match: \"a\"", 1, UseNot, ForOrigin},
		{"9111-4.3.2 If-Unmodified-Since is the origin's", basic, "If-Unmodified-Since: " + date(0), 1, UseNot, ForOrigin},

		{"9111-5.2.2.4 no-cache", basic + ", no-cache", "", 1, UseValidated, NoCache},
		{"9111-5.2.2.4 no-cache and max-stale", basic + ", no-cache", "Cache-Control: max-stale", 1, UseValidated, NoCache},
		{"9111-5.2.2.4 no-cache for a field only", basic + ", no-cache=\"x\"", "", 1, UseFresh, Fresh},

		{"9111-5.2.1.4 request no-cache", basic, "Cache-Control: no-cache", 1, UseValidated, RequestNoCache},
		{"9111-5.4 Pragma", basic, "Pragma: no-cache", 1, UseValidated, RequestNoCache},
		{"9111-5.4 Pragma in a list", basic, "Pragma: foo, No-Cache", 1, UseValidated, RequestNoCache},
		{"9111-5.4 another Pragma", basic, "Pragma: foo", 1, UseFresh, Fresh},
		{"9111-5.4 Pragma beside Cache-Control", basic, "Pragma: no-cache\nCache-Control: foo", 1, UseFresh, Fresh},
		{"9111-5.2.1.5 request no-store", basic, "Cache-Control: no-store", 1, UseNot, RequestNoStore},
		{"9111-5.2.1.7 only-if-cached, fresh", basic, "Cache-Control: only-if-cached", 1, UseFresh, Fresh},
		{"9111-5.2.3 unknown directive", basic, "Cache-Control: nothing-to-see-here", 1, UseFresh, Fresh},

		{"9111-5.2.1.1 max-age", basic, "Cache-Control: max-age=10", 11, UseValidated, RequestMaxAge},
		{"9111-5.2.1.1 max-age, young enough", basic, "Cache-Control: max-age=10", 10, UseFresh, Fresh},
		{"9111-5.2.1.1 max-age counts Age", basic + "\nAge: 20", "Cache-Control: max-age=10", 0, UseValidated, RequestMaxAge},
		{"9111-5.2.1.1 max-age=0 in the first instant", basic, "Cache-Control: max-age=0", 0, UseValidated, RequestMaxAge},
		{"9111-5.2.1.1 max-age that is none", basic, "Cache-Control: max-age=x", 1, UseValidated, RequestMaxAge},
		{"9111-5.2.1.1 long max-age takes nothing stale", window, "Cache-Control: max-age=999", 61, UseValidated, Expired},
		{"9111-5.2.1.1 max-age with max-stale", basic, "Cache-Control: max-age=999, max-stale=10", 65, UseFresh, RequestMaxStale},
		{"9111-5.2.1.1 max-age exceeded, with max-stale", basic, "Cache-Control: max-age=9, max-stale=10", 65, UseValidated, RequestMaxAge},
		{"8246-2 immutable and a reload", basic + ", immutable", "Cache-Control: max-age=0", 1, UseFresh, Fresh},
		{"8246-2 immutable and an insisting reload", basic + ", immutable", "Cache-Control: no-cache", 1, UseValidated, RequestNoCache},
		{"8246-2 immutable but stale", basic + ", immutable", "", 61, UseValidated, Expired},

		{"9111-5.2.1.3 min-fresh", basic, "Cache-Control: min-fresh=10", 51, UseValidated, RequestMinFresh},
		{"9111-5.2.1.3 min-fresh, fresh long enough", basic, "Cache-Control: min-fresh=10", 50, UseFresh, Fresh},
		{"9111-5.2.1.3 min-fresh takes nothing stale", window, "Cache-Control: min-fresh=0", 61, UseValidated, RequestMinFresh},
		{"9111-5.2.1.3 min-fresh that is none", basic, "Cache-Control: min-fresh=x", 51, UseFresh, Fresh},

		{"9111-5.2.1.2 max-stale of any age", basic, "Cache-Control: max-stale", 9999, UseFresh, RequestMaxStale},
		{"9111-5.2.1.2 max-stale", basic, "Cache-Control: max-stale=5", 65, UseFresh, RequestMaxStale},
		{"9111-5.2.1.2 staler than max-stale", basic, "Cache-Control: max-stale=5", 66, UseValidated, Expired},
		{"9111-5.2.1.2 max-stale is narrower than the window", window, "Cache-Control: max-stale=5", 66, UseValidated, Expired},
		{"9111-5.2.1.2 max-stale that is none", window, "Cache-Control: max-stale=x", 66, UseStale, WhileRevalidate},
		{"9111-5.2.1.2 max-stale on what is fresh", basic, "Cache-Control: max-stale=5", 5, UseFresh, Fresh},

		{"9111-4.2.4 must-revalidate", basic + ", must-revalidate", "Cache-Control: max-stale", 61, UseValidated, MustRevalidate},
		{"9111-4.2.4 proxy-revalidate", basic + ", proxy-revalidate", "Cache-Control: max-stale", 61, UseValidated, MustRevalidate},
		{"9111-4.2.4 s-maxage", "Cache-Control: s-maxage=60", "Cache-Control: max-stale", 61, UseValidated, MustRevalidate},
		{"9111-5.2.3 s-maxage and stale-while-revalidate", "Cache-Control: s-maxage=60, stale-while-revalidate=60", "", 61, UseStale, WhileRevalidate},
		{"9111-5.2.3 s-maxage, behind stale-while-revalidate", "Cache-Control: s-maxage=60, stale-while-revalidate=60", "", 121, UseValidated, MustRevalidate},
		{"9111-5.2.3 s-maxage, behind it, and max-stale", "Cache-Control: s-maxage=60, stale-while-revalidate=60", "Cache-Control: max-stale", 121, UseValidated, MustRevalidate},
		{"9111-5.2.3 s-maxage and stale-while-revalidate, max-stale", "Cache-Control: s-maxage=60, stale-while-revalidate=60", "Cache-Control: max-stale", 61, UseStale, WhileRevalidate},
		{"9111-5.2.3 s-maxage and stale-while-revalidate, less max-stale", "Cache-Control: s-maxage=60, stale-while-revalidate=60", "Cache-Control: max-stale=5", 66, UseValidated, Expired},
		{"9111-5.2.1.1 s-maxage and stale-while-revalidate, max-age", "Cache-Control: s-maxage=60, stale-while-revalidate=60", "Cache-Control: max-age=99", 61, UseValidated, Expired},
		{"9111-5.2.2.2 must-revalidate and stale-while-revalidate", basic + ", must-revalidate, stale-while-revalidate=60", "", 61, UseValidated, MustRevalidate},
		{"9111-5.2.2.8 proxy-revalidate and stale-while-revalidate", basic + ", proxy-revalidate, stale-while-revalidate=60", "", 61, UseValidated, MustRevalidate},
		{"9111-5.2.2.2 must-revalidate, fresh", basic + ", must-revalidate", "", 59, UseFresh, Fresh},

		{"5861-3 in the window", window, "", 61, UseStale, WhileRevalidate},
		{"5861-3 at its end", window, "", 90, UseStale, WhileRevalidate},
		{"5861-3 behind it", window, "", 91, UseValidated, Expired},
		{"5861-3 no window", basic + ", stale-while-revalidate=0", "", 60, UseValidated, Expired},
		{"5861-3 request no-cache", window, "Cache-Control: no-cache", 61, UseValidated, RequestNoCache},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, "Etag: \"a\"\n"+tt.response)
			at := now.Add(time.Duration(tt.after) * time.Second)
			use, why := new(Policy).Reuse(s, header(tt.request), at)
			if use != tt.want || why != tt.why {
				t.Errorf("Reuse = %v (%v), want %v (%v)", use, why, tt.want, tt.why)
			}
		})
	}
}

func TestIgnoredRequestDirectives(t *testing.T) {
	p := &Policy{IgnoreRequestDirectives: true}
	s := mustStore(t, "Cache-Control: max-age=60")
	for _, request := range []string{
		"Cache-Control: no-cache", "Cache-Control: no-store", "Cache-Control: max-age=0", "Cache-Control: min-fresh=99", "Pragma: no-cache",
	} {
		if use, why := p.Reuse(s, header(request), now); use != UseFresh {
			t.Errorf("%s: Reuse = %v (%v), want fresh", request, use, why)
		}
	}
	stale := now.Add(61 * time.Second)
	if use, why := p.Reuse(s, header("Cache-Control: max-stale"), stale); use != UseValidated {
		t.Errorf("max-stale: Reuse = %v (%v), want validated", use, why)
	}
	if use, why := p.Reuse(s, header("Authorization: Basic eDp5"), now); use != UseNot {
		t.Errorf("Authorization is no directive: Reuse = %v (%v), want not", use, why)
	}
	asked := header("Cache-Control: only-if-cached, no-store")
	if p.OnlyIfCached(asked) || p.NoStore(asked) {
		t.Error("only-if-cached or no-store of the request was honoured")
	}
}

func TestRequestDirectives(t *testing.T) {
	p := &Policy{}
	tests := []struct {
		name, request         string
		onlyIfCached, noStore bool
	}{
		{"9111-5.2.1.7", "Cache-Control: only-if-cached", true, false},
		{"9111-5.2.1.7 among others", "Cache-Control: max-age=5, ONLY-IF-CACHED", true, false},
		{"9111-5.2.1.5", "Cache-Control: No-Store", false, true},
		{"both", "Cache-Control: no-store\nCache-Control: only-if-cached", true, true},
		{"neither", "Cache-Control: no-cache", false, false},
		{"nothing", "", false, false},
		{"Pragma is not", "Pragma: no-store, only-if-cached", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := header(tt.request)
			if p.OnlyIfCached(h) != tt.onlyIfCached || p.NoStore(h) != tt.noStore {
				t.Errorf("only-if-cached %v, no-store %v; want %v, %v", p.OnlyIfCached(h), p.NoStore(h), tt.onlyIfCached, tt.noStore)
			}
		})
	}
}

func TestReuseOnError(t *testing.T) {
	p := &Policy{StaleIfError: time.Hour}
	const basic = "Cache-Control: max-age=60"
	tests := []struct {
		name              string
		response, request string
		status            int
		after             int
		want              bool
		why               Reason
	}{
		{"9111-4.2.4 no answer", basic, "", 0, 61, true, OnError},
		{"5861-4 500", basic, "", 500, 61, true, OnError},
		{"5861-4 502", basic, "", 502, 61, true, OnError},
		{"5861-4 503", basic, "", 503, 61, true, OnError},
		{"5861-4 504", basic, "", 504, 61, true, OnError},
		{"5861-4 501 is an answer", basic, "", 501, 61, false, OriginFailed},
		{"5861-4 404 is an answer", basic, "", 404, 61, false, OriginFailed},
		{"option: at the end of the window", basic, "", 0, 3660, true, OnError},
		{"option: behind it", basic, "", 0, 3661, false, Expired},
		{"5861-4 the origin's window", basic + ", stale-if-error=5", "", 0, 66, false, Expired},
		{"5861-4 the origin's zero", basic + ", stale-if-error=0", "", 0, 61, false, Expired},
		{"5861-4 the request's window", basic + ", stale-if-error=5", "Cache-Control: stale-if-error=60", 0, 66, true, OnError},
		{"5861-4 the request's is no limit", basic, "Cache-Control: stale-if-error=1", 0, 66, true, OnError},
		{"5861-3 window while revalidating", basic + ", stale-if-error=0, stale-while-revalidate=30", "", 0, 66, true, OnError},
		{"5861-4 whatever the request says about age", basic, "Cache-Control: max-age=0, min-fresh=5", 0, 61, true, OnError},
		{"9111-5.2.1.4 the request insists", basic, "Cache-Control: no-cache", 0, 61, false, RequestNoCache},
		{"9111-5.2.1.5 the request wants no cache", basic, "Cache-Control: no-store", 0, 61, false, RequestNoStore},
		{"9111-4.2.4 must-revalidate", basic + ", must-revalidate, stale-if-error=99", "", 0, 61, false, MustRevalidate},
		{"9111-4.2.4 proxy-revalidate", basic + ", proxy-revalidate", "", 0, 61, false, MustRevalidate},
		{"9111-4.2.4 s-maxage", "Cache-Control: s-maxage=60", "", 0, 61, false, MustRevalidate},
		{"9111-5.2.3 s-maxage and stale-if-error", "Cache-Control: s-maxage=60, stale-if-error=9", "", 0, 69, true, OnError},
		{"9111-5.2.3 s-maxage, behind stale-if-error", "Cache-Control: s-maxage=60, stale-if-error=9", "", 0, 70, false, MustRevalidate},
		{"9111-5.2.2.10 s-maxage and the request's window", "Cache-Control: s-maxage=60", "Cache-Control: stale-if-error=99", 0, 61, false, MustRevalidate},
		{"9111-5.2.3 s-maxage, the request's window widens nothing", "Cache-Control: s-maxage=60, stale-if-error=9", "Cache-Control: stale-if-error=99", 0, 70, false, MustRevalidate},
		{"9111-4.2.4 must-revalidate, still fresh", basic + ", must-revalidate", "Cache-Control: max-age=0", 0, 30, true, OnError},
		{"9111-5.2.2.4 no-cache", basic + ", no-cache", "", 0, 1, false, NoCache},
		{"9111-3.5 authenticated request", basic, "Authorization: Basic eDp5", 0, 61, false, Authorization},
		{"9111-3.5 authenticated request, public", basic + ", public", "Authorization: Basic eDp5", 0, 61, true, OnError},
		{"9111-4.3.2 the origin's precondition", basic, "If-Match: \"a\"", 0, 61, false, ForOrigin},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStoreAs(t, get(200, "Etag: \"a\"\n"+tt.response), p)
			at := now.Add(time.Duration(tt.after) * time.Second)
			ok, why := p.ReuseOnError(s, header(tt.request), tt.status, at)
			if ok != tt.want || why != tt.why {
				t.Errorf("ReuseOnError = %v (%v), want %v (%v)", ok, why, tt.want, tt.why)
			}
		})
	}
}

// TestReuseIsMonotonic: as time passes a stored response only gets worse.
func TestReuseIsMonotonic(t *testing.T) {
	rank := map[Use]int{UseFresh: 0, UseStale: 1, UseValidated: 2}
	for _, response := range []string{
		fresh, "Cache-Control: max-age=10, stale-while-revalidate=10", "Cache-Control: s-maxage=5", "Cache-Control: no-cache", "Expires: " + date(15),
	} {
		s := mustStore(t, response+"\nEtag: \"a\"")
		last := 0
		for after := time.Duration(0); after < 2*time.Minute; after += 500 * time.Millisecond {
			use, _ := new(Policy).Reuse(s, http.Header{}, now.Add(after))
			if rank[use] < last {
				t.Fatalf("%q: %v after %v, but was worse before", response, use, after)
			}
			last = rank[use]
		}
		if last != rank[UseValidated] {
			t.Errorf("%q never expires", response)
		}
	}
}

// RFC 9111 §5.2.1.4: what was asked for before such a request came is no answer to it.
func TestWantsNewer(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		want        bool
	}{
		{"X", "no-cache", false},
		{"Cache-Control", "no-cache", true},
		{"Cache-Control", "x, No-Cache", true},
		{"Cache-Control", "max-age=0", true}, // §5.2.1.1
		{"Cache-Control", "max-age=1", false},
		{"Cache-Control", "no-store", false},
		{"Pragma", "no-cache", true}, // §5.4
	} {
		p := DefaultPolicy()
		request := http.Header{tt.name: {tt.value}}
		if got := p.WantsNewer(request); got != tt.want {
			t.Errorf("%s: %s is %t", tt.name, tt.value, got)
		}
		p.IgnoreRequestDirectives = true
		if p.WantsNewer(request) {
			t.Errorf("%s: %s is honoured", tt.name, tt.value)
		}
	}
}
