package httpcache

import (
	"net/http"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"
)

// Targeted cache control (RFC 9213): of the fields in the policy's target list
// the first that is present, valid and not empty decides alone. Cache-Control
// and Expires are then as good as absent, whatever they say.

// cachePolicy is what the response's fields say about caching it.
type cachePolicy struct {
	directives
	targeted bool // from a targeted field: Expires does not count
}

func (p *Policy) cachePolicy(h http.Header, now time.Time) cachePolicy {
	for _, name := range p.Targeted {
		lines := h.Values(name)
		if len(lines) == 0 {
			continue
		}
		if d, ok := parseTargeted(name, lines, now); ok {
			return cachePolicy{directives: d, targeted: true}
		}
	}
	return cachePolicy{directives: parseCacheControl(h["Cache-Control"])}
}

// parseTargeted parses one field of the target list. Two names that came
// before RFC 9213 have a syntax of their own.
func parseTargeted(name string, lines []string, now time.Time) (directives, bool) {
	switch {
	case strings.EqualFold(name, "X-Accel-Expires"):
		return parseAccelExpires(lines, now)
	case strings.EqualFold(name, "Surrogate-Control"):
		return parseSurrogateControl(lines)
	}
	dictionary, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(dictionary.Names()) == 0 {
		return directives{}, false // §2.1: as if it were not there
	}
	d := noDirectives()
	for _, key := range dictionary.Names() {
		member, _ := dictionary.Get(key)
		d.applyMember(key, member)
	}
	return d, true
}

// applyMember notes a directive of the inferred type (§2.1): true, an Integer,
// or for no-cache and private also a String with field names. Values of other
// types are not consumed: a lifetime is then invalid, a permission is not
// given, and a prohibition holds for all of the response. Parameters are
// ignored.
func (d *directives) applyMember(key string, member httpsfv.Member) {
	e := directive{name: key, clean: true}
	item, isItem := member.(httpsfv.Item)
	var value any
	if isItem {
		value = item.Value
	}
	switch value := value.(type) {
	case bool:
		if !value {
			return // "no-store=?0" is the directive not given
		}
	case int64:
		if value < 0 {
			e.clean = false
		}
		d.applyNumber(&e, value)
		return
	case string:
		e.hasArgument, e.argument = true, value
		e.clean = e.is("no-cache") || e.is("private")
	default:
		e.hasArgument, e.clean = true, false
	}
	d.apply(&e)
}

// applyNumber notes a directive with an Integer.
func (d *directives) applyNumber(e *directive, value int64) {
	e.hasArgument = true
	e.argument = formatSeconds(min(seconds(max(value, 0)), maxSeconds))
	d.apply(e)
}

// parseSurrogateControl parses the field of the Edge Architecture
// Specification: directives like those of Cache-Control, with max-age=<fresh>
// or max-age=<fresh>+<stale>. Targets in parameters are ignored.
func parseSurrogateControl(lines []string) (directives, bool) {
	d := noDirectives()
	some := false
	for _, line := range lines {
		for element := range listElements(line) {
			element, _, _ = strings.Cut(element, ";")
			name, argument, has := strings.Cut(trimOWS(element), "=")
			fresh, stale, extended := strings.Cut(argument, "+")
			e := directive{name: name, argument: fresh, hasArgument: has, clean: isToken(name)}
			some = some || e.clean
			d.apply(&e)
			if extended && e.is("max-age") && d.staleWhileRevalidate == absent {
				d.staleWhileRevalidate = parseSeconds(stale)
			}
		}
	}
	return d, some
}

// parseAccelExpires parses nginx's field: seconds, "@" and a Unix time, or 0
// or "off" for no caching.
func parseAccelExpires(lines []string, now time.Time) (directives, bool) {
	d := noDirectives()
	value := trimOWS(lines[0])
	if value == "0" || strings.EqualFold(value, "off") {
		d.set = dirNoStore
		return d, true
	}
	at, absolute := strings.CutPrefix(value, "@")
	n := parseUnix(at)
	if n < 0 {
		return directives{}, false
	}
	if absolute {
		n = max(0, n-now.Unix())
	}
	d.maxAge = min(seconds(n), maxSeconds)
	return d, true
}
