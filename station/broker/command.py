"""Set up a broker for the nodes there are, in a folder; with --run also prove it, and start it here.

Run it again whenever there are new nodes: keys, passwords and what you said before stay as they are, and what changes is told. Passwords are
never shown; they go into the nodes' own files, and into one file a program.
"""

import shlex
import time
from pathlib import Path

from station.broker import accounts, authority, fleet, proof, server, settings
from station.broker.accounts import Account
from station.broker.rights import Place
from station.broker.settings import LOOPBACK, Listeners
from station.broker.setup import Made, set_up
from station.broker.site import CONFIG, FOLDER, SERVICE, Memory, Site, read
from tools import CommandError
from tools.numbers import patience, whole

FAILED = 1  # exit code: a proof failed
PORT = whole(1, 65535)
_LONG_LOG = 1_000_000  # bytes; the one before is kept


def add_arguments(parser):
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where it is (%(default)s)")
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIG,
        help="what the nodes have in common; nodes/ is beside it (%(default)s)",
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="the nodes: the CSV of make provision"
    )
    parser.add_argument(
        "--host",
        metavar="NAMES",
        help="names and addresses of the broker's computer, with commas; the first is the nodes' (this computer's address)",
    )
    parser.add_argument("--port", type=PORT, help=f"with TLS ({settings.TLS_PORT})")
    parser.add_argument(
        "--local",
        type=PORT,
        help=f"without TLS, for programs on its own computer ({settings.PLAIN_PORT})",
    )
    parser.add_argument(
        "--plain",
        choices=("0", "1"),
        help="1: nodes connect without TLS, so that who listens on the network reads passwords; 0: with it again",
    )
    parser.add_argument(
        "--queue",
        type=whole(1, 2047),  # a mosquitto of 32 bits counts bytes in 31
        metavar="MB",
        help=f"how much may wait for each program that is away ({settings.QUEUE_MB})",
    )
    parser.add_argument("--node", help="let this node, which was revoked, in again")
    parser.add_argument(
        "--accounts",
        metavar="NAMES",
        help="all further accounts, with commas: a role, - and a name, such as collector-2; site-cabin: another site that may bridge to this one",
    )
    parser.add_argument(
        "--bridge",
        type=Path,
        metavar="FILE",
        help="bridge to another site: the file that it made for this one",
    )
    parser.add_argument("--run", action="store_true", help="prove it, and start it here")
    parser.add_argument(
        "--listen", help=f"with --run: the address to listen on ({LOOPBACK}; 0.0.0.0: all)"
    )
    parser.add_argument("--seconds", type=patience, help="with --run: how long (until Ctrl-C)")


def run(args):
    if (args.listen or args.seconds is not None) and not args.run:
        raise CommandError("LISTEN= and SECONDS= are for RUN=1", 2)
    site = Site(args.folder)
    made = set_up(args, site)
    report(site, made)
    if args.run:
        return serve(args, site, made)
    next_steps(site, made.memory)
    return 0


# ---- say


def report(site: Site, made: Made) -> None:
    """Say what there is and what changed; nothing that is secret."""
    memory, where = made.memory, made.nodes.where
    for_whom = (
        "for everybody: passwords can be read on the network" if memory.plain else "here only"
    )
    print(
        f"{site.folder}/: a broker at {', '.join(memory.hosts)}, port {memory.port} with TLS, {memory.local} without ({for_whom})"
    )
    names = {place.node for place in memory.nodes.values()}
    if names:
        print(f"  nodes with an account: {len(names)}")
    else:
        print(
            "warning: no node has an account: give nodes/<name>.json, CSV=nodes.csv, or node.name in config.json,"
            " and call this again"
        )
    for name in sorted(memory.revoked):
        again = site.call("broker", memory, NODE=name)
        print(f"  {name} is revoked and left out: {again} lets it in again")
    for name in sorted(names - set(made.given)):
        ends = site.call("revoke", memory, NODE=name)
        print(f"  {name} keeps its account, and is not in {where}: {ends} ends that")
    for path in made.changed:
        print(f"  written: {path}")
    if not made.changed:
        print("  nothing has changed")
    for each in made.told:
        print(f"  {each}")
    print(f"  passwords: of nodes in {where}, of programs in {site.private}/")
    end = authority.end(read(site.folder / "server.pem") or "")
    print(
        f"  the certificate lasts until {end:%Y-%m-%d}: run this again in the {authority.RENEW_DAYS} days before"
    )


def next_steps(site: Site, memory: Memory) -> None:
    there = server.on_this_system()
    doubt = server.doubts(there) if there else _ABSENT
    if doubt:
        print(f"  {doubt}")
    unit = shlex.quote(str(site.folder.resolve() / settings.UNIT_NAME))
    if site.owner() == SERVICE and site.folder.owner() != SERVICE:
        print(
            f"  it is not to run as root: sudo chown -R {SERVICE}: {shlex.quote(str(site.folder))}"
        )
    print(f"try it: {site.call('broker', memory, RUN=1)}")
    print(f"keep it running: sudo systemctl enable --now {unit}")


_ABSENT = "mosquitto is not installed here; only the service needs it: sudo apt install mosquitto"


# ---- run


def serve(args, site: Site, made: Made) -> int:
    """Prove the broker, and run it until Ctrl-C."""
    program = server.program()
    listeners = Listeners(
        args.listen or LOOPBACK, made.memory.port, made.memory.local, made.memory.plain
    )
    if server.running(site.folder):
        raise CommandError(f"a broker runs in {site.folder} already: end it first")
    for (address, port), name in zip(listeners.each(), ("PORT", "LOCAL"), strict=True):
        if server.in_use(address, port):
            raise CommandError(
                f"port {port} is in use: another broker runs here (sudo systemctl stop mosquitto, if it is Debian's); "
                f"or give another {name}="
            )
    print(f"mosquitto {server.dotted(server.version(program) or ())}; this broker proves itself:")
    node, place = next(
        iter(made.given.values()),
        (Account("proof", accounts.new_password()), Place("proof", made.base, fleet.PREFIX)),
    )
    other = next((name for name in made.given if name != place.node), place.node + "2")
    collector = made.roles["collector"]
    queue_mb = made.memory.queue_mb
    if not proof.prove(program, site.folder, queue_mb, proof.Cast(node, place, other, collector)):
        raise CommandError("the broker is not started: it does not keep what it promises", FAILED)
    text = settings.conf(listeners, queue_mb, made.bridge, server.as_root())
    site.put(site.folder / "run.conf", text)
    log = site.folder / "data" / "mosquitto.log"
    if log.exists() and log.stat().st_size > _LONG_LOG:
        log.replace(log.with_suffix(".log.1"))
    with server.Server(program, site.folder, "run.conf", log) as broker:
        where = ", ".join(f"{address}:{port}" for address, port in listeners.each())
        print(f"it runs: {where}; what it says: {log}; Ctrl-C ends it", flush=True)
        deadline = time.monotonic() + args.seconds if args.seconds is not None else None
        while broker.alive and (deadline is None or time.monotonic() < deadline):
            time.sleep(0.1)
        if not broker.alive:
            raise CommandError(f"mosquitto has ended: {log} may say why")
    return 0
