#!/usr/bin/env bash
# A Zipkin trace through the rings: tags, annotations, shared spans, absent times, 64-bit ids.
#
#     replay_zipkin.sh BIN_DIR FILE.json [PROCESSES]
set -euo pipefail
BIN_DIR=$1 file=$2 processes=${3:-per-service}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

up
"$spanring" replay "$file" --processes "$processes" --speed max --quiet >/dev/null ||
    fail "replay ended with $?"
export_spans "$work/export.jsonl"
python3 "$here/compare_zipkin.py" "$file" "$work/export.jsonl" || fail "the export differs"
