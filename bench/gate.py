#!/usr/bin/env python3
"""A gate that noise cannot fool: instructions per span and bytes per span against a baseline.

usage: gate.py [--update] GATE_PROGRAM

Instructions are counted by callgrind: the producer's in a real ring, the consumer's (assemble,
encode, append) on generated pages. Bytes are those of all files of the database. Both are compared
with baseline.json, 3 % in either direction; --update writes what was measured there.

Counts depend on the compiler, its flags and the clock, so the baseline holds one entry for each.
Exit status: 0 as the baseline, 1 a breach, 77 cannot be compared here (no valgrind, no entry).
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

BASELINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "baseline.json")
TOLERANCE = 0.03
SKIPPED = 77
PRODUCER = ("span", "event", "span_with_attributes")
CONSUMER = ("consumer_tight", "consumer_mix", "consumer_mix_with_attributes")
# 20,000 spans under callgrind take a second; bytes are of more, so that the catalogue's pages of
# 4 KiB and the first frame weigh little.
SPANS_COUNTED, SPANS_STORED = 20_000, 200_000
LIMIT_S = 120
# callgrind runs what the processor it runs on can do, so memcpy would differ from one to the next.
TUNABLES = "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-ERMS,-FSRM"


class Failed(Exception):
    """What stands in the way, in one sentence."""


def run(command, **environment):
    """Returns what the command prints. What it leaves behind when it is ended is removed."""
    try:
        with tempfile.TemporaryDirectory(prefix="spanring-gate-", dir="/var/tmp") as folder:
            done = subprocess.run(command, capture_output=True, text=True, check=False,
                                  timeout=LIMIT_S,
                                  env=os.environ | {"TMPDIR": folder} | environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def instructions(program, scenario, options=()):
    """Returns the instructions of one piece of the scenario's work."""
    with tempfile.TemporaryDirectory(prefix="spanring-gate-") as folder:
        out = os.path.join(folder, "counts")
        printed = run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}",
                       "--collect-atstart=no", "--toggle-collect=gate_measured",
                       program, scenario, *options], GLIBC_TUNABLES=TUNABLES)
        with open(out, encoding="utf-8") as file:
            totals = re.search(r"^(?:totals|summary): (\d+)", file.read(), re.MULTILINE)
    if not totals or int(totals[1]) == 0:
        raise Failed(f"callgrind counted nothing in {scenario}")
    return int(totals[1]) / json.loads(printed)["units"]


def bytes_per_span(program, scenario):
    """Returns the database's bytes for one span."""
    outcome = json.loads(run([program, scenario, "--spans", str(SPANS_STORED)]))
    return outcome["bytes"] / outcome["units"]


def measure(program):
    """Returns {figure: value}."""
    counted = ["--spans", str(SPANS_COUNTED)]
    jobs = {f"instructions/{name}": (instructions, name) for name in PRODUCER}
    jobs |= {f"instructions/{name}": (instructions, name, counted) for name in CONSUMER}
    jobs |= {f"bytes/{name}": (bytes_per_span, name) for name in CONSUMER}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        futures = {figure: pool.submit(job[0], program, *job[1:]) for figure, job in jobs.items()}
        return {figure: round(future.result(), 2) for figure, future in futures.items()}


def key_of(program):
    """Returns what the counts depend on: compiler, flags, clock."""
    with open(os.path.join(os.path.dirname(program), "gate_key"), encoding="utf-8") as file:
        return " ".join((file.read().strip() + " " + run([program, "clock"])).split())


def breaches(measured, expected):
    """Yields a line for each figure that is not as the baseline says."""
    for figure in sorted(measured.keys() | expected.keys()):
        if figure not in measured or figure not in expected:
            yield f"{figure}: only {'measured' if figure in measured else 'in the baseline'}"
            continue
        change = measured[figure] / expected[figure] - 1
        if abs(change) > TOLERANCE:
            yield (f"{figure}: {measured[figure]:.2f}, the baseline says {expected[figure]:.2f} "
                   f"({change:+.1%}, allowed ±{TOLERANCE:.0%})")


def load(path=BASELINE):
    """Returns {key: {figure: value}}."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def skip(why):
    """Says loudly that nothing was compared."""
    print(f"gate: SKIPPED, nothing was compared: {why}")
    return SKIPPED


def compare(measured, expected):
    """Prints the figures and returns the exit status."""
    for figure, value in measured.items():
        print(f"{figure:45} {value:10.2f}")
    found = list(breaches(measured, expected))
    if not found:
        print(f"gate: as the baseline, ±{TOLERANCE:.0%}")
        return 0
    print("\n".join(["gate: BREACH", *found]))
    print("More: find what costs it (callgrind_annotate shows the functions) and mend it.\n"
          "Fewer, or more for a reason that the commit's message names: run\n"
          f"  bench/gate.py --update GATE_PROGRAM\nand commit bench/{os.path.basename(BASELINE)}.")
    return 1


def main():
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description="instructions and bytes per span: the gate")
    parser.add_argument("--update", action="store_true", help="write the baseline")
    parser.add_argument("program", help="the built gate_program")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    if not os.access(program, os.X_OK):
        parser.error(f"{options.program} is no program")
    try:
        run(["valgrind", "--version"])
    except Failed:
        return skip("valgrind is not installed")
    key, baseline = key_of(program), load()
    if key not in baseline and not options.update:
        return skip(f"baseline.json has no entry for '{key}'; --update makes one")
    measured = measure(program)
    if not options.update:
        return compare(measured, baseline[key])
    baseline[key] = measured
    with open(BASELINE, "w", encoding="utf-8") as file:
        json.dump(baseline, file, indent=2, sort_keys=True)
        file.write("\n")
    print(f"gate: baseline of '{key}' written")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end that cleans up
    try:
        sys.exit(main())
    except Failed as error:
        print(f"gate: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
