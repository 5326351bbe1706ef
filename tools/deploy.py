"""Put the firmware and config.json on a board; what is there already is not written again (see `boardfiles.py`).

Then the board is reset, and the command waits until the node says that a broker accepted it.
"""

import argparse
import re
import sys
import tempfile
import time
from collections import deque
from pathlib import Path, PurePosixPath

from tools import ROOT, CommandError, boardfiles, check_config, mpy, ports
from tools.boards import MICROPYTHON, model_of
from tools.ports import LOST, UNSUITABLE
from tools.serialboard import Link, LinkLost

BAD_CONFIG, OFFLINE = 7, 10  # exit codes, beside those of serialboard and boardfiles

# The node logs it when the broker has acknowledged what introduces the node.
ONLINE = re.compile(r"(\S+)/status online\b")

_ATTEMPTS = 5  # a board whose watchdog was armed goes away once, seldom twice
_LAST_LINES = 15

_IDENTIFY = """
import sys
try:
    import network
except ImportError:
    network = None
_i = sys.implementation
_who = getattr(_i, "_machine", "a board")
print("@" + repr((_i.name, tuple(_i.version[:3]), _who, getattr(_i, "_mpy", 0) & 255, network is not None)))
"""


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"""{ports.EXIT_CODES}\
  {BAD_CONFIG}  config.json missing or wrong
  {boardfiles.NO_SPACE}  not enough room on the board's flash
  {LOST}  the board went away in the middle: run it again, it goes on where it stopped
 {OFFLINE}  everything is on the board, but the node is not online
"""
    ports.add_port(parser)
    parser.add_argument(
        "--config",
        default="config.json",
        type=Path,
        help="the node's settings (default: %(default)s)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what would be done (the node is restarted all the same)",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=60,
        metavar="SECONDS",
        help="for the node to be online (default: %(default)s; 0: do not wait)",
    )


def run(args):
    begun = time.monotonic()
    settings = read_config(args.config)  # before a running node is disturbed
    port = ports.find(args.port)
    wanted = build() | configuration(args.config, settings)
    for warning in check_config.warnings(settings, args.config.parent):
        print(f"warning: {warning}")
    with Link(port) as link:
        try:
            copied, removed = _bring(link, wanted, args)
        except BaseException as e:
            link.restart()  # the node goes on with what it has
            if isinstance(e, KeyboardInterrupt):
                print("\nstopped; the node restarts. Run it again to go on", file=sys.stderr)
            raise
        size = f"{len(copied)} files, {sum(len(wanted[path]) for path in copied):,} bytes"
        if args.dry_run:
            print(f"would copy {size}, and remove {len(removed)}")
            link.restart()
            return 0
        print(
            f"copied {size}, in {time.monotonic() - begun:.0f} s"
            if copied or removed
            else "nothing to copy"
        )
        link.reset()
        if settings["log"]["level"] in ("warning", "error"):
            print(
                "restarted. With that log.level the node does not say when it is online: make watch"
            )
        elif args.wait:
            _wait_online(link, args.wait, settings)
    return 0


# ---- what belongs on the board


