package httpcache

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Partial content (RFC 9111 §3.3, §3.4): parts that are stored, what they
// answer, what is missing of what is asked for, and what may be put together.
//
// A part is stored as a response of its own, with its own freshness. It answers
// only what lies wholly in it. Two are put together only if both have the same
// strong validator (RFC 9110 §15.3.7.3): without one, nobody can tell whether
// they are of the same representation.

// Part is which bytes of a representation a stored 206 has.
type Part struct {
	Range
	Complete int64 // length of the representation; -1 is not known
	// Said is the Content-Range with which it came, if that said something
	// else (receivedSuffix). Whoever the response was for gets it as it was.
	Said string
}

func (p Part) isWhole() bool { return p.Start == 0 && p.Length == p.Complete }

func (p Part) covers(r Range) bool { return p.Start <= r.Start && r.end() <= p.end() }

// join returns the bytes of both, if they touch or overlap and can be of one
// representation.
func (p Part) join(q Part) (Part, bool) {
	if p.Complete >= 0 && q.Complete >= 0 && p.Complete != q.Complete || p.Start > q.end() || q.Start > p.end() {
		return Part{}, false
	}
	start := min(p.Start, q.Start)
	joined := Part{Range{start, max(p.end(), q.end()) - start}, max(p.Complete, q.Complete), ""}
	return joined, joined.Complete < 0 || joined.end() <= joined.Complete
}

// parseContentRange is RFC 9110 §14.4 for a single part in bytes.
func parseContentRange(lines []string) (Part, bool) {
	if len(lines) != 1 {
		return Part{}, false
	}
	unit, value, _ := strings.Cut(trimOWS(lines[0]), " ")
	span, complete, ok := strings.Cut(value, "/")
	from, to, closed := strings.Cut(span, "-")
	first, last := parseUnix(from), parseUnix(to)
	if !ok || !closed || !strings.EqualFold(unit, "bytes") || first < 0 || last < first {
		return Part{}, false
	}
	p := Part{Range{first, last - first + 1}, -1, ""}
	if complete == "*" {
		return p, true
	}
	p.Complete = parseUnix(complete)
	return p, p.Complete > last
}

// receivedPart is the part that a 206 says it is. The two fields that say how
// long it is have to agree, and to be there before a byte is: what contradicts
// itself is not to be trusted with positions.
func receivedPart(x *Exchange) (Part, bool) {
	p, ok := parseContentRange(x.Header["Content-Range"])
	length := x.Header["Content-Length"]
	return p, ok && len(length) == 1 && parseUnix(trimOWS(length[0])) == p.Length
}

// receivedSuffix is the part of a 206 that brings the n last bytes, as it was
// asked to, under a Content-Range that counts more of them. The content is as
// long as both ends of the exchange say, so the end of the range is what is
// wrong: often one beyond the last byte, by an origin that takes last-pos for the
// length. RFC 9110 §2.4 permits to recover from that: the part begins where it
// says, and the representation ends with it. It is not put together with parts
// that say otherwise, since those have another complete length.
func receivedSuffix(x *Exchange) (Part, bool) {
	p, ok := parseContentRange(x.Header["Content-Range"])
	first, n, suffix := singleRange(x.RequestHeader)
	length := x.Header["Content-Length"]
	if !ok || !suffix || first >= 0 || n >= p.Length || p.end() != p.Complete ||
		len(length) != 1 || parseUnix(trimOWS(length[0])) != n {
		return Part{}, false
	}
	return Part{Range{p.Start, n}, p.Start + n, trimOWS(x.Header["Content-Range"][0])}, n > 0
}

// byPart: a 206 is stored as if it were an incomplete 200 (§3.3), and as a 200
// if nothing is missing.
func (r *response) byPart() Reason {
	if r.part != nil {
		return None // stored already
	}
	if !hasLines(r.RequestHeader, "Range") {
		return PartialContent
	}
	part, ok := receivedPart(r.Exchange)
	if !ok {
		part, ok = receivedSuffix(r.Exchange)
	}
	if !ok {
		return PartialContent
	}
	r.setPart(part)
	return None
}

func (r *response) setPart(p Part) {
	x := *r.Exchange
	x.Header = maps.Clone(x.Header)
	delete(x.Header, "Content-Range") // both are made anew for every answer
	delete(x.Header, "Content-Length")
	if p.isWhole() {
		x.Status = http.StatusOK
		x.Header["Content-Length"] = []string{strconv.FormatInt(p.Complete, 10)}
	} else {
		r.part = &p
	}
	r.Exchange = &x
}

