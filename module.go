// Package portico makes Caddy's reverse_proxy a complete reverse proxy:
// importing it adds every part to Caddy.
//
//	cachehandler   response_cache: a shared HTTP cache
//	  httpcache      the HTTP semantics, as pure functions
//	  store          objects, and the tiers that hold them
//	lbpolicy       load-balancing policies of reverse_proxy
//	filter         hide_origin: nothing in an answer tells what runs behind
//
// Request filtering (filter) will stand beside them. Names and order of the directives are in caddyfile.go.
package portico

import (
	_ "github.com/caddy-portico/portico/cachehandler"
	_ "github.com/caddy-portico/portico/cachehandler/store/memory"
	_ "github.com/caddy-portico/portico/filter"
	_ "github.com/caddy-portico/portico/lbpolicy"
)
