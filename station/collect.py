"""`make collect`: stores every reading of the nodes, until Ctrl-C."""

import signal
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from station import access, metrics
from station.collector import Collector
from station.progress import Progress
from station.session import Lost, Refused, Session, TakenOver
from station.store.contract import Away, Damaged
from station.store.opening import BESIDE, open_store
from tools import CommandError, shell
from tools.numbers import whole

_BACK_OFF_S = 30
_QUIET_S = 3  # then a worker that retires has got what was reserved for it
REFUSED, TAKEN, DAMAGED = 3, 4, 5  # exit codes


def add_arguments(parser):
    access.add_arguments(parser)
    parser.add_argument(
        "--store",
        default="readings.sqlite",
        help="SQLite file, made if needed (%(default)s), postgresql://user@host/database, or http://host:port/?db=name",
    )
    parser.add_argument(
        "--beside",
        default=BESIDE,
        help="SQLite file for what a store of http:// cannot hold (%(default)s)",
    )
    parser.add_argument(
        "--id",
        help="MQTT client id, one for each collector; by default one that was drawn for the store",
    )
    parser.add_argument(
        "--metrics",
        type=whole(1, 65535),
        metavar="PORT",
        help=f"serve numbers for Prometheus at http://{metrics.HOST}:PORT/metrics",
    )
    parser.add_argument(
        "--worker",
        type=whole(1, 999),
        metavar="NUMBER",
        help="one of several collectors that share the readings of one store, each with a number of its own",
    )
    parser.add_argument(
        "--retire",
        action="store_true",
        help="have the broker forget this collector, and the readings that wait for it, and end; a WORKER= stores those first",
    )
    parser.epilog = (
        "Exit code: 0 ended by Ctrl-C or SIGTERM, all that was acknowledged is stored; 1 it cannot begin; 2 wrong options;"
        f" {REFUSED} the broker refuses the account; {TAKEN} another client took over the client id;"
        f" {DAMAGED} the store is damaged. An outage of the broker or the store ends nothing: it is told, and tried again."
    )


def run(args):
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        base, brokers = access.chosen(args, home)
        store = stack.enter_context(closing(_opened(args, base)))
        client_id, group = _identity(args, store)
        numbers = metrics.Numbers()
        sessions = [Session(each, base, client_id, group, leaving=args.retire) for each in brokers]
        if args.retire and not group:
            return _retire(sessions, store)
        progress = Progress(numbers, lambda: collectors[0].latest)
        # One that retires has to be at each broker; else one is enough.
        collectors = [
            Collector(each, store, base, progress.tell, numbers)
            for each in ([[session] for session in sessions] if args.retire else [sessions])
        ]
        if args.metrics:
            stack.enter_context(closing(_Server(args.metrics, numbers)))
        progress.tell(
            f"readings below {base}/ go to {store.place}, as client {client_id}; Ctrl-C ends it"
        )
        for limit in store.limits:
            progress.tell(f"warning: {limit}")
        for collector in collectors:
            stop = _Stop(progress.step, _quiet(numbers) if args.retire else None)
            with stop:
                _collect(collector, stop)
            if stop.asked:
                break
        progress.end()
        if args.retire and not stop.asked:
            return _retire(sessions, store)
    return 0


def _identity(args, store):
    """Return (client id, group of $share or None)."""
    name = args.id or store.client_id
    if args.worker is None:
        return name, None
    if not store.several:
        raise CommandError(
            "WORKER= needs a store that several collectors may write at once: give STORE=postgresql://…"
        )
    return f"{name}-{args.worker}", name


def _quiet(numbers):
    """Return a function: has nothing come for some seconds of a connection?"""
    seen, since = -1, 0.0

    def over():
        nonlocal seen, since
        if numbers.messages != seen or not numbers.connected or numbers.waiting:
            seen, since = numbers.messages, time.monotonic()
        return time.monotonic() - since > _QUIET_S

    return over


def _opened(args, base):
    """Open the store. One that is away, as a database is that starts with the machine, is waited for."""
    wait_s = 1
    while True:
        try:
            return open_store(args.store, base, args.beside)
        except Away as e:
            shell.say(f"{e}; tried again in {wait_s} s")
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _BACK_OFF_S)


def _collect(collector, stopping):
    place = collector.session.place
    try:
        collector.run(stopping)
    except Refused as e:
        raise CommandError(f"{place}: {e}", REFUSED) from None
    except TakenOver as e:
        raise CommandError(
            f"{e}: it gets the readings from now on. One id is for one collector: give each an ID= of its own",
            TAKEN,
        ) from None
    except Damaged as e:
        raise CommandError(f"{e}. Nothing that it lacks was acknowledged", DAMAGED) from None


def _retire(sessions, store):
    for session in sessions:
        try:
            session.retire()
        except Lost as e:
            raise CommandError(f"{session.place}: {e}", REFUSED) from None
        store.remember(session.key, "")
        print(f"{session.place} keeps nothing more for {session.client_id}")
    return 0


class _Server:
    def __init__(self, port, numbers):
        self._server = metrics.serve(port, numbers.text)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class _Stop:
    """Ctrl-C and a plain kill end the collecting, not the process: what is here is stored first. A second one ends all."""

    def __init__(self, step, over=None):
        """over(): is there nothing more to do?"""
        self._step, self._over = step, over
        self.asked = False
        self._before = {}

    def __call__(self):
        self._step()
        return self.asked or (self._over is not None and self._over())

    def __enter__(self):
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):  # Windows has no SIGHUP
                number = getattr(signal, name)
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *exception):
        self._restore()

    def _ask(self, number, frame):
        self.asked = True
        self._restore()

    def _restore(self):
        while self._before:
            signal.signal(*self._before.popitem())
