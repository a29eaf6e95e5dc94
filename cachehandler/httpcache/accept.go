package httpcache

import (
	"net/http"
	"slices"
	"strings"
)

// Accept-Encoding and Accept-Language compared by meaning (RFC 9111 §4.1 lets a
// cache normalise where the semantics stay the same; RFC 9110 §12.5.3, §12.5.4).
//
// The normal form is the members in groups of equal weight, best first, each
// group sorted, in lower case; then, behind a slash, what is excluded with q=0.
// So spelling, order within a weight and the exact weights do not count, but
// which members are accepted and which are preferred to which does: whoever
// shares a normal form accepts the same, and nobody gets a coding that they did
// not accept. Unknown codings are kept for the same reason: one client's
// response may be in one. A field that does not parse is compared as it is.

// weighted is one member of an Accept-… field.
type weighted struct {
	name string
	q    int // thousandths
}

// maxWeighted bounds the members that are sorted; longer fields are compared
// as they are.
const maxWeighted = 24

func appendNormalised(dst []byte, name string, lines []string) ([]byte, bool) {
	codings := strings.EqualFold(name, "Accept-Encoding")
	if !codings && !strings.EqualFold(name, "Accept-Language") {
		return appendList(dst, lines)
	}
	var buf [maxWeighted]weighted
	members, ok := parseWeighted(buf[:0], lines)
	if ok && codings {
		members, ok = normaliseCodings(members)
	}
	if !ok || len(members) == 0 && !codings {
		return dst, false
	}
	slices.SortFunc(members, compareWeighted)
	return appendGroups(dst, members)
}

// appendList is the normal form of a field of which no more is known than that
// the administrator wants it compared as a list: its elements in lower case,
// without whitespace, sorted. One with quoted strings is compared as it is.
func appendList(dst []byte, lines []string) ([]byte, bool) {
	var elements []string
	for _, line := range lines {
		if strings.Contains(line, `"`) {
			return dst, false
		}
		for element := range listElements(line) {
			elements = append(elements, strings.ToLower(strings.Join(strings.Fields(element), "")))
		}
	}
	slices.Sort(elements)
	return append(dst, strings.Join(elements, ",")...), true
}

func compareWeighted(a, b weighted) int {
	if a.q != b.q {
		return b.q - a.q
	}
	return compareFold(a.name, b.name)
}

// compareFold compares ASCII without case.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if c := int(lower(a[i])) - int(lower(b[i])); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// appendGroups writes sorted members. A member that is there twice with
// different weights has no clear meaning.
func appendGroups(dst []byte, members []weighted) ([]byte, bool) {
	start := len(dst)
	for i, m := range members {
		if slices.ContainsFunc(members[:i], func(o weighted) bool { return o.q != m.q && strings.EqualFold(o.name, m.name) }) {
			return dst[:start], false
		}
		switch {
		case i > 0 && m.q == members[i-1].q && strings.EqualFold(m.name, members[i-1].name):
			continue
		case m.q == 0:
			dst = append(dst, '/')
		case i > 0 && m.q == members[i-1].q:
			dst = append(dst, ',')
		case i > 0:
			dst = append(dst, '>')
		}
		for j := range len(m.name) {
			dst = append(dst, lower(m.name[j]))
		}
	}
	return dst, true
}

// normaliseCodings uses the aliases of RFC 9110 §8.4.1 and drops what says
// nothing: a coding that is excluded is as one that is not named, unless "*"
// would let it in; identity is always accepted, unless it is excluded.
func normaliseCodings(members []weighted) ([]weighted, bool) {
	star, identity, named := -1, -1, false
	for i := range members {
		m := &members[i]
		m.name = codingName(m.name)
		switch {
		case m.name == "*":
			star = m.q
		case strings.EqualFold(m.name, "identity"):
			identity = m.q
		default:
			named = named || m.q > 0
		}
	}
	kept := members[:0]
	for _, m := range members {
		isIdentity := strings.EqualFold(m.name, "identity")
		switch {
		case m.q == 0 && !isIdentity && star <= 0:
		case isIdentity && m.q > 0 && !named && star <= 0: // nothing else to prefer it to
		default:
			kept = append(kept, m)
		}
	}
	if star == 0 && identity < 0 { // "*;q=0" excludes identity as well
		kept = append(kept, weighted{name: "identity"})
	}
	return kept, true
}

// codingName is the name of a coding that may be an alias (RFC 9110 §8.4.1).
func codingName(name string) string {
	switch {
	case strings.EqualFold(name, "x-gzip"):
		return "gzip"
	case strings.EqualFold(name, "x-compress"):
		return "compress"
	}
	return name
}

