package rewrite

import (
	"net/netip"
	"net/url"
	"strings"
)

// Field rewrites a value of a response field by the grammar of that field; one that
// has none here is taken for prose.
func (m Map) Field(name, value string) string {
	switch name {
	case "Location", "Content-Location":
		return m.URL(value)
	case "Link":
		return m.link(value)
	case "Refresh":
		return m.refresh(value)
	case "Set-Cookie":
		return m.cookie(value)
	case "Access-Control-Allow-Origin":
		if value == m.Origin {
			return value
		}
		return m.words(value, " ,")
	case "Timing-Allow-Origin", "X-Frame-Options":
		return m.words(value, " ,")
	case "Content-Security-Policy", "Content-Security-Policy-Report-Only":
		return m.words(value, " ;,")
	case "Www-Authenticate":
		if len(value) >= 6 && strings.EqualFold(value[:6], "digest") {
			return value // RFC 7616 §3.4.2: the realm is part of what the client hashes
		}
		return m.link(value)
	case "Grpc-Message":
		return m.grpcMessage(value)
	}
	return m.prose(value)
}

// placeless are fields whose grammar has room for no place, or for none that may
// be changed.
var placeless = map[string]bool{
	"Accept-Ranges": true, "Access-Control-Allow-Credentials": true, "Access-Control-Allow-Headers": true,
	"Access-Control-Allow-Methods": true, "Access-Control-Expose-Headers": true, "Access-Control-Max-Age": true, "Age": true,
	"Allow": true, "Alt-Svc": true, "Cache-Control": true, "Cache-Status": true, "Connection": true, "Content-Digest": true,
	"Content-Disposition": true, "Content-Encoding": true, "Content-Language": true, "Content-Length": true,
	"Content-Range": true, "Content-Type": true, "Date": true, "Etag": true, "Expires": true, "Grpc-Status": true,
	"Grpc-Status-Details-Bin": true, "Last-Modified": true, "Repr-Digest": true, "Retry-After": true, "Sec-Websocket-Accept": true,
	"Sec-WebSocket-Accept": true, "Sec-Websocket-Protocol": true, "Sec-Websocket-Extensions": true,
	"Strict-Transport-Security": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Vary": true,
	"X-Content-Type-Options": true,
}

// MayHold reports whether a value of a field may name a place: none does without
// a dot or a colon.
func MayHold(name, value string) bool {
	return strings.ContainsAny(value, ".:") && !placeless[name]
}

// prose leads URLs and hosts in a field of which nothing else is known.
func (m Map) prose(value string) string {
	return mapWords(value, " \t,;\"'<>()", func(word string) string {
		i := strings.Index(word, "//")
		if i < 0 {
			return m.Text(word)
		}
		if i > 0 && word[i-1] == ':' {
			for i--; i > 0 && isScheme(word[i-1:i]); i-- {
			}
		}
		return word[:i] + m.URL(word[i:])
	})
}

// link rewrites the targets of Link (RFC 8288 §3), which stand in angle brackets
// outside of quotes, and the URLs in its parameters; those of a challenge have the
// same form (RFC 9110 §11.2).
func (m Map) link(value string) string {
	var b strings.Builder
	for value != "" {
		i := strings.IndexAny(value, `<"`)
		if i < 0 {
			break
		}
		closing := byte('>')
		if value[i] == '"' {
			closing = '"'
		}
		end := strings.IndexByte(value[i+1:], closing)
		if end < 0 {
			break
		}
		inside := value[i+1 : i+1+end]
		if closing == '>' || parse(inside).authority != "" {
			inside = m.URL(inside)
		} else {
			inside = m.Text(inside)
		}
		b.WriteString(m.Text(value[:i]) + value[i:i+1] + inside)
		b.WriteByte(closing)
		value = value[i+end+2:]
	}
	b.WriteString(m.Text(value))
	return b.String()
}

// refresh rewrites the URL of Refresh (HTML, shared declarative refresh steps).
func (m Map) refresh(value string) string {
	i := strings.IndexAny(value, ";,")
	if i < 0 {
		return value
	}
	before, target := value[:i+1], value[i+1:]
	trimmed := strings.TrimLeft(target, " \t")
	before += target[:len(target)-len(trimmed)]
	if len(trimmed) > 3 && strings.EqualFold(trimmed[:3], "url") {
		if after := strings.TrimLeft(trimmed[3:], " \t"); strings.HasPrefix(after, "=") {
			after = strings.TrimLeft(after[1:], " \t")
			before += trimmed[:len(trimmed)-len(after)]
			trimmed = after
		}
	}
	if trimmed == "" {
		return value
	}
	if q := trimmed[0]; q == '"' || q == '\'' {
		inside, rest, _ := strings.Cut(trimmed[1:], string(q))
		return before + string(q) + m.URL(inside) + string(q) + rest
	}
	return before + m.URL(trimmed)
}

// words rewrites each URL and each host of a list. Of bare words only those count
// that can be no keyword: addresses, names with a dot or a port.
func (m Map) words(value, separators string) string {
	return mapWords(value, separators, func(word string) string {
		if strings.Contains(word, "//") {
			if r := parse(word); !m.rule(&r) && m.stands(r) != behind {
				return word
			}
			return m.URL(word)
		}
		host, path, _ := strings.Cut(word, "/")
		bare := strings.TrimPrefix(host, "*.")
		p := place0(bare)
		if !strings.ContainsAny(bare, ".:[") || strings.HasSuffix(bare, ":") ||
			m.stands(reference{authority: bare}) != behind && !m.Behind(p.Host) {
			return word
		}
		if path != "" {
			path = "/" + path
		}
		return m.Host + path
	})
}

// Text leads hosts in prose: private addresses, names under private domains, and
// upstreams' names that nobody takes for a word, since they have a dot or a port.
func (m Map) Text(s string) string {
	return mapWords(s, " \t,;\"'()<>=/\\{}|!?", func(word string) string {
		trimmed := strings.TrimRight(word, ".:")
		p := place0(trimmed)
		if p.Host == place0(m.Host).Host {
			if p.Port == "" || !m.upstreamPort(p.Port) {
				return word
			}
		} else if _, err := netip.ParseAddr(p.Host); err == nil {
			if !m.Behind(p.Host) {
				return word
			}
		} else if !strings.ContainsAny(trimmed, ".:") || !m.upstream(p.Host) && !privateDomain(p.Host) {
			return word
		}
		return m.Host + word[len(trimmed):]
	})
}

// grpcMessage is text in percent-encoding (gRPC over HTTP/2, Responses).
func (m Map) grpcMessage(value string) string {
	plain, err := url.PathUnescape(value)
	if err != nil {
		plain = value
	}
	if led := m.Text(plain); led != plain {
		return strings.ReplaceAll(url.PathEscape(led), "%20", " ")
	}
	return value
}

func mapWords(s, separators string, f func(string) string) string {
	var b strings.Builder
	for {
		i := strings.IndexAny(s, separators)
		if i < 0 {
			break
		}
		if i > 0 {
			b.WriteString(f(s[:i]))
		}
		b.WriteByte(s[i])
		s = s[i+1:]
	}
	if s != "" {
		s = f(s)
	}
	if b.Len() == 0 {
		return s
	}
	b.WriteString(s)
	return b.String()
}
