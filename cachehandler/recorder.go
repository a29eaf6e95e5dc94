package cachehandler

import (
	"errors"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// recorder is the ResponseWriter of a fetch. When the head is there, judge (in
// head.go) decides where the body goes.
type recorder struct {
	f      *fetch
	header http.Header
	outer  http.Header // what handlers before the cache had set
	status int         // 0 until the final head

	// Where the body goes: into the object, to the leader's writer, or nowhere.
	object *store.Object
	kept   bool // object is in the store
	length int64
	portionFill
	direct    http.ResponseWriter
	swallowed int
}

// begin gives handlers a header of their own to write to, with what handlers
// before the cache had set.
func (c *recorder) begin(outer http.Header) {
	c.outer = maps.Clone(outer)
	// Room for what handlers add: growing a map costs more than having it.
	c.header = make(http.Header, len(outer)+typicalFields)
	for name, values := range outer {
		c.header[name] = slices.Clone(values)
	}
}

const typicalFields = 10

// Header implements http.ResponseWriter.
func (c *recorder) Header() http.Header { return c.header }

// WriteHeader implements http.ResponseWriter.
func (c *recorder) WriteHeader(status int) {
	switch {
	case c.status != 0:
		return
	case status >= 100 && status < 200:
		if takesInterim(c.f.req) {
			c.f.loan.inform(status, c.header)
		}
	default:
		c.status = status
		c.judge()
	}
}

// Write implements http.ResponseWriter.
func (c *recorder) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.WriteHeader(http.StatusOK)
	}
	switch {
	case c.direct != nil:
		return c.direct.Write(p)
	case c.object != nil:
		return c.fill(p)
	default:
		return c.swallow(p)
	}
}

// swallow takes the rest of a body nobody wants, up to a bound: handlers
// complain in the log about one that breaks off.
func (c *recorder) swallow(p []byte) (int, error) {
	if c.swallowed += len(p); c.swallowed > maxSwallowed {
		return 0, errUnwanted
	}
	return len(p), nil
}

const maxSwallowed = 256 << 10

// fill appends to the object. One that outgrows the limit goes on as a stream
// to those who read it.
func (c *recorder) fill(p []byte) (int, error) {
	f := c.f
	f.moved()
	have, _ := c.object.Body.Length()
	if c.exceeds(have + int64(len(p))) {
		return 0, errIncomplete
	}
	begun := have+int64(len(p)) != c.length && f.beginDelivery()
	if have+int64(len(p)) > f.h.MaxObjectSize && !c.object.Body.Detached() {
		c.unkeep()
		c.object.Body.Detach(window(f.h.MaxObjectSize))
		f.h.cache.passes.remember([]byte(f.key), f.class|outgrown, f.sent, httpcache.TooLarge)
	}
	if err := c.object.Body.Append(f.ctx, p); err != nil {
		return 0, err
	}
	if begun { // the first piece is sent before the next one is read
		runtime.Gosched()
	}
	return len(p), nil
}

// window is how much of a body that is too large to store is held for readers
// of different speed.
func window(maxObjectSize int64) int64 {
	return min(max(maxObjectSize/4, 1<<20), 16<<20)
}

// FlushError implements http.Flusher as http.ResponseController knows it.
// Readers of an object see bytes as soon as they are written.
func (c *recorder) FlushError() error {
	if c.status == 0 {
		c.WriteHeader(http.StatusOK)
	}
	if c.direct != nil {
		return http.NewResponseController(c.direct).Flush()
	}
	if c.object != nil {
		c.f.beginDelivery()
	}
	return nil
}

// Flush implements http.Flusher.
func (c *recorder) Flush() { _ = c.FlushError() }

// finish is called once, with what the handlers returned.
func (c *recorder) finish(err error) {
	f := c.f
	if c.status == 0 && err == nil {
		c.WriteHeader(http.StatusOK)
	}
	switch {
	case c.status == 0 && f.panicked != nil:
		f.land(landing{panicked: f.panicked})
	case c.status == 0:
		// An error of the handlers' own, such as 403, may be about the request.
		status := errorStatus(err)
		if status != 0 {
			f.h.cache.passes.remember([]byte(f.key), f.class, f.sent, httpcache.OriginFailed)
		}
		// And who asks oddly may have made the origin fail: the others ask for themselves.
		f.land(landing{err: err, status: status, alone: status != 0 || httpcache.IsOdd(f.client)})
	case c.direct != nil:
		c.finishDirect()
		f.err = err
	case c.object != nil:
		c.finishObject(err)
	}
}

// finishDirect hands over the trailers that handlers set after the body
// (see [http.ResponseWriter]).
func (c *recorder) finishDirect() {
	h := c.direct.Header()
	for name, values := range c.header {
		if !slices.Equal(h[name], values) {
			h[name] = values
		}
	}
}

// finishObject completes the object, or aborts it if it is not whole (RFC 9111
// §3.3).
func (c *recorder) finishObject(err error) {
	body := c.object.Body
	if err == nil {
		err = c.addRest()
	}
	if n, _ := body.Length(); err == nil && c.length >= 0 && n != c.length {
		err = errIncomplete
	}
	if err != nil {
		c.unkeep()
		body.Abort(err)
		c.f.h.metrics.fill(fillAborted)
		return
	}
	body.Complete()
	if body.Detached() {
		c.f.h.metrics.fill(fillTooLarge)
		return
	}
	c.f.h.metrics.fill(fillStored)
	if !c.kept {
		return
	}
	c.f.h.settle(c.f.ctx, c.object)
	if base := c.f.base; base != nil && !slices.Equal(base.Head.Vary, c.object.Head.Vary) {
		c.forgetBase() // it would still be selected
	}
}

// unkeep takes the object out of the store; those who read it go on.
func (c *recorder) unkeep() {
	if !c.kept {
		return
	}
	c.kept = false
	cache := c.f.h.cache
	objects, err := cache.tier.Get(c.f.ctx, []byte(c.object.Key))
	for _, o := range objects {
		if o.Body == c.object.Body { // it, or what a 304 has made of it
			err = errors.Join(err, cache.tier.Remove(c.f.ctx, o))
		}
	}
	if err != nil {
		c.f.h.storeFailed("remove", err)
	}
}

// contentLength is the announced length of a body, -1 for none (or one that is
// no number: the body then has the length it has).
func contentLength(status int, field string) int64 {
	if status == http.StatusNoContent || status == http.StatusNotModified {
		return 0
	}
	n, err := strconv.ParseInt(field, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// Interface guards
var (
	_ http.Flusher = (*recorder)(nil)
	_ interface {
		FlushError() error
	} = (*recorder)(nil)
)
