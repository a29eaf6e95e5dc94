package filter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

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

// passBody hands on a request whose body has limits, and sees to it that an
// excess is what the client is told, not what the next handlers made of it.
func (x *inspection) passBody(body *watchedBody, next caddyhttp.Handler) error {
	defer x.settle(body) // also if a handler gives up by a panic
	w := &bodyWriter{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: x.w}, body: body}
	x.r.Body = body
	err := next.ServeHTTP(w, x.r)
	e := body.excess()
	if e == limits.None || body.detect || err == nil && !w.withheld {
		return err
	}
	x.keepUnstored()
	v := x.exceeds(e)
	return caddyhttp.Error(v.code(), v)
}

// settle adds what the body has told, and reports the request.
func (x *inspection) settle(body *watchedBody) {
	if e := body.excess(); e != limits.None {
		if body.detect {
			x.detect(x.exceeds(e))
		} else {
			x.blocked(x.exceeds(e))
		}
		x.publish()
	}
	x.report()
}

// watchBody returns the body with the limits on it; nil if there are none for it.
// Caddy wraps the body of every request, so that only the length says that there
// is nothing in it (RFC 9112 §6.3).
func (x *inspection) watchBody() *watchedBody {
	o := x.h.Limits
	if x.r.Body == nil || x.r.Body == http.NoBody || x.r.ContentLength == 0 || !o.any() {
		return nil
	}
	b := &watchedBody{detect: x.h.modeOf(o.Mode) == detect}
	l := o.of(x.r)
	if b.detect {
		b.ReadCloser = l.Watch(x.r, b.note)
	} else {
		b.ReadCloser = l.Stream(x.r)
	}
	if b.ReadCloser == x.r.Body {
		return nil
	}
	return b
}

// watchedBody remembers what its limits said: whoever reads it may wrap, change or
// forget the error, and may do so in a goroutine of its own.
type watchedBody struct {
	io.ReadCloser
	detect bool
	found  atomic.Uint32
}

func (b *watchedBody) note(e limits.Excess) { b.found.CompareAndSwap(0, uint32(e)) }

func (b *watchedBody) excess() limits.Excess { return limits.Excess(b.found.Load()) }

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	var excess *limits.Error
	if errors.As(err, &excess) {
		b.note(excess.Excess)
		err = overrun{excess}
	}
	return n, err
}

// overrun is the error of a body that exceeds a limit. It counts as a request
// that its client has cancelled: reverse_proxy must not try another upstream with
// it, nor take it for a failure of the upstream, or one client could have all of
// them declared unhealthy.
type overrun struct{ excess *limits.Error }

func (o overrun) Error() string { return o.excess.Error() }

// Is implements errors.Is.
func (overrun) Is(target error) bool { return target == context.Canceled }

// Unwrap implements errors.Unwrap.
func (o overrun) Unwrap() error { return o.excess }

// statusClientClosed is what reverse_proxy notes for a cancelled request.
const statusClientClosed = 499

// bodyWriter withholds that note where the client is still there, and is to be
// told of the excess.
type bodyWriter struct {
	*caddyhttp.ResponseWriterWrapper
	body     *watchedBody
	withheld bool
}

// WriteHeader implements http.ResponseWriter.
func (w *bodyWriter) WriteHeader(status int) {
	if status == statusClientClosed && w.body.excess() != limits.None && !w.body.detect {
		w.withheld = true
		return
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}
