"""Source files as the rules see them: their lines, with and without comments and literals."""

import os
import re
from dataclasses import dataclass, field

# Folders and top-level files that hold what we wrote. Anything else in a work tree (build/, editor
# caches) is nobody's business here.
FOLDERS = (
    "base", "shm", "producer", "codec", "store", "query", "consumer", "gateway", "tools",
    "bindings", "examples", "bench", "tests", "docs", "cmake", ".ci",
)
CPP = (".cpp", ".hpp", ".h", ".c")
CODE = CPP + (".py", ".sh")
# Bytes that a program wrote, and inputs of tests: no rule about form applies.
GENERATED = ("tests/golden/", "tests/fuzz/corpus/")

_COMMENT_OR_LITERAL = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'""",
    re.DOTALL | re.VERBOSE,
)


@dataclass
class Source:
    """One file; `path` is relative to the root, with '/'."""

    path: str
    text: str
    _code: list = field(default=None, repr=False)

    @property
    def suffix(self):
        return os.path.splitext(self.path)[1]

    @property
    def is_cpp(self):
        return self.suffix in CPP

    @property
    def is_script(self):
        return self.text.startswith("#!") and "sh" in self.text.split("\n", 1)[0]

    @property
    def is_code(self):
        return self.suffix in CODE or self.is_script

    @property
    def folder(self):
        return self.path.split("/", 1)[0] if "/" in self.path else ""

    @property
    def lines(self):
        return self.text.split("\n")[:-1] if self.text.endswith("\n") else self.text.split("\n")

    @property
    def code(self):
        """Lines of a C++ file with comments and literals blanked: same numbers, same columns."""
        if self._code is None:
            self._code = _COMMENT_OR_LITERAL.sub(_blank, self.text).split("\n")
        return self._code


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


@dataclass(frozen=True, order=True)
class Finding:
    """One breach of one rule."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


def load(root):
    """Returns every text file of the code base, by path."""
    sources = []
    for path in sorted(_walk(root)):
        if path.startswith(GENERATED):
            continue
        with open(os.path.join(root, path), "rb") as file:
            data = file.read()
        if b"\0" not in data:
            sources.append(Source(path, data.decode("utf-8", "replace")))
    return sources


def _walk(root):
    for name in os.listdir(root):
        # ".git" is a file in a linked work tree.
        if name != ".git" and os.path.isfile(os.path.join(root, name)):
            yield name
    for folder in FOLDERS:
        for base, folders, names in os.walk(os.path.join(root, folder)):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in names:
                yield os.path.relpath(os.path.join(base, name), root).replace(os.sep, "/")
