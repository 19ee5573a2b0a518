"""What the include of the tracer's header costs the compiler: processor time against an empty
file, so that other programs on the machine are not in it."""

import os
import resource
import statistics
import subprocess
import tempfile

FOLDERS = ("producer", "shm", "base")
TIMES = 5


def _compile_ms(compiler, root, source):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    includes = [f"-I{os.path.join(root, folder, 'include')}" for folder in FOLDERS]
    subprocess.run([compiler, "-std=c++20", "-O2", *includes, "-c", source, "-o", os.devnull],
                   check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def added_ms(compiler, root):
    """Returns the added milliseconds, median of five, the two sources in turns."""
    with tempfile.TemporaryDirectory(prefix="spanring-header-") as folder:
        empty, header = (os.path.join(folder, name) for name in ("empty.cpp", "header.cpp"))
        with open(empty, "w", encoding="ascii") as file:
            file.write("int main() {}\n")
        with open(header, "w", encoding="ascii") as file:
            file.write('#include "spanring/spanring.hpp"\nint main() {}\n')
        pairs = [(_compile_ms(compiler, root, header), _compile_ms(compiler, root, empty))
                 for _ in range(TIMES)]
    with_header, without = zip(*pairs)
    return statistics.median(with_header) - statistics.median(without)
