#!/usr/bin/env bash
# The demo, shortened: traces across three processes, nothing left running.
#
#     shop.sh BIN_DIR
set -euo pipefail
BIN_DIR=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
temporary=$(mktemp -d "${TMPDIR:-/tmp}/spanring-e2e.XXXXXX")
trap 'rm -rf "$temporary"' EXIT

fail() {
    echo "FAIL: $*" >&2
    tail -n 40 "$temporary/out" "$temporary/err" >&2
    exit 1
}
running() { pgrep -f "$BIN_DIR/(shop-|spanringd).*$temporary" || true; }

TMPDIR=$temporary "$here/../../examples/shop/run.sh" "$BIN_DIR" 4 \
    >"$temporary/out" 2>"$temporary/err" || fail "run.sh ended with $?"
for service in frontend cart payment; do
    grep -q "$service" "$temporary/out" || fail "no span of $service in the tree"
done
grep -q "charge" "$temporary/out" || fail "the charge is missing"
grep -q "failed" "$temporary/err" || fail "no progress line"
[[ -z $(running) ]] || fail "left running: $(running)"

# Ctrl-C in the middle leaves nothing running either.
TMPDIR=$temporary setsid "$here/../../examples/shop/run.sh" "$BIN_DIR" 20 \
    >"$temporary/out" 2>"$temporary/err" &
driver=$!
for _ in $(seq 100); do
    grep -q "checkouts" "$temporary/err" && break
    sleep 0.1
done
kill -TERM "$driver"
wait "$driver" && fail "was stopped, but says that all is well"
[[ -z $(running) ]] || fail "left running after a stop: $(running)"
echo "the shop ran and left nothing behind"
