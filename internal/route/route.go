// Package route follows a request through the routes of a running configuration,
// to say what would become of it.
//
// It walks the routes of a server as Caddy does, matchers, groups and terminal
// routes included, but calls no handler: it does itself what those do to a request
// that only change it (rewrite, request_header, vars, map), ends where one answers
// (respond, error, reverse_proxy, file_server), and takes all others to hand the
// request on as it is, forward_auth among them. It says which they were, since some may not.
package route

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	maphandler "github.com/caddyserver/caddy/v2/modules/caddyhttp/map"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
)

// A Visitor is asked about every handler that the request comes to: whether it is
// one of its own, which it looks at by itself, and whether the request goes on
// behind it.
type Visitor func(w *Way, handler caddyhttp.MiddlewareHandler, place string) (own, goesOn bool)

// Way is one request on its way through the routes of one server.
type Way struct {
	Server  *caddyhttp.Server
	Request *http.Request
	Before  []string // handlers taken to let the request through
	Hosts   []string // of the innermost route that names any
	Ended   string   // the handler that answers, and where

	groups  map[string]bool
	visit   Visitor
	invoked int
}

// maxInvoked bounds the named routes on one way: they can invoke each other, which
// Caddy itself would do for ever.
const maxInvoked = 1000

// Follow sends a request through the routes of a server.
func Follow(server *caddyhttp.Server, r *http.Request, visit Visitor) *Way {
	r = r.Clone(r.Context())
	w := &Way{
		Server: server, groups: make(map[string]bool), visit: visit,
		Request: caddyhttp.PrepareRequest(r, caddy.NewReplacer(), make(Nowhere), server),
	}
	if w.routes(server.Routes, root(server)+"/routes") {
		w.Ended = "nothing: no route of " + server.Name() + " answers"
	}
	return w
}

func root(server *caddyhttp.Server) string { return "/apps/http/servers/" + server.Name() }

// routes goes through a list, and reports whether the request goes on behind it.
func (w *Way) routes(list caddyhttp.RouteList, place string) (goesOn bool) {
	for i := range list {
		if !w.route(&list[i], fmt.Sprintf("%s/%d", place, i)) {
			return false
		}
	}
	return true
}

func (w *Way) route(route *caddyhttp.Route, place string) (goesOn bool) {
	if route.Group != "" && w.groups[route.Group] {
		return true
	}
	matched, err := route.MatcherSets.AnyMatchWithError(w.Request)
	switch {
	case err != nil:
		w.Ended = "a matcher fails with \"" + err.Error() + "\" at " + place + "/match"
		return false
	case !matched:
		return true
	}
	if route.Group != "" {
		w.groups[route.Group] = true
	}
	if hosts := hostsOf(route); hosts != nil {
		defer func(outer []string) { w.Hosts = outer }(w.Hosts)
		w.Hosts = hosts
	}
	for i, handler := range route.Handlers {
		if !w.handler(handler, fmt.Sprintf("%s/handle/%d", place, i)) {
			return false
		}
	}
	if route.Terminal {
		w.Ended = "nothing: the routes end at " + place
		return false
	}
	return true
}

func (w *Way) handler(handler caddyhttp.MiddlewareHandler, place string) (goesOn bool) {
	if own, goesOn := w.visit(w, handler, place); own {
		return goesOn || w.ends(handler, place)
	}
	switch handler := handler.(type) {
	case *caddyhttp.Subroute:
		return w.routes(handler.Routes, place+"/routes")
	case *caddyhttp.Invoke:
		if route := w.Server.NamedRoutes[handler.Name]; route != nil && w.invoked < maxInvoked {
			w.invoked++
			return w.route(route, root(w.Server)+"/named_routes/"+handler.Name)
		}
		return w.ends(handler, place)
	case *rewrite.Rewrite:
		handler.Rewrite(w.Request, w.Request.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer))
	case *headers.Handler:
		if handler.Request != nil {
			handler.Request.ApplyToRequest(w.Request)
		}
	case *caddyhttp.VarsMiddleware, *maphandler.Handler:
		_ = handler.ServeHTTP(make(Nowhere), w.Request, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil }))
	case *reverseproxy.Handler:
		if !w.asksLeave(handler) {
			return w.ends(handler, place)
		}
		w.Before = append(w.Before, moduleName(handler)+" at "+place)
	case caddyhttp.StaticResponse:
		return w.responds(&handler, place)
	case *caddyhttp.StaticResponse:
		return w.responds(handler, place)
	case *caddyhttp.StaticError, reverseproxy.CopyResponseHandler, *reverseproxy.CopyResponseHandler:
		return w.ends(handler, place)
	case *fileserver.FileServer:
		if !handler.PassThru {
			return w.ends(handler, place)
		}
		w.Before = append(w.Before, moduleName(handler)+" at "+place)
	default:
		w.Before = append(w.Before, moduleName(handler)+" at "+place)
	}
	return true
}

