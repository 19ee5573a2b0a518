#!/usr/bin/env bash
# Generated Zipkin spans through the rings, a process per service and all in two processes.
#
#     replay_zipkin_generated.sh BIN_DIR [SPANS]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
file=$(mktemp "${TMPDIR:-/tmp}/spanring-e2e.XXXXXX")
trap 'rm -f "$file"' EXIT
python3 "$here/make_zipkin.py" "${2:-500}" >"$file"
"$here/replay_zipkin.sh" "$1" "$file" per-service
"$here/replay_zipkin.sh" "$1" "$file" 2
