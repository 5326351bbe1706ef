"""How far a long run is: on a terminal a bar with the time that is left, elsewhere a line now and then."""

import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tools import tables

_EVERY_S = 30


class Run:
    """A context manager. total: how many there are to do; of: what they are."""

    def __init__(self, total, of):
        console = tables.console()
        self.live = console.is_terminal and not console.is_dumb_terminal
        self.bar = Progress(
            MofNCompleteColumn(),
            TextColumn(of),
            BarColumn(bar_width=24),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}"),
            console=console,
            transient=True,
            disable=not self.live,
        )
        self.task = self.bar.add_task(of, total=total, told="")
        self.told_at = time.monotonic()

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def reached(self, done, told):
        """So many are done; told: what came of them, in a few words."""
        if self.live:
            self.bar.update(self.task, completed=done, told=told)
        elif time.monotonic() - self.told_at > _EVERY_S:
            self.told_at = time.monotonic()
            task = self.bar.tasks[0]
            print(f"{done} of {task.total} {task.description}, {told}", flush=True)
