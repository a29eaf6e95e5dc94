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
	targeted bool   // from a targeted field: Expires does not count
	field    string // which one
}

func (p *Policy) cachePolicy(h http.Header, now time.Time) cachePolicy {
	for _, name := range p.Targeted {
		lines := h.Values(name)
		if len(lines) == 0 {
			continue
		}
		if d, ok := p.parseTargeted(name, lines, now); ok {
			return cachePolicy{directives: d, targeted: true, field: name}
		}
	}
	return cachePolicy{directives: parseCacheControl(h["Cache-Control"])}
}

// parseTargeted parses one field of the target list. Two names that came
// before RFC 9213 have a syntax of their own (surrogate.go).
func (p *Policy) parseTargeted(name string, lines []string, now time.Time) (directives, bool) {
	switch {
	case strings.EqualFold(name, accelExpires):
		return parseAccelExpires(lines, now)
	case strings.EqualFold(name, surrogateControl):
		return parseSurrogateControl(lines, p.SurrogateID)
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
		e.clean = value >= 0 && !e.is("immutable")
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
	e.argument = formatSeconds(seconds(value))
	d.apply(e)
}
