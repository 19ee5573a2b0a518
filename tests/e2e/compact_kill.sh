#!/usr/bin/env bash
# kill -9 of whoever compacts, the consumer or `spanring compact`, while spans come in: nothing
# lost, nothing twice. The script fails if the kills did not hit compactions that were under way.
#
#     compact_kill.sh BIN_DIR [ROUNDS] [SEED]
set -euo pipefail
BIN_DIR=$1 rounds=${2:-4} seed=${3:-4711}
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
RANDOM=$seed
hit_consumer=0 hit_tool=0

# configure BYTES: windows of some hundred milliseconds, merged slowly enough to be met at it. The
# database may have BYTES; what is above is retired.
configure() {
    cat >"$work/spanringd.toml" <<TXT
store.window_bytes = "512KiB"
store.bytes_max = "$1"
compaction.cpu_percent = 20
TXT
}
export SPANRING_CONFIG=$work/spanringd.toml

# What a compaction has begun and not yet renamed: name, inode, time of birth; nothing if nothing.
unfinished() { stat -c '%n %i %w' "$work"/db/w-*.log.compacting 2>/dev/null || true; }

# await_compaction SECONDS: until one is under way that is not the last killed one, else false.
left=
await_compaction() {
    local end=$((SECONDS + $1)) now
    while now=$(unfinished) && [[ -z $now || $now == "$left" ]]; do
        ((SECONDS <= end)) || return 1
        sleep 0.002
    done
}

# was_hit: whether what has just been killed was compacting. The next ones are others.
was_hit() {
    local now
    now=$(unfinished)
    [[ -n $now && $now != "$left" ]] || return 1
    left=$now
}

doze() { sleep "0.0$((RANDOM % 90 + 10))"; }

# Windows whose first frame has the flag "merged" (docs/format/frame.md).
merged_windows() {
    local log count=0
    for log in "$work"/db/w-*.log; do
        (($(od -An -tu2 -j10 -N2 "$log" 2>/dev/null || echo 0) & 2)) && count=$((count + 1))
    done
    echo "$count"
}

# kill_tool: `spanring compact` in the middle.
kill_tool() {
    "$spanring" compact --quiet >/dev/null 2>&1 &
    local tool=$!
    background+=("$tool")
    await_compaction 1 || true
    doze
    kill -KILL "$tool" 2>/dev/null || true
    wait "$tool" 2>/dev/null || true
}

# rounds_of_kills N: beside the emitter.
rounds_of_kills() {
    local i
    for ((i = 0; i < $1; ++i)); do
        await_compaction 5 || true
        doze
        kill_consumer
        if was_hit; then hit_consumer=$((hit_consumer + 1)); fi
        # Every second time alone with the database, else beside the next consumer.
        if ((i % 2 == 0)); then
            kill_tool
            if was_hit; then hit_tool=$((hit_tool + 1)); fi
        fi
        up
        if ((i % 2)); then
            kill_tool
            # Not to be taken for what the next kill of the consumer leaves.
            was_hit || true
        fi
    done
}

# emit_for SECONDS KILLS
emit_for() {
    up
    "$spanring" emit --quiet --seed "$seed" --processes 2 --threads 2 --duration "$1" \
        --policy block "${emit_options[@]}" --oracle "$work/oracle.jsonl" &
    local emitter=$!
    background=("$emitter")
    rounds_of_kills "$2"
    wait "$emitter" || fail "emit ended with $?"
    background=()
    down
}

# Which moment a kill meets is chance, and a slow machine has written little by then: it is done
# again, for twice as long, until each kind of kill has met a compaction.
for seconds in 2.5 5 10 20; do
    fresh
    left=
    configure 1GiB
    emit_for "$seconds" "$rounds"
    merged=$(merged_windows)
    # What a second writes here: sanitizers take their time.
    bytes_per_second=$(awk -v bytes="$(du -sb "$work/db" | cut -f 1)" -v seconds="$seconds" \
        'BEGIN { print int(bytes / seconds) + 1 }')
    verify "$work/oracle.jsonl" "after $rounds kills in compactions"
    head -n 2 "$work/verdict"
    ((merged == 0 || hit_consumer == 0 || hit_tool == 0)) || break
done
((merged > 0)) || fail "no window was ever merged"
((hit_consumer > 0)) || fail "no kill of the consumer met a compaction"
((hit_tool > 0)) || fail "no kill of spanring compact met it at work"
"$spanring" compact --quiet >/dev/null || fail "spanring compact"
[[ -z $(unfinished) ]] || fail "the last compaction left what the killed ones had begun"
"$spanring" fsck --quiet >/dev/null || fail "fsck"
verify "$work/oracle.jsonl" "after the last compaction"
echo "$merged windows merged before the end; compactions killed: $hit_consumer of the consumer," \
    "$hit_tool of spanring compact"

# With a database so small that windows are retired meanwhile: what is left stands there once.
# Behind a consumer that came back late a single frame may be larger than the database may be, and
# goes with the next window: then once more.
exported=0
for ((try = 0; try < 3 && exported == 0; ++try)); do
    fresh
    left=
    configure 3MiB
    emit_for $((1 + (6 << 20) / bytes_per_second)) 2
    [[ ! -e $work/db/w-0000000000000001.log ]] || fail "nothing was retired"
    export_spans "$work/export.jsonl"
    "$spanring" emit --verify "$work/oracle.jsonl" "$work/export.jsonl" >"$work/verdict" || true
    read -r _ _ _ _ _ exported _ equal _ < <(head -n 1 "$work/verdict")
    exported=${exported//,/} equal=${equal//,/}
done
((exported > 0)) || fail "everything was retired"
[[ $exported == "$equal" ]] || fail "$exported spans left, $equal right: $(cat "$work/verdict")"
"$spanring" fsck --quiet >/dev/null || fail "fsck after retirement"
echo "with retirement: $equal spans left, as they were"
