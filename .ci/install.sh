#!/usr/bin/env bash
# Installs what the tests need and this machine does not have. With apt: the
# servers that stand behind the examples, a Redis, curl, the C compiler that Go's race
# detector links with, and Node.js. With npm, into the directory that
# HTTP_CACHE_TESTS names: the public suite of HTTP cache tests, which needs it.
set -euo pipefail
PATH=$PATH:/usr/sbin

missing=()
need() { # need <package> <a file or command of it>
	command -v "$2" >/dev/null || compgen -G "$2" >/dev/null || missing+=("$1")
}
need apache2 apache2
need php-fpm '/usr/sbin/php-fpm*'
need redis-server redis-server
need curl curl
need gcc gcc
need libc6-dev /usr/include/stdlib.h
need nodejs node
need npm npm

install() {
	# The tests start these servers themselves: none is to be started by its package.
	local policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q
	apt-get install -q -y --no-install-recommends "$@"
}
if [ ${#missing[@]} = 0 ]; then
	echo 'apt: nothing is missing'
else
	echo "apt: installing ${missing[*]}"
	install "${missing[@]}"
fi

suite=${HTTP_CACHE_TESTS:-}
if [ -z "$suite" ]; then
	echo 'npm: HTTP_CACHE_TESTS names no directory for the cache tests'
elif [ -e "$suite/node_modules/http-cache-tests" ]; then
	echo "npm: the cache tests are in $suite"
else
	npm install --prefix "$suite" --ignore-scripts --no-audit --no-fund http-cache-tests@0.4.5
fi
