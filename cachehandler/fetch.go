package cachehandler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// idleFor is how long a fetch may stand still with nobody waiting for it
// before it is given up.
const idleFor = 30 * time.Second

// fetch is one request to the origin. It belongs to the cache, not to the
// client that caused it: a client that leaves or reads slowly neither ends nor
// delays it. It runs either in the goroutine of its leader, who then stays for
// as long as it takes (lead.go), or in one of its own, with its own Replacer
// and variables (detach.go).
type fetch struct {
	h       *Handler
	leader  *exchange // whose writer is lent; nil for a refresh
	req     *http.Request
	next    caddyhttp.Handler
	client  http.Header // of the request that caused it, before any handler changed it
	key     string      // of the client's request
	ends    keyEnds     // of the parts of key
	path    string      // asked for by the client
	query   *query      // what it asks with, if not with GET
	class   class       // of the client's request
	secure  bool        // the scheme and
	host    string      // the authority of the client's request
	flight  *flight
	base    *store.Object // the stored object it is to replace or validate, or nil
	spare   *store.Object // the stored object that the client selects, for the case that the origin fails, or nil
	asks    bool          // it asks whether base is still valid
	part    bool          // the client asked for a part only, and the whole is fetched
	portion *portion      // what of the whole is asked for; nil for all of it
	loan    loan
	ctx     context.Context
	cancel  context.CancelFunc
	idle    atomic.Pointer[time.Timer] // nil while a leader who carries it out is there
	sent    time.Time
	rec     recorder

	led      bool      // it runs in the leader's goroutine
	delivery *delivery // of its body, if begun

	// For the leader, set before the flight lands.
	personal http.Header // fields of the answer that the object does not keep
	aged     bool        // the answer came out of a cache further on

	// For a leader who lent its writer, set before done is closed.
	done     chan struct{}
	err      error
	panicked any
}

var (
	errPanicked   = errors.New("handler panicked")
	errIncomplete = errors.New("handler ended before the announced end of the body")
	errUnwanted   = errors.New("the response is not wanted any more")

	errNotAnswered = errors.New("the fetch brought no answer")
)

// fetchContext is the context of a fetch: it has the values of the client's,
// but does not end with it.
type fetchContext struct {
	context.Context
	cache *cache
}

// fetchingCtxKey is the key under which a fetchContext says that it is one of a
// cache. There may be one within another.
type fetchingCtxKey struct{ *cache }

