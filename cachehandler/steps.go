package cachehandler

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// step is where a request is on its way through the cache.
type step uint8

const (
	stepReceive step = iota // is it for the cache at all?
	stepLookup              // what is stored under its key, and may it be used?
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
	keyBuf [160]byte

	object *store.Object // selected by the request, or fetched for it
	vary   []string      // what the key's responses vary on, when none is selected
	flight *flight
	led    *fetch // carried out by this request itself
	alone  bool   // do not wait for others any more
	dry    bool   // nobody asked: see explain.go
	rounds int
	since  uint64 // of cache.invalidated, when it joined or asked

	reader   *store.Reader // of a body that still arrives
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

// receive passes what no cache may answer (RFC 9111 §4: other methods,
// other protocols, requests with content) and makes the key of the rest.
func (x *exchange) receive() step {
	if httpguts.HeaderValuesContainsToken(x.r.Header["Connection"], "upgrade") || x.r.Method == http.MethodConnect {
		return x.passFor(httpcache.Upgrade)
	}
	x.key = x.h.Key.append(x.keyBuf[:0], x.r)
	if len(x.h.bypass) > 0 {
		matched, err := x.h.bypass.AnyMatchWithError(x.r)
		if err != nil {
			return x.fail(err)
		}
		if matched {
			return x.passFor(httpcache.Bypassed)
		}
	}
	switch {
	case x.r.Method == "PURGE":
		x.outcome.reason = httpcache.Method
		x.w.Header().Set("Allow", "GET, HEAD")
		return x.fail(caddyhttp.Error(http.StatusMethodNotAllowed, errors.New("purge is not allowed")))
	case x.r.Method != http.MethodGet && x.r.Method != http.MethodHead:
		return x.passFor(httpcache.Method)
	case hasContent(x.r):
		return x.passFor(httpcache.RequestBody)
	case len(x.key) > maxKeyBytes:
		return x.passFor(httpcache.KeyTooLong)
	case wantsStream(x.r.Header): // its head may come with the first event only
		return x.passFor(httpcache.Stream)
	case x.r.Header["If-Match"] != nil || x.r.Header["If-Unmodified-Since"] != nil:
		return x.passFor(httpcache.ForOrigin)
	}
	return stepLookup
}

func wantsStream(request http.Header) bool {
	for _, accept := range request["Accept"] {
		if strings.Contains(accept, "text/event-stream") {
			return true
		}
	}
	return false
}

// lookup selects the stored response for the request (RFC 9111 §4.1)
// and decides what it is good for (§4).
func (x *exchange) lookup() step {
	x.object, x.vary = nil, nil
	objects, err := x.h.cache.tier.Get(x.r.Context(), x.key)
	if err != nil {
		x.h.storeFailed("get", err)
		return x.passFor(httpcache.StoreFailed)
	}
	return x.choose(objects)
}

// choose is the decision of lookup, about what is stored under the key.
func (x *exchange) choose(objects []*store.Object) step {
	if o := x.selectFrom(objects); o != nil {
		return x.judge(o)
	}
	x.outcome.reason = httpcache.URIMiss
	if len(objects) > 0 {
		x.outcome.reason = httpcache.VaryMiss
		x.vary = objects[0].Head.Vary
	}
	return stepMiss
}

// selectFrom returns the newest object that the request selects. One in a
// language that the request merely accepts comes after one that was asked for
// with the same words.
func (x *exchange) selectFrom(objects []*store.Object) (selected *store.Object) {
	p := &x.h.policy
	for _, o := range objects {
		if !p.Selects(o.Head, x.r.Header) {
			continue
		}
		if len(objects) == 1 || o.Head.Fields.Get("Content-Language") == "" || o.Head.Variant == p.Variant(o.Head.Vary, x.r.Header) {
			return o
		}
		if selected == nil {
			selected = o
		}
	}
	return selected
}

func (x *exchange) judge(o *store.Object) step {
	use, why := x.h.policy.Reuse(o.Head, x.r.Header, x.now)
	x.outcome.reason = why
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
	case httpcache.OnlyIfCached: // RFC 9111 §5.2.1.7
		x.outcome.result, x.outcome.reason = resultMiss, why
		x.object = nil
		return x.fail(caddyhttp.Error(http.StatusGatewayTimeout, errors.New("only-if-cached, and nothing is stored")))
	default:
		return x.passMiss(why)
	}
	if x.h.Collapse.Off || x.alone || x.validatedEachTime() {
		x.flight = x.h.cache.flights.alone(string(x.key))
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
	case x.object == nil && x.r.Header["Range"] != nil && x.h.FillRangeUpTo == 0:
		return httpcache.RangeRequest
	case x.object == nil && x.h.cache.passes.has(x.key, classOf(x.r.Header), x.now):
		return httpcache.PassMemory
	}
	return httpcache.None
}

// confirm looks again before it leads: another flight may have landed between
// the look-up and the join, and then nobody needs a second fetch.
func (x *exchange) confirm() step {
	objects, err := x.h.cache.tier.Get(x.r.Context(), x.key)
	if err != nil {
		return stepFetch
	}
	x.now = time.Now()
	o := x.selectFrom(objects)
	if o == nil || o == x.object {
		return stepFetch
	}
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
	if x.r.Header["Range"] != nil {
		variant += " part" // it is given up if the whole is too large
	}
	if server, ok := x.r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server != nil {
		variant += " " + server.Name() + " " + x.r.Host
	}
	x.since = x.h.cache.invalidated.now()
	x.flight, lead = x.h.cache.flights.join(string(x.key), variant)
	return lead
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
	timer := time.NewTimer(time.Duration(x.h.Collapse.Wait))
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
	x.outcome.reason = why
	return stepPass
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
