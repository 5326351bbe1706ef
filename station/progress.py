"""What the collector says: a line for each event, and how it goes, written over on a terminal, now and then elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Callable

from station.metrics import Numbers
from tools import shell

_EACH_S = 1
_MEAN_S = 10  # of the rate: nodes send some readings at once, and then none for seconds
_ELSEWHERE_S = 600  # a journal that has a line a second is read by nobody


class Progress:
    def __init__(self, numbers: Numbers, latest: Callable[[], str]) -> None:
        """latest(): the node and channel heard last."""
        self._numbers, self._latest = numbers, latest
        self._terminal = sys.stdout.isatty()
        self._marks = deque([(time.monotonic(), 0)])  # when, and how many were stored

    def tell(self, text: str) -> None:
        """Say something once. A journal has its own times."""
        shell.show("")
        shell.say(f"{time.strftime('%H:%M:%S')}  {text}" if self._terminal else text)

    def step(self) -> None:
        """Say how it goes, when it is time."""
        now = time.monotonic()
        if now - self._marks[-1][0] < (_EACH_S if self._terminal else _ELSEWHERE_S):
            return
        n = self._numbers
        self._marks.append((now, n.readings_stored))
        while len(self._marks) > 2 and now - self._marks[1][0] >= _MEAN_S:
            self._marks.popleft()
        since, before = self._marks[0]
        rate = (n.readings_stored - before) / (now - since)
        text = f"{n.readings_stored:,} readings, {rate:,.1f} a second, the last from {self._latest() or 'nobody yet'}"
        if n.waiting > 1:
            text += f", {n.waiting:,} waiting"
        if self._terminal:
            shell.show(text)
        elif rate:
            shell.say(text)

    def end(self) -> None:
        n = self._numbers
        shell.show("")
        doubles = f", {n.readings_doubled:,} had come before" if n.readings_doubled else ""
        shell.say(f"stopped: {n.readings_stored:,} readings stored{doubles}")
