// Package rewrite maps what a response says of the places behind a proxy to the
// place that the client asked, and replaces text in a body as it streams. It is
// pure: strings and bytes in, strings and bytes out.
package rewrite

import (
	"net/netip"
	"net/url"
	"strings"
)

// A Map says which places lie behind, and what stands for them. It is a value:
// whoever has one may add to it.
type Map struct {
	Scheme, Host string  // what the client asked; the host with its port, if it gave one
	Origin       string  // the Origin that it sent (RFC 6454): known to it, so no leak
	Asked        string  // the query that it sent, unescaped
	Upstreams    []Place // what is known to lie behind
	Answered     Place   // the upstream that gave the response, if that is known
	Rules        []Rule  // go before everything else; the first that matches counts
}

// A Place is a host in lower case and a port; an empty port is any.
type Place struct{ Host, Port string }

// A Rule leads what is below From to below To.
type Rule struct{ From, To Target }

// A Target is the beginning of a URL. What is empty is: in From, anything; in To,
// what the client asked.
type Target struct {
	Scheme string
	Place
	Path string // no slash at the end
}

// URL rewrites a URI reference (RFC 3986 §4.1), as in Location (RFC 9110
// §10.2.2), if it names a place behind: one of a rule, an upstream, the site's own
// host with an upstream's port, or a private host. A URL of the site that has the
// scheme of an origin without TLS gets the site's. User and password go with
// the host they were for. URLs in its query are rewritten alike.
func (m Map) URL(ref string) string {
	r := parse(ref)
	before := r
	if r.query != "" {
		r.query = m.query(r.query)
	}
	switch {
	case r.authority == "":
		if r.scheme == "" && strings.HasPrefix(r.path, "/") {
			r.path = m.Path(r.path)
		}
	case m.rule(&r):
	default:
		switch m.stands(r) {
		case behind:
			m.lead(&r)
		case insecure:
			r.scheme = secure(r.scheme, m.Scheme)
		}
	}
	if r == before {
		return ref
	}
	return r.String()
}

// standing is where a place stands.
type standing int

const (
	elsewhere standing = iota
	behind
	insecure // the site, by the scheme of the connection to the origin
)

func (m Map) stands(r reference) standing {
	place := place(r.authority)
	public := place0(m.Host)
	port := place.Port
	if port == "" {
		port = defaultPort(r.scheme, m.Scheme)
	}
	if place.Host == public.Host && public.Host != "" {
		publicPort := public.Port
		if publicPort == "" {
			publicPort = defaultPort(m.Scheme, "")
		}
		switch {
		case port == publicPort || place.Port == public.Port:
			if m.Scheme == "https" && (r.scheme == "http" || r.scheme == "ws") {
				return insecure
			}
		case m.upstreamPort(port):
			return behind
		}
		return elsewhere
	}
	if m.Behind(place.Host) && !m.asked(r.authority, place.Host) {
		return behind
	}
	return elsewhere
}

// asked reports whether the client itself has named a place on its own machine,
// as native applications do (RFC 8252 §7.3): a way back to there is no leak.
func (m Map) asked(authority, host string) bool {
	ip, err := netip.ParseAddr(host)
	return m.Asked != "" && (host == "localhost" || err == nil && ip.IsLoopback()) &&
		!m.upstreamPort(place(authority).Port) && strings.Contains(m.Asked, "//"+authority)
}

// upstreamPort reports whether an upstream listens on port: an origin that is
// told the site's host names it with its own port.
func (m Map) upstreamPort(port string) bool {
	for _, up := range m.Upstreams {
		if up.Port == port {
			return true
		}
	}
	return m.Answered.Port == port
}

// Behind reports whether a host, not the site's own, is an upstream or private.
func (m Map) Behind(host string) bool {
	if host == "" || host == place0(m.Host).Host {
		return false
	}
	return m.upstream(host) || Private(host)
}

func (m Map) upstream(host string) bool {
	for _, up := range m.Upstreams {
		if up.Host == host {
			return true
		}
	}
	for _, rule := range m.Rules {
		if rule.From.Host == host && rule.To.Place != rule.From.Place {
			return true
		}
	}
	return m.Answered.Host == host && host != ""
}

