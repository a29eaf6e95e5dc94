package route

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/idna"
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
	target, err := absolute(query.Get("url"))
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
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
	if err := announceContent(r); err != nil {
		return nil, err
	}
	if target.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: target.Hostname()}
	}
	return r.WithContext(context.WithValue(ctx, wholeURL{}, target)), nil
}

// absolute reads a URL as a client does. Its errors do not repeat it, as the endpoint
// logs them, and a URL may have a password.
func absolute(text string) (*url.URL, error) {
	target, err := url.Parse(text)
	if failed := new(url.Error); errors.As(err, &failed) {
		return nil, failed.Err
	}
	port := target.Port()
	switch _, err := strconv.ParseUint(port, 10, 16); {
	case target.Scheme != "http" && target.Scheme != "https" || target.Hostname() == "":
		return nil, errors.New("not an absolute http or https URL, such as https://example.com/path")
	case target.User != nil:
		return nil, errors.New("a user and a password are no part of it: clients send them in the field Authorization")
	case strings.ContainsAny(text, " \t"):
		return nil, errors.New("white space, which no request line can carry: write %20")
	case port != "" && err != nil:
		return nil, fmt.Errorf("there is no port %s", port)
	}
	name, err := asciiName(target.Hostname())
	if err != nil {
		return nil, err
	}
	target.Host = strings.Replace(target.Host, target.Hostname(), name, 1)
	target.Fragment, target.RawFragment = "", "" // which no client sends
	if target.Path == "" {
		target.Path = "/"
	}
	return target, nil
}

// asciiName is the name of a host as clients send it: one in other letters in its
// ASCII form (RFC 5890 §2.3.2.1).
func asciiName(name string) (string, error) {
	if strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return name, nil
	}
	return idna.Lookup.ToASCII(name)
}

// announceContent gives a request the content that its fields announce, as a server
// takes them (RFC 9112 §6): it has none of it, but that there is some is what it may be
// judged by.
func announceContent(r *http.Request) error {
	length := r.Header.Get("Content-Length")
	switch {
	case r.Header.Get("Transfer-Encoding") != "":
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
		r.Header.Del("Transfer-Encoding")
		r.Header.Del("Content-Length")
	case length != "":
		n, err := strconv.ParseUint(length, 10, 63)
		if err != nil {
			return fmt.Errorf("header: Content-Length: %q is no number of bytes", length)
		}
		r.ContentLength = int64(n)
	}
	return nil
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
			name, _, _ = strings.Cut(name, " ") // what comes behind it may be a credential
			return nil, fmt.Errorf("header: %q begins no field line, such as Accept-Encoding: gzip", name)
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
	port := portOf(app, target)
	all := Servers(app)
	for _, server := range all {
		if listensOn(server, port) {
			servers = append(servers, server)
		}
	}
	if len(servers) == 0 {
		return all, false
	}
	return servers, true
}

func listensOn(server *caddyhttp.Server, port int) bool {
	return slices.ContainsFunc(server.Listen, func(address string) bool {
		a, err := caddy.ParseNetworkAddress(address)
		return err == nil && int(a.StartPort) <= port && port <= int(a.EndPort)
	})
}

// Speaks reports whether a server speaks a scheme on one of its ports at least: one with
// policies for TLS does without on the port for HTTP.
func Speaks(app *caddyhttp.App, server *caddyhttp.Server, scheme string) bool {
	if scheme == "https" {
		return len(server.TLSConnPolicies) > 0
	}
	return len(server.TLSConnPolicies) == 0 || listensOn(server, portFor(app, "http"))
}

// SpeaksTLS reports whether a server does so on the port of a URL.
func SpeaksTLS(app *caddyhttp.App, server *caddyhttp.Server, target *url.URL) bool {
	return len(server.TLSConnPolicies) > 0 && portOf(app, target) != portFor(app, "http")
}

// portOf is the port Caddy listens on for a URL.
func portOf(app *caddyhttp.App, target *url.URL) int {
	if port, err := strconv.Atoi(target.Port()); err == nil {
		return port
	}
	return portFor(app, target.Scheme)
}

// portFor is the port for URLs without one, which the configuration calls http_port or
// https_port.
func portFor(app *caddyhttp.App, scheme string) int {
	if scheme == "https" {
		return cmp.Or(app.HTTPSPort, caddyhttp.DefaultHTTPSPort)
	}
	return cmp.Or(app.HTTPPort, caddyhttp.DefaultHTTPPort)
}
