#!/usr/bin/env python3
"""Draws the "mix" workload from recorded traces: prints hipster_mix.hpp.

    bench/hipster_mix.py hipster.csv > bench/hipster_mix.hpp

The input is described in tests/e2e/README.md. Sixteen traces are drawn, one from each sixteenth of
the traces in the order of their size; of each operation, the octiles of its durations are kept.
"""

import collections
import csv
import random
import sys

TRACES = 16
OCTILES = 9


def load(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    traces = collections.defaultdict(list)
    for row in rows:
        traces[row["TraceID"]].append(row)
    return rows, traces


def shape_of(spans, number):
    """A trace as text: operation number in hex, its children, ')'; '>' where the pod changes."""
    by_id = {}
    for span in spans:
        by_id.setdefault(span["SpanID"], span)
    children = collections.defaultdict(list)
    root = None
    for span in by_id.values():
        if span["ParentID"] == "root":
            root = span
        else:
            children[span["ParentID"]].append(span)
    out = []

    def visit(span, pod):
        crosses = pod is not None and pod != span["PodName"]
        out.append((" >" if crosses else " ") + format(number[span["OperationName"]], "x"))
        for child in sorted(children[span["SpanID"]], key=lambda c: int(c["StartTimeUnixNano"])):
            visit(child, span["PodName"])
        out.append(")")

    visit(root, None)
    return "".join(out).strip()


def main():
    rows, traces = load(sys.argv[1])
    counts = collections.Counter(row["OperationName"] for row in rows)
    names = [name for name, _ in counts.most_common()]
    number = {name: i for i, name in enumerate(names)}
    durations = collections.defaultdict(list)
    for row in rows:
        took = int(row["EndTimeUnixNano"]) - int(row["StartTimeUnixNano"])
        durations[row["OperationName"]].append(took)
    ordered = sorted(traces, key=lambda trace: (len(traces[trace]), trace))
    chooser = random.Random(20261122)

    print("// The mix: names, durations, nesting of recorded traces. Made by hipster_mix.py from")
    print("// the Hipster Shop traces of the Nezha data set (tests/e2e/README.md); do not edit.")
    print("#pragma once\n\n#include <cstdint>\n\nnamespace spanring::bench {\n")
    print("// clang-format off")
    print("struct Operation {")
    print("    const char* name;")
    print(f"    std::int64_t duration_ns[{OCTILES}];  ///< octiles, the first is the least")
    print("};\n")
    print("inline constexpr Operation kOperations[] = {")
    for name in names:
        took = sorted(durations[name])
        octiles = [took[(len(took) - 1) * q // (OCTILES - 1)] for q in range(OCTILES)]
        low, high = (", ".join(map(str, part)) for part in (octiles[:5], octiles[5:]))
        print(f'    {{"{name}",\n     {{{low},\n      {high}}}}},')
    print("};\n")
    print("/// One trace each: operation (hex), its children, ')'; '>': of another process.")
    print("inline constexpr const char* kTraces[] = {")
    for i in range(TRACES):
        among = ordered[len(ordered) * i // TRACES : len(ordered) * (i + 1) // TRACES]
        text = shape_of(traces[chooser.choice(among)], number)
        parts = [text[at : at + 88] for at in range(0, len(text), 88)]
        print("    " + "\n    ".join(f'"{part}"' for part in parts) + ",")
    print("};\n// clang-format on\n\n}  // namespace spanring::bench")


main()
