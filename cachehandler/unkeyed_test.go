package cachehandler

import (
	"net/http"
	"slices"
	"testing"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// A name that is not spelled as net/http has it would never be found, and one that
// stands in two lists would be what the map happens to say.
func TestNamesOfUnkeyedFields(t *testing.T) {
	seen := make(map[string]bool)
	for _, names := range [][]string{overriding, ofProxies, ofNobody} {
		for _, name := range names {
			if canonical := http.CanonicalHeaderKey(name); canonical != name {
				t.Errorf("%s is %s to net/http", name, canonical)
			}
			if seen[name] || httpcache.IsSelecting(name) {
				t.Errorf("%s stands in two lists", name)
			}
			seen[name] = true
		}
	}
}

// ordinary are fields that browsers, and libraries that trace requests, send with
// everything.
var ordinary = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Dnt", "Pragma", "Priority", "Referer", "Sec-Ch-Ua",
	"Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User",
	"Sec-Gpc", "Te", "Upgrade-Insecure-Requests", "User-Agent", "Viewport-Width", "X-Operamini-Features",
	"X-Operamini-Phone", "X-Operamini-Phone-Ua", "X-Requested-With", "X-Ucbrowser-Device-Ua", "X-Ucbrowser-Ua",

	"B3", "Baggage", "Elastic-Apm-Traceparent", "Grpc-Trace-Bin", "Newrelic", "Request-Context", "Request-Id", "Sentry-Trace",
	"Traceparent", "Tracestate", "Uber-Trace-Id", "X-Amzn-Trace-Id", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Spanid",
	"X-B3-Traceid", "X-Cloud-Trace-Context", "X-Correlation-Id", "X-Datadog-Origin", "X-Datadog-Parent-Id",
	"X-Datadog-Sampling-Priority", "X-Datadog-Trace-Id", "X-Honeycomb-Trace", "X-Instana-T", "X-Newrelic-Id",
	"X-Ot-Span-Context", "X-Request-Id", "X-Request-Start",
}

// fromNetworks are fields that delivery networks add to everything, different for
// every client or request.
var fromNetworks = []string{
	"Akamai-Origin-Hop", "Cdn-Loop", "Cf-Connecting-Ip", "Cf-Ew-Via", "Cf-Ipcountry", "Cf-Ray", "Cloudfront-Viewer-Address",
	"Cloudfront-Viewer-Country", "Fastly-Client-Ip", "Fastly-Ff", "Fastly-Ssl", "Fly-Client-Ip", "Fly-Region",
	"Fly-Request-Id", "True-Client-Ip", "Via", "X-Akamai-Edgescape", "X-Amz-Cf-Id", "X-Appengine-Country", "X-Azure-Clientip",
	"X-Azure-Fdid", "X-Azure-Ref", "X-Azure-Socketip", "X-Envoy-Expected-Rq-Timeout-Ms", "X-Forwarded-For",
	"X-Nf-Client-Connection-Ip", "X-Nf-Request-Id", "X-Real-Ip", "X-Timer", "X-Varnish", "X-Vercel-Id", "X-Vercel-Ip-Country",
}

// What everybody's requests have anyway comes to the origin, and separates no keys and
// no variants, nor does it make a request an odd one.
func TestOrdinaryFields(t *testing.T) {
	policy := httpcache.DefaultPolicy()
	for _, name := range slices.Concat(ordinary, fromNetworks) {
		network := slices.Contains(fromNetworks, name)
		if isUnkeyed(name, network) {
			t.Errorf("%s does not reach the origin", name)
		}
		if sourceOf(name) == overrides {
			t.Errorf("%s is in the key if it comes from a trusted proxy", name)
		}
		request := http.Header{name: {"com.example"}}
		if httpcache.IsOdd(request) {
			t.Errorf("%s is odd", name)
		}
		stored, why := httpcache.Store(&httpcache.Exchange{
			Method: http.MethodGet, Path: "/", RequestHeader: request, Status: http.StatusOK,
			Header: http.Header{"Cache-Control": {"max-age=60"}, "Content-Type": {"text/html"}},
		}, &policy)
		if stored == nil || len(stored.Vary) > 0 {
			t.Errorf("%s: %v, and it varies: %v", name, why, stored != nil)
		}
	}
}
