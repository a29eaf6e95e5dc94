package cachehandler

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// maxKeyBytes bounds a key. A longer one is a pass: RFC 9110 §4.1 asks
// for URIs of 8000 octets at least, and nobody benefits from storing longer ones.
const maxKeyBytes = 8 << 10

// maxSortedBytes bounds a query that is taken apart: servers take headers of a
// megabyte, and to sort half a million parameters costs more than to fetch a page.
const maxSortedBytes = 4 * maxKeyBytes

// KeyOptions is what a request's key is made of: two requests with equal keys
// ask for the same thing.
type KeyOptions struct {
	// Whether the scheme is part of the key. If it is not, neither is the server (the
	// port or interface) that a request came to. Default: true.
	Scheme *bool `json:"scheme,omitempty"`

	// Whether the host is part of the key. If it is not, neither is the server (the
	// port or interface) that a request came to, and responses with Vary: Host are not
	// stored. Default: true.
	Host *bool `json:"host,omitempty"`

	// Which query parameters are part of the key. Default: all, in their order.
	Query *QueryOptions `json:"query,omitempty"`

	// Request fields whose values are part of the key.
	Header []string `json:"header,omitempty"`

	// Cookies whose values are part of the key.
	Cookie []string `json:"cookie,omitempty"`

	// Placeholders whose values are part of the key.
	Placeholder []string `json:"placeholder,omitempty"`

	// Whether responses with a No-Vary-Search field answer requests for URLs that
	// differ only in what it says makes no difference. Default: true.
	NoVarySearch *bool `json:"no_vary_search,omitempty"`

	noScheme, noHost, noSearch bool

	listener *listener // nil where keys are for all servers
}

// QueryOptions is which query parameters are part of the key. The origin gets
// all of them in any case. A query with a semicolon, or with a name that does not
// decode, is part of the key as it is.
type QueryOptions struct {
	// Only the parameters whose names match one of these patterns (`*`, `?`,
	// `[a-z]`), also in another case, with dots for underscores or an index.
	Keep []string `json:"keep,omitempty"`

	// All parameters but those whose names match one of these patterns.
	Drop []string `json:"drop,omitempty"`

	// Parameters are sorted by name, so that their order makes no difference.
	Sort bool `json:"sort,omitempty"`

	// The query is not part of the key.
	Ignore bool `json:"ignore,omitempty"`
}

func (o *KeyOptions) provision() {
	o.noScheme = o.Scheme != nil && !*o.Scheme
	o.noHost = o.Host != nil && !*o.Host
	o.noSearch = o.NoVarySearch != nil && !*o.NoVarySearch || o.Query != nil && o.Query.Ignore
	o.Header = canonical(o.Header)
}

func (o *KeyOptions) validate() error {
	for _, p := range o.Placeholder {
		if !strings.Contains(p, "{") || !strings.Contains(p, "}") {
			return fmt.Errorf("placeholder: '%s' has no placeholder", p)
		}
	}
	return errors.Join(
		wrap("header", validateNames(o.Header)),
		wrap("cookie", validateNames(o.Cookie)),
		o.Query.validate(),
	)
}

func (q *QueryOptions) validate() error {
	if q == nil {
		return nil
	}
	if q.Ignore && (q.Sort || len(q.Keep)+len(q.Drop) > 0) {
		return fmt.Errorf("query: ignore stands alone")
	}
	if len(q.Keep) > 0 && len(q.Drop) > 0 {
		return fmt.Errorf("query: keep and drop exclude each other")
	}
	for _, p := range slices.Concat(q.Keep, q.Drop) {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("query: pattern %q: %w", p, err)
		}
	}
	return nil
}

// keyEnds is where the parts of a key end: scheme, host and path; the query. The
// rest is fields, cookies and placeholders.
type keyEnds struct{ path, query int }

// append adds the key of a request to dst, which is empty: the URI as the client
// sent it, not as handlers rewrote it, so that handle_path and rewrite cannot make
// two URIs collide.
func (o *KeyOptions) append(dst []byte, r *http.Request) ([]byte, keyEnds) {
	return o.appendFor(dst, r, originalURL(r))
}

// appendFor is append for another URI of the same host.
func (o *KeyOptions) appendFor(dst []byte, r *http.Request, uri *url.URL) (_ []byte, ends keyEnds) {
	dst = o.appendURI(dst, r.TLS != nil, r.Host, uri)
	ends.path = len(dst)
	dst = o.appendQuery(dst, uri)
	ends.query = len(dst)
	if len(o.Header)+len(o.Cookie)+len(o.Placeholder) > 0 {
		dst = o.appendExtras(dst, r)
	}
	return o.listener.append(appendForwarded(dst, o, r), r), ends
}

