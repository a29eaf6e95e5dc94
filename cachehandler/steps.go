package cachehandler

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// step is where a request is on its way through the cache.
type step uint8

const (
	stepReceive step = iota // is it for the cache at all?
	stepLookup              // what is stored under its key, and may it be used?
	stepPart                // nothing whole: is a part of it stored, or asked for?
	stepHit                 // fresh, or as stale as the request takes: answer with it
	stepStale               // stale within its window: answer with it, refresh it behind
	stepMiss                // nothing to answer with: lead a fetch, join one, or pass
	stepWait                // joined: until the head of the other's answer is there
	stepFetch               // lead: ask the origin, for everybody who waits
	stepPass                // straight to the next handler
	stepDeliver             // answer with an object, complete or still arriving
	stepDone
)

// steps is the cache. Each function returns the step that follows.
var steps = [...]func(*exchange) step{
	stepReceive: (*exchange).receive,
	stepLookup:  (*exchange).lookup,
	stepPart:    (*exchange).part,
	stepHit:     (*exchange).hit,
	stepStale:   (*exchange).stale,
	stepMiss:    (*exchange).miss,
	stepWait:    (*exchange).wait,
	stepFetch:   (*exchange).fetch,
	stepPass:    (*exchange).pass,
	stepDeliver: (*exchange).deliver,
}

// maxRounds is how often a request may find that another's answer is not for
// it before it stops waiting for others.
const maxRounds = 3

// exchange is one request on its way through the steps, and what was found out
// so far.
type exchange struct {
	h    *Handler
	w    http.ResponseWriter
	r    *http.Request
	next caddyhttp.Handler
	now  time.Time

	key    []byte
	ends   keyEnds
	keyBuf [160]byte
	query  *query // the content of a QUERY that is part of the key

	object  *store.Object   // selected by the request, or fetched for it
	vary    []string        // what the key's responses vary on, when none is selected
	parts   []*store.Object // of the representation, where nothing whole is stored
	portion *portion        // what of it to ask the origin for; nil for the whole

	flight *flight
	led    *fetch // carried out by this request itself
	alone  bool   // do not wait for others any more
	dry    bool   // nobody asked: see explain.go
	rounds int
	joined time.Time // when it came to wait for others
	until  time.Time // it waits for others no longer than that, for all of them together
	from   uint64    // the first flight that it takes, if it does not take any; 0: it does

	reader   *store.Reader // of a body that still arrives
	filling  chan struct{} // closed when the part that this request fetched is settled
	verbatim bool          // object is the part with which the origin answered this very range
	personal http.Header   // fields for this client alone, not stored
	noAge    bool          // the origin itself answered this request (RFC 9111 §5.1)

	outcome outcome
	values  [16]string // of the header that is written: part of this allocation
	direct  passWriter
	err     error // for the caller, such as a caddyhttp.HandlerError
}

func (x *exchange) walk() error {
	defer x.detach()
	for s := stepReceive; s != stepDone; {
		s = steps[s](x)
	}
	return x.err
}

// lookup selects the stored response for the request (RFC 9111 §4.1)
// and decides what it is good for (§4).
func (x *exchange) lookup() step {
	x.object, x.vary, x.portion = nil, nil, nil
	objects, o, err := x.find()
	if err != nil {
		x.h.storeFailed("get", err)
		return x.passFor(httpcache.StoreFailed)
	}
	return x.choose(objects, o)
}

// choose is the decision of lookup: objects are stored under the key, and the
// request selects o of them, or none.
func (x *exchange) choose(objects []*store.Object, o *store.Object) step {
	if o != nil {
		if older := x.refreshing(objects, o); older != nil {
			x.object, x.vary, x.outcome.reason = older, older.Head.Vary, httpcache.WhileRevalidate
			return stepHit
		}
		next := x.judge(o)
		if next == stepMiss && x.query == nil && x.r.Header["Range"] != nil { // a refresh is for everybody
			x.askForChange()
		}
		return next
	}
	x.outcome.reason = httpcache.URIMiss
	if len(objects) > 0 {
		x.outcome.reason = httpcache.VaryMiss
		x.vary = objects[0].Head.Vary
	}
	x.parts = x.selectParts(objects)
	if x.parts != nil {
		x.outcome.reason = httpcache.Incomplete
	}
	if x.r.Method == http.MethodGet && (x.parts != nil || x.r.Header["Range"] != nil) { // RFC 9110 §14.2
		return stepPart
	}
	return stepMiss
}

