package httpcache

import (
	"net/http"
	"strconv"
	"time"
)

// Freshness (RFC 9111 §4.2): how long a response is fresh, and how old it is.

// maxAge is the longest duration calculated with: 2^31 seconds (§1.2.2).
const maxAge = time.Duration(maxSeconds) * time.Second

func (s seconds) duration() time.Duration { return time.Duration(s) * time.Second }

// LifetimeSource says what a freshness lifetime was taken from. The order of
// the constants is the order of precedence.
type LifetimeSource uint8

const (
	FromNothing   LifetimeSource = iota // there is none
	FromOverride                        // the administrator's ttl_override
	FromSMaxAge                         // s-maxage, §5.2.2.10
	FromMaxAge                          // max-age, §5.2.2.1
	FromExpires                         // Expires minus Date, §5.3
	FromTTL                             // the administrator's ttl
	FromHeuristic                       // §4.2.2
)

// String is a word for logs and explanations.
func (l LifetimeSource) String() string {
	switch l {
	case FromOverride:
		return "ttl_override"
	case FromSMaxAge:
		return "s-maxage"
	case FromMaxAge:
		return "max-age"
	case FromExpires:
		return "expires"
	case FromTTL:
		return "ttl"
	case FromHeuristic:
		return "heuristic"
	}
	return "none"
}

// explicit reports a lifetime that the origin gave.
func (l LifetimeSource) explicit() bool { return l >= FromSMaxAge && l <= FromExpires }

// response is one response with what had to be parsed to judge it.
type response struct {
	*Exchange
	policy       *Policy
	cache        cachePolicy
	date         time.Time // of the Date field, or when the response came
	hasDate      bool
	lastModified time.Time // zero for none
	etag         string    // "" for none
	age          time.Duration

	lifetime time.Duration
	source   LifetimeSource

	part    *Part // of a 206
	vary    []string
	cookies bool // it carries Set-Cookie that is to be kept

	freshens     *Stored // what it is made of, if of a stored response
	codingUnsaid bool    // it varies on its coding, as [CodingUnsaid]
}

func parseResponse(x *Exchange, p *Policy) *response {
	r := &response{Exchange: x, policy: p, cache: p.cachePolicy(x.Header, x.ResponseTime)}
	r.date, r.hasDate = firstDate(x.Header["Date"], x.ResponseTime)
	if !r.hasDate {
		r.date = x.ResponseTime // RFC 9110 §6.6.1
	}
	r.lastModified, _ = firstDate(x.Header["Last-Modified"], x.ResponseTime)
	r.etag = entityTag(x.Header["Etag"])
	r.age = initialAge(x, r.date)
	r.lifetime, r.source = r.freshnessLifetime()
	return r
}

func firstDate(lines []string, now time.Time) (time.Time, bool) {
	if len(lines) == 0 {
		return time.Time{}, false
	}
	return parseDate(lines[0], now)
}

// freshnessLifetime is §4.2.1, with the administrator's words in their places.
// Lifetimes of the administrator count from the arrival of the response.
func (r *response) freshnessLifetime() (time.Duration, LifetimeSource) {
	lifetime, source := r.originLifetime()
	if l, ok := r.administrators(r.policy.TTLOverride, source); ok {
		return r.fromArrival(l), FromOverride
	}
	if source != FromNothing {
		return r.capped(lifetime), source
	}
	if l, ok := r.administrators(r.policy.TTL, source); ok {
		return r.fromArrival(l), FromTTL
	}
	if lifetime = r.heuristicLifetime(); lifetime > 0 {
		return r.capped(lifetime), FromHeuristic
	}
	return 0, FromNothing
}

// originLifetime is the explicit one. What is there but invalid means that the
// response is stale.
func (r *response) originLifetime() (time.Duration, LifetimeSource) {
	switch {
	case r.cache.sMaxAge != absent:
		return r.cache.sMaxAge.orNone().duration(), FromSMaxAge
	case r.cache.maxAge != absent:
		return r.cache.maxAge.orNone().duration(), FromMaxAge
	case r.cache.targeted:
		return 0, FromNothing // RFC 9213 §2.2: Expires is not used
	}
	lines := r.Header["Expires"]
	if len(lines) == 0 {
		return 0, FromNothing
	}
	expires, ok := parseDate(lines[0], r.ResponseTime)
	if !ok {
		return 0, FromExpires // §5.3: "0" and the like have expired
	}
	return min(max(0, expires.Sub(r.date)), maxAge), FromExpires
}

