# What the end-to-end scripts share: a consumer with rings and a database of its own.
#
# Sourced with BIN_DIR set. Everything lies in $work and $rings, which the end removes; only
# processes started here are ended, by their pids. A script's own `cleanup` runs before.
# shellcheck shell=bash

spanring=$BIN_DIR/spanring
for program in spanring spanringd; do
    if [[ ! -x $BIN_DIR/$program ]]; then
        echo "$0: $BIN_DIR/$program is missing; build it first" >&2
        exit 2
    fi
done

# shellcheck disable=SC2034  # for the scripts that source this
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/spanring-e2e.XXXXXX")
rings=$(mktemp -d /dev/shm/spanring-e2e.XXXXXX)
export SPANRING_DIR=$rings SPANRING_DB=$work/db
unset SPANRING_CONFIG TRACEPARENT TRACESTATE BAGGAGE OTEL_SERVICE_NAME OTEL_RESOURCE_ATTRIBUTES
background=()
# More options of emit. The sanitizers set "--forks 0": their allocators do not survive a fork
# beside running threads (g++ 12).
# shellcheck disable=SC2034
read -ra emit_options <<<"${SPANRING_EMIT_OPTIONS:-}"

finish() {
    local code=$? pid
    trap - EXIT
    for pid in "${background[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    pid=$(consumer_pid 2>/dev/null || true)
    [[ -n $pid ]] && kill -KILL "$pid" 2>/dev/null
    if [[ $code -ne 0 && -s $work/spanringd.log ]]; then
        echo "--- the consumer's last words:" >&2
        tail -n 20 "$work/spanringd.log" >&2
    fi
    if declare -F cleanup >/dev/null; then cleanup; fi
    if [[ -n ${SPANRING_KEEP:-} && $code -ne 0 ]]; then
        echo "--- kept: $work $rings" >&2
    else
        rm -rf "$work" "$rings"
    fi
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

up() { "$spanring" up --quiet --log-file "$work/spanringd.log" >/dev/null || fail "spanring up"; }
down() { "$spanring" down --quiet >/dev/null || fail "spanring down"; }

# The consumer's pid, from status --json; nothing if none runs.
consumer_pid() {
    "$spanring" status --json | sed -n 's/.*"consumer":{"pid":\([0-9]*\).*/\1/p'
}

# kill -9 of the consumer, and no mercy for whatever it was doing.
kill_consumer() {
    local pid
    pid=$(consumer_pid)
    [[ -n $pid ]] || fail "no consumer to kill"
    kill -KILL "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
}

# A database and rings that nothing has seen.
fresh() {
    rm -rf "$work/db" "$work/oracle.jsonl"
    find "$rings" -mindepth 1 -delete
}

export_spans() { "$spanring" export --quiet --format jsonl -o "$1" || fail "spanring export"; }

# verify ORACLE: the export must be what the oracle says.
verify() {
    export_spans "$work/export.jsonl"
    if ! "$spanring" emit --verify "$1" "$work/export.jsonl" >"$work/verdict"; then
        cat "$work/verdict" >&2
        fail "${2:-the export differs from the oracle}"
    fi
}
