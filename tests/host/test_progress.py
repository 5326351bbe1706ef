"""What a command shows: bars on a terminal, plain lines elsewhere, with the name of the board if there are several."""

import pytest

from tools.boards.progress import Show


def copy(line):
    line.begin(400)
    for number in (1, 2):
        line.file(number, 2, f"lib/{number}.mpy", 200)
        line.moved(100)
        line.moved(100)
    line.end()
    line.say("copied [bold]2[/bold] files")


def test_plain_lines(capsys):
    with Show() as show:
        copy(show.line("/dev/ttyUSB0"))
    assert capsys.readouterr().out.splitlines() == [
        "    1/2  lib/1.mpy  200",
        "    2/2  lib/2.mpy  200",
        "copied [bold]2[/bold] files",
    ]


def test_plain_lines_of_several(capsys):
    with Show(several=True) as show:
        copy(show.line("ttyUSB0"))
        show.line("ttyACM0").say("two\nlines")
    assert capsys.readouterr().out.splitlines() == [
        "ttyUSB0: 25 % of 400 bytes",
        "ttyUSB0: 50 % of 400 bytes",
        "ttyUSB0: 75 % of 400 bytes",
        "ttyUSB0: 100 % of 400 bytes",
        "ttyUSB0: copied [bold]2[/bold] files",
        "ttyACM0: two",
        "ttyACM0: lines",
    ]


@pytest.mark.parametrize("several", [False, True])
def test_bars_on_a_terminal(several, terminal):
    terminal()
    with Show(several) as show:
        line = show.line("ttyUSB0")
        line.begin(400)
        line.file(1, 2, "lib/1.mpy", 200)
        line.moved(200)
        show.bars.refresh()
        middle = terminal()
        assert "200/400 bytes" in middle
        assert "1/2 lib/1.mpy" in middle
        assert ("ttyUSB0" in middle) == several
        line.end()
        line.say("copied [bold]2[/bold] files")
    end = terminal()
    assert "copied [bold]2[/bold] files" in end  # what a board says is no markup
    assert "\x1b[?25h" in end  # the cursor is back


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(terminal, monkeypatch):
    terminal()
    monkeypatch.setenv("TERM", "dumb")
    with Show() as show:
        copy(show.line("x"))
    assert terminal().splitlines()[0] == "    1/2  lib/1.mpy  200"


def test_more_than_was_expected(capsys):
    """A file that had to be sent twice does not show more than all."""
    with Show(several=True) as show:
        line = show.line("x")
        line.begin(100)
        line.moved(100)
        line.moved(100)
        line.begin(0)
        line.end()
    assert capsys.readouterr().out == "x: 100 % of 100 bytes\n"
