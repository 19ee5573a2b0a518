#!/usr/bin/env bash
# The database's disk fills while producers go on: losses are counted, queries answered, and it
# heals by itself when there is room. Nothing is lost that was not counted.
#
#     disk_full.sh BIN_DIR [SEED]
set -euo pipefail
# shellcheck source=namespace.sh
source "$(dirname "$0")/namespace.sh"
BIN_DIR=$1 seed=${2:-42}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

# waits_for SECONDS WHAT COMMAND...: until the command succeeds.
waits_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [[ $SECONDS -lt $end ]] || fail "$what"
        sleep 0.1
    done
}
is_full() { grep -q "the database takes no frames" "$work/spanringd.log"; }
has_healed() { grep -q "the database takes frames again" "$work/spanringd.log"; }
counted() { "$spanring" status --json | grep -q '"ring_full":[1-9]'; }

cleanup() { umount --lazy "$work/db"; }
mkdir "$work/db"
mount -t tmpfs -o size=4m none "$work/db"
up
"$spanring" emit --quiet --seed "$seed" --policy drop --processes 2 --threads 3 --duration 8 \
    --oracle "$work/oracle.jsonl" &
emitter=$!
background+=("$emitter")
waits_for 60 "the disk did not fill" is_full
waits_for 20 "status shows no loss by reason" counted
"$spanring" status >"$work/status"
grep -q "the disk of the database is full" "$work/status" || fail "status does not say so"
"$spanring" traces --limit 3 >"$work/traces" || fail "traces while the disk is full"
[[ -s $work/traces ]] || fail "no trace is shown while the disk is full"
[[ -n $(consumer_pid) ]] || fail "the consumer is gone"
mount -o remount,size=512m "$work/db"
waits_for 20 "it does not heal" has_healed
wait "$emitter" || fail "emit ended with $?"
background=()
down
verify "$work/oracle.jsonl" "after a full disk"
head -n 2 "$work/verdict"
