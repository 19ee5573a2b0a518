#!/usr/bin/env bash
# kill -9 of the consumer in the middle of emit, several times: nothing lost, nothing twice.
#
#     emit_kill_consumer.sh BIN_DIR [KILLS] [SEED]
set -euo pipefail
BIN_DIR=$1 kills=${2:-4} seed=${3:-4711}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

up
"$spanring" emit --quiet --seed "$seed" --processes 3 --threads 4 --duration "$kills" \
    "${emit_options[@]}" --oracle "$work/oracle.jsonl" &
emitter=$!
background+=("$emitter")
for ((i = 0; i < kills; ++i)); do
    sleep "0.$((RANDOM % 8 + 1))"
    kill_consumer
    up
done
wait "$emitter" || fail "emit ended with $?"
background=()
down
verify "$work/oracle.jsonl" "after $kills kills of the consumer"
head -n 2 "$work/verdict"
