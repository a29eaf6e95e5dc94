package cachehandler

import (
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file is what becomes of a request when the flight it led or joined has
// landed.

// share takes what another's fetch brought, if it is for this request as well.
func (x *exchange) share(l landing) step {
	x.now = time.Now()
	switch {
	case x.flight.number < x.from: // it was waited for only to begin after it
		return x.lookAgain()
	case l.inParts:
		return x.inParts()
	case l.again:
		return x.lookAgain()
	case l.isForLeader() && x.flight.class&withCookie != 0 && x.r.Header["Cookie"] == nil:
		return x.lookAgain() // the cookie may be why; here is none
	case l.isForLeader():
		return x.passFor(httpcache.PassMemory)
	case l.err != nil:
		return x.originFailed(l)
	}
	o := l.object
	// What another URI brought is for this one, too, if it is equivalent as before.
	other := x.flight.key != string(x.key) && x.flight.key != o.Key
	if other || !x.h.policy.Selects(o.Head, x.r.Header) || x.joinedAfterAChange(o) {
		return x.lookAgain()
	}
	use, why := x.h.policy.Reuse(o.Head, x.r.Header, x.now)
	switch {
	case use == httpcache.UseNot:
		return x.passFor(why)
	case o.Body.Detached():
		return x.passFor(httpcache.TooLarge)
	}
	x.object, x.verbatim = o, x.asked(l.verbatim)
	if x.validatedEachTime() || o.Head.TTL(x.now) <= 0 {
		x.alone = true
		if o.Head.Part != nil {
			x.askForPart()
		}
		return stepMiss
	}
	x.fetched(resultCollapsed, httpcache.Collapsed, l)
	return stepDeliver
}

// isForLeader reports an answer, or none, that nobody else may have.
func (l *landing) isForLeader() bool { return l.alone || l.err == nil && l.object == nil }

// lookAgain starts over, after another's fetch, or one that could not validate what
// is stored, brought nothing for this request.
func (x *exchange) lookAgain() step {
	x.rounds++
	x.alone = x.rounds >= maxRounds
	return stepLookup
}

// joinedAfterAChange reports that what was fetched is from before a change of one
// of its groups (RFC 9875 §3), or of a URI that it turns out to be equivalent to, that
// this request came after.
func (x *exchange) joinedAfterAChange(o *store.Object) bool {
	changed := x.h.cache.invalidated.sinceOf(o, x.flight.key, x.key, x.ends)
	return changed.After(x.flight.began) && !changed.After(x.joined)
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
	case l.inParts:
		return x.inParts()
	case l.again && x.rounds < maxRounds:
		return x.lookAgain()
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
	x.verbatim, x.filling = x.asked(l.verbatim), f.done
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
