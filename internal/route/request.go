package route

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"
)

// TestNet is where a request comes from unless it is said: an address of nobody
// (RFC 5737), which no list of trusted proxies has.
const TestNet = "192.0.2.1"

// Request makes the request that is to be explained out of a query or a form:
// url=, method=, header= (more than once), and the client's address in the
// parameter of that name.
func Request(ctx context.Context, query url.Values, client string) (*http.Request, error) {
	for name := range query {
		if !slices.Contains([]string{"url", "method", "header", client}, name) {
			return nil, fmt.Errorf("unknown parameter %q: expected url, method, header or %s", name, client)
		}
	}
	target, err := url.Parse(query.Get("url"))
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" || target.User != nil {
		return nil, fmt.Errorf("url: %q is not an absolute http or https URL", query.Get("url"))
	}
	if strings.ContainsAny(query.Get("url"), " \t") {
		return nil, fmt.Errorf("url: %q has white space, which no request line can carry: write %%20", query.Get("url"))
	}
	target.Fragment, target.RawFragment = "", "" // which no client sends
	if target.Path == "" {
		target.Path = "/"
	}
	method := cmp.Or(query.Get("method"), http.MethodGet)
	if !httpguts.ValidHeaderFieldName(method) { // RFC 9110 §9.1: a token as well
		return nil, fmt.Errorf("method: %q is not a token", method)
	}
	remote, err := netip.ParseAddr(cmp.Or(query.Get(client), TestNet))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", client, err)
	}
	header, err := fields(query["header"])
	if err != nil {
		return nil, err
	}
	r := &http.Request{
		Method: method, Host: target.Host, Header: header, Body: http.NoBody,
		URL:        &url.URL{Path: target.Path, RawPath: target.RawPath, RawQuery: target.RawQuery, ForceQuery: target.ForceQuery},
		RequestURI: requestTarget(query.Get("url")), RemoteAddr: net.JoinHostPort(remote.String(), "1024"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if host := header.Get("Host"); host != "" {
		r.Host = host
		header.Del("Host")
	}
	if target.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: target.Hostname()}
	}
	return r.WithContext(context.WithValue(ctx, wholeURL{}, target)), nil
}

// requestTarget is what a client that takes the URL as it is writes into its
// request line (RFC 9112 §3.2.1): url.URL would write some characters in another
// way, and how they are written is what the request may be judged by.
func requestTarget(text string) string {
	text, _, _ = strings.Cut(text, "#")
	_, text, _ = strings.Cut(text, "://")
	at := strings.IndexAny(text, "/?")
	switch {
	case at < 0:
		return "/"
	case text[at] == '?':
		return "/" + text[at:]
	}
	return text[at:]
}

func fields(lines []string) (http.Header, error) {
	header := make(http.Header)
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("header: %q is not a field line", name)
		}
		header.Add(name, value)
	}
	return header, nil
}

// wholeURL is the key under which the context of the request has its whole URL.
type wholeURL struct{}

// URL is the URL that a request of Request was made of.
func URL(r *http.Request) *url.URL {
	target, _ := r.Context().Value(wholeURL{}).(*url.URL)
	return target
}

// Servers are those of a configuration, by name.
func Servers(app *caddyhttp.App) (servers []*caddyhttp.Server) {
	var names []string
	for name := range app.Servers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		servers = append(servers, app.Servers[name])
	}
	return servers
}

// ServersFor returns the servers that listen on the port of a URL, or all if none
// does: what is behind a port that something else maps cannot be known.
func ServersFor(app *caddyhttp.App, target *url.URL) (servers []*caddyhttp.Server, listening bool) {
	port := uint64(portOf(app, target))
	all := Servers(app)
	for _, server := range all {
		if slices.ContainsFunc(server.Listen, func(address string) bool {
			a, err := caddy.ParseNetworkAddress(address)
			return err == nil && uint64(a.StartPort) <= port && port <= uint64(a.EndPort)
		}) {
			servers = append(servers, server)
		}
	}
	if len(servers) == 0 {
		return all, false
	}
	return servers, true
}

// portOf is the port Caddy listens on for a URL: one without a port is for those
// that the configuration calls http_port and https_port.
func portOf(app *caddyhttp.App, target *url.URL) int {
	if port, err := strconv.Atoi(target.Port()); err == nil {
		return port
	}
	port, configured := caddyhttp.DefaultHTTPPort, app.HTTPPort
	if target.Scheme == "https" {
		port, configured = caddyhttp.DefaultHTTPSPort, app.HTTPSPort
	}
	if configured != 0 {
		return configured
	}
	return port
}
