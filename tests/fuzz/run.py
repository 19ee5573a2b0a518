#!/usr/bin/env python3
"""Runs the libFuzzer targets of build/fuzz/bin.

usage: run.py run [--seconds N] [--jobs N] [--keep] [TARGET...]
       run.py minimise [TARGET...]
       run.py report

run       Each target (all, unless some are named) for N seconds, --jobs at a time. It starts from
          tests/fuzz/corpus/TARGET; what it finds goes to build/fuzz/corpus/TARGET, which is emptied
          before unless --keep. N is SPANRING_FUZZ_SECONDS or 15 if not given. An input that breaks
          a target is left in build/fuzz/found; exit status 1. Without --keep and the variable it
          is the same search each time, so that a change is judged by what it changes.
minimise  Makes the corpora of the tree anew from themselves and what the last runs found: the
          fewest, smallest inputs that reach the same. Inputs with names of words are regression
          inputs, and stay.
report    What the runs did since build/fuzz/runs was removed: executions, edges.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build", "fuzz")
FUZZ = os.path.join(ROOT, "tests", "fuzz")
LOG_LINES_SHOWN = 100
# One input: a hundred times what the slowest takes on a busy machine.
INPUT_SECONDS_MAX = 60
RSS_MIB_MAX = 1024
# Of a corpus in the tree; cloning it should cost nothing.
CORPUS_FILES_MAX, CORPUS_BYTES_MAX = 60, 200_000


def program(target):
    """Returns the target's program, or ends with one line that says how to make it."""
    path = os.path.join(BUILD, "bin", target)
    if not os.access(path, os.X_OK):
        sys.exit(f"run.py: there is no {path}; tools/dev build fuzz makes it")
    return path


def all_targets():
    """Returns the names of all targets that are built."""
    folder = os.path.join(BUILD, "bin")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(name for name in names if name.startswith("fuzz_"))


def tree_corpus(target):
    """Returns the folder of the inputs that come with the source."""
    return os.path.join(FUZZ, "corpus", target)


def made(*names):
    """Returns a folder below build/fuzz, made if it is not there."""
    path = os.path.join(BUILD, *names)
    os.makedirs(path, exist_ok=True)
    return path


def command(target, seconds, finds, keep):
    """Returns how to run the target."""
    words = [program(target), f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS_MAX}",
             f"-rss_limit_mb={RSS_MIB_MAX}", f"-artifact_prefix={made('found')}/{target}-"]
    if not keep and "SPANRING_FUZZ_SECONDS" not in os.environ:
        words.append("-seed=1")
    dictionary = os.path.join(FUZZ, "dictionaries", target + ".dict")
    if os.path.exists(dictionary):
        words.append("-dict=" + dictionary)
    return words + [finds] + [path for path in [tree_corpus(target)] if os.path.isdir(path)]


def environment():
    """Returns the environment of a target: sanitizers as they are by themselves, stacks printed."""
    return os.environ | {"ASAN_OPTIONS": "", "UBSAN_OPTIONS": "print_stacktrace=1"}


def read_figures(log):
    """Returns what libFuzzer's log says of a run that ended well, None if it did not."""
    done = re.search(r"^Done (\d+) runs in (\d+) second", log, re.M)
    edges = re.findall(r"cov: (\d+) ft: (\d+)", log)
    if not done or not edges:
        return None
    return {"executions": int(done[1]), "seconds": int(done[2]),
            "edges": int(edges[-1][0]), "features": int(edges[-1][1])}


def run_one(target, seconds, keep):
    """Runs one target. Returns whether nothing was found, and what to print."""
    finds = made("corpus", target)
    if not keep:
        shutil.rmtree(finds)
        os.mkdir(finds)
    path = os.path.join(made("logs"), target + ".log")
    with open(path, "w", encoding="utf-8") as out:
        status = subprocess.run(command(target, seconds, finds, keep), stdout=out, stderr=out,
                                env=environment(), check=False).returncode
    with open(path, encoding="utf-8", errors="replace") as text:
        log = text.read()
    figures = read_figures(log)
    if status != 0 or figures is None:
        tail = "\n".join(log.splitlines()[-LOG_LINES_SHOWN:])
        return False, f"{tail}\n{target} found something (exit status {status}); log: {path}"
    with open(os.path.join(made("runs"), target + ".json"), "w", encoding="utf-8") as out:
        json.dump(figures, out)
    return True, line_of(target, figures)


def line_of(target, figures):
    """Returns the line of one target's figures."""
    return (f"{target:<28} {figures['executions']:>12,} executions in {figures['seconds']:>4} s, "
            f"{figures['edges']:>6,} edges")


def run(options):
    """Returns the exit status."""
    good = True
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run_one, target, options.seconds, options.keep)
                for target in options.targets or all_targets()]
        for done in concurrent.futures.as_completed(runs):
            ended_well, text = done.result()
            good = good and ended_well
            print(text, flush=True)
    return 0 if good else 1


def report(_):
    """Returns the exit status."""
    folder = made("runs")
    every = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            every[name.removesuffix(".json")] = json.load(file)
    for target, figures in every.items():
        print(line_of(target, figures))
    print(f"fuzz: {len(every)} targets, "
          f"{sum(figures['executions'] for figures in every.values()):,} executions")
    return 0


def minimise_one(target):
    """Replaces the corpus of the target in the tree. Returns the line to print."""
    corpus, finds = tree_corpus(target), made("corpus", target)
    os.makedirs(corpus, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        # By edges alone: counters would keep ten times as many.
        subprocess.run([program(target), "-set_cover_merge=1", "-use_counters=0", "-max_len=16384",
                        f"-rss_limit_mb={RSS_MIB_MAX}",
                        f"-artifact_prefix={made('found')}/{target}-", folder, corpus, finds],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
                       check=True)
        for name in os.listdir(corpus):
            if re.fullmatch("[0-9a-f]{40}", name):
                os.remove(os.path.join(corpus, name))
        kept = total = 0
        found = [os.path.join(folder, name) for name in os.listdir(folder)]
        for path in sorted(found, key=os.path.getsize):
            total += os.path.getsize(path)
            if kept == CORPUS_FILES_MAX or total > CORPUS_BYTES_MAX:
                break
            shutil.copy(path, corpus)
            kept += 1
    return f"{target}: {kept} of {len(found)} inputs"


def minimise(options):
    """Returns the exit status."""
    for target in options.targets or all_targets():
        print(minimise_one(target), flush=True)
    return 0


def main():
    """Returns the exit status."""
    parser = argparse.ArgumentParser(usage=__doc__)
    words = parser.add_subparsers(required=True)
    runs = words.add_parser("run")
    runs.add_argument("--seconds", type=int,
                      default=int(os.environ.get("SPANRING_FUZZ_SECONDS", "15")))
    runs.add_argument("--jobs", type=int, default=1)
    runs.add_argument("--keep", action="store_true")
    runs.add_argument("targets", nargs="*")
    runs.set_defaults(act=run)
    smaller = words.add_parser("minimise")
    smaller.add_argument("targets", nargs="*")
    smaller.set_defaults(act=minimise)
    words.add_parser("report").set_defaults(act=report)
    options = parser.parse_args()
    return options.act(options)


if __name__ == "__main__":
    sys.exit(main())
