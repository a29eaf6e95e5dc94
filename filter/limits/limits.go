// Package limits holds what a request may cost: the lengths and counts of
// request_filter's `limits`. What is known from the request's head is checked
// there (Limits.Head), without an allocation; what only the body tells is checked
// as the body streams to the origin (Limits.Stream), which is never buffered.
//
// Each excess has one status: 414 for the target (RFC 9110 §15.5.15), 431 for
// header fields (RFC 6585 §5), 413 for the body (RFC 9110 §15.5.14), 400 for too
// many arguments and for JSON that is too deep. A limit of 0 is none.
//
// A body that has no end of its own is left alone: of an upgrade, of CONNECT, and
// of gRPC, whose messages the origin bounds.
package limits

import (
	"net/http"
	"strings"
)

// Limits are what a request may not exceed; 0 is no limit.
type Limits struct {
	URI         int   // bytes of the request target as sent
	Headers     int   // header field lines
	HeaderBytes int   // bytes of all names and values, with 4 for each line's ": " and CRLF
	Args        int   // arguments in the query, and as many in a form body
	Body        int64 // bytes of the body
	JSONDepth   int   // arrays and objects inside each other in a JSON body
}

// Default is what applies where the administrator says nothing.
var Default = Limits{URI: 8 << 10, Headers: 100, HeaderBytes: 64 << 10, Args: 255, Body: 10 << 20, JSONDepth: 64}

// An Excess is the limit a request exceeds. The set is closed.
type Excess uint8

// The excesses, in the order in which they are looked for.
const (
	None Excess = iota
	URI
	Headers
	HeaderBytes
	Args
	Body
	JSONDepth

	excesses = iota
)

var facts = [excesses]struct {
	name, text string
	status     int
}{
	{},
	{"uri", "the request target is too long", http.StatusRequestURITooLong},
	{"headers", "the request has too many header fields", http.StatusRequestHeaderFieldsTooLarge},
	{"header_size", "the header fields of the request are too large", http.StatusRequestHeaderFieldsTooLarge},
	{"args", "the request has too many arguments", http.StatusBadRequest},
	{"body", "the body of the request is too large", http.StatusRequestEntityTooLarge},
	{"json_depth", "the JSON of the request is nested too deeply", http.StatusBadRequest},
}

// Name is the option that sets the limit, a metric label and log value.
func (e Excess) Name() string { return facts[e].name }

// String is the excess as a sentence without a stop.
func (e Excess) String() string { return facts[e].text }

// Status is what an excess is answered with; 0 for None.
func (e Excess) Status() int { return facts[e].status }

// Error is what reading a body returns once it has exceeded a limit; errors.As
// finds it below what a transport wraps around it.
type Error struct{ Excess Excess }

func (e *Error) Error() string { return e.Excess.String() }

// Head checks what is known before the body: target, header fields, arguments of
// the query, Content-Length.
func (l Limits) Head(r *http.Request) Excess {
	if l.URI > 0 && len(r.RequestURI) > l.URI {
		return URI
	}
	if e := l.header(r); e != None {
		return e
	}
	if l.Args > 0 && more(r.URL.RawQuery, l.Args) {
		return Args
	}
	if l.Body > 0 && r.ContentLength > l.Body && !endless(r) {
		return Body
	}
	return None
}

// header counts the fields; Host is one of them, though net/http keeps it apart.
func (l Limits) header(r *http.Request) Excess {
	lines, bytes := 0, 0
	if r.Host != "" {
		lines, bytes = 1, len("Host")+len(r.Host)+4
	}
	for name, values := range r.Header {
		lines += len(values)
		for _, value := range values {
			bytes += len(name) + len(value) + 4
		}
	}
	switch {
	case l.Headers > 0 && lines > l.Headers:
		return Headers
	case l.HeaderBytes > 0 && bytes > l.HeaderBytes:
		return HeaderBytes
	}
	return None
}

// more reports whether a query has more than limit arguments. Empty ones count:
// whoever parses it looks at them.
func more(query string, limit int) bool {
	return query != "" && strings.Count(query, "&")+1 > limit
}

// endless reports whether a body has no end of its own.
func endless(r *http.Request) bool {
	return r.Method == http.MethodConnect || r.Header.Get("Upgrade") != "" && upgrades(r) ||
		strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/grpc") && r.ProtoMajor >= 2
}

// upgrades reports whether the connection is to be upgraded: an Upgrade field
// that Connection does not name means nothing (RFC 9110 §7.8), and neither does
// one in a later version or next to a body (its length is then the body's).
func upgrades(r *http.Request) bool {
	if r.ProtoMajor != 1 || r.ContentLength != 0 {
		return false
	}
	for _, line := range r.Header["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(option), "Upgrade") {
				return true
			}
		}
	}
	return false
}
