package cachehandler

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// newDetachedFetch prepares a fetch that shares nothing with the request of x
// that either could change: after this, the client's handler may return at any
// time.
func (x *exchange) newDetachedFetch() *fetch {
	f := x.newFetch()
	f.client = maps.Clone(x.r.Header)
	f.rec.begin(x.w.Header())
	f.watch()
	f.req = detach(f.ctx, x.r, &f.rec)
	f.toOrigin()
	return f
}

// detach copies r for handlers that may run longer than r's own: it keeps the
// values of the context, but not its end, and has its own Replacer and
// variables, since those are maps that handlers write to.
func detach(ctx context.Context, r *http.Request, w http.ResponseWriter) *http.Request {
	copied := r.Clone(ctx)
	copied.Body, copied.ContentLength = http.NoBody, 0
	rewritten := *copied

	// PrepareRequest takes what it sees for what the client sent.
	if orig, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		copied.Method, copied.RequestURI, copied.URL = orig.Method, orig.RequestURI, cloneURL(orig.URL)
	}
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	repl := caddy.NewReplacer()
	copied = caddyhttp.PrepareRequest(copied, repl, w, server)
	copied.Method, copied.RequestURI, copied.URL = rewritten.Method, rewritten.RequestURI, rewritten.URL

	inheritReplacements(repl, r)
	inheritMap[any](copied, r, caddyhttp.VarsCtxKey)
	inheritMap[struct{}](copied, r, "route_group")
	return copied
}

// inheritMap copies the map that the context of r holds under key.
func inheritMap[V any](to, r *http.Request, key caddy.CtxKey) {
	dst, _ := to.Context().Value(key).(map[string]V)
	src, _ := r.Context().Value(key).(map[string]V)
	if dst != nil {
		maps.Copy(dst, src)
	}
}

// inheritReplacements lets repl answer what handlers before the cache set,
// such as {http.auth.user.id} or the captures of a matcher. What belongs to
// the request and the response is repl's own.
func inheritReplacements(repl *caddy.Replacer, r *http.Request) {
	old, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	// A copy: its list of providers no longer grows. The values it shares with
	// the original are behind its lock.
	snapshot := *old
	repl.Map(func(key string) (any, bool) {
		for _, own := range [...]string{"http.request.", "http.response.", "http.vars.", placeholderPrefix} {
			if strings.HasPrefix(key, own) {
				return nil, false
			}
		}
		return snapshot.Get(key)
	})
}

func cloneURL(u *url.URL) *url.URL {
	c := *u
	return &c
}
