package httpcache

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dunglas/httpsfv"
)

// No-Vary-Search: which differences of URLs in their query do not matter to a
// response. Section signs are of draft-ietf-httpbis-no-vary-search, in the text of
// May 2026 (revision 05), sentence by sentence of which the tests are.
//
// That contradicts itself in one point: by §5.1, step 5, key-order without params
// and except is the default, but §1, §5.2 and §6.1 have examples of what it does
// alone. It is done here.
//
// Whatever is wrong with the field, or not understood, means that every
// difference matters (§5): that costs hits, nothing else.

// Variation is what a No-Vary-Search field says ("URL variation config", §4). Its
// zero value is the default: queries are compared as they are spelled.
type Variation struct {
	text string // of the same for the same Variation; "" for the default

	anyOrder bool     // the order of parameters with different names does not matter
	only     bool     // names are those that matter; else those that do not
	names    []string // decoded, sorted
}

// maxVariation bounds the names of one field, in bytes together; one with more
// counts as the default.
const maxVariation = 1 << 10

// ParseNoVarySearch parses the lines of the field (§5.1, §5.2).
func ParseNoVarySearch(lines []string) Variation {
	if len(lines) == 0 {
		return Variation{}
	}
	field, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return Variation{}
	}
	var v Variation
	if member, ok := field.Get("key-order"); ok {
		item, _ := member.(httpsfv.Item)
		if v.anyOrder, ok = item.Value.(bool); !ok {
			return Variation{}
		}
	}
	params, hasParams := field.Get("params")
	except, hasExcept := field.Get("except")
	ok := true
	switch {
	case hasParams && hasExcept:
		return Variation{}
	case hasParams:
		v.names, ok = parameterNames(params)
	case hasExcept:
		v.only = true
		v.names, ok = parameterNames(except)
	}
	if !ok {
		return Variation{}
	}
	return v.withText()
}

// parameterNames are those of an Inner List of Strings.
func parameterNames(member httpsfv.Member) (names []string, ok bool) {
	list, ok := member.(httpsfv.InnerList)
	if !ok {
		return nil, false
	}
	size := 0
	for _, item := range list.Items {
		name, ok := item.Value.(string)
		if size += len(name); !ok || size > maxVariation {
			return nil, false
		}
		names = append(names, decodeParameter(name)) // §5.3
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

func (v Variation) withText() Variation {
	if !v.anyOrder && !v.only && len(v.names) == 0 {
		return Variation{}
	}
	var text strings.Builder
	if v.anyOrder {
		text.WriteString("key-order ")
	}
	if v.only {
		text.WriteString("except")
	} else {
		text.WriteString("params")
	}
	for _, name := range v.names {
		text.WriteString(" " + url.QueryEscape(name))
	}
	v.text = text.String()
	return v
}

// IsDefault reports that every difference matters.
func (v Variation) IsDefault() bool { return v.text == "" }

// Equal reports that v and other say the same.
func (v Variation) Equal(other Variation) bool { return v.text == other.text }

// AppendQuery appends what of a query matters, in one spelling: two queries are
// equivalent (§6) if and only if the same is appended for both. v is not the
// default.
func (v Variation) AppendQuery(dst []byte, query string) []byte {
	params := v.parameters(query)
	if v.anyOrder {
		slices.SortStableFunc(params, func(a, b parameter) int { return strings.Compare(a.name, b.name) })
	}
	for i, p := range params {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(append(dst, url.QueryEscape(p.name)...), '=')
		dst = append(dst, url.QueryEscape(p.value)...)
	}
	return dst
}

// parameter is one name and value, decoded.
type parameter struct{ name, value string }

// parameters parses a query as application/x-www-form-urlencoded, which skips
// what is empty between two "&", and leaves out what does not matter.
func (v Variation) parameters(query string) (params []parameter) {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name = decodeParameter(name)
		if _, named := slices.BinarySearch(v.names, name); named == v.only {
			params = append(params, parameter{name, decodeParameter(value)})
		}
	}
	return params
}

// decodeParameter decodes a name or value: "+" is a space, a "%" that begins no
// escape is one, and what is not UTF-8 then becomes U+FFFD.
func decodeParameter(s string) string {
	if strings.IndexByte(s, '+') >= 0 {
		s = strings.ReplaceAll(s, "+", " ")
	}
	if strings.IndexByte(s, '%') >= 0 {
		s = percentDecode(s)
	}
	if !utf8.ValidString(s) {
		s = replaceInvalid(s)
	}
	return s
}

func percentDecode(s string) string {
	decoded := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if high, low := hexValue(s[i+1]), hexValue(s[i+2]); high >= 0 && low >= 0 {
				decoded = append(decoded, byte(high<<4|low))
				i += 2
				continue
			}
		}
		decoded = append(decoded, s[i])
	}
	return string(decoded)
}

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// replaceInvalid puts U+FFFD for each longest beginning of a character that is not
// completed, as the WHATWG's decoder does. Go's conversions do so for each byte.
func replaceInvalid(s string) string {
	var valid strings.Builder
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			size = begunCharacter(s)
		}
		valid.WriteRune(r)
		s = s[size:]
	}
	return valid.String()
}

// begunCharacter is how many bytes at the front of s, which holds no whole
// character there, could begin one (Unicode, table 3-7); 1 if none could.
func begunCharacter(s string) int {
	lowest, highest, follow := byte(0x80), byte(0xBF), 0
	switch c := s[0]; {
	case c >= 0xC2 && c <= 0xDF:
		follow = 1
	case c >= 0xE0 && c <= 0xEF:
		follow = 2
	case c >= 0xF0 && c <= 0xF4:
		follow = 3
	}
	switch s[0] {
	case 0xE0:
		lowest = 0xA0
	case 0xED:
		highest = 0x9F
	case 0xF0:
		lowest = 0x90
	case 0xF4:
		highest = 0x8F
	}
	n := 1
	for n <= follow && n < len(s) && s[n] >= lowest && s[n] <= highest {
		lowest, highest = 0x80, 0xBF
		n++
	}
	return n
}
