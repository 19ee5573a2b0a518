#!/usr/bin/env python3
"""Asks a generated database many questions, and the same spans in a plain table of SQLite.

usage: same_answers.py SPANRING SPANS

The table is filled from the export, by this script alone; what the commands answer natively is
computed from the table or from the exported spans. Exits 1 if any answer differs.
"""

import collections
import json
import os
import sqlite3
import subprocess
import sys
import tempfile

KEYS = ["http.response.status_code", "db.response.returned_rows", "cache.entries", "user.id",
        "cloud.region", "request.id", "host.name", "service.instance.id"]
MODEL = ["trace_id", "span_id", "parent_id", "service", "name", "kind", "status", "status_message",
         "start_ns", "duration_ns", "end_ns"]
MINUTE = 60_000_000_000

# Each is asked of both; the order of the rows does not count unless the statement orders them.
STATEMENTS = [
    "SELECT count(*) FROM spans",
    "SELECT count(*), count(parent_id), count(DISTINCT trace_id) FROM spans",
    "SELECT service, count(*) FROM spans GROUP BY service",
    "SELECT service, count(*), sum(status = 'error') FROM spans GROUP BY service ORDER BY service",
    "SELECT kind, count(*), min(duration_ns), max(duration_ns) FROM spans GROUP BY kind",
    "SELECT service, name, count(*), sum(duration_ns) FROM spans GROUP BY service, name",
    "SELECT status, kind, count(*) FROM spans GROUP BY status, kind",
    "SELECT DISTINCT name FROM spans WHERE service = 'cart'",
    "SELECT count(*) FROM spans WHERE service IN ('cart', 'payment', 'nobody')",
    "SELECT count(*) FROM spans WHERE service NOT IN ('cart', 'payment')",
    "SELECT count(*) FROM spans WHERE name LIKE 'GET %'",
    "SELECT count(*) FROM spans WHERE name GLOB '*cart*' AND kind = 'client'",
    "SELECT count(*) FROM spans WHERE duration_ns > 50000000",
    "SELECT count(*) FROM spans WHERE duration_ns BETWEEN 1000000 AND 2000000",
    "SELECT count(*) FROM spans WHERE duration_ns > 1e7 AND status = 'error'",
    "SELECT count(*) FROM spans WHERE start_ns >= {middle}",
    "SELECT count(*) FROM spans WHERE start_ns >= {middle} AND start_ns < {middle} + 1000000000",
    "SELECT service, count(*) FROM spans WHERE start_ns < {middle} GROUP BY service",
    "SELECT (start_ns - {first}) / 1000000000, count(*) FROM spans GROUP BY 1 ORDER BY 1 LIMIT 20",
    "SELECT span_id, start_ns FROM spans ORDER BY start_ns DESC, span_id LIMIT 20",
    "SELECT start_ns FROM spans WHERE service = 'cart' AND duration_ns > 5000000"
    " ORDER BY start_ns DESC LIMIT 20",
    "SELECT start_ns FROM spans WHERE status = 'error' ORDER BY start_ns DESC LIMIT 20 OFFSET 40",
    "SELECT duration_ns, span_id FROM spans ORDER BY duration_ns DESC, span_id LIMIT 10",
    "SELECT * FROM (SELECT trace_id, count(*) n FROM spans GROUP BY trace_id)"
    " ORDER BY n DESC, trace_id LIMIT 10",
    "SELECT span_id, parent_id, service, name FROM spans WHERE trace_id = '{trace}'",
    "SELECT count(*) FROM spans WHERE trace_id IN ('{trace}', '{other}', 'none')",
    "SELECT service FROM spans WHERE span_id = '{span}'",
    "SELECT name FROM spans WHERE parent_id = '{span}'",
    "SELECT \"http.response.status_code\", count(*) FROM spans GROUP BY 1",
    "SELECT count(*) FROM spans WHERE \"http.response.status_code\" = 500",
    "SELECT count(*) FROM spans WHERE \"http.response.status_code\" >= 400"
    " AND \"http.response.status_code\" < 500",
    "SELECT count(*) FROM spans WHERE \"http.response.status_code\" IS NULL",
    "SELECT count(*), avg(\"db.response.returned_rows\") FROM spans"
    " WHERE \"db.response.returned_rows\" IS NOT NULL",
    "SELECT \"cloud.region\", status, count(*) FROM spans GROUP BY 1, 2",
    "SELECT count(*) FROM spans WHERE \"cloud.region\" = 'eu-west-1' AND status = 'error'",
    "SELECT count(*) FROM spans WHERE \"cloud.region\" <> 'eu-west-1'",
    "SELECT \"user.id\", count(*) n FROM spans GROUP BY 1 ORDER BY n DESC, 1 LIMIT 10",
    "SELECT count(DISTINCT \"user.id\") FROM spans",
    "SELECT count(*), sum(\"cache.entries\") FROM spans WHERE \"cache.entries\" > 3",
    "SELECT trace_id, service FROM spans WHERE \"request.id\" = '{request}'",
    "SELECT \"host.name\", count(*) FROM spans WHERE service = 'checkout' GROUP BY 1",
    "SELECT count(*) FROM spans WHERE \"request.id\" > 'f' OR \"cache.entries\" = 2",
    "SELECT count(*) FROM spans WHERE NOT (service = 'cart' OR kind = 'server')",
    "SELECT count(*) FROM spans WHERE parent_id IS NULL AND duration_ns > 20000000",
    "SELECT service, max(end_ns) - min(start_ns) FROM spans GROUP BY service",
    "SELECT count(*) FROM spans WHERE duration_ns < -1 OR start_ns IS NULL",
    "SELECT count(*) FROM spans WHERE name = 'none' AND service = 'cart'",
    "SELECT p.service, c.service, count(*) FROM"
    " (SELECT span_id, service FROM spans WHERE start_ns < {first} + 200000000) p JOIN"
    " (SELECT parent_id, service FROM spans WHERE start_ns < {first} + 200000000) c"
    " ON p.span_id = c.parent_id GROUP BY 1, 2",
]


