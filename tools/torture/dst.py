"""`make dst`: the node's whole world in one process and in virtual time, from a seed that replays exactly.

A seed is a story: a board lives four to twelve lives, each from its power-on to a power cut, a reset or its end, among faults
of flash, Wi-Fi, brokers, name and time servers, heap and people; then the faults end, and it has to deliver what it owes.
A checker knows what the simulated chips really had (sim/dst/truth.py). See docs/dst.md.
"""

import ast
import difflib
import functools
import json
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tools import ROOT, CommandError, mpy, processes, toolchain
from tools.numbers import whole
from tools.torture.plants import plant
from tools.torture.progress import Run

SILENT, TELL, RECORD = "0", "1", "2"  # what a process of the simulator prints
HEAP = "160m"  # the world's; the node's own is not counted
BATCH = 6  # stories a process: its start takes a second
LONGEST_S = 600  # of a batch
TAIL = 3000  # characters of a process that failed
SHOWN = 3  # faults of a story
_STORY = ROOT / "sim" / "dst"
_TABLES = ("KINDS", "WAYS", "ENDS", "ILLS")  # of faults, in the files of it


class Result(NamedTuple):
    seed: int
    theme: str
    lives: int
    events: int
    arrivals: int
    trace: str
    faults: list


def add_arguments(parser):
    parser.add_argument("--seed", type=whole(0), default=1, help="the first story (%(default)s)")
    parser.add_argument(
        "--lives",
        type=whole(1),
        default=1000,
        help=f"go on until so many were lived; stories are lived whole, {BATCH} a process (%(default)s)",
    )
    parser.add_argument(
        "--story", action="store_true", help="tell what happens in the story of --seed, and end"
    )
    parser.add_argument(
        "--jobs", type=whole(1), default=2, help="processes at a time (%(default)s)"
    )
    parser.add_argument(
        "--without",
        default="-",
        help="faults to leave out, as qos2_close,leap (docs/dst.md)",
    )
    parser.add_argument(
        "--go-on", action="store_true", help="do not stop at the first story that breaks a promise"
    )
    parser.add_argument(
        "--plant", help="put a known fault into the firmware first (tools/torture/plants.py)"
    )


def board(seed):
    """The personality of a seed's board."""
    return "esp32" if seed % 2 else "pico_w"


def run(args):
    unknown = set(args.without.split(",")) - faults() - {"-"}
    for fault in sorted(unknown):
        near = difflib.get_close_matches(fault, faults(), 1)
        told = (
            f"did you mean {near[0]}?" if near else f"give some of {', '.join(sorted(faults()))}"
        )
        raise CommandError(f"{fault} is no fault: {told}", 2)
    with tempfile.TemporaryDirectory() as folder:
        device = Path(folder)
        mpy.compile_tree(device)
        if args.plant:
            plant(args.plant, device)
        if args.story:
            return tell(device, args.seed, args.without)
        return search(device, args)


