// Package rewrite leads what an answer says of places behind a proxy to the place
// the client asked: URLs in Location, Link and their like, the Domain and Path of
// cookies. It is pure: strings in, strings out.
//
//	Table  what lies behind a site: its upstreams, and the rules of its administrator
//	Map    a Table as one request sees it: with the scheme and host of that request
//
// A URL is taken apart by hand and not parsed: what is led elsewhere keeps its
// path and query byte for byte, and what no parser would accept does not stay as
// it is for that. Slashes and backslashes are one, as for browsers (WHATWG URL).
package rewrite

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// A Table is what lies behind a site. It is not changed while it is used.
type Table struct {
	rules []rule
	hosts map[string]bool // of upstreams, with their ports
	names map[string]bool // of upstreams, without
}

// A rule leads what begins with from to public.
type rule struct {
	host, port string // port "": any
	path       string // "" is the root; else it begins with a slash and ends without
	public     string // a path like the other one, or a URL without a slash at its end
}

// AddUpstream adds an upstream, as host:port.
func (t *Table) AddUpstream(address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return // a socket of this machine, or a placeholder: it has no name
	}
	if t.hosts == nil {
		t.hosts, t.names = make(map[string]bool), make(map[string]bool)
	}
	host = normalHost(host)
	t.hosts[host+":"+port] = true
	t.names[host] = true
}

// AddRule adds a rule of the administrator: a host, host:port or URL behind the
// site, and where it is to be found: a path, or a URL; "" for the site's root.
func (t *Table) AddRule(from, public string) error {
	scheme, rest, absolute := cutScheme(from)
	if !absolute {
		rest = from
	}
	auth, path := cutAuthority(rest)
	host, port := splitAuthority(auth)
	switch {
	case host == "" || strings.ContainsAny(from, "?# {}"):
		return fmt.Errorf("'%s' is neither a host, a host with a port, nor a URL", from)
	case port == "" && absolute:
		port = defaultPort(scheme)
	}
	if public != "" && public[0] != '/' {
		_, rest, absolute := cutScheme(public)
		if auth, _ := cutAuthority(rest); !absolute || auth == "" || strings.ContainsAny(public, "?# {}") {
			return fmt.Errorf("'%s' is neither a path nor a URL", public)
		}
	}
	t.rules = append(t.rules, rule{
		host: host, port: port,
		path: strings.TrimRight(path, "/"), public: strings.TrimRight(public, "/"),
	})
	return nil
}

// For is the table for a request to scheme://host, of which the upstream at
// address has answered ("" if that is not known).
func (t *Table) For(scheme, host, address string) Map {
	m := Map{table: t, scheme: scheme, host: host}
	m.name, m.port = splitAuthority(host)
	if m.port == "" {
		m.port = defaultPort(scheme)
	}
	if name, port, err := net.SplitHostPort(address); err == nil {
		m.upName, m.upPort = normalHost(name), port
	}
	return m
}

// A Map leads places behind a site to it.
type Map struct {
	table          *Table
	scheme, host   string // of the request
	name, port     string // host, taken apart
	upName, upPort string // of the upstream that has answered
	said           string // by the client, escaped as in a query
}

// Knowing is m for a client that said something itself: the query of its request.
// A private place that is named there is none of ours. So OAuth sends a browser
// back to a program on its own machine (RFC 8252 §7.3).
func (m Map) Knowing(query string) Map {
	m.said = query
	return m
}

func (m Map) knows(auth string) bool {
	if m.said == "" {
		return false
	}
	said, err := url.QueryUnescape(m.said)
	return err == nil && strings.Contains(said, "//"+auth)
}

// URL leads a URI reference (RFC 3986 §4.1). One that is not about a place
// behind the site comes back as it is.
func (m Map) URL(ref string) string {
	scheme, rest, absolute := cutScheme(ref)
	if !absolute {
		if path, ok := m.Path(ref); ok {
			return path
		}
		return ref
	}
	auth, tail := cutAuthority(rest)
	host, port := splitAuthority(auth)
	if host == "" {
		return ref
	}
	effective := port
	if port == "" {
		effective = defaultPort(scheme)
	}
	if r, remainder := m.rule(host, effective, tail); r != nil {
		return m.public(r, remainder)
	}
	switch {
	case m.upstream(host, effective), Private(host) && host != m.name && !m.knows(auth):
	case host == m.name && scheme == "http" && m.scheme == "https" && (port == "" || port == m.port || port == "80"):
		// Built by an origin that does not know of TLS in front of it.
	default:
		return ref
	}
	return m.base(scheme) + withSlash(tail)
}

// base is the site, for a reference of a scheme; "" if the client named no host.
func (m Map) base(scheme string) string {
	if m.host == "" {
		return ""
	}
	switch scheme {
	case "":
		return "//" + m.host
	case "ws", "wss":
		return strings.Replace(m.scheme, "http", "ws", 1) + "://" + m.host
	}
	return m.scheme + "://" + m.host
}

// public is where a rule leads what is below its path.
func (m Map) public(r *rule, remainder string) string {
	if r.public == "" || r.public[0] == '/' {
		return m.base(m.scheme) + r.public + withSlash(remainder)
	}
	return r.public + withSlash(remainder)
}

// rule returns the rule with the longest path for a place.
func (m Map) rule(host, port, tail string) (best *rule, remainder string) {
	for i := range m.table.rules {
		r := &m.table.rules[i]
		if r.host != host || r.port != "" && r.port != port {
			continue
		}
		if below, ok := cutPath(tail, r.path); ok && (best == nil || len(r.path) > len(best.path)) {
			best, remainder = r, below
		}
	}
	return best, remainder
}

// Path leads a path that begins with a slash, as of a relative reference or a
// cookie, by the rules that have one.
func (m Map) Path(path string) (led string, ok bool) {
	if path == "" || path[0] != '/' {
		return path, false
	}
	var best *rule
	for i := range m.table.rules {
		r := &m.table.rules[i]
		if r.path == "" || r.public != "" && r.public[0] != '/' {
			continue
		}
		if below, found := cutPath(path, r.path); found && (best == nil || len(r.path) > len(best.path)) {
			best, led = r, r.public+below
		}
	}
	if best != nil && led == "" {
		led = "/"
	}
	return led, best != nil
}

// upstream reports a place of an upstream.
func (m Map) upstream(host, port string) bool {
	t := m.table
	if host == m.name {
		// The site's own name with another port may be another service of the machine.
		return port != m.port && (t.hosts[host+":"+port] || host == m.upName && port == m.upPort)
	}
	return t.names[host] || host == m.upName && host != ""
}

// Behind reports a domain that no client knows: of an upstream, or private.
func (m Map) Behind(domain string) bool {
	host := normalHost(strings.TrimPrefix(domain, "."))
	return host != m.name && !strings.HasSuffix(m.name, "."+host) && (m.upstream(host, "") || Private(host))
}

// Private reports a host that means nothing outside: addresses of RFC 1918, 4193,
// 3927 and 6598 and of the machine itself, names of RFC 6762 and 8375, .internal, and
// those without a dot.
func Private(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap().WithZone("")
		return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || sharedSpace.Contains(ip)
	}
	for _, suffix := range [...]string{".internal", ".local", ".localhost", ".lan", ".home.arpa", ".svc", ".intranet", ".corp"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return host != "" && !strings.Contains(host, ".")
}

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
