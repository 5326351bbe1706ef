"""`make run`: the node on a simulated board, a real broker, a time server, and what a real subscriber receives.

Everything is on loopback, and its files are in `.sim/<board>`: the board's flash (`state/` stays from run to run, as on
a board, but for the last crash), its console, the broker's files.
"""

import json
import re
import secrets
import shutil
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from sim.alone import alone, short
from sim.broker import Broker
from sim.ntp import TimeServer
from sim.simboard import BOARDS, SimBoard, serial
from tools import ROOT, CommandError, mpy, pins, said
from tools.image import image
from tools.numbers import seconds, whole
from tools.settings import heap
from tools.settings.judge import BadConfig, check, judge, parse_file
from tools.settings.judge import node as node_code
from tools.simulate import inbrowser, messages, scenarios, watch

USER = "outpost"
WIFI = {"ssid": "simulated", "key": "simulated"}
# A Pico W's first attempt to join fails mostly (pico-sdk#906); whoever looks at a first reading need not wait for the second.
JOINS = {"at_s": 0, "do": "switch", "first_join_fails": False}
PORTAL_S = 30  # a Pico looks for networks for ten of them first
INTERVAL_S = 5  # a reading every minute, the example's, would be dull to watch
# But a rain gauge tips every few minutes: within 5 s it rains 0 mm/h, or 200.
PATIENT = ("pulse",)
HEALTH_S = 15
SLOTS = ("loose", "file", "rom")
NOT_ONLINE = -1  # what follow() returns when the time is over and the node never was
# As a Pico W has. In 160 KB the example's eight sensors had 4 to spare: now and then Home Assistant was not told of them.
HEAP_KB = round(heap.ROOM["pico_w"] / 1024)
_NOT_UNDERSTOOD = b"stand: not understood:"  # sim/board/stand.py


