package httpcache

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"
)

// Freshening: what a 304 (RFC 9111 §4.3.4) and an answer to HEAD (§4.3.5) make
// of a stored response.

// Freshen returns what a 304 (the Exchange x) makes of s: its fields updated
// (§3.2, §4.3.4), its times and lifetime computed anew. s itself is not
// changed.
//
// ok is false in two cases. If fresh is nil, the 304 is not about s: its
// validators select another response, and s may not be used for the request.
// If fresh is not nil, the origin validated s, so fresh may answer this
// request, but the result may no longer be stored; what is stored has to go.
func Freshen(s *Stored, x *Exchange, p *Policy) (fresh *Stored, why Reason, ok bool) {
	if !validates(s, x.Header) {
		return nil, OtherValidator, false
	}
	if isWeak(s.ETag) && hasLines(x.Header, "Etag") && !isWeak(x.Header["Etag"][0]) {
		weak := *x
		weak.Header = maps.Clone(x.Header)
		delete(weak.Header, "Etag") // what is stored is not that, byte for byte
		x = &weak
	}
	return update(s, x, p)
}

// FreshenHead is Freshen for a 200 to HEAD. length is that of the content that is
// stored, or stored a part of, which need not have been announced; -1 is not known. If ok
// is false, s is no longer what a GET would bring (or may no longer be stored) and is to be
// considered stale.
func FreshenHead(s *Stored, length int64, x *Exchange, p *Policy) (fresh *Stored, why Reason, ok bool) {
	switch {
	case x.Status != http.StatusOK || s.Status != http.StatusOK && s.Part == nil,
		hasLines(x.Header, "Etag") && entityTag(x.Header["Etag"]) != s.ETag,
		hasLines(x.Header, "Last-Modified") && !sameLastModified(s, x.Header),
		otherDigest(s, x.Header),
		hasLines(x.Header, "Content-Length") && (length < 0 || parseUnix(trimOWS(x.Header["Content-Length"][0])) != length):
		return nil, OtherValidator, false
	}
	return update(s, x, p)
}

// validates reports that a 304 is about s (§4.3.4). A strong validator in it
// has to be the same, a weak one has to correspond. With none at all the 304
// answers the condition that named s.
//
// Servers that compress, such as nginx, make the tag of what they compress a weak one
// and leave that of a 304 as it was. The strong validator that both then have is the
// date.
func validates(s *Stored, h http.Header) bool {
	tag := entityTag(h["Etag"])
	switch {
	case tag == "" && hasLines(h, "Last-Modified"):
		return sameLastModified(s, h)
	case tag == "":
		return true
	case s.ETag == "":
		// Only its date was asked about; the tag is new.
		return sameLastModified(s, h)
	case isWeak(tag):
		return weakMatch(tag, s.ETag)
	case isWeak(s.ETag):
		return weakMatch(tag, s.ETag) && sameLastModified(s, h) && s.modifiedStrongly()
	}
	return strongMatch(tag, s.ETag)
}

func sameLastModified(s *Stored, h http.Header) bool {
	date, ok := firstDate(h["Last-Modified"], s.ResponseTime)
	return ok && date.Equal(s.LastModified)
}

// update makes the response of s with the fields of x and judges it again.
func update(s *Stored, x *Exchange, p *Policy) (*Stored, Reason, bool) {
	merged := *x
	merged.Method, merged.Status = http.MethodGet, s.Status
	merged.Header = updatedFields(s, x.Header)
	r := parseResponse(&merged, p)
	r.part, r.freshens = s.Part, s
	verdict := Storable
	for _, objection := range freshenConditions {
		if why := objection(r); why != None {
			verdict = why
			break
		}
	}
	r.keepSelection(s)
	fresh := r.freeze()
	if slices.Equal(fresh.Vary, s.Vary) {
		fresh.Variant = s.Variant // it stays the response it was
	}
	return fresh, verdict, verdict == Storable
}

// freshenConditions are those of storing that a 304 can change. That the
// request had a Cookie does not count: the content is what was stored before.
var freshenConditions = [...]func(*response) Reason{
	(*response).byVary,
	(*response).byStatus,
	(*response).byShape,
	(*response).byDirectives,
	(*response).byAuthorization,
	(*response).bySetCookie,
	(*response).byType,
	(*response).byLifetime,
}

// updatedFields is §3.2: every field of the new response replaces the stored
// one's, except those that are not stored at all, and those that describe the
// stored content as it is: its length, its coding, its range, and digests of
// what a 304 or an answer to HEAD has none of (RFC 9530, B.2).
func updatedFields(s *Stored, update http.Header) http.Header {
	h := s.Fields.Header()
	delete(h, "Date") // a response without one is of when it came (RFC 9110 §6.6.1)
	for name, values := range update {
		if len(values) == 0 || isHopByHop(name) || isNamed(update["Connection"], name) || describesContent(name) {
			continue
		}
		h[name] = values
	}
	return h
}

func describesContent(name string) bool {
	return strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Content-Encoding") ||
		strings.EqualFold(name, "Content-Range") || containsName(ofContent[:], name)
}

// ofContent is the digest of the content of one message (RFC 9530 §2). Repr-Digest,
// and the older Digest, are of the representation, of which there may be a part, or
// nothing, in a message.
var ofContent = [...]string{"Content-Digest"}

// OfContent are the fields that hold for the stored content as it is, and so for
// no other answer that is made of it.
func OfContent() []string { return ofContent[:] }

// otherDigest reports a Repr-Digest that cannot be of the representation of s: one
// by an algorithm that s has another result of (RFC 9530 §3). Put in its place, it
// would make the content look broken.
func otherDigest(s *Stored, h http.Header) bool {
	const field = "Repr-Digest"
	if !hasLines(h, field) {
		return false
	}
	mine, err := httpsfv.UnmarshalDictionary(s.Fields.Values(field))
	others, otherErr := httpsfv.UnmarshalDictionary(h[field])
	if err != nil || otherErr != nil {
		return false
	}
	for _, algorithm := range others.Names() {
		a, known := digest(mine, algorithm)
		b, ok := digest(others, algorithm)
		if known && ok && !bytes.Equal(a, b) {
			return true
		}
	}
	return false
}

func digest(d *httpsfv.Dictionary, algorithm string) (value []byte, ok bool) {
	member, _ := d.Get(algorithm)
	item, _ := member.(httpsfv.Item)
	value, ok = item.Value.([]byte)
	return value, ok
}

// dropOfContent is for what is put together of several messages.
func dropOfContent(h http.Header) {
	for name := range h {
		if containsName(ofContent[:], name) {
			delete(h, name)
		}
	}
}
