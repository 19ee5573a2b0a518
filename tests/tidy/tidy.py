#!/usr/bin/env python3
"""Checks the rules of the code base that a script can check.

usage: tidy.py ROOT

Prints one line for each breach (file:line: rule: message) and exits 1 if there is any.
"""

import shutil
import subprocess
import sys

import rules_docs
import rules_layout
import rules_shape
import rules_text
from source import load

RULES = rules_layout.RULES + rules_shape.RULES + rules_text.RULES + rules_docs.RULES
# The version whose output the code base has; others differ in details.
CLANG_FORMAT_MAJOR = "14"


def check_format(root, sources):
    """Runs clang-format over the C++ sources; says so and returns no findings if it is not here."""
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    version = program and subprocess.run([program, "--version"], capture_output=True, text=True,
                                         check=True).stdout
    if not version or f"version {CLANG_FORMAT_MAJOR}." not in version:
        print(f"tidy: format not checked: no clang-format {CLANG_FORMAT_MAJOR} here", flush=True)
        return []
    files = [source.path for source in sources if source.is_cpp]
    run = subprocess.run([program, "--dry-run", *files], cwd=root, capture_output=True, text=True,
                         check=False)
    return sorted({line.split(": warning:")[0].rsplit(":", 2)[0]
                   + ": format: run tools/dev format"
                   for line in run.stderr.splitlines() if ": warning:" in line})


def check_shell(root, sources):
    """Runs shellcheck over the shell scripts, if it is here."""
    program = shutil.which("shellcheck")
    if not program:
        print("tidy: shell scripts not checked: no shellcheck here", flush=True)
        return []
    scripts = [source.path for source in sources if source.is_script]
    run = subprocess.run([program, "--format=gcc", *scripts], cwd=root, capture_output=True,
                         text=True, check=False)
    return run.stdout.splitlines()


def main(arguments):
    """Returns the exit status."""
    if len(arguments) != 1:
        print(__doc__.strip().splitlines()[2], file=sys.stderr)
        return 2
    root = arguments[0]
    sources = load(root)
    findings = sorted({finding for rule in RULES for finding in rule(sources)})
    for finding in findings:
        print(finding)
    from_programs = check_format(root, sources) + check_shell(root, sources)
    for line in from_programs:
        print(line)
    print(f"tidy: {rules_shape.report(sources)}")
    breaches = len(findings) + len(from_programs)
    print(f"tidy: {breaches} breaches" if breaches else "tidy: no breach")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
