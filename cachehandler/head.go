package cachehandler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// judge decides, when the head of the answer is there, whether it is for
// everybody (then it lands as an object), for the leader alone, or for nobody.
func (c *recorder) judge() {
	f := c.f
	x, layers := c.exchange()
	c.length = contentLength(c.status, x.Header.Get("Content-Length"))
	f.aged = x.Header["Age"] != nil
	switch {
	case f.asks && c.status == http.StatusNotModified:
		c.judgeNotModified(x, layers)
	case c.failedButStale():
		// Who asked apart may be why: others who waited ask for themselves.
		f.land(landing{err: statusError(c.status), status: c.status, again: f.base == nil})
	case f.portion != nil:
		c.judgePortion(x, layers)
	default:
		c.judgeFull(x, layers)
	}
}

func (c *recorder) exchange() (*httpcache.Exchange, store.Layers) {
	own, layers := ownFields(c.header, c.outer)
	now := time.Now()
	if own["Date"] == nil { // RFC 9110 §6.6.1: it is the time of receipt
		own["Date"] = []string{now.UTC().Format(http.TimeFormat)}
	}
	return &httpcache.Exchange{
		Method: c.f.method(), Host: c.f.host, Path: c.f.path, RequestHeader: c.f.client,
		Status: c.status, Header: own,
		RequestTime: c.f.sent, ResponseTime: now,
	}, layers
}

// judgeNotModified freshens the stored object (RFC 9111 §4.3.4).
func (c *recorder) judgeNotModified(x *httpcache.Exchange, layers store.Layers) {
	f := c.f
	unsuffixETag(x.Header, f.base.Head)
	head, _, ok := httpcache.Freshen(f.base.Head, x, &f.h.policy)
	if head == nil { // it validated something else: nothing here answers the request
		f.h.replace(f.ctx, f.base, f.base.WithHead(f.base.Head.Unmatch()), f.outdated)
		f.land(landing{again: true, status: c.status})
		return
	}
	o := f.base.WithHead(head)
	o.Layers = layers
	ok = f.h.label(o, f.secure, f.host) && ok
	f.personal = unkept(x.Header, &head.Fields)
	kept := false
	ok = ok && variationOf(head).Equal(variationOf(f.base.Head)) // else it is for other URIs now
	switch {
	case !ok: // it answers this request, but is not to be stored any more
		c.forgetBase()
	case !f.outdated(o):
		kept = f.h.replace(f.ctx, f.base, o, f.outdated)
	}
	f.land(landing{object: o, alone: !ok, revalidated: true, stored: kept, status: c.status})
}

// unsuffixETag makes the ETag of a 304 the stored one where both differ only by what
// Caddy's encode, behind the cache or in the origin, makes of them: it appends the coding
// to the ETag of a full response, takes it off If-None-Match, but does not put it back on
// the 304. What is stored without a coding may have come in gzip: the transport of
// reverse_proxy asks for that where the client accepts no coding, and decodes it.
func unsuffixETag(h http.Header, stored *httpcache.Stored) {
	coding := cmp.Or(stored.Fields.Get("Content-Encoding"), "gzip")
	if h.Get("Etag") == strings.TrimSuffix(stored.ETag, "-"+coding+`"`)+`"` {
		h["Etag"] = []string{stored.ETag}
	}
}

// failedButStale reports an answer that stale-if-error covers: a stored
// response is better (RFC 5861 §4).
func (c *recorder) failedButStale() bool {
	if c.f.spare == nil || c.status < http.StatusInternalServerError {
		return false
	}
	ok, _ := c.f.h.policy.ReuseOnError(c.f.spare.Head, c.f.client, c.status, time.Now())
	return ok
}

func (c *recorder) judgeFull(x *httpcache.Exchange, layers store.Layers) {
	f := c.f
	if f.part && (c.length < 0 || c.length > f.h.FillRangeUpTo) {
		// Too much for the part that was asked for: the leader asks for that
		// itself, and so do others for a while.
		f.h.cache.passes.remember([]byte(f.key), f.class|unfillable, f.sent, httpcache.RangeRequest)
		c.giveUp(landing{inParts: true, status: c.status})
		return
	}
	head, why := f.h.storable(x, c.length)
	if head == nil {
		c.judgeUnstorable(x, why)
		return
	}
	o := &store.Object{Key: f.keyFor(head), Head: head, Body: store.NewBody(c.length), Layers: layers}
	if f.base != nil && head.Part == nil && !slices.Equal(f.base.Head.Vary, head.Vary) {
		o.Supersedes = f.base.Head
	}
	if why := c.keep(o); why != httpcache.None {
		c.judgeUnstorable(x, why)
		return
	}
	c.landObject(x, o)
}

// keep puts an object into the store, unless what it holds may be out of date,
// or says why not.
func (c *recorder) keep(o *store.Object) httpcache.Reason {
	f := c.f
	if !f.h.label(o, f.secure, f.host) {
		return httpcache.TooManyTags
	}
	if f.outdated(o) {
		return httpcache.None
	}
	if why := f.h.put(f.ctx, o); why != httpcache.None {
		return why
	}
	c.kept = true
	f.h.cache.passes.forget([]byte(f.key), f.class)
	return httpcache.None
}

// landObject shares an object, which the body that follows is to fill.
func (c *recorder) landObject(x *httpcache.Exchange, o *store.Object) {
	f := c.f
	c.object = o
	if f.outdated(o) { // while it was put there
		c.unkeep()
	}
	if c.kept && f.base != nil && f.base.Key != o.Key { // the origin changed what it is equivalent to
		c.forgetBase()
	}
	f.loan.attach(o.Body)
	f.personal = unkept(x.Header, &o.Head.Fields)
	f.land(landing{object: o, verbatim: f.verbatim(o), stored: c.kept, status: c.status})
}

