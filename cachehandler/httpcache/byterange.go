package httpcache

import (
	"math"
	"net/http"
	"slices"
	"strings"
)

// Byte ranges (RFC 9110 §14). A Range field that is not understood, has
// another unit, or would cost more than it saves is ignored, as §14.2 permits:
// the answer is the whole.

// Range is one satisfiable byte range: Start inclusive, Length bytes.
type Range struct{ Start, Length int64 }

func (r Range) end() int64 { return r.Start + r.Length }

const (
	// maxRanges is how many ranges one answer has at most.
	maxRanges = 16
	// maxOverlaps is how many of them may overlap (§14.2, §17.15).
	maxOverlaps = 2
)

// Ranges parses the request's Range field against a complete length, honouring
// If-Range (RFC 9110 §13.1.5, §14.2). It is for GET only.
//
// None and 200: no (or an ignorable) Range field, send all. 206: the ranges,
// in the client's order, those that touch or overlap made one. 416: none
// satisfiable.
func Ranges(s *Stored, request http.Header, length int64) (ranges []Range, status int) {
	specs, ok := s.byteRanges(request)
	if !ok || !s.RangeApplies(request) {
		return nil, http.StatusOK
	}
	n := 0
	for spec := range listElements(specs) {
		first, last, ok := parseRange(spec)
		if n++; !ok || n > 2*maxRanges {
			return nil, http.StatusOK
		}
		r, satisfiable := resolve(first, last, length)
		if satisfiable && r.Length == 0 {
			return nil, http.StatusOK // a suffix of nothing: no part to name
		}
		if satisfiable {
			ranges = append(ranges, r)
		}
	}
	switch {
	case n == 0:
		return nil, http.StatusOK
	case len(ranges) == 0:
		return nil, http.StatusRequestedRangeNotSatisfiable
	}
	ranges, ok = coalesce(ranges)
	if !ok || len(ranges) > maxRanges {
		return nil, http.StatusOK
	}
	return ranges, http.StatusPartialContent
}

// FirstByte is the first byte a single-range request wants, for objects whose
// length is not known yet: start ≥ 0 of "bytes=start-[end]" with end or -1. ok
// is false for suffix, multiple and malformed ranges and when If-Range does
// not match.
func FirstByte(s *Stored, request http.Header) (start, end int64, ok bool) {
	specs, ok := s.byteRanges(request)
	if !ok {
		return 0, 0, false
	}
	start, end, ok = parseRange(trimOWS(specs))
	if !ok || start < 0 || !s.RangeApplies(request) {
		return 0, 0, false
	}
	return start, end, true
}

// byteRanges is [byteRanges] of a request for s. Only answers with 200 have
// ranges, and their parts.
func (s *Stored) byteRanges(request http.Header) (string, bool) {
	if s.Status != http.StatusOK && s.Part == nil {
		return "", false
	}
	return byteRanges(request)
}

// byteRanges is the list of a Range field in bytes.
func byteRanges(request http.Header) (string, bool) {
	lines := request["Range"]
	if len(lines) != 1 {
		return "", false
	}
	unit, specs, ok := strings.Cut(trimOWS(lines[0]), "=")
	return specs, ok && strings.EqualFold(unit, "bytes") && trimOWS(specs) != ""
}

// parseRange parses int-range (last is -1 if it is open) and suffix-range
// (first is -1 and last the length of the suffix).
func parseRange(spec string) (first, last int64, ok bool) {
	from, to, ok := strings.Cut(spec, "-")
	if !ok || from == "" && to == "" {
		return 0, 0, false
	}
	first, last = -1, -1
	if from != "" {
		if first = position(from); first < 0 {
			return 0, 0, false
		}
	}
	if to != "" {
		if last = position(to); last < 0 {
			return 0, 0, false
		}
	}
	return first, last, first < 0 || last < 0 || first <= last
}

// position is the value of a string of digits, however long, or -1.
func position(s string) int64 {
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		if n > (math.MaxInt64-9)/10 {
			n = (math.MaxInt64 - 9) / 10 // more than any length
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n
}

// resolve is §14.1.2 against a length.
func resolve(first, last, length int64) (r Range, satisfiable bool) {
	switch {
	case first < 0: // the last bytes; all if there are fewer
		n := min(last, length)
		return Range{Start: length - n, Length: n}, last > 0
	case first >= length:
		return Range{}, false
	case last < 0 || last >= length:
		return Range{Start: first, Length: length - first}, true
	}
	return Range{Start: first, Length: last - first + 1}, true
}

// coalesce makes one of ranges that touch or overlap, in the place of the
// first of them. It refuses when too many overlap: such requests are attacks.
func coalesce(ranges []Range) (merged []Range, ok bool) {
	if len(ranges) == 1 {
		return ranges, true
	}
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b Range) int { return compareInt(a.Start, b.Start) })
	overlaps := 0
	joined := sorted[:1]
	for _, r := range sorted[1:] {
		before := &joined[len(joined)-1]
		if r.Start < before.end() {
			if overlaps++; overlaps > maxOverlaps {
				return nil, false
			}
		}
		if r.Start > before.end() {
			joined = append(joined, r)
			continue
		}
		before.Length = max(before.end(), r.end()) - before.Start
	}
	for _, r := range ranges {
		i := slices.IndexFunc(joined, func(j Range) bool { return j.Start <= r.Start && r.Start < j.end() })
		if !slices.Contains(merged, joined[i]) {
			merged = append(merged, joined[i])
		}
	}
	return merged, true
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
