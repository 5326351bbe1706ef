"""`make fleet-sim`: as many nodes as you like with a real mosquitto, collector and SQLite store: what they take, and what arrives.

The nodes are in this process and publish what a simulated board published once; BOARDS= adds simulated boards that run the firmware.
A third of the time in, the broker is restarted; after two thirds the collector is killed. In the end every reading that was taken has
to be in the store once, with its number and time.
"""

import asyncio
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from sim.broker import KEEP_ALL, Broker
from station.fleetsim import measure, recording
from station.fleetsim.boards import Boards
from station.fleetsim.measure import Meter
from station.fleetsim.node import Node
from tools import ROOT, CommandError, processes, shell, tables
from tools.numbers import seconds, whole

WRONG = 8  # exit code: a reading is not there, or twice
_BASE = "outpost"
_A_SECOND = 200  # connections that begin, at most
_DRAIN_S = 300  # for what waits at the end
# As make broker has it, and persistent, but saved on the disk as rarely as there; its log has no line for each packet.
_SETTINGS = (
    "persistence true",
    "autosave_interval 10",
    *KEEP_ALL,
    "max_inflight_messages 1000",
    "set_tcp_nodelay true",
    *("log_type none", "log_type error", "log_type warning", "log_type information"),
)


def add_arguments(parser):
    parser.add_argument("--nodes", type=whole(1, 50_000), default=1000, help="(%(default)s)")
    parser.add_argument(
        "--seconds", type=seconds, default=90.0, help="how long they read (%(default)g)"
    )
    parser.add_argument(
        "--pace",
        type=seconds,
        default=1.0,
        help="how many times as fast as the example's settings, which are eight readings a minute (%(default)g)",
    )
    parser.add_argument(
        "--boards",
        type=whole(0, 200),
        default=0,
        help="simulated boards that run the firmware, besides (%(default)s)",
    )
    parser.add_argument("--calm", action="store_true", help="restart and kill nothing")
    parser.add_argument("--out", metavar="FILE", help="where the store remains, as for make fleet")
    parser.add_argument("--json", action="store_true", help="numbers for a program")
    parser.add_argument(
        "--record", action="store_true", help="record anew what the nodes say, and end: 3 minutes"
    )
    parser.epilog = f"Exit code: 0 every reading is in the store once, {WRONG} one is not, 1 it could not be tried."


def run(args):
    with tempfile.TemporaryDirectory(prefix="outpost-fleet-") as home:
        if args.record:
            recording.record(Path(home))
            print(f"recorded: {recording.FILE.relative_to(ROOT)}")
            return 0
        _room(args.nodes)
        found, kept = asyncio.run(_Run(args, Path(home)).run())
    if args.json:
        print(json.dumps(found))
    else:
        rows = [(name.replace("_", " "), f"{value:,}") for name, value in found.items()]
        tables.show(tables.table(("what", "value"), rows, right=(1,)))
        print(cuts(args.calm, args.seconds, found))
        print(
            f"taken {kept.taken:,}, in the store {kept.rows:,}, lost {kept.lost}, twice {kept.twice}"
        )
    return WRONG if kept.lost or kept.twice or kept.untrue or found.get("boards_lost") else 0


def cuts(calm: bool, seconds: float, found: dict[str, Any]) -> str:
    """Say what was cut, when and how; seconds: of the whole."""
    if calm:
        return "nothing was cut (CALM=1)"
    third = seconds / 3
    return (
        f"cut: after {third:.0f} s the broker was stopped and started again, {found['back_after_restart']:,} of"
        f" {found['nodes']:,} nodes connected again; after {2 * third:.0f} s the collector was killed (kill -9) and was"
        f" away for {third / 2:.0f} s"
    )


def _room(nodes):
    """Let this process, and the broker that it starts, have a socket for each node."""
    needed = nodes + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise CommandError(
            f"NODES={nodes} needs {needed} open files, and this user may have {hard}: ulimit -Hn {needed}, or fewer nodes"
        )
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (max(soft, min(hard, needed)) if hard > 0 else needed, hard)
    )


