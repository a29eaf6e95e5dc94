#!/usr/bin/env bash
# Builds Caddy with this module as users do, into the file named, and looks for
# the modules in it.
set -euo pipefail
cd "$(dirname "$0")/.."
output=$(realpath -m "$1")

# The module path is that of this directory, whatever is published under it:
# an empty module proxy, asked first, says that it has no versions.
proxy=$(mktemp -d)
trap 'rm -rf "$proxy"' EXIT
mkdir -p "$proxy/github.com/caddy-portico/portico/@v"
touch "$proxy/github.com/caddy-portico/portico/@v/list"

GOPROXY="file://$proxy,$(go env GOPROXY)" go tool xcaddy build v2.11.9 \
	--output "$output" --with github.com/caddy-portico/portico=.

modules=$("$output" list-modules)
for module in http.handlers.response_cache response_cache response_cache.tiers.memory; do
	grep -qx "$module" <<<"$modules" || { echo "the build has no module $module"; exit 1; }
	echo "$module"
done
