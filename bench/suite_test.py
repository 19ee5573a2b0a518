#!/usr/bin/env python3
"""The benchmark suite around its measurements: goals, report, gate, and what it leaves behind.

usage: suite_test.py GATE_PROGRAM
"""

import glob
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

import gate
import goals
import process_steps
import report
import run
import steps
import suite

PROGRAM = os.path.abspath(sys.argv[1])
ROOT = run.ROOT
KEYS = ("span_over_floor event_over_floor disabled_minus_empty_ns dropped_ns p99_9_over_empty_ns "
        "tight_spans_per_s mix_spans_per_s mix2_spans_per_s tight_cpu_ns mix_cpu_ns delay_p50_ms "
        "delay_p99_ms bytes_mix bytes_hipster lttng_span_ns span_ns floor_ns").split()
MACHINE = {"when": "2026-01-01", "processor": "x", "cores": 2, "kernel": "6", "compiler": "g++",
           "commit": "abc"}


def results(figures, notes=()):
    """Results as a run writes them."""
    return {"machine": MACHINE, "notes": list(notes), "figures": figures}


class Summary(unittest.TestCase):
    """The object for scripts."""

    def test_has_exactly_the_promised_keys_and_null_for_what_is_missing(self):
        self.assertEqual(goals.summary({}), dict.fromkeys(KEYS))

    def test_ratio_is_ours_over_the_floor_of_the_same_run(self):
        found = goals.summary({"tracer/span": 30.0, "tracer/floor_of_span": 20.0})
        self.assertEqual((found["span_over_floor"], found["span_ns"]), (1.5, 30))

    def test_delay_is_the_worst_rate_and_needs_all_of_them(self):
        delays = {f"delay/{rate}/p50_ms": i + 1.0 for i, rate in enumerate(goals.RATES)}
        self.assertEqual(goals.summary(delays)["delay_p50_ms"], 4)
        del delays["delay/1/p50_ms"]
        self.assertIsNone(goals.summary(delays)["delay_p50_ms"])


class WholeRun(unittest.TestCase):
    """A run that comes to its end."""

    def test_its_report_is_the_latest_and_nothing_else_is_left(self):
        with tempfile.TemporaryDirectory() as folder:
            with mock.patch.object(steps, "ALL", (("one", lambda _: None),)), \
                    mock.patch.object(run, "busy_share", return_value=0), \
                    mock.patch.object(os, "access", return_value=True), \
                    mock.patch("builtins.print"):
                self.assertEqual(run.main(["--results", folder, folder]), 0)
            self.assertEqual(sorted(os.listdir(folder)), ["latest.json", "latest.md"])


class Interrupted(unittest.TestCase):
    """A run that does not come to its end."""

    def test_what_was_measured_until_then_is_kept_and_the_rest_is_named(self):
        def measured(one):
            one.figures["tracer/span"] = 30.0

        def interrupted(_):
            raise KeyboardInterrupt

        with tempfile.TemporaryDirectory() as folder:
            with mock.patch.object(steps, "ALL", (("first", measured), ("second", interrupted))), \
                    mock.patch.object(run, "busy_share", return_value=0), \
                    mock.patch.object(os, "access", return_value=True), \
                    self.assertRaises(KeyboardInterrupt):
                run.main(["--results", folder, folder])
            self.assertFalse(os.path.exists(os.path.join(folder, "latest.json")))
            with open(os.path.join(folder, "unfinished.json"), encoding="utf-8") as file:
                kept = json.load(file)
            self.assertEqual(kept["figures"], {"tracer/span": 30.0})
            self.assertIn("UNFINISHED: not measured: second", kept["notes"])