// lead points r at the site. A client that named no host (HTTP/1.0) is led by
// the path alone.
func (m Map) lead(r *reference) {
	r.authority = m.Host
	if m.Host == "" {
		r.scheme = ""
		if r.path == "" {
			r.path = "/"
		}
		return
	}
	if r.scheme == "" {
		return
	}
	if m.Scheme == "https" {
		r.scheme = secure(webScheme(r.scheme), m.Scheme)
		return
	}
	if r.scheme = webScheme(r.scheme); r.scheme == "https" {
		r.scheme = m.Scheme
	}
	if r.scheme == "wss" {
		r.scheme = "ws"
	}
}

// webScheme is a scheme by which the site can be asked.
func webScheme(scheme string) string {
	switch scheme {
	case "http", "https", "ws", "wss":
		return scheme
	}
	return "http"
}

func secure(scheme, public string) string {
	if scheme == "ws" || scheme == "wss" {
		return "wss"
	}
	return public
}

func (m Map) rule(r *reference) bool {
	at := place(r.authority)
	for _, rule := range m.Rules {
		if !rule.From.covers(r.scheme, at) || !below(r.path, rule.From.Path) {
			continue
		}
		if rule.To.Path != "" && rule.To.Path != rule.From.Path && at == place0(m.Host) && below(r.path, rule.To.Path) {
			continue // it has been led already
		}
		r.path = rule.To.Path + strings.TrimPrefix(r.path, rule.From.Path)
		if r.path == "" || r.path[0] != '/' {
			r.path = "/" + r.path
		}
		if rule.To.Host == "" {
			m.lead(r)
			return true
		}
		r.authority = rule.To.authority()
		if r.scheme != "" && rule.To.Scheme != "" {
			r.scheme = rule.To.Scheme
		}
		return true
	}
	return false
}

func (t Target) covers(scheme string, at Place) bool {
	port := at.Port
	if port == "" {
		port = defaultPort(scheme, t.Scheme)
	}
	return t.Host == at.Host && (t.Port == "" || t.Port == port) && (t.Scheme == "" || scheme == "" || webKind(t.Scheme) == webKind(scheme))
}

// webKind makes WebSocket the scheme it begins as.
func webKind(scheme string) string {
	switch scheme {
	case "ws":
		return "http"
	case "wss":
		return "https"
	}
	return scheme
}

// Path leads a path on the upstream that answered to the site's, by the rules
// that say a path: also that of a cookie (RFC 6265 §4.1.2.4).
func (m Map) Path(path string) string {
	for _, rule := range m.Rules {
		if rule.From.Path == rule.To.Path || rule.To.Host != "" ||
			m.Answered.Host != "" && !rule.From.covers("", m.Answered) {
			continue
		}
		if len(rule.To.Path) > len(rule.From.Path) && below(path, rule.To.Path) {
			return path
		}
		if below(path, rule.From.Path) {
			led := rule.To.Path + strings.TrimPrefix(path, rule.From.Path)
			if led == "" || led[0] != '/' {
				led = "/" + led
			}
			return led
		}
	}
	return path
}

// below reports whether path is prefix or lies below it, by whole segments.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// query rewrites the values that are absolute URLs, such as the place that a
// login is to come back to.
func (m Map) query(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || len(value) < len("http://a") || !strings.EqualFold(value[:4], "http") {
			continue
		}
		plain, err := url.QueryUnescape(value)
		if err != nil {
			continue
		}
		led := m.URL(plain)
		if led == plain {
			continue
		}
		if value != plain {
			led = url.QueryEscape(led)
		}
		pairs[i] = name + "=" + led
	}
	return strings.Join(pairs, "&")
}

// Private reports whether a host, without its port, means nothing on the Internet:
// addresses of RFC 1918, RFC 6598, RFC 4193, link-local, loopback, unspecified, names under
// the domains for private use, and names of one label.
func Private(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || sharedSpace.Contains(ip)
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if len(last) == len(host) {
		return host != ""
	}
	if last != "" && '0' <= last[0] && last[0] <= '9' {
		return true // an address in a form that clients take and nobody publishes, as 0x7f.1
	}
	return privateDomain(host)
}

func privateDomain(host string) bool {
	for _, domain := range privateDomains {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

var privateDomains = []string{
	".internal", ".local", ".localhost", ".localdomain", ".lan", ".home.arpa", ".intranet",
	".private", ".corp", ".home", ".consul", ".cluster.local",
}
