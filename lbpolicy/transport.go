package lbpolicy

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/fastcgi"
)

// How the policies learn what became of a request, with no configuration:
// reverse_proxy hands each attempt to its Transport, and while a policy is
// provisioned that handler is among the modules of the context, its transport
// already loaded (or nil, for the default one). The first policy of a handler
// puts a tap between the two; more policies of it share that tap.

// observed is a transport with a tap.
type observed interface {
	http.RoundTripper
	outcomes() *tap
}

// attach puts a tap on the handler that ctx provisions a policy for. Every
// attach needs its detach.
func attach(ctx caddy.Context) (*tap, error) {
	h := handlerOf(ctx)
	if h == nil {
		t := newTap(nil)
		t.users++
		return t, nil
	}
	if o, ok := h.Transport.(observed); ok {
		t := o.outcomes()
		t.users++
		return t, nil
	}
	var owned *reverseproxy.HTTPTransport
	if h.Transport == nil {
		// What the handler itself would do a little later, but for one thing.
		owned = &reverseproxy.HTTPTransport{KeepAlive: &reverseproxy.KeepAlive{MaxIdleConnsPerHost: idleConns}}
		if err := owned.Provision(ctx); err != nil {
			return nil, fmt.Errorf("provisioning the default transport: %w", err)
		}
		h.Transport = owned
	}
	t := newTap(h)
	t.owned = owned
	t.users++
	h.Transport = t.wrap(h.Transport)
	return t, nil
}

// idleConns is how many idle connections to an upstream are kept where no transport
// is configured. The policies shift requests from one upstream to another and back
// within moments: with Caddy's 32, connections would be closed and made anew all
// the time on a busy site. Idle ones end after two minutes.
const idleConns = 256

// handlerOf is the innermost reverse_proxy that is being provisioned.
func handlerOf(ctx caddy.Context) *reverseproxy.Handler {
	modules := ctx.Modules()
	for i := len(modules) - 1; i >= 0; i-- {
		if h, ok := modules[i].(*reverseproxy.Handler); ok {
			return h
		}
	}
	return nil
}

// wrap keeps what else a transport can do. The transports of Caddy are
// embedded as what they are, so that every method they have is there.
func (t *tap) wrap(rt http.RoundTripper) http.RoundTripper {
	switch rt := rt.(type) {
	case *reverseproxy.HTTPTransport:
		return &httpTransport{rt, t}
	case *fastcgi.Transport:
		return &fastcgiTransport{rt, t}
	default:
		return &anyTransport{rt, t}
	}
}

type httpTransport struct {
	*reverseproxy.HTTPTransport
	tap *tap
}

// RoundTrip implements http.RoundTripper.
func (t *httpTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.tap.roundTrip(t.HTTPTransport, req)
}

func (t *httpTransport) outcomes() *tap { return t.tap }

type fastcgiTransport struct {
	*fastcgi.Transport
	tap *tap
}

// RoundTrip implements http.RoundTripper.
func (t *fastcgiTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.tap.roundTrip(t.Transport, req)
}

func (t *fastcgiTransport) outcomes() *tap { return t.tap }

// anyTransport forwards what reverse_proxy asks its transport for after it is
// loaded. (The default sizes of buffers it has asked for before.)
type anyTransport struct {
	http.RoundTripper
	tap *tap
}

// RoundTrip implements http.RoundTripper.
func (t *anyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.tap.roundTrip(t.RoundTripper, req)
}

func (t *anyTransport) outcomes() *tap { return t.tap }

// RequestHeaderOps implements reverseproxy.RequestHeaderOpsTransport.
func (t *anyTransport) RequestHeaderOps() *headers.HeaderOps {
	if inner, ok := t.RoundTripper.(reverseproxy.RequestHeaderOpsTransport); ok {
		return inner.RequestHeaderOps()
	}
	return nil
}

// ProxyProtocolEnabled implements reverseproxy.ProxyProtocolTransport.
func (t *anyTransport) ProxyProtocolEnabled() bool {
	inner, ok := t.RoundTripper.(reverseproxy.ProxyProtocolTransport)
	return ok && inner.ProxyProtocolEnabled()
}

// RequiresContentLength implements reverseproxy.ContentLengthRequiredTransport.
func (t *anyTransport) RequiresContentLength() bool {
	inner, ok := t.RoundTripper.(reverseproxy.ContentLengthRequiredTransport)
	return ok && inner.RequiresContentLength()
}

// OverrideHealthCheckScheme implements reverseproxy.HealthCheckSchemeOverriderTransport.
func (t *anyTransport) OverrideHealthCheckScheme(base *url.URL, port string) {
	if inner, ok := t.RoundTripper.(reverseproxy.HealthCheckSchemeOverriderTransport); ok {
		inner.OverrideHealthCheckScheme(base, port)
	}
}

// Interface guards
var (
	_ observed = (*httpTransport)(nil)
	_ observed = (*fastcgiTransport)(nil)
	_ observed = (*anyTransport)(nil)

	_ reverseproxy.RequestHeaderOpsTransport           = (*anyTransport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*anyTransport)(nil)
	_ reverseproxy.ContentLengthRequiredTransport      = (*anyTransport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*anyTransport)(nil)
)
