// Package canonical judges the target of a request as the client sent it, for
// request_filter's `path strict`: what the filter judges is what the origin
// gets, and a target that two programs may read in two ways is refused with 400.
//
// Refused in the path: raw white space and control characters (RFC 9112 §3.2),
// NUL and control characters that are encoded, "%" without two hexadecimal
// digits (RFC 3986 §2.1) and IIS's %uXXXX, "%25" before two digits that a second
// decoding would make an ASCII character or an overlong sequence of, a backslash,
// bytes that are no UTF-8 (RFC 3629 §3; overlong forms among them), and segments
// "." and ".." (RFC 3986 §6.2.2.3: clients resolve them), also encoded, between
// encoded slashes, with parameters behind them, or written with characters that
// compatibility normalisation turns into dots and slashes. A "#" is refused
// anywhere (RFC 9112 §3.2: a target has no fragment).
//
// Not refused: UTF-8, raw or encoded; "%2F" inside a segment (GitLab and npm name
// things so: @scope%2Fname); "//" (a base URL with a slash too many); matrix
// parameters; names with dots (a..b, .well-known). Rules see them in one form:
// Target.Path is decoded once, "%2F" as "/", and "//" is one slash. Of the query
// only raw bytes are judged: encoded ones may be anything (OAuth's redirect_uri,
// a tracker's info_hash), and every origin decodes them once.
//
// Applications that encode twice (Jenkins: feature%252Fname) or in Latin-1 need
// `path off`.
package canonical

import "strings"

// A Defect says why a target is ambiguous. The set is closed.
type Defect uint8

// The defects, in the order in which they are looked for.
const (
	None           Defect = iota
	Form                  // neither a path, nor an http URI, nor "*" of OPTIONS
	Control               // a control character, raw or encoded
	Space                 // raw white space
	Fragment              // a raw "#"
	Escape                // "%" without two hexadecimal digits
	UnicodeEscape         // IIS's %uXXXX
	DoubleEncoding        // "%25" that hides another character
	Backslash             // "\", raw or encoded
	UTF8                  // bytes that are no UTF-8
	Traversal             // a segment "." or ".."
	LookAlike             // such a segment in other characters

	defects = iota
)

var names = [defects]string{
	"", "target_form", "control", "space", "fragment", "escape", "unicode_escape", "double_encoding",
	"backslash", "utf8", "traversal", "look_alike",
}

var texts = [defects]string{
	"",
	"the target is neither a path nor an http URI",
	"the target has a control character",
	"the target has white space",
	"the target has a fragment",
	"a percent sign in the path is not followed by two hexadecimal digits",
	"the path has a %u escape, which is no URI encoding",
	"the path is encoded twice",
	"the path has a backslash",
	"the path is not UTF-8",
	"the path has a segment \".\" or \"..\"",
	"the path has characters that some origins take for a segment \"..\"",
}

// Status is what a defect is answered with.
const Status = 400

// Name is the defect as a metric label and log value; "" for None.
func (d Defect) Name() string { return names[d] }

// String is the defect as a sentence without a stop; "" for None.
func (d Defect) String() string { return texts[d] }

// A Target is what rules match on.
type Target struct {
	// Path is the path decoded once, an encoded slash as a slash, several
	// slashes as one. "*" for OPTIONS *.
	Path string
	// Bare is Path without path parameters (/a;v=1/b is /a/b): what Java's
	// servers route on. The same string as Path where there are none. A rule
	// that denies looks at both.
	Bare string
	// Query is the query as sent, without its question mark.
	Query string
}

// Judge returns the target in its canonical form, or why it has none. Of a
// target with a defect, Path and Bare are empty. It does not allocate for a
// path that is canonical as it stands.
func Judge(method, target string) (Target, Defect) {
	if d := raw(target); d != None {
		return Target{}, d
	}
	escaped, query, ok := split(method, target)
	t := Target{Query: query}
	switch {
	case !ok:
		return t, Form
	case plain(escaped):
		t.Path, t.Bare = escaped, escaped
		return t, None
	}
	decoded, d := decode(escaped)
	if d == None {
		d = judge(decoded)
	}
	if d == None {
		t.Path = merge(decoded)
		t.Bare = bare(t.Path)
	}
	return t, d
}

// raw looks at the bytes no target may have, encoded or not at all.
func raw(target string) Defect {
	for i := range len(target) {
		switch c := target[i]; {
		case c == ' ' || c == '\t':
			return Space
		case c < ' ' || c == 0x7f:
			return Control
		case c == '#':
			return Fragment
		}
	}
	return None
}

// split finds path and query (RFC 9112 §3.2).
func split(method, target string) (escaped, query string, ok bool) {
	if target == "*" {
		return target, "", method == "OPTIONS"
	}
	if !strings.HasPrefix(target, "/") {
		if target, ok = absolute(target); !ok {
			return "", "", false
		}
	}
	escaped, query, _ = strings.Cut(target, "?")
	if escaped == "" {
		escaped = "/"
	}
	return escaped, query, true
}

// absolute cuts scheme and authority off an absolute form. User information is
// refused (RFC 9110 §4.2.4), and any scheme that is not HTTP's.
func absolute(target string) (rest string, ok bool) {
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	if authority == "" || strings.ContainsAny(authority, "@\\%") {
		return "", false
	}
	return rest[end:], true
}

// plain reports whether a path is its own canonical form.
func plain(p string) bool {
	for i := range len(p) {
		switch c := p[i]; {
		case c == '%' || c == ';' || c == '\\' || c >= 0x80:
			return false
		case c == '/' && i+1 < len(p) && (p[i+1] == '/' || p[i+1] == '.'):
			return false
		}
	}
	return true
}