// clockDoubt is how much older than its response a Last-Modified has to be to
// be a strong validator of a part that is put together with others (RFC 9110
// §8.8.2.2: enough for the clock not to matter).
const clockDoubt = time.Minute

// StrongValidator is the value with which If-Range may ask for the rest of s
// (RFC 9110 §13.1.5), or "".
func (s *Stored) StrongValidator() string {
	return strongValidator(s.ETag, s.Fields.Get("Last-Modified"), s.LastModified, s.Date)
}

func strongValidator(tag, field string, modified, date time.Time) string {
	switch {
	case tag != "" && isWeak(tag):
		return ""
	case tag != "":
		return tag
	case modified.IsZero() || date.Before(modified.Add(clockDoubt)):
		return ""
	}
	return trimOWS(field)
}

// SingleRange is the Range field of a request that asks for one byte range, in
// its canonical spelling. ok is false for any other.
func SingleRange(request http.Header) (field string, ok bool) {
	first, last, ok := singleRange(request)
	switch {
	case !ok || first < 0 && last == 0:
		return "", false
	case first < 0:
		return "bytes=-" + strconv.FormatInt(last, 10), true
	}
	return rangeField(first, last), true
}

// RangeIsAll reports a request for a range that is all of a content of that length, as
// players ask for.
func RangeIsAll(request http.Header, length int64) bool {
	first, last, ok := singleRange(request)
	switch {
	case !ok || length <= 0:
		return false
	case first < 0:
		return last >= length
	}
	return first == 0 && (last < 0 || last >= length-1)
}

// rangeField is a Range field; last < 0 leaves the end open.
func rangeField(first, last int64) string {
	field := "bytes=" + strconv.FormatInt(first, 10) + "-"
	if last >= 0 {
		field += strconv.FormatInt(last, 10)
	}
	return field
}

func singleRange(request http.Header) (first, last int64, ok bool) {
	specs, ok := byteRanges(request)
	if !ok {
		return 0, 0, false
	}
	return parseRange(trimOWS(specs))
}

// PartRanges is [Ranges] for a stored part: the ranges that a request asks for,
// if it has all of them. ok is false if it has not, or if the request is for
// the whole.
func PartRanges(s *Stored, request http.Header) (ranges []Range, ok bool) {
	length := s.Part.Complete
	if length < 0 {
		if length = s.Part.end(); !endsBefore(request, length) {
			return nil, false
		}
	}
	ranges, status := Ranges(s, request, length)
	if status != http.StatusPartialContent {
		return nil, false
	}
	for _, r := range ranges {
		if !s.Part.covers(r) {
			return nil, false
		}
	}
	return ranges, true
}

// endsBefore reports that every range has an end, before length.
func endsBefore(request http.Header, length int64) bool {
	specs, ok := byteRanges(request)
	for spec := range listElements(specs) {
		first, last, valid := parseRange(spec)
		ok = ok && valid && first >= 0 && last >= 0 && last < length
	}
	return ok
}

// Rest is what a stored part lacks of what a request asks for.
type Rest struct {
	Field  string // of Range, to ask for it
	Length int64  // -1 is not known
}

// Rest returns it where it is worth asking for: one stretch of bytes at one end
// of s, which has the others and may be completed. It is never more than the
// request asks for.
func (s *Stored) Rest(request http.Header) (Rest, bool) {
	from, to, ok := s.wanted(request)
	if !ok || !s.completable(request) {
		return Rest{}, false
	}
	p := s.Part
	switch {
	case p.Start <= from && from < p.end() && to < 0:
		return Rest{rangeField(p.end(), -1), -1}, true
	case p.Start <= from && from < p.end() && to == p.Complete && to > p.end():
		return Rest{rangeField(p.end(), -1), to - p.end()}, true
	case p.Start <= from && from < p.end() && to > p.end():
		return Rest{rangeField(p.end(), to-1), to - p.end()}, true
	case from < p.Start && p.Start < to && to <= p.end():
		return Rest{rangeField(from, p.Start-1), p.Start - from}, true
	}
	return Rest{}, false
}

