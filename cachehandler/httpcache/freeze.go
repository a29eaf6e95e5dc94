package httpcache

import (
	"net/http"
	"strings"
	"time"
)

// What is kept of a response (RFC 9111 §3.1).

// Flags are what else a stored response says about its use.
type Flags uint8

const (
	// MustValidate: no-cache; it is validated before every use (§5.2.2.4).
	MustValidate Flags = 1 << iota
	// NeverStale: must-revalidate, proxy-revalidate or s-maxage; it is not used stale (§4.2.4).
	NeverStale
	// ForAuthorized: requests with Authorization may be answered with it (§3.5).
	ForAuthorized
	// Immutable: it does not change while it is fresh (RFC 8246).
	Immutable
	// Unmatched: a 304 to its validators was about another response. It is not
	// validated again.
	Unmatched
	// CodingUnsaid: its content is coded, and its Vary does not say that others
	// would get another coding. Whoever takes the coding may have it.
	CodingUnsaid
	// ForEverybody: its origin says that caches may share it.
	ForEverybody
)

// Stored is the frozen head of a stored response. It is immutable: every field
// is computed once, when it is stored, and a hit parses nothing. Nothing is
// hidden, so a store can write it down field by field and read it back.
type Stored struct {
	Status int
	Fields Fields
	Part   *Part // of a 206: the bytes it has (§3.3); nil if nothing is missing
	// ResponseTime is by the wall clock: the monotonic one stands still while
	// a machine sleeps, and does not survive in a store.
	ResponseTime time.Time
	Date         time.Time     // of the Date field
	InitialAge   time.Duration // corrected_initial_age, RFC 9111 §4.2.3
	Lifetime     time.Duration // freshness_lifetime, §4.2.1; negative never
	LifetimeFrom LifetimeSource
	Targeted     string // the targeted field (RFC 9213) that decided; "" for Cache-Control and Expires
	Heuristic    bool   // the lifetime is estimated (§4.2.2)
	// StaleWhileRevalidate and StaleIfError are the windows after Lifetime in
	// which it may be served stale; 0 means not at all.
	StaleWhileRevalidate time.Duration
	StaleIfError         time.Duration
	Flags                Flags
	ETag                 string // with quotes and W/, "" for none
	LastModified         time.Time
	Vary                 []string // canonical names, sorted; empty for none
	Variant              string   // the request's values of them, normalised (see [Policy.Variant])
}

// Is reports whether s has one of the flags.
func (s *Stored) Is(f Flags) bool { return s.Flags&f != 0 }

// Unmatch returns s as Unmatched.
func (s *Stored) Unmatch() *Stored {
	unmatched := *s
	unmatched.Flags |= Unmatched
	return &unmatched
}

func (r *response) freeze() *Stored {
	s := &Stored{
		Status:       r.Status,
		Part:         r.part,
		Fields:       FreezeFields(r.kept()),
		ResponseTime: r.ResponseTime.Round(0),
		Date:         r.date.Truncate(time.Second).UTC(),
		InitialAge:   r.age,
		Lifetime:     r.lifetime,
		LifetimeFrom: r.source,
		Targeted:     r.cache.field,
		Heuristic:    r.source == FromHeuristic,
		Flags:        r.flags(),
		ETag:         r.etag,
		LastModified: r.lastModified,
		Vary:         r.vary,
		Variant:      r.policy.Variant(r.vary, r.RequestHeader),
	}
	s.StaleWhileRevalidate, s.StaleIfError = r.staleWindows()
	return s
}

func (r *response) flags() Flags {
	var f Flags
	if r.mustValidate() {
		f |= MustValidate
	}
	if r.forbidsStale() {
		f |= NeverStale
	}
	if r.allowsAuthorization() {
		f |= ForAuthorized
	}
	if r.cache.has(dirImmutable) {
		f |= Immutable
	}
	if r.forEverybody() {
		f |= ForEverybody
	}
	if r.codingUnsaid {
		f |= CodingUnsaid
	}
	return f
}

// kept is the header without what must not be stored or is made anew, and with
// a Date (RFC 9110 §6.6.1). It shares the slices of values.
func (r *response) kept() http.Header {
	h := make(http.Header, len(r.Header)+1)
	for name, values := range r.Header {
		if !r.dropped(name) {
			h[name] = values
		}
	}
	keepContentLength(h)
	if !r.hasDate || !hasLines(h, "Date") {
		h["Date"] = []string{r.date.UTC().Format(http.TimeFormat)}
	}
	return h
}

func (r *response) dropped(name string) bool {
	switch {
	case isHopByHop(name) || isNamed(r.Header["Connection"], name):
		return true
	case strings.EqualFold(name, "Age"):
		return true // made anew for every answer, §5.1
	case strings.EqualFold(name, "Set-Cookie") || strings.EqualFold(name, "Set-Cookie2"):
		if setsCookie(r.Header) && !r.cookies {
			return true
		}
	}
	// The qualified forms: not to be sent without validation (§5.2.2.4), not to
	// be stored (§5.2.2.7).
	return listContains(r.cache.noCacheFields, name) || listContains(r.cache.privateFields, name)
}

// isHopByHop reports a field that is about a connection or a proxy (RFC 9111
// §3.1, RFC 9110 §7.6.1).
func isHopByHop(name string) bool {
	for _, hop := range [...]string{
		"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info",
		"Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	} {
		if strings.EqualFold(name, hop) {
			return true
		}
	}
	return false
}

// isNamed reports a name among the connection options.
func isNamed(lines []string, name string) bool {
	for _, line := range lines {
		if listContains(line, name) {
			return true
		}
	}
	return false
}

// keepContentLength leaves one valid Content-Length, or none.
func keepContentLength(h http.Header) {
	lines := h["Content-Length"]
	if len(lines) == 0 {
		return
	}
	length := trimOWS(lines[0])
	valid := parseUnix(length) >= 0
	for _, line := range lines[1:] {
		valid = valid && trimOWS(line) == length
	}
	if valid {
		h["Content-Length"] = []string{length}
	} else {
		delete(h, "Content-Length")
	}
}

func listContains(list, name string) bool {
	for element := range listElements(list) {
		if strings.EqualFold(element, name) {
			return true
		}
	}
	return false
}

func containsName(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
