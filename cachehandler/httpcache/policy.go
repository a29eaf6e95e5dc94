package httpcache

import (
	"net/http"
	"slices"
	"time"
)

// SetCookie says what becomes of a response that carries Set-Cookie.
type SetCookie uint8

const (
	// SetCookieAuto stores such a response only if it is explicitly public
	// (Cache-Control: public or s-maxage, or a targeted field that gives a
	// lifetime), and then without the cookie. It is the default.
	SetCookieAuto SetCookie = iota
	// SetCookieRefuse never stores it.
	SetCookieRefuse
	// SetCookieStrip stores it without the cookie. The client that caused the
	// fetch still gets its cookie, and nobody else's answer waits for it.
	SetCookieStrip
	// SetCookieStore stores it as it is, as RFC 9111 section 7.3 permits.
	SetCookieStore
)

// Lifetime is a freshness lifetime the administrator gives to responses with
// one of the Statuses, counted from their arrival. No statuses means every
// status that may be stored without being named: those that are cacheable by
// default (RFC 9110 §15.1: 200, 203, 204, 300, 301, 308, 404, 405, 410, 414,
// 501; RFC 7725: 451) and those with a lifetime of the origin. So a bare one does not keep an
// error that happened once.
type Lifetime struct {
	Statuses []int // a single digit is a class, such as 4 for 4xx
	For      time.Duration
}

// names reports whether status is one of the Statuses. 400, 401 and 403 are no
// part of their class: they are more often about who asks, and how, than about
// what, and anybody can ask so that the answer is one of them.
func (l *Lifetime) names(status int) bool {
	if slices.Contains(l.Statuses, status) {
		return true
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return false
	}
	return slices.Contains(l.Statuses, status/100)
}

// Policy is what the administrator decided about storing and reuse. The zero
// value is RFC 9111 with no heuristics; [DefaultPolicy] is what Portico starts from.
type Policy struct {
	// Targeted are the targeted fields (RFC 9213), most specific first.
	Targeted []string
	// SurrogateID is this cache's name in targets of Surrogate-Control.
	SurrogateID string
	// TTL gives a lifetime where the origin gives none. First match wins.
	TTL []Lifetime
	// TTLOverride gives a lifetime whatever the origin says, but never makes
	// private, no-store or Set-Cookie responses storable. First match wins.
	TTLOverride []Lifetime
	// MaxTTL caps every lifetime, counted from the arrival of the response; 0
	// means no cap.
	MaxTTL time.Duration
	// HeuristicPercent of the age since Last-Modified is the heuristic
	// lifetime (RFC 9111 §4.2.2), at most HeuristicMax. 0 turns it off.
	HeuristicPercent int
	HeuristicMax     time.Duration
	// StaleWhileRevalidate and StaleIfError are used where the origin says nothing.
	StaleWhileRevalidate time.Duration
	StaleIfError         time.Duration
	SetCookie            SetCookie
	// CookieInKey says that the key holds the cookies that matter, so that a
	// request with a Cookie is as good as any other.
	CookieInKey bool
	// HostIgnored says that the key does not hold the host, so that what varies
	// on Host cannot be told apart.
	HostIgnored bool
	// IgnoreRequestDirectives ignores Cache-Control and Pragma in requests.
	IgnoreRequestDirectives bool
	// VaryIgnore are fields taken out of Vary; VaryNormalise are fields whose
	// values are compared not by spelling but by meaning (Accept-Encoding,
	// Accept-Language) or as a list without order, case and spacing (any
	// other). Canonical names.
	VaryIgnore    []string
	VaryNormalise []string
}

// DefaultPolicy returns the policy of a response_cache with no options.
func DefaultPolicy() Policy {
	return Policy{
		Targeted:         []string{"Portico-Cache-Control", "CDN-Cache-Control"},
		HeuristicPercent: 10,
		HeuristicMax:     24 * time.Hour,
		StaleIfError:     time.Hour,
		VaryNormalise:    []string{"Accept-Encoding", "Accept-Language"},
	}
}