class Plain:
    """The exported spans, in memory and in a plain table."""

    def __init__(self, spanring, folder):
        self.connection = sqlite3.connect(os.path.join(folder, "plain.sqlite"))
        quoted = ", ".join(f'"{key}"' for key in KEYS)
        types = [f"{c} {'INTEGER' if c.endswith('_ns') else 'TEXT'}" for c in MODEL]
        self.connection.execute(f"CREATE TABLE spans({', '.join(types)}, {quoted})")
        marks = ",".join("?" * (len(MODEL) + len(KEYS)))
        with subprocess.Popen([spanring, "export", "--quiet"], stdout=subprocess.PIPE) as export:
            self.connection.executemany(f"INSERT INTO spans VALUES({marks})",
                                        map(self._row, export.stdout))
        self.connection.execute("CREATE INDEX by_trace ON spans(trace_id)")
        self.connection.execute("CREATE INDEX by_span ON spans(span_id)")
        self.connection.commit()

    @staticmethod
    def _row(line):
        span = json.loads(line)
        attributes = {**span["resource"], **span["attributes"]}
        end = None
        if span["start_ns"] is not None and span["duration_ns"] is not None:
            end = span["start_ns"] + span["duration_ns"]
        model = [span["trace_id"], span["span_id"], span["parent_id"] or None, span["service"],
                 span["name"], span["kind"], span["status"], span.get("status_message"),
                 span["start_ns"], span["duration_ns"], end]
        return model + [attributes.get(key) for key in KEYS]

    def ask(self, statement):
        """Returns the rows."""
        return [list(row) for row in self.connection.execute(statement)]

    def percentile(self, where, fraction):
        """The smallest duration that at least `fraction` do not exceed."""
        values = [row[0] for row in self.ask(f"SELECT duration_ns FROM spans WHERE {where}"
                                             " ORDER BY duration_ns")]
        return values[max(0, -(-len(values) * fraction // 100) - 1)]


class Checker:
    """Asks both, compares, counts."""

    def __init__(self, spanring, plain):
        self.spanring = spanring
        self.plain = plain
        self.asked = 0
        self.wrong = 0

    def run(self, *arguments):
        """Returns what a command prints, as JSON."""
        done = subprocess.run([self.spanring, *arguments, "--json", "--quiet"], check=True,
                              capture_output=True, text=True)
        return json.loads(done.stdout)

    def same(self, what, ours, theirs):
        """Counts a question, and says what is wrong with the answer."""
        self.asked += 1
        if ours == theirs:
            return
        self.wrong += 1
        print(f"DIFFERENT: {what}\n  ours:   {str(ours)[:500]}\n  theirs: {str(theirs)[:500]}")

    def near(self, what, ours, exact, part):
        """As same, of figures that may be off by a part."""
        self.same(f"{what}: {ours} instead of {exact}", abs(ours - exact) <= part * exact, True)

    def statement(self, statement):
        """Asks both in SQL."""
        ours = self.run("sql", statement)["rows"]
        theirs = self.plain.ask(statement)
        if "ORDER BY" not in statement:
            ours, theirs = sorted(ours, key=str), sorted(theirs, key=str)
        self.same(statement, ours, theirs)


def check_commands(check):
    """What the commands answer without SQL."""
    plain = check.plain
    services = dict(plain.ask("SELECT service, count(*) FROM spans GROUP BY 1"))
    check.same("services", check.run("services"), sorted(services))
    operations = {(o["service"], o["operation"], o["kind"]): (o["count"], o["errors"])
                  for o in check.run("operations")}
    check.same("operations", operations,
               {(s, n, k): (c, e) for s, n, k, c, e in plain.ask(
                   "SELECT service, name, kind, count(*), sum(status = 'error') FROM spans"
                   " GROUP BY 1, 2, 3")})
    for group in check.run("stats", "--by", "service"):
        where = f"service = '{group['service']}'"
        check.same(f"stats of {group['service']}", [[group["spans"], group["errors"]]],
                   plain.ask(f"SELECT count(*), sum(status = 'error') FROM spans WHERE {where}"))
        check.near(f"p99 of {group['service']}", group["p99_ns"], plain.percentile(where, 99),
                   0.008)
    regions = {g[".cloud.region"]: g["spans"] for g in check.run("stats", "--by", ".cloud.region")}
    check.same("stats by region", regions,
               dict(plain.ask('SELECT "cloud.region", count(*) FROM spans GROUP BY 1')))
    edges = collections.Counter()
    for caller, callee, calls in plain.ask(
            "SELECT p.service, c.service, count(*) FROM spans c JOIN spans p"
            " ON p.span_id = c.parent_id AND p.trace_id = c.trace_id"
            " WHERE p.service <> c.service GROUP BY 1, 2"):
        edges[(caller, callee)] = calls
    check.same("deps", {(e["caller"], e["callee"]): e["calls"] for e in check.run("deps")}, edges)
    metrics = check.run("sql", "SELECT start_ns, service, name, kind, spans, errors,"
                               " duration_sum_ns FROM span_metrics")["rows"]
    check.same("span_metrics", sorted(metrics),
               sorted(plain.ask(f"SELECT start_ns / {MINUTE} * {MINUTE}, service, name, kind,"
                                " count(*), sum(status = 'error'), sum(duration_ns) FROM spans"
                                " GROUP BY 1, 2, 3, 4")))
    check.same("values of the region",
               check.run("sql", "SELECT value, spans FROM attribute_values"
                                " WHERE key = 'cloud.region' ORDER BY spans DESC")["rows"],
               plain.ask('SELECT "cloud.region", count(*) n FROM spans GROUP BY 1 ORDER BY n DESC'))


def check_searches(check, first, last):
    """Traces by TraceQL: which ones, and in which order."""
    plain = check.plain
    newest = "SELECT trace_id FROM spans WHERE {} GROUP BY 1 ORDER BY max(start_ns) DESC LIMIT 25"
    slowest = ("SELECT trace_id FROM spans WHERE {} GROUP BY 1 ORDER BY max(duration_ns) DESC,"
               " 1 DESC LIMIT 25")
    for query, where in [
            ("{}", "1"),
            ("{ status = error }", "status = 'error'"),
            ("{ resource.service.name = \"cart\" && duration > 10ms }",
             "service = 'cart' AND duration_ns > 10000000"),
            ("{ .http.response.status_code >= 500 || .cache.entries = 4 }",
             '"http.response.status_code" >= 500 OR "cache.entries" = 4'),
            ("{ name =~ \"GET .*\" && kind = server }", "name LIKE 'GET %' AND kind = 'server'"),
            ("{ !(kind = server) && .cloud.region = \"us-east-1\" }",
             "kind <> 'server' AND \"cloud.region\" = 'us-east-1'")]:
        for order, statement in [([], newest), (["--slowest"], slowest)]:
            found = check.run("traces", "--limit", "25", "--query", query, *order)["traces"]
            check.same(f"{query} {order}", [t["trace_id"] for t in found],
                       [row[0] for row in plain.ask(statement.format(where))])
    both = check.run("traces", "--limit", "100000", "--query",
                     '{ status = error && resource.service.name = "cart" }'
                     ' && { status = error && resource.service.name = "checkout" }')["traces"]
    check.same("errors in both", sorted(t["trace_id"] for t in both), sorted(
        row[0] for row in plain.ask(
            "SELECT trace_id FROM spans WHERE status = 'error' AND service = 'cart' INTERSECT"
            " SELECT trace_id FROM spans WHERE status = 'error' AND service = 'checkout'")))
    many = check.run("traces", "--limit", "100000", "--query",
                     "{ status = error } | count() > 3")["traces"]
    check.same("more than three errors", sorted(t["trace_id"] for t in many), sorted(
        row[0] for row in plain.ask("SELECT trace_id FROM spans WHERE status = 'error'"
                                    " GROUP BY 1 HAVING count(*) > 3")))
    step = 10_000_000_000
    begin = first // step * step
    series = check.run("series", "{ kind = server } | count_over_time() by(resource.service.name)",
                       "--since", str(begin), "--until", str(last + 1), "--step", "10s")
    ours = {s["labels"]["resource.service.name"]: s["points"] for s in series["series"]}
    theirs = {service: [0] * len(next(iter(ours.values()))) for service in ours}
    for service, index, count in plain.ask(
            f"SELECT service, (start_ns - {begin}) / {step}, count(*) FROM spans"
            " WHERE kind = 'server' GROUP BY 1, 2"):
        theirs[service][index] = count
    check.same("series", ours, theirs)


def main(arguments):
    """Returns the exit status."""
    if len(arguments) != 2:
        print(__doc__.strip().splitlines()[2], file=sys.stderr)
        return 2
    spanring, spans = arguments
    with tempfile.TemporaryDirectory(prefix="spanring-query-") as folder:
        os.environ["SPANRING_DB"] = os.path.join(folder, "db")
        for ids in ([], ["--foreign-ids"]):
            subprocess.run([spanring, "generate", "--spans", str(int(spans) // 2), "--seed",
                            str(11 + len(ids)), "--quiet", *ids], check=True,
                           stdout=subprocess.DEVNULL)
        plain = Plain(spanring, folder)
        check = Checker(spanring, plain)
        first, last, middle = plain.ask(
            "SELECT min(start_ns), max(start_ns), (max(start_ns) - min(start_ns)) / 2"
            " + min(start_ns) FROM spans")[0]
        (trace, span, request), (other, _, _) = plain.ask(
            'SELECT trace_id, span_id, "request.id" FROM spans WHERE parent_id IS NULL'
            " ORDER BY span_id LIMIT 2")
        for statement in STATEMENTS:
            check.statement(statement.format(first=first, middle=middle, trace=trace, span=span,
                                             request=request, other=other))
        check_commands(check)
        check_searches(check, first, last)
        print(f"{check.asked} questions about {spans} spans, {check.wrong} answers differ")
        return 1 if check.wrong or check.asked < 40 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
