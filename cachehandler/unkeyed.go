package cachehandler

import (
	"strings"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// This file names the request fields of forwarded.go: those of which answers depend
// though no key says them. They come from the published research on cache poisoning
// and from what servers, frameworks and delivery networks read.

// overriding are request fields that applications take for a part of the URI
// or of the method. From a trusted proxy they are part of the key instead.
var overriding = []string{
	"Base-Url", "Cf-Visitor", "Cloudfront-Forwarded-Proto", "Context-Path", "Destination",
	"Fly-Forwarded-Port", "Fly-Forwarded-Proto", "Fly-Forwarded-Ssl", "Forwarded", "Forwarded-Host",
	"Forwarded-Proto", "Front-End-Https", "Host-Liveserver", "Host-Name", "Http-Host", "Http-Url",
	"Https-From-Lb", "Orig-Path-Info", "Path-Base", "Path-Info", "Path-Translated", "Proxy-Host",
	"Proxy-Request-Fulluri", "Proxy-Url", "Query-String", "Real-Method", "Request-Method", "Request-Uri",
	"Script-Name", "Server-Name", "Server-Port", "Server-Port-Secure", "Ssl-Https", "Ssl-Offloaded",
	"Unencoded-Url", "Url-Scheme", "X-Ajax-Real-Method", "X-Amzn-Remapped-Host", "X-Arr-Ssl",
	"X-Backend-Host", "X-Base-Url", "X-Cf-Url", "X-Client-Host", "X-Context-Path",
	"X-Envoy-Original-Host", "X-Envoy-Original-Method", "X-Envoy-Original-Path", "X-Forward-Host",
	"X-Forward-Proto", "X-Forwarded-Base", "X-Forwarded-Base-Path", "X-Forwarded-Context",
	"X-Forwarded-Host", "X-Forwarded-Hostname", "X-Forwarded-Https", "X-Forwarded-Location",
	"X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-Path-Prefix", "X-Forwarded-Port",
	"X-Forwarded-Prefix", "X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Query",
	"X-Forwarded-Root", "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Uri",
	"X-Forwarded-Url", "X-Host", "X-Host-Name", "X-Host-Override", "X-Hostname", "X-Http-Destinationurl",
	"X-Http-Host", "X-Http-Host-Override", "X-Http-Method", "X-Http-Method-Override",
	"X-Http-Path-Override", "X-Https", "X-Ingress-Path", "X-Method-Override", "X-Nfsn-Https",
	"X-Ning-Request-Uri", "X-Orchestra-Scheme", "X-Original-Forwarded-Host", "X-Original-Forwarded-Proto",
	"X-Original-Host", "X-Original-Http-Command", "X-Original-Method", "X-Original-Path",
	"X-Original-Proto", "X-Original-Query", "X-Original-Scheme", "X-Original-Uri", "X-Original-Url",
	"X-Originally-Forwarded-Proto", "X-Override-Url", "X-Path-Info", "X-Proto", "X-Proxy-Host",
	"X-Proxy-Url", "X-Real-Host", "X-Remote-Protocol", "X-Replaced-Path", "X-Request-Method",
	"X-Request-Uri", "X-Request-Url", "X-Rewrite-Path", "X-Rewrite-Uri", "X-Rewrite-Url", "X-Scheme",
	"X-Script-Name", "X-Server-Name", "X-Server-Port", "X-Ssl", "X-Url-Scheme",
}

// ofProxies are request fields that proxies set, about their client or about
// themselves. From a trusted proxy they are let through, but are no part of the
// key: most are different for every client.
var ofProxies = []string{
	"Akamai-Client-Ip", "Cf-Connecting-Ip", "Cf-Connecting-Ipv6", "Cf-Ipcity", "Cf-Ipcontinent",
	"Cf-Ipcountry", "Cf-Pseudo-Ipv4", "Cf-Region", "Cf-Timezone", "Client-Address", "Client-Ip",
	"Clientaddress", "Clientip", "Cloudfront-Is-Android-Viewer", "Cloudfront-Is-Desktop-Viewer",
	"Cloudfront-Is-Ios-Viewer", "Cloudfront-Is-Mobile-Viewer", "Cloudfront-Is-Smarttv-Viewer",
	"Cloudfront-Is-Tablet-Viewer", "Cloudfront-Viewer-Address", "Cloudfront-Viewer-City",
	"Cloudfront-Viewer-Country", "Cloudfront-Viewer-Country-Region", "Cloudfront-Viewer-Time-Zone",
	"Fastly-Client-Ip", "Fly-Client-Ip", "Fly-Region", "Forwarded-For", "Forwarded-For-Ip",
	"Incap-Client-Ip", "Pc-Remote-Addr", "Real-Ip", "Realip", "Remote-Addr", "Remote-Host",
	"True-Client-Ip", "X-Appengine-City", "X-Appengine-Country", "X-Appengine-Region",
	"X-Appengine-User-Ip", "X-Azure-Clientip", "X-Azure-Socketip", "X-Client-Ip", "X-Clientip",
	"X-Cluster-Client-Ip", "X-Country-Code", "X-Custom-Ip-Authorization", "X-Forward-For", "X-Forwarded",
	"X-Forwarded-By", "X-Forwarded-For-Original", "X-Forwarder-For", "X-Geo-Country", "X-Geoip-Country",
	"X-Nf-Client-Connection-Ip", "X-Nf-Geo", "X-Original-Forwarded-For", "X-Original-Remote-Addr",
	"X-Originally-Forwarded-For", "X-Originating-Ip", "X-Proxied-User-Ip", "X-Proxyuser-Ip", "X-Real-Ip",
	"X-Remote-Addr", "X-Remote-Ip", "X-Ua-Device", "X-User-Ip", "X-Vercel-Forwarded-For",
	"X-Vercel-Ip-City", "X-Vercel-Ip-Continent", "X-Vercel-Ip-Country", "X-Vercel-Ip-Country-Region",
	"X-Vercel-Ip-Timezone", "X-Vercel-Proxied-For",
	"Surrogate-Capability", // Edge Architecture Specification
}

// ofNobody are request fields that nobody sends for a good reason with a
// request for something that can be stored.
var ofNobody = []string{
	// What frameworks and servers say to themselves.
	"Next-Resume", "X-Accel-Mapping", "X-Astro-Locals", "X-Astro-Path", "X-Environment-Override",
	"X-Http-Status-Code-Override", "X-Matched-Path", "X-Next-Resume-State-Length",
	"X-Next-Revalidate-Tag-Token", "X-Next-Revalidated-Tags", "X-Nextjs-Matched-Path",
	"X-Nextjs-Postponed", "X-Nextjs-Redirect", "X-Nextjs-Rewrite", "X-Nitro-Prerender",
	"X-Now-Route-Matches", "X-Nuxt-Error", "X-Nuxt-No-Ssr", "X-Nuxt-Redirect-To", "X-Php-Ob-Level",
	"X-Prerender-Revalidate", "X-Prerender-Revalidate-If-Generated", "X-React-Router-Prerender-Data",
	"X-React-Router-Spa-Mode", "X-Sendfile-Type", "X-Sveltekit-Pathname", "X-Sveltekit-Search",
	"X-Use-Http-Status-Code-Override", "X-Wopi-Override",
	// Of an object store's objects, not of requests for them.
	"X-Amz-Server-Side-Encryption", "X-Amz-Storage-Class", "X-Amz-Website-Redirect-Location",
	// CGI makes HTTP_PROXY of it (CVE-2016-5385).
	"Proxy",
	// Old phones, with everything: a URL that describes them, for the origin to fetch.
	"X-Wap-Profile",
	// About content, which the request has none of.
	"Content-Encoding", "Content-Language", "Content-Location", "Content-Range", "Expect",
}

// ofFrameworks begin names that are, all of them, what a framework says to itself. What
// its own client sends by such a name selects a variant ([httpcache.IsSelecting]).
var ofFrameworks = [...]string{"X-Invoke-", "X-Middleware-"}

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

// sourceOf is who sets the field of a canonical name, as far as that is known.
func sourceOf(name string) source {
	if s, ok := sources[name]; ok {
		return s
	}
	for _, beginning := range ofFrameworks {
		if strings.HasPrefix(name, beginning) && !httpcache.IsSelecting(name) {
			return nobody
		}
	}
	return anybody
}
