#!/usr/bin/env bash
# What replay and emit refuse: one line, exit code 2, nothing written.
#
#     replay_bad_input.sh BIN_DIR
set -euo pipefail
BIN_DIR=$1
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

# refused WORDS COMMAND...: exit code 2 and one line that contains the words.
refused() {
    local words=$1 code=0
    shift
    "$spanring" "$@" >"$work/out" 2>"$work/err" || code=$?
    [[ $code -eq 2 ]] || fail "$*: exit code $code, not 2: $(cat "$work/err")"
    [[ $(wc -l <"$work/err") -eq 1 ]] || fail "$*: not one line: $(cat "$work/err")"
    grep -qF -- "$words" "$work/err" || fail "$*: does not say '$words': $(cat "$work/err")"
    [[ ! -s $work/out ]] || fail "$*: data on stdout: $(cat "$work/out")"
}

python3 "$here/make_nezha.py" 10 >"$work/good.csv"
refused "start one with" replay "$work/good.csv"
refused "start one with" emit --oracle "$work/oracle.jsonl"
up
refused "nowhere.csv" replay "$work/nowhere.csv"
echo "hello" >"$work/hello"
refused "--format" replay "$work/hello"
head -n 5 "$work/good.csv" >"$work/bad.csv"
echo "zz,zz,zz" >>"$work/bad.csv"
refused "bad.csv:6" replay "$work/bad.csv"
echo '[{"traceId": "1"' >"$work/bad.json"
refused "bad.json" replay "$work/bad.json"
refused "holds no span" replay --format nezha-csv <(head -n 1 "$work/good.csv")
refused "--speed" replay --speed fast "$work/good.csv"
refused "--processes" replay --processes many "$work/good.csv"
refused "--format" replay --format otlp "$work/good.csv"
refused "--oracle" emit
refused "nowhere" emit --oracle "$work/nowhere/oracle.jsonl"
refused "nowhere" emit --verify "$work/nowhere.jsonl" "$work/good.csv"
refused "good.csv:1" emit --verify "$work/good.csv" "$work/good.csv"
[[ $("$spanring" status --json | grep -c '"spans":0') -eq 1 ]] || fail "something was written"
echo "all refused"