// Deadline implements context.Context: there is none.
func (fetchContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done implements context.Context: never.
func (fetchContext) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (fetchContext) Err() error { return nil }

// Value implements context.Context.
func (c fetchContext) Value(key any) any {
	if key == (fetchingCtxKey{c.cache}) {
		return c.cache
	}
	return c.Context.Value(key)
}

// fetching reports a request that is a fetch for the same cache already: where
// two directives match, the second has nothing to add to the first, and would
// wait for it.
func (h *Handler) fetching(r *http.Request) bool {
	return r.Context().Value(fetchingCtxKey{h.cache}) != nil
}

// newFetch prepares what every fetch has.
func (x *exchange) newFetch() *fetch {
	ctx, cancel := context.WithCancel(fetchContext{x.r.Context(), x.h.cache})
	f := &fetch{
		h: x.h, next: x.next, flight: x.flight, base: x.base(), spare: x.object,
		client: x.r.Header,
		ends:   x.ends,
		path:   originalURL(x.r).EscapedPath(),
		query:  x.query,
		class:  classOf(x.r.Header),
		secure: x.r.TLS != nil, host: x.r.Host,
		part:    x.object == nil && x.portion == nil && x.r.Header["Range"] != nil,
		portion: x.portion,
		ctx:     ctx, cancel: cancel,
	}
	if f.key = x.flight.key; f.key != string(x.key) {
		f.key = string(x.key)
	}
	f.rec.f = f
	return f
}

// base is the stored object that a fetch for x is to replace or validate.
func (x *exchange) base() *store.Object {
	if x.object != nil && httpcache.AsksApart(x.r.Method, x.r.Header, x.object.Head) {
		return nil
	}
	return x.object
}

// conditional are the fields by which a client asks for less than the whole
// response. A response that is to be stored is asked for whole.
var conditional = [...]string{
	"If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range",
}

// toOrigin makes the client's request the cache's own. A stored object is
// validated (RFC 9111 §4.3).
func (f *fetch) toOrigin() {
	f.req.Method = http.MethodGet // a HEAD may have found the object stale
	if f.query != nil {
		f.query.attach(f.req)
	}
	for _, name := range conditional {
		delete(f.req.Header, name)
	}
	stripUnkeyed(f.req, f.h.Key.Header, f.query != nil)
	var buf [128]byte
	if host := appendHost(buf[:0], f.req.TLS != nil, f.req.Host); string(host) != f.req.Host {
		f.req.Host = string(host) // as the key has it
	}
	f.h.announce(f.req.Header)
	f.asks = f.base != nil && f.base.Head.Validate(f.req.Header)
	if f.portion != nil {
		f.portion.askFor(f.req.Header)
	}
}

// method is what the origin is asked with, whatever handlers make of it.
func (f *fetch) method() string {
	if f.query != nil {
		return methodQuery
	}
	return http.MethodGet
}

// startFetch asks the origin on behalf of x, who is free to go.
func (x *exchange) startFetch() *fetch {
	f := x.newDetachedFetch()
	f.leader, f.loan.w = x, x.w
	f.done = make(chan struct{})
	x.h.cache.flights.await(x.flight)
	go f.run()
	return f
}

// refresh fetches the object anew behind the client's back, unless that is
// being done already, or was between the look-up and now.
func (x *exchange) refresh() {
	if !x.join() {
		x.flight.waiters.Add(-1)
		return
	}
	if _, o, err := x.find(); err == nil && o != nil && o != x.object && o.Head.TTL(time.Now()) > 0 {
		x.h.cache.flights.land(x.flight, landing{object: o})
		return
	}
	go x.newDetachedFetch().run()
}

// run asks the origin. Everything after the head happens in the recorder,
// which the handlers write to.
func (f *fetch) run() {
	f.sent = time.Now()
	f.rec.finish(f.serve())
	f.cancel()
	if timer := f.idle.Load(); timer != nil {
		timer.Stop()
	}
	if f.done != nil {
		close(f.done)
	}
}

// serve contains panics: http.ErrAbortHandler is how reverse_proxy says that
// a body broke off, and any other must not end the process from here.
func (f *fetch) serve() (err error) {
	defer func() {
		if v := recover(); v != nil {
			f.panicked = v
			err = fmt.Errorf("%w: %v", errPanicked, v)
			if v != http.ErrAbortHandler {
				f.h.log.Error("handler panicked", zap.Any("panic", v), zap.Stack("stack"))
			}
		}
	}()
	return f.next.ServeHTTP(&f.rec, f.req)
}

// awaitDirect is for a leader whose writer was lent to the fetch, because the
// answer is for that client alone. What the handlers return or panic with is
// then the leader's, as if it had called them itself.
func (x *exchange) awaitDirect(f *fetch) step {
	if !f.led {
		select {
		case <-f.done:
		case <-x.r.Context().Done():
			f.cancel()
			<-f.done
		}
	}
	if f.panicked != nil {
		panic(f.panicked)
	}
	x.err = f.err
	return stepDone
}

// wanted reports whether anybody is left who would miss the fetch.
func (f *fetch) wanted() bool {
	if f.flight.waiters.Load() > 0 || f.loan.open() {
		return true
	}
	if !f.flight.over.Load() {
		return false
	}
	o := f.flight.result.object
	return o != nil && o.Body.Readers() > 0
}

// clientGone is called when the leader's client is gone. The fetch goes on for
// those who wait and for the store, but not if its answer is for that client alone.
func (f *fetch) clientGone() {
	if !f.loan.revoke() {
		f.cancel()
		return
	}
	f.watch()
}

// watch begins to look for standstill.
func (f *fetch) watch() {
	timer := time.AfterFunc(time.Hour, f.onIdle)
	f.idle.Store(timer)
	timer.Reset(idleFor)
}

// moved notes that it does not stand still.
func (f *fetch) moved() {
	if timer := f.idle.Load(); timer != nil {
		timer.Reset(idleFor)
	}
}

// onIdle gives the fetch up if it stands still and nobody waits for it.
func (f *fetch) onIdle() {
	if f.wanted() {
		f.moved()
		return
	}
	f.cancel()
}

// land tells everybody who waits what the head brought.
func (f *fetch) land(l landing) { f.h.cache.flights.land(f.flight, l) }

// outdated reports that o, which the fetch has brought, may be from before a
// change of what was asked for or of a group of o's, so that it is not to be stored.
func (f *fetch) outdated(o *store.Object) bool {
	own, v := []byte(f.key), &f.h.cache.invalidated
	return f.flight.outdated.Load() || !f.sent.After(v.since(own, f.ends)) || !f.sent.After(v.sinceOf(o, f.key, own, f.ends))
}
