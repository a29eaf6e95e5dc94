package httpcache

import "strings"

// Entity tags (RFC 9110 §8.8.3).

// entityTag is the response's ETag, or "" if it has none that is valid. Two
// that differ are none.
func entityTag(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	tag := trimOWS(lines[0])
	for _, line := range lines[1:] {
		if trimOWS(line) != tag {
			return ""
		}
	}
	if parsed, rest := cutEntityTag(tag); parsed == "" || rest != "" {
		return ""
	}
	return tag
}

// cutEntityTag cuts an entity-tag from the front of s; tag is "" if there is none.
func cutEntityTag(s string) (tag, rest string) {
	start := 0
	if strings.HasPrefix(s, "W/") {
		start = 2
	}
	if len(s) <= start || s[start] != '"' {
		return "", s
	}
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:]
		case c <= ' ' || c == 0x7f:
			return "", s
		}
	}
	return "", s
}

func isWeak(tag string) bool { return strings.HasPrefix(tag, "W/") }

// weakMatch is the weak comparison of §8.8.3.2.
func weakMatch(a, b string) bool {
	return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

// strongMatch is the strong one: neither is weak.
func strongMatch(a, b string) bool { return a == b && !isWeak(a) }

// matchesAny reports a list of entity-tags, or "*", with one that matches tag.
// What is no entity-tag matches nothing.
func matchesAny(lines []string, tag string, match func(a, b string) bool) bool {
	for _, line := range lines {
		if trimOWS(line) == "*" {
			return true
		}
		for line != "" {
			if line[0] == ' ' || line[0] == '\t' || line[0] == ',' {
				line = line[1:]
				continue
			}
			one, rest := cutEntityTag(line)
			if one != "" && tag != "" && endsElement(rest) && match(one, tag) {
				return true
			}
			if one == "" {
				rest = skipElement(rest)
			}
			line = rest
		}
	}
	return false
}

func endsElement(rest string) bool {
	rest = trimLeftOWS(rest)
	return rest == "" || rest[0] == ','
}

// skipElement goes behind the next comma that is not in a quoted string.
func skipElement(s string) string {
	for s != "" && s[0] != ',' {
		if s[0] == '"' {
			_, s, _ = cutQuoted(s)
			continue
		}
		s = s[1:]
	}
	return s
}