class Report(unittest.TestCase):
    """Markdown and README."""

    def test_says_met_missed_and_not_measured(self):
        text = report.markdown(results({"tracer/span": 30.0, "tracer/floor_of_span": 20.0,
                                        "bytes/mix": 8.0}))
        self.assertIn("| 1.50 | **no** |", text)
        self.assertRegex(text, r"database, mix \|.*\| yes \|")
        self.assertIn("not measured", text)

    def test_every_row_of_the_issue_has_a_goal_and_a_figure_of_its_own(self):
        ours = [goal.ours for goal in goals.GOALS]
        self.assertEqual(len(set(ours)), len(ours))
        for name in ("wake/calls_per_period", "idle/cpu_percent", "bytes/mix4",
                     "threads/1/segment_mib", "threads/100/segment_mib",
                     "threads/10000/segment_mib", "producers_1000/cpu_percent",
                     "start/first_span_ms", "restart/first_span_ms"):
            self.assertIn(name, ours)

    def test_a_segment_above_its_goal_is_a_miss(self):
        text = report.markdown(results({"threads/1/segment_mib": 1.05,
                                        "threads/100/segment_mib": 2.0}))
        self.assertRegex(text, r"with one thread \|.*\| \*\*no\*\* \|")
        self.assertRegex(text, r"with 100 active threads \|.*\| yes \|")

    def test_shows_what_disturbed_the_run(self):
        self.assertIn("- too loud", report.markdown(results({}, ["too loud"])))

    def test_replaces_what_is_between_the_markers_of_the_readme(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            readme = file.read()
        once = report.with_table(readme, results({"bytes/mix": 8.0}))
        self.assertEqual(report.with_table(once, results({"bytes/mix": 8.0})), once)
        self.assertEqual(once.partition(report.BEGIN)[0], readme.partition(report.BEGIN)[0])
        self.assertEqual(once.partition(report.END)[2], readme.partition(report.END)[2])

    def test_refuses_a_readme_without_markers(self):
        with self.assertRaisesRegex(ValueError, "bench: begin"):
            report.with_table("# spanring\n", results({}))


class Disturbed(unittest.TestCase):
    """A number that means nothing is none."""

    def setUp(self):
        self.suite = suite.Suite(os.path.dirname(PROGRAM), "c++", ROOT, short=True, limit_s=60)

    def test_repetitions_far_apart_give_no_figure_but_a_note(self):
        self.suite.keep("row", [10, 10, 30, 40, 50])
        self.assertEqual((self.suite.figures, len(self.suite.notes)), ({}, 1))

    def test_repetitions_close_together_give_their_median(self):
        self.suite.keep("row", [10, 11, 10.5, 90, 10.2])
        self.assertEqual(self.suite.figures, {"row": 10.5})

    def test_repetitions_of_next_to_nothing_may_lie_far_apart(self):
        self.suite.keep("row", [0.4, 0.4, 0.6, 0.8, 0.8])
        self.assertEqual(self.suite.figures, {"row": 0.6})

    def test_a_program_that_is_not_built_is_said_to_be(self):
        with self.assertRaisesRegex(suite.NotMeasured, "not built"):
            self.suite.run("no_such_program")

    def test_a_program_that_fails_gives_its_reason(self):
        with self.assertRaisesRegex(suite.NotMeasured, "gate_program nonsense"):
            self.suite.run("gate_program", "nonsense")


class _Recorded:
    """A suite whose programs say what the test says."""

    def __init__(self, *outputs):
        self.outputs, self.figures, self.notes, self.short = list(outputs), {}, [], False

    def run(self, *_, **__):
        """The next one."""
        return json.dumps(self.outputs.pop(0))

    def note(self, text):
        """Kept."""
        self.notes.append(text)

    def keep(self, name, values):
        """The median."""
        self.figures[name] = statistics.median(values)


def _crowd(**other):
    return {"segment_bytes": 2**20, "ring_bytes": 2**19, "emitted": 10, "stored": 10,
            "lost": 0} | other


class Processes(unittest.TestCase):
    """Steps that look at whole processes: what was lost gives a note, and no figure."""

    def test_a_crowd_that_lost_something_is_not_measured_and_the_others_are(self):
        recorded = _Recorded(_crowd(), _crowd(stored=9, lost=1), _crowd(segment_bytes=16 * 2**20))
        process_steps.crowds(recorded)
        self.assertEqual(recorded.figures,
                         {"threads/1/segment_mib": 1, "threads/1/ring_mib": 0.5,
                          "threads/10000/segment_mib": 16, "threads/10000/ring_mib": 0.5})
        self.assertEqual(len(recorded.notes), 1)
        self.assertIn("9 were stored and 1 counted as lost", recorded.notes[0])

    def test_a_thousand_producers_are_measured_only_whole(self):
        found = {"measured": True, "emitted": 5, "stored": 5, "lost": 0, "consumer_cpu": 0.5,
                 "spans_per_s": 1e6, "consumer_rss_bytes": 2**20}
        room = mock.Mock(free=2**40)
        patch = mock.patch.object(process_steps.shutil, "disk_usage", lambda _: room)
        patch.start()
        self.addCleanup(patch.stop)
        recorded = _Recorded(found)
        process_steps.many_producers(recorded)
        self.assertEqual(recorded.figures["producers_1000/cpu_percent"], 50)
        for bad in ({"measured": False, "why": "too loud"}, found | {"stored": 4}):
            recorded = _Recorded(bad)
            with self.assertRaises(suite.NotMeasured):
                process_steps.many_producers(recorded)
            self.assertEqual(recorded.figures, {})
        room.free = 2**20
        with self.assertRaisesRegex(suite.NotMeasured, "SKIPPED: /dev/shm has 1 MiB"):
            process_steps.many_producers(_Recorded(found))

    def test_a_restart_that_lost_something_is_not_measured(self):
        lossy = {"ms": [30, 31], "emitted": 5, "stored": 4, "lost": 0}
        recorded = _Recorded({"ms": [20, 30, 22]}, lossy)
        with self.assertRaises(suite.NotMeasured):
            process_steps.starts(recorded)
        self.assertEqual(recorded.figures, {"start/first_span_ms": 22})

    def test_only_wake_ups_between_processes_are_counted(self):
        trace = ("7 futex(0x7f01, FUTEX_WAKE, 1) = 1\n"
                 "8 futex(0x7f02, FUTEX_WAKE_PRIVATE, 2147483647) = 0\n"
                 "7 futex(0x7f03, FUTEX_WAIT, 0, NULL <unfinished ...>\n"
                 "8 futex(0x7f01, FUTEX_WAKE, 1 <unfinished ...>\n"
                 "8 <... futex resumed>) = 1\n"
                 "8 +++ exited with 0 +++\n")
        self.assertEqual(process_steps.wakes_in(trace), 2)


class Gate(unittest.TestCase):
    """The comparison; the measurement is a test of its own."""

    def test_breaches_in_both_directions_and_says_what_to_do(self):
        for measured in (103.1, 96.9):
            found = list(gate.breaches({"x": measured}, {"x": 100.0}))
            self.assertEqual(len(found), 1, measured)
        self.assertEqual(list(gate.breaches({"x": 102.9}, {"x": 100.0})), [])
        self.assertEqual(gate.compare({"x": 90.0}, {"x": 100.0}), 1)

    def test_a_figure_that_is_new_or_gone_is_a_breach(self):
        self.assertEqual(len(list(gate.breaches({"new": 1.0}, {"gone": 1.0}))), 2)

    def test_compaction_makes_the_database_no_larger(self):
        plain, compacted = (
            json.loads(gate.run([PROGRAM, "consumer_mix", "--spans", "100000", *options]))
            for options in ([], ["--compacted"]))
        self.assertEqual(plain["units"], compacted["units"])
        self.assertLess(compacted["bytes"], plain["bytes"])

    def test_bytes_of_a_fixed_seed_do_not_change(self):
        once, again = (gate.bytes_per_span(PROGRAM, "consumer_mix") for _ in range(2))
        self.assertAlmostEqual(once, again, delta=0.01 * once)


class Arguments(unittest.TestCase):
    """Nonsense is refused."""

    def test_nonsense_is_a_line_and_an_exit_status(self):
        for command in ([PROGRAM, "nonsense"], [PROGRAM, "consumer_mix", "--spans", "0"],
                        [sys.executable, "-B", run.__file__, "/nowhere"],
                        [sys.executable, "-B", run.__file__, "--sumary", "/nowhere"],
                        [sys.executable, "-B", gate.__file__, "/nowhere"]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertNotEqual(done.returncode, 0, command)
            self.assertEqual(done.stdout, "")
            self.assertNotEqual(done.stderr, "")
            self.assertNotIn("Traceback", done.stderr)


class NothingLeft(unittest.TestCase):
    """A program with a consumer of its own, ended before its time."""

    def test_killed_it_leaves_neither_consumer_nor_folders(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            # Stopped at once, so that the consumer is certainly there when the signal comes.
            with subprocess.Popen([PROGRAM, "idle"], stdout=subprocess.PIPE, text=True) as process:
                rings = process.stdout.readline().strip()
                self.assertTrue(os.path.isdir(rings))
                consumers = [int(path.split("/")[2]) for path in glob.glob("/proc/[0-9]*/cmdline")
                             if rings in _text(path)]
                self.assertTrue(consumers)
                process.send_signal(number)
                process.wait()
            while os.path.exists(rings) or any(map(_runs, consumers)):
                time.sleep(0.05)  # ctest's time limit ends a wait in vain


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _runs(pid):
    return "spanringd" in _text(f"/proc/{pid}/cmdline")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
