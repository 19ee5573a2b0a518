#!/usr/bin/env bash
# The demo: a consumer, three services and their customers, for about 20 seconds; then two traces.
#
#     examples/shop/run.sh BIN_DIR [SECONDS]
#
# Rings and database are private to this run: the rings are removed at the end, the database stays
# until you delete it. Ctrl-C and the end leave no process running.
set -euo pipefail

bin_dir=$(cd "${1:?usage: run.sh BIN_DIR [SECONDS]}" && pwd)
seconds=${2:-20}
customers=4
pids=()

for program in spanring spanringd shop-frontend shop-cart shop-payment shop-load; do
    if [[ ! -x $bin_dir/$program ]]; then
        echo "shop: $bin_dir/$program is missing; build first: tools/dev build" >&2
        exit 2
    fi
done

home=$(mktemp -d "${TMPDIR:-/tmp}/spanring-shop.XXXXXX")
rings=$(mktemp -d /dev/shm/spanring-shop.XXXXXX)
export SPANRING_DIR=$rings SPANRING_DB=$home/db
spanring=$bin_dir/spanring
terminal=no
[[ -t 2 ]] && terminal=yes

stop() {
    local pid
    # Customers first, then the services from the outside in, then the consumer.
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    pids=()
    "$spanring" down --quiet >/dev/null 2>&1 || true
}

finish() {
    local code=$?
    trap - EXIT INT TERM
    stop
    rm -rf "$rings"
    exit "$code"
}
trap finish EXIT
trap 'echo >&2; echo "shop: stopped; the traces so far are in $home/db" >&2; exit 130' INT TERM

say() { printf '%s\n' "$*" >&2; }

# start NAME ARGUMENT...: a service in the background; its output goes into a log.
start() {
    local name=$1
    shift
    "$bin_dir/shop-$name" "$@" >"$home/$name.log" 2>&1 &
    pids+=($!)
}

# port_of NAME: waits until the service says on which free port it listens.
port_of() {
    local file=$home/$1.port
    for _ in $(seq 200); do
        [[ -s $file ]] && break
        sleep 0.05
    done
    if [[ ! -s $file ]]; then
        say "shop: $1 did not start:"
        cat "$home/$1.log" >&2
        exit 1
    fi
    cat "$file"
}

# number KEY: the first such number in the JSON on stdin; 0 if there is none.
number() {
    local found
    found=$(grep -o "\"$1\":[0-9.]*" | head -n 1 | cut -d: -f2 || true)
    echo "${found:-0}"
}

# One look at the system: spans so far, customers' requests and errors, and D.
progress() {
    local spans top delay requests=0 errors=0 line
    spans=$("$spanring" status --json 2>/dev/null | number spans)
    top=$("$spanring" top --once --json --interval 0.5 2>/dev/null || true)
    delay=$(number delay_ns_p50 <<<"$top")
    [[ -s $home/state ]] && read -r requests errors <"$home/state"
    line=$(printf '%3d s  %8d spans  %6d checkouts  %4d failed  D p50 %d µs' \
        "$SECONDS" "$spans" "$requests" "$errors" "$((${delay%.*} / 1000))")
    if [[ $terminal == yes ]]; then printf '\r  %s ' "$line" >&2; else say "  $line"; fi
}

# Reads "trace id, duration" pairs of the checkouts that match the filters given.
checkouts() {
    "$spanring" traces --json --quiet --limit 100000 --service frontend \
        --operation "GET /checkout" "$@" | tr '{' '\n' |
        sed -n 's/.*"trace_id":"\([0-9a-f]*\)".*"duration_ns":\([0-9]*\).*/\2 \1/p'
}

say "A shop of three processes, traced for $seconds seconds."
"$spanring" up --quiet --log-file "$home/spanringd.log" >/dev/null
start payment "$home/payment.port"
start cart "$home/cart.port"
cart_port=$(port_of cart)
payment_port=$(port_of payment)
start frontend "$home/frontend.port" "$cart_port" "$payment_port"
frontend_port=$(port_of frontend)
start load "$frontend_port" "$seconds" "$customers" "$home/state"
load_pid=${pids[-1]}

SECONDS=0
while kill -0 "$load_pid" 2>/dev/null; do progress; sleep 0.5; done
progress
[[ $terminal == yes ]] && echo >&2
wait "$load_pid" || true
stop

say ""
say "The slowest checkout:"
slowest=$(checkouts | sort -n | tail -n 1 | cut -d' ' -f2)
"$spanring" trace "$slowest"
say ""
failed=$(checkouts --error | tail -n 1 | cut -d' ' -f2)
if [[ -n $failed ]]; then
    say "A checkout that failed:"
    "$spanring" trace -v "$failed"
    say ""
fi
cat >&2 <<EOF
The database stays in $home/db ($(du -sh "$home/db" | cut -f1)). Next:
  export SPANRING_DB=$home/db PATH=$bin_dir:\$PATH
  spanring traces --error
  spanring operations
  spanring export --service payment | head
The code that made it: examples/shop. Delete it with: rm -r $home
EOF
