"""Tables and bars of the host commands: on a terminal, and where no one watches."""

import re
import sys

import pytest

from tools import tables
from tools.torture import progress

LONG = "online, copied 6 files; " * 8
ROWS = [("tty[0]", "1,090", LONG), ("ttyACM10", "7", ":smile:")]


def made():
    return tables.table(("board", "size", "result"), ROWS, right=(1,))


def test_elsewhere_a_row_is_a_line_whatever_its_length(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    tables.show(made())
    assert capsys.readouterr().out.splitlines() == [
        "board      size  result",
        f"tty[0]    1,090  {LONG.rstrip()}",
        "ttyACM10      7  :smile:",
    ]


def plain(shown):
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_on_a_terminal_a_row_is_wrapped_below_itself(terminal):
    terminal()
    tables.show(made())
    lines = plain(terminal()).splitlines()
    assert lines[1].startswith("tty[0]    1,090  online") and lines[2].startswith(" " * 17 + "c")
    assert max(map(len, lines)) <= 100


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_long_run_elsewhere_is_a_line_now_and_then(capsys, clock):
    with progress.Run(1000, "cuts") as run:
        for done in range(1, 101):
            clock[0] += 1
            run.reached(done, f"{done} readings")
    assert capsys.readouterr().out.splitlines() == [
        "31 of 1000 cuts, 31 readings",
        "62 of 1000 cuts, 62 readings",
        "93 of 1000 cuts, 93 readings",
    ]


def test_a_long_run_on_a_terminal_is_a_bar_that_goes(terminal):
    terminal()
    with progress.Run(1000, "cuts") as run:
        run.reached(250, "9 readings")
        run.bar.refresh()
        assert re.search(r" 250/1000 cuts .*9 readings", plain(terminal()))
        sys.stdout.write("a fault\n")
    end = terminal()
    assert "a fault" in end
    assert end.endswith("\x1b[2K")  # the line is empty again
