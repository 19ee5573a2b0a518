"""What compare_nezha.py and compare_zipkin.py share: a file and an export as multisets of rows."""

import json
import sys
from collections import Counter

SHOWN_MAX = 5


def export_lines(path):
    """Yields the spans of an export; one that a replay cannot have made is an error."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            span = json.loads(line)
            for key in ("unfinished", "end_lost", "truncated", "dropped"):
                if span.get(key):
                    raise ValueError(f"a replayed span is {key}: {line[:300]}")
            yield span


def compare(expected, found):
    """Prints what differs. Returns the exit code: 0 equal, 1 different."""
    for what, rows in (("file", expected), ("export", found)):
        print(f"{what:6} {rows.total():9,} rows, {len(rows):9,} distinct")
    missing, extra = expected - found, found - expected
    for what, rows in (("missing", missing), ("not in the file", extra)):
        for row, count in list(rows.items())[:SHOWN_MAX]:
            print(f"{what} ×{count}: {row}")
    if missing or extra:
        print(f"DIFFERENT: {missing.total():,} missing, {extra.total():,} not in the file")
        return 1
    print("equal as multisets")
    return 0


def main(usage, rows_of_file, row_of_span):
    """Compares sys.argv[1], by rows_of_file(path), with the export sys.argv[2], span by span."""
    if len(sys.argv) != 3:
        print(usage, file=sys.stderr)
        return 2
    try:
        expected = Counter(rows_of_file(sys.argv[1]))
        found = Counter(map(row_of_span, export_lines(sys.argv[2])))
    except (OSError, KeyError, ValueError) as error:
        print(f"{sys.argv[0]}: {error!r}", file=sys.stderr)
        return 2
    return compare(expected, found)
