package cachehandler

import (
	"bytes"
	"context"
	"hash/maphash"
	"net/http"
	"slices"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file stores parts: the answers to fetches that asked for less than the
// whole, and what becomes of a part when it is complete.
//
// A part that breaks off is dropped like anything else that does. What had
// arrived of it would be right as a shorter part, but few would ask for just
// that, and nothing that broke off is ever found again.

// portionFill is how a body is filled of which a part was there before.
type portionFill struct {
	limit int64    // how far the handlers fill it; 0: as far as they like
	after [][]byte // what then follows, out of the stored part
	lied  bool     // there came more than was announced
}

// exceeds reports, and remembers, that the origin sends more than it said: what
// follows would be taken for bytes of other positions.
func (c *recorder) exceeds(n int64) bool {
	if c.limit == 0 || n <= c.limit {
		return false
	}
	c.lied = true
	c.object.Body.Abort(errIncomplete)
	return true
}

// addRest ends what the handlers have filled with what was stored.
func (c *recorder) addRest() error {
	n, _ := c.object.Body.Length()
	if c.lied || c.limit > 0 && n != c.limit {
		return errIncomplete
	}
	for _, p := range c.after {
		if err := c.object.Body.Append(c.f.ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// judgePortion is judgeFull for the answer to a portion.
func (c *recorder) judgePortion(x *httpcache.Exchange, layers store.Layers) {
	f := c.f
	base := f.portion.base
	switch {
	case c.status == http.StatusPartialContent && base != nil:
		c.judgeRest(x, layers)
	case c.status == http.StatusPartialContent:
		c.limit = max(c.length, 0)
		c.judgeFull(x, layers)
		if o := c.object; o != nil && f.base != nil && (f.base.Head.ETag != o.Head.ETag || f.base.Head.TTL(f.sent) <= 0) {
			c.forgetBase() // which would be found before the part
		}
	case base != nil && c.status == http.StatusRequestedRangeNotSatisfiable:
		c.giveUpRest() // it has become shorter
	case f.h.exceedsRange(f.client, c.status, c.length):
		c.forget(base) // the leader may have it
		if base == nil {
			c.judgeUnstorable(x, httpcache.RangeRequest)
			return
		}
		c.toLeader(httpcache.RangeRequest) // the representation has changed
	default:
		c.judgeFull(x, layers)
	}
}

// exceedsRange reports an answer that is more than was asked for, and not worth
// having for that.
func (h *Handler) exceedsRange(request http.Header, status int, length int64) bool {
	return status == http.StatusOK && request["Range"] != nil && (length < 0 || length > h.FillRangeUpTo) &&
		!httpcache.RangeIsAll(request, length)
}

// judgeRest puts together what was stored and what comes (RFC 9111 §3.4).
func (c *recorder) judgeRest(x *httpcache.Exchange, layers store.Layers) {
	f := c.f
	base := f.portion.base
	head, got, why := httpcache.Extend(base.Head, x, f.h.policyFor(x))
	if why != httpcache.Storable || f.h.skips(x) || head.Part != nil && f.client["Range"] == nil ||
		!variationOf(head).Equal(variationOf(base.Head)) { // the rest is for other URIs
		c.giveUpRest()
		return
	}
	c.length = contentLength(head.Status, head.Fields.Get("Content-Length"))
	if head.Part != nil {
		c.length = head.Part.Length
	}
	part := base.Head.Part
	before := piece(base.Body, 0, got.Start-part.Start)
	c.after = piece(base.Body, got.Start+got.Length-part.Start, part.Length)
	c.limit = max(got.Start-part.Start, 0) + got.Length
	o := &store.Object{Key: base.Key, Head: head, Body: store.NewBodyAfter(c.length, before...), Layers: layers}
	if c.length > f.h.MaxObjectSize || c.keep(o) != httpcache.None {
		c.giveUpRest()
		return
	}
	c.landObject(x, o)
}

// piece is [from, to) of a complete body, as far as there is any. Unless that is
// all of it, it is copied: it must not hold on to the rest.
func piece(b *store.Body, from, to int64) [][]byte {
	length, _ := b.Length()
	if from = max(from, 0); from >= to {
		return nil
	}
	slices, _ := b.Slices(nil, from, to-from)
	if from == 0 && to == length {
		return slices
	}
	return [][]byte{bytes.Join(slices, nil)}
}

// giveUpRest drops a part that the origin's answer does not fit to. Those who
// wanted more than it has ask for that as if it had not been there.
func (c *recorder) giveUpRest() {
	c.forget(c.f.portion.base)
	c.giveUp(landing{inParts: true, status: c.status})
}

// giveUp ends the fetch: nobody is to have its answer.
func (c *recorder) giveUp(l landing) {
	c.f.land(l)
	c.f.cancel()
}

func (c *recorder) forget(o *store.Object) {
	if o == nil {
		return
	}
	if err := c.f.h.cache.tier.Remove(c.f.ctx, o); err != nil {
		c.f.h.storeFailed("remove", err)
	}
}

// verbatim is the range to which o is the origin's own answer, or "".
func (f *fetch) verbatim(o *store.Object) string {
	if f.portion == nil || f.portion.base != nil || o.Head.Part == nil {
		return ""
	}
	return f.portion.field
}

// rememberPass remembers that requests like this one need not wait for each
// other.
func (f *fetch) rememberPass(status int, why httpcache.Reason) {
	key := []byte(f.key)
	if f.portion != nil && ofOneRange(status, why) {
		key = rangeKey(key, f.portion.field)
	}
	f.h.cache.passes.remember(key, f.class, f.sent, why)
}

// skips reports a response that skip_store is about. A part is an incomplete 200
// (RFC 9111 §3.3).
func (h *Handler) skips(x *httpcache.Exchange) bool {
	m := h.SkipStore
	return m != nil && (m.Match(x.Status, x.Header) ||
		x.Status == http.StatusPartialContent && m.Match(http.StatusOK, x.Header))
}

// settle ends the filling of an object that is kept.
func (h *Handler) settle(ctx context.Context, o *store.Object) {
	err := error(nil)
	if o.Head.Part != nil {
		err = h.cache.settlePart(ctx, o, h.MaxObjectSize)
	} else {
		err = h.cache.tier.Settle(ctx, o)
	}
	if err != nil {
		h.storeFailed("settle", err)
	}
}

// maxParts is how many parts of one variant are kept. They are looked through
// for each request.
const maxParts = 16

// settlePart puts a part, now that it is complete, together with those it
// touches, and drops those it outdates and, above maxParts, the oldest.
func (c *cache) settlePart(ctx context.Context, o *store.Object, maxSize int64) error {
	lock := &c.parts[maphash.String(c.flights.seed, o.Key)%uint64(len(c.parts))]
	lock.Lock()
	defer lock.Unlock()
	for {
		objects, err := c.tier.Get(ctx, []byte(o.Key))
		if err != nil {
			return err
		}
		if o = current(o, objects); o == nil { // invalidated or evicted meanwhile
			return nil
		}
		if o.Head.Part == nil {
			return c.tier.Settle(ctx, o)
		}
		joined, err := c.joinFirst(ctx, o, objects, maxSize)
		if joined == nil || err != nil {
			return err
		}
		o = joined
	}
}

// joinFirst puts o together with the first of the others that it touches, and
// returns what is then in the place of both; nil if there is none.
func (c *cache) joinFirst(ctx context.Context, o *store.Object, others []*store.Object, maxSize int64) (*store.Object, error) {
	kept := 0
	for _, other := range others {
		if other == o || other.Head.Part == nil || other.Head.Variant != o.Head.Variant {
			continue
		}
		outdated := isWhole(other.Body) && o.Head.Outdates(other.Head)
		joined, ok := join(o, other, maxSize)
		if !outdated && !ok {
			if kept++; kept < maxParts {
				continue
			}
		}
		if err := c.tier.Remove(ctx, other); err != nil || outdated || !ok {
			return o, err // and look again
		}
		if replaced, err := c.tier.Replace(ctx, o, joined); err != nil || !replaced {
			return nil, err
		}
		return joined, nil
	}
	return nil, nil
}

// current is the object that the store has of o's body: a 304 may have freshened
// it.
func current(o *store.Object, objects []*store.Object) *store.Object {
	for _, other := range objects {
		if other.Body == o.Body {
			return other
		}
	}
	return nil
}

// join puts two complete parts together.
func join(a, b *store.Object, maxSize int64) (*store.Object, bool) {
	if !isWhole(a.Body) || !isWhole(b.Body) {
		return nil, false
	}
	head, ok := httpcache.Join(a.Head, b.Head)
	if !ok || a.Head.Part.Length+b.Head.Part.Length > maxSize {
		return nil, false
	}
	first, second := a, b
	if second.Head.Part.Start < first.Head.Part.Start {
		first, second = second, first
	}
	start, end := second.Head.Part.Start, second.Head.Part.Length
	overlap := first.Head.Part.Start + first.Head.Part.Length - start
	pieces := append(piece(first.Body, 0, first.Head.Part.Length), piece(second.Body, overlap, end)...)
	joined := a.WithHead(head)
	joined.Tags = union(a.Tags, b.Tags) // what invalidates either invalidates both
	joined.Body = store.BodyOf(pieces...)
	return joined, true
}

func union(a, b []string) []string {
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	return slices.Compact(all)
}
