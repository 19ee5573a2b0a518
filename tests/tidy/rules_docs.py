"""Documents against code: the offset tables in docs/format against the layout headers."""

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


RULES = (layout_tables,)
