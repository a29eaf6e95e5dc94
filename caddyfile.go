package portico

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddy-portico/portico/cachehandler"
)

// The Caddyfile vocabulary: what the directives are called, and where in the
// order of all directives they stand.
func init() {
	// After authentication, so that nobody is answered who was not let in, and
	// before encode, so that each encoding is stored once.
	httpcaddyfile.RegisterHandlerDirective("response_cache", cachehandler.ParseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("response_cache", httpcaddyfile.Before, "encode")
	httpcaddyfile.RegisterGlobalOption("response_cache", cachehandler.ParseGlobalOption)
}
