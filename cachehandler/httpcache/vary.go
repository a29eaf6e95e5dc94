package httpcache

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// Vary (RFC 9111 §4.1): which of the responses under one key a request selects.
//
// The request's values of the fields that a response varies on are written
// into one string, the variant. Two requests have the same variant if and only
// if each field is absent from both or has the same normalised value in both:
// lines are combined, whitespace around commas is dropped, and the fields in
// Policy.VaryNormalise are compared by their meaning (see accept.go).

// maxVary bounds the number of fields a response may vary on; more is as good
// as "*".
const maxVary = 32

// parseVary returns the names, canonical, sorted and without those to ignore.
// ok is false for "*" (in any place), for what is no name, and for too many.
func parseVary(lines, ignore []string) (names []string, ok bool) {
	for _, line := range lines {
		for element := range listElements(line) {
			if element == "*" || !isToken(element) {
				return nil, false
			}
			if !containsName(ignore, element) {
				names = append(names, textproto.CanonicalMIMEHeaderKey(element))
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names, len(names) <= maxVary
}

// A variant is, for each field in turn, one of
const (
	variantAbsent     = '-' // and nothing else
	variantPlain      = '=' // length, ':', value
	variantNormalised = '~' // length, ':', normal form
)

// Variant is the secondary key of a request under the field names of Vary:
// two requests with equal variants select the same stored response (§4.1).
// Requests with different variants may still select the same one by the
// language of the response, or by its coding: ask [Policy.Selects] as well.
func (p *Policy) Variant(vary []string, request http.Header) string {
	if len(vary) == 0 {
		return ""
	}
	var buf [256]byte
	variant := buf[:0]
	for _, name := range vary {
		variant = p.appendField(variant, name, request[name])
	}
	return string(variant)
}

// Selects reports whether a request with this header selects s by its Vary.
// It allocates nothing unless values are very long.
func (p *Policy) Selects(s *Stored, request http.Header) bool {
	if len(s.Vary) == 0 {
		return true
	}
	var buf [256]byte
	stored := s.Variant
	for _, name := range s.Vary {
		field, rest := cutVariant(stored)
		stored = rest
		if !p.selectsBy(s, name, field, p.appendField(buf[:0], name, request[name]), request) {
			return false
		}
	}
	return true
}

// selectsBy is Selects for one field: the part of the stored variant and that of
// the request's.
func (p *Policy) selectsBy(s *Stored, name, stored string, wanted []byte, request http.Header) bool {
	if string(wanted) == stored {
		return true
	}
	return stored != "" && stored[0] == variantNormalised && p.prefersLanguage(name, request, s) ||
		p.takesCoding(name, request, s)
}

// VaryField is how one field that a stored response varies on compares with a
// request's. The values are normal forms.
type VaryField struct {
	Name            string
	Stored, Request string
	StoredHas       bool // the field was there
	RequestHas      bool
	Selects         bool
}

// CompareVary is Selects field by field, for explanations.
func (p *Policy) CompareVary(s *Stored, request http.Header) []VaryField {
	var fields []VaryField
	stored := s.Variant
	for _, name := range s.Vary {
		field, rest := cutVariant(stored)
		stored = rest
		wanted := p.appendField(nil, name, request[name])
		v := VaryField{Name: name, Selects: p.selectsBy(s, name, field, wanted, request)}
		v.Stored, v.StoredHas = variantValue(field)
		v.Request, v.RequestHas = variantValue(string(wanted))
		fields = append(fields, v)
	}
	return fields
}

// variantValue is the value in one field of a variant.
func variantValue(field string) (value string, there bool) {
	if field == "" || field[0] == variantAbsent {
		return "", false
	}
	_, value, _ = strings.Cut(field, ":")
	return value, true
}

// cutVariant cuts one field from the front of a variant.
func cutVariant(variant string) (field, rest string) {
	if variant == "" || variant[0] == variantAbsent {
		n := min(1, len(variant))
		return variant[:n], variant[n:]
	}
	digits, _, _ := strings.Cut(variant[1:], ":")
	length := number(digits)
	end := 1 + len(digits) + 1 + length
	if digits == "" || length < 0 || end > len(variant) {
		return variant, ""
	}
	return variant[:end], variant[end:]
}

func (p *Policy) appendField(dst []byte, name string, lines []string) []byte {
	if len(lines) == 0 {
		return append(dst, variantAbsent)
	}
	var buf [256]byte
	value, kind := buf[:0], byte(variantPlain)
	if containsName(p.VaryNormalise, name) {
		if normal, ok := appendNormalised(value, name, lines); ok {
			value, kind = normal, variantNormalised
		}
	}
	if kind == variantPlain {
		value = appendCombined(value, lines)
	}
	dst = append(dst, kind)
	dst = strconv.AppendInt(dst, int64(len(value)), 10)
	dst = append(dst, ':')
	return append(dst, value...)
}

// appendCombined joins field lines and drops whitespace around commas, at the
// beginning and at the end, but not inside quoted strings (RFC 9110 §5.6.1).
func appendCombined(dst []byte, lines []string) []byte {
	start := len(dst)
	for i, line := range lines {
		if i > 0 {
			dst = append(trimRightOWS(dst, start), ',')
		}
		for line != "" {
			switch c := line[0]; c {
			case ' ', '\t':
				if len(dst) > start && dst[len(dst)-1] != ',' {
					dst = append(dst, c)
				}
			case ',':
				dst = append(trimRightOWS(dst, start), ',')
			case '"':
				_, rest, _ := cutQuoted(line)
				dst = append(dst, line[:len(line)-len(rest)]...)
				line = rest
				continue
			default:
				dst = append(dst, c)
			}
			line = line[1:]
		}
	}
	return trimRightOWS(dst, start)
}

func trimRightOWS(b []byte, start int) []byte {
	for len(b) > start && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
