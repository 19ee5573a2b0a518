"""What must or must not be written: memory orders, banned calls, leftovers, paths."""

import re

from source import Finding

PRODUCT = ("base", "shm", "producer", "codec", "store", "query", "consumer", "gateway", "tools",
           "examples",           "bench")
# Code that other people's programs link: it never talks on standard output or error.
_LIBRARIES = ("base", "shm", "producer", "codec", "store", "query")

_MEMORY_ORDER = re.compile(r"\bmemory_order(?:_|::)\w+|\b__ATOMIC_[A-Z_]+\b")
_COMMENT = re.compile(r"//+!?<?\s*(?P<line>.*)|/\*+\s*(?P<block>[^*]*)")
_COVERS_MORE = re.compile(r"(?://|\*).*, (?:both|all\b[\w ]*|each|here and below):")
# "relaxed" alone says what, not why.
_COMMENT_WORDS_MIN = 3

_BANNED = {
    "sprintf": "std::snprintf or std::to_chars", "vsprintf": "std::vsnprintf",
    "strcpy": "std::string_view and memcpy", "strcat": "std::string", "gets": "getline",
    "system": "posix_spawn", "rand": "<random>", "srand": "<random>", "usleep": "nanosleep",
    "atoi": "std::from_chars", "atol": "std::from_chars", "atof": "std::from_chars",
    "strtok": "a string_view loop", "alloca": "a bounded array", "tmpnam": "mkstemp",
    "mktemp": "mkstemp", "setjmp": "sigsetjmp", "popen": "posix_spawn",
}
_BANNED_CALL = re.compile(r"(?<![\w.>:~])(?:std::|::)?(" + "|".join(_BANNED) + r")\s*\(")
_STREAM = re.compile(r"\bstd::(cout|cerr|clog)\b|(?<![\w.>:])(?:std::)?(printf|puts)\s*\(")

# Assembled, so that this file does not find itself.
_LEFTOVER = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"))
                       + r")\b")
_OWN_PATH = re.compile(r"(?<![\w.$}])/(?:" + "|".join(("home", "root", "work", "Users"))
                       + r")/[\w.]")


def memory_order(sources):
    """Every memory-order argument has a comment: its partner, or why relaxed will do. A comment
    covers a run of adjacent statements with the same orders; one that says "both", "all" or "here
    and below" covers those up to the next blank line."""
    for source in sources:
        if source.folder in PRODUCT and source.is_cpp:
            yield from _unexplained_orders(source)


def _unexplained_orders(source):
    adjacent, orders_covered = 0, set()  # the last explained statement: where it ends, its orders
    to_blank_line = False  # a comment for several statements is in force
    for number, (raw, code) in enumerate(zip(source.lines, source.code), 1):
        to_blank_line = bool(raw.strip()) and (to_blank_line or bool(_COVERS_MORE.search(raw)))
        if not _MEMORY_ORDER.search(code):
            continue
        first, last = _statement(source, number)
        orders = set(_MEMORY_ORDER.findall("\n".join(source.code[first - 1:last])))
        continues = adjacent in (first - 1, last) and orders <= orders_covered
        if any(_says_something(comment) for comment in _comments_at(source, first, last)):
            orders_covered = orders
        elif not continues and not to_blank_line:
            yield Finding(source.path, number, "memory-order",
                          "no comment says what it pairs with, or why relaxed will do")
            continue
        adjacent = last


def _statement(source, number):
    """Returns the first and the last line of the statement that contains line `number`."""
    first = number
    while first > 1 and not _ends_statement(source.code[first - 2]):
        first -= 1
    last = number
    while last < len(source.code) and not _ends_statement(source.code[last - 1]):
        last += 1
    return first, last


def _comments_at(source, first, last):
    """Returns the lines of the statement, and those of the comment just above it."""
    return source.lines[first - 1:last] + _comment_block_above(source, first)


def _comment_block_above(source, first):
    block = []
    index = first - 2
    while index >= 0 and source.lines[index].strip() and not source.code[index].strip():
        block.append(source.lines[index])
        index -= 1
    return block


def _ends_statement(code_line):
    stripped = code_line.strip()
    return not stripped or stripped.endswith((";", "{", "}", ":")) or stripped.startswith("#")


def _says_something(line):
    match = _COMMENT.search(line)
    text = (match["line"] or match["block"] or "") if match else line.strip().lstrip("* ")
    if not match and not line.strip().startswith("*"):
        return False
    return len(text.split()) >= _COMMENT_WORDS_MIN


def banned_calls(sources):
    """Calls that have a safer or better replacement; talk on the terminal in libraries."""
    for source in sources:
        if source.folder not in PRODUCT or not source.is_cpp:
            continue
        for number, line in enumerate(source.code, 1):
            match = _BANNED_CALL.search(line)
            if match:
                yield Finding(source.path, number, "banned-call",
                              f"{match[1]}: use {_BANNED[match[1]]}")
            if source.folder in _LIBRARIES and _STREAM.search(line):
                yield Finding(source.path, number, "banned-call",
                              "a library does not write to the terminal; return an Error")


def leftovers(sources):
    """Marks of unfinished work belong into an issue."""
    for source in sources:
        for number, line in enumerate(source.lines, 1):
            if _LEFTOVER.search(line):
                yield Finding(source.path, number, "leftover", "unfinished work: make it an issue")


def own_paths(sources):
    """No path of somebody's own machine."""
    for source in sources:
        for number, line in enumerate(source.lines, 1):
            match = _OWN_PATH.search(line)
            if match:
                yield Finding(source.path, number, "own-path",
                              f"'{match.group()}…' exists on one machine only")


RULES = (memory_order, banned_calls, leftovers, own_paths)
