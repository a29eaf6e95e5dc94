package httpcache

import (
	"net/http"
	"time"
)

// Reuse (RFC 9111 §4): what a stored response is to a request now.
//
// The origin's prohibitions come first (no-cache, must-revalidate,
// s-maxage, proxy-revalidate): nothing a client or the administrator's
// stale windows say lifts them. Only the origin's own window lifts that of
// s-maxage (§5.2.3). Then the request's own directives are honoured
// (§5.2.1), unless the policy ignores them.

// Use says what to do with a stored response.
type Use uint8

const (
	// UseFresh: answer with it. It is fresh, or the request takes it stale.
	UseFresh Use = iota
	// UseStale: answer with it, and refresh it in the background (RFC 5861 §3).
	UseStale
	// UseValidated: answer with it only after the origin validated it (§4.3).
	UseValidated
	// UseNot: it is not for this request; fetch as if it were not there.
	UseNot
)

// Reuse decides what s is to a request at now (RFC 9111 §4).
// p.IgnoreRequestDirectives is honoured. It allocates nothing.
//
// A stored response that was fetched for one request may answer others only if
// this says so for each of them: the response to a collapsed fetch can be one
// that is to be validated before every use.
func (p *Policy) Reuse(s *Stored, request http.Header, now time.Time) (Use, Reason) {
	if why := refused(s, request); why != None {
		return UseNot, why
	}
	wish := p.wish(request)
	if wish.has(dirNoStore) {
		return UseNot, RequestNoStore
	}
	if s.Is(MustValidate) {
		return UseValidated, NoCache
	}
	if wish.has(dirNoCache) {
		return UseValidated, RequestNoCache
	}
	age := s.Age(now)
	if s.Lifetime > age {
		return s.reuseFresh(&wish, age)
	}
	return s.reuseStale(&wish, age)
}

// refused is what no freshness helps against.
func refused(s *Stored, request http.Header) Reason {
	if hasLines(request, "Authorization") && !s.Is(ForAuthorized) {
		// §3.5 speaks of the request that was stored. That the next one is
		// authenticated is a reason to expect another answer as well.
		return Authorization
	}
	if NeedsOrigin(request) {
		return ForOrigin
	}
	return None
}

// NeedsOrigin reports preconditions that a cache must not evaluate, because
// they are meant for the origin (RFC 9111 §4.3.2): If-Match and
// If-Unmodified-Since. Such a request is to be forwarded with them.
func NeedsOrigin(request http.Header) bool {
	return hasLines(request, "If-Match") || hasLines(request, "If-Unmodified-Since")
}

// wish is the request's directives; Pragma counts where there is no
// Cache-Control (§5.4).
func (p *Policy) wish(request http.Header) directives {
	if p.IgnoreRequestDirectives {
		return noDirectives()
	}
	if lines, ok := request["Cache-Control"]; ok {
		return parseCacheControl(lines)
	}
	d := noDirectives()
	for _, line := range request["Pragma"] {
		if listContains(line, "no-cache") {
			d.set |= dirNoCache
		}
	}
	return d
}

func (s *Stored) reuseFresh(wish *directives, age time.Duration) (Use, Reason) {
	if wish.exceeded(age) && !s.Is(Immutable) {
		// RFC 8246 §2: a reload of what is immutable needs no validation, but
		// for no-cache, with which the client insists.
		return UseValidated, RequestMaxAge
	}
	if wish.minFresh >= 0 && s.Lifetime-age < wish.minFresh.duration() {
		return UseValidated, RequestMinFresh
	}
	return UseFresh, Fresh
}

// exceeded is §5.2.1.1. "max-age=0" asks for validation even in the first
// instant.
func (d *directives) exceeded(age time.Duration) bool {
	if d.maxAge == absent {
		return false
	}
	limit := d.maxAge.orNone()
	return limit == 0 || age > limit.duration()
}

func (s *Stored) reuseStale(wish *directives, age time.Duration) (Use, Reason) {
	staleness := age - s.Lifetime
	switch {
	case s.Is(NeverStale) && (s.StaleWhileRevalidate <= 0 || staleness > s.StaleWhileRevalidate):
		return UseValidated, MustRevalidate
	case wish.exceeded(age):
		return UseValidated, RequestMaxAge
	case wish.minFresh >= 0:
		return UseValidated, RequestMinFresh
	case !s.Is(NeverStale) && (wish.maxStale == anyAge || wish.maxStale >= 0 && staleness <= wish.maxStale.duration()):
		return UseFresh, RequestMaxStale
	case wish.maxAge != absent, wish.maxStale >= 0 && staleness > wish.maxStale.duration():
		// With max-age and without max-stale the request takes nothing stale
		// (§5.2.1.1); with max-stale nothing staler than that.
		return UseValidated, Expired
	case staleness <= s.StaleWhileRevalidate && s.StaleWhileRevalidate > 0:
		return UseStale, WhileRevalidate
	}
	return UseValidated, Expired
}

// ReuseOnError reports whether stale s may answer because the origin failed
// with an error or with status (500, 502, 503, 504; 0 for no answer at all),
// RFC 5861 §4, RFC 9111 §4.2.4. The window is the stored response's; a
// stale-if-error of the request can only widen it. What the request says about
// freshness does not count (RFC 5861 §4), except that no-cache insists on an
// answer of the origin, be it a failure.
func (p *Policy) ReuseOnError(s *Stored, request http.Header, status int, now time.Time) (bool, Reason) {
	switch status {
	case 0, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return false, OriginFailed
	}
	if why := refused(s, request); why != None {
		return false, why
	}
	if s.Is(MustValidate) {
		return false, NoCache
	}
	wish := p.wish(request)
	switch {
	case wish.has(dirNoStore):
		return false, RequestNoStore
	case wish.has(dirNoCache):
		return false, RequestNoCache
	}
	staleness := s.Age(now) - s.Lifetime
	if staleness < 0 {
		return true, OnError
	}
	window := max(s.StaleIfError, s.StaleWhileRevalidate)
	if s.Is(NeverStale) && staleness > window {
		return false, MustRevalidate // the request cannot widen it
	}
	window = max(window, wish.staleIfError.duration())
	if staleness <= window && window > 0 {
		return true, OnError
	}
	return false, Expired
}

// WantsNewer reports a request that does not take a response without validation,
// however new it is (§5.2.1.4, and §5.2.1.1 for max-age=0, which is how browsers
// reload): what another request has asked the origin for before it came is no
// answer to it.
func (p *Policy) WantsNewer(request http.Header) bool {
	if request["Cache-Control"] == nil && request["Pragma"] == nil {
		return false
	}
	wish := p.wish(request)
	return wish.has(dirNoCache) || wish.exceeded(0)
}

// OnlyIfCached reports the request directive of that name (§5.2.1.7).
func (p *Policy) OnlyIfCached(request http.Header) bool {
	return p.asks(request, dirOnlyIfCached)
}

// NoStore reports the request directive of that name (§5.2.1.5).
func (p *Policy) NoStore(request http.Header) bool {
	return p.asks(request, dirNoStore)
}

func (p *Policy) asks(request http.Header, s directiveSet) bool {
	lines := request["Cache-Control"]
	if p.IgnoreRequestDirectives || len(lines) == 0 {
		return false
	}
	d := parseCacheControl(lines)
	return d.has(s)
}
