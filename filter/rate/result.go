package rate

import (
	"strconv"
	"time"
)

// A Result is one decision, with what its client may be told.
type Result struct {
	Allowed   bool
	Quota     int // what the policy allows at once
	Remaining int // what is left of it now, after this request

	// Reset is the time until more than Remaining is left: of an answer that was
	// refused, the time after which the next request of the key is let through if
	// nothing else of the key was. It is never early: never 0 on a refusal.
	Reset time.Duration
}

// RetryAfter is Reset as Retry-After counts (RFC 9110 §10.2.3), in whole seconds,
// rounded up: who waits that long is not refused for having come too early. The
// part of the tick by which a log may be late is left out, or a window of a minute
// would take 61 seconds: it is less than any answer is under way.
func (r Result) RetryAfter() int {
	return int((r.Reset - r.Reset/1e8 + time.Second - 1) / time.Second)
}

// AppendPolicyField appends a member of the RateLimit-Policy field
// (draft-ietf-httpapi-ratelimit-headers-11 §3): the name as a structured-field
// String, q, and w where the window is of whole seconds. Several members of one
// field are joined with ", ".
func AppendPolicyField(dst []byte, name string, p Policy) []byte {
	dst = appendString(dst, name)
	dst = append(dst, ";q="...)
	dst = strconv.AppendInt(dst, int64(p.Quota()), 10)
	if p.Window%time.Second == 0 { // §3.1.3: no fractions
		dst = append(dst, ";w="...)
		dst = strconv.AppendInt(dst, int64(p.Window/time.Second), 10)
	}
	return dst
}

// AppendField appends a member of the RateLimit field (the same draft, §4): the
// name, r, and t, the seconds until there is more, rounded up as Retry-After is.
func (r Result) AppendField(dst []byte, name string) []byte {
	dst = appendString(dst, name)
	dst = append(dst, ";r="...)
	dst = strconv.AppendInt(dst, int64(r.Remaining), 10)
	if r.Reset > 0 {
		dst = append(dst, ";t="...)
		dst = strconv.AppendInt(dst, int64(r.RetryAfter()), 10)
	}
	return dst
}

// appendString appends a String (RFC 9651 §4.1.6). What such a string cannot
// hold, bytes outside of printable ASCII, becomes "?": a name is a label here.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~':
			dst = append(dst, '?')
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
