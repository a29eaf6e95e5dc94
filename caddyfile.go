package portico

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddy-portico/portico/cachehandler"
	"github.com/caddy-portico/portico/filter"
)

// The Caddyfile vocabulary: what the directives are called, and where in the
// order of all directives they stand.
func init() {
	// Before everything else, tracing included: on the target as the client sent
	// it, and before anything is spent on a request that is refused.
	httpcaddyfile.RegisterHandlerDirective("request_filter", filter.ParseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("request_filter", httpcaddyfile.Before, "tracing")
	httpcaddyfile.RegisterGlobalOption("request_filter", filter.ParseGlobalOption)

	// After authentication, so that nobody is answered who was not let in, and
	// before encode, so that each encoding is stored once.
	httpcaddyfile.RegisterHandlerDirective("response_cache", cachehandler.ParseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("response_cache", httpcaddyfile.Before, "encode")
	httpcaddyfile.RegisterGlobalOption("response_cache", cachehandler.ParseGlobalOption)

	// Nearest to the origin, so that what the cache stores is already clean.
	httpcaddyfile.RegisterHandlerDirective("hide_origin", filter.ParseHideOrigin)
	httpcaddyfile.RegisterDirectiveOrder("hide_origin", httpcaddyfile.Before, "reverse_proxy")
}
