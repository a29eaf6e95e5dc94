package filter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/framing"
	"github.com/caddy-portico/portico/filter/limits"
)

// LimitOptions are the limits of a request. `0` turns one off.
type LimitOptions struct {
	// What is done with what exceeds a limit: `block`, `detect`, or `off` for no
	// limits at all. Default: the `mode` of the handler.
	Mode string `json:"mode,omitempty"`

	// The longest request target, in bytes (414). Default: 8192.
	URI *int64 `json:"uri,omitempty"`

	// The most header field lines (431). Default: 100.
	Headers *int64 `json:"headers,omitempty"`

	// The most bytes in all header fields together (431). Default: 65536.
	HeaderSize *int64 `json:"header_size,omitempty"`

	// The most arguments in a query, and as many in a form (400). Default: 255.
	Args *int64 `json:"args,omitempty"`

	// The largest body, in bytes (413). Default: 10485760 for forms and JSON,
	// and none for other types, so that uploads pass. What is set here is for all.
	Body *int64 `json:"body,omitempty"`

	// The most arrays and objects inside each other in a JSON body (400).
	// Default: 64.
	JSONDepth *int64 `json:"json_depth,omitempty"`

	limits limits.Limits
}

func (o *LimitOptions) provision() {
	o.limits = limits.Default
	for _, set := range []struct {
		from *int64
		to   *int
	}{
		{o.URI, &o.limits.URI},
		{o.Headers, &o.limits.Headers},
		{o.HeaderSize, &o.limits.HeaderBytes},
		{o.Args, &o.limits.Args},
		{o.JSONDepth, &o.limits.JSONDepth},
	} {
		if set.from != nil {
			*set.to = int(*set.from)
		}
	}
	if o.Body != nil {
		o.limits.Body = *o.Body
	}
}

func (o *LimitOptions) validate() error {
	errs := []error{named("mode", expectWord(o.Mode, "", wordBlock, wordDetect, wordOff))}
	for name, n := range map[string]*int64{
		"uri": o.URI, "headers": o.Headers, "header_size": o.HeaderSize, "args": o.Args, "body": o.Body, "json_depth": o.JSONDepth,
	} {
		if n != nil && *n < 0 {
			errs = append(errs, fmt.Errorf("%s: must not be negative", name))
		}
	}
	return errors.Join(errs...)
}

// any reports whether there is a limit.
func (o *LimitOptions) any() bool { return o.Mode != wordOff && o.limits != limits.Limits{} }

// of are the limits for a request. The default for bodies is for those that
// origins read as a whole before they do anything.
func (o *LimitOptions) of(r *http.Request) limits.Limits {
	l := o.limits
	if o.Body == nil && !limits.Parsed(r) {
		l.Body = 0
	}
	return l
}

// limits judges the head. What only the body tells comes as it streams by.
func (x *inspection) limits() verdict {
	if e := x.h.Limits.of(x.r).Head(x.r); e != limits.None {
		return x.exceeds(e)
	}
	return verdict{}
}

func (x *inspection) exceeds(e limits.Excess) verdict {
	return verdict{
		reason: reasonLimit,
		mode:   x.h.modeOf(x.h.Limits.Mode),
		rule:   e.Name(),
		text:   e.String(),
		status: e.Status(),
	}
}

// pass hands the request to the next handler.
func (x *inspection) pass(next caddyhttp.Handler) error {
	x.publish()
	body := x.watchBody()
	if body == nil {
		x.report()
		return next.ServeHTTP(x.w, x.r)
	}
	return x.passBody(body, next)
}

// passBody hands on a request whose body is watched, and sees to it that what it
// tells is what the client is told, not what the next handlers made of it.
func (x *inspection) passBody(body *watchedBody, next caddyhttp.Handler) error {
	defer x.settle(body) // also if a handler gives up by a panic
	w := &bodyWriter{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: x.w}, body: body}
	x.r.Body = body
	err := next.ServeHTTP(w, x.r)
	if !body.refused() || err == nil && !w.withheld {
		return err
	}
	if body.broken.Load() {
		x.w.Header().Set("Connection", "close") // nobody knows where the next request begins
	}
	x.keepUnstored()
	v := x.told(body)
	return caddyhttp.Error(v.code(), v)
}

