#!/usr/bin/env bash
# Random programs come out exactly as the oracle says, seed after seed.
#
#     emit_seeds.sh BIN_DIR POLICY SEEDS [FIRST] [SPANS]
set -euo pipefail
BIN_DIR=$1 policy=$2 seeds=$3 first=${4:-1} spans=${5:-150}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

failed=0 lost=0 total=0
for ((seed = first; seed < first + seeds; ++seed)); do
    fresh
    up
    "$spanring" emit --quiet --seed "$seed" --policy "$policy" --processes 3 --threads 8 \
        --spans "$spans" "${emit_options[@]}" \
        --oracle "$work/oracle.jsonl" || fail "emit of seed $seed"
    down  # a dead producer's last page is drained, its open spans are stored
    export_spans "$work/export.jsonl"
    if ! "$spanring" emit --verify "$work/oracle.jsonl" "$work/export.jsonl" >"$work/verdict"; then
        echo "seed $seed, policy $policy:" >&2
        cat "$work/verdict" >&2
        failed=$((failed + 1))
        [[ -n ${SPANRING_KEEP:-} ]] && fail "kept for a look"
    fi
    total=$((total + $(wc -l <"$work/export.jsonl")))
    if ! grep -q 'spans 0/0, ends 0/0, details 0/0' "$work/verdict"; then lost=$((lost + 1)); fi
done
echo "policy $policy: $seeds seeds, $total spans exported, losses in $lost seeds, $failed failed"
[[ $policy == drop || $lost -eq 0 ]] || fail "policy block lost something"
# Rings that never overflow would prove nothing.
[[ $policy == block || $lost -gt 0 ]] || fail "policy drop never overflowed"
[[ $failed -eq 0 ]] || fail "$failed of $seeds seeds differ"
