package cachehandler

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file is what a request has to do with parts (RFC 9111 §3.3, §3.4), where
// nothing whole is stored. It promises
//
//   - that a part never answers for the whole, nor for a byte it has not;
//   - that a request for a range never has more fetched than that range, unless
//     fill_range_up_to says so: small ranges cost the origin little;
//   - that the origin is asked for what is missing, if that is one stretch of
//     bytes, which is put together with the part only if a strong validator says
//     that it is of the same representation (RFC 9110 §15.3.7.3).
//
// A part is an object like any other, whose body holds the bytes of its range.
// Where the origin gives what is missing, the object that is filled begins as
// a longer part, or as the whole: those who wait for it, read it while it arrives
// and find it later do so as they do with any fetch.

// portion is what a fetch asks for, if that is less than the whole.
type portion struct {
	field string        // of Range
	base  *store.Object // the part that it is the rest of; nil for none
}

// askFor makes a request for the whole one for the portion.
func (p *portion) askFor(request http.Header) {
	request["Range"] = []string{p.field}
	if p.base == nil {
		return
	}
	if validator := p.base.Head.StrongValidator(); validator != "" {
		request["If-Range"] = []string{validator}
	}
}

// part answers with a stored part, or finds out what to ask the origin for.
func (x *exchange) part() step {
	field, single := httpcache.SingleRange(x.r.Header)
	if o := x.covering(x.parts); o != nil {
		if single {
			x.portion = &portion{field: field}
		}
		if next := x.judge(o); single || next == stepHit {
			return next
		}
		x.object = nil // several ranges cannot be asked for again as a part
		return stepMiss
	}
	x.askForPart()
	x.askForRest()
	return stepMiss
}

// askForPart: a fetch is to ask for the range that the client asks for.
func (x *exchange) askForPart() {
	x.portion = nil
	field, single := httpcache.SingleRange(x.r.Header)
	if single && !(x.object == nil && x.fillsWhole()) {
		x.portion = &portion{field: field}
	}
}

// askForChange: if the stored response has changed, only the range that the
// client asks for is to come, from an origin that is known to send ranges. One
// that sends the whole anyway may as well have it stored.
func (x *exchange) askForChange() {
	if x.object == nil || x.fillsWhole() || !strings.EqualFold(x.object.Head.Fields.Get("Accept-Ranges"), "bytes") {
		return
	}
	field, single := httpcache.SingleRange(x.r.Header)
	if !single {
		field = x.r.Header.Get("Range")
	}
	x.portion = &portion{field: field}
}

// askForRest: a fetch is to ask for what a stored part lacks, if there is one for
// which that is little.
func (x *exchange) askForRest() {
	least := int64(-1)
	for _, o := range x.parts {
		if use, _ := x.h.policy.Reuse(o.Head, x.r.Header, x.now); use == httpcache.UseNot || !isWhole(o.Body) {
			continue
		}
		rest, ok := o.Head.Rest(x.r.Header)
		if !ok || rest.Length > x.h.MaxObjectSize-o.Head.Part.Length || least >= 0 && rest.Length >= least {
			continue
		}
		x.portion, least = &portion{field: rest.Field, base: o}, max(rest.Length, 0)
	}
}

// isWhole reports a body that has all that it is to have.
func isWhole(b *store.Body) bool {
	_, complete := b.Length()
	return complete && !b.Detached()
}

// inParts asks again, for the client's own range or for the whole, after a
// larger fetch, or one for the rest of a part, brought nothing.
func (x *exchange) inParts() step {
	x.portion = nil
	if x.r.Header["Range"] != nil {
		field, single := httpcache.SingleRange(x.r.Header)
		if !single {
			return x.passFor(httpcache.RangeRequest)
		}
		x.portion = &portion{field: field}
	}
	if x.rounds++; x.rounds >= maxRounds {
		x.alone = true
	}
	return stepMiss
}

// selectParts returns the parts that a request selects, newest first.
func (x *exchange) selectParts(objects []*store.Object) (parts []*store.Object) {
	for _, o := range objects {
		if o.Head.Part != nil && x.h.policy.Selects(o.Head, x.r.Header) {
			parts = append(parts, o)
		}
	}
	return parts
}

// covering returns the newest part that has everything a request asks for.
func (x *exchange) covering(parts []*store.Object) *store.Object {
	for _, o := range parts {
		if _, ok := httpcache.PartRanges(o.Head, x.r.Header); ok {
			return o
		}
	}
	return nil
}

// fillsWhole reports that a request for a part may fetch the whole.
func (x *exchange) fillsWhole() bool {
	return x.h.FillRangeUpTo > 0 && !x.h.cache.passes.hasClass(x.key, classOf(x.r.Header)|unfillable, x.now)
}

// portionKey is what sets those apart who wait for the head of an answer to a
// range: from those who want the whole, which is given up if it is too large for
// the part, and, where only a range is asked for, from those who want another. A
// stored whole that is validated as such is so for all of them.
func (x *exchange) portionKey() string {
	whole := x.object != nil && x.object.Head.Part == nil
	switch {
	case x.r.Header["Range"] == nil, x.portion == nil && whole:
		return ""
	case x.portion == nil:
		return " part"
	case x.object != nil: // a 304 serves all ranges of it
		return " part from " + strconv.FormatInt(x.firstByte(), 10)
	}
	field, _ := httpcache.SingleRange(x.r.Header)
	return " part " + field
}

// asked reports that a range is the one that the client asks for.
func (x *exchange) asked(field string) bool {
	own, single := httpcache.SingleRange(x.r.Header)
	return single && own == field
}

// rangeKey is the key for what is remembered of one range alone.
func rangeKey(key []byte, field string) []byte {
	return append(append(key[:len(key):len(key)], ' '), field...)
}

// isTooLarge reports a range that was too large to store, and so is not worth
// waiting for.
func (x *exchange) isTooLarge() bool {
	return x.portion != nil && x.portion.base == nil &&
		x.h.cache.passes.has(rangeKey(x.key, x.portion.field), classOf(x.r.Header), x.now)
}

// ofOneRange reports an answer that says nothing about those to other ranges.
func ofOneRange(status int, why httpcache.Reason) bool {
	return status == http.StatusRequestedRangeNotSatisfiable ||
		status == http.StatusPartialContent && why == httpcache.TooLarge
}

// deliverPart answers with a stored part (RFC 9110 §15.3.7).
func (x *exchange) deliverPart() step {
	head := x.object.Head
	ranges, ok := httpcache.PartRanges(head, x.r.Header)
	if x.verbatim && head.RangeApplies(x.r.Header) {
		// The origin may have its reasons to send another part than was asked
		// for, and the client can tell.
		ranges, ok = []httpcache.Range{head.Part.Range}, true
	}
	if !ok || !x.partsAtHand(ranges) {
		return x.passFor(httpcache.Incomplete)
	}
	x.writeRanges(ranges, head.Part.Complete)
	x.awaitSettling()
	return stepDone
}

// awaitSettling returns to the client whose request fetched a part when that is
// settled, so that its next request finds what this one has brought. Handlers
// that ran in the client's own goroutine would not return earlier either.
func (x *exchange) awaitSettling() {
	if x.filling == nil {
		return
	}
	select {
	case <-x.filling:
		return
	default:
		_ = http.NewResponseController(x.w).Flush()
	}
	select {
	case <-x.filling:
	case <-x.r.Context().Done():
	}
}

// firstByte is the position in the representation of the first byte of the body.
func (x *exchange) firstByte() int64 {
	if p := x.object.Head.Part; p != nil {
		return p.Start
	}
	return 0
}