// completable reports a part of which the rest may be asked for: one with a strong
// validator to ask with (§3.4), or, for a client that wants the whole, one that is
// its beginning and has no validator at all. That has one answer of use, the
// whole: [Extend] refuses a part, whereupon s is dropped, so it is asked once.
func (s *Stored) completable(request http.Header) bool {
	if s.StrongValidator() != "" {
		return true
	}
	return s.ETag == "" && s.LastModified.IsZero() && s.Part.Start == 0 && !hasLines(request, "Range")
}

// wanted are the bytes [from, to) of the representation of s that a request
// asks for; to < 0 is its end, where that is not known.
func (s *Stored) wanted(request http.Header) (from, to int64, ok bool) {
	if !hasLines(request, "Range") {
		return 0, s.Part.Complete, true
	}
	first, last, ok := singleRange(request)
	switch {
	case !ok || !s.RangeApplies(request):
		return 0, 0, false
	case s.Part.Complete >= 0:
		r, satisfiable := resolve(first, last, s.Part.Complete)
		return r.Start, r.end(), satisfiable && r.Length > 0
	case first < 0:
		return 0, 0, false
	case last < 0:
		return first, -1, true
	}
	return first, last + 1, true
}

// Extend returns what the 206 that a [Rest] was answered with (the Exchange x)
// makes of the part s: a longer part, or the whole as a 200 (§3.4: with the
// newer fields in place of the older). got is the part that came.
func Extend(s *Stored, x *Exchange, p *Policy) (extended *Stored, got Part, why Reason) {
	got, ok := receivedPart(x)
	joined, touches := s.Part.join(got)
	if !ok || !touches {
		return nil, got, PartialContent
	}
	own := parseResponse(x, p)
	validator := strongValidator(own.etag, firstLine(x.Header["Last-Modified"]), own.lastModified, own.date)
	coding := firstLine(x.Header["Content-Encoding"])
	if validator == "" || validator != s.StrongValidator() || coding != "" && coding != s.Fields.Get("Content-Encoding") {
		return nil, got, OtherValidator
	}
	merged := *x
	merged.Method, merged.Status, merged.Header = http.MethodGet, http.StatusPartialContent, updatedFields(s, x.Header)
	dropOfContent(merged.Header)
	r := parseResponse(&merged, p)
	r.setPart(joined)
	for _, objection := range storeConditions {
		if why := objection(r); why != None {
			return nil, got, why
		}
	}
	extended = r.freeze()
	if slices.Equal(extended.Vary, s.Vary) {
		extended.Variant = s.Variant // it stays the response it was
	}
	return extended, got, Storable
}

// Join returns the head of two stored parts put together, with the fields of
// the newer one in place of the older one's (§3.4). ok is false if they may not
// be, or have bytes missing between them.
func Join(a, b *Stored) (joined *Stored, ok bool) {
	validator := a.StrongValidator()
	if validator == "" || validator != b.StrongValidator() || !sameVariant(a, b) ||
		a.Fields.Get("Content-Encoding") != b.Fields.Get("Content-Encoding") {
		return nil, false
	}
	part, ok := a.Part.join(*b.Part)
	if !ok {
		return nil, false
	}
	newer, older := a, b
	if older.ResponseTime.After(newer.ResponseTime) {
		newer, older = older, newer
	}
	fields := older.Fields.Header()
	maps.Copy(fields, newer.Fields.Header())
	dropOfContent(fields)
	head := *newer
	head.Part = &part
	if part.isWhole() {
		head.Status, head.Part = http.StatusOK, nil
		fields["Content-Length"] = []string{strconv.FormatInt(part.Complete, 10)}
	}
	head.Fields = FreezeFields(fields)
	return &head, true
}

func sameVariant(a, b *Stored) bool { return a.Variant == b.Variant && slices.Equal(a.Vary, b.Vary) }

// Outdates reports that a stored part is of no use beside the newer response s
// of the same variant: s has all its bytes, or is of another representation.
func (s *Stored) Outdates(part *Stored) bool {
	if !sameVariant(s, part) {
		return false
	}
	mine, other := s.StrongValidator(), part.StrongValidator()
	switch {
	case mine != "" && other != "" && mine != other, s.Part == nil, s.Part.covers(part.Part.Range):
		return true
	}
	return s.Part.Complete >= 0 && part.Part.Complete >= 0 && s.Part.Complete != part.Part.Complete
}