// asksLeave reports a proxy that asks another server whether the request may go on, as
// forward_auth does: if that says 200, none of the proxy's own routes ends the request.
// What those make of it is not followed, as that depends on the answer.
func (w *Way) asksLeave(proxy *reverseproxy.Handler) bool {
	for _, response := range proxy.HandleResponse {
		if response.Match != nil && !response.Match.Match(http.StatusOK, nil) {
			continue
		}
		aside := &Way{
			Server: w.Server, Request: w.Request.Clone(w.Request.Context()), groups: make(map[string]bool), invoked: w.invoked,
			visit: func(*Way, caddyhttp.MiddlewareHandler, string) (own, goesOn bool) { return false, true },
		}
		goesOn := response.StatusCode == "" && aside.routes(response.Routes, "")
		w.invoked = aside.invoked
		return goesOn
	}
	return false
}

// responds is the end at a static response, but for 103, which goes before another. A
// redirection is said with where it leads: that of the server from HTTP to HTTPS is in no
// configuration.
func (w *Way) responds(response *caddyhttp.StaticResponse, place string) (goesOn bool) {
	repl := w.Request.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	status := repl.ReplaceAll(response.StatusCode.String(), "")
	if status == "103" {
		return true
	}
	w.ends(response, place)
	if target := repl.ReplaceAll(response.Headers.Get("Location"), ""); target != "" {
		w.Ended += ", with " + status + " to " + target
	}
	return false
}

func (w *Way) ends(handler caddyhttp.MiddlewareHandler, place string) (goesOn bool) {
	w.Ended = moduleName(handler) + " at " + place
	return false
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

// A Located is a handler and where it stands.
type Located[H caddyhttp.MiddlewareHandler] struct {
	Handler H
	Place   string
	Hosts   []string
}

// All lists the handlers of a type in a server's routes, whether a request comes
// to them or not.
func All[H caddyhttp.MiddlewareHandler](server *caddyhttp.Server) (all []Located[H]) {
	all = in[H](server.Routes, root(server)+"/routes", nil)
	if server.Errors != nil {
		all = append(all, in[H](server.Errors.Routes, root(server)+"/errors/routes", nil)...)
	}
	for name, named := range server.NamedRoutes {
		all = append(all, at[H](named, root(server)+"/named_routes/"+name, nil)...)
	}
	slices.SortStableFunc(all, func(a, b Located[H]) int { return strings.Compare(a.Place, b.Place) })
	return all
}

func in[H caddyhttp.MiddlewareHandler](list caddyhttp.RouteList, place string, hosts []string) (all []Located[H]) {
	for i := range list {
		all = append(all, at[H](&list[i], fmt.Sprintf("%s/%d", place, i), hosts)...)
	}
	return all
}

func at[H caddyhttp.MiddlewareHandler](route *caddyhttp.Route, place string, hosts []string) (all []Located[H]) {
	if own := hostsOf(route); own != nil {
		hosts = own
	}
	for i, handler := range route.Handlers {
		place := fmt.Sprintf("%s/handle/%d", place, i)
		switch handler := handler.(type) {
		case H:
			all = append(all, Located[H]{handler, place, hosts})
		case *caddyhttp.Subroute:
			all = append(all, in[H](handler.Routes, place+"/routes", hosts)...)
		}
	}
	return all
}

// Nowhere is a ResponseWriter that writes nowhere.
type Nowhere http.Header

// Header implements http.ResponseWriter.
func (d Nowhere) Header() http.Header { return http.Header(d) }

// Write implements http.ResponseWriter.
func (Nowhere) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (Nowhere) WriteHeader(int) {}
