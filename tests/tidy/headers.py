#!/usr/bin/env python3
"""Compiles every public header on its own: it must need no other include before it, bear being
included twice, and see only the folders that its part may see.

usage: headers.py ROOT C-COMPILER C++-COMPILER
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from rules_layout import MAY_INCLUDE, part_of
from source import load

# Where each part's public headers lie; `abi` shares a folder with shm.
INCLUDE = {part: f"{part}/include" for part in MAY_INCLUDE}
INCLUDE["abi"] = INCLUDE["shm"]
WARNINGS = ("-Wall", "-Wextra", "-Werror")
CXX = ("-x", "c++", "-std=c++20")
# Applications may be built so; the tracer's headers must not mind.
PRODUCER = ("-fno-exceptions", "-fno-rtti")


def jobs(root, compilers, sources):
    """Yields (header, command, text) for each compilation."""
    for source in sources:
        part = part_of(source.path)
        folder = INCLUDE.get(part, "")
        if not source.is_cpp or not folder or not source.path.startswith(folder + "/"):
            continue
        name = source.path[len(folder) + 1:]
        visible = {part} | MAY_INCLUDE.get(part, set())
        paths = sorted({f"-I{os.path.join(root, INCLUDE[other])}" for other in visible})
        text = f'#include "{name}"\n' * 2
        extra = PRODUCER if part in ("producer", "shm", "abi", "base") else ()
        common = ("-fsyntax-only", *WARNINGS, *paths)
        yield source.path, (compilers["c++"], *CXX, *extra, *common, "-"), text
        # A .h is C as well, and C has no static functions that go unused silently.
        if source.suffix == ".h":
            yield source.path, (compilers["c"], "-x", "c", "-std=c11", *common, "-"), text


def compile_one(job):
    """Returns the compiler's complaint about one header, empty if it has none."""
    header, command, text = job
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return f"{header}: {' '.join(command)}\n{run.stderr}" if run.returncode else ""


def main(root, c_compiler, cxx_compiler):
    """Returns the exit status."""
    todo = list(jobs(root, {"c": c_compiler, "c++": cxx_compiler}, load(root)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = [text for text in pool.map(compile_one, todo) if text]
    print("\n".join(complaints))
    print(f"headers: {len(todo)} compilations, {len(complaints)} failed")
    return 1 if complaints or not todo else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