// excludesCoding reports that a request says with q=0 that it does not take a
// coding (RFC 9110 §12.5.3). The normal form leaves such members out, so an
// origin that sends the coding all the same, since it looks for names alone,
// would have it stored for others who do not take it either.
func excludesCoding(request http.Header, coding string) bool {
	var buf [maxWeighted]weighted
	members, ok := parseWeighted(buf[:0], request["Accept-Encoding"])
	excluded := false
	for _, m := range members {
		switch {
		case strings.EqualFold(codingName(m.name), codingName(coding)):
			return ok && m.q == 0
		case m.name == "*":
			excluded = m.q == 0
		}
	}
	return ok && excluded
}

// takesCoding reports a request that names the codings of s among what it takes,
// where the origin did not say that s varies on them: it is for all who can read it.
func (p *Policy) takesCoding(name string, request http.Header, s *Stored) bool {
	if name != "Accept-Encoding" || !s.Is(CodingUnsaid) || !containsName(p.VaryNormalise, name) {
		return false
	}
	var buf [maxWeighted]weighted
	members, ok := parseWeighted(buf[:0], request[name])
	if !ok {
		return false
	}
	for field, line := range s.Fields.All {
		if field != "Content-Encoding" {
			continue
		}
		for coding := range listElements(line) {
			if !names(members, coding) {
				return false
			}
		}
	}
	return true
}

// names reports a coding among members, and nowhere excluded. A "*" does not name
// it: who sends that is seldom able to read them all.
func names(members []weighted, coding string) (named bool) {
	for _, m := range members {
		if strings.EqualFold(codingName(m.name), codingName(coding)) {
			if m.q == 0 {
				return false
			}
			named = true
		}
	}
	return named
}

// parseWeighted parses a list of tokens with an optional weight (RFC 9110
// §12.4.2).
func parseWeighted(dst []weighted, lines []string) ([]weighted, bool) {
	for _, line := range lines {
		for more := true; more; {
			var element string
			element, line, more = strings.Cut(line, ",")
			name, parameter, hasParameter := strings.Cut(element, ";")
			name = trimOWS(name)
			if name == "" && !hasParameter {
				continue
			}
			q, ok := 1000, true
			if hasParameter {
				q, ok = parseWeight(trimOWS(parameter))
			}
			if !ok || !isToken(name) || len(dst) == maxWeighted-1 {
				return dst, false
			}
			dst = append(dst, weighted{name, q})
		}
	}
	return dst, true
}

// parseWeight parses "q=" qvalue into thousandths.
func parseWeight(s string) (int, bool) {
	if len(s) < 3 || lower(s[0]) != 'q' || s[1] != '=' {
		return 0, false
	}
	whole, fraction, dotted := strings.Cut(s[2:], ".")
	if whole != "0" && whole != "1" || len(fraction) > 3 {
		return 0, false
	}
	q := number(whole) * 1000
	if dotted && fraction != "" {
		f := number(fraction)
		if f < 0 {
			return 0, false
		}
		for range 3 - len(fraction) {
			f *= 10
		}
		q += f
	}
	return q, q <= 1000
}

// prefersLanguage reports that s is in the one language the request likes
// best, so that no other response could suit it better: then it is selected
// although it was stored for another list of languages.
//
// DEVIATION: RFC 9111 §4.1 wants the lists to mean the same. What the request
// gets is what the origin has in its first choice, which is what the origin
// would have to select as well.
func (p *Policy) prefersLanguage(name string, request http.Header, s *Stored) bool {
	if name != "Accept-Language" || !containsName(p.VaryNormalise, name) {
		return false
	}
	language, ok := onlyLine(s.Fields, "Content-Language")
	if !ok {
		return false
	}
	var buf [maxWeighted]weighted
	members, ok := parseWeighted(buf[:0], request[name])
	if !ok || len(members) == 0 {
		return false
	}
	best, ties := members[0], 0
	for _, m := range members[1:] {
		switch {
		case m.q > best.q:
			best, ties = m, 0
		case m.q == best.q && !strings.EqualFold(m.name, best.name):
			ties++
		}
	}
	return best.q > 0 && ties == 0 && best.name != "*" && strings.EqualFold(best.name, trimOWS(language))
}

// onlyLine is the value of a field with one line.
func onlyLine(f Fields, name string) (value string, ok bool) {
	lines := 0
	for n, v := range f.All {
		if n == name {
			value = v
			lines++
		}
	}
	return value, lines == 1
}
