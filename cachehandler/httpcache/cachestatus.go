package httpcache

import (
	"strconv"
	"time"
)

// Cache-Status (RFC 9211): one member of the field, in the syntax of RFC 9651.

// Status is what one cache says about how it handled a request.
type Status struct {
	Name      string        // of the cache
	Hit       bool          // answered without going forward; then Fwd does not count
	Fwd       string        // why it went forward: bypass method uri-miss vary-miss miss request stale partial
	FwdStatus int           // what the next hop answered; 0 for nothing
	TTL       time.Duration // what is left of the lifetime, negative when stale
	HasTTL    bool
	Stored    bool   // the response that was fetched was stored
	Collapsed bool   // the fetch was shared with other requests
	Key       string // "" to keep it private
	Detail    string
}

// Append appends the member to dst. Whatever the strings hold, the result is
// valid: what cannot be in a String of a structured field is percent-encoded.
func (s *Status) Append(dst []byte) []byte {
	dst = appendWord(dst, s.Name)
	if s.Hit {
		dst = append(dst, "; hit"...)
	} else if isWord(s.Fwd) {
		dst = append(append(dst, "; fwd="...), s.Fwd...)
		if s.FwdStatus > 0 {
			dst = strconv.AppendInt(append(dst, "; fwd-status="...), int64(s.FwdStatus), 10)
		}
	}
	if s.HasTTL {
		dst = strconv.AppendInt(append(dst, "; ttl="...), floorSeconds(s.TTL), 10)
	}
	if !s.Hit && s.Stored {
		dst = append(dst, "; stored"...)
	}
	if !s.Hit && s.Collapsed {
		dst = append(dst, "; collapsed"...)
	}
	if s.Key != "" {
		dst = appendString(append(dst, "; key="...), s.Key)
	}
	if s.Detail != "" {
		dst = appendWord(append(dst, "; detail="...), s.Detail)
	}
	return dst
}

// floorSeconds rounds down: what is stale by half a second has a negative ttl.
func floorSeconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	if d < 0 && d%time.Second != 0 {
		n--
	}
	return n
}

// appendWord writes a Token where one is possible, else a String.
func appendWord(dst []byte, s string) []byte {
	if isWord(s) {
		return append(dst, s...)
	}
	return appendString(dst, s)
}

// isWord reports a Token of RFC 9651 §3.3.4.
func isWord(s string) bool {
	if s == "" || !isLetter(s[0]) && s[0] != '*' {
		return false
	}
	for i := range len(s) {
		if !isTokenChar(s[i]) && s[i] != ':' && s[i] != '/' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

const hexDigits = "0123456789ABCDEF"

// appendString writes a String of RFC 9651 §3.3.3, which is printable ASCII.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~':
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