// administrators is the first lifetime for the status. One without statuses is
// for responses that would be storable without being named: of a status that
// is cacheable by default, or with a lifetime of their own.
func (r *response) administrators(list []Lifetime, own LifetimeSource) (time.Duration, bool) {
	for _, l := range list {
		if len(l.Statuses) == 0 && (own != FromNothing || r.cacheableByDefault()) || l.names(r.Status) ||
			r.Status == http.StatusPartialContent && l.names(http.StatusOK) { // §3.3: an incomplete 200
			return max(0, min(l.For, maxAge)), true
		}
	}
	return 0, false
}

// heuristicLifetime is §4.2.2: a part of the time since the last modification,
// for responses of a status that is cacheable by default, or marked public.
func (r *response) heuristicLifetime() time.Duration {
	if r.policy.HeuristicPercent <= 0 || r.lastModified.IsZero() || !r.cacheableByDefault() {
		return 0
	}
	since := min(r.date.Sub(r.lastModified), maxAge)
	lifetime := since / 100 * time.Duration(min(r.policy.HeuristicPercent, 100))
	if r.policy.HeuristicMax > 0 {
		lifetime = min(lifetime, r.policy.HeuristicMax)
	}
	return max(0, lifetime)
}

// fromArrival adds the age that a response already has, so that what is left
// of the lifetime is what the administrator wrote. Nothing stays nothing.
func (r *response) fromArrival(lifetime time.Duration) time.Duration {
	if lifetime <= 0 {
		return 0
	}
	return r.capped(lifetime + r.age)
}

// capped is max_ttl, which counts from arrival as well: it limits how long the
// response is used here, however long it was used elsewhere.
func (r *response) capped(lifetime time.Duration) time.Duration {
	if r.policy.MaxTTL > 0 {
		lifetime = min(lifetime, min(r.policy.MaxTTL, maxAge)+r.age)
	}
	return lifetime
}

// cacheableByDefault reports a response that may be stored without an explicit
// lifetime (RFC 9111 §3, RFC 9110 §15.1, RFC 7725 §3).
func (r *response) cacheableByDefault() bool {
	if r.cache.has(dirPublic) {
		return true
	}
	switch r.Status {
	case 200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 451, 501:
		return true
	}
	return false
}

// initialAge is corrected_initial_age (§4.2.3). The Date field has whole
// seconds, so the arrival is rounded down to compare with it.
func initialAge(x *Exchange, date time.Time) time.Duration {
	apparent := x.ResponseTime.Truncate(time.Second).Sub(date)
	delay := x.ResponseTime.Sub(x.RequestTime)
	if x.RequestTime.IsZero() {
		delay = 0
	}
	corrected := ageValue(x.Header["Age"]).duration() + min(max(0, delay), maxAge)
	return min(max(0, apparent, corrected), maxAge)
}

// ageValue is the Age field (§5.1): of a list the first member counts, and a
// field that is no number of seconds is ignored.
func ageValue(lines []string) seconds {
	for _, line := range lines {
		for member := range listElements(line) {
			return max(0, parseSeconds(member))
		}
	}
	return 0
}

// Age is current_age at now (RFC 9111 §4.2.3).
func (s *Stored) Age(now time.Time) time.Duration {
	return s.InitialAge + min(max(0, now.Sub(s.ResponseTime)), maxAge)
}

// TTL is what is left of the lifetime at now; negative when stale. At 0 the
// response is stale as well: it is fresh while its lifetime exceeds its age.
func (s *Stored) TTL(now time.Time) time.Duration { return s.Lifetime - s.Age(now) }

// Expire returns s as stale now, for a soft purge. Its windows for use while
// stale begin now.
func (s *Stored) Expire(now time.Time) *Stored {
	expired := *s
	expired.Lifetime = min(s.Lifetime, s.Age(now))
	return &expired
}

func formatSeconds(s seconds) string { return strconv.FormatInt(int64(s), 10) }

// parseUnix parses a number of seconds, or returns -1.
func parseUnix(s string) int64 {
	if s == "" || len(s) > 18 {
		return -1
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || s[0] == '+' {
		return -1
	}
	return n
}

// hasLines reports a field that is present.
func hasLines(h http.Header, name string) bool { return len(h[name]) > 0 }
