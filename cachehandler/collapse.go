package cachehandler

import (
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// This file is collapsing: one fetch for concurrent misses that want the same.
// Those who wait get it only after its head has shown that it is for all of them
// (RFC 9111 §4).

// confirm looks again before it leads: another flight may have landed between
// the look-up and the join, and then nobody needs a second fetch.
func (x *exchange) confirm() step {
	objects, o, err := x.find()
	if o == nil {
		o = x.covering(x.selectParts(objects))
	}
	if err != nil || o == nil || o == x.object {
		return stepFetch
	}
	x.now = time.Now()
	if use, why := x.h.policy.Reuse(o.Head, x.r.Header, x.now); use == httpcache.UseFresh {
		x.object, x.outcome.reason = o, why
		x.h.cache.flights.land(x.flight, landing{object: o})
		return stepHit
	}
	return stepFetch
}

// join joins the flight for requests like this one, and reports whether to
// lead it.
func (x *exchange) join() (lead bool) {
	variant := x.h.policy.Variant(x.vary, x.r.Header)
	if x.r.Header["Authorization"] != nil {
		variant += " authorized"
	}
	variant += x.portionKey()
	if server, ok := x.r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server != nil {
		variant += " " + server.Name() + " " + x.r.Host
	}
	x.joined = x.now
	since := x.h.cache.invalidated.since(x.key, x.ends)
	if x.from == 0 && x.h.policy.WantsNewer(x.r.Header) {
		x.from = x.h.cache.flights.next()
	}
	x.flight, lead = x.h.cache.flights.join(x.flightKey(), variant, x.now, since, x.from)
	if lead {
		x.flight.class = classOf(x.r.Header)
	}
	return lead
}

// flightKey is what requests have in common that may wait for each other. Where a
// stored response is validated, that is its own: the URIs may differ.
func (x *exchange) flightKey() string {
	if x.object != nil {
		return x.object.Key
	}
	return string(x.key)
}

// validatedEachTime reports an object that is never used without asking: its
// requests each validate it for themselves rather than in a queue.
func (x *exchange) validatedEachTime() bool {
	return x.object != nil && (x.object.Head.Lifetime <= 0 || x.object.Head.Is(httpcache.MustValidate))
}

// wait waits for the head of another request's answer.
func (x *exchange) wait() step {
	f := x.flight
	defer f.waiters.Add(-1)
	if x.until.IsZero() {
		x.until = time.Now().Add(time.Duration(x.h.Collapse.Wait))
	}
	timer := time.NewTimer(time.Until(x.until))
	defer timer.Stop()
	select {
	case <-f.landed:
		return x.share(f.result)
	case <-timer.C:
		return x.passFor(httpcache.WaitTimeout)
	case <-x.r.Context().Done():
		return x.clientGone()
	}
}
