package rewrite

import (
	"regexp"
	"strings"
)

// Field leads the value of a response field, by what that field may hold.
func (m Map) Field(name, value string) string {
	switch name {
	case "Location", "Content-Location": // RFC 9110 §10.2.2, §8.7: a reference
		return m.URL(value)
	case "Link": // RFC 8288 §3: references in angle brackets
		return m.targets(value, linkTarget)
	case "Refresh": // HTML §7.5: a number, then url=
		return m.targets(value, refreshTarget)
	case "Destination", "Uri", "X-Redirect", "Hx-Redirect", "Hx-Location", "Hx-Push-Url", "Hx-Replace-Url", "Turbo-Location":
		return m.Text(m.URL(value))
	}
	return m.Text(value)
}

var (
	linkTarget    = regexp.MustCompile(`<[^<>]*>`)
	refreshTarget = regexp.MustCompile(`(?i)(?:;|,|\s|^)\s*url\s*=\s*(?:"[^"]*"?|'[^']*'?|[^"';,\s][^;]*)`)
)

// targets leads the references that an expression finds, and what is around them.
func (m Map) targets(value string, find *regexp.Regexp) string {
	return m.Text(find.ReplaceAllStringFunc(value, func(found string) string {
		start := strings.IndexAny(found, "<=") + 1
		for start < len(found) && strings.IndexByte("\"' \t", found[start]) >= 0 {
			start++
		}
		end := len(found)
		for end > start && strings.IndexByte("\"'> \t", found[end-1]) >= 0 {
			end--
		}
		return found[:start] + m.URL(found[start:end]) + found[end:]
	}))
}

// Text leads every absolute URL in a text, and every upstream that is written
// with its port: what a policy, a list of origins or a field of an application's
// own may hold.
func (m Map) Text(value string) string {
	if strings.Contains(value, "//") || strings.Contains(value, `\\`) {
		value = absolute.ReplaceAllStringFunc(value, m.URL)
	}
	if m.host == "" {
		return value
	}
	for host := range m.table.hosts {
		value = m.replaceHost(value, host)
	}
	if m.upName != "" {
		value = m.replaceHost(value, m.upName+":"+m.upPort)
	}
	return value
}

var absolute = regexp.MustCompile(`(?i)\b(?:https?|wss?):[/\\]{2}[^\s"'<>,;]+`)

// replaceHost replaces host:port where it stands by itself.
func (m Map) replaceHost(value, host string) string {
	for from := 0; ; {
		at := indexFold(value[from:], host)
		if at < 0 {
			return value
		}
		at += from
		end := at + len(host)
		if (at == 0 || !isHostChar(value[at-1])) && (end == len(value) || !isHostChar(value[end])) && host != strings.ToLower(m.name+":"+m.port) {
			value = value[:at] + m.host + value[end:]
			from = at + len(m.host)
		} else {
			from = end
		}
	}
}

// indexFold is [strings.Index] for a needle in lower case, in ASCII whatever the case.
func indexFold(s, needle string) int {
	if i := strings.Index(s, needle); i >= 0 {
		return i
	}
	if strings.IndexByte(s, ':') < 0 {
		return -1
	}
	for i := 0; i+len(needle) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(needle)], needle) {
			return i
		}
	}
	return -1
}

func isHostChar(c byte) bool {
	return c == '.' || c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
