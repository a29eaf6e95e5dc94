package cachehandler

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"
)

// This file is about request fields that are not in the key and of which an
// answer may depend nevertheless: whoever sends one would choose what everybody
// else gets ("Practical Web Cache Poisoning", J. Kettle, 2018). They do not
// reach the origin with a request that may fill the cache. docs/security.md
// has the classes of attacks.

// overriding are request fields that applications take for a part of the URI
// or of the method. From a trusted proxy they are part of the key instead.
var overriding = []string{
	"Base-Url", "Destination", "Forwarded", "Front-End-Https", "Proxy-Host", "Request-Uri",
	"X-Backend-Host", "X-Envoy-Original-Path",
	"X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-Port", "X-Forwarded-Prefix",
	"X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Forwarded-Server",
	"X-Forwarded-Ssl", "X-Forwarded-Uri", "X-Forwarded-Url",
	"X-Host", "X-Http-Destinationurl", "X-Http-Host-Override",
	"X-Http-Method", "X-Http-Method-Override", "X-Http-Path-Override", "X-Method-Override",
	"X-Original-Host", "X-Original-Method", "X-Original-Uri", "X-Original-Url", "X-Proxy-Url",
	"X-Rewrite-Uri", "X-Rewrite-Url", "X-Scheme", "X-Script-Name", "X-Server-Name", "X-Url-Scheme",
	"X-Wap-Profile",
}

// ofProxies are request fields that proxies set, about their client or about
// themselves. From a trusted proxy they are let through, but are no part of the
// key: most are different for every client.
var ofProxies = []string{
	"Cf-Connecting-Ip", "Cf-Ipcountry", "Client-Ip", "Cloudfront-Viewer-Country", "Fastly-Client-Ip",
	"Forwarded-For", "True-Client-Ip", "X-Azure-Clientip", "X-Client-Ip", "X-Cluster-Client-Ip",
	"X-Country-Code", "X-Forward-For", "X-Forwarded", "X-Forwarded-By", "X-Geo-Country", "X-Originating-Ip",
	"X-Real-Ip", "X-Remote-Addr", "X-Remote-Ip", "X-Vercel-Ip-Country",
	"Surrogate-Capability", // Edge Architecture Specification
}

// ofNobody are request fields that nobody sends for a good reason with a
// request for something that can be stored.
var ofNobody = []string{
	// What frameworks and servers say to themselves.
	"X-Accel-Mapping", "X-Astro-Locals", "X-Astro-Path", "X-Invoke-Output", "X-Invoke-Path", "X-Invoke-Query",
	"X-Invoke-Status", "X-Matched-Path", "X-Middleware-Invoke", "X-Middleware-Rewrite",
	"X-Middleware-Subrequest", "X-Now-Route-Matches", "X-Php-Ob-Level", "X-React-Router-Prerender-Data",
	"X-React-Router-Spa-Mode", "X-Sendfile-Type",
	// CGI makes HTTP_PROXY of it (CVE-2016-5385).
	"Proxy",
	// About content, which the request has none of.
	"Content-Encoding", "Content-Language", "Content-Location", "Content-Range", "Expect",
}

// source is who sets a field.
type source uint8

const (
	anybody source = iota
	overrides
	proxies
	nobody
)

var sources = func() map[string]source {
	all := make(map[string]source)
	for s, names := range map[source][]string{overrides: overriding, proxies: ofProxies, nobody: ofNobody} {
		for _, name := range names {
			all[name] = s
		}
	}
	return all
}()

// appendForwarded adds the overriding fields to the key when they come from a
// trusted proxy, which sets them for good reason: scheme and host of the URI
// the client asked for. From anybody else they never reach the origin of a
// stored response (see stripUnkeyed).
func appendForwarded(dst []byte, o *KeyOptions, r *http.Request) []byte {
	if !fromTrustedProxy(r) {
		return dst
	}
	var buf [8]string
	names := buf[:0]
	for name, values := range r.Header {
		if sources[name] == overrides && len(values) > 0 && !slices.Contains(o.Header, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		dst = appendExtra(dst, 'h', name, strings.Join(r.Header[name], ", "))
	}
	return dst
}

// stripUnkeyed takes from a request that may fill the cache what its key does
// not say. What describes content is in the key of a request that has some.
func stripUnkeyed(r *http.Request, keyed []string, content bool) {
	trusted := fromTrustedProxy(r)
	for name := range r.Header {
		if content && strings.HasPrefix(name, "Content-") {
			continue
		}
		if isUnkeyed(name, trusted) && !slices.Contains(keyed, name) {
			delete(r.Header, name)
		}
	}
}

// hasUnkeyed reports a field that stripUnkeyed would take, or that came from a
// trusted proxy.
func hasUnkeyed(header http.Header) bool {
	for name := range header {
		if isUnkeyed(name, false) {
			return true
		}
	}
	return false
}

// isUnkeyed reports a field that must not come between key and answer.
func isUnkeyed(name string, trusted bool) bool {
	if isSecondSpelling(name) {
		return true
	}
	switch sources[name] {
	case anybody:
		return false
	case nobody:
		return true
	default:
		return !trusted
	}
}

// isSecondSpelling reports a name with other characters than letters, digits and
// hyphens. Servers that hand fields to applications as variables (RFC 3875 §4.1.18)
// make one name of X_Tenant and X-Tenant; PHP takes X.Tenant for it as well, and
// lighttpd whatever a token may have. So it would be a second spelling of any field,
// those of Vary and of the key among them.
func isSecondSpelling(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return true
		}
	}
	return false
}

func fromTrustedProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// dropHopByHop takes the fields that Connection names from a request, as every
// intermediary has to (RFC 9110 §7.6.1). A later handler does so, too, but by
// then key and variant were made of what the origin does not get: "Connection:
// Accept-Language" would store the default language under the variant of another.
func dropHopByHop(r *http.Request, connection []string) {
	for _, line := range connection {
		if strings.EqualFold(line, "keep-alive") || strings.EqualFold(line, "close") {
			continue
		}
		for option := range strings.SplitSeq(line, ",") {
			if option = textproto.TrimString(option); httpguts.ValidHeaderFieldName(option) {
				dropField(r, option)
			}
		}
	}
}

// dropField leaves what a later handler needs to recognise the connection by.
func dropField(r *http.Request, name string) {
	switch name = http.CanonicalHeaderKey(name); name {
	case "Connection", "Te", "Upgrade":
	default:
		delete(r.Header, name)
	}
}
