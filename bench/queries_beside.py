#!/usr/bin/env python3
"""Asks the same SQL of a trace database and of a plain SQLite table of its spans, in one process.

usage: queries_beside.py SPANRING EXTENSION [SPANS]

Generates SPANS spans (5,000,000 if it is not said), exports them into a table with an index on the
trace, on the start and on service and name, and prints for each question the median of both and
their ratio, and the bytes that a span takes on disk. EXTENSION is spanring_sqlite.so. Needs a
Python whose sqlite3 loads extensions (Debian's does), and some 2 GiB of disk below TMPDIR.
"""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

COLUMNS = ["trace_id", "span_id", "parent_id", "service", "name", "kind", "status", "start_ns",
           "duration_ns", "user", "region", "request", "code"]
SECOND = 1_000_000_000
# Name, SQL for ours, SQL for the plain table if it differs, runs.
QUESTIONS = [
    ("trace by id", "SELECT * FROM spans WHERE trace_id = '{trace}'", None, 21),
    ("service, name, duration in 15 minutes, 20 newest",
     "SELECT trace_id, start_ns FROM spans WHERE service = 'checkout'"
     " AND name = 'GET /order/{{id}}' AND duration_ns > 50000000"
     " AND start_ns > {last} - 900 * {second}"
     " ORDER BY start_ns DESC LIMIT 20", None, 11),
    ("attribute = value, 1 minute",
     "SELECT count(*) FROM spans WHERE \"user.id\" = 'u-4687'"
     " AND start_ns > {last} - 60 * {second}",
     "SELECT count(*) FROM spans WHERE user = 'u-4687' AND start_ns > {last} - 60 * {second}", 5),
    ("attribute = value, everything",
     "SELECT count(*) FROM spans WHERE \"user.id\" = 'u-4687'",
     "SELECT count(*) FROM spans WHERE user = 'u-4687'", 3),
    ("group by service: count, errors, longest",
     "SELECT service, count(*), sum(status = 'error'), max(duration_ns) FROM spans"
     " GROUP BY service", None, 3),
    ("count by region and status",
     "SELECT \"cloud.region\", status, count(*) FROM spans GROUP BY 1, 2",
     "SELECT region, status, count(*) FROM spans GROUP BY 1, 2", 3),
]


def row_of(line):
    """Returns the values of an exported span in the order of COLUMNS."""
    span = json.loads(line)
    attributes = span["attributes"]
    return [span["trace_id"], span["span_id"], span["parent_id"] or None, span["service"],
            span["name"], span["kind"], span["status"], span["start_ns"], span["duration_ns"],
            attributes.get("user.id"), attributes.get("cloud.region"),
            attributes.get("request.id"), attributes.get("http.response.status_code")]


def make_plain(spanring, path):
    """Returns a connection to a table that holds the exported spans."""
    plain = sqlite3.connect(path)
    plain.execute("PRAGMA synchronous = OFF")
    plain.execute(f"CREATE TABLE spans({', '.join(COLUMNS)})")
    marks = ",".join("?" * len(COLUMNS))
    with subprocess.Popen([spanring, "export", "--quiet"], stdout=subprocess.PIPE) as export:
        plain.executemany(f"INSERT INTO spans VALUES({marks})", map(row_of, export.stdout))
    for name, columns in [("by_trace", "trace_id"), ("by_start", "start_ns"),
                          ("by_name", "service, name")]:
        plain.execute(f"CREATE INDEX {name} ON spans({columns})")
    plain.commit()
    plain.execute("ANALYZE")
    plain.commit()
    return plain


def median_ms(connection, statement, runs):
    """Returns the median time of the runs in ms, and the rows, sorted."""
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        rows = connection.execute(statement).fetchall()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times), sorted(rows, key=str)


def folder_bytes(path):
    """Returns the bytes of all files in a folder."""
    return sum(entry.stat().st_size for entry in os.scandir(path))


def main(arguments):
    """Returns the exit status."""
    if len(arguments) not in (2, 3):
        print(__doc__.strip().splitlines()[2], file=sys.stderr)
        return 2
    spanring, extension = map(os.path.abspath, arguments[:2])
    spans = arguments[2] if len(arguments) == 3 else "5000000"
    with tempfile.TemporaryDirectory(prefix="spanring-beside-") as folder:
        os.environ["SPANRING_DB"] = os.path.join(folder, "db")
        subprocess.run([spanring, "generate", "--spans", spans, "--seed", "5", "--foreign-ids",
                        "--quiet"], check=True, stdout=subprocess.DEVNULL)
        plain = make_plain(spanring, os.path.join(folder, "plain.sqlite"))
        ours = sqlite3.connect(":memory:")
        ours.enable_load_extension(True)
        ours.load_extension(extension)
        ours.execute("SELECT spanring_open()")
        (last,) = plain.execute("SELECT max(start_ns) FROM spans").fetchone()
        (trace,) = plain.execute("SELECT trace_id FROM spans WHERE parent_id IS NULL"
                                 f" LIMIT 1 OFFSET {int(spans) // 100}").fetchone()
        print(f"{int(spans):,} spans; bytes a span: ours"
              f" {folder_bytes(os.environ['SPANRING_DB']) / int(spans):.1f}, plain table"
              f" {os.path.getsize(os.path.join(folder, 'plain.sqlite')) / int(spans):.1f}")
        print(f"{'question':52} {'ours, ms':>10} {'plain, ms':>10} {'ratio':>7}")
        for name, statement, other, runs in QUESTIONS:
            asked = [text.format(trace=trace, last=last, second=SECOND)
                     for text in (statement, other or statement)]
            mine, my_rows = median_ms(ours, asked[0], runs)
            theirs, their_rows = median_ms(plain, asked[1], runs)
            same = "" if statement.startswith("SELECT *") or my_rows == their_rows else " DIFFERENT"
            print(f"{name:52} {mine:10.2f} {theirs:10.2f} {mine / theirs:7.2f}{same}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
