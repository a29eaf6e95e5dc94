package cachehandler

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file keeps answers to POST for later GETs (RFC 9110 §9.3.3, RFC 9111
// §3): those with an explicit lifetime whose Content-Location is the target
// itself. The answer is passed like any other, at its client's pace; a copy is
// made beside it and goes into the store when it is whole. Not sooner: nobody
// else is to wait for that client.

// maxPosted is how much of such copies a cache holds at once, in bytes: they
// are in no store's budget yet. What is over it is not stored.
const maxPosted = 32 << 20

// posted is the copy of one answer.
type posted struct {
	x      *exchange
	object *store.Object // nil: nothing is kept, or not any more
	// flight is that of a GET under the same key which nobody joins: what
	// invalidates the key outdates the copy, too.
	flight *flight
	length int64 // announced, or -1
	held   int64 // counted in cache.posted
	// groups are the tags of those that the answer itself invalidates.
	groups []string
	// When another request had last changed the URI or one of groups, and a URI of its path.
	changed, changedPath time.Time
}

// mayKeepPost reports a POST whose answer may be one for GETs, as far as the
// request tells. What a GET's fetch would not have sent to the origin, because
// the key does not say it, must not have made the answer.
func (x *exchange) mayKeepPost() bool {
	return x.r.Method == http.MethodPost && x.outcome.reason == httpcache.Method &&
		len(x.key) <= maxKeyBytes && !hasUnkeyed(x.r.Header)
}

// passPost is the call of the next handler for such a request.
func (x *exchange) passPost() (err error) {
	whole := false
	defer func() { x.direct.posted.finish(whole) }() // also when a body breaks off, which is a panic
	err = x.next.ServeHTTP(&x.direct, x.r)
	whole = err == nil
	return err
}

// noteChanges is called with the final head, before the answer itself invalidates.
func (p *posted) noteChanges(x *exchange, h http.Header, status int) {
	v := &x.h.cache.invalidated
	p.groups = x.invalidatedTags(h, status)
	p.changed = later(v.sinceURI(x.key, x.ends), v.sinceTags(p.groups))
	p.changedPath = v.sincePath(x.key, x.ends)
}

// overtaken reports that another request has changed what o is about, or one of its
// groups (RFC 9875 §3), since x came: o may not show it.
func (p *posted) overtaken(x *exchange, o *store.Object) bool {
	others := slices.DeleteFunc(slices.Clone(o.Tags), func(tag string) bool { return slices.Contains(p.groups, tag) })
	return !x.now.After(p.changed) || !x.now.After(x.h.cache.invalidated.sinceTags(others)) ||
		o.Key != string(x.key) && !x.now.After(p.changedPath)
}

// begin decides with the final head. The key has been invalidated by then (RFC
// 9111 §4.4), and with it the fetches of GETs from before.
func (p *posted) begin(x *exchange, status int, own http.Header, layers store.Layers) {
	length := contentLength(status, own.Get("Content-Length"))
	head, why := x.h.storable(&httpcache.Exchange{
		Method: http.MethodPost, Host: x.r.Host, Path: originalURL(x.r).EscapedPath(), Target: x.target(), RequestHeader: x.r.Header,
		Status: status, Header: own, RequestTime: x.now, ResponseTime: time.Now(),
	}, length)
	if why != httpcache.Storable {
		return
	}
	o := &store.Object{Head: head, Body: store.NewBody(length), Layers: layers}
	if !x.h.label(o, x.r.TLS != nil, x.r.Host) {
		return
	}
	key := string(x.key)
	o.Key = x.h.keyFor(key, x.ends, head)
	if p.overtaken(x, o) {
		return
	}
	p.x, p.length = x, length
	p.flight = x.h.cache.flights.alone(key)
	p.object = o
	x.outcome.stored = true
}

// write takes what the client has just been sent.
func (p *posted) write(b []byte, failed error) {
	if p.object == nil {
		return
	}
	body := p.object.Body
	if failed != nil || body.Append(p.context(), b) != nil {
		p.drop()
		return
	}
	length, _ := body.Length()
	grown := body.Held() - p.held
	p.held += grown
	if p.x.h.cache.posted.Add(grown) > maxPosted || length > p.x.h.MaxObjectSize {
		p.drop()
	}
}

// finish stores the copy, if it is whole and nothing has changed meanwhile.
func (p *posted) finish(whole bool) {
	if p.flight == nil {
		return
	}
	h := p.x.h
	if o := p.object; o != nil {
		n, _ := o.Body.Length()
		if whole && (p.length < 0 || n == p.length) {
			o.Body.Complete()
			p.store()
		} else {
			h.metrics.fill(fillAborted)
		}
	}
	p.drop()
	h.cache.flights.land(p.flight, landing{})
}

// store puts the copy where GETs find it, unless one of them has brought
// something newer.
func (p *posted) store() {
	h, o, ctx := p.x.h, p.object, p.context()
	objects, err := h.cache.tier.Get(ctx, []byte(o.Key))
	if err != nil {
		h.storeFailed("get", err)
		return
	}
	for _, other := range objects {
		if other.Head.Variant == o.Head.Variant && other.Head.ResponseTime.After(o.Head.ResponseTime) {
			return
		}
	}
	if p.outdated() || h.put(ctx, o) != httpcache.None {
		return
	}
	if p.outdated() { // while it was put there
		err = h.cache.tier.Remove(ctx, o)
	} else {
		h.metrics.fill(fillStored)
		err = h.cache.tier.Settle(ctx, o)
	}
	if err != nil {
		h.storeFailed("settle", err)
	}
}

func (p *posted) outdated() bool {
	x, v := p.x, &p.x.h.cache.invalidated
	began := p.object.Head.ResponseTime
	return p.flight.outdated.Load() || v.since(x.key, x.ends).After(began) ||
		v.sinceOf(p.object, p.flight.key, x.key, x.ends).After(began)
}

// drop forgets the copy.
func (p *posted) drop() {
	if p.x != nil {
		p.x.h.cache.posted.Add(-p.held)
	}
	p.object, p.held = nil, 0
}

// context outlives the client, who may be gone once it has everything.
func (p *posted) context() context.Context { return context.WithoutCancel(p.x.r.Context()) }
