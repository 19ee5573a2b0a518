"""A benchmark run: where the programs are, how they are run, and the figures so far."""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

# Quarter to three quarters of the repetitions, beyond which a median says little.
SPREAD_MAX = 0.35
# In ns: repetitions of next to nothing lie about so far apart on any machine.
SPREAD_NS = 0.5
# Repetitions of a row that may fail, by losses say, before there is no figure.
BAD_SHARE_MAX = 0.34


class NotMeasured(Exception):
    """Why a step gave no figure."""


class Suite:
    """What a run knows: where the programs are, how long it may take, and the figures so far."""

    def __init__(self, bin_dir, compiler, root, short, limit_s):
        self.bin_dir, self.compiler, self.root, self.short = bin_dir, compiler, root, short
        self.deadline = time.monotonic() + limit_s
        self.figures, self.notes = {}, []

    @staticmethod
    def say(text):
        """To standard error."""
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def note(self, text):
        """To standard error and into the report."""
        self.notes.append(text)
        self.say(text)

    def run(self, program, *arguments, limit_s=600, ok=(0,), env=None, quiet=False, under=()):
        """Returns the standard output of one of the built programs, run `under` another one if
        given. Raises NotMeasured. However it ends, the program is ended with it: what that one
        started, it cleans up by itself."""
        limit_s = min(limit_s, self.deadline - time.monotonic())
        if limit_s <= 1:
            raise NotMeasured("no time was left")
        path = os.path.join(self.bin_dir, program)
        if not os.access(path, os.X_OK):
            raise NotMeasured(f"{program} is not built here")
        with subprocess.Popen([*under, path, *arguments], stdout=subprocess.PIPE, text=True,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              env=os.environ | (env or {})) as process:
            try:
                out, talk = process.communicate(timeout=limit_s)
            except BaseException as error:
                # Not SIGINT, which is ignored where a shell has started us in the background.
                process.send_signal(signal.SIGTERM)
                process.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise NotMeasured(f"{program} took more than {limit_s:.0f} s") from error
                raise
        if process.returncode not in ok:
            last = (talk.strip().splitlines() or ["no reason given"])[-1]
            raise NotMeasured(f"{program} {' '.join(arguments)}: {last}")
        for line in [] if quiet else talk.splitlines():
            self.say(f"{program}: {line}")
        return out

    def rows(self, program, *arguments, **options):
        """Runs a Google Benchmark program. Yields (row, counters of each good repetition)."""
        with tempfile.NamedTemporaryFile(prefix="spanring-bench-", suffix=".json") as file:
            self.run(program, f"--benchmark_out={file.name}", "--benchmark_out_format=json",
                     *arguments, quiet=True, **options)
            found = json.load(file)["benchmarks"]
        by_row = {}
        for each in found:
            if each["run_type"] == "iteration":
                by_row.setdefault(each["run_name"], []).append(each)
        for name, repetitions in by_row.items():
            row = name.split("/iterations:")[0].replace("/manual_time", "")
            bad = [each for each in repetitions if each.get("error_occurred")]
            if len(bad) > BAD_SHARE_MAX * len(repetitions):
                self.note(f"{row}: {bad[0]['error_message']} ({len(bad)} of "
                          f"{len(repetitions)} repetitions)")
                continue
            yield row, [each for each in repetitions if not each.get("error_occurred")]

    def keep(self, name, values):
        """Takes the median, unless the values say that something disturbed most of them."""
        median = statistics.median(values)
        if len(values) >= 4:
            low, _, high = statistics.quantiles(values, n=4, method="inclusive")
            if high - low > max(SPREAD_MAX * median, SPREAD_NS):
                self.note(f"{name}: disturbed, half of the repetitions from {low:.1f} to "
                          f"{high:.1f}, median {median:.1f}")
                return
        self.figures[name] = median
