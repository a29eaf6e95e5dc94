package canonical

import (
	"strings"
	"unicode/utf8"
)

// decode undoes the encoding once.
func decode(escaped string) (string, Defect) {
	if !strings.Contains(escaped, "%") {
		return escaped, None
	}
	decoded := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '%' {
			decoded = append(decoded, escaped[i])
			continue
		}
		c, ok := octet(escaped[i:])
		switch {
		case ok && c == '%' && hidden(escaped[i+3:]):
			return "", DoubleEncoding
		case ok:
			decoded = append(decoded, c)
			i += 2
		case i+1 < len(escaped) && escaped[i+1]|0x20 == 'u':
			return "", UnicodeEscape
		default:
			return "", Escape
		}
	}
	return string(decoded), None
}

// octet decodes the "%XX" that s begins with.
func octet(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	high, ok1 := digit(s[1])
	low, ok2 := digit(s[2])
	return high<<4 | low, ok1 && ok2
}

func digit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// hidden reports whether what follows an encoded percent sign would become
// something else if it were decoded again. A name may say "50%above" (AB is no
// character by itself), but not "50%2e"; nor may an overlong form hide there. The
// digits themselves may be encoded: %25%32%65.
func hidden(rest string) bool {
	var hex [3]byte
	hex[0] = '%'
	for i := 1; i < 3; i++ {
		if rest == "" {
			return false
		}
		c, n := rest[0], 1
		if d, ok := octet(rest); ok && c == '%' {
			c, n = d, 3
		}
		hex[i], rest = c, rest[n:]
		if i == 1 && c == '%' { // %25%25…: a percent sign that begins an escape of its own
			return false
		}
		if i == 1 && c|0x20 == 'u' { // %25u002e
			return len(rest) >= 4 && digits(rest[:4])
		}
	}
	c, ok := octet(string(hex[:]))
	return ok && (c < utf8.RuneSelf || c == 0xc0 || c == 0xc1 || c == 0xe0 || c == 0xf0 || c >= 0xf5)
}

func digits(s string) bool {
	for i := range len(s) {
		if _, ok := digit(s[i]); !ok {
			return false
		}
	}
	return true
}

// judge looks at a decoded path.
func judge(p string) Defect {
	for i := range len(p) {
		switch c := p[i]; {
		case c < ' ' || c == 0x7f:
			return Control
		case c == '\\':
			return Backslash
		}
	}
	switch {
	case !utf8.ValidString(p):
		return UTF8
	case dots(p):
		return Traversal
	case ascii(p):
		return None
	case control1(p):
		return Control
	case dots(folder.Replace(p)):
		return LookAlike
	}
	return None
}

func ascii(p string) bool {
	for i := range len(p) {
		if p[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// control1 finds the control characters above ASCII (U+0080 to U+009F).
func control1(p string) bool {
	return strings.ContainsFunc(p, func(r rune) bool { return r >= 0x80 && r < 0xa0 })
}

// dots finds a segment "." or "..", whatever parameters follow it, and with the
// spaces behind it that Windows does not see.
func dots(p string) bool {
	for segment := range strings.SplitSeq(p, "/") {
		name, _, _ := strings.Cut(segment, ";")
		if name = strings.TrimRight(name, " "); name == "." || name == ".." {
			return true
		}
	}
	return false
}

// folder writes in ASCII what Unicode's compatibility normalisation (NFKC) and
// the best-fit tables of Windows turn into dots, slashes and semicolons.
var folder = strings.NewReplacer(
	"\uff0e", ".", "\ufe52", ".", "\u2024", ".", "\u2025", "..", "\u2026", "...",
	"\uff0f", "/", "\u2044", "/", "\u2215", "/", "\u29f8", "/",
	"\uff3c", "/", "\ufe68", "/", "\u2216", "/", "\u29f5", "/", "\u29f9", "/",
	"\uff1b", ";", "\ufe54", ";", "\u037e", ";",
)

// merge makes one slash of several.
func merge(p string) string {
	if !strings.Contains(p, "//") {
		return p
	}
	merged := make([]byte, 0, len(p))
	for i := range len(p) {
		if p[i] != '/' || i == 0 || p[i-1] != '/' {
			merged = append(merged, p[i])
		}
	}
	return string(merged)
}

// bare takes the parameters off each segment.
func bare(p string) string {
	if !strings.Contains(p, ";") {
		return p
	}
	var b strings.Builder
	for i, segment := range strings.Split(p, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		name, _, _ := strings.Cut(segment, ";")
		b.WriteString(name)
	}
	return merge(b.String())
}
