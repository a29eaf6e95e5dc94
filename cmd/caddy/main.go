// Command caddy is Caddy with its standard modules and Portico, and nothing
// else: `go run ./cmd/caddy run --config examples/demo/Caddyfile`.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-portico/portico"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
