#!/usr/bin/env python3
"""Breaks the code in one place after the other and shows that the tests notice each.

Works on a clone of the committed state in build/mutation, so the working tree is never touched.
A mutant is noticed if one of its tests fails; one that does not compile says so and counts as a
fault of the list. Exit code: 0 each was noticed, 1 one was not, 2 the tests fail unbroken.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from mutants import MUTANTS, Mutant

FAILED = re.compile(r"^\s*\d+ - (\S+) \((.*)\)", re.MULTILINE)


def say(text: str) -> None:
    print(f"mutation: {text}", file=sys.stderr, flush=True)


class Tree:
    """A clone with a build of its own."""

    def __init__(self, root: Path, jobs: str):
        self.path = root / "build" / "mutation"
        self.build = self.path / "build" / "dev"
        self.jobs = jobs
        self.environment = os.environ | {"CCACHE_BASEDIR": str(self.path), "CCACHE_NOHASHDIR": "1",
                                         "CCACHE_SLOPPINESS": "pch_defines,time_macros"}
        if not (self.path / ".git").exists():
            self.call("git", "clone", "--quiet", str(root), str(self.path), where=root)
        self.call("git", "fetch", "--quiet", "origin", "HEAD")
        self.call("git", "reset", "--quiet", "--hard", "FETCH_HEAD")
        self.call("cmake", "--preset", "dev")

    def call(self, *command: str, where: Path | None = None) -> None:
        subprocess.run(command, cwd=where or self.path, check=True, stdout=subprocess.DEVNULL)

    def ask(self, *command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def compile(self, tests: str) -> str:
        """Builds what the tests run. Returns what the compiler said, or nothing if all is well."""
        listed = json.loads(self.ask("ctest", "--test-dir", str(self.build), "-R", tests,
                                     "--show-only=json-v1"))
        known = self.ask("ninja", "-C", str(self.build), "-t", "targets", "all")
        names = {test["name"] for test in listed["tests"]}
        targets = {"demo"} | {name for name in names if f"\n{name}: phony" in known}
        ran = subprocess.run(("ninja", "-C", str(self.build), "-j", self.jobs, *sorted(targets)),
                             env=self.environment, capture_output=True, text=True)
        return "" if ran.returncode == 0 else ran.stdout[-2000:]

    def failing(self, tests: str, stop_at_first: bool) -> list[str]:
        """Runs the tests; returns the names of those that failed."""
        command = ["ctest", "--test-dir", str(self.build), "-R", tests, "-j", self.jobs,
                   "--no-tests=error"]
        if stop_at_first:
            command.append("--stop-on-failure")
        ran = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        names = [name for name, _ in FAILED.findall(ran.stdout)]
        if ran.returncode != 0 and not names:
            raise SystemExit(f"mutation: ctest -R '{tests}' ran nothing:\n{ran.stdout[-2000:]}")
        return names


def break_code(tree: Tree, mutant: Mutant) -> str:
    """Returns the file's text as it was."""
    file = tree.path / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise SystemExit(f"mutation: {mutant.name}: its place stands "
                         f"{text.count(mutant.old)} times in {mutant.file}")
    file.write_text(text.replace(mutant.old, mutant.new))
    return text


def judge(tree: Tree, mutant: Mutant) -> str:
    """Returns the line of the report; "" in its second column means that nobody noticed."""
    text = break_code(tree, mutant)
    try:
        problem = tree.compile(mutant.tests)
        if problem:
            raise SystemExit(f"mutation: {mutant.name} does not compile:\n{problem}")
        return ", ".join(tree.failing(mutant.tests, stop_at_first=True))
    finally:
        (tree.path / mutant.file).write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("names", nargs="*", help="mutants (all, if none is named)")
    parser.add_argument("--jobs", default="2")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        say(f"no mutant is called {', '.join(sorted(unknown))}; there are: "
            + ", ".join(mutant.name for mutant in MUTANTS))
        return 2
    chosen = [m for m in MUTANTS if not arguments.names or m.name in arguments.names]
    tree = Tree(arguments.root.resolve(), arguments.jobs)
    tests = "|".join(sorted({mutant.tests for mutant in chosen}))
    say("building and testing the code as it is")
    problem = tree.compile(tests)
    if problem:
        say(f"it does not compile:\n{problem}")
        return 2
    unwell = tree.failing(tests, False)
    if unwell:
        say(f"these fail unbroken: {', '.join(unwell)}")
        return 2
    missed = 0
    print("| mutant | breaks | noticed by |\n| --- | --- | --- |")
    for number, mutant in enumerate(chosen, 1):
        began = time.monotonic()
        noticed = judge(tree, mutant)
        missed += not noticed
        print(f"| {mutant.name} | {mutant.breaks} | {noticed or 'NOBODY'} |", flush=True)
        say(f"{number} of {len(chosen)}: {mutant.name}: "
            f"{noticed or 'NOT NOTICED'} ({time.monotonic() - began:.0f} s)")
    say(f"{len(chosen) - missed} of {len(chosen)} noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
