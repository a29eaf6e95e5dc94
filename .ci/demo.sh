#!/usr/bin/env bash
# Runs the demo with the Caddy that the arguments name (`go run ./cmd/caddy`, or
# a binary) and sends requests through it, on free ports.
set -euo pipefail
cd "$(dirname "$0")/.."

free_port() {
	local port
	while port=$((20000 + RANDOM % 12000)) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo "$port"
}

dir=$(mktemp -d)
export XDG_CONFIG_HOME=$dir XDG_DATA_HOME=$dir
SITE_PORT=$(free_port) ORIGIN_PORT=$(free_port) CADDY_ADMIN=127.0.0.1:$(free_port)
export SITE_PORT ORIGIN_PORT CADDY_ADMIN
site=http://127.0.0.1:$SITE_PORT

"$@" run --config examples/demo/Caddyfile >"$dir/log" 2>&1 &
caddy=$!
stop() {
	status=$?
	curl -s -X POST "http://$CADDY_ADMIN/stop" || kill "$caddy" || true
	wait "$caddy" || true
	[ "$status" = 0 ] || cat "$dir/log"
	rm -rf "$dir"
}
trap stop EXIT

fail() {
	echo "demo: $*"
	exit 1
}
cache_status() { curl -sS -o /dev/null -D - "$@" | tr -d '\r' | grep -i '^cache-status:'; }
expect() { # expect <pattern> <text>
	[[ $2 =~ $1 ]] || fail "got '$2', want $1"
	echo "$2"
}

until curl -fs -o /dev/null "$site/hello"; do
	kill -0 "$caddy" 2>/dev/null || fail 'Caddy ended'
	[ "$SECONDS" -lt 600 ] || fail 'Caddy does not answer'
	sleep 0.2
done

expect 'Portico; fwd=uri-miss' "$(cache_status "$site/slow")"
expect 'Portico; hit' "$(cache_status "$site/slow")"

answers=$(seq 20 | xargs -P 20 -I{} curl -sS "$site/slow?cold" | sort | uniq -c)
expect '^ *20 made at [0-9:.]+$' "$answers"

curl -sS -o /dev/null "$site/large"
expect '^sixteen bytes\.\.$' "$(curl -sS -r 16777216-16777231 "$site/large")"
expect 'Portico; hit' "$(cache_status -r 16777216-16777231 "$site/large")"

first=$(curl -sS "$site/me") second=$(curl -sS "$site/me")
[ "$first" != "$second" ] || fail "two visitors were both told '$first'"

curl -sS -o /dev/null "$site/response_cache.md"
expect 'fwd-status=304' "$(cache_status -H 'Cache-Control: no-cache' "$site/response_cache.md")"
expect '"objects"' "$(curl -sS "http://$CADDY_ADMIN/response_cache/stats" | tr -d '\n')"
echo 'demo: as its comments say'
