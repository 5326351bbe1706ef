"""Start three NATS servers here that keep every message three times, and prove that no reading is lost while they fail, one after another."""

from contextlib import ExitStack
from pathlib import Path

from sim.alone import alone, empty, short
from station.cluster import nats, proof
from tools import ROOT, CommandError, tables
from tools.numbers import whole

LOST = 1  # exit code


def add_arguments(parser):
    parser.add_argument("--qos", type=whole(1, 2), default=1, help="of the readings (%(default)s)")
    parser.add_argument(
        "--faults",
        default=",".join(name for name, *_ in proof.FAULTS),
        metavar="NAMES",
        help="which, with commas (%(default)s)",
    )
    parser.add_argument(
        "--seconds", type=whole(5), default=20, help="how long each lasts (%(default)s)"
    )


def run(args):
    faults = _chosen(args.faults)
    folder = ROOT / ".build" / "cluster"
    with alone(folder):
        empty(folder)
        with ExitStack() as stack:
            print(
                f"{nats.version()}: three servers, a simulated node that takes four readings a second, two collectors",
                flush=True,
            )
            stand = proof.Stand(folder, args.qos, stack)
            counted = suffer(stand, faults, args.seconds, _tell)
        report(folder, counted)
    return 0 if counted.kept else LOST


def _chosen(names):
    known = {row[0]: row for row in proof.FAULTS}
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in known:
            raise CommandError(f"FAULTS={name} is no fault: give some of {','.join(known)}", 2)
    return [known[name] for name in chosen]


def suffer(stand, faults, seconds, tell):
    """Every fault at each server, first at the one that the node is connected to. Returns the proof.Count."""
    tell("all is well", proof.nothing(stand, seconds / 2))
    for _, strike, words in faults:
        first = stand.server_of_the_node().number - 1
        servers = stand.cluster.servers
        for server in servers[first:] + servers[:first]:
            tell(f"server {server.number} {words}", strike(stand, server, seconds))
    return stand.count()


def _tell(what, silent):
    each = ", ".join(f"{seconds:.1f}" for seconds in silent)
    print(f"  {what + ':':<50} nothing arrives for {each} s at most", flush=True)


def report(folder: Path, counted: proof.Count) -> None:
    rows = [
        (f"collector {number}", *map(str, row))
        for number, row in enumerate(
            zip(counted.arrived, counted.lost, counted.twice, strict=True), 1
        )
    ]
    tables.show(tables.table(("store", "arrived", "lost", "twice"), rows, right=(1, 2, 3)))
    arrived = " and ".join(f"{count:,}" for count in counted.arrived)
    print(
        f"taken {counted.taken:,}, arrived {arrived}, lost {max(counted.lost)}, twice {max(counted.twice)}"
    )
    print(f"settings, stores and logs: {short(folder)}")
