"""Who may include what: the direction between folders, and where third parties may appear."""

import re

from source import Finding

# The table of ARCHITECTURE.md. `shm/mapping` is a part of its own: the reader's side. `abi` is the
# layout headers alone, which codec shares with shm.
MAY_INCLUDE = {
    "base": set(),
    "shm": {"abi", "base"},
    "shm/mapping": {"shm", "abi", "base"},
    "producer": {"shm", "abi", "base"},
    "codec": {"abi", "base"},
    "store": {"codec", "abi", "base"},
    "query": {"store", "codec", "base"},
    "analysis": {"query", "store", "codec", "base"},
    "sql": {"query", "store", "codec", "base"},
    "consumer": {"shm", "shm/mapping", "abi", "codec", "store", "base"},
    "gateway": {"query", "store", "codec", "abi", "producer", "base"},
    "tools": {"shm", "shm/mapping", "abi", "producer", "codec", "store", "query",
              "analysis", "sql", "base"},
    # An instrumented application sees the tracer and nothing else.
    "examples": {"producer"},
}

_INCLUDE = re.compile(r'^\s*#\s*include\s*(?P<open>[<"])(?P<name>[^>"]+)[>"]')

# C and POSIX headers that the parts without third parties may use, beside all C++ standard headers
# (which have neither a dot nor a slash).
_SYSTEM_C = re.compile(
    r"^(sys|linux|asm|netinet|arpa|net)/.+\.h$"
    r"|^(stdint|stddef|stdlib|stdio|string|strings|stdbool|stdarg|errno|limits|time|signal|fcntl"
    r"|unistd|pthread|sched|poll|dirent|dlfcn|link|elf|cpuid|immintrin|x86intrin|nmmintrin"
    r"|inttypes|math|float|assert|setjmp|ucontext|getopt|pwd|grp|locale|spawn|termios|netdb|endian"
    r"|ctype|wchar|arm_acle|stdatomic|cxxabi)\.h$"
)
_WITHOUT_THIRD_PARTIES = ("base", "shm", "producer", "examples")


def part_of(path):
    """Returns the part that the file at `path` belongs to, None if it has no direction (tests)."""
    if path.startswith("shm/mapping/") or "/spanring/shm/mapping/" in path:
        return "shm/mapping"
    if path.startswith("shm/include/spanring/abi/"):
        return "abi"
    folder = path.split("/", 1)[0]
    return folder if folder in MAY_INCLUDE else None


def includes(source):
    """Yields (line number, opening character, name) of each include."""
    for number, line in enumerate(source.lines, 1):
        match = _INCLUDE.match(line)
        if match:
            yield number, match["open"], match["name"]


def _public_headers(sources):
    """Maps the name by which a header is included to the part that offers it."""
    offered = {}
    for source in sources:
        before, found, name = source.path.partition("/include/")
        if found and source.is_cpp and before in (*MAY_INCLUDE, "shm/mapping"):
            offered[name] = part_of(source.path)
    return offered


def include_direction(sources):
    """A folder includes only folders below it (ARCHITECTURE.md)."""
    offered = _public_headers(sources)
    for source in sources:
        part = part_of(source.path) if source.is_cpp else None
        if part is None:
            continue
        allowed = MAY_INCLUDE.get(part, set()) | {part}
        for number, _, name in includes(source):
            if name.startswith("../"):
                yield Finding(source.path, number, "include-direction",
                              f"'{name}' climbs out of its folder; include by public name")
            target = offered.get(name)
            if target is not None and target not in allowed:
                yield Finding(source.path, number, "include-direction",
                              f"{part} may not include {target} ('{name}')")


def third_parties(sources):
    """Third-party headers stay in a folder's src/; base, shm and producer use none."""
    for source in sources:
        part = part_of(source.path) if source.is_cpp else None
        if part is None:
            continue
        public = "/include/" in source.path
        if not public and part not in _WITHOUT_THIRD_PARTIES and part != "abi":
            continue
        where = "a public header" if public else part
        for number, opening, name in includes(source):
            standard = "." not in name and "/" not in name
            if opening == "<" and not standard and not _SYSTEM_C.match(name):
                yield Finding(source.path, number, "third-party",
                              f"<{name}> is neither standard nor POSIX; not in {where}")


RULES = (include_direction, third_parties)
