package cachehandler

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	maphandler "github.com/caddyserver/caddy/v2/modules/caddyhttp/map"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
)

// This file finds the handlers that a request would come to. It walks the
// routes of a server as Caddy does, matchers, groups and terminal routes
// included, but calls no handler: it does itself what those do to a request that
// only change it (rewrite, request_header, vars, map), ends where one answers
// (respond, error, reverse_proxy), and takes all others to hand the request on
// as it is. It says which they were, since some may not.

// walker is one request on its way through the routes of one server.
type walker struct {
	server *caddyhttp.Server
	r      *http.Request
	groups map[string]bool
	before []string // handlers taken to let the request through
	hosts  []string // of the innermost route that names any

	reached []*verdict
	caches  map[*cache]string // of those, with their places
	ended   string            // the handler that answers, and where; "" while there is none
}

func newWalker(server *caddyhttp.Server, r *http.Request) *walker {
	r = r.Clone(r.Context())
	return &walker{
		server: server, groups: make(map[string]bool), caches: make(map[*cache]string),
		r: caddyhttp.PrepareRequest(r, caddy.NewReplacer(), make(nowhere), server),
	}
}

// routes goes through a list, and reports whether the request goes on behind
// it.
func (w *walker) routes(list caddyhttp.RouteList, place string) (goesOn bool) {
	for i := range list {
		if !w.route(&list[i], fmt.Sprintf("%s/%d", place, i)) {
			return false
		}
	}
	return true
}

func (w *walker) route(route *caddyhttp.Route, place string) (goesOn bool) {
	if route.Group != "" && w.groups[route.Group] {
		return true
	}
	matched, err := route.MatcherSets.AnyMatchWithError(w.r)
	switch {
	case err != nil:
		w.ended = "a matcher fails with \"" + err.Error() + "\" at " + place + "/match"
		return false
	case !matched:
		return true
	}
	if route.Group != "" {
		w.groups[route.Group] = true
	}
	if hosts := hostsOf(route); hosts != nil {
		defer func(outer []string) { w.hosts = outer }(w.hosts)
		w.hosts = hosts
	}
	for i, handler := range route.Handlers {
		if !w.handler(handler, fmt.Sprintf("%s/handle/%d", place, i)) {
			return false
		}
	}
	if route.Terminal {
		w.ended = "nothing: the routes end at " + place
		return false
	}
	return true
}

func (w *walker) handler(handler caddyhttp.MiddlewareHandler, place string) (goesOn bool) {
	switch handler := handler.(type) {
	case *Handler:
		w.reach(handler, place)
	case *caddyhttp.Subroute:
		return w.routes(handler.Routes, place+"/routes")
	case *caddyhttp.Invoke:
		if route := w.server.NamedRoutes[handler.Name]; route != nil {
			return w.route(route, "/apps/http/servers/"+w.server.Name()+"/named_routes/"+handler.Name)
		}
		return w.ends(handler, place)
	case *rewrite.Rewrite:
		handler.Rewrite(w.r, w.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer))
	case *headers.Handler:
		if handler.Request != nil {
			handler.Request.ApplyToRequest(w.r)
		}
	case *caddyhttp.VarsMiddleware, *maphandler.Handler:
		_ = handler.ServeHTTP(make(nowhere), w.r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil }))
	case caddyhttp.StaticResponse, *caddyhttp.StaticResponse, *caddyhttp.StaticError, *reverseproxy.Handler:
		return w.ends(handler, place)
	default:
		w.before = append(w.before, moduleName(handler)+" at "+place)
	}
	return true
}

func (w *walker) ends(handler caddyhttp.MiddlewareHandler, place string) (goesOn bool) {
	w.ended = moduleName(handler) + " at " + place
	return false
}

// reach explains a handler of this package.
func (w *walker) reach(h *Handler, place string) {
	v := h.explain(w.r)
	v.Place, v.Server, v.Hosts = place, w.server.Name(), w.hosts
	v.Before, v.Inside = slices.Clone(w.before), w.caches[h.cache]
	if v.Inside == "" {
		w.caches[h.cache] = place
	}
	w.reached = append(w.reached, v)
}

func moduleName(handler any) string {
	if m, ok := handler.(caddy.Module); ok {
		return strings.TrimPrefix(string(m.CaddyModule().ID), "http.handlers.")
	}
	return fmt.Sprintf("%T", handler)
}

// hostsOf are the hosts a route is for; nil if it says none.
func hostsOf(route *caddyhttp.Route) (hosts []string) {
	for _, set := range route.MatcherSets {
		for _, matcher := range set {
			switch m := matcher.(type) {
			case *caddyhttp.MatchHost:
				hosts = append(hosts, *m...)
			case caddyhttp.MatchHost:
				hosts = append(hosts, m...)
			}
		}
	}
	return hosts
}

// located is a handler and where it stands.
type located struct {
	*Handler
	place string
	hosts []string
}

// handlersOf lists the handlers of this package in a server's routes, whether a
// request reaches them or not.
func handlersOf(server *caddyhttp.Server) (all []located) {
	root := "/apps/http/servers/" + server.Name()
	all = handlersIn(server.Routes, root+"/routes", nil)
	for name, named := range server.NamedRoutes {
		all = append(all, handlersAt(named, root+"/named_routes/"+name, nil)...)
	}
	slices.SortStableFunc(all, func(a, b located) int { return strings.Compare(a.place, b.place) })
	return all
}

func handlersIn(list caddyhttp.RouteList, place string, hosts []string) (all []located) {
	for i := range list {
		all = append(all, handlersAt(&list[i], fmt.Sprintf("%s/%d", place, i), hosts)...)
	}
	return all
}

func handlersAt(route *caddyhttp.Route, place string, hosts []string) (all []located) {
	if own := hostsOf(route); own != nil {
		hosts = own
	}
	for i, handler := range route.Handlers {
		at := fmt.Sprintf("%s/handle/%d", place, i)
		switch handler := handler.(type) {
		case *Handler:
			all = append(all, located{handler, at, hosts})
		case *caddyhttp.Subroute:
			all = append(all, handlersIn(handler.Routes, at+"/routes", hosts)...)
		}
	}
	return all
}
