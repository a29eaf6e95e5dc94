package httpcache

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Conditional requests: those this cache makes (RFC 9111 §4.3.1), and those it
// receives (§4.3.2, RFC 9110 §13).

// Validate sets the conditional fields that validate s on the request to the
// origin, replacing the client's own (§4.3.1), and takes Range away: what comes
// is to be whole, unless the caller then asks for less. It reports false, and sets
// nothing, if s has no validator that the origin understands.
func (s *Stored) Validate(request http.Header) bool {
	if s.ETag == "" && s.LastModified.IsZero() || s.Is(Unmatched) {
		return false
	}
	for _, name := range [...]string{"If-None-Match", "If-Modified-Since", "Range", "If-Range"} {
		delete(request, name)
	}
	if s.ETag != "" {
		request["If-None-Match"] = []string{s.ETag}
	}
	if !s.LastModified.IsZero() {
		// As the origin spelled it: some compare it as a string.
		request["If-Modified-Since"] = []string{s.Fields.Get("Last-Modified")}
	}
	return true
}

// Precondition evaluates the request's conditional fields against s, in the
// order of RFC 9110 §13.2.2, for GET and HEAD. It returns 200 (go on; Range is
// still to be looked at), 304 or 412. It allocates nothing.
//
// A cache does not get to answer 412: requests with If-Match or
// If-Unmodified-Since are the origin's (see [NeedsOrigin]). They are evaluated
// here all the same, for an answer that the origin has just given.
func Precondition(s *Stored, request http.Header) int {
	if s.Status/100 != 2 {
		return http.StatusOK // RFC 9110 §13.2.1
	}
	if lines := request["If-Match"]; len(lines) > 0 {
		if !matchesAny(lines, s.ETag, strongMatch) {
			return http.StatusPreconditionFailed
		}
	} else if since, ok := onlyDate(request["If-Unmodified-Since"], s.ResponseTime); ok && s.LastModified.After(since) {
		return http.StatusPreconditionFailed
	}
	if lines := request["If-None-Match"]; len(lines) > 0 {
		if matchesAny(lines, s.ETag, weakMatch) || s.echoedBy(lines) {
			return http.StatusNotModified
		}
		return http.StatusOK // If-Modified-Since is not looked at (§13.1.3)
	}
	if since, ok := onlyDate(request["If-Modified-Since"], s.ResponseTime); ok && !s.modified().After(since) {
		return http.StatusNotModified
	}
	return http.StatusOK
}

// echoedBy reports that If-None-Match repeats, letter by letter, an ETag that is none
// because it has no quotes, as some frameworks send. Browsers keep such a one, and
// its origin recognises it. It validates nothing that this cache asks about.
func (s *Stored) echoedBy(lines []string) bool {
	return s.ETag == "" && len(lines) == 1 && lines[0] != "" && !strings.Contains(lines[0], `"`) &&
		slices.Equal(lines, s.Fields.Values("Etag"))
}

// onlyDate is the date of a field that is ignored unless it is one date (§13.1.3, §13.1.4).
func onlyDate(lines []string, now time.Time) (time.Time, bool) {
	if len(lines) != 1 {
		return time.Time{}, false
	}
	return parseDate(lines[0], now)
}

// modified is the date If-Modified-Since is compared with (§4.3.2): without
// Last-Modified that of Date, which stands for when the response came if the
// origin sent none.
func (s *Stored) modified() time.Time {
	if !s.LastModified.IsZero() {
		return s.LastModified
	}
	return s.Date
}

// RangeApplies evaluates If-Range (RFC 9110 §13.1.5): a part of s is wanted only
// if s is what the client has the rest of, byte for byte.
func (s *Stored) RangeApplies(request http.Header) bool {
	lines := request["If-Range"]
	if len(lines) == 0 {
		return true
	}
	if len(lines) > 1 {
		return false
	}
	validator := trimOWS(lines[0])
	if tag, rest := cutEntityTag(validator); tag != "" {
		return rest == "" && strongMatch(tag, s.ETag)
	}
	date, ok := parseDate(validator, s.ResponseTime)
	return ok && date.Equal(s.LastModified) && s.modifiedStrongly()
}

// RangeApplies is [Stored.RangeApplies] for a response that is not stored.
func RangeApplies(x *Exchange) bool {
	if !hasLines(x.RequestHeader, "If-Range") {
		return true
	}
	r := parseResponse(x, &Policy{})
	s := Stored{ETag: r.etag, LastModified: r.lastModified, Date: r.date, ResponseTime: x.ResponseTime}
	return s.RangeApplies(x.RequestHeader)
}

// modifiedStrongly reports that Last-Modified is a strong validator (RFC 9110 §8.8.2.2).
func (s *Stored) modifiedStrongly() bool {
	return !s.LastModified.IsZero() && !s.Date.Before(s.LastModified.Add(time.Second))
}
