"""Simulated boards that run the firmware, beside the nodes of a simulated fleet."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from sim.broker import Broker
from sim.ntp import TimeServer
from sim.simboard import SimBoard
from station.store.sqlite import SqliteStore
from tools.simulate.simulate import HEAP_KB, JOINS, make_flash, node_settings

_APART_S = 1  # one start takes a core for some seconds


class Boards:
    """So many boards with the example's sensors, read every 5 s. As a context: powered off at the end."""

    def __init__(self, home: Path, broker: Broker, count: int) -> None:
        self._home, self._broker = home, broker
        self._names = [f"board-{number:03}" for number in range(count)]
        self._stack = ExitStack()
        self._boards: list[SimBoard] = []

    def __enter__(self) -> "Boards":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    async def start(self) -> None:
        if not self._names:
            return
        clock = self._stack.enter_context(TimeServer())
        for name in self._names:
            settings = node_settings("esp32", self._broker, "any", clock)
            settings["node"]["name"] = name
            flash = self._home / name / "flash"
            rom = await asyncio.to_thread(make_flash, flash, settings, "file")
            board = SimBoard(flash, "esp32", f"{HEAP_KB}k", scenario=[JOINS], rom=rom)
            self._boards.append(self._stack.enter_context(board))
            await asyncio.sleep(_APART_S)

    def found(self, path: Path) -> dict[str, int]:
        """Readings of theirs in a store, and how many are missing between them that no board explains."""
        if not self._names:
            return {}
        store = SqliteStore(path)
        try:
            starts = [start for name in self._names for start in store.starts(name)]
            lost = sum(store.account(name).lost for name in self._names)
        finally:
            store.close()
        restarts = sum(len(board.resets) - 1 for board in self._boards)
        heard = {start.node for start in starts}
        return {
            "boards_heard": len(heard),
            "boards_rows": sum(start.readings for start in starts),
            "boards_lost": lost,
            "boards_restarts": restarts,
        }
