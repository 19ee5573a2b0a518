#!/usr/bin/env bash
# Producers die inside open spans while no consumer runs: the next consumer finds everything.
#
#     emit_kill_both.sh BIN_DIR [SEED]
set -euo pipefail
BIN_DIR=$1 seed=${2:-7}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

up
# Little enough to stay in the rings: nobody drains them.
"$spanring" emit --quiet --die-inside --seed "$seed" --processes 2 --threads 2 --duration 1.5 \
    --forks 0 --oracle "$work/oracle.jsonl" --ring-bytes 67108864 &
emitter=$!
background+=("$emitter")
sleep 1
kill_consumer
wait "$emitter" || fail "emit ended with $?"
background=()
up
down
verify "$work/oracle.jsonl" "after the death of producers and consumer"
head -n 2 "$work/verdict"
