#!/usr/bin/env python3
"""Compiles every C and C++ sample of the README and the guides; runs those that are programs.

usage: samples.py ROOT BINARIES LIBRARY C-COMPILER C++-COMPILER [FLAG...]

A sample is a fenced block marked cpp or c. One with `main` is a whole program: it is linked and run
beside a consumer, and must end with 0. One that begins with an #include is a file of its own. Any
other is a piece of a function's body. A block below the comment `<!-- not compiled: reason -->` is
left out.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from consumer_process import ConsumerProcess  # noqa: E402  (its folder is known only now)

PAGES = ("README.md", "docs/guides/*.md")
_BLOCK = re.compile(r"(?P<mark><!--[^>]*-->\s*)?^```(?P<language>cpp|c)\n(?P<text>.*?)^```$",
                    re.MULTILINE | re.DOTALL)
_NOT_COMPILED = re.compile(r"<!--\s*not compiled:\s*\w")
_SPAN_NAME = re.compile(r'(?:Span \w+\(|SPANRING_SPAN\(|begin_named\(|SPANRING_C_SITE\(\w+, )'
                        r'"([^"]+)"')
_FRAGMENT = {
    "cpp": "#include <spanring/spanring.hpp>\n#include <chrono>\n#include <exception>\n"
           "#include <string>\n#include <string_view>\n#include <thread>\n"
           "#include <unordered_map>\n#include <utility>\n#include <vector>\n"
           "using namespace spanring::literals;\n[[maybe_unused]] static void sample() {\n%s}\n",
    "c": "#include <spanring/spanring.h>\n#include <stdint.h>\n#include <string.h>\n"
         "void sample(void);\nvoid sample(void) {\n%s}\n",
}


@dataclass
class Sample:
    """One block of a page."""

    page: str
    line: int
    language: str
    text: str

    @property
    def is_program(self):
        return re.search(r"^int main\(", self.text, re.MULTILINE) is not None

    @property
    def file_text(self):
        """The text of the source file, with line numbers of the page."""
        whole = self.is_program or self.text.lstrip().startswith("#include")
        place = f'#line {self.line} "{self.page}"\n'
        return place + self.text if whole else _FRAGMENT[self.language] % (place + self.text)


def samples_of(page, text):
    """Returns the samples of a page that are to be compiled."""
    found = []
    for match in _BLOCK.finditer(text):
        if not _NOT_COMPILED.match(match["mark"] or ""):
            line = text.count("\n", 0, match.start("text")) + 1
            found.append(Sample(page, line, match["language"], match["text"]))
    return found


class Compiler:
    """Compiles samples against the headers and the library of this tree."""

    def __init__(self, root, library, c_compiler, cxx_compiler, flags):
        includes = [f"-I{os.path.join(root, part, 'include')}"
                    for part in ("producer", "shm", "base")]
        common = ["-Wall", "-Wextra", *includes, *flags]
        self._library = library
        self._commands = {"cpp": [cxx_compiler, "-x", "c++", "-std=c++20", *common],
                          "c": [c_compiler, "-x", "c", "-std=c11", *common]}
        self._tail = ["-x", "none", library, "-pthread", "-lstdc++"]

    def __call__(self, sample, program):
        """Compiles, and links to `program` what is one. Returns the compiler's complaint, or ''."""
        command = self._commands[sample.language]
        if sample.is_program:
            command = [*command, "-o", program, "-", *self._tail]
        else:
            command = [*command, "-fsyntax-only", "-"]
        run = subprocess.run(command, input=sample.file_text, capture_output=True, text=True,
                             check=False)
        return run.stderr if run.returncode else ""


def run_program(binaries, sample, program):
    """Runs a sample beside a consumer. Returns a complaint, or ''."""
    names = set(_SPAN_NAME.findall(sample.text))
    with ConsumerProcess(binaries) as consumer:
        try:
            consumer.run(program)
        except subprocess.CalledProcessError as error:
            return f"ended with {error.returncode}"
        stored = {span["name"] for span in consumer.spans()}
    missing = names - stored
    return f"its spans {sorted(missing)} were not stored" if missing else ""


def main(root, binaries, library, *compilers_and_flags):
    """Returns the exit status."""
    compiler = Compiler(root, library, *compilers_and_flags[:2], compilers_and_flags[2:])
    pages = [page for pattern in PAGES for page in sorted(glob.glob(os.path.join(root, pattern)))]
    failed = compiled = programs = 0
    with tempfile.TemporaryDirectory(prefix="spanring-docs-") as folder:
        for page in pages:
            with open(page, encoding="utf-8") as file:
                samples = samples_of(os.path.relpath(page, root), file.read())
            for sample in samples:
                program = os.path.join(folder, "sample")
                complaint = compiler(sample, program)
                compiled += 1
                if not complaint and sample.is_program:
                    complaint = run_program(binaries, sample, program)
                    programs += 1
                if complaint:
                    failed += 1
                    print(f"{sample.page}:{sample.line}: {complaint}")
    print(f"samples: {compiled} compiled, {programs} run, {failed} failed")
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
