package cachehandler

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// pass hands the request to the next handler and its answer to the client,
// unbuffered and unstored.
func (x *exchange) pass() step {
	if x.led != nil { // the handlers were called, and changed what they changed
		return x.fail(caddyhttp.Error(http.StatusBadGateway, errNotAnswered))
	}
	o := &x.outcome
	o.result = resultPass
	o.hasAge, o.stored = false, false // what was found, or fetched before, is not what is answered
	if o.fwd == httpcache.None {
		o.fwd = o.reason
	}
	if o.reason == httpcache.Bypassed {
		o.result = resultBypass
	}
	x.direct = passWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: x.w}, x: x,
		inner: x.h.innerFields(x.w.Header()),
	}
	if x.mayFallBack() {
		return x.passOrFallBack()
	}
	x.publish()
	switch {
	case x.mayFreshen():
		x.direct.outer = maps.Clone(x.w.Header())
		x.err = x.next.ServeHTTP(&x.direct, x.r)
	case x.mayKeepPost():
		x.direct.posted = new(posted)
		x.direct.outer = maps.Clone(x.w.Header())
		x.err = x.passPost()
	default:
		x.err = x.next.ServeHTTP(&x.direct, x.r)
	}
	return stepDone
}

// passWriter looks at the head of a passed answer and changes nothing but
// Cache-Status. Everything else (flushing, hijacking, ReadFrom) is the wrapped
// writer's.
type passWriter struct {
	caddyhttp.ResponseWriterWrapper
	x         *exchange
	wroteHead bool
	outer     http.Header // what handlers before the cache had set, if a HEAD may freshen or a POST be kept
	posted    *posted     // the copy of an answer to POST; nil for other methods
	inner     fieldSet    // those of the handler's that they had set
	before    http.Header // what to go back to if a stale response is used instead; nil if none may be
	fellBack  bool        // one is: what else comes is not for the client
}

// WriteHeader implements http.ResponseWriter.
func (w *passWriter) WriteHeader(status int) {
	if !w.wroteHead && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.wroteHead = true
		if w.fellBack = w.x.failsOver(status); w.fellBack {
			w.x.outcome.fwdStatus = status
			return
		}
		w.x.passHead(w.Header(), status)
	}
	if !w.fellBack && (w.wroteHead || takesInterim(w.x.r)) {
		w.ResponseWriter.WriteHeader(status)
	}
}

// takesInterim reports a client that knows informational responses (RFC 9110 §15.2).
// The server would send them to any.
func takesInterim(r *http.Request) bool { return r.ProtoAtLeast(1, 1) }

// Write implements http.ResponseWriter.
func (w *passWriter) Write(p []byte) (int, error) {
	w.begin()
	if w.fellBack {
		return len(p), nil
	}
	n, err := w.ResponseWriter.Write(p)
	if w.posted != nil {
		w.posted.write(p[:n], err)
	}
	return n, err
}

// ReadFrom implements io.ReaderFrom, so that files are still sent by the kernel.
func (w *passWriter) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	if w.fellBack || w.posted != nil && w.posted.object != nil {
		return io.Copy(writeOnly{w}, r)
	}
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// writeOnly hides ReadFrom.
type writeOnly struct{ io.Writer }