// refreshing returns the stale response which o, whose body still arrives, is to
// replace, if that may be used while it is refreshed (RFC 5861 §3): a refresh ends
// with its last byte, so until then nobody waits for it, nor sees it break off.
func (x *exchange) refreshing(objects []*store.Object, o *store.Object) *store.Object {
	if len(objects) < 2 {
		return nil
	}
	if _, complete := o.Body.Length(); complete {
		return nil
	}
	for _, older := range objects {
		if older == o || older.Head.Part != nil || !isWhole(older.Body) || !x.h.policy.Selects(older.Head, x.r.Header) {
			continue
		}
		if use, _ := x.h.policy.Reuse(older.Head, x.r.Header, x.now); use == httpcache.UseStale {
			return older
		}
	}
	return nil
}

// selectFrom returns the whole object that the request selects. One that says on what
// it varies comes before one that does not, or that leaves a field out
// (RFC 9111 §4.1), and one in a language or a coding that the request merely accepts after
// one that was asked for with the same words. Of several that vary on different fields it
// is the most recent (§4).
func (x *exchange) selectFrom(objects []*store.Object) *store.Object {
	p := &x.h.policy
	var exact, plain, accepted *store.Object
	for _, o := range objects {
		switch {
		case o.Head.Part != nil || exact != nil && slices.Equal(o.Head.Vary, exact.Head.Vary) || !p.Selects(o.Head, x.r.Header):
		case len(objects) == 1:
			return o
		case x.isSuperseded(o, objects):
		case len(o.Head.Vary) == 0:
			plain = cmp.Or(plain, o)
		case !mayBeAccepted(o.Head) || o.Head.Variant == p.Variant(o.Head.Vary, x.r.Header):
			if exact == nil || comesBefore(o, exact) {
				exact = o
			}
		default:
			accepted = cmp.Or(accepted, o)
		}
	}
	return cmp.Or(exact, accepted, plain)
}

// comesBefore is the order of two objects that fit. An origin behind something that adds
// Vary: Accept-Encoding to everything omits a field in its default response, where it would
// omit Vary. Who asked for that default had another value of the field: for one with
// the same, it would have replaced the object that names it.
func comesBefore(a, b *store.Object) bool {
	if all := variesOnAll(a.Head, b.Head.Vary); all != variesOnAll(b.Head, a.Head.Vary) {
		return all
	}
	return moreRecent(a, b)
}

func variesOnAll(head *httpcache.Stored, names []string) bool {
	for _, name := range names {
		if !slices.Contains(head.Vary, name) {
			return false
		}
	}
	return true
}

// isSuperseded reports an object that is there only until the body of another which
// the request selects, and which takes its place, is complete.
func (x *exchange) isSuperseded(o *store.Object, objects []*store.Object) bool {
	return slices.ContainsFunc(objects, func(other *store.Object) bool {
		return other.Supersedes == o.Head && x.h.policy.Selects(other.Head, x.r.Header)
	})
}

// mayBeAccepted reports a response that is also for requests with another variant.
func mayBeAccepted(head *httpcache.Stored) bool {
	return head.Is(httpcache.CodingUnsaid) || head.Fields.Get("Content-Language") != ""
}

func (x *exchange) judge(o *store.Object) step {
	use, why := x.h.policy.Reuse(o.Head, x.r.Header, x.now)
	x.outcome.reason, x.outcome.expired = why, o.Head.TTL(x.now) <= 0
	x.vary = o.Head.Vary
	if use == httpcache.UseNot {
		return stepMiss
	}
	x.object = o
	switch use {
	case httpcache.UseFresh:
		return stepHit
	case httpcache.UseStale:
		return stepStale
	default:
		return stepMiss
	}
}

