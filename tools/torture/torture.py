"""`make torture`: a node, a real broker, a subscriber and a collector, cut off from each other and from their power, again and again.

First the outbox alone loses its power at every block write of a long life (`outbox.py`). Then all of it:

The node runs on a simulated board whose flash is a real littlefs image; between it and a mosquitto is a proxy that does what
networks do. Readings of two channels flow, one at QoS 1 and one at QoS 2, while link, broker and node are cut at moments a
seed chooses; so are the collector (`collecting.py`) and its database. In the end everything is whole again, the node delivers what it
has, and `verdict.py` counts: what the subscriber received, and what is stored.

A broker is stopped (SIGTERM) at any moment. It is killed (SIGKILL) only when the proxy has held the node's traffic back and it
has saved (SIGUSR1): mosquitto acknowledges before it saves, even with `autosave_on_changes`, and a killed one forgets what it
acknowledged since: 4 of 470 messages in 20 kills under load. That would be its loss and not the node's.
"""

import json
import random
import re
import shutil
import time
from collections import Counter
from contextlib import ExitStack
from typing import NamedTuple

from sim.alone import alone, empty, short
from sim.simboard import BOARDS
from tools import ROOT, mpy
from tools.numbers import whole
from tools.torture.collecting import STORES
from tools.torture.outbox import sweep
from tools.torture.progress import Run
from tools.torture.stand import NAME, QOS, Stand
from tools.torture.verdict import compare, judge, published

SLACK_S = 2  # beside sync_s: a pass of the loop, and this machine's own delays
SYNC_S = (0, 5)  # by the seed
SHOWN = 20  # faults


class Cut(NamedTuple):
    kind: str
    wait_s: float  # before it
    arguments: dict


# How often, and what is drawn. `seconds` is how long it lasts: meanwhile others happen.
KINDS = {
    "link_ends": (12, lambda r: {"how": r.choice(("close", "reset"))}),
    "link_ends_in_mid_packet": (
        20,
        lambda r: {
            "count": int(r.triangular(1, 600, 40)),
            "way": r.choice(("up", "down")),
            "how": r.choice(("close", "reset")),
        },
    ),
    "black_hole": (4, lambda r: {"seconds": r.uniform(0.2, 5)}),
    "half_open": (3, lambda r: {"way": r.choice(("up", "down"))}),
    "delay": (6, lambda r: {"delay_s": r.uniform(0.02, 0.4), "seconds": r.uniform(0.5, 3)}),
    "broker_stops": (10, lambda r: {"seconds": r.choice((0, r.uniform(0, 8)))}),
    "broker_dies": (8, lambda r: {"seconds": r.choice((0, r.uniform(0, 8)))}),
    "power_fails_in_mid_write": (17, lambda r: in_mid_write(r, 40)),
    "power_fails_in_mid_start": (8, lambda r: in_mid_write(r, 6)),
    "power_fails": (12, lambda r: {"seconds": r.choice((0, r.uniform(0, 1)))}),
    "collector_stops": (6, lambda r: {"seconds": r.choice((0, r.uniform(0, 5)))}),
    "collector_dies": (14, lambda r: {"seconds": r.choice((0, r.uniform(0, 5)))}),
    "database_fails": (10, lambda r: {"seconds": r.uniform(0, 5)}),
    "database_is_locked": (5, lambda r: {"seconds": r.uniform(0, 4)}),
}


def in_mid_write(r, most):
    return {"writes": r.randint(1, most), "how": r.choice(("lost", "half", "garbage", "after"))}


def schedule(seed, cuts):
    """The cuts of a seed."""
    r = random.Random(seed)
    weights = [weight for weight, _ in KINDS.values()]
    kinds = r.choices(list(KINDS), weights, k=cuts)
    return [Cut(kind, r.uniform(0, 1.6), KINDS[kind][1](r)) for kind in kinds]


def add_arguments(parser):
    parser.add_argument(
        "--seed", type=whole(0), default=1, help="chooses cuts and moments (%(default)s)"
    )
    parser.add_argument("--cuts", type=whole(1), default=1000, help="how many (%(default)s)")
    parser.add_argument(
        "--board", choices=BOARDS, default="esp32", help="which board (%(default)s)"
    )
    parser.add_argument(
        "--steps",
        type=whole(0),
        default=600,
        help="of the outbox's life on its own, first; 0: none (%(default)s)",
    )
    parser.add_argument(
        "--sync-s",
        type=whole(0, 3600),
        help="the node's outbox.sync_s (0 with an even seed, 5 with an odd one)",
    )

    parser.add_argument(
        "--store",
        choices=STORES,
        default=STORES[0],
        help="what the collector keeps readings in (%(default)s)",
    )


