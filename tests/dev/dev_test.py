#!/usr/bin/env python3
"""tools/dev: what it says, and what its set-up would install.

usage: dev_test.py ROOT

Package managers are stood in for by scripts that write down how they were called: a test must not
change the machine.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = sys.argv[1]
DEV = os.path.join(ROOT, "tools", "dev")
# Words that build or run for minutes are only looked up in the help.
WORDS = ("run", "test", "setup", "build", "test-san", "test-long", "coverage", "tidy", "format",
         "bench", "bench-gate", "fuzz", "mutate", "clean")


def dev(*words, path=None, cwd="/"):
    """Runs tools/dev from another directory, without a terminal."""
    environment = os.environ | ({"PATH": path} if path else {})
    return subprocess.run([DEV, *words], capture_output=True, text=True, check=False, cwd=cwd,
                          env=environment, stdin=subprocess.DEVNULL)


class Talk(unittest.TestCase):
    """Words and their errors."""

    def test_help_names_every_word(self):
        for word in ("help", "--help", "-h"):
            run = dev(word)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            for name in WORDS:
                self.assertRegex(run.stdout, rf"(?m)^  {re.escape(name)}\b")

    def test_no_word_is_a_call_for_help(self):
        self.assertEqual(dev().stdout, dev("help").stdout)

    def test_bad_input_is_one_line_and_exit_2(self):
        for words in (("frobnicate",), ("build", "fast"), ("setup", "--everything"),
                      ("fuzz", "soon"), ("bench", "--quick"), ("bench-gate", "--fast")):
            run = dev(*words)
            self.assertEqual((run.returncode, run.stdout), (2, ""), words)
            self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
            self.assertIn(words[-1], run.stderr)


class Setup(unittest.TestCase):
    """What set-up installs, with stand-ins for dpkg-query, apt-get, apt-cache and sudo."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="spanring-dev-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.log = os.path.join(self.folder, "log")
        self.stand_in("sudo", 'exec "$@"')
        self.stand_in("apt-get", f'echo "apt-get $*" >> {self.log}')
        self.stand_in("apt-cache", "exit 0")

    def stand_in(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)

    def installed(self, *names):
        lines = "".join(f"echo 'ii :{name}'\n" for name in names)
        self.stand_in("dpkg-query", lines + "echo 'rc :valgrind'")

    def setup_packages(self, *words):
        """Runs set-up; returns the packages that it asked apt-get to install."""
        run = dev("setup", *words, path=self.folder + ":" + os.environ["PATH"])
        self.assertEqual(run.returncode, 0, run.stderr)
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8") as file:
            install = [line.split("install", 1)[1] for line in file if "install" in line]
        return [word for word in install[0].split() if not word.startswith("-")]

    def test_asks_for_everything_on_a_bare_machine(self):
        self.installed()
        packages = self.setup_packages()
        self.assertIn("g++", packages)
        self.assertIn("libboost1.81-dev", packages)
        self.assertNotIn("libboost-dev", packages)
        self.assertIn("clang", packages)
        self.assertNotIn("valgrind", packages)

    def test_asks_only_for_what_is_missing_then_for_nothing(self):
        self.installed()
        everything = self.setup_packages()
        os.remove(self.log)
        self.installed(*everything[1:])
        self.assertEqual(self.setup_packages(), everything[:1])
        os.remove(self.log)
        self.installed(*everything)
        self.assertEqual(self.setup_packages(), [])

    def test_a_removed_package_that_left_its_configuration_is_missing(self):
        self.installed(*self.names_of_base())
        self.assertIn("valgrind", self.setup_packages("--all"))

    def test_an_alternative_will_do(self):
        names = [name for name in self.names_of_base() if name != "libboost1.81-dev"]
        self.installed(*names, "libboost-dev")
        self.assertEqual(self.setup_packages(), [])

    def names_of_base(self):
        self.installed()
        names = self.setup_packages()
        os.remove(self.log)
        return names

    def test_a_failing_install_is_exit_2(self):
        self.installed()
        self.stand_in("apt-get", 'case "$*" in *install*) exit 100;; esac')
        self.assertEqual(dev("setup", path=self.folder + ":" + os.environ["PATH"]).returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