func (x *exchange) hit() step {
	x.outcome.result = resultHit
	if x.object.Head.TTL(x.now) < 0 { // the request's max-stale took it
		x.outcome.result = resultStale
	}
	return stepDeliver
}

// stale serves within stale-while-revalidate (RFC 5861 §3).
func (x *exchange) stale() step {
	x.refresh()
	x.outcome.result = resultStale
	return stepDeliver
}

// miss decides who asks the origin, and how.
func (x *exchange) miss() step {
	switch why := x.unfetched(); why {
	case httpcache.None:
	case httpcache.OnlyIfCached:
		return x.notCached()
	default:
		return x.passMiss(why)
	}
	if x.h.Collapse.Off || x.alone || x.validatedEachTime() {
		x.flight = x.h.cache.flights.alone(x.flightKey())
		return stepFetch
	}
	if x.join() {
		return x.confirm()
	}
	return stepWait
}

// unfetched is why the cache does not ask the origin for what it has nothing to
// answer with; None if it does.
func (x *exchange) unfetched() httpcache.Reason {
	p := &x.h.policy
	switch {
	case p.OnlyIfCached(x.r.Header):
		return httpcache.OnlyIfCached
	case x.r.Method == http.MethodHead:
		return x.outcome.reason
	case p.NoStore(x.r.Header):
		return httpcache.RequestNoStore
	case x.object == nil && x.r.Header["Range"] != nil && x.portion == nil && !x.fillsWhole():
		return httpcache.RangeRequest
	case x.object == nil && x.isTooLarge():
		return httpcache.TooLarge
	case x.object == nil && x.h.cache.passes.has(x.key, classOf(x.r.Header), x.now):
		return httpcache.PassMemory
	}
	return httpcache.None
}

// fetch asks the origin and takes whatever comes of it.
func (x *exchange) fetch() step {
	if x.takesWhole() {
		return x.lead()
	}
	f := x.startFetch()
	select {
	case <-x.flight.landed:
	case <-x.r.Context().Done():
		if f.loan.revoke() {
			return x.clientGone()
		}
	}
	return x.landed(f)
}

func (x *exchange) passFor(why httpcache.Reason) step {
	switch why {
	case httpcache.Bypassed, httpcache.Upgrade, httpcache.Method: // not the cache's to answer
	default:
		if x.h.policy.OnlyIfCached(x.r.Header) {
			return x.notCached()
		}
	}
	x.outcome.reason = why
	return stepPass
}

// notCached answers a request that wants nothing of the origin (RFC 9111 §5.2.1.7).
func (x *exchange) notCached() step {
	x.outcome.result, x.outcome.reason = resultMiss, httpcache.OnlyIfCached
	x.object = nil
	return x.fail(caddyhttp.Error(http.StatusGatewayTimeout, errors.New("only-if-cached, and nothing is stored")))
}

// passMiss is passFor after a lookup: that is why the request goes forward, and
// why says why nothing comes of it.
func (x *exchange) passMiss(why httpcache.Reason) step {
	x.outcome.fwd = x.outcome.reason
	return x.passFor(why)
}

// fail hands an error to the caller, so that handle_errors can answer.
func (x *exchange) fail(err error) step {
	x.err = err
	if x.dry {
		return stepDone
	}
	x.publish()
	if x.outcome.fwd != httpcache.None || x.object != nil { // else the answer is our own (RFC 9211 §2)
		x.addCacheStatus(x.w.Header(), x.values[:0])
	}
	return stepDone
}

// statusClientGone is what nginx logs, and reverse_proxy answers, when a client
// is gone. One that only ended its own side of the connection may see it.
const statusClientGone = 499

// clientGone ends a walk whose client is no longer there to be answered.
func (x *exchange) clientGone() step {
	x.outcome.result = resultMiss
	return x.fail(caddyhttp.Error(statusClientGone, x.r.Context().Err()))
}
