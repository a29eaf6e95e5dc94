package cachehandler

import (
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// This file is what becomes of a request when the flight it led or joined has
// landed.

// share takes what another's fetch brought, if it is for this request as well.
func (x *exchange) share(l landing) step {
	x.now = time.Now()
	switch {
	case l.alone || l.err == nil && l.object == nil:
		return x.passFor(httpcache.PassMemory)
	case l.err != nil:
		return x.originFailed(l)
	}
	o := l.object
	if !x.h.policy.Selects(o.Head, x.r.Header) || x.h.cache.invalidated.between(x.flight.since, x.since, o.Tags) {
		x.rounds++
		x.alone = x.rounds >= maxRounds
		return stepLookup
	}
	use, why := x.h.policy.Reuse(o.Head, x.r.Header, x.now)
	switch {
	case use == httpcache.UseNot:
		return x.passFor(why)
	case o.Body.Detached():
		return x.passFor(httpcache.TooLarge)
	}
	x.object = o
	if x.validatedEachTime() || o.Head.TTL(x.now) <= 0 {
		x.alone = true
		return stepMiss
	}
	x.fetched(resultCollapsed, httpcache.Collapsed, l)
	return stepDeliver
}

// landed takes what the leader's own fetch brought.
func (x *exchange) landed(f *fetch) step {
	if f.loan.isTaken() {
		return x.awaitDirect(f)
	}
	if x.r.Context().Err() != nil {
		return x.clientGone()
	}
	l := x.flight.result
	x.now = time.Now()
	switch {
	case l.panicked != nil: // as if this request had called the handlers itself
		panic(l.panicked)
	case l.err != nil:
		return x.originFailed(l)
	case l.object == nil:
		return x.passFor(x.outcome.reason)
	}
	x.take(f)
	return stepDeliver
}

// take makes what the leader's own fetch brought its answer.
func (x *exchange) take(f *fetch) {
	l := x.flight.result
	x.object, x.reader, x.personal = l.object, f.loan.claim(), f.personal
	x.noAge = !f.aged
	if l.revalidated {
		x.fetched(resultRevalidated, httpcache.NotModified, l)
		return
	}
	x.outcome.stored = l.stored
	x.fetched(resultMiss, x.outcome.reason, l)
}

// fetched notes that the origin was asked, why, and what came of it.
func (x *exchange) fetched(r result, why httpcache.Reason, l landing) {
	o := &x.outcome
	o.fwd, o.fwdStatus = o.reason, l.status
	o.result, o.reason = r, why
}

// originFailed answers with a stale response, where one may be used (RFC 9111
// §4.2.4, RFC 5861 §4), and else with the failure.
func (x *exchange) originFailed(l landing) step {
	if x.object != nil {
		if ok, why := x.h.policy.ReuseOnError(x.object.Head, x.r.Header, l.status, x.now); ok {
			x.fetched(resultStale, why, l)
			return stepDeliver
		}
	}
	x.fetched(resultMiss, httpcache.OriginFailed, l)
	if x.led != nil { // what the handlers set before they failed
		setHeader(x.w.Header(), x.led.rec.header)
	}
	return x.fail(l.err)
}
