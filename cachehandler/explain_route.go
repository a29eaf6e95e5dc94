package cachehandler

import (
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/internal/route"
)

// visitor looks at the handlers of this package that a request comes to, on its
// way through the routes of one server.
type visitor struct {
	reached []*verdict
	caches  map[*cache]string // of those, with their places
	asking  map[*cache]bool   // those that have made the request their own
	behind  string            // the place of one that answers
}

// visit explains a handler of this package. It is taken to hand the request on.
func (v *visitor) visit(w *route.Way, handler caddyhttp.MiddlewareHandler, place string) (own, goesOn bool) {
	h, own := handler.(*Handler)
	if !own {
		return false, true
	}
	var said *verdict
	if v.asking[h.cache] {
		said = h.transparent()
	} else {
		said = h.explain(w.Request)
	}
	said.Place, said.Server, said.Hosts = place, w.Server.Name(), w.Hosts
	said.Before, said.Inside, said.Behind = slices.Clone(w.Before), v.caches[h.cache], v.behind
	if said.Inside == "" {
		v.caches[h.cache] = place
	}
	if said.Origin != nil { // what comes after it sees that
		w.Request.Method = said.Origin.request.Method
		setHeader(w.Request.Header, said.Origin.request.Header)
		v.asking[h.cache] = true
	} else if v.behind == "" && (said.Result == resultHit.String() || said.Result == resultStale.String() || said.Result == "error") {
		v.behind = place
		v.asking[h.cache] = true // as what comes after it would see
	}
	v.reached = append(v.reached, said)
	return true, true
}

// transparent is explain for a handler of a cache that asks already.
func (h *Handler) transparent() *verdict {
	v := h.newVerdict()
	v.Result, v.Then = "none", "It lets the request through, which is the fetch of a handler of the same store."
	return v
}
