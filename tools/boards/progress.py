"""What a command shows of the boards it works on: a bar and lines. Where no one watches (a pipe, a log), lines only.

Of several boards each has a bar of its own, and its lines begin with its name.
"""

import threading

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from tools import tables

_STEPS = 4  # of several boards, where no one watches: so many lines for all the files of one


class Show:
    """A context manager; `line(name)` is what one board's work talks to. Threads may share it."""

    def __init__(self, several=False):
        self.several = several
        self.console = tables.console()
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal
        self.lock = threading.Lock()
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(binary_units=True),
            TextColumn("{task.fields[doing]}"),
            console=self.console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not self.live,
        )

    def __enter__(self):
        self.bars.start()
        return self

    def __exit__(self, *error):
        self.end()

    def line(self, name):
        return Line(self, name)

    def end(self):
        """No more bars; `print` goes on."""
        self.bars.stop()

    def print(self, text):
        """A line that stays, above the bars."""
        with self.lock:
            if self.live:
                self.console.print(text, soft_wrap=True)
            else:
                print(text, flush=True)


class Line:
    """What is shown of one board."""

    def __init__(self, show, name):
        self.show = show
        self.name = name
        self.begins = f"{name}: " if show.several else ""
        self._bar = None
        self._size = self._moved = self._step = 0
        if show.several:
            self._bar = show.bars.add_task(name, total=None, doing="")

    def say(self, text):
        self.show.print("\n".join(self.begins + line for line in text.splitlines()))

    def doing(self, text):
        """Beside the bar, until something else is done."""
        if self._bar is not None:
            self.show.bars.update(self._bar, doing=text)

    def begin(self, size):
        """So many bytes are going to move."""
        self._size, self._moved, self._step = max(size, 1), 0, 0
        if self._bar is None:
            self._bar = self.show.bars.add_task("", total=size, doing="")
        self.show.bars.update(self._bar, total=self._size, completed=0)

    def file(self, number, count, path, size):
        """The next of so many files."""
        self.doing(f"{number}/{count} {path}")
        if not self.show.live and not self.show.several:
            self.say(f"  {number:3}/{count}  {path}  {size:,}")

    def moved(self, size):
        """So many bytes more have arrived."""
        self._moved = min(self._moved + size, self._size)
        self.show.bars.update(self._bar, completed=self._moved)
        step = _STEPS * self._moved // self._size
        if self.show.several and not self.show.live and step > self._step:
            self._step = step
            self.say(f"{100 * step // _STEPS} % of {self._size:,} bytes")

    def end(self):
        """All bytes have moved. Of one board alone the bar goes."""
        self.doing("")
        if not self.show.several and self._bar is not None:
            self.show.bars.remove_task(self._bar)
            self._bar = None
