"""Put the firmware and a node's settings on a board; what is there already is not written again.

The firmware comes as one image in a slot (`slots.py`): what it replaces stays until the node was online, and the board goes back to it by itself.
With `--loose` it comes as files (`boardfiles.py`). The board is reset, and the command waits until the node says that a broker accepted it. Several boards at once: `several.py`.
"""

import argparse
import time

from tools import CommandError, Stopped, mpy, said
from tools.boards import boardfiles, online, ports, several, slots
from tools.boards.online import OFFLINE
from tools.boards.ports import LOST, UNSUITABLE
from tools.boards.serialboard import Link, LinkLost
from tools.image import image
from tools.models import MICROPYTHON, model_of, unknown_chip
from tools.numbers import patience
from tools.settings import heap, nodeconfig, usable
from tools.settings.judge import BAD_CONFIG

_ATTEMPTS = 5  # a board whose watchdog was armed goes away once, seldom twice

_IDENTIFY = """
import sys
try:
    import network
except ImportError:
    network = None
try:
    import machine
    _id = "".join("%02x" % b for b in machine.unique_id())
except (ImportError, AttributeError):
    _id = ""
_i = sys.implementation
_who = getattr(_i, "_machine", "a board")
print("@" + repr((_i.name, tuple(_i.version[:3]), _who, getattr(_i, "_mpy", 0) & 255, network is not None, _id)))
"""

# An ESP32's heap grows: what is free counts what it may yet grow by, which only with PSRAM are megabytes (MicroPython, py/gc.c).
_PSRAM = """
import gc
print("@" + repr(gc.mem_free() > 1000000))
"""


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"""{ports.EXIT_CODES}\
  {BAD_CONFIG}  the settings are missing or wrong
  {boardfiles.NO_SPACE}  not enough room on the board's flash
  {LOST}  the board went away in the middle: run it again, it goes on where it stopped
 {OFFLINE}  everything is on the board, but the node is not online
{several.EXIT_CODE}"""
    ports.add_port(parser, several=True)
    nodeconfig.add_arguments(parser)
    parser.add_argument(
        "--loose",
        action="store_true",
        help="copy loose files instead of one image: a developer's way, only what changed is sent (docs/deploy.md)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what would be done (the node is restarted all the same)",
    )
    parser.add_argument(
        "--wait",
        type=patience,
        default=60,
        metavar="SECONDS",
        help="for the node to be online (default: %(default)s; 0: do not wait)",
    )
    parser.add_argument(
        "--without-wifi",
        action="store_true",
        help="the board may have no Wi-Fi: its node keeps its readings",
    )


def run(args):
    if args.config and not args.config.exists():
        nodeconfig.read(args.config)  # says so, before a board is looked for
    choice = nodeconfig.Choice(args)
    found = ports.find_all(args.port)
    choice.serves(len(found))
    firmware = build()
    packed = None if args.loose else image.of(firmware)

    def work(port, line, stopped):
        with Link(port, stopped) as link:
            return deploy_to(link, line, firmware, packed, choice, args)

    return several.run(found, work)


def deploy_to(link, line, firmware, packed, choice, args):
    """Bring one board up to date. packed: the firmware's Image, None if it comes as files. Returns (name of its node, result in words)."""
    begun = time.monotonic()
    try:
        config, plan = bring(link, line, firmware, packed, choice, args)
    except BaseException as e:
        link.restart()  # the node goes on with what it has
        if isinstance(e, KeyboardInterrupt) and not link.stopped:
            line.say("\nstopped; the node restarts. Run it again to go on")
            raise Stopped from None
        raise
    name = (config.settings and config.settings["node"]["name"]) or "-"
    if args.dry_run:
        told = f"would copy {plan}, and remove {len(plan.removed)}"
        line.say(told)
        link.restart()
        return name, told
    told = "nothing to copy"
    if plan.copied or plan.removed:
        told = f"copied {plan}, in {time.monotonic() - begun:.0f} s"
    line.say(told)
    link.reset()
    if config.settings is None:
        if args.wait:
            line.say(online.wait_for_page(link, args.wait, line))
        else:
            line.say(said(f"restarted. What a phone has to join: make logs PORT={link.port}"))
    elif not online.says_so(config.settings):
        line.say(
            said(
                "restarted. With that log.level the node does not say when it is online: make watch"
            )
        )
    elif args.wait:
        try:
            topic = online.wait(link, args.wait, config.settings, line)
        except CommandError as e:
            if not plan.back:
                raise
            told = f"the image is on trial: if it is not online in ten minutes, {plan.back} runs again, with its own settings"
            raise CommandError(f"{e}\n{told}", e.code) from None
        see = online.how_to_watch(topic, config.settings, config.path)
        if plan.slot:
            end_trial(link, line, plan.slot)
        line.say(f"{topic} is online. See what it publishes: {see}")
        name, told = topic.rpartition("/")[2], f"online, {told}"
    return name, told


def build():
    """Compile the firmware. Returns {path on the board: bytes}."""
    return mpy.compiled()


def started(firmware):
    """What is beside an image: the files that MicroPython starts by their names."""
    return {path: firmware[path] for path in mpy.STARTED}


class Brought:
    """What all attempts together copied ({path: bytes sent}) and removed.

    slot: of an image whose node has to be online before what ran until now goes, or None; back: what runs again if it is not.
    """

    def __init__(self):
        self.copied = {}
        self.removed = {}
        self.slot = self.back = None

    def __str__(self):
        return f"{len(self.copied)} files, {sum(self.copied.values()):,} bytes"


