package filter

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// RespondOptions is an answer.
type RespondOptions struct {
	// The status code: 200 to 599, but no redirect.
	Status int `json:"status,omitempty"`

	// The body, as plain text. Without one, an error status goes to
	// `handle_errors`. Default: none.
	Body string `json:"body,omitempty"`
}

func (o *RespondOptions) validate() error {
	if o != nil && (o.Status < 200 || o.Status > 599 || o.Status/100 == 3) {
		return fmt.Errorf("status must be 200 to 299 or 400 to 599, not %d", o.Status)
	}
	return nil
}

// validateAnswer holds that there is one answer at most.
func (h *Handler) validateAnswer() error {
	given := 0
	for _, is := range []bool{h.Respond != nil, h.Drop, h.Tarpit != 0} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return errors.New("respond, drop and tarpit: at most one of them")
	case h.Tarpit < 0:
		return errors.New("tarpit: must not be negative")
	}
	return named("respond", h.Respond.validate())
}

// answerTo says how a verdict is answered: with which status, or 0 for none, and by
// which option, if by one.
func (h *Handler) answerTo(v verdict) (status int, option string) {
	switch {
	case !v.denial():
	case h.Drop:
		return 0, "drop"
	case h.Tarpit > 0:
		return v.code(), "tarpit"
	case h.Respond != nil:
		return h.Respond.Status, "respond"
	}
	return v.code(), ""
}

// answer ends a request that is blocked. Errors go up, so that handle_errors
// has them.
func (x *inspection) answer(v verdict) error {
	x.declineBody()
	x.keepUnstored()
	switch _, option := x.h.answerTo(v); option {
	case "drop":
		// net/http closes the connection without an answer, or resets the stream
		// (RFC 9113 §8.1, RFC 9114 §4.1.1).
		panic(http.ErrAbortHandler)
	case "tarpit":
		x.hold(time.Duration(x.h.Tarpit))
	case "respond":
		return x.respond(v, x.h.Respond)
	}
	return caddyhttp.Error(v.code(), v)
}

// keepUnstored has no cache give the answer to another client: a 404 may be stored
// though nothing says so (RFC 9110 §15.1), and `respond` may say 200.
func (x *inspection) keepUnstored() { x.w.Header().Set("Cache-Control", "no-store") }

// declineBody has the answer sent at once to a client that asks before it sends
// its body (RFC 9110 §10.1.1). net/http would wait for the body first, since it
// does not know the reader that Caddy puts around it; it does not wait on a
// connection that is to be closed.
func (x *inspection) declineBody() {
	if x.r.ProtoMajor == 1 && x.r.ContentLength != 0 && strings.EqualFold(x.r.Header.Get("Expect"), "100-continue") {
		x.w.Header().Set("Connection", "close")
	}
}

// respond gives the answer of the configuration.
func (x *inspection) respond(v verdict, o *RespondOptions) error {
	if o.Body == "" && o.Status >= 400 {
		return caddyhttp.Error(o.Status, v)
	}
	if o.Body != "" {
		x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		x.w.Header().Set("Content-Length", strconv.Itoa(len(o.Body)))
	}
	x.w.WriteHeader(o.Status)
	if o.Body == "" || x.r.Method == http.MethodHead {
		return nil
	}
	_, err := io.WriteString(x.w, o.Body)
	return err
}

// hold keeps the client waiting: for as long as configured, or until it goes
// away, or the server is about to. Places are bounded; without one the client
// is answered at once.
func (x *inspection) hold(d time.Duration) {
	slots := x.h.app.slots()
	if !slots.Take() {
		return
	}
	defer slots.Release()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.r.Context().Done():
	case <-x.h.stopping:
	}
}

// provisionStopping arranges that nobody is held when the configuration ends.
// Its context is cancelled only after the server has waited for its requests,
// so the server tells before that it shuts down.
func (h *Handler) provisionStopping(ctx caddy.Context) {
	stopping := make(chan struct{})
	h.stopping = stopping
	ended := make(chan struct{}, 1)
	end := func() {
		select {
		case ended <- struct{}{}:
			close(stopping)
		default:
		}
	}
	ctx.OnCancel(end)
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server != nil {
		server.RegisterOnShutdown(end)
	}
}