// told is the verdict on what the body has told, if it has.
func (x *inspection) told(body *watchedBody) verdict {
	if e := body.excess(); e != limits.None {
		return x.exceeds(e)
	}
	if body.broken.Load() {
		return verdict{reason: reasonFraming, mode: x.strictMode(x.h.Framing), rule: "chunks", text: "the chunks of the body are malformed", status: framing.Status}
	}
	return verdict{}
}

// settle adds what the body has told, and reports the request.
func (x *inspection) settle(body *watchedBody) {
	switch v := x.told(body); {
	case v.reason == reasonNone:
	case v.mode == detect:
		x.detect(v)
		x.publish()
	default:
		x.blocked(v)
		x.publish()
		if v.reason == reasonFraming {
			x.strike(v)
		}
	}
	x.report()
}

// watchBody returns the body to watch, with the limits on it; nil if there is
// nothing to see. Caddy wraps the body of every request, so that only the length
// says that there is nothing in it (RFC 9112 §6.3).
func (x *inspection) watchBody() *watchedBody {
	if x.r.Body == nil || x.r.Body == http.NoBody || x.r.ContentLength == 0 {
		return nil
	}
	o := x.h.Limits
	b := &watchedBody{ReadCloser: x.r.Body, detect: x.h.modeOf(o.Mode) == detect}
	if l := o.of(x.r); o.any() && b.detect {
		b.ReadCloser = l.Watch(x.r, b.note)
	} else if o.any() {
		b.ReadCloser = l.Stream(x.r)
	}
	b.chunked = x.h.Framing != wordOff && len(x.r.TransferEncoding) > 0
	b.chunksPass = x.strictMode(x.h.Framing) == detect
	if b.ReadCloser == x.r.Body && !b.chunked {
		return nil
	}
	return b
}

// watchedBody remembers what its limits and its chunks said: whoever reads it may
// wrap, change or forget the error, and may do so in a goroutine of its own.
type watchedBody struct {
	io.ReadCloser
	detect     bool // of limits
	chunked    bool
	chunksPass bool // malformed ones are only noted
	found      atomic.Uint32
	broken     atomic.Bool
}

func (b *watchedBody) note(e limits.Excess) { b.found.CompareAndSwap(0, uint32(e)) }

func (b *watchedBody) excess() limits.Excess { return limits.Excess(b.found.Load()) }

// refused reports a body that the client is to be told of.
func (b *watchedBody) refused() bool {
	return b.excess() != limits.None && !b.detect || b.broken.Load() && !b.chunksPass
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	var excess *limits.Error
	switch {
	case errors.As(err, &excess):
		b.note(excess.Excess)
		err = overrun{excess}
	case b.chunked && isMalformed(err):
		b.broken.Store(true)
		if !b.chunksPass {
			err = overrun{err}
		}
	}
	return n, err
}

// isMalformed reports an error about the chunks themselves (RFC 9112 §7.1), and
// not about a client that went away or a connection that failed.
func isMalformed(err error) bool {
	var connection net.Error
	return !errors.As(err, &connection) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, context.Canceled) &&
		!errors.Is(err, http.ErrBodyReadAfterClose)
}

// overrun is the error of a body that is refused. It counts as a request
// that its client has cancelled: reverse_proxy must not try another upstream with
// it, nor take it for a failure of the upstream, or one client could have all of
// them declared unhealthy.
type overrun struct{ cause error }

func (o overrun) Error() string { return o.cause.Error() }

// Is implements errors.Is.
func (overrun) Is(target error) bool { return target == context.Canceled }

// Unwrap implements errors.Unwrap.
func (o overrun) Unwrap() error { return o.cause }

// statusClientClosed is what reverse_proxy notes for a cancelled request.
const statusClientClosed = 499

// bodyWriter withholds that note where the client is still there, and is to be
// told.
type bodyWriter struct {
	*caddyhttp.ResponseWriterWrapper
	body     *watchedBody
	withheld bool
}

// WriteHeader implements http.ResponseWriter.
func (w *bodyWriter) WriteHeader(status int) {
	if status == statusClientClosed && w.body.refused() {
		w.withheld = true
		return
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}
