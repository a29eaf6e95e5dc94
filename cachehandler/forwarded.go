package cachehandler

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// overriding are request fields that applications take for a part of the URI
// or of the method. They are not part of it, so an answer that depends on one
// would poison the entry of everyone else ("Practical Web Cache Poisoning",
// J. Kettle, 2018). Surrogate-Capability makes them leave work to the cache
// that claims it, such as Edge Side Includes.
var overriding = []string{
	"Forwarded", "Front-End-Https", "Surrogate-Capability",
	"X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto",
	"X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Ssl",
	"X-Host", "X-Http-Host-Override",
	"X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
	"X-Original-Host", "X-Original-Url", "X-Rewrite-Url", "X-Scheme", "X-Url-Scheme",
}

// appendForwarded adds the overriding fields to the key when they come from a
// trusted proxy, which sets them for good reason: scheme and host of the URI
// the client asked for. From anybody else they never reach the origin of a
// stored response (see stripOverriding).
func appendForwarded(dst []byte, o *KeyOptions, r *http.Request) []byte {
	if !fromTrustedProxy(r) {
		return dst
	}
	for _, name := range overriding {
		if values := r.Header[name]; len(values) > 0 && !slices.Contains(o.Header, name) {
			dst = appendExtra(dst, 'h', name, strings.Join(values, ", "))
		}
	}
	return dst
}

// stripOverriding takes from a request that may fill the cache what its key
// does not say.
func stripOverriding(r *http.Request, keyed []string) {
	if fromTrustedProxy(r) {
		return
	}
	for _, name := range overriding {
		if !slices.Contains(keyed, name) {
			delete(r.Header, name)
		}
	}
}

func fromTrustedProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}
