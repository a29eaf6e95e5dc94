package cachehandler

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
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

// explanation is the answer of GET /response_cache/explain.
type explanation struct {
	Method string   `json:"method"`
	URL    string   `json:"url"`
	Fields []string `json:"fields"` // the names of the request's; values may be secrets

	// The handlers of the running configuration that the request comes to, in
	// this order.
	Handlers []*verdict `json:"handlers"`
	// Those that it does not come to.
	Others []elsewhere `json:"others"`
	// What answers the request, beside the cache, by server.
	Answers []string `json:"answers"`
	// What this explanation takes for granted.
	Notes []string `json:"notes"`
}

// elsewhere is a handler that a request does not come to.
type elsewhere struct {
	Place  string   `json:"place"`
	Server string   `json:"server"`
	Hosts  []string `json:"hosts,omitempty"`
	Name   string   `json:"name"`
	Store  string   `json:"store"`
}

// testNet is where the request comes from unless it is said: an address of
// nobody (RFC 5737), which no list of trusted proxies has.
const testNet = "192.0.2.1"

func (adminAPI) explain(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
	}
	if err := r.ParseForm(); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	asked, err := requestOf(r.Context(), r.Form)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
	}
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil && !errors.Is(err, caddy.ErrNotConfigured) {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	e := &explanation{
		Method: asked.Method, URL: asked.URL.String(), Fields: []string{},
		Handlers: []*verdict{}, Others: []elsewhere{}, Answers: []string{}, Notes: []string{},
	}
	for name := range asked.Header {
		e.Fields = append(e.Fields, name)
	}
	slices.Sort(e.Fields)
	if http, ok := app.(*caddyhttp.App); ok {
		e.walk(http, asked)
	} else {
		e.Notes = append(e.Notes, "The running configuration serves no HTTP.")
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(e)
}

// requestOf makes the request that is to be explained out of a query or a form:
// url=, method=, header= (more than once) and remote_ip=.
func requestOf(ctx context.Context, query url.Values) (*http.Request, error) {
	for name := range query {
		if !slices.Contains([]string{"url", "method", "header", "remote_ip"}, name) {
			return nil, fmt.Errorf("unknown parameter %q: expected url, method, header or remote_ip", name)
		}
	}
	target, err := url.Parse(query.Get("url"))
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" || target.User != nil {
		return nil, fmt.Errorf("url: %q is not an absolute http or https URL", query.Get("url"))
	}
	if target.Path == "" {
		target.Path = "/"
	}
	method := orElse(query.Get("method"), http.MethodGet)
	if !httpguts.ValidHeaderFieldName(method) { // RFC 9110 §9.1: a token as well
		return nil, fmt.Errorf("method: %q is not a token", method)
	}
	remote, err := netip.ParseAddr(orElse(query.Get("remote_ip"), testNet))
	if err != nil {
		return nil, fmt.Errorf("remote_ip: %w", err)
	}
	header := make(http.Header)
	for _, line := range query["header"] {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("header: %q is not a field line", name)
		}
		header.Add(name, value)
	}
	r := &http.Request{
		Method: method, Host: target.Host, Header: header, Body: http.NoBody,
		URL:        &url.URL{Path: target.Path, RawPath: target.RawPath, RawQuery: target.RawQuery, ForceQuery: target.ForceQuery},
		RequestURI: target.RequestURI(), RemoteAddr: net.JoinHostPort(remote.String(), "1024"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if host := header.Get("Host"); host != "" {
		r.Host = host
		header.Del("Host")
	}
	if target.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: target.Hostname()}
	}
	return r.WithContext(context.WithValue(ctx, explainedURL{}, target)), nil
}

// explainedURL is the key under which the context of the request has its whole
// URL.
type explainedURL struct{}

// walk sends the request through the servers that would get it.
func (e *explanation) walk(app *caddyhttp.App, asked *http.Request) {
	target, _ := asked.Context().Value(explainedURL{}).(*url.URL)
	e.URL = target.String()
	servers, listening := serversFor(app, target)
	if !listening {
		e.Notes = append(e.Notes, "No server listens on the port of the URL; the routes of all servers are looked at.")
	}
	reached := make(map[string]bool)
	for _, server := range servers {
		w := newWalker(server, asked)
		if w.routes(server.Routes, "/apps/http/servers/"+server.Name()+"/routes") {
			w.ended = "nothing: no route of " + server.Name() + " answers"
		}
		e.Answers = append(e.Answers, w.ended)
		for _, v := range w.reached {
			reached[v.Place] = true
			e.Handlers = append(e.Handlers, v)
		}
	}
	for _, server := range sortedServers(app) {
		for _, h := range handlersOf(server) {
			if !reached[h.place] {
				e.Others = append(e.Others, elsewhere{Place: h.place, Server: server.Name(), Hosts: h.hosts, Name: h.Name, Store: h.Store})
			}
		}
	}
	e.Notes = append(e.Notes,
		"Handlers under `before` are taken to let the request through as it is, and matchers to see the fields that are given and the address "+asked.RemoteAddr+".",
		"Whether an answer of the origin may be stored shows when it comes; `refusals` are about the last ones.")
}

func sortedServers(app *caddyhttp.App) []*caddyhttp.Server {
	var names []string
	for name := range app.Servers {
		names = append(names, name)
	}
	slices.Sort(names)
	var servers []*caddyhttp.Server
	for _, name := range names {
		servers = append(servers, app.Servers[name])
	}
	return servers
}

// serversFor returns the servers that listen on the port of a URL, or all if
// none does: what is behind a port that something else maps cannot be known.
func serversFor(app *caddyhttp.App, target *url.URL) (servers []*caddyhttp.Server, listening bool) {
	port := uint64(portOf(app, target))
	all := sortedServers(app)
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
