package rewrite

import "strings"

// Cookies says what becomes of cookies between origin and client.
type Cookies struct {
	Rename   []Pair // names: the origin's, the client's
	Path     []Pair // beginnings of paths: the origin's, the client's
	Secure   bool
	HTTPOnly bool
	SameSite string // Lax, Strict or None; empty leaves it to the origin
}

// A Pair is what something is called behind, and in public.
type Pair struct{ From, To string }

// Request rewrites a Cookie field (RFC 6265 §4.2) for the origin: public names
// become its own. A cookie that has the origin's own name never came from it,
// and goes. The result is empty if nothing is left.
func (c Cookies) Request(value string) string {
	if len(c.Rename) == 0 {
		return value
	}
	kept := make([]string, 0, 4)
	for pair := range strings.SplitSeq(value, ";") {
		pair = strings.TrimSpace(pair)
		name, rest, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		if !ok {
			name, rest = "", pair
		}
		if to := find(c.Rename, name, true); to != "" {
			kept = append(kept, to+"="+rest)
		} else if find(c.Rename, name, false) == "" && pair != "" {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "; ")
}

func find(pairs []Pair, name string, reverse bool) string {
	for _, p := range pairs {
		from, to := p.From, p.To
		if reverse {
			from, to = to, from
		}
		if from == name {
			return to
		}
	}
	return ""
}

// Response rewrites a Set-Cookie field (§4.1) for the client. What is not asked for
// stays as the origin wrote it.
func (c Cookies) Response(value string) string {
	parts := strings.Split(value, ";")
	name, rest, ok := strings.Cut(parts[0], "=")
	if to := find(c.Rename, strings.TrimSpace(name), false); ok && to != "" {
		parts[0] = to + "=" + rest
	}
	kept := parts[:1]
	for _, part := range parts[1:] {
		key, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "path":
			part = " Path=" + c.path(strings.TrimSpace(v))
		case "secure":
			if c.Secure {
				continue
			}
		case "httponly":
			if c.HTTPOnly {
				continue
			}
		case "samesite":
			if c.SameSite != "" {
				continue
			}
		}
		kept = append(kept, part)
	}
	if c.Secure {
		kept = append(kept, " Secure")
	}
	if c.HTTPOnly {
		kept = append(kept, " HttpOnly")
	}
	if c.SameSite != "" {
		kept = append(kept, " SameSite="+c.SameSite)
	}
	return strings.Join(kept, ";")
}

func (c Cookies) path(path string) string {
	for _, p := range c.Path {
		from, to := strings.TrimRight(p.From, "/"), strings.TrimRight(p.To, "/")
		if below(path, from) {
			if path = to + strings.TrimPrefix(path, from); path == "" {
				return "/"
			}
			return path
		}
	}
	return path
}

// cookie leads the places in Set-Cookie: a Domain that lies behind goes, so that
// the cookie is for the host that was asked (RFC 6265 §5.3), and the Path follows
// the rules.
func (m Map) cookie(value string) string {
	if !strings.Contains(value, ";") {
		return value
	}
	parts := strings.Split(value, ";")
	kept := parts[:1]
	for _, part := range parts[1:] {
		key, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "domain":
			if m.domainBehind(v) {
				continue
			}
		case "path":
			if path := strings.TrimSpace(v); m.Path(path) != path {
				part = " Path=" + m.Path(path)
			}
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, ";")
}

// domainBehind reports whether a cookie domain is that of something behind and
// not the site's: no client would take the cookie, but it would tell the name.
func (m Map) domainBehind(domain string) bool {
	host := place0(strings.Trim(domain, " \t.")).Host
	public := place0(m.Host).Host
	if host == "" || public == host || strings.HasSuffix(public, "."+host) {
		return false
	}
	if m.Behind(host) || Private("x."+host) {
		return true
	}
	for _, up := range m.Upstreams {
		if strings.HasSuffix(up.Host, "."+host) {
			return true
		}
	}
	return strings.HasSuffix(m.Answered.Host, "."+host)
}
