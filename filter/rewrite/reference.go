package rewrite

import "strings"

// A reference is a URI reference in its parts (RFC 3986 appendix B). Unlike
// net/url it takes apart whatever a client would follow, with backslashes for
// slashes and escapes that are none, because a leak needs no correct URL.
type reference struct {
	scheme, authority, path, query, fragment string
	hasAuthority, hasQuery, hasFragment      bool
}

func parse(s string) (r reference) {
	s = strings.TrimSpace(s)
	s, r.fragment, r.hasFragment = strings.Cut(s, "#")
	s, r.query, r.hasQuery = strings.Cut(s, "?")
	if i := strings.IndexByte(s, ':'); i > 0 && isScheme(s[:i]) {
		r.scheme, s = strings.ToLower(s[:i]), s[i+1:]
	}
	if len(s) >= 2 && isSlash(s[0]) && isSlash(s[1]) {
		if s = s[2:]; r.scheme == "" || webKind(r.scheme) == "http" || webKind(r.scheme) == "https" {
			s = strings.TrimLeft(s, `/\`) // as clients read what has too many
		}
		end := strings.IndexAny(s, `/\`)
		if end < 0 {
			end = len(s)
		}
		r.authority, s, r.hasAuthority = s[:end], s[end:], true
	}
	r.path = s
	return r
}

func (r reference) String() string {
	var b strings.Builder
	if r.scheme != "" {
		b.WriteString(r.scheme + ":")
	}
	if r.authority != "" || r.hasAuthority && r.scheme != "" {
		b.WriteString("//" + r.authority)
	}
	b.WriteString(r.path)
	if r.hasQuery {
		b.WriteString("?" + r.query)
	}
	if r.hasFragment {
		b.WriteString("#" + r.fragment)
	}
	return b.String()
}

func isSlash(c byte) bool { return c == '/' || c == '\\' }

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if ('a' > c || c > 'z') && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(s[i]))) {
			return false
		}
	}
	return true
}

// place is the host and the port of an authority, without user and password.
func place(authority string) Place {
	hostport := authority[strings.LastIndexByte(authority, '@')+1:]
	if host, port, ok := strings.Cut(hostport, ":"); ok && !strings.HasPrefix(hostport, "[") {
		p := place0(host) // in a URL, an IPv6 address has brackets
		p.Port = port
		return p
	}
	return place0(hostport)
}

// place0 is the host and the port of what has no user.
func place0(hostport string) Place {
	host, port := hostport, ""
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && !strings.Contains(hostport[i:], "]") &&
		(strings.HasPrefix(hostport, "[") || strings.Count(hostport, ":") == 1) {
		host, port = hostport[:i], hostport[i+1:]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	host, _, _ = strings.Cut(host, "%25")
	return Place{strings.ToLower(strings.TrimSuffix(host, ".")), port}
}

// ParsePlace reads host, host:port, or an IPv6 address in or without brackets.
func ParsePlace(hostport string) Place { return place0(hostport) }

func (p Place) authority() string {
	host := p.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p.Port != "" {
		host += ":" + p.Port
	}
	return host
}

func defaultPort(scheme, otherwise string) string {
	if scheme == "" {
		scheme = otherwise
	}
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}

// ParseTarget reads one side of a rule: a URL, a host with or without a port, or,
// on the public side, a path.
func ParseTarget(s string) (Target, bool) {
	if !strings.Contains(s, "//") && !strings.HasPrefix(s, "/") {
		s = "//" + s
	}
	r := parse(s)
	if r.hasQuery || r.hasFragment || r.hasAuthority && r.authority == "" ||
		strings.Contains(r.authority, "@") || strings.ContainsAny(s, " \t\\{}") ||
		r.scheme != "" && webKind(r.scheme) != "http" && webKind(r.scheme) != "https" ||
		r.authority == "" && !strings.HasPrefix(r.path, "/") {
		return Target{}, false
	}
	return Target{r.scheme, place(r.authority), strings.TrimRight(r.path, "/")}, true
}
