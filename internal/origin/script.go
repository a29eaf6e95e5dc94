package origin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// options is the language: what a script may say, in a query string or in
// Origin.Script. Sizes are bytes or carry KiB, MiB, GiB; durations are Go's.
// In Script, & separates options and % escapes, as in a URL.
var options = map[string]func(*script, string) error{
	// The answer.
	"page":   func(s *script, v string) error { s.page = v; return nil },                   // instead of the first path segment
	"status": func(s *script, v string) error { return number(&s.status, v) },              // default 200
	"n":      func(s *script, v string) error { return size(&s.size, v) },                  // generated body of that size
	"seed":   func(s *script, v string) error { return number(&s.seed, v) },                // another generated body
	"body":   func(s *script, v string) error { s.text = &v; return nil },                  // this text instead of n
	"echo":   func(s *script, v string) error { s.echo = append(s.echo, v); return nil },   // "Name: value" line of a request header, as the body
	"length": func(s *script, v string) error { s.length = v; return nil },                 // off: chunked; a number: what Content-Length claims
	"cond":   func(s *script, v string) error { s.unconditional = v == "off"; return nil }, // off: never 304
	"read":   func(s *script, v string) error { s.unread = v == "off"; return nil },        // off: answer before reading the request's body

	// Header and trailer fields.
	"h":       func(s *script, v string) error { return s.field(v) }, // Name:value; -Name suppresses Date or Content-Type
	"cc":      set("Cache-Control"),
	"type":    set("Content-Type"),
	"vary":    set("Vary"),
	"cookie":  set("Set-Cookie"),
	"etag":    func(s *script, v string) error { s.header.Set("Etag", quoted(v)); return nil }, // quotes are added
	"lm":      func(s *script, v string) error { return s.instant(&s.modified, v, -1) },        // HTTP date, or a duration before now
	"expires": func(s *script, v string) error { return s.instant(&s.expires, v, 1) },          // HTTP date, or a duration after now
	"serial":  func(s *script, _ string) error { s.serial = true; return nil },                 // Origin-Serial: which request of this path this is
	"trailer": func(s *script, v string) error { return s.trailerField(v) },                    // Name:value; implies length=off
	"early":   func(s *script, v string) error { s.early = append(s.early, v); return nil },    // a 103 with this Link, before all else

	// Pace. Offsets count body bytes written.
	"delay": func(s *script, v string) error { return duration(&s.pace.delay, v) }, // before the header
	"gate":  func(s *script, v string) error { s.pace.gate = v; return nil },       // before the header
	"hold":  func(s *script, v string) error { return s.pace.hold(v) },             // gate@offset; offset 0: header only
	"chunk": func(s *script, v string) error { return size(&s.pace.chunk, v) },     // flush every so many bytes
	"every": func(s *script, v string) error { return duration(&s.pace.every, v) }, // wait between chunks or events
	"step":  func(s *script, v string) error { s.pace.step = v; return nil },       // gate between chunks or events
	"abort": func(s *script, v string) error { return size(&s.pace.abort, v) },     // break the connection after so many bytes

	// Other pages.
	"events": func(s *script, v string) error { return number(&s.events, v) }, // sse: how many; 0 is endless
	"defect": func(s *script, v string) error { s.defect = v; return nil },    // raw: name in the table of raw.go
	"raw":    func(s *script, v string) error { s.raw = v; return nil },       // raw: exactly these bytes
}

// script is one parsed script. It is not changed once parsed.
type script struct {
	page          string
	status        int
	size          int64
	seed          int
	text          *string
	echo          []string
	length        string
	unconditional bool
	unread        bool

	header   http.Header
	modified func(now time.Time) time.Time
	expires  func(now time.Time) time.Time
	serial   bool
	trailer  http.Header
	early    []string

	pace   pace
	events int
	defect string
	raw    string
}

// parseScript reads a script for the path. Strict means that an unknown
// option is an error; queries may carry anything to make a URL unique.
func parseScript(urlPath, text string, strict bool) (*script, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(urlPath, "/"), "/")
	s := &script{
		page:    first,
		status:  http.StatusOK,
		header:  http.Header{},
		trailer: http.Header{},
		pace:    pace{abort: -1},
	}
	for name, vals := range values {
		apply, ok := options[name]
		if !ok && strict {
			return nil, fmt.Errorf("unknown option %q", name)
		}
		if !ok {
			continue
		}
		for _, v := range vals {
			if err := apply(s, v); err != nil {
				return nil, fmt.Errorf("%s=%s: %w", name, v, err)
			}
		}
	}
	return s, nil
}

// set returns the option that adds a field of that name.
func set(field string) func(*script, string) error {
	return func(s *script, v string) error {
		s.header.Add(field, v)
		return nil
	}
}

func (s *script) field(v string) error {
	if name, ok := strings.CutPrefix(v, "-"); ok {
		s.header[http.CanonicalHeaderKey(name)] = nil
		return nil
	}
	return addField(s.header, v)
}

func (s *script) trailerField(v string) error {
	s.length = "off" // net/http sends trailers only with chunked bodies
	return addField(s.trailer, v)
}

func addField(h http.Header, v string) error {
	name, value, ok := strings.Cut(v, ":")
	if !ok {
		return errors.New("want Name:value")
	}
	h.Add(name, strings.TrimSpace(value))
	return nil
}

// instant reads a date, or a duration from now in the direction of sign.
func (s *script) instant(to *func(time.Time) time.Time, v string, sign time.Duration) error {
	if d, err := time.ParseDuration(v); err == nil {
		*to = func(now time.Time) time.Time { return now.Add(sign * d) }
		return nil
	}
	date, err := http.ParseTime(v)
	if err != nil {
		return err
	}
	*to = func(time.Time) time.Time { return date }
	return nil
}

// quoted returns v as an entity-tag (RFC 9110 §8.8.3).
func quoted(v string) string {
	if strings.HasPrefix(v, `"`) || strings.HasPrefix(v, `W/"`) {
		return v
	}
	return `"` + v + `"`
}

func number(to *int, v string) error {
	n, err := strconv.Atoi(v)
	if err == nil && n < 0 {
		err = errors.New("negative")
	}
	*to = n
	return err
}

func duration(to *time.Duration, v string) (err error) {
	*to, err = time.ParseDuration(v)
	return err
}

func size(to *int64, v string) error {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if digits, ok := strings.CutSuffix(v, unit); ok {
			v, shift = digits, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if shift == 0 {
		n, err = strconv.ParseInt(v, 10, 64)
	}
	if err == nil && n < 0 {
		err = errors.New("negative")
	}
	*to = n << shift
	return err
}
