"""Steps that look at whole processes from outside: idle, threads, many producers, restarts."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from suite import NotMeasured

# Of which a thousand segments, and what their consumer maps, take a GiB.
_ROOM_BYTES = 1200 * 2**20
# Threads: milliseconds between the bursts of each, spans of a burst, seconds, threads started in a
# second. Ten thousand come as those of a server do, one after the other, and are seldom at work.
CROWDS = {1: ("10", "10", "3", "0"), 100: ("10", "10", "3", "0"),
          10_000: ("5000", "1", "10", "1000")}
# A doorbell is shared by processes; what libc wakes within one is private.
_WAKE = re.compile(r"\bfutex\([^,]*, FUTEX_WAKE,")


def all_stored(found):
    """Returns the measurement. Raises NotMeasured if it did not store all that was emitted."""
    if found["lost"] != 0 or found["stored"] != found["emitted"]:
        raise NotMeasured(f"of {found['emitted']} spans {found['stored']} were stored and "
                          f"{found['lost']} counted as lost")
    return found


def idle(suite):
    """The consumer's processor time while nothing happens."""
    found = json.loads(suite.run("bench_processes", "idle", "--seconds", "10"))
    suite.figures["idle/cpu_percent"] = found["consumer_cpu"] * 100


def crowds(suite):
    """Shared memory of processes with many threads."""
    for count, (every_ms, spans, seconds, per_second) in CROWDS.items():
        try:
            found = all_stored(json.loads(suite.run(
                "bench_processes", "threads", "--threads", str(count), "--every-ms", every_ms,
                "--spans", spans, "--seconds", seconds, "--per-second", per_second, limit_s=120)))
        except NotMeasured as error:
            suite.note(f"segment of {count} threads: {error}")
            continue
        suite.figures[f"threads/{count}/segment_mib"] = found["segment_bytes"] / 2**20
        suite.figures[f"threads/{count}/ring_mib"] = found["ring_bytes"] / 2**20


def many_producers(suite):
    """A thousand processes, each with 100 spans every 100 ms."""
    room = shutil.disk_usage("/dev/shm").free
    if room < _ROOM_BYTES:
        raise NotMeasured(f"SKIPPED: /dev/shm has {room >> 20} MiB free, and a thousand segments "
                          f"need {_ROOM_BYTES >> 20}")
    found = json.loads(suite.run(
        "spanring", "bench", "throughput", "--json", "--producers", "1000", "--rate", "1M",
        "--burst-ms", "100", "--no-pin", "--seconds", "10", ok=(0, 1), limit_s=180))
    if not found["measured"]:
        raise NotMeasured(found["why"])
    all_stored(found)
    suite.figures["producers_1000/cpu_percent"] = found["consumer_cpu"] * 100
    suite.figures["producers_1000/spans_per_s"] = found["spans_per_s"]
    suite.figures["producers_1000/rss_mib"] = found["consumer_rss_bytes"] / 2**20


def starts(suite):
    """A start, and one after a kill, until a query sees a new span."""
    found = json.loads(suite.run("bench_processes", "start", "--rounds", "9"))
    suite.keep("start/first_span_ms", found["ms"])
    found = json.loads(suite.run("bench_processes", "restart", "--rounds", "9"))
    suite.keep("restart/first_span_ms", all_stored(found)["ms"])


@contextlib.contextmanager
def _consumer(suite):
    """Runs a consumer. Yields its rings' folder."""
    with subprocess.Popen([os.path.join(suite.bin_dir, "gate_program"), "idle"], text=True,
                          stdout=subprocess.PIPE) as process:
        rings = process.stdout.readline().strip()
        try:
            if not rings:
                raise NotMeasured("no consumer could be started")
            yield rings
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
            give_up_at = time.monotonic() + 30
            while os.path.exists(rings) and time.monotonic() < give_up_at:
                time.sleep(0.05)


def wakes_in(trace):
    """Returns the wake-up calls between processes in what strace wrote."""
    return sum(1 for line in trace.splitlines() if _WAKE.search(line))


def wake_ups(suite):
    """A producer's system calls that wake the consumer, counted by strace."""
    if shutil.which("strace") is None:
        raise NotMeasured("SKIPPED: strace is not installed")
    with tempfile.NamedTemporaryFile("r", prefix="spanring-bench-", suffix=".strace") as trace, \
            _consumer(suite) as rings:
        found = json.loads(suite.run(
            "bench_processes", "wake", "--periods", "20", "--silence-ms", "200", limit_s=60,
            under=("strace", "-f", "-qq", "-e", "trace=futex", "-o", trace.name),
            env={"SPANRING_DIR": rings}))
        wakes = wakes_in(trace.read())
    if found["lost"] != 0:
        raise NotMeasured(f"{found['lost']} spans were lost")
    if wakes == 0:
        suite.note("wake-up calls: none was made, so the consumer polls here (no membarrier?)")
    suite.figures["wake/calls_per_period"] = wakes / found["periods"]


ALL = (("idle", idle), ("wake-up calls", wake_ups), ("segments of threads", crowds),
       ("start and restart", starts), ("a thousand producers", many_producers))
