#!/usr/bin/env bash
# Runs `go test <arguments>`, shows a line for each package and what went wrong,
# and fails as well if a test was skipped: .ci/test.sh <output file> <arguments>
set -euo pipefail
output=$1
shift

# -v only to see what is skipped.
go test -v "$@" 2>&1 | tee "$output" |
	grep --line-buffered -E '^(ok|FAIL|panic)|^ *--- (FAIL|SKIP)' || {
	grep -vE '^(=== |ok| *--- PASS|\?)' "$output" | tail -n 500
	exit 1
}
if grep -qE '^ *--- SKIP' "$output"; then
	echo 'in CI no test may be skipped'
	exit 1
fi
