package filter

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/filter/rewrite"
)

// upstreamsOf finds the static upstreams that h hides: those of reverse_proxy in
// the innermost list of routes that has h, or in the next one around it if that has
// none. Upstreams of other sites of the server are not behind this one.
func upstreamsOf(ctx context.Context, h *HideOrigin) []rewrite.Place {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	f := &finder{srv: srv, self: h}
	if f.find(srv.Routes) && len(f.found) > 0 {
		return f.found
	}
	for _, name := range sorted(srv.NamedRoutes) {
		if f.find(caddyhttp.RouteList{*srv.NamedRoutes[name]}) && len(f.found) > 0 {
			return f.found
		}
	}
	return f.found
}

func sorted(routes map[string]*caddyhttp.Route) []string {
	var names []string
	for name, route := range routes {
		if route != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

type finder struct {
	srv   *caddyhttp.Server
	self  *HideOrigin
	found []rewrite.Place
	depth int // named routes may invoke each other
}

// find looks for self, and collects what is around it on the way back.
func (f *finder) find(routes caddyhttp.RouteList) bool {
	has := false
	for _, route := range routes {
		for _, handler := range route.Handlers {
			if handler == caddyhttp.MiddlewareHandler(f.self) {
				has = true
			} else if sub, ok := handler.(*caddyhttp.Subroute); ok {
				has = f.find(sub.Routes) || has
			}
		}
	}
	if has && len(f.found) == 0 {
		f.collect(routes)
	}
	return has
}

// maxNesting bounds named routes that invoke each other.
const maxNesting = 16

func (f *finder) collect(routes caddyhttp.RouteList) {
	if f.depth++; f.depth > maxNesting {
		f.depth--
		return
	}
	for _, route := range routes {
		for _, handler := range route.Handlers {
			switch handler := handler.(type) {
			case *caddyhttp.Subroute:
				f.collect(handler.Routes)
			case *caddyhttp.Invoke:
				if named := f.srv.NamedRoutes[handler.Name]; named != nil {
					f.collect(caddyhttp.RouteList{*named})
				}
			case *reverseproxy.Handler:
				f.proxy(handler)
			}
		}
	}
	f.depth--
}

// proxy adds the upstreams of a handler, and the Host that they are told: that is
// what an origin calls itself.
func (f *finder) proxy(p *reverseproxy.Handler) {
	for _, up := range p.Upstreams {
		addr, err := caddy.ParseNetworkAddress(up.Dial)
		if err != nil || addr.IsUnixNetwork() || strings.Contains(up.Dial, "{") {
			continue
		}
		f.add(rewrite.ParsePlace(addr.JoinHostPort(0)))
	}
	if p.Headers != nil && p.Headers.Request != nil {
		for _, host := range p.Headers.Request.Set["Host"] {
			if !strings.Contains(host, "{") {
				f.add(rewrite.ParsePlace(host))
			}
		}
	}
}

func (f *finder) add(p rewrite.Place) {
	if _, err := strconv.Atoi(p.Port); err != nil {
		p.Port = ""
	}
	if !slices.Contains(f.found, p) {
		f.found = append(f.found, p)
	}
}
