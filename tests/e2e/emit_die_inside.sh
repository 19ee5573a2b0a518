#!/usr/bin/env bash
# kill -9 of producers inside nested open spans: everything published is stored, open spans too.
#
#     emit_die_inside.sh BIN_DIR [SEED]
set -euo pipefail
BIN_DIR=$1 seed=${2:-99}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

up
"$spanring" emit --quiet --die-inside --seed "$seed" --processes 3 --threads 4 --spans 200 \
    "${emit_options[@]}" --oracle "$work/oracle.jsonl" || fail "emit"
open=$(grep -c '"unfinished":true' "$work/oracle.jsonl" || true)
[[ $open -gt 0 ]] || fail "nobody died inside an open span"
down
verify "$work/oracle.jsonl" "after the death of the producers"
stored=$(grep -c '"unfinished":true' "$work/export.jsonl" || true)
[[ $stored -eq $open ]] || fail "$open spans were open, $stored are stored as unfinished"
[[ -z $(find "$rings" -name '*.seg') ]] || fail "segments of the dead are left over"
echo "$open open spans stored as unfinished"
head -n 2 "$work/verdict"
