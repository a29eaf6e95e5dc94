package httpcache

import (
	"iter"
	"strings"
)

// directive is one element of a Cache-Control line, in the spelling of the
// message. argument is without its quotes; a quoted-pair is left as it is.
type directive struct {
	name, argument string
	hasArgument    bool
	clean          bool // it stood there as RFC 9111 §5.2 writes it
}

func (e *directive) is(name string) bool {
	return len(e.name) == len(name) && strings.EqualFold(e.name, name)
}

// flag is the directive as a flag. Those that permit something have to be well
// formed; those that forbid count however they are written.
func (e *directive) flag() directiveSet {
	switch {
	case e.is("no-store"):
		return dirNoStore
	case e.is("must-revalidate"):
		return dirMustRevalidate
	case e.is("proxy-revalidate"):
		return dirProxyRevalidate
	case !e.clean:
		return 0
	case e.is("immutable"):
		return dirImmutable // an argument has no meaning (RFC 8246 §2)
	case e.hasArgument:
		return 0
	case e.is("public"):
		return dirPublic
	case e.is("must-understand"):
		return dirMustUnderstand
	case e.is("only-if-cached"):
		return dirOnlyIfCached
	}
	return 0
}

// directiveScanner walks over the directives of a field line. After something
// malformed (such as "private; max-age=600") it goes on at the next token, and
// what it finds up to the next comma is not clean. Nobody knows where a quoted-string
// ends that has no end: what stands in it is looked at, and none of it is clean.
type directiveScanner struct {
	rest    string
	garbled bool
	endless bool
	directive
}

func (s *directiveScanner) next() bool {
	if !s.skipToToken() {
		return false
	}
	n := tokenLength(s.rest)
	s.directive = directive{name: s.rest[:n], clean: !s.garbled && !s.endless}
	s.rest = s.rest[n:]
	after := trimLeftOWS(s.rest)
	if after != "" && after[0] == '=' {
		if len(after) != len(s.rest) { // a space before "=" (§5.2 allows none)
			s.clean = false
		}
		s.rest = after[1:]
		s.scanArgument()
	}
	s.rest = trimLeftOWS(s.rest)
	if s.rest != "" && s.rest[0] != ',' {
		s.clean, s.garbled = false, true
	}
	return true
}

// skipToToken goes to the next token; a comma begins a new element, anything
// else but whitespace spoils the one it stands in.
func (s *directiveScanner) skipToToken() bool {
	for s.rest != "" && !isTokenChar(s.rest[0]) {
		switch s.rest[0] {
		case ',':
			s.garbled = false
		case ' ', '\t':
		case '"':
			s.garbled = true
			s.scanQuoted()
			continue
		default:
			s.garbled = true
		}
		s.rest = s.rest[1:]
	}
	return s.rest != ""
}

func (s *directiveScanner) scanArgument() {
	s.hasArgument = true
	if s.rest != "" && s.rest[0] == '"' {
		s.argument = s.scanQuoted()
		return
	}
	n := tokenLength(s.rest)
	s.argument, s.rest = s.rest[:n], s.rest[n:]
	if n == 0 {
		s.clean = false
	}
}

// scanQuoted goes to the end of a quoted-string, or into it, if it has none. Within
// such a one there is no other.
func (s *directiveScanner) scanQuoted() (inside string) {
	if !s.endless {
		inside, rest, closed := cutQuoted(s.rest)
		if closed {
			s.rest = rest
			return inside
		}
	}
	s.rest, s.endless, s.clean = s.rest[1:], true, false
	return s.rest
}

// cutQuoted cuts a quoted-string (RFC 9110 §5.6.4) from the front of s, which
// begins with a quote. Without a closing quote all of s is inside.
func cutQuoted(s string) (inside, rest string, closed bool) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[1:i], s[i+1:], true
		}
	}
	return s[1:], "", false
}

// listElements are the elements of a list without quoted strings, trimmed,
// empty ones left out (RFC 9110 §5.6.1.2).
func listElements(list string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for more := true; more; {
			var element string
			element, list, more = strings.Cut(list, ",")
			if element = trimOWS(element); element != "" && !yield(element) {
				return
			}
		}
	}
}

func trimLeftOWS(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

func trimOWS(s string) string {
	s = trimLeftOWS(s)
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// isTokenChar is tchar of RFC 9110 §5.6.2.
func isTokenChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func tokenLength(s string) int {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return i
		}
	}
	return len(s)
}

func isToken(s string) bool { return s != "" && tokenLength(s) == len(s) }
