#!/usr/bin/env python3
"""Runs all benchmarks of one build and writes bench/results/latest.json and latest.md; until it is
done, unfinished.json and unfinished.md.

usage: run.py [--summary] [--compiler CXX] [--results FOLDER] BIN_DIR

--summary takes less than four minutes, writes nothing, and prints one JSON object; what it has to
say goes to standard error. What could not be measured, or only on a disturbed machine, is null
there and a note in the report: no wrong number.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time

import goals
import report
import steps
from suite import NotMeasured, Suite

# For everything; builds are not in it.
SUMMARY_LIMIT_S, FULL_LIMIT_S = 220, 3600
# What others may use of the machine before a run is called disturbed.
BUSY_MAX = 0.15
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # not installed, as git where the sources came as a tar file
        return "unknown"
    return done.stdout.splitlines()[0].strip() if done.stdout else "unknown"


def machine(compiler):
    """Returns what the figures were measured on."""
    return {"when": time.strftime("%Y-%m-%d"), "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "compiler": _output(compiler, "--version"),
            "commit": _output("git", "-C", ROOT, "rev-parse", "--short", "HEAD")}


def busy_share(seconds=1.0):
    """Returns the share of this machine's processors that others use, a hypervisor included."""
    def times():
        with open("/proc/stat", encoding="ascii") as file:
            values = [int(value) for value in file.readline().split()[1:9]]
        return sum(values), values[3] + values[4]  # idle, waiting for a disk

    total, idle = times()
    time.sleep(seconds)
    total_then, idle_then = times()
    return 1 - (idle_then - idle) / max(total_then - total, 1)


def parse(arguments):
    """Returns the options; nonsense ends the program with exit status 2."""
    parser = argparse.ArgumentParser(description="all benchmarks of one build")
    parser.add_argument("--summary", action="store_true",
                        help="one JSON object on standard output, in less than four minutes")
    parser.add_argument("--compiler", default="c++", help="for the header's compile time (c++)")
    parser.add_argument("--results", default=os.path.join(ROOT, "bench", "results"),
                        help="folder of the report (bench/results)")
    parser.add_argument("bin_dir", help="where the built programs are")
    options = parser.parse_args(arguments)
    if not os.access(os.path.join(options.bin_dir, "bench_tracer"), os.X_OK):
        parser.error(f"{options.bin_dir} holds no bench_tracer; build the preset bench")
    return options


def measure(suite, short, keep):
    """Runs every step; one that fails leaves a note. Calls `keep(left)` after each, with the names
    of those that are still to come."""
    all_steps = steps.SHORT if short else steps.ALL
    for done, (name, step) in enumerate(all_steps, 1):
        suite.say(f"{name} ({done} of {len(all_steps)})")
        try:
            step(suite)
        except NotMeasured as error:
            suite.note(f"{name}: {error}")
        keep([name for name, _ in all_steps[done:]])


def write(folder, results, name):
    """Writes the report: each file whole, or not at all."""
    os.makedirs(folder, exist_ok=True)
    texts = {"json": json.dumps(results, indent=2) + "\n", "md": report.markdown(results)}
    for ending, text in texts.items():
        path = os.path.join(folder, f"{name}.{ending}")
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".tmp", path)


def main(arguments):
    """Returns the exit status."""
    options = parse(arguments)
    if len(os.sched_getaffinity(0)) < 2:
        print("bench: one core only: application and consumer would take turns on it, and no "
              "figure would mean what it says", file=sys.stderr)
        return 2
    suite = Suite(os.path.abspath(options.bin_dir), options.compiler, ROOT, short=options.summary,
                  limit_s=SUMMARY_LIMIT_S if options.summary else FULL_LIMIT_S)
    busy = busy_share()
    if busy > BUSY_MAX:
        suite.note(f"DISTURBED: other programs used {busy:.0%} of this machine when it began")
    if options.summary:
        measure(suite, True, lambda left: None)
        print(json.dumps(goals.summary(suite.figures)))
        return 0
    measured_on = machine(options.compiler)
    results = {}

    def keep(left):
        # An interrupted run is not for nothing, and no reason to lose the last whole one.
        notes = suite.notes + ([f"UNFINISHED: not measured: {', '.join(left)}"] if left else [])
        results.update(machine=measured_on, notes=notes, figures=suite.figures,
                       summary=goals.summary(suite.figures))
        write(options.results, results, "unfinished")

    measure(suite, False, keep)
    for ending in ("json", "md"):
        os.replace(os.path.join(options.results, f"unfinished.{ending}"),
                   os.path.join(options.results, f"latest.{ending}"))
    print(report.markdown(results))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end that cleans up
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("bench: interrupted; what a full run has measured is in unfinished.json and .md",
              file=sys.stderr)
        sys.exit(130)
