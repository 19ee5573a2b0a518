"""LTTng-UST beside ours: a session around its benchmark program, and the count of what arrived.

A session daemon that runs already is used, and left running; else one is started and ended.
"""

import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

PROGRAMS = ("lttng", "lttng-sessiond", "babeltrace2")
# Eight sub-buffers of 8 MiB for each core: a burst of the benchmark fits many times over.
CHANNEL = ("--num-subbuf=8", "--subbuf-size=8M")
LIMIT_S = 120


class Missing(Exception):
    """Why the peer cannot be measured here."""


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode != 0:
        raise Missing(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout + done.stderr


def _answers():
    return subprocess.run(["lttng", "--no-sessiond", "list"], capture_output=True,
                          check=False).returncode == 0


def _waiting_files():
    """A word that the daemon's clients wait on; it leaves them behind."""
    return glob.glob("/dev/shm/lttng-ust-wait-*")


@contextlib.contextmanager
def _session_daemon(folder):
    """A session daemon for the time being, unless there is one."""
    if _answers():
        yield
        return
    before = set(_waiting_files())
    pidfile = os.path.join(folder, "sessiond.pid")
    _run("lttng-sessiond", "--daemonize", f"--pidfile={pidfile}")
    try:
        yield
    finally:
        with open(pidfile, encoding="ascii") as file:
            pid = int(file.read())
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            if not os.path.exists(f"/proc/{pid}"):
                break
            time.sleep(0.1)
        for path in set(_waiting_files()) - before:
            os.unlink(path)


@contextlib.contextmanager
def lttng_session():
    """Within it the tracepoints of bench_lttng are recorded. Yields a dictionary whose `events` is
    filled at the end: how many arrived; `discarded`: whether the peer dropped any."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise Missing(f"not installed: {', '.join(missing)}")
    folder = tempfile.mkdtemp(prefix="spanring-lttng-", dir="/var/tmp")
    session = f"spanring-bench-{uuid.uuid4().hex[:8]}"
    found = {"events": 0, "discarded": False}
    try:
        with _session_daemon(folder):
            _run("lttng", "create", session, f"--output={folder}/trace")
            try:
                _run("lttng", "enable-channel", "--userspace", f"--session={session}", *CHANNEL,
                     "spans")
                _run("lttng", "enable-event", "--userspace", f"--session={session}",
                     "--channel=spans", "spanring_bench:*")
                _run("lttng", "start", session)
                yield found
                found["discarded"] = "discarded" in _run("lttng", "stop", session)
            finally:
                subprocess.run(["lttng", "destroy", session], capture_output=True, check=False,
                               timeout=LIMIT_S)
            # As raw counts: the text of millions of events would take minutes.
            counted = _run("babeltrace2", f"{folder}/trace", "--component=sink.utils.counter")
            totals = re.findall(r"(\d+) Event message", counted)
            found["events"] = max(map(int, totals), default=0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