def build():
    """Compile the firmware. Returns {path on the board: bytes}."""
    (ROOT / ".build").mkdir(exist_ok=True)
    # a folder of its own: several boards may be brought up to date at once
    with tempfile.TemporaryDirectory(prefix="device-", dir=ROOT / ".build") as name:
        folder = Path(name)
        mpy.compile_tree(folder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def read_config(path, model=None):
    """The settings of a config file with every default, checked for that board model if it is known."""
    if not path.exists():
        raise CommandError(
            f"there is no {path}: cp config.json.example config.json, "
            "then edit wifi.networks, mqtt.brokers and sensors in it",
            BAD_CONFIG,
        )
    settings, faults = check_config.check(path, model)
    if faults:
        raise _unusable(path, faults)
    return settings


def _unusable(path, faults):
    return CommandError(
        f"{path} cannot be used:\n" + "\n".join("  " + fault for fault in faults), BAD_CONFIG
    )


def configuration(path, settings):
    """config.json and the files it names, which are beside it. Returns {path on the board: bytes}."""
    files, faults = {}, []
    for setting, name in of_kind("path", settings):
        place = PurePosixPath(name.lstrip("/"))
        source = path.parent / place
        if ".." in place.parts or place.parts[0] in boardfiles.OWN or str(place) in mpy.STARTED:
            faults.append(
                f"{setting}: is no place for a file of yours, give one such as certs/ca.der"
            )
        elif not source.is_file():
            faults.append(f"{setting}: there is no {place} beside {path.name}, put it there")
        else:
            files[str(place)] = source.read_bytes()
    if faults:
        raise _unusable(path, faults)
    files["config.json"] = path.read_bytes()
    return files


def of_kind(wanted, settings):
    """(setting, value) of each setting of that kind which is not empty."""
    from firmware.settings import SETTINGS

    def walk(rows, values, path):
        for key, kind, _, limit, _ in rows:
            value = values.get(key)
            if kind == wanted and value:
                yield path + key, value
            elif kind == "object" and value:
                yield from walk(limit, value, f"{path}{key}.")
            elif kind == "list":
                for number, item in enumerate(value):
                    yield from walk(limit[2], item, f"{path}{key}[{number}].")

    return walk(SETTINGS, settings, "")


# ---- onto the board


def _bring(link, wanted, args):
    """Make the board hold what is wanted. Returns (paths copied, paths removed), those of all attempts together."""
    copied, removed = {}, {}
    for attempt in range(_ATTEMPTS):
        try:
            link.enter()
            model = _identify(link, wanted)
            read_config(args.config, model)
            plan = boardfiles.look(link, wanted)
            copied |= dict.fromkeys(plan.changed)
            removed |= dict.fromkeys(plan.removed)
            if args.dry_run:
                _tell(plan)
            elif plan:
                boardfiles.install(link, plan)
            return list(copied), list(removed)
        except LinkLost as e:
            if attempt == _ATTEMPTS - 1 or not link.awaited():
                raise LinkLost(f"{e}: run it again, it goes on where it stopped") from None
            print("the board does not answer (a restart, by its watchdog?): going on")


def _identify(link, wanted):
    """Say what the board is, and refuse what Outpost cannot run on. Returns its model, None if that is not known."""
    name, version, machine, mpy_version, radio = link.answer(_IDENTIFY)
    release, oldest = (
        ".".join(str(number) for number in numbers) for numbers in (version, MICROPYTHON)
    )
    print(f"{link.port}: {machine}, {name} {release}")
    ours = next((data[1] for path, data in wanted.items() if path.endswith(".mpy")), mpy_version)
    wrong = None
    if name != "micropython":
        wrong = f"the board runs {name}, Outpost needs MicroPython"
    elif version < MICROPYTHON:
        wrong = f"the board's MicroPython is {release}, Outpost needs {oldest} or newer"
    elif mpy_version != ours:
        wrong = (
            f"the board loads .mpy files of version {mpy_version}, mpy-cross makes version {ours}"
        )
    elif not radio:
        wrong = "the board's MicroPython has no Wi-Fi (it is that of a Pico without W?)"
    model = model_of(machine)
    if wrong:
        raise CommandError(
            f"{wrong}: make flash PORT={link.port}" + (f" BOARD={model}" if model else ""),
            UNSUITABLE,
        )
    return model


def _tell(plan):
    for path in plan.changed:
        print(f"  would copy    {path}")
    for path in plan.removed + plan.emptied:
        print(f"  would remove  {path}")


# ---- is it online?


def _wait_online(link, seconds, settings):
    """Read along until a broker has accepted the node."""
    print(f"restarted, waiting for the node to be online (at most {seconds:.0f} s)", flush=True)
    last = deque(maxlen=_LAST_LINES)
    secrets = [value for _, value in of_kind("secret", settings)]
    stopped = False
    try:
        for line in link.lines(seconds):
            found = ONLINE.search(line)
            if found:
                return _say_where(found[1], settings)
            if line:
                for secret in secrets:  # the node logs none; its crash, or another program, might
                    line = line.replace(secret, "***")  # noqa: PLW2901
                last.append(line)
            stopped = line.startswith(">>> ")
            if stopped:
                break
    except LinkLost as e:
        raise LinkLost(f"everything was copied, but {e}") from None
    raise CommandError(_why_offline(last, seconds, stopped, settings), OFFLINE)


def _say_where(topic, settings):
    broker = settings["mqtt"]["brokers"][0]
    words = ["mosquitto_sub", "-h", broker["host"], "-p", str(broker["port"])]
    if broker["user"]:
        words += ["-u", broker["user"], "-P", "…"]
    if broker["tls"]:
        words += ["--cafile", broker["tls"]["ca"]]
    print(f"{topic} is online. See what it publishes: make watch")
    print(f"or: {' '.join(words)} -v -t '{topic}/#'")


def _why_offline(last, seconds, stopped, settings):
    said = "\n".join("    " + line for line in last) or "    (nothing)"
    if stopped:
        return f"everything was copied, but the node stopped. The board's last lines:\n{said}"
    networks = ", ".join(network["ssid"] for network in settings["wifi"]["networks"])
    brokers = ", ".join(
        f"{broker['host']}:{broker['port']}" for broker in settings["mqtt"]["brokers"]
    )
    return f"""everything was copied, but the node is not online after {seconds:.0f} s. Its last lines:
{said}
check  wifi.networks ({networks}): name and password right? a 2.4 GHz network?
       mqtt.brokers ({brokers}): can the board reach it ("localhost" would be the board itself)?
       user and password accepted? the broker's log tells
and see more with `make logs`"""
