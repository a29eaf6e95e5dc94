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
}

// visit explains a handler of this package. It is taken to hand the request on.
func (v *visitor) visit(w *route.Way, handler caddyhttp.MiddlewareHandler, place string) (own, goesOn bool) {
	h, own := handler.(*Handler)
	if !own {
		return false, true
	}
	said := h.explain(w.Request)
	said.Place, said.Server, said.Hosts = place, w.Server.Name(), w.Hosts
	said.Before, said.Inside = slices.Clone(w.Before), v.caches[h.cache]
	if said.Inside == "" {
		v.caches[h.cache] = place
	}
	v.reached = append(v.reached, said)
	return true, true
}
