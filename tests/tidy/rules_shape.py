"""How large things are: files, functions, lines."""

import ast
import re

from source import CODE, Finding

FILE_LINES_MAX = 500
TEST_FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

_TOKEN = re.compile(r"[{};]")
_CONTAINER = re.compile(r"^(?:inline\s+)?(?:namespace|class|struct|union|enum|extern)\b")
_ATTRIBUTE = re.compile(
    r"\b(?:alignas|__attribute__|decltype)\s*\((?:[^()]|\([^()]*\))*\)|\[\[.*?\]\]", re.DOTALL)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


def file_length(sources):
    """500 lines; a test may have 800."""
    for source in sources:
        if not source.is_code:
            continue
        limit = TEST_FILE_LINES_MAX if source.folder == "tests" else FILE_LINES_MAX
        if len(source.lines) > limit:
            yield Finding(source.path, limit + 1, "file-length",
                          f"{len(source.lines)} lines, at most {limit}")


def columns(sources):
    """100 columns, counted in characters."""
    for source in sources:
        if not source.is_code:
            continue
        for number, line in enumerate(source.lines, 1):
            if len(line) > COLUMNS_MAX:
                yield Finding(source.path, number, "columns",
                              f"{len(line)} columns, at most {COLUMNS_MAX}")


def function_length(sources):
    """70 lines from the first line of the signature to the closing brace."""
    for source in sources:
        for name, first, lines in functions(source):
            if lines > FUNCTION_LINES_MAX:
                yield Finding(source.path, first, "function-length",
                              f"{name}: {lines} lines, at most {FUNCTION_LINES_MAX}")


def functions(source):
    """Yields (name, first line, number of lines) of each function of a C++ or Python file."""
    if source.suffix == ".py":
        for node in ast.walk(ast.parse(source.text)):
            if isinstance(node, ast.FunctionDef):
                yield node.name, node.lineno, node.end_lineno - node.lineno + 1
    elif source.is_cpp:
        yield from _cpp_functions(source)


def _cpp_functions(source):
    """Finds function bodies by their braces: good enough to measure, not a parser."""
    text = _PREPROCESSOR.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), "\n".join(source.code))
    stack = []  # per open brace: (opens a function, name, offset of its signature)
    start = 0  # where the text that leads to the next brace begins
    depth_in_function = 0
    for token in _TOKEN.finditer(text):
        if token.group() == "{":
            head = text[start:token.start()]
            name = None if depth_in_function else _function_name(head)
            stack.append((name, start + len(head) - len(head.lstrip())))
            depth_in_function += 1 if (name or depth_in_function) else 0
        elif token.group() == "}" and stack:
            name, begin = stack.pop()
            depth_in_function -= 1 if depth_in_function else 0
            if name:
                first = text.count("\n", 0, begin) + 1
                last = text.count("\n", 0, token.start()) + 1
                yield name, first, last - first + 1
        start = token.end()


def _function_name(head):
    """Returns the name of the function that `head` declares, None if it declares none."""
    head = _ATTRIBUTE.sub(" ", head).strip()
    head = re.sub(r"^(?:public|private|protected)\s*:\s*", "", head)
    head = _without_template_head(head)
    if "(" not in head or head.endswith(("=", ",", "return")):
        return None
    returns_struct = re.match(r"^(?:struct|union|enum)\s+\w+[\s*&]+\w+\s*\(", head)
    if _CONTAINER.match(head) and not returns_struct:
        return None
    match = re.search(r"([\w~:]+|operator\s*[^\s(]+|operator\s*\(\s*\))\s*\(", head)
    return match.group(1) if match else None


def _without_template_head(head):
    while head.startswith("template"):
        depth = 0
        for index, char in enumerate(head):
            depth += {"<": 1, ">": -1}.get(char, 0)
            if char == ">" and depth == 0:
                head = head[index + 1:].strip()
                break
        else:
            break
    return head


def percentile(values, share):
    """Returns the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def report(sources):
    """Returns the figures that STYLE names as targets, not limits."""
    files = [len(s.lines) for s in sources if s.suffix in CODE and s.folder != "tests"]
    lengths = [lines for s in sources if s.folder != "tests" for _, _, lines in functions(s)]
    return (f"{len(files)} files, 95 % have at most {percentile(files, 0.95)} lines (target 400); "
            f"{len(lengths)} functions, 95 % have at most {percentile(lengths, 0.95)} (target 40)")


RULES = (file_length, columns, function_length)
