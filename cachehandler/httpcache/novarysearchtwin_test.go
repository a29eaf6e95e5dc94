package httpcache

import (
	"sort"
	"strings"

	"github.com/dunglas/httpsfv"
)

// The slow twin of No-Vary-Search: the algorithms of the draft (§5, §6) and of
// the WHATWG's URL and Encoding standards as they are written there, on the field
// and two queries, with nothing canonical in between.

type twinConfig struct {
	noVary         []string
	noVaryWildcard bool
	vary           []string
	varyWildcard   bool
	varyOnKeyOrder bool
}

var twinDefault = twinConfig{varyWildcard: true, varyOnKeyOrder: true}

func twinParse(field string) twinConfig {
	value, err := httpsfv.UnmarshalDictionary([]string{field})
	if err != nil {
		return twinDefault
	}
	result := twinConfig{varyOnKeyOrder: true}
	if m, ok := value.Get("key-order"); ok {
		item, isItem := m.(httpsfv.Item)
		if !isItem {
			return twinDefault
		}
		b, isBool := item.Value.(bool)
		if !isBool {
			return twinDefault
		}
		result.varyOnKeyOrder = !b
	}
	params, hasParams := value.Get("params")
	except, hasExcept := value.Get("except")
	var ok bool
	switch {
	case hasParams && hasExcept:
		return twinDefault
	case !hasParams && !hasExcept:
		result.varyWildcard = true
		return result
	case hasParams:
		result.varyWildcard = true
		result.noVary, ok = twinKeys(params)
	default:
		result.noVaryWildcard = true
		result.vary, ok = twinKeys(except)
	}
	if !ok {
		return twinDefault
	}
	return result
}

func twinKeys(m httpsfv.Member) (keys []string, ok bool) {
	list, ok := m.(httpsfv.InnerList)
	if !ok {
		return nil, false
	}
	total := 0
	for _, item := range list.Items {
		s, ok := item.Value.(string)
		if !ok {
			return nil, false
		}
		total += len(s)
		keys = append(keys, twinDecode(s))
	}
	return keys, total <= maxVariation // the one bound that is ours
}

func twinEquivalent(field, queryA, queryB string) bool {
	c := twinParse(field)
	if len(c.noVary) == 0 && !c.noVaryWildcard && c.varyOnKeyOrder {
		return queryA == queryB
	}
	a, b := c.filter(twinForm(queryA)), c.filter(twinForm(queryB))
	if !c.varyOnKeyOrder {
		sort.SliceStable(a, func(i, j int) bool { return a[i][0] < a[j][0] })
		sort.SliceStable(b, func(i, j int) bool { return b[i][0] < b[j][0] })
	}
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (c *twinConfig) filter(pairs [][2]string) (kept [][2]string) {
	in := func(list []string, s string) bool {
		for _, l := range list {
			if l == s {
				return true
			}
		}
		return false
	}
	for _, p := range pairs {
		if !c.noVaryWildcard && in(c.noVary, p[0]) || !c.varyWildcard && !in(c.vary, p[0]) {
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

// twinForm is the application/x-www-form-urlencoded parser.
func twinForm(input string) (output [][2]string) {
	for _, sequence := range strings.Split(input, "&") {
		if sequence == "" {
			continue
		}
		name, value := sequence, ""
		if i := strings.Index(sequence, "="); i >= 0 {
			name, value = sequence[:i], sequence[i+1:]
		}
		output = append(output, [2]string{twinDecode(name), twinDecode(value)})
	}
	return output
}

// twinDecode is percent-decoding and then UTF-8 decode without BOM, of a sequence
// in which each 0x2B becomes 0x20 first.
func twinDecode(s string) string {
	input := []byte(s)
	for i, b := range input {
		if b == 0x2B {
			input[i] = 0x20
		}
	}
	digit := func(b byte) int { return strings.Index("0123456789abcdef", strings.ToLower(string(b))) }
	var output []byte
	for i := 0; i < len(input); i++ {
		if input[i] != '%' || i+2 >= len(input) || !twinHex(input[i+1]) || !twinHex(input[i+2]) {
			output = append(output, input[i])
			continue
		}
		output = append(output, byte(digit(input[i+1])*16+digit(input[i+2])))
		i += 2
	}
	return twinUTF8(output)
}

func twinHex(b byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", b) >= 0 }

// twinUTF8 is the UTF-8 decoder of the Encoding standard, in mode "replacement".
func twinUTF8(input []byte) string {
	var out strings.Builder
	codePoint, seen, needed := rune(0), 0, 0
	lower, upper := byte(0x80), byte(0xBF)
	for i := 0; i < len(input); i++ {
		b := input[i]
		if needed == 0 {
			switch {
			case b <= 0x7F:
				out.WriteByte(b)
			case b >= 0xC2 && b <= 0xDF:
				needed, codePoint = 1, rune(b&0x1F)
			case b >= 0xE0 && b <= 0xEF:
				if b == 0xE0 {
					lower = 0xA0
				}
				if b == 0xED {
					upper = 0x9F
				}
				needed, codePoint = 2, rune(b&0xF)
			case b >= 0xF0 && b <= 0xF4:
				if b == 0xF0 {
					lower = 0x90
				}
				if b == 0xF4 {
					upper = 0x8F
				}
				needed, codePoint = 3, rune(b&0x7)
			default:
				out.WriteRune(0xFFFD)
			}
			continue
		}
		if b < lower || b > upper {
			codePoint, needed, seen = 0, 0, 0
			lower, upper = 0x80, 0xBF
			i-- // restore byte
			out.WriteRune(0xFFFD)
			continue
		}
		lower, upper = 0x80, 0xBF
		codePoint = codePoint<<6 | rune(b&0x3F)
		if seen++; seen == needed {
			out.WriteRune(codePoint)
			codePoint, needed, seen = 0, 0, 0
		}
	}
	if needed != 0 {
		out.WriteRune(0xFFFD)
	}
	return out.String()
}
