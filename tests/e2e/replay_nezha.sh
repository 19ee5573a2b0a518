#!/usr/bin/env bash
# Recorded spans of ten pods through ten rings: the export equals the file as a multiset.
#
#     replay_nezha.sh BIN_DIR FILE.csv|ROWS [KILLS]
#
# ROWS: a generated file of so many rows. KILLS: so often the consumer is killed on the way.
# SPANRING_TEST_SLOWNESS: how many times slower the programs are than in a build for use.
set -euo pipefail
BIN_DIR=$1 file=$2 kills=${3:-0}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

if [[ $file =~ ^[0-9]+$ ]]; then
    python3 "$here/make_nezha.py" "$file" >"$work/generated.csv"
    file=$work/generated.csv
fi
up
hold=$(((2 + 2 * kills) * ${SPANRING_TEST_SLOWNESS:-1}))
"$spanring" replay "$file" --processes per-service --speed max --hold "$hold" --json \
    >"$work/replay.json" 2>"$work/replay.err" &
replay=$!
background+=("$replay")

# Producers that status sees at the moment; prints 0 if there is none.
producers_now() {
    "$spanring" status --json | sed 's/.*"producers":\[//; s/"recorded_losses".*//' |
        { grep -o '"pid":' || true; } | wc -l
}

# A replay that finds no consumer at its start refuses, and rightly so.
while kill -0 "$replay" 2>/dev/null && [[ $(producers_now) -eq 0 ]]; do sleep 0.05; done

for ((i = 0; i < kills; ++i)); do
    sleep "0.$((RANDOM % 5 + 1))"
    kill_consumer
    up
done

# All ten are alive together until everything can be queried.
producers=0
while kill -0 "$replay" 2>/dev/null && [[ $producers -lt 10 ]]; do
    producers=$(producers_now)
    sleep 0.05
done
code=0
wait "$replay" || code=$?
[[ $code -eq 0 ]] || { cat "$work/replay.err" >&2; fail "replay ended with $code"; }
background=()
[[ $producers -eq 10 ]] || fail "status showed $producers producers, not 10"
echo "10 producer pids in status --json"
grep -q '"lost":0' "$work/replay.json" || fail "something was lost: $(cat "$work/replay.json")"
"$spanring" status --check --quiet >/dev/null || fail "status --check sees losses"
export_spans "$work/export.jsonl"
python3 "$here/compare_nezha.py" "$file" "$work/export.jsonl" || fail "the export differs"
grep -o '"write_s":[0-9.]*,"queryable_s":[0-9.]*' "$work/replay.json"