// FlushError implements http.Flusher as http.ResponseController knows it.
func (w *passWriter) FlushError() error {
	w.begin()
	if w.fellBack {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *passWriter) begin() {
	if !w.wroteHead {
		w.WriteHeader(http.StatusOK)
	}
}

// passHead is called with the final head of a passed answer.
func (x *exchange) passHead(h http.Header, status int) {
	if x.direct.before != nil {
		x.publish()
	}
	if x.direct.posted != nil {
		x.direct.posted.noteChanges(x, h, status)
	}
	if x.key != nil {
		x.invalidate(h, status)
	}
	switch {
	case x.outcome.reason == httpcache.PassMemory:
		x.remember(h, status)
	case x.direct.outer != nil && status == http.StatusOK:
		own, layers := ownFields(h, x.direct.outer)
		if x.direct.posted != nil {
			x.direct.posted.begin(x, status, own, layers)
		} else {
			x.freshenByHead(own)
		}
	}
	x.h.strip(h, x.direct.inner, x.r.Header)
	x.outcome.fwdStatus = status
	if status != http.StatusSwitchingProtocols {
		x.addCacheStatus(h, x.values[:0])
	}
}

// onDirect is passHead for an answer that a fetch found not to be storable.
func (f *fetch) onDirect(why httpcache.Reason, status int) {
	x := f.leader
	o := &x.outcome
	o.result, o.fwd, o.fwdStatus = resultPass, o.reason, status
	o.reason = why
	x.publish()
	x.addCacheStatus(x.w.Header(), x.values[:0])
}

// remember keeps a key in the pass memory for as long as its answers are not
// storable.
func (x *exchange) remember(h http.Header, status int) {
	length := contentLength(status, h.Get("Content-Length"))
	head, why := x.h.storable(&httpcache.Exchange{
		Method: x.r.Method, Host: x.r.Host, Path: originalURL(x.r).EscapedPath(), RequestHeader: x.r.Header,
		Status: status, Header: h, RequestTime: x.now, ResponseTime: time.Now(),
	}, length)
	if head != nil && x.h.exceedsRange(x.r.Header, status, length) {
		head, why = nil, httpcache.RangeRequest
	}
	if head == nil {
		if ofOneRange(status, why) {
			return
		}
		x.h.cache.passes.remember(x.key, classOf(x.r.Header), time.Now(), why)
		return
	}
	x.h.cache.passes.forget(x.key, classOf(x.r.Header))
}

// mayFreshen reports a HEAD whose answer is as good as one to the cache's own
// request: what is not in the key did not go to the origin with it.
func (x *exchange) mayFreshen() bool {
	if x.r.Method != http.MethodHead || classOf(x.r.Header) != 0 {
		return false
	}
	stored := x.choosable()
	return len(stored) > 0 && !hasUnkeyed(x.r.Header) && !slices.ContainsFunc(stored, func(o *store.Object) bool {
		return httpcache.AsksApart(x.r.Method, x.r.Header, o.Head)
	})
}

// choosable is what a HEAD says something about: the response that the request
// selects, or the parts of it.
func (x *exchange) choosable() []*store.Object {
	if x.object != nil {
		return []*store.Object{x.object}
	}
	return x.parts
}

// freshenByHead updates what is stored with the answer to a HEAD, or makes it
// stale if that is about another response (RFC 9111 §4.3.5).
func (x *exchange) freshenByHead(h http.Header) {
	if !x.now.After(x.h.cache.invalidated.since(x.key, x.ends)) {
		return // it is about what was there before a change
	}
	answer := &httpcache.Exchange{
		Method: http.MethodHead, Host: x.r.Host, Path: originalURL(x.r).EscapedPath(), RequestHeader: x.r.Header,
		Status: http.StatusOK, Header: h, RequestTime: x.now, ResponseTime: time.Now(),
	}
	for _, o := range x.choosable() {
		x.freshenOne(o, answer)
	}
}

func (x *exchange) freshenOne(old *store.Object, answer *httpcache.Exchange) {
	if old.Key != string(x.key) && !x.now.After(x.h.cache.invalidated.sincePath(x.key, x.ends)) {
		return // as above, of another URI
	}
	length, _ := lengthOf(old)
	head, _, ok := httpcache.FreshenHead(old.Head, length, answer, &x.h.policy)
	switch {
	case !ok || !variationOf(head).Equal(variationOf(old.Head)):
		head = old.Head.Expire(answer.ResponseTime)
	case !slices.Equal(head.Vary, old.Head.Vary):
		return // it would be for others than it was made for
	}
	o := old.WithHead(head)
	if !x.h.label(o, x.r.TLS != nil, x.r.Host) {
		o = old.WithHead(old.Head.Expire(answer.ResponseTime))
	}
	x.h.replace(x.r.Context(), old, o, func(o *store.Object) bool {
		return x.h.cache.invalidated.sinceTags(o.Tags).After(x.now)
	})
}

// invalidate drops what an unsafe method has made out of date (RFC 9111
// §4.4): the target and, on the same host, what Location and Content-Location name, and
// the Destination of a COPY or MOVE.
func (x *exchange) invalidate(h http.Header, status int) {
	if x.r.Method == http.MethodGet || x.r.Method == http.MethodHead || x.query != nil {
		return // spares making the target
	}
	others, ok := httpcache.Invalidates(x.r.Method, x.target(), x.r.Header, status, h)
	if !ok {
		return
	}
	x.invalidateGroups(h, status)
	ctx := x.r.Context()
	x.h.cache.invalidate(ctx, x.key, x.ends)
	for _, other := range others {
		u, err := url.Parse(other)
		if err != nil {
			continue
		}
		key, ends := x.h.Key.appendFor(nil, x.r, u)
		x.h.cache.invalidate(ctx, key, ends)
	}
}

// target is the URI the client asked for, absolute.
func (x *exchange) target() string {
	scheme := "http://"
	if x.r.TLS != nil {
		scheme = "https://"
	}
	return scheme + x.r.Host + originalURL(x.r).RequestURI()
}
