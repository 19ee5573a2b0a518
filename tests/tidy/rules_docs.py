"""Lists against code: the offset tables in docs/format against the layout headers, the hazards
against the tests, the mutants against what they break."""

import re

from source import Finding

_FIELD = re.compile(r"SPANRING_ABI_FIELD\(\s*(\w+),\s*(\w+),\s*(\d+)\s*\)")
_ROW = re.compile(r"^\|(?P<cells>.+)\|\s*$")


def _fields(sources):
    """Yields (struct, field, offset) of each field that the layout headers assert."""
    for source in sources:
        if source.path.startswith("shm/include/spanring/abi/"):
            yield from ((m[1], m[2], int(m[3])) for m in _FIELD.finditer(source.text))


def documented_offsets(text):
    """Returns {struct: {field: offset}} of a page whose tables stand below a heading that names the
    struct; the first number of a row is the offset, the first name is the field's."""
    tables, struct = {}, None
    for line in text.splitlines():
        if line.startswith("#"):
            named = re.search(r"spanring_\w+", line)
            struct = named.group() if named else None
        row = _ROW.match(line)
        if struct and row:
            cells = [cell.strip().strip("`") for cell in row["cells"].split("|")]
            numbers = [int(cell) for cell in cells if cell.isdigit()]
            names = [cell for cell in cells if re.fullmatch(r"[a-z]\w*(\[\d+\])?", cell)]
            if numbers and names and cells[0].isdigit():
                tables.setdefault(struct, {})[names[0].split("[")[0]] = numbers[0]
    return tables


def layout_tables(sources):
    """Every struct that docs/format has a table for has exactly the fields and offsets of the
    layout header."""
    code = {}
    for struct, name, offset in _fields(sources):
        code.setdefault(struct, {})[name] = offset
    for source in sources:
        if not source.path.startswith("docs/format/"):
            continue
        for struct, documented in documented_offsets(source.text).items():
            for name, offset in code.get(struct, {}).items():
                if documented.get(name) != offset:
                    yield Finding(source.path, 1, "layout-table",
                                  f"{struct}.{name} is at {offset}, the page says "
                                  f"{documented.get(name, 'nothing')}")
            for name in documented.keys() - code.get(struct, documented).keys():
                yield Finding(source.path, 1, "layout-table", f"{struct} has no field {name}")


_GTEST = re.compile(r"^\s*(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP)\(\s*(\w+)\s*,\s*(\w+)", re.M)
_CTEST = re.compile(r"^\s*spanring_(?:(?:script_)?test|fuzz)\(\s*(\w+)", re.M)
_HAZARDS, _HAZARDS_PAGE = 29, "docs/hazards.md"


def _tests(sources):
    """Returns the names of all tests: Suite.name, and ctest's."""
    names = set()
    for source in sources:
        names.update(f"{suite}.{name}" for suite, name in _GTEST.findall(source.text))
        names.update(_CTEST.findall(source.text))
    return names


def hazards(sources):
    """Every hazard has a row, and its tests exist; a row without a test says what is open."""
    page = next((source for source in sources if source.path == _HAZARDS_PAGE), None)
    if page is None:
        return
    tests, numbers = _tests(sources), []
    for at, line in enumerate(page.text.splitlines(), 1):
        row = _ROW.match(line)
        cells = [cell.strip() for cell in row["cells"].split("|")] if row else []
        if not cells or not cells[0].isdigit():
            continue
        numbers.append(int(cells[0]))
        shown = re.findall(r"`([^`]+)`", cells[3])
        if not shown and not cells[4]:
            yield Finding(page.path, at, "hazards",
                          f"hazard {cells[0]} has no test, and nothing open")
        for name in shown:
            if name not in tests:
                yield Finding(page.path, at, "hazards", f"there is no test {name}")
    if numbers != list(range(1, _HAZARDS + 1)):
        yield Finding(page.path, 1, "hazards", f"the rows are not 1 to {_HAZARDS}: {numbers}")


_MUTANTS = "tests/mutation/mutants.py"


def mutants(sources):
    """What a mutant breaks stands exactly once in its file."""
    texts = {source.path: source.text for source in sources}
    scope = {"__name__": "mutants"}
    exec(texts.get(_MUTANTS, "MUTANTS = ()"), scope)  # pylint: disable=exec-used
    for mutant in scope["MUTANTS"]:
        count = texts.get(mutant.file, "").count(mutant.old)
        if count != 1:
            yield Finding(_MUTANTS, 1, "mutants", f"what {mutant.name} breaks stands {count} times "
                                                  f"in {mutant.file}")


RULES = (layout_tables, hazards, mutants)