class _Run:
    def __init__(self, args, home):
        self._args, self._home = args, home
        self._store = home / "readings.sqlite"
        self._log = home / "collector.log"
        script = recording.load()
        self._nodes = [
            Node(_BASE, f"node-{number:05}", script, args.pace) for number in range(args.nodes)
        ]
        self._collector: Any = None  # its process

    async def run(self):
        args = self._args
        settings = (*_SETTINGS, f"persistence_location {self._home}/broker/")
        async with AsyncExitStack() as stack:
            self._broker = stack.enter_context(Broker(self._home / "broker", settings=settings))
            stack.callback(self._end_collector)
            self._collector = await self._collecting()
            boards = stack.enter_context(Boards(self._home, self._broker, args.boards))
            connections: list[asyncio.Task] = []
            stack.push_async_callback(_cancelled, connections)
            await self._connect(connections)
            takers = [asyncio.create_task(node.take()) for node in self._nodes]
            stack.push_async_callback(_cancelled, takers)
            await boards.start()
            found = await self._phases()
            for node in self._nodes:
                node.taking = False
            found["drained_s"] = round(await self._drained(), 1)
            kept = measure.kept(self._store, self._nodes)
            found |= {
                "slowest_to_the_store_s": round(kept.slowest_s, 1),
                "store_mb": round(kept.mb, 1),
            }
            found |= {
                "taken": kept.taken,
                "rows": kept.rows,
                "lost": kept.lost,
                "twice": kept.twice,
            }
            found |= {"untrue_nodes": kept.untrue, **boards.found(self._store)}
            if args.out:
                self._end_collector()
                shutil.copy(self._store, args.out)
            await asyncio.gather(*(node.leave() for node in self._nodes))
        return found, kept

    async def _connect(self, connections):
        began = time.monotonic()
        for number, node in enumerate(self._nodes):
            connections.append(
                asyncio.create_task(node.connect(self._broker.host, self._broker.port))
            )
            await asyncio.sleep(max(0, began + number / _A_SECOND - time.monotonic()))
        while not all(node.connects for node in self._nodes):
            self._show("connecting")
            if time.monotonic() - began > 60 + len(self._nodes) / 50:
                raise CommandError("the broker does not take so many connections: see its log")
            await asyncio.sleep(0.2)

    async def _phases(self):
        """Calm; a restart of the broker; a death of the collector. What is measured is the calm third."""
        third = self._args.seconds / (1 if self._args.calm else 3)
        pids = {"broker": self._broker.process.pid, "collector": self._collector.pid}
        meters = {name: Meter(pid) for name, pid in (*pids.items(), ("nodes", os.getpid()))}
        taken, rows, began = self._taken(), self._rows(), time.monotonic()
        await self._wait(third, "calm")
        passed = time.monotonic() - began
        found = {"nodes": len(self._nodes)}
        found["taken_a_second"] = round((self._taken() - taken) / passed, 1)
        found["stored_a_second"] = round((self._rows() - rows) / passed, 1)
        for name, meter in meters.items():
            share = meter.share()
            found |= {
                f"{name}_core_percent": round(100 * share.cpu),
                f"{name}_mb": round(share.rss_mb),
            }
        found["waiting_on_nodes"] = sum(node.waiting for node in self._nodes)
        if self._args.calm:
            return found
        await asyncio.to_thread(self._broker.restart)
        await self._wait(third, "the broker was restarted")
        found["back_after_restart"] = sum(node.connects > 1 for node in self._nodes)
        processes.kill(self._collector)
        await self._wait(third / 2, "the collector was killed")
        self._collector = await self._collecting()
        await self._wait(third / 2, "the collector was started again")
        return found

    async def _wait(self, wait_s, what):
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            self._show(what)
            await asyncio.sleep(min(1, max(0, until - time.monotonic())))
            if not self._broker.alive:
                raise CommandError("mosquitto has ended")

    async def _drained(self):
        """Wait until the store has all of it. Return the seconds that took."""
        began = time.monotonic()
        while time.monotonic() - began < _DRAIN_S:
            self._show("draining")
            if not any(node.waiting for node in self._nodes) and self._rows() >= self._taken():
                break
            await asyncio.sleep(0.5)
        shell.show("")
        return time.monotonic() - began

    def _show(self, what):
        waiting = sum(node.waiting for node in self._nodes)
        shell.show(f"{what}: {self._taken():,} readings taken, {waiting:,} wait on their nodes")

    def _taken(self):
        return sum(node.taken for node in self._nodes)

    def _rows(self):
        """Readings in the store, as its own account has it: to count rows would take longer the more there are."""
        with sqlite3.connect(f"{self._store.resolve().as_uri()}?mode=ro", uri=True) as db:
            return db.execute(
                "select total(readings) from start where node like 'node-%'"
            ).fetchone()[0]

    async def _collecting(self):
        """Start a collector, and wait until it listens."""
        self._log.touch()
        before = self._log.read_text().count("connected to")
        place = f"{self._broker.host}:{self._broker.port}"
        command = [
            sys.executable,
            "-m",
            "station",
            "collect",
            "--broker",
            place,
            "--store",
            self._store,
        ]
        with self._log.open("a") as log:
            process = processes.start(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while self._log.read_text().count("connected to") == before:
            if process.poll() is not None or time.monotonic() > deadline:
                raise CommandError(f"the collector does not start: {self._log.read_text()[-500:]}")
            await asyncio.sleep(0.1)
        return process

    def _end_collector(self):
        if self._collector:
            processes.stop(self._collector)


async def _cancelled(tasks):
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