def add_arguments(parser):
    parser.add_argument(
        "--board", choices=BOARDS, default="esp32", help="which board (%(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="where its files are (.sim/<board>)")
    parser.add_argument("--seconds", type=seconds, help="stop after so long (else Ctrl-C does)")
    parser.add_argument(
        "--config",
        type=Path,
        help="a config.json whose sensors and outputs the node has (else the example's); network and broker are the simulated ones",
    )
    parser.add_argument(
        "--scenario", type=Path, help="JSON file of what happens to the board, and when"
    )
    parser.add_argument(
        "--slot",
        choices=SLOTS,
        default="file",  # as `make deploy` leaves a board with an official MicroPython
        help="what the node runs: an image that is a file; one in a ROMFS partition, in place; loose files (%(default)s)",
    )
    parser.add_argument(
        "--portal",
        action="store_true",
        help="the node has no settings yet: it opens its page for a phone, here for a browser",
    )
    parser.add_argument(
        "--heap",
        type=whole(96, 16384),
        default=HEAP_KB,
        metavar="KB",
        help="of RAM the node has (%(default)s, as a Pico W)",
    )
    parser.add_argument(
        "--no-psram",
        action="store_true",
        help="an ESP32 without PSRAM: its Python heap grows out of the RAM that Wi-Fi and connections need",
    )
    parser.add_argument(
        "--no-page", action="store_true", help="do not show the node in a browser, too"
    )
    messages.add_argument(parser)


def run(args):
    if args.no_psram and not args.board.startswith("esp"):
        raise CommandError(said("NOPSRAM=1 is for an ESP32: no Pico has PSRAM"))
    folder = (args.folder or ROOT / ".sim" / args.board).resolve()
    if args.config:
        _check(args.config, args.board)
    raw = parse_file(args.config or ROOT / "config.json.example")
    events = _events(args, raw) if args.scenario else []
    with ExitStack() as stack:
        stack.enter_context(alone(folder, "give another with FOLDER="))
        password = secrets.token_hex(8)
        broker = stack.enter_context(Broker(folder / "broker", users={USER: password}))
        clock = stack.enter_context(TimeServer())
        settings = node_settings(args.board, broker, password, clock, args.config)
        if args.folder and not args.config:  # it runs beside another, perhaps
            settings["node"]["name"] += "-" + serial(folder / "flash")
        account = settings["mqtt"]["brokers"][0] | {"tls": None}
        # What the phone's page saves has another name, perhaps, and no base.
        node = {} if args.portal else settings["node"]
        base = node.get("base", "outpost")
        topics = f"{base}/#"
        raw = messages.wanted_raw(args)
        page = None
        if not (raw or args.portal or args.no_page):
            page = stack.enter_context(inbrowser.page(folder, account, base))
        rom = make_flash(folder / "flash", settings, args.slot)
        forget_crashes(folder / "flash")
        scarce = not args.portal and _scarce(args, settings)
        if scarce:
            print("warning: " + said(scarce))
        if args.portal:
            forget_settings(folder / "flash")
            events = [{"at_s": 0, "do": "access_point", **WIFI}, *_wired(args.board)]
        log = folder / "console.log"
        log.unlink(missing_ok=True)
        called = f"{node['name']}, " if node else ""
        print(f"broker   {broker.host}:{broker.port}, a mosquitto; its log: {short(broker.log)}")
        print(f"node     {called}a simulated board; its console: {short(log)}")
        print(f"         its flash: {short(folder / 'flash')}")
        if page:
            print(said(f"page     {page()}"))
        here = "" if raw else said(" (RAW=1 shows the same here)")
        print(f"\nTo subscribe by hand{here}:\n\n  {watch.by_hand(account, topics)}\n", flush=True)
        form = messages.AS_THEY_ARE if raw else messages.TO_BE_SHOWN
        subscriber = stack.enter_context(
            watch.subscriber(account, topics, form=form, **watch.PIPE)
        )
        shown = messages.Messages(base, node.get("name"), settings.get("sensors", ()))
        seen = Seen(subscriber, base, as_it_is if raw else shown.show)
        board = stack.enter_context(_board(args, folder, events, log, rom))
        if args.portal:
            print(by_phone(board, broker, password), flush=True)
        code = follow(board, Console(log), seen, args.seconds)
        if code != NOT_ONLINE:
            return code
        return not_online(folder / "flash", args, log)


def _board(args, folder, events, log, rom):
    heap = f"{args.heap}k"
    scenario = [JOINS, *events]
    board = SimBoard(folder / "flash", args.board, heap, scenario=scenario, log=log, rom=rom)
    if args.no_psram:
        board.without_psram()
    return board


def _scarce(args, settings):
    """Say what the node may run out of; None: nothing. What is estimated is loose files."""
    settings = judge(settings, args.board)[0]
    if not args.no_psram:
        return heap.short(settings, args.heap)
    return heap.warning(settings, args.board) if args.slot != "rom" else None


def _wired(board):
    """The events that put sensors on the usual pins of a board without settings, for the page to find."""
    where = {
        "bme280": pins.usual(board, "bme280", "i2c") | {"address": "0x76"},
        "ds18b20": pins.usual(board, "ds18b20", "onewire") | {"address": "28ff641e0f160390"},
    }
    return [
        {"at_s": 0, "do": "wire", "name": kind, "type": kind, **at} for kind, at in where.items()
    ]


def _events(args, raw):
    return scenarios.read(args.scenario, raw.get("sensors", []), args.board, WIFI["ssid"])


def _check(path, board):
    _, faults = check(path, board)
    if faults:
        raise BadConfig(path, faults)


def node_settings(board, broker, password, clock, config=None):
    """config.json.example, or the file config, with what a user would fill in to be on the simulated network."""
    settings = parse_file(config or ROOT / "config.json.example")
    settings["wifi"] = {"networks": [{"ssid": WIFI["ssid"], "password": WIFI["key"]}]}
    settings.setdefault("mqtt", {})["brokers"] = [
        {"host": broker.host, "port": broker.port, "user": USER, "password": password}
    ]
    settings["ntp"] = {"host": clock.host, "port": clock.port}
    node = settings.setdefault("node", {})
    if config:
        node["name"] = node.get("name") or "sim-" + board.replace("_", "-")
        return settings
    node["name"] = "sim-" + board.replace("_", "-")
    settings["publish"] = {"health_s": HEALTH_S}
    _, types = node_code()
    for sensor in settings["sensors"]:
        kind = sensor["type"]
        sensor.update(pins.usual(board, kind, types[kind][1]))
        if kind not in PATIENT:
            sensor["interval_s"] = INTERVAL_S
    return settings


def make_flash(flash, settings, slot=SLOTS[0]):
    """Put on a board's flash what it runs, and its settings; the node's own files stay. slot: one of SLOTS.

    Return the file that is its ROMFS partition, or None: it has none.
    """
    for name in (*mpy.PACKAGES, "slots"):
        shutil.rmtree(flash / name, ignore_errors=True)
    flash.mkdir(parents=True, exist_ok=True)
    state = flash / "state" / "slot"
    state.unlink(missing_ok=True)
    rom = None
    if slot == "loose":
        mpy.compile_tree(flash)
    else:
        made = image.build()
        for name in mpy.STARTED:
            shutil.copy(ROOT / name, flash / name)
        if slot == "rom":
            rom = flash.with_name("romfs")
            rom.write_bytes(image.partition(made))
        else:
            (flash / "slots").mkdir()
            (flash / "slots" / "a").write_bytes(made.data)
        state.parent.mkdir(exist_ok=True)
        state.write_text(json.dumps({"good": "rom0" if rom else "slots/a"}))
    (flash / "config.json").write_text(json.dumps(settings, indent=2))
    return rom


def forget_crashes(flash):
    """What an earlier run ended in is no news of this one: `info` would show it for ever, or as the cause of this start."""
    for name in ("crash.txt", "crashes", "reset"):
        (flash / "state" / name).unlink(missing_ok=True)


def forget_settings(flash):
    for name in ("config.json", "state/config.json"):
        (flash / name).unlink(missing_ok=True)


def by_phone(board, broker, password):
    """What a person enters on the page."""
    port = board.served(80, PORTAL_S)
    return (
        f"page     http://127.0.0.1:{port}/\n"
        f"         It is what a phone would show; enter what works here:\n"
        f"         Wi-Fi {WIFI['ssid']}, password {WIFI['key']}\n"
        f"         broker {broker.host}, port {broker.port}, user {USER}, password {password}\n"
    )


def as_it_is(line):
    print(line, end="", flush=True)


class Seen:
    """Shows what the subscriber prints, line by line, and knows whether the node was online: under whatever name, it is alone there."""

    def __init__(self, process, base, show):
        self.process = process
        self.show = show
        self._online = re.compile(rf"{re.escape(base)}/[^/]+/status[ \t]online")
        self.come = False
        self.fault = None  # what ended the showing, such as BrokenPipeError: no one reads any more
        self.thread = threading.Thread(target=self._copy, daemon=True)
        self.thread.start()

    def _copy(self):
        for line in self.process.stdout:
            try:
                self.show(line)
            except Exception as e:
                self.fault = e
                return
            self.come = self.come or bool(self._online.fullmatch(line.strip()))


class Console:
    """Finds in the board's console what its user should see: tracebacks, and events that could not happen."""

    def __init__(self, path):
        self.path = path
        self.read = 0

    def faults(self):
        """Yield the new ones, whole."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.read)
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:
            return
        found: list[bytes] = []
        for line in lines:
            if not line.endswith(b"\n"):
                return  # the rest of it next time
            if line.startswith(b"Traceback ") or found:
                found.append(line)
            self.read += 0 if found else len(line)
            if line.startswith(_NOT_UNDERSTOOD) and not found:
                yield line.decode(errors="replace")
            if len(found) > 1 and not line.startswith(b"  "):  # the exception's own line ends it
                self.read += sum(map(len, found))
                yield b"".join(found).decode(errors="replace")
                found = []


def follow(board, console, seen, seconds):
    """Watch until the time is over, Ctrl-C, or the node dies; the exit code, or NOT_ONLINE. What ended the showing is raised."""
    end = time.monotonic() + seconds if seconds else None
    try:
        while not end or time.monotonic() < end:
            time.sleep(0.1)
            if seen.fault:
                raise seen.fault
            for fault in console.faults():
                print(f"\nthe node's console shows:\n{fault}", file=sys.stderr, flush=True)
            if not board.alive:
                tail = "\n".join(board.output.splitlines()[-15:])
                print(f"\nthe node has ended; its console's last lines:\n{tail}", file=sys.stderr)
                return 1
            if seen.process.poll() is not None:
                print("\nthe subscriber has ended", file=sys.stderr)
                return 1
    except KeyboardInterrupt:
        print()
        return 0
    return 0 if seen.come else NOT_ONLINE


def not_online(flash, args, log):
    """Say why no reading was seen. Returns the exit code: a page that nobody used is no failure."""
    if args.portal and not (flash / "config.json").exists():
        print(
            f"\nthe page was open for {args.seconds:g} s, and nobody entered settings on it. "
            + said("Without SECONDS= it stays open until Ctrl-C")
        )
        return 0
    print(
        f"\nthe node was not online in {args.seconds:g} s; a start takes some 5: "
        + said(f"give it more with SECONDS=, or see {short(log)}"),
        file=sys.stderr,
    )
    return 1
