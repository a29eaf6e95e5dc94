package filter

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// An error page of the origin tells its software, and often its source. It is
// not passed on; the status is, and the fields that a client acts on. gRPC says its
// errors in trailers of a 200, and is left alone.

// errorFields are kept from an error of the origin: what RFC 9110 says that a
// status needs (§10.2.3, §15.5.2, §15.5.6), rate limits, sessions, caching, and
// what a script in a page needs to see the status at all (fetch §3.3).
var errorFields = []string{
	"Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
	"Allow", "Cache-Control", "Connection", "Date", "Expires", "Ratelimit", "Ratelimit-Policy",
	"Retry-After", "Set-Cookie", "Strict-Transport-Security", "Vary", "Www-Authenticate",
}

// checkErrors says what is wrong with the statuses of the option errors.
func checkErrors(statuses []string) error {
	for _, s := range statuses {
		code, err := strconv.Atoi(s)
		switch {
		case s == "4xx" || s == "5xx" || s == "off" && len(statuses) == 1:
		case s == "off":
			return errors.New("errors: off stands alone")
		case err != nil || code < 400 || code > 599:
			return fmt.Errorf("errors: %q is neither 4xx, 5xx nor a status from 400 to 599", s)
		}
	}
	return nil
}

func (h *HideOrigin) replaces(status int, header http.Header) bool {
	if status < 400 || status > 599 || grpc(header) {
		return false
	}
	if len(h.Errors) == 0 {
		return status >= 500
	}
	return slices.ContainsFunc(h.Errors, func(s string) bool {
		return len(s) == 3 && s[0] == byte('0'+status/100) && (s[1:] == "xx" || s == strconv.Itoa(status))
	})
}

func grpc(header http.Header) bool {
	kind := header["Content-Type"]
	return len(kind) > 0 && strings.HasPrefix(strings.ToLower(kind[0]), "application/grpc")
}

// begin drops an error page: what the header keeps is what clients act on. If the
// site has error routes, they answer when the handlers have returned; else an
// empty answer is sent now, as Caddy's own errors are.
func (w *hidingWriter) begin(status int) {
	w.refused = status
	header := w.Header()
	for name := range header {
		if _, mine := w.own[name]; !mine && !slices.Contains(errorFields, name) && !w.h.names.Kept(name) {
			delete(header, name)
		}
	}
	w.lead(header)
	if srv, ok := w.r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && srv.Errors != nil && len(srv.Errors.Routes) > 0 {
		return
	}
	w.sent = true
	header.Set("Content-Length", "0")
	w.ResponseWriter.WriteHeader(status)
}

// maxDropped is how much of a page that nobody gets is read, so that the
// connection to the origin can be used again.
const maxDropped = 64 << 10

var errDropped = errors.New("the rest of the error page is not wanted")

func (w *hidingWriter) swallow(p []byte) (int, error) {
	if w.dropped += int64(len(p)); w.dropped > maxDropped {
		return 0, errDropped
	}
	return len(p), nil
}

// serve runs the handlers behind. A page that is dropped may end in an abort, by
// swallow or by the origin: it has no meaning for the client.
func (w *hidingWriter) serve(r *http.Request, next caddyhttp.Handler) error {
	defer func() {
		if w.refused == 0 {
			return
		}
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // a panic is compared as net/http does
			panic(p)
		}
	}()
	return next.ServeHTTP(w, r)
}

func (w *hidingWriter) refuse() error {
	if w.sent {
		return nil
	}
	return caddyhttp.Error(w.refused, fmt.Errorf("the origin answered %d", w.refused))
}

// cleanError cleans the header of the error page that Caddy is about to write, or
// the trailers of an answer that had begun.
func (w *hidingWriter) cleanError() {
	if !w.wrote {
		w.h.names.Clean(w.Header(), w.own)
		return
	}
	w.cleanTrailers()
}

var _ io.Writer = (*hidingWriter)(nil)
