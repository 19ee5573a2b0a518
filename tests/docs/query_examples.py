#!/usr/bin/env python3
"""Runs every example of the query guide.

usage: query_examples.py ROOT BINARIES EXTENSIONS

The lines of each block marked `console` run in one shell, from the top of the page to its end, with
a database of their own; each must end with 0 and print something (one that assigns a variable: set
it). Blocks marked `python` run with the system's Python, where its sqlite3 loads extensions.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

PAGE = "docs/guides/query.md"
_BLOCK = re.compile(r"^```(?P<language>console|python)\n(?P<text>.*?)^```$",
                    re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"^([A-Z]+)=")


def script_of(lines):
    """Returns a shell script that runs the lines one by one and says which one fails."""
    script = ["set -o pipefail"]
    for line in lines:
        failed = f"{{ echo \"FAILED: $line\" >&2; exit 1; }}"
        script.append(f"line={quoted(line)}")
        variable = _ASSIGNMENT.match(line)
        if variable:
            script += [line + f" || {failed}", f"[[ -n ${variable[1]} ]] || {failed}"]
        elif ">" in line.split("'")[-1].split('"')[-1]:
            target = line.rsplit(">", 1)[1].strip()
            script += [f"{line} || {failed}", f"[[ -s {target} ]] || {failed}"]
        else:
            script += [f"{line} >out || {failed}", f"[[ -s out ]] || {failed}"]
        script.append("count=$((${count:-0} + 1))")
    script.append("echo \"$count examples\"")
    return "\n".join(script) + "\n"


def quoted(text):
    """Returns the text as a word of the shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def loads_extensions(python):
    """Whether its sqlite3 can."""
    return subprocess.run([python, "-c", "import sqlite3\n"
                           "sqlite3.connect(':memory:').enable_load_extension(True)"],
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def main(arguments):
    """Returns the exit status."""
    if len(arguments) != 3:
        print(__doc__.strip().splitlines()[2], file=sys.stderr)
        return 2
    root, binaries, extensions = map(os.path.abspath, arguments)
    with open(os.path.join(root, PAGE), encoding="utf-8") as page:
        blocks = _BLOCK.findall(page.read())
    lines = [line for language, text in blocks if language == "console"
             for line in text.splitlines() if line]
    has_shell = shutil.which("sqlite3") is not None
    left_out = [line for line in lines if line.startswith("sqlite3 ") and not has_shell]
    for line in left_out:
        print(f"left out, there is no sqlite3 here: {line}")
    lines = [line for line in lines if line not in left_out]
    if len(lines) < 40:
        print(f"{PAGE}: {len(lines)} examples; were they not found?")
        return 1
    with tempfile.TemporaryDirectory(prefix="spanring-guide-") as folder:
        environment = {**os.environ, "SPANRING_DB": os.path.join(folder, "db"),
                       "PATH": binaries + os.pathsep + os.environ["PATH"],
                       "LD_LIBRARY_PATH": extensions}
        # `.load name` looks where the dynamic linker does.
        os.symlink(os.path.join(extensions, "spanring_sqlite.so"),
                   os.path.join(folder, "spanring_sqlite.so"))
        status = subprocess.run(["bash", "-c", script_of(lines)], cwd=folder, env=environment,
                                check=False).returncode
        for language, text in blocks:
            if language == "python" and loads_extensions("/usr/bin/python3"):
                ran = subprocess.run(["/usr/bin/python3", "-c", text], cwd=folder, check=False,
                                     env=environment, capture_output=True, text=True)
                print(f"python: {len(ran.stdout.splitlines())} lines {ran.stderr}")
                status = status or ran.returncode or not ran.stdout
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
