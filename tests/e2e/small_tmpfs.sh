#!/usr/bin/env bash
# A ring directory in a tmpfs that is too small: for the consumer's own files one line says so; for
# a ring the application runs untraced, and what it could not write is counted or said.
#
#     small_tmpfs.sh BIN_DIR
set -euo pipefail
# shellcheck source=namespace.sh
source "$(dirname "$0")/namespace.sh"
BIN_DIR=$1
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

cleanup() { umount --lazy "$rings"; }
mount -t tmpfs -o size=64k none "$rings"

# Full to the last byte: the control page does not fit.
dd if=/dev/zero of="$rings/filler" bs=4096 2>/dev/null || true
code=0
"$spanring" up >"$work/out" 2>"$work/err" || code=$?
[[ $code -eq 2 ]] || fail "up in a full tmpfs: exit code $code: $(cat "$work/err")"
[[ $(wc -l <"$work/err") -eq 1 ]] || fail "up in a full tmpfs: not one line: $(cat "$work/err")"
grep -q "No space left" "$work/err" || fail "it does not say why: $(cat "$work/err")"

# Room for the control page, none for a ring: HAZARDS row 22.
rm "$rings/filler"
up
"$spanring" run -- sh -c 'echo alive; exit 3' >"$work/out" 2>"$work/err" && code=0 || code=$?
[[ $code -eq 3 ]] || fail "the application's exit code is $code, not 3: $(cat "$work/err")"
grep -q alive "$work/out" || fail "the application did not run"
grep -q "nothing was traced: .*No space left" "$work/err" || fail "run does not say why it could" \
    "not trace: $(cat "$work/err")"
"$spanring" doctor >"$work/doctor" || true
grep -q "^warn *ring memory" "$work/doctor" || fail "doctor does not see it: $(cat "$work/doctor")"
down
echo "told each time"
