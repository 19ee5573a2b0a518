#!/usr/bin/env python3
"""Compares an export with the nezha CSV that was replayed, as multisets.

usage: compare_nezha.py FILE.csv EXPORT.jsonl

A row is (trace id, span id, parent, name, pod, start ns, duration ns); every one must come out as
often as it stands in the file. Exit 0: equal; 1: different; 2: bad input.
"""

import csv
import json
import sys
from collections import Counter


def rows_of_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            start, end = int(row["StartTimeUnixNano"]), int(row["EndTimeUnixNano"])
            parent = "" if row["ParentID"] == "root" else row["ParentID"]
            yield (row["TraceID"], row["SpanID"], parent, row["OperationName"], row["PodName"],
                   start, end - start)


def rows_of_export(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            span = json.loads(line)
            if span.get("unfinished") or span.get("end_lost") or span.get("truncated"):
                raise ValueError("unfinished, end_lost or truncated: " + line[:300])
            if span["attributes"] or span["events"] or span["links"]:
                raise ValueError("a replayed span has details that the file has not: " + line[:300])
            yield (span["trace_id"], span["span_id"], span["parent_id"], span["name"],
                   span["service"], span["start_ns"], span["duration_ns"])


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        expected, found = Counter(rows_of_csv(sys.argv[1])), Counter(rows_of_export(sys.argv[2]))
    except (OSError, KeyError, ValueError) as error:
        print(f"compare_nezha: {error}", file=sys.stderr)
        return 2
    print(f"file   {expected.total():9,} rows, {len(expected):9,} distinct")
    print(f"export {found.total():9,} rows, {len(found):9,} distinct")
    missing, extra = expected - found, found - expected
    for what, rows in (("missing", missing), ("not in the file", extra)):
        for row, count in list(rows.items())[:5]:
            print(f"{what} ×{count}: {row}")
    if missing or extra:
        print(f"DIFFERENT: {missing.total():,} missing, {extra.total():,} not in the file")
        return 1
    print("equal as multisets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