// originalURL is the URL as the client sent it.
func originalURL(r *http.Request) *url.URL {
	if orig, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return orig.URL
	}
	return r.URL
}

// appendURI adds scheme, host and path. Paths are compared as they are
// spelled (RFC 3986 §6.2.1): an origin may see a difference that a
// normalisation would hide.
func (o *KeyOptions) appendURI(dst []byte, secure bool, host string, uri *url.URL) []byte {
	if !o.noScheme {
		scheme := "http:"
		if secure {
			scheme = "https:"
		}
		dst = append(dst, scheme...)
	}
	if !o.noHost {
		dst = appendHost(append(dst, "//"...), secure, host)
	}
	return appendPath(dst, uri)
}

// appendQuery adds the query, as far as the options let it through.
func (o *KeyOptions) appendQuery(dst []byte, uri *url.URL) []byte {
	if o.Query != nil {
		return o.Query.append(dst, uri.RawQuery)
	}
	if uri.RawQuery != "" || uri.ForceQuery {
		dst = append(append(dst, '?'), uri.RawQuery...)
	}
	return dst
}

// appendHost adds the host in its normal form (RFC 9110 §4.2.3): in lower case,
// without a default port or an empty one.
func appendHost(dst []byte, secure bool, host string) []byte {
	port := ":80"
	if secure {
		port = ":443"
	}
	return appendLower(dst, strings.TrimSuffix(strings.TrimSuffix(host, port), ":"))
}

// appendPath adds the path as it stood on the wire, without the allocations of
// [url.URL.EscapedPath] for the usual one. That of "GET http://host" is empty there,
// and "/" for the origin (RFC 9110 §4.2.3, RFC 9112 §3.2.1).
func appendPath(dst []byte, uri *url.URL) []byte {
	if uri.Opaque != "" { // "GET x:y", which is no path
		return append(append(dst, " o"...), uri.Opaque...)
	}
	switch {
	case uri.RawPath != "":
		return append(dst, uri.RawPath...)
	case uri.Path == "":
		return append(dst, '/')
	}
	return append(dst, uri.EscapedPath()...)
}

func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// append adds the parameters the options let through.
func (o *QueryOptions) append(dst []byte, raw string) []byte {
	if o.Ignore || raw == "" {
		return dst
	}
	if len(raw) > maxSortedBytes || isCloaked(raw) {
		return append(append(dst, '?'), raw...)
	}
	var params []string
	for param := range strings.SplitSeq(raw, "&") {
		if o.wants(param) {
			params = append(params, param)
		}
	}
	if o.Sort {
		slices.SortStableFunc(params, func(a, b string) int {
			return strings.Compare(foldName(paramName(a)), foldName(paramName(b)))
		})
	}
	if len(params) == 0 {
		return dst
	}
	dst = append(dst, '?')
	return append(dst, strings.Join(params, "&")...)
}

func (o *QueryOptions) wants(param string) bool {
	name := paramName(param)
	matches := func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	}
	if len(o.Keep) > 0 {
		return slices.ContainsFunc(o.Keep, func(pattern string) bool { return keeps(pattern, name) })
	}
	return !slices.ContainsFunc(o.Drop, matches)
}

// paramName is the decoded name of "name=value", or the raw one if it does not
// decode.
func paramName(param string) string {
	name, _, _ := strings.Cut(param, "=")
	if decoded, err := url.QueryUnescape(name); err == nil {
		return decoded
	}
	return name
}

// appendExtras adds the values of fields, cookies and placeholders, each with
// its length, so that no value can imitate another part of the key.
func (o *KeyOptions) appendExtras(dst []byte, r *http.Request) []byte {
	// What is absent is not what is there and empty.
	for _, name := range o.Header {
		if values := r.Header[name]; len(values) > 0 {
			dst = appendExtra(dst, 'h', name, strings.Join(values, ", "))
			continue
		}
		dst = append(append(append(dst, " h"...), name...), "=-"...)
	}
	for _, name := range o.Cookie {
		if value, ok := cookieValue(r.Header, name); ok {
			dst = appendExtra(dst, 'c', name, value)
			continue
		}
		dst = append(append(append(dst, " c"...), name...), "=-"...)
	}
	if len(o.Placeholder) > 0 {
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		for _, p := range o.Placeholder {
			dst = appendExtra(dst, 'p', p, repl.ReplaceAll(p, ""))
		}
	}
	return dst
}

func appendExtra(dst []byte, kind byte, name, value string) []byte {
	dst = append(dst, ' ', kind)
	dst = append(append(dst, name...), '=')
	dst = append(strconv.AppendInt(dst, int64(len(value)), 10), ':')
	return append(dst, value...)
}
