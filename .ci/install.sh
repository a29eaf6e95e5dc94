#!/usr/bin/env bash
# Installs, with apt, what the tests need and this machine does not have: the
# servers that stand behind the examples, curl, and the C compiler that Go's
# race detector links with.
set -euo pipefail
PATH=$PATH:/usr/sbin

missing=()
need() { # need <package> <a file or command of it>
	command -v "$2" >/dev/null || compgen -G "$2" >/dev/null || missing+=("$1")
}
need apache2 apache2
need php-fpm '/usr/sbin/php-fpm*'
need curl curl
need gcc gcc
need libc6-dev /usr/include/stdlib.h

if [ ${#missing[@]} = 0 ]; then
	echo 'nothing is missing'
	exit
fi
echo "installing ${missing[*]}"

# The tests start these servers themselves: none is to be started by its package.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