@functools.cache
def faults():
    """The names of all faults: what a story draws by name, and its tables."""
    found = set()
    for path in sorted(_STORY.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "strikes":
                found.add(ast.literal_eval(node.args[0]))
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in _TABLES:
                rows = ast.literal_eval(node.value)
                found |= {row if isinstance(row, str) else row[0] for row in rows}
    return found


def words(device, seeds, mode, without):
    """The command line of stories. mode: of sim/dst/lives.py."""
    return [
        *toolchain.micropython(HEAP),
        _STORY / "lives.py",
        device,
        mode,
        without,
        *seeds,
    ]


def environment(seed):
    return {"OUTPOST_BOARD": board(seed), "TZ": "UTC", "PATH": "/nowhere"}


def tell(device, seed, without):
    """Print the story of a seed."""
    done = processes.start(
        words(device, [seed], TELL, without),
        env=environment(seed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    result = None
    for line in done.stdout or ():
        if line.startswith("@"):
            result = Result(**json.loads(line[1:]))
        else:
            print(line, end="")
    done.wait()
    if result is None:
        raise CommandError(f"the simulator itself failed in seed {seed}, see above")
    print(f"commit {_commit()}: {verdict(result)}")
    return 1 if result.faults else 0


def verdict(result):
    text = f"seed {result.seed} ({result.theme}): {result.lives} lives, {result.events} readings, trace {result.trace}"
    if not result.faults:
        return f"{text}: nothing lost, nothing invented"
    return "\n".join([f"{text}: broken", *(f"  {fault.strip()}" for fault in result.faults)])


def play(device, seeds, without="-"):
    """Live the stories of seeds, all of one board. Yield a Result each. A process that fails is a fault of its seed."""
    seeds = list(seeds)
    process = processes.start(
        words(device, seeds, SILENT, without),
        env=environment(seeds[0]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    timer = threading.Timer(LONGEST_S, processes.kill, [process])
    timer.daemon = True
    timer.start()
    output = ""
    try:
        for line in process.stdout or ():
            if line.startswith("@"):
                yield Result(**json.loads(line[1:]))
                seeds.pop(0)
                output = ""
            else:
                output = (output + line)[-TAIL:]
    finally:
        timer.cancel()
        code = processes.kill(process) if process.poll() is None else process.wait()
        if process.stdout:
            process.stdout.close()
    if seeds:
        text = f"the simulator itself failed (exit code {code}): {output}"
        yield Result(seeds[0], "", 0, 0, 0, "", [text])


class Search:
    """Workers that live one batch of stories after another, until there were enough lives or somebody says stop."""

    def __init__(self, device, first, lives, jobs, without, go_on):
        self.device = device
        self.lives = lives
        self.without = without
        self.go_on = go_on
        self.results = []
        self.failed = []
        self.lived = 0
        self.stopped = False
        self.lock = threading.Lock()
        self._next = {0: first + first % 2, 1: first + 1 - first % 2}  # of the even and the odd
        self._turn = first % 2
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(jobs)]

    def _batch(self):
        with self.lock:
            if self.stopped or self.lived >= self.lives:
                return []
            first = self._next[self._turn]
            self._next[self._turn] += 2 * BATCH
            self._turn = 1 - self._turn
            return range(first, first + 2 * BATCH, 2)

    def _work(self):
        while seeds := self._batch():
            for result in play(self.device, seeds, self.without):
                with self.lock:
                    self.results.append(result)
                    self.lived += result.lives
                    if result.faults:
                        self.failed.append(result)
                        self.stopped = self.stopped or not self.go_on
                if self.stopped:
                    break

    @property
    def done(self):
        return not any(thread.is_alive() for thread in self.threads)


def search(device, args):
    commit = _commit()
    print(f"make dst: from seed {args.seed} on, {args.lives} lives, commit {commit}", flush=True)
    began = time.monotonic()
    found = Search(device, args.seed, args.lives, args.jobs, args.without, args.go_on)
    for thread in found.threads:
        thread.start()
    reported = 0
    with Run(args.lives, "lives") as shown:
        try:
            while not found.done:
                found.threads[0].join(0.2) if found.threads[0].is_alive() else time.sleep(0.2)
                for result in found.failed[reported:]:
                    reported += 1
                    _report(result, commit, args)
                shown.reached(found.lived, _summary(found, time.monotonic() - began))
        except KeyboardInterrupt:
            found.stopped = True
            print("\nstopped")
    for result in found.failed[reported:]:
        _report(result, commit, args)
    print(f"{found.lived} lives in {_summary(found, time.monotonic() - began)}")
    if found.failed:
        print(f"verdict: broken, {len(found.failed)} of {len(found.results)} stories")
        return 1
    print("verdict: nothing lost, nothing invented, always alive again")
    return 0


def _summary(found, seconds):
    readings = sum(result.events for result in found.results)
    return (
        f"{len(found.results)} stories, {readings} readings, "
        f"{found.lived * 60 / max(seconds, 0.1):.0f} lives a minute, {len(found.failed)} broken"
    )


def _report(result, commit, args):
    print(f"\nseed {result.seed}, commit {commit}, {board(result.seed)}:")
    for fault in result.faults[:SHOWN]:
        print(f"  {fault.strip()}")
    if len(result.faults) > SHOWN:
        print(f"  and {len(result.faults) - SHOWN} more")
    more = "" if args.without == "-" else f" WITHOUT={args.without}"
    more += f" PLANT={args.plant}" if args.plant else ""
    print(f"  make dst SEED={result.seed} STORY=1{more}", flush=True)


def _commit():
    git = shutil.which("git")
    if not git:
        return "unknown"
    done = subprocess.run(
        [git, "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or "unknown"
