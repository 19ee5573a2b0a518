"""A consumer of a test's own: rings and database in fresh folders, gone with the `with` block."""

import json
import os
import shutil
import signal
import subprocess
import tempfile

STOP_SECONDS = 30


class ConsumerProcess:
    """`with ConsumerProcess(folder of the binaries) as consumer:` runs spanringd meanwhile."""

    def __init__(self, binaries):
        self.spanring = os.path.join(binaries, "spanring")
        self._daemon = os.path.join(binaries, "spanringd")
        # Rings are files in a tmpfs; a test's few MiB are gone when it ends.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._rings = tempfile.mkdtemp(prefix="spanring-test-", dir=memory)
        self._database = tempfile.mkdtemp(prefix="spanring-test-")
        self._process = None

    @property
    def environment(self):
        """What producers and queries need to find this consumer."""
        return os.environ | {"SPANRING_DIR": self._rings, "SPANRING_DB": self._database}

    def __enter__(self):
        ready, ready_writer = os.pipe()
        self._process = subprocess.Popen(
            [self._daemon, "--dir", self._rings, "--db", self._database,
             "--ready-fd", str(ready_writer), "--log-file", os.path.join(self._database, "log")],
            pass_fds=[ready_writer], env=self.environment, stderr=subprocess.DEVNULL)
        os.close(ready_writer)
        with os.fdopen(ready) as pipe:
            line = pipe.readline()
        if not line:
            self.__exit__(None, None, None)
            raise RuntimeError(f"{self._daemon} ended before it was ready")
        return self

    def __exit__(self, *_):
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._rings, ignore_errors=True)
        shutil.rmtree(self._database, ignore_errors=True)

    def run(self, *command):
        """Runs a program against this consumer; returns what it printed. Raises if it fails."""
        return subprocess.run(command, env=self.environment, check=True, stdout=subprocess.PIPE,
                              text=True, timeout=120).stdout

    def spans(self):
        """Returns every span of the database, as dictionaries."""
        lines = self.run(self.spanring, "export", "--format", "jsonl").splitlines()
        return [json.loads(line) for line in lines]