// replace puts fresh in place of old, and takes it out again if it was outdated
// meanwhile.
func (h *Handler) replace(ctx context.Context, old, fresh *store.Object, outdated func(*store.Object) bool) (kept bool) {
	kept, err := h.cache.tier.Replace(ctx, old, fresh)
	if err != nil {
		h.storeFailed("replace", err)
	}
	if kept && outdated(fresh) {
		if err := h.cache.tier.Remove(ctx, fresh); err != nil {
			h.storeFailed("remove", err)
		}
		return false
	}
	return kept
}

// put stores an object, or says why not.
func (h *Handler) put(ctx context.Context, o *store.Object) httpcache.Reason {
	err := h.cache.tier.Put(ctx, o, h.Vary.Max)
	switch {
	case err == nil:
		return httpcache.None
	case errors.Is(err, store.ErrFull):
		return httpcache.StoreFull
	}
	h.storeFailed("put", err)
	return httpcache.StoreFailed
}

// storable is httpcache.Store and what only this handler knows.
func (h *Handler) storable(x *httpcache.Exchange, length int64) (*httpcache.Stored, httpcache.Reason) {
	switch {
	case length > h.MaxObjectSize:
		return nil, httpcache.TooLarge
	case h.skips(x):
		return nil, httpcache.SkipStore
	}
	return httpcache.Store(x, h.policyFor(x))
}

// policyFor is the policy with what depends on the request.
func (h *Handler) policyFor(x *httpcache.Exchange) *httpcache.Policy {
	p := h.policy
	p.CookieInKey = h.Key.hasCookies(x.RequestHeader)
	return &p
}

// judgeUnstorable gives the answer to the leader alone, and remembers that
// requests of this key need not wait for each other.
func (c *recorder) judgeUnstorable(x *httpcache.Exchange, why httpcache.Reason) {
	f := c.f
	f.rememberPass(c.status, why)
	if c.ignoresCondition(x) {
		c.giveUp(landing{status: c.status})
		return
	}
	if c.status < http.StatusInternalServerError && why != httpcache.StatusNotCacheable &&
		!httpcache.AboutTheRequest(c.status) && !httpcache.IsRefusal(c.status) {
		c.forgetBase() // it is about the resource, and not about how it was asked for
		if f.portion != nil {
			c.forget(f.portion.base)
		}
	}
	c.toLeader(why)
}

// ignoresCondition reports an answer to a range that the leader's own conditions, which
// the origin was not told, might have made another (RFC 9110 §13.2.2): a part of another
// representation than the leader knows (§13.1.5), or none where the leader may have all
// there is. So the origin is asked again, with the conditions.
func (c *recorder) ignoresCondition(x *httpcache.Exchange) bool {
	switch c.status {
	case http.StatusPartialContent:
		return !httpcache.RangeApplies(x)
	case http.StatusRequestedRangeNotSatisfiable:
		return !httpcache.RangeApplies(x) || x.RequestHeader["If-None-Match"] != nil || x.RequestHeader["If-Modified-Since"] != nil
	}
	return false
}

// toLeader continues the answer on the leader's own writer.
func (c *recorder) toLeader(why httpcache.Reason) {
	f := c.f
	w := f.loan.take()
	if w == nil {
		f.land(landing{status: c.status})
		return
	}
	c.direct = w
	setHeader(w.Header(), c.header)
	f.h.strip(w.Header(), f.h.innerFields(c.outer), f.client)
	f.onDirect(why, c.status)
	w.WriteHeader(c.status)
	f.land(landing{status: c.status})
}

// forgetBase drops the stored object that a newer answer has replaced.
func (c *recorder) forgetBase() { c.forget(c.f.base) }

// unkept are the fields that are not stored with a response, such as a stripped
// Set-Cookie or what private="…" names. They are the leader's alone. (What a 304
// says about content is about none, RFC 9111 §3.2.)
func unkept(h http.Header, kept *httpcache.Fields) (personal http.Header) {
	for name, values := range h {
		if len(values) == 0 || values[0] == "" || name == "Age" || strings.HasPrefix(name, "Content-") || kept.Get(name) != "" {
			continue
		}
		if personal == nil {
			personal = make(http.Header)
		}
		personal[name] = values
	}
	return personal
}

// ownFields is what the handlers behind the cache added to the header they
// were given, and what they did to what was there: an object keeps the first
// and repeats the second, so that a hit looks as if they had been called.
func ownFields(header, outer http.Header) (own http.Header, layers store.Layers) {
	kept := 0
	for name := range outer {
		if _, ok := header[name]; ok {
			kept++
		} else {
			layers.Drops = append(layers.Drops, name)
		}
	}
	if kept == 0 {
		return header, layers
	}
	own = make(http.Header, len(header))
	for name, values := range header {
		before := outer[name]
		switch n := len(before); {
		case n == 0:
			own[name] = values
		case len(values) >= n && slices.Equal(values[:n], before):
			if len(values) > n {
				own[name] = values[n:]
				layers.Joins = append(layers.Joins, name)
			}
		default:
			own[name] = values
		}
	}
	return own, layers
}

// setHeader makes dst hold what src holds.
func setHeader(dst, src http.Header) {
	clear(dst)
	maps.Copy(dst, src)
}

func statusError(status int) error {
	return caddyhttp.Error(status, fmt.Errorf("the origin answered %d", status))
}

// errorStatus is the status an error of the handlers stands for if it means
// that the origin gave no answer, and 0 then; any other is the handlers' own.
func errorStatus(err error) int {
	var he caddyhttp.HandlerError
	if !errors.As(err, &he) {
		return 0
	}
	switch he.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 0
	}
	return he.StatusCode
}