def run(args):
    sync_s = SYNC_S[args.seed % 2] if args.sync_s is None else args.sync_s
    folder = ROOT / ".build" / "torture" / f"{args.board}-{args.seed}"
    print(__doc__.split("\n\n")[-1].strip())
    told = f"seed {args.seed}, {args.cuts} cuts, {args.board}, sync_s {sync_s}, {args.store}"
    print(told, flush=True)
    if args.steps:
        print(f"the outbox alone: {sweep(args.board, args.seed, args.steps, sync_s)}", flush=True)
    with alone(folder):
        (folder / "flash").mkdir(exist_ok=True)
        with Run(args.cuts, "cuts") as shown:
            cuts = schedule(args.seed, args.cuts)
            report = torture(folder, cuts, args.board, sync_s, args.store, shown.reached)
        if report.faults:
            print(f"logs: {short(folder)}")
            return 1
    shutil.rmtree(folder)
    return 0


def torture(folder, cuts, board, sync_s, store="sqlite", progress=lambda *_: None, files=None):
    """Let it happen; return the report, printed. store: as Stand; files: the node's, compiled, else they are made."""
    empty(folder)
    if files:
        shutil.copytree(files, folder / "flash")
    else:
        mpy.compile_tree(folder / "flash")
    began = time.monotonic()
    with ExitStack() as stack:
        stand = Stand(folder, board, sync_s, store, stack)
        troubles = stand.suffer(cuts, progress) + stand.troubles()
        seconds = time.monotonic() - began
        messages = list(stand.messages)
        if not stand.collected():
            troubles.append("the collector has not stored all")
        rows = stand.collector.rows()
        stand.settle()
        lives = [*map(tuple, stand.board.lives[:-1]), (stand.board.lives[-1][0], None)]
    report = judge(messages, lives, QOS, sync_s + SLACK_S)
    owed, known = (published(each, NAME, QOS) for each in (messages, stand.messages))
    report.faults += compare(owed, rows, known)
    report.stored = len(owed.keys() & {row[:3] for row in rows})
    report.faults[:0] = troubles
    with (folder / "received").open("w") as file:
        for message in stand.messages:
            print(*message, file=file)
    (folder / "lives").write_text(json.dumps(lives))
    print_report(stand, report, Counter(cut.kind for cut in cuts), seconds)
    return report


def print_report(stand, report, kinds, seconds):
    """What was done, what came of it, the verdict."""
    console = stand.board.output
    cuts = sum(kinds.values())
    counts = re.findall(r"^flash: .*?(\d+) writes, (\d+) erases", console, re.MULTILINE)
    writes = sum(int(count) for count, _ in counts)
    erases = sum(int(count) for _, count in counts)
    readings = sum(report.readings.values())
    print(f"\n{cuts} cuts in {seconds:.0f} s, {seconds / max(cuts, 1):.2f} s each:")
    for kind, count in kinds.most_common():
        print(f"  {count:5} {kind.replace('_', ' ')}")
    torn = console.count("flash: the power fails")
    print(f"node      {len(stand.board.lives)} lives, {torn} ended in a block write or erase")
    print(
        f"flash     {writes} block writes, {erases} erases: {writes / max(readings, 1):.2f} a reading"
    )
    for channel, qos in QOS.items():
        count, repeats = report.readings[channel], report.repeats[channel]
        print(f"QoS {qos}     {count} readings, {repeats} came again")
    print(f"stored    {report.stored} readings, by {stand.collector.lives} lives of the collector")
    print(f"resent    {stand.resent()} or more within a life")
    print(
        f"RAM       {report.forgiven} gaps allowed; from the last reading to the power cut "
        f"{max(report.tails, default=0):.1f} s at most, {sum(report.tails):.0f} s in all"
    )
    for fault in report.faults[:SHOWN]:
        print("fault:   ", fault)
    if report.faults:
        print(f"verdict: broken, {len(report.faults)} faults")
    else:
        print("verdict: nothing lost, nothing twice at QoS 2 or in the store, nothing invented")
