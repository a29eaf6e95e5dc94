// Package leak knows which fields of a response tell what runs behind a proxy:
// the server and its software, its caches, balancers and clouds, and the
// identifiers and timings that it gives its requests. It imports only the
// standard library. A Names is read-only once made, and safe for concurrent use.
package leak

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// fields is the built-in list, in lower case: names, and prefixes that end in
// "*". RFC 9110 §10.2.4 and §17.12 say why Server belongs to it; §7.6.3 allows a
// gateway any Via, or none in responses. Alt-Svc, NEL and the reporting fields
// lead a client, or its reports, past the proxy.
var fields = []string{
	// what it is
	"server", "x-powered-by*", "x-powered-cms", "x-aspnet*", "x-aspnetmvc*", "x-generator", "x-drupal-*", "x-pingback",
	"x-rack-*", "x-version", "x-owa-*", "x-php-*", "x-jenkins*", "x-litespeed-*", "x-mod-pagespeed",
	"x-page-speed", "x-turbo-charged-by", "x-application-context", "x-confluence-*", "x-redirect-by", "x-wp-cf-*",
	"x-shopify-*", "x-sorting-hat-*", "x-nextjs-cache*", "x-nextjs-prerender", "x-nextjs-stale-time", "x-magento-*", "x-content-powered-by", "x-cms*", "x-framework*",
	"x-app-server*", "x-app-version*", "x-build*", "x-hudson*", "x-sharepoint*", "microsoftsharepointteamservices",
	"sprequestguid", "x-ms-*", "x-feserver", "x-beserver", "x-calculatedbetarget", "x-diaginfo", "product", "origin-trial",
	"sourcemap", "x-sourcemap", "x-debug*", "x-umbraco-*", "x-typo3-*",
	"x-joomla-*", "x-gitlab-*", "x-atmosphere-*", "x-cocoon-version", "x-jitsi-release", "x-content-encoded-by", "x-sourcefiles",
	"x-sendfile*", "liferay-portal", "pega-host", "composed-by", "oraclecommercecloud-version", "$wsep", "host-header",
	"x-symfony-*", "x-django-*", "x-laravel-*", "x-exception*", "x-error*",
	// what stands before it
	"via", "forwarded", "x-forwarded*", "x-real-ip", "x-backend*", "x-upstream*", "x-served-by", "x-host",
	"x-hostname", "x-server*", "x-cache*", "x-varnish*", "x-amz-*", "x-amzn-*", "x-goog-*", "x-guploader-*", "x-azure-*",
	"x-envoy-*", "x-kong-*", "x-cf-*", "cf-*", "x-vercel-*", "x-node*", "x-instance*", "x-pod*", "x-proxy*",
	"x-fastly-*", "x-akamai-*", "x-cdn*", "x-haproxy-*", "x-nginx-*", "x-accel-*", "x-pad", "x-origin*", "x-cluster*",
	"x-container*", "x-worker*", "x-region*", "x-zone*", "fly-*", "x-render-*", "x-heroku-*", "x-github-*", "x-lb*", "x-load-balancer*",
	"x-backside-*", "x-kubernetes-*", "x-nf-*",
	"x-original-*", "x-old-content-length", "proxy-status", "cdn-cache*", "x-edge-*", "x-timer", "proxy-authenticate", "proxy-authentication-info",
	// what it calls and measures a request
	"x-request-id", "request-id", "x-requestid", "x-correlation-id", "correlation-id", "x-trace*", "trace-id", "traceparent",
	"tracestate", "traceresponse", "x-b3-*", "b3", "baggage", "x-cloud-trace-context", "uber-trace-id", "uberctx-*", "x-datadog-*",
	"x-newrelic-*", "x-dt*", "x-oneagent-*", "x-ruxit-*", "x-global-transaction-id", "x-arequestid", "request-context",
	"x-span*", "x-transaction-id", "x-runtime", "x-response-time", "x-process-time", "x-execution-time", "server-timing",
	// what leads past the proxy
	"alt-svc", "nel", "report-to", "reporting-endpoints",
}

// protocol is what an allow list always lets through: without these fields HTTP
// itself, and a session, does not work (RFC 9110, 9111, 6265, 6455, gRPC).
var protocol = []string{
	"connection", "upgrade", "sec-websocket-*", "trailer", "transfer-encoding", "date", "age",
	"content-type", "content-length", "content-encoding", "content-language", "content-range", "content-location",
	"content-disposition", "accept-ranges", "etag", "last-modified", "cache-control", "expires", "vary", "location",
	"allow", "retry-after", "www-authenticate", "set-cookie", "grpc-status", "grpc-message", "grpc-encoding",
	"grpc-accept-encoding",
}

