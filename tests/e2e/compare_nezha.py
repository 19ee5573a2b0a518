#!/usr/bin/env python3
"""Compares an export with the nezha CSV that was replayed, as multisets.

usage: compare_nezha.py FILE.csv EXPORT.jsonl

A row is (trace id, span id, parent, name, pod, start ns, duration ns); every one must come out as
often as it stands in the file. Exit 0: equal; 1: different; 2: bad input.
"""

import csv
import sys

import multiset


def rows_of_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            start, end = int(row["StartTimeUnixNano"]), int(row["EndTimeUnixNano"])
            parent = "" if row["ParentID"] == "root" else row["ParentID"]
            yield (row["TraceID"], row["SpanID"], parent, row["OperationName"], row["PodName"],
                   start, end - start)


def row_of_span(span):
    if span["attributes"] or span["events"] or span["links"]:
        raise ValueError(f"a replayed span has details that the file has not: {span}")
    return (span["trace_id"], span["span_id"], span["parent_id"], span["name"], span["service"],
            span["start_ns"], span["duration_ns"])


if __name__ == "__main__":
    sys.exit(multiset.main(__doc__, rows_of_csv, row_of_span))
