#!/usr/bin/env python3
"""Line coverage per file of the product, from the counters that a run of the tests left behind.

usage: coverage.py ROOT BUILD

Prints one row per file, least covered first, then one per folder. Needs gcov (it comes with g++).
"""

import json
import os
import subprocess
import sys
from collections import defaultdict

PRODUCT = ("base", "shm", "producer", "codec", "store", "consumer", "tools")
# gcov starts slowly: many counter files per call.
FILES_PER_CALL = 50


def counter_files(build):
    """Returns every .gcda file below the build folder."""
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(build)
                  for name in names if name.endswith(".gcda"))


def executed_lines(root, counters):
    """Returns {product file: {line: executed at least once in any program}}."""
    lines = defaultdict(lambda: defaultdict(bool))
    for start in range(0, len(counters), FILES_PER_CALL):
        run = subprocess.run(["gcov", "--json-format", "--stdout",
                              *counters[start:start + FILES_PER_CALL]],
                             capture_output=True, text=True, check=True)
        for report in run.stdout.splitlines():
            for file in json.loads(report)["files"]:
                path = os.path.relpath(os.path.join(root, file["file"]), root)
                if path.split("/", 1)[0] in PRODUCT:
                    for line in file["lines"]:
                        lines[path][line["line_number"]] |= line["count"] > 0
    return lines


def main(root, build):
    """Returns the exit status."""
    counters = counter_files(build)
    if not counters:
        print(f"coverage: no counters in {build}: run the tests of the preset coverage first",
              file=sys.stderr)
        return 2
    folders = defaultdict(lambda: [0, 0])
    rows = []
    for path, lines in executed_lines(root, counters).items():
        covered, count = sum(lines.values()), len(lines)
        rows.append((100 * covered / count, covered, count, path))
        for total in (folders[path.split("/", 1)[0]], folders["all"]):
            total[0] += covered
            total[1] += count
    rows.sort()
    rows += [(100 * covered / count, covered, count, folder)
             for folder, (covered, count) in folders.items()]
    for share, covered, count, name in rows:
        print(f"{share:6.1f} %  {covered:6} of {count:6}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
