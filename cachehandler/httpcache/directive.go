package httpcache

import "strings"

// Cache-Control, as RFC 9111 §5.2 defines it, for requests and responses.
//
// The parser accepts what RFC 9110 §5.6.1 asks of recipients (empty elements,
// optional whitespace, several field lines, both argument forms) and, where a
// value is malformed, errs on the safe side: a directive that restricts counts
// wherever it stands, one that permits only if it is well formed, and a
// malformed lifetime is a lifetime of nothing (§4.2.1). It allocates nothing
// but for more than one list of field names.

// seconds is the argument of a directive with delta-seconds (§1.2.2), at least
// 0, or one of the constants below.
type seconds int64

const (
	absent  seconds = -1
	invalid seconds = -2 // the directive is there, its argument is none
	anyAge  seconds = -3 // max-stale without an argument (§5.2.1.2)

	// maxSeconds stands for everything larger (§1.2.2).
	maxSeconds seconds = 1 << 31
)

// directiveSet is the directives without (or whose argument is not) a number.
type directiveSet uint16

const (
	dirNoStore directiveSet = 1 << iota
	dirNoCache
	dirPrivate
	dirPublic
	dirMustRevalidate
	dirProxyRevalidate
	dirMustUnderstand
	dirImmutable
	dirOnlyIfCached
)

// directives is a parsed Cache-Control.
type directives struct {
	set                                directiveSet
	maxAge, sMaxAge, maxStale          seconds
	minFresh                           seconds
	staleWhileRevalidate, staleIfError seconds
	noCacheFields, privateFields       string // the lists of the qualified forms
}

func noDirectives() directives {
	return directives{
		maxAge: absent, sMaxAge: absent, maxStale: absent, minFresh: absent,
		staleWhileRevalidate: absent, staleIfError: absent,
	}
}

func (d *directives) has(s directiveSet) bool { return d.set&s != 0 }

// parseCacheControl parses the lines of one Cache-Control field.
func parseCacheControl(lines []string) directives {
	d := noDirectives()
	for _, line := range lines {
		scan := directiveScanner{rest: line}
		for scan.next() {
			d.apply(&scan.directive)
		}
	}
	return d
}

// apply notes one directive. Unknown ones are ignored (§5.2.3).
func (d *directives) apply(e *directive) {
	switch {
	case e.is("max-age"):
		d.maxAge.first(e)
	case e.is("s-maxage"):
		d.sMaxAge.first(e)
	case e.is("stale-while-revalidate"):
		d.staleWhileRevalidate.first(e)
	case e.is("stale-if-error"):
		d.staleIfError.first(e)
	case e.is("min-fresh"):
		d.minFresh.first(e)
	case e.is("max-stale"):
		d.maxStale.first(e)
		if d.maxStale == invalid && e.clean && !e.hasArgument {
			d.maxStale = anyAge
		}
	case e.is("no-cache"):
		d.qualify(e, dirNoCache, &d.noCacheFields)
	case e.is("private"):
		d.qualify(e, dirPrivate, &d.privateFields)
	default:
		d.set |= e.flag()
	}
}

// first takes the argument of the first occurrence: where there are several,
// §4.2.1 says to use the first or to consider the response stale.
func (s *seconds) first(e *directive) {
	if *s != absent {
		return
	}
	*s = invalid
	if e.clean && e.hasArgument {
		*s = parseSeconds(e.argument)
	}
}

// orNone reads an invalid lifetime as none at all (§4.2.1).
func (s seconds) orNone() seconds {
	if s == invalid {
		return 0
	}
	return s
}

// parseSeconds parses delta-seconds (§1.2.2).
func parseSeconds(s string) seconds {
	if s == "" {
		return invalid
	}
	var n seconds
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return invalid
		}
		if n < maxSeconds {
			n = n*10 + seconds(s[i]-'0')
		}
	}
	return min(n, maxSeconds)
}

// qualify notes no-cache or private: with a list of field names it concerns
// these only (§5.2.2.4, §5.2.2.7). An argument that is no such list, or that
// names a field without which the rest cannot be used, leaves the whole
// response concerned, which both sections permit.
func (d *directives) qualify(e *directive, whole directiveSet, fields *string) {
	if !e.clean || !e.hasArgument || !separableFields(e.argument) {
		d.set |= whole
		return
	}
	if *fields == "" {
		*fields = e.argument
	} else {
		*fields += "," + e.argument
	}
}

// separableFields reports a list of field names that can be taken from a
// response without making another of it.
func separableFields(list string) bool {
	some := false
	for name := range listElements(list) {
		if !isToken(name) || essentialField(name) {
			return false
		}
		some = true
	}
	return some
}

// essentialField reports a field that says what the content is, where it
// leads, or how the response may be used.
func essentialField(name string) bool {
	if len(name) > 8 && strings.EqualFold(name[:8], "Content-") {
		return true
	}
	for _, essential := range [...]string{
		"Cache-Control", "Date", "ETag", "Expires", "Last-Modified", "Location", "Vary",
	} {
		if strings.EqualFold(name, essential) {
			return true
		}
	}
	return false
}
