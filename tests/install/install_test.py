#!/usr/bin/env python3
"""Installs the build into a fresh prefix, then builds a C and a C++ project against it, by
find_package and by pkg-config, from another place than it was installed to (the prefix is moved),
runs them beside the installed consumer, and looks for their spans.

usage: install_test.py BUILD CMAKE C-COMPILER C++-COMPILER
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))

from consumer_process import ConsumerProcess  # noqa: E402  (its folder is known only now)

BUILD, CMAKE, C_COMPILER, CXX_COMPILER = sys.argv[1:5]
SOURCES = {"c": "main.c", "cpp": "main.cpp"}
STANDARD = {"c": ("-std=c11",), "cpp": ("-std=c++20",)}
COMPILER = {"c": C_COMPILER, "cpp": CXX_COMPILER}


def run(*command, **options):
    """Runs a command; its output appears only if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


class Install(unittest.TestCase):
    """One installation for all tests."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="spanring-install-")
        first = os.path.join(cls.folder, "first")
        cls.prefix = os.path.join(cls.folder, "moved")
        run(CMAKE, "--install", BUILD, "--prefix", first)
        os.rename(first, cls.prefix)
        cls.binaries = os.path.join(cls.prefix, "bin")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def by_cmake(self, language):
        """Returns the program of that project, built with find_package."""
        build = os.path.join(self.folder, f"build-{language}")
        compiler = "C" if language == "c" else "CXX"
        run(CMAKE, "-S", os.path.join(HERE, language), "-B", build,
            f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_{compiler}_COMPILER={COMPILER[language]}")
        run(CMAKE, "--build", build)
        return os.path.join(build, f"adopter_{language}")

    def by_pkg_config(self, language):
        """Returns the program of that project, built with one compiler call."""
        pc_folders = [folder for folder, _, names in os.walk(self.prefix)
                      if "spanring.pc" in names]
        flags = run("pkg-config", "--cflags", "--libs", "spanring",
                    env=os.environ | {"PKG_CONFIG_PATH": ":".join(pc_folders)}).split()
        program = os.path.join(self.folder, f"pc_{language}")
        run(COMPILER[language], *STANDARD[language],
            os.path.join(HERE, language, SOURCES[language]), "-o", program, *flags)
        return program

    def check_spans(self, program, service):
        """Runs the program beside a consumer; its two spans come out, one inside the other."""
        with ConsumerProcess(self.binaries) as consumer:
            consumer.run(program)
            spans = {span["name"]: span for span in consumer.spans()
                     if span["service"] == service}
        self.assertEqual(set(spans), {"outer", "inner"})
        self.assertEqual(spans["outer"]["parent_id"], "")
        self.assertEqual(spans["outer"]["attributes"].get("answer"), 42)
        self.assertEqual(spans["inner"]["parent_id"], spans["outer"]["span_id"])
        self.assertEqual(spans["inner"]["trace_id"], spans["outer"]["trace_id"])
        self.assertEqual([event["name"] for event in spans["inner"]["events"]], ["inside"])

    def test_cpp_project_by_find_package(self):
        self.check_spans(self.by_cmake("cpp"), "adopter-cpp")

    def test_cpp_project_by_pkg_config(self):
        self.check_spans(self.by_pkg_config("cpp"), "adopter-cpp")

    def test_c_project_by_find_package_without_cpp_enabled(self):
        self.check_spans(self.by_cmake("c"), "adopter-c")

    def test_c_project_by_pkg_config(self):
        self.check_spans(self.by_pkg_config("c"), "adopter-c")

    def test_programs_run_and_say_their_version(self):
        for name in ("spanring", "spanringd"):
            self.assertIn("0.1.0", run(os.path.join(self.binaries, name), "--version"))

    def test_installs_what_an_adopter_needs_and_nothing_else(self):
        here = {os.path.relpath(os.path.join(folder, name), self.prefix)
                for folder, _, names in os.walk(self.prefix) for name in names}
        self.assertIn("include/spanring/spanring.hpp", here)
        self.assertIn("include/spanring/spanring.h", here)
        self.assertIn("share/spanring/spanringd.toml", here)
        for path in here:
            for private in ("/codec/", "/store/", "/consumer/", "/mapping/"):
                self.assertNotIn(private, path)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
