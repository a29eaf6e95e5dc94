package cachehandler

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// This file reads queries and cookies for the key with other parsers in mind:
// what the key leaves out, the origin must not find, however it takes a query
// or a Cookie field apart ("Web Cache Entanglement", J. Kettle, 2020, calls it
// parameter cloaking).

// isCloaked reports a query in which an origin may find other parameters than
// those between ampersands: some also separate by semicolons, and names that do
// not decode, or have control characters in them, are read in various ways.
// Such a query is part of the key as it is.
func isCloaked(raw string) bool {
	if strings.IndexByte(raw, ';') >= 0 {
		return true
	}
	if strings.IndexByte(raw, '%') < 0 {
		return false
	}
	for param := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(param, "=")
		decoded, err := url.QueryUnescape(name)
		if err != nil || strings.ContainsFunc(decoded, isControl) {
			return true
		}
	}
	return false
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// keeps reports a parameter that query keep lets through under its own name, or
// that an origin may take for one of those.
func keeps(pattern, name string) bool {
	if ok, _ := path.Match(pattern, name); ok {
		return true
	}
	ok, _ := path.Match(foldName(pattern), foldName(name))
	return ok
}

// foldName is what the most lenient origins compare names by: without case
// (ASP.NET), with underscores for dots and spaces (PHP), and without an index
// (PHP, Rails).
func foldName(name string) string {
	if i := strings.IndexByte(name, '['); i > 0 && !strings.ContainsAny(name[:i], "*?\\") && strings.HasSuffix(name, "]") {
		name = name[:i]
	}
	name = strings.TrimLeft(name, " ")
	return strings.Map(func(c rune) rune {
		switch {
		case c == '.' || c == ' ':
			return '_'
		case 'A' <= c && c <= 'Z':
			return c + ('a' - 'A')
		}
		return c
	}, name)
}

// cookieValue is what a Cookie field has under a name: the value, or, where
// origins would not agree on that, all that could be it. Some take the first and
// some the last of several, and some take for a cookie what RFC 6265 would not.
func cookieValue(request http.Header, name string) (value string, ok bool) {
	var all []string
	for _, line := range request["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			if pair = strings.Trim(pair, " \t"); mentionsCookie(pair, name) {
				all = append(all, pair)
			}
		}
	}
	if len(all) == 1 {
		if value, ok = strings.CutPrefix(all[0], name+"="); ok {
			return value, true
		}
	}
	// A semicolon is in no single value.
	return ";" + strings.Join(all, ";"), len(all) > 0
}

// mentionsCookie reports a cookie of that name, in any spelling. A comma
// separates cookies for some (RFC 2109 §4.3.4).
func mentionsCookie(pair, name string) bool {
	for part := range strings.SplitSeq(pair, ",") {
		n, _, _ := strings.Cut(part, "=")
		n = strings.Trim(n, " \t\"")
		if decoded, err := url.QueryUnescape(n); err == nil {
			n = decoded
		}
		if foldName(n) == foldName(name) {
			return true
		}
	}
	return false
}

// hasCookies reports that the key holds every cookie of a request: then an
// answer made from one is for nobody else.
func (o *KeyOptions) hasCookies(request http.Header) bool {
	if len(o.Cookie) == 0 {
		return false
	}
	for _, line := range request["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if name != "" && !slices.Contains(o.Cookie, name) {
				return false
			}
		}
	}
	return true
}
