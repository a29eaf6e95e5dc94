package httpcache

import (
	"net/http"
	"time"
)

// Storing (RFC 9111 §3): which responses a shared cache may keep.
//
// The conditions stand in one table, each a function that returns None or the
// Reason against storing. Where the RFC leaves room, they are as careful as a
// cache in front of unknown applications has to be:
//
//   - A response that says nothing about caching and whose request has a
//     Cookie is not stored (CookieRequest), though the RFC would let it: a
//     lifetime that was estimated, or given for a whole site by the
//     administrator's ttl, says nothing about for whom the response is. It is
//     stored if it varies on Cookie or if [Policy.CookieInKey] is set.
//     An explicit lifetime, public and ttl_override do say it.
//   - A response without validator that may not be used without validation,
//     now or ever, is not stored: it would only take room.
//   - Statuses that are about one request and not about the resource are not
//     stored, whatever their lifetime.

// Exchange is one request to the origin and the head of its answer.
type Exchange struct {
	Method        string
	Path          string // of the request's URI as it is spelled, for the check on cache deception; "" skips it
	Host          string // the authority of the request's URI; "" for unknown
	Target        string // the absolute URI, for answers to POST; "" and these are not stored
	RequestHeader http.Header
	Status        int
	Header        http.Header // the response's; end-to-end and hop-by-hop fields as received
	RequestTime   time.Time   // when the request was sent
	ResponseTime  time.Time   // when the head was received
}

// Store decides whether the response of x may be stored (RFC 9111 §3) and, if
// so, freezes it. The Reason says why or why not.
func Store(x *Exchange, p *Policy) (*Stored, Reason) {
	r := parseResponse(x, p)
	for _, objection := range storeConditions {
		if why := objection(r); why != None {
			return nil, why
		}
	}
	return r.freeze(), Storable
}

// storeConditions in the order in which they are looked at: what a person would
// name first comes first.
var storeConditions = [...]func(*response) Reason{
	(*response).byMethod,
	(*response).byStatus,
	(*response).byShape,
	(*response).byDirectives,
	(*response).byAuthorization,
	(*response).byVary,
	(*response).bySelection,
	(*response).bySetCookie,
	(*response).byType,
	(*response).byCookie,
	(*response).byLifetime,
}

// byMethod: GET, QUERY (RFC 10008 §2.7), and POST as RFC 9110 §9.3.3 describes it: with an explicit
// lifetime and a Content-Location that is the target itself, so that the
// content is what a GET would have brought. With a cookie in the request it has to
// be called public as well: who changes something is mostly shown their own.
func (r *response) byMethod() Reason {
	switch {
	case r.Method == http.MethodGet || r.Method == methodQuery:
		return None
	case r.Method != http.MethodPost || r.Target == "":
		return Method
	}
	location := r.Header["Content-Location"]
	if hasLines(r.RequestHeader, "Cookie") && !r.policy.CookieInKey && !r.forEverybody() {
		return Method
	}
	if r.Status != http.StatusOK || !r.source.explicit() || len(location) != 1 || !sameURI(r.Target, location[0]) {
		return Method
	}
	return None
}

func (r *response) byStatus() Reason {
	switch {
	case r.Status == http.StatusPartialContent:
		return r.byPart()
	case r.Status < 200 || r.Status > 599 || AboutTheRequest(r.Status):
		return StatusNotCacheable
	case r.Status >= 400 && r.isAboutAsking():
		return StatusNotCacheable
	case r.cache.has(dirMustUnderstand) && !understood(r.Status):
		return MustUnderstand // §5.2.2.3
	}
	return None
}

const methodQuery = "QUERY"

// AboutTheRequest reports a status that depends on fields or content of the
// request which no key holds, or that its RFC forbids to store (RFC 6585: 428,
// 429, 431, 511; RFC 3229 §10.4.1: 226, which is a difference only). It says
// nothing about a response that is stored.
func AboutTheRequest(status int) bool {
	switch status {
	case http.StatusIMUsed, http.StatusNotModified,
		http.StatusNotAcceptable, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusLengthRequired,
		http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusRequestedRangeNotSatisfiable, http.StatusExpectationFailed, http.StatusTooEarly,
		http.StatusUpgradeRequired, http.StatusPreconditionRequired, http.StatusTooManyRequests,
		http.StatusRequestHeaderFieldsTooLarge, http.StatusNetworkAuthenticationRequired:
		return true
	}
	return false
}

// understood reports the final statuses of RFC 9110 §15, whose requirements on
// caches this package knows.
func understood(status int) bool {
	switch status {
	case 200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 305, 307, 308, 421, 422, 426:
		return true
	}
	return status >= 400 && status <= 417 || status >= 500 && status <= 505
}

func (r *response) byShape() Reason {
	switch {
	case IsStream(r.Header):
		return Stream
	case hasLines(r.Header, "Trailer"):
		return HasTrailer
	}
	return None
}

