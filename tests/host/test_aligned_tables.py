"""Tables that ruff does not lay out are tables: one row a line, each column at one place."""

import ast

import pytest

from tools import ROOT

OFF = "# fmt: off"
FILES = [
    path.relative_to(ROOT)
    for folder in ("firmware", "lib", "tools", "sim", "emulator", "station")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if OFF in path.read_text(encoding="utf-8")
]


def tables(source):
    """Yield the rows of each table after `# fmt: off`: a tuple of tuples, some of which may have names, or a dict of them."""
    begins = source[: source.index(OFF)].count("\n")
    ends = source.partition("# fmt: on")[0].count("\n") + 1
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, (ast.Tuple, ast.Dict))
            and begins < node.lineno < node.end_lineno <= ends
        ):
            entries = node.values if isinstance(node, ast.Dict) else node.elts
            rows = [entry for entry in entries if isinstance(entry, ast.Tuple)]
            if rows and all(isinstance(entry, (ast.Tuple, ast.Name)) for entry in entries):
                yield rows


def misplaced(rows, source):
    """Return the lines of rows that share a line, take several, or have a column elsewhere than those before: numbers may end at one place."""
    lines = source.splitlines()
    # places: number of a column → where it begins and ends
    places, begun, found = ({}, set(), set())
    for row in rows:
        parts = [part for part in row.elts if isinstance(part, ast.Tuple)]
        if parts == row.elts or any(part.lineno < part.end_lineno for part in parts):
            continue  # it is a table, or has one in it
        if row.lineno in begun or row.lineno < row.end_lineno:
            found.add(row.lineno)
        begun.add(row.lineno)
        for number, part in enumerate(row.elts):
            line = lines[part.lineno - 1].encode()
            begins, ends = (
                len(line[:at].decode()) for at in (part.col_offset, part.end_col_offset)
            )
            place = {("begins", begins), ("ends", ends)}
            if not place & places.setdefault(number, place):
                found.add(row.lineno)
    return found


def test_the_tables_that_grow_are_among_them():
    assert {str(file) for file in FILES} >= {
        "firmware/hardware/usualpins.py",
        "firmware/settings/tables.py",
        "firmware/settings/entries.py",
        "firmware/sensors/options.py",
        "firmware/sensors/types.py",
        "tools/__main__.py",
    }


@pytest.mark.parametrize("file", FILES, ids=str)
def test_one_row_a_line_and_each_column_at_one_place(file):
    source = (ROOT / file).read_text(encoding="utf-8")
    found = list(tables(source))
    assert found
    assert set().union(*(misplaced(rows, source) for rows in found)) == set()


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (['("a°", 1),', '("b",  2),', "N,"], set()),
        (['("a",  1),', '("bb", 2),', '("c", 3),'], {5}),
        (['("a",  1),', '("b", 22),', '("c", -3),'], set()),
        (['("a",  1),', '("b", 22),', '("c", 3),'], {5}),
        (['("a",', "1),", '("b", 2),'], {3, 5}),
        (['("a", 1), ("b", 2),'], {3}),
        (['("a", (', "(1, 2),", "(3,  4),", ")),"], {5}),
    ],
)
def test_what_is_misplaced_is_found(lines, wrong):
    source = "\n".join([OFF, "T = (", *lines, ")"])
    assert set().union(*(misplaced(rows, source) for rows in tables(source))) == wrong
