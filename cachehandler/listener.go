package cachehandler

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/internal/route"
)

// This file is about where a request came in. Host says for which site it is, but a client
// writes there what it likes, and on another port or interface there may be another site:
// with "Host: localhost:8080" it would read on port 80 what is stored of that one, and
// with "Host: example.com" on port 8080 choose what is stored of this one (RFC 9110
// §7.4, misdirected requests). So where a configuration has several servers for a scheme,
// the key says which one it was, unless the port in the host does.

// listener is the server whose routes have the handler.
type listener struct {
	ctx caddy.Context // of the configuration, which has no servers yet when it is provisioned

	once      sync.Once
	addresses string // as keys have them; "" if no other server speaks the same scheme
	port      string // the only one, if no other server has it; else ""
}

// append adds the addresses of the server to a key.
func (l *listener) append(dst []byte, r *http.Request) []byte {
	if l == nil {
		return dst
	}
	l.once.Do(func() { l.find(r) })
	if l.addresses == "" || l.port == portNamed(r) {
		return dst
	}
	return appendExtra(dst, 'l', "", l.addresses)
}

// find looks at the server that serves r, which is there only once it does.
func (l *listener) find(r *http.Request) {
	own, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	configured, err := l.ctx.AppIfConfigured("http")
	if own == nil || err != nil {
		return
	}
	app := configured.(*caddyhttp.App)
	speaksTheSame := func(other *caddyhttp.Server) bool {
		return slices.ContainsFunc([]string{"http", "https"}, func(scheme string) bool {
			return route.Speaks(app, own, scheme) && route.Speaks(app, other, scheme)
		})
	}
	var others []string
	for _, other := range route.Servers(app) {
		if other != own && speaksTheSame(other) {
			others = append(others, other.Listen...)
		}
	}
	if len(others) == 0 {
		return
	}
	l.addresses = strings.Join(own.Listen, ",")
	port := l.addresses[strings.LastIndexByte(l.addresses, ':')+1:]
	if len(own.Listen) == 1 && !slices.ContainsFunc(others, func(address string) bool {
		return strings.HasSuffix(address, ":"+port) || strings.Contains(address, "-") // a range may have it
	}) {
		l.port = port
	}
}

// portNamed is the port of the URI that a request is for.
func portNamed(r *http.Request) string {
	if strings.IndexByte(r.Host, ':') >= 0 {
		if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "" {
			return port
		}
	}
	if r.TLS != nil {
		return "443"
	}
	return "80"
}
