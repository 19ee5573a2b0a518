#!/usr/bin/env bash
# The big checks (tools/dev test-long): real recorded data, 100 seeds, deaths in the middle.
#
#     acceptance.sh BIN_DIR
#
# SPANRING_DATA names the folder with hipster.csv and smartthings-mobile-web-install.json. Without
# it the same checks run on generated data of the same formats, and say so. SEEDS: 100.
set -uo pipefail
bin_dir=$(cd "${1:?usage: acceptance.sh BIN_DIR}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
seeds=${SEEDS:-100}
hipster=${SPANRING_DATA:-}/hipster.csv
zipkin=${SPANRING_DATA:-}/smartthings-mobile-web-install.json
generated=$(mktemp -d "${TMPDIR:-/tmp}/spanring-e2e.XXXXXX")
trap 'rm -rf "$generated"' EXIT
failed=()

check() {
    local title=$1
    shift
    printf '\n== %s\n' "$title"
    local from=$SECONDS
    if "$@"; then
        printf '== ok (%d s)\n' $((SECONDS - from))
    else
        printf '== FAILED (%d s)\n' $((SECONDS - from))
        failed+=("$title")
    fi
}

if [[ ! -r $hipster ]]; then
    echo "!! SKIPPED: the recorded Hipster trace (set SPANRING_DATA); generated rows instead"
    hipster=$generated/nezha.csv
    python3 "$here/make_nezha.py" 400000 >"$hipster"
fi
if [[ ! -r $zipkin ]]; then
    echo "!! SKIPPED: the Zipkin production trace (set SPANRING_DATA); generated spans instead"
    zipkin=$generated/zipkin.json
    python3 "$here/make_zipkin.py" 5000 >"$zipkin"
fi

rows=$(($(wc -l <"$hipster") - 1))
check "replay: $rows rows of ten pods" "$here/replay_nezha.sh" "$bin_dir" "$hipster"
check "replay: the same, consumer killed 5 times" "$here/replay_nezha.sh" "$bin_dir" "$hipster" 5
check "replay: Zipkin, a process per service" "$here/replay_zipkin.sh" "$bin_dir" "$zipkin"
check "replay: Zipkin, three processes" "$here/replay_zipkin.sh" "$bin_dir" "$zipkin" 3
check "emit: $seeds seeds, block" "$here/emit_seeds.sh" "$bin_dir" block "$seeds" 1
check "emit: $seeds seeds, drop" "$here/emit_seeds.sh" "$bin_dir" drop "$seeds" 1
check "emit: consumer killed 10 times" "$here/emit_kill_consumer.sh" "$bin_dir" 10 1
check "emit: producers die inside open spans" "$here/emit_die_inside.sh" "$bin_dir" 1
check "emit: producers and consumer die" "$here/emit_kill_both.sh" "$bin_dir" 1
check "bad input" "$here/replay_bad_input.sh" "$bin_dir"

echo
if [[ ${#failed[@]} -gt 0 ]]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
echo "acceptance: all checks passed"