def persist(link, line, work):
    """Call work() with the raw REPL open, again when the board went away meanwhile: it goes on where it stopped."""
    for attempt in range(_ATTEMPTS):
        try:
            link.enter()
            return work()
        except LinkLost as e:
            if attempt == _ATTEMPTS - 1 or not link.awaited():
                raise LinkLost(f"{e}: run it again, it goes on where it stopped") from None
            line.say("the board does not answer (a restart, by its watchdog?): going on")


def bring(link, line, firmware, packed, choice, args):
    """Make the board hold what is wanted. Returns (its NodeConfig, Brought)."""
    brought = Brought()

    def work():
        model, board_id = identify(link, line, firmware, args.without_wifi)
        config = choice.for_board(link, model, board_id)
        line.say(f"settings: {config.title}")
        if config.files:
            for warning in usable.warnings(config.settings, choice.common.parent):
                line.say(f"warning: {warning}")
        short = model and config.settings and heap.warning(config.settings, model)
        if short and not link.answer(_PSRAM):
            line.say(f"warning: {short}")
        if packed:
            offline = config.settings is None or args.without_wifi  # nobody would end a trial
            install(
                link,
                line,
                packed,
                started(firmware) | config.files,
                brought,
                offline,
                args.dry_run,
            )
        else:
            update(link, line, firmware | config.files, brought, args.dry_run)
        return config

    return persist(link, line, work), brought


def update(link, line, wanted, brought, dry_run=False):
    """Copy the files that differ, and let them run."""
    line.doing("looking at what is there")
    plan = _look(link, line, wanted, brought, dry_run)
    if not dry_run:
        slots.use_files(link, plan, line)


def install(link, line, packed, rest, brought, without_trial, dry_run=False):
    """Bring an Image into a slot, and the files beside it: {path: bytes}. Then boot.py starts it, on trial if it can."""
    line.doing("looking at what is there")
    link.load(boardfiles.ON_BOARD)
    plan = slots.Plan(slots.Board(link), packed)
    line.say(f"image: {plan.title}")
    if not plan.there:
        if dry_run:
            brought.copied[plan.slot] = len(packed.data)
            line.say(f"  would write   {plan.slot}")
        elif not plan.has_room():
            plan.make_room(line)
    files = _look(link, line, rest, brought, dry_run, boardfiles.OWN if plan.proven else ())
    if dry_run:
        if plan.there and not plan.proven:
            line.say(f"  would start   {plan.slot}")
        if plan.runs == slots.LOOSE:
            line.say("  would remove  the loose files, once the node was online")
        return
    sent = plan.write(line)
    if sent:
        brought.copied[plan.slot] = brought.copied.get(plan.slot, 0) + sent
    plan.keep_before(files.changed)
    if files:
        boardfiles.install(link, files, line)
    tried = plan.choose(without_trial)
    if tried or plan.runs == slots.LOOSE:
        brought.slot = plan.slot
    if tried:
        brought.back = plan.runs
        line.say(f"  on trial until the node is online; else {plan.runs} runs again")


def _look(link, line, wanted, brought, dry_run, own=boardfiles.OWN):
    plan = boardfiles.look(link, wanted, own)
    brought.copied |= {path: len(wanted[path]) for path in plan.changed}
    brought.removed |= dict.fromkeys(plan.removed)
    if dry_run:
        for path in plan.changed:
            line.say(f"  would copy    {path}")
        for path in plan.removed + plan.emptied:
            line.say(f"  would remove  {path}")
    return plan


def end_trial(link, line, slot):
    """A node is online: see that it is the one in that slot, and remove the files that ran before it. CommandError: it is the one before."""

    def work():
        link.load(boardfiles.ON_BOARD)
        slots.Board(link).confirm(slot)
        plan = boardfiles.look(link, {})
        if plan:
            line.say("the files that ran before are not needed any more")
            boardfiles.install(link, plan, line)

    try:
        persist(link, line, work)
    finally:
        link.restart()


def identify(link, line, firmware, without_wifi=False):
    """Say what the board is, and refuse what Outpost cannot run on. Returns (model or None, the board's id)."""
    name, version, machine, mpy_version, radio, board_id = link.answer(_IDENTIFY)
    release, oldest = (
        ".".join(str(number) for number in numbers) for numbers in (version, MICROPYTHON)
    )
    port = "" if line.begins else f"{link.port}: "
    line.say(f"{port}{machine}, {name} {release}, id {board_id}")
    ours = next((data[1] for path, data in firmware.items() if path.endswith(".mpy")), mpy_version)
    model = model_of(machine)
    chip = machine.rpartition(" with ")[2]
    if chip.startswith("ESP") and not model:
        raise CommandError(unknown_chip(chip), UNSUITABLE)
    wrong = None
    if name != "micropython":
        wrong = f"the board runs {name}, Outpost needs MicroPython"
    elif version < MICROPYTHON:
        wrong = f"the board's MicroPython is {release}, Outpost needs {oldest} or newer"
    elif mpy_version != ours:
        wrong = (
            f"the board loads .mpy files of version {mpy_version}, mpy-cross makes version {ours}"
        )
    elif not radio and not without_wifi:
        wrong = "the board's MicroPython has no Wi-Fi" + (
            f" (that of a Pico without W: if this is a Pico W, flash {model}'s)"
            if machine.startswith("Raspberry Pi Pico")
            else ""
        )
    if wrong:
        raise CommandError(
            f"{wrong}: make flash PORT={link.port}" + (f" BOARD={model}" if model else ""),
            UNSUITABLE,
        )
    return model, board_id