func (r *response) byDirectives() Reason {
	switch {
	case r.policy.NoStore(r.RequestHeader):
		return RequestNoStore // §5.2.1.5
	case r.cache.has(dirNoStore) && !r.cache.has(dirMustUnderstand):
		// §5.2.2.3: who understands the status ignores no-store.
		return NoStore
	case r.cache.has(dirPrivate):
		return Private
	}
	return None
}

// byAuthorization is §3.5.
func (r *response) byAuthorization() Reason {
	if hasLines(r.RequestHeader, "Authorization") && (!r.allowsAuthorization() || leadsElsewhere(r.Path)) {
		return Authorization
	}
	return None
}

func (r *response) allowsAuthorization() bool {
	return r.cache.has(dirPublic|dirMustRevalidate) || r.cache.sMaxAge >= 0
}

// bySetCookie is what the policy makes of §7.3.
func (r *response) bySetCookie() Reason {
	if !setsCookie(r.Header) {
		return None
	}
	switch r.policy.SetCookie {
	case SetCookieStore:
		r.cookies = true
	case SetCookieStrip:
	case SetCookieAuto:
		if !r.forEverybody() && !r.separatesCookie() {
			return HasSetCookie
		}
	default:
		return HasSetCookie
	}
	return None
}

// setsCookie does not count Set-Cookie2: no client has done so since RFC 6265
// §9.4 made it historic. Beside a Set-Cookie it is treated as one.
func setsCookie(h http.Header) bool { return hasLines(h, "Set-Cookie") }

// separatesCookie reports that the origin itself says, with the qualified
// no-cache or private, that only the cookie is not to be shared.
func (r *response) separatesCookie() bool {
	return !hasLines(r.Header, "Set-Cookie2") &&
		(listContains(r.cache.noCacheFields, "Set-Cookie") || listContains(r.cache.privateFields, "Set-Cookie"))
}

// forEverybody reports a response whose origin says that caches may share it.
func (r *response) forEverybody() bool {
	return r.cache.has(dirPublic) || r.cache.sMaxAge >= 0 || r.cache.targeted && r.cache.maxAge >= 0
}

func (r *response) byCookie() Reason {
	switch {
	case !hasLines(r.RequestHeader, "Cookie") || r.policy.CookieInKey:
	case containsName(r.vary, "Cookie"):
	case leadsElsewhere(r.Path):
		return CookieRequest
	case r.forEverybody():
	case isAmbiguous(r.Path): // the lifetime may be meant for another path
		return CookieRequest
	case r.source == FromOverride || r.source.explicit() && r.lifetime > 0:
	default:
		return CookieRequest
	}
	return None
}

// byLifetime: there has to be a use for it: while it is fresh, after the origin
// validated it, or while it is stale (§3, last condition, and §4.2.4).
func (r *response) byLifetime() Reason {
	switch {
	case r.source == FromNothing && !r.cacheableByDefault():
		return NoLifetime
	case r.hasValidator():
		return None
	case r.mustValidate():
		return NoCache
	case r.source == FromNothing:
		return NoLifetime
	}
	whileRevalidate, onError := r.staleWindows()
	if r.lifetime+max(whileRevalidate, onError) <= r.age {
		return Expired
	}
	return None
}

// mustValidate is the unqualified no-cache, unless the administrator overrode it.
func (r *response) mustValidate() bool {
	return r.cache.has(dirNoCache) && r.source != FromOverride
}

// forbidsStale is §4.2.4: s-maxage includes proxy-revalidate (§5.2.2.10).
func (r *response) forbidsStale() bool {
	return r.forbidsWindows() || r.cache.sMaxAge != absent
}

// forbidsWindows is forbidsStale but for s-maxage: what it forbids by including
// another directive, an extension in the same response modifies (§5.2.3). Who
// writes "s-maxage=60, stale-while-revalidate=600" means it; who writes
// must-revalidate means that.
func (r *response) forbidsWindows() bool {
	return r.mustValidate() || r.cache.has(dirMustRevalidate|dirProxyRevalidate)
}

func (r *response) hasValidator() bool { return r.etag != "" || !r.lastModified.IsZero() }

// staleWindows are those of RFC 5861, from the origin or else from the policy.
// The policy's are for responses that have a lifetime: stale_while_revalidate
// makes none where the origin gave none, and stale_if_error is no reason to
// keep what could not even be validated.
func (r *response) staleWindows() (whileRevalidate, onError time.Duration) {
	if r.forbidsWindows() {
		return 0, 0
	}
	if r.lifetime > 0 && !r.forbidsStale() {
		whileRevalidate = min(r.policy.StaleWhileRevalidate, maxAge)
	}
	if (r.lifetime > 0 || r.hasValidator()) && !r.forbidsStale() {
		onError = min(r.policy.StaleIfError, maxAge)
	}
	if s := r.cache.staleWhileRevalidate; s >= 0 {
		whileRevalidate = s.duration()
	}
	if s := r.cache.staleIfError; s >= 0 {
		onError = s.duration()
	}
	return max(0, whileRevalidate), max(0, onError)
}

func firstLine(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}
