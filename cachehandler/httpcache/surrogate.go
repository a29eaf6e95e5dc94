package httpcache

import (
	"iter"
	"strings"
	"time"
)

// Two fields by which origins spoke to the caches in front of them before RFC
// 9213 did. They count only where the administrator names them, and then as a
// targeted field does: the rest of the response's caching fields is as good as
// absent.

const (
	surrogateControl = "Surrogate-Control"
	accelExpires     = "X-Accel-Expires"
)

// ForSurrogates reports a field of the target list that is addressed to the
// surrogate alone and goes no further by its own definition: Surrogate-Control
// (Edge Architecture Specification §2.2), unless another surrogate asks, and
// X-Accel-Expires, which nginx never passes on. The fields of RFC 9213 go on.
func ForSurrogates(name string) bool {
	return strings.EqualFold(name, surrogateControl) || strings.EqualFold(name, accelExpires)
}

// parseSurrogateControl parses the field of the Edge Architecture Specification
// 1.0 (W3C Note, 2001): directives like those of Cache-Control, each for all
// surrogates or, with ";name" behind it (§2.3), for the one of that name alone.
// What is for this one goes before what is for all; what is for others is
// not there.
//
// max-age=<fresh>+<stale> (§2.2.3) is how long the response is fresh and for how
// long it may be used after that while it is validated. no-store-remote (§2.2.2)
// is for surrogates far from the origin, which this one is not, and content
// (§2.2.4) for those that process it.
func parseSurrogateControl(lines []string, id string) (directives, bool) {
	d := noDirectives()
	mine := d.applySurrogate(lines, func(target string) bool { return target != "" && strings.EqualFold(target, id) })
	all := d.applySurrogate(lines, func(target string) bool { return target == "" })
	return d, mine || all
}

// applySurrogate notes the directives whose target is wanted, and reports
// whether there are any.
func (d *directives) applySurrogate(lines []string, wants func(target string) bool) (some bool) {
	for element := range elementsOf(lines) {
		element, target, _ := cutUnquoted(element, ';')
		name, argument, has := strings.Cut(trimOWS(element), "=")
		if !isToken(name) || !wants(trimOWS(target)) {
			continue
		}
		some = true
		fresh, stale, extended := strings.Cut(argument, "+")
		e := directive{name: name, argument: fresh, hasArgument: has, clean: true}
		first := d.maxAge == absent
		d.apply(&e)
		if extended && first && e.is("max-age") && d.staleWhileRevalidate == absent {
			d.staleWhileRevalidate = parseSeconds(stale)
		}
	}
	return some
}

// elementsOf are the elements of a list in which there may be quoted strings.
func elementsOf(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for more := true; more; {
				var element string
				element, line, more = cutUnquoted(line, ',')
				if element = trimOWS(element); element != "" && !yield(element) {
					return
				}
			}
		}
	}
}

// cutUnquoted is [strings.Cut] at the first sep outside of quoted strings (RFC
// 9110 §5.6.4). One that does not end reaches to the end.
func cutUnquoted(s string, sep byte) (before, after string, found bool) {
	for i, quoted := 0, false; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// parseAccelExpires parses the field as nginx does: seconds, of which 0 is no
// caching, or "@" and the second since 1970 until which to cache. Anything else,
// "off" among it, is as if the field were not there.
func parseAccelExpires(lines []string, now time.Time) (directives, bool) {
	d := noDirectives()
	value := trimOWS(lines[0])
	at, absolute := strings.CutPrefix(value, "@")
	n := parseUnix(at)
	switch {
	case n < 0:
		return directives{}, false
	case absolute:
		n = max(0, n-now.Unix())
	case n == 0:
		d.set = dirNoStore
		return d, true
	}
	d.maxAge = min(seconds(n), maxSeconds)
	return d, true
}
