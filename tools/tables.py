"""Tables of the host commands: on a terminal rich wraps them to its width, elsewhere each row is one line."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 10_000  # columns, where no line may be wrapped


def console():
    """What prints text as it is: no markup, no emoji in it, no colours but ours."""
    return Console(highlight=False, markup=False, emoji=False)


def table(head, rows, right=(), cut=False):
    """Return a rich Table of cells of text. right: the columns that are aligned to the right.

    cut: each row is one line: the last cell is cut where a terminal ends, the others are whole.
    """
    made = Table(box=None, pad_edge=False)
    for number, title in enumerate(head):
        whole = cut and number < len(head) - 1
        made.add_column(title, justify="right" if number in right else "left", no_wrap=whole)
    for row in rows:
        cells = [Text(cell, overflow="ellipsis" if cut else None) for cell in row]
        cells[-1].no_wrap = cut or None
        made.add_row(*cells)
    return made


def show(table, on=None):
    """Print it, on a console or on standard output."""
    on = on or console()
    if on.is_terminal:
        on.print(table)
    else:
        print(text(table), flush=True)


def text(table):
    """Return it as lines without styles."""
    plain = Console(width=_WIDE, color_system=None)
    with plain.capture() as captured:
        plain.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