// Names decides by name which fields go.
type Names struct {
	drop, keep set
	allowOnly  bool // whatever keep does not name goes
}

// New returns the built-in list with what extra adds to it: names or globs, in
// any case; one that starts with "-" is kept whatever else matches it. If the
// first of extra is "allow_only", the others are all that may pass, beside the
// fields that HTTP itself needs.
func New(extra ...string) (*Names, error) {
	n := new(Names)
	if len(extra) > 0 && extra[0] == AllowOnly {
		return n.allow(extra[1:])
	}
	for _, f := range fields {
		n.drop.add(f)
	}
	for _, f := range extra {
		name, keep := strings.CutPrefix(strings.ToLower(f), "-")
		if err := check(f, name); err != nil {
			return nil, err
		}
		if keep {
			n.keep.add(name)
			continue
		}
		n.drop.add(name)
	}
	return n, nil
}

// AllowOnly is the word that makes a list of names an allow list.
const AllowOnly = "allow_only"

func (n *Names) allow(names []string) (*Names, error) {
	n.allowOnly = true
	if len(names) == 0 {
		return nil, fmt.Errorf("%s names no header", AllowOnly)
	}
	for _, f := range names {
		if err := check(f, f); err != nil {
			return nil, err
		}
		n.keep.add(strings.ToLower(f))
	}
	for _, f := range protocol {
		n.keep.add(f)
	}
	return n, nil
}

func check(f, name string) error {
	if _, err := path.Match(name, ""); err != nil || name == "" || name == AllowOnly || strings.ContainsAny(name, " \t:,/{}\"") || name[0] == '-' {
		return fmt.Errorf("%q is neither the name of a header nor a glob", f)
	}
	return nil
}

// Match reports whether the field called name is a leak. A trailer may bear the
// prefix by which net/http marks an undeclared one.
func (n *Names) Match(name string) bool {
	name = strings.TrimPrefix(name, http.TrailerPrefix)
	var buf [64]byte
	lower := appendLower(buf[:0], name)
	if n.allowOnly {
		return !n.keep.has(lower)
	}
	return n.drop.has(lower) && !n.keep.has(lower)
}

// Clean deletes the leaks from h, and their names from its Trailer field. What
// own holds of a field that goes was set by the proxy itself, and stays.
func (n *Names) Clean(h, own http.Header) {
	for name := range h {
		if !n.Match(name) {
			continue
		}
		if mine, ok := own[name]; ok {
			h[name] = mine[:len(mine):len(mine)]
			continue
		}
		delete(h, name)
	}
	if declared, ok := h["Trailer"]; ok {
		n.cleanDeclared(h, declared)
	}
}

func (n *Names) cleanDeclared(h http.Header, declared []string) {
	var kept []string
	for _, line := range declared {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" && !n.Match(name) {
				kept = append(kept, name)
			}
		}
	}
	if kept == nil {
		delete(h, "Trailer")
		return
	}
	h["Trailer"] = kept
}

// A set holds names, prefixes and other globs, in lower case.
type set struct {
	exact    map[string]bool
	prefixes map[byte][]string // by the last byte of the shortest that is told apart: the third
	short    []string          // of less than three bytes
	globs    []string
}

func (s *set) add(name string) {
	prefix, star := strings.CutSuffix(name, "*")
	switch {
	case strings.ContainsAny(prefix, `*?[\`):
		s.globs = append(s.globs, name)
	case !star:
		if s.exact == nil {
			s.exact = make(map[string]bool)
		}
		s.exact[name] = true
	case len(prefix) < 3:
		s.short = append(s.short, prefix)
	default:
		if s.prefixes == nil {
			s.prefixes = make(map[byte][]string)
		}
		s.prefixes[prefix[2]] = append(s.prefixes[prefix[2]], prefix)
	}
}

func (s *set) has(name []byte) bool {
	if s.exact[string(name)] {
		return true
	}
	if len(name) > 2 && startsWithAny(name, s.prefixes[name[2]]) || startsWithAny(name, s.short) {
		return true
	}
	for _, g := range s.globs {
		if ok, _ := path.Match(g, string(name)); ok {
			return true
		}
	}
	return false
}

func startsWithAny(name []byte, prefixes []string) bool {
	for _, p := range prefixes {
		if len(name) >= len(p) && string(name[:len(p)]) == p {
			return true
		}
	}
	return false
}

func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// Kept reports whether the configuration asks for the field by name.
func (n *Names) Kept(name string) bool {
	var buf [64]byte
	return !n.allowOnly && n.keep.has(appendLower(buf[:0], name))
}
