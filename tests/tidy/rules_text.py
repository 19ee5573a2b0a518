"""What must or must not be written: memory orders, banned calls, leftovers, paths."""

import re

from source import Finding

PRODUCT = ("base", "shm", "producer", "codec", "store", "consumer", "gateway", "tools", "examples",
           "bench")
# Code that other people's programs link: it never talks on standard output or error.
_LIBRARIES = ("base", "shm", "producer", "codec", "store")

_MEMORY_ORDER = re.compile(r"\bmemory_order(?:_|::)\w+|\b__ATOMIC_[A-Z_]+\b")
_COMMENT = re.compile(r"//+!?<?\s*(?P<line>.*)|/\*+\s*(?P<block>[^*]*)")
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
    """Every memory-order argument has a comment: its partner, or why relaxed will do. One comment
    may cover a run of adjacent statements with the same orders."""
    for source in sources:
        if source.folder not in PRODUCT or not source.is_cpp:
            continue
        covered_line, covered_orders = 0, None  # where the last explained statement ends
        for number, line in enumerate(source.code, 1):
            if not _MEMORY_ORDER.search(line):
                continue
            first, last = _statement(source, number)
            orders = set(_MEMORY_ORDER.findall("\n".join(source.code[first - 1:last])))
            continues = covered_line in (first - 1, last) and orders == covered_orders
            if continues or _explained(source, first, last):
                covered_line, covered_orders = last, orders
            else:
                yield Finding(source.path, number, "memory-order",
                              "no comment says what it pairs with, or why relaxed will do")


def _statement(source, number):
    """Returns the first and the last line of the statement that contains line `number`."""
    first = number
    while first > 1 and not _ends_statement(source.code[first - 2]):
        first -= 1
    last = number
    while last < len(source.code) and not _ends_statement(source.code[last - 1]):
        last += 1
    return first, last


def _explained(source, first, last):
    """True if a comment stands on one of these lines, or ends just above them."""
    lines = source.lines[first - 1:last] + _comment_block_above(source, first)
    return any(_says_something(line) for line in lines)


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
