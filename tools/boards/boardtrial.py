"""Settings tried on the board before they are kept: what its radio sees, what its Wi-Fi and broker say (`firmware/provisioning/trial.py`).

The candidate is a file of its own beside config.json, which stays as it is until `keep`.
"""

import ast
import re

from tools.boards import slots
from tools.boards.online import masked
from tools.settings.nodeconfig import ON_BOARD

CANDIDATE = ON_BOARD + ".new"  # were it left over, `deploy` would remove it

FORGET = f"import os\ntry:\n    os.remove({CANDIDATE!r})\nexcept OSError:\n    pass\n"

_JOIN_S, _BROKER_S, _REST_S = 70, 45, 60  # at most: a network, a broker, the clock and all else

_INFO = re.compile(r"\d+ info ")  # lines of the node's log that say what the trial says, too

_SCAN = """
import network, time
def _scan():
    w = network.WLAN(network.STA_IF)
    w.active(True)
    try:
        network.WLAN(network.AP_IF).active(False)
        w.disconnect()
    except OSError:
        pass
    time.sleep_ms(300)
    for n in w.scan()[:40]:
        print("@" + repr((bytes(n[0]), n[3], n[4] != 0)))
"""
_NAME = """
from firmware.hardware.board import Board
print("@" + repr(Board().name))
"""
_VERSION = """
try:
    from firmware import VERSION
except ImportError:
    VERSION = None
print("@" + repr(VERSION))
"""
_STAGE = """
from binascii import a2b_base64
_file = open(%r, "wb")
_write = _file.write
def _put(data):
    _write(a2b_base64(data))
"""
_TRY = """
import gc, network, time
gc.threshold(8192)
def _try(path):
    from firmware.settings import config
    from firmware import sensors
    from firmware.hardware.board import Board
    board = Board()
    settings, _, faults = config.load(path, path, sensors.TYPES, board.model)
    config.drop()
    sensors.drop()
    for fault in faults:
        print("@" + repr(("fault", fault)))
    if settings is None:
        return
    settings.pop("sensors")
    # boot.py has begun to join with the settings that are to be replaced, perhaps with a fixed address; without any, main.py
    # has opened an access point. All that outlives a soft reset.
    board.radio.joining = None
    try:
        network.WLAN(network.AP_IF).active(False)
        board.radio.leave()
        network.WLAN(network.STA_IF).ipconfig(dhcp4=True)
    except OSError:
        pass
    from firmware.provisioning.trial import Trial
    trial = Trial(board, settings)
    told = []
    more = True
    while more:
        more = trial.step(time.ticks_ms())
        if len(trial.done) + len(trial.missed) > len(told):
            for kind, lines in (("done", trial.done), ("missed", trial.missed)):
                for line in lines:
                    if (kind, line) not in told:
                        told.append((kind, line))
                        print("@" + repr((kind, line)))
        time.sleep_ms(20)
    print("@" + repr(("fault", trial.fault) if trial.fault else ("end", "")))
"""


def scan(link):
    """The networks the board sees, strongest first: [(ssid, dBm, whether it has a password)]. The raw REPL is open."""
    link.run(_SCAN)
    best: dict[str, tuple[str, int, bool]] = {}
    for name, rssi, secured in link.answers("_scan()", timeout=25, most=8000):
        ssid = name.decode(errors="replace")
        if ssid.strip("\0") and (ssid not in best or best[ssid][1] < rssi):
            best[ssid] = (ssid, rssi, secured)
    return sorted(best.values(), key=lambda network: -network[1])


def hardware_name(link):
    """The name a node without one gives itself; the firmware is on the board."""
    return link.answer(_NAME)


def version(link):
    """Version of the firmware on the board, None if there is none."""
    return link.answer(_VERSION)


def stage(link, data):
    """Put a candidate beside config.json."""
    link.run(_STAGE % CANDIDATE)
    link.send("_put", data)
    link.run("_file.close()")


def run(link, settings, line):
    """Try the candidate. Return what failed, in a sentence, or None. Print what worked as it happens."""
    networks, brokers = settings["wifi"]["networks"], settings["mqtt"]["brokers"]
    most = _JOIN_S * len(networks) + _BROKER_S * len(brokers) + _REST_S
    line.doing("trying Wi-Fi and broker")
    link.run(_TRY)
    fault = None
    for said in link.stream(f"_try({CANDIDATE!r})", most):
        kind, text = _sentence(said)
        text = masked(text, settings)
        if kind == "fault":
            fault = f"{fault}; {text}" if fault else text
        elif kind == "missed":
            line.say(f"  not: {text}")
        elif kind == "done":
            line.say(f"  good: {text}")
        elif text and not _INFO.match(text):
            line.say(f"    {text}")
    line.doing("")
    return fault


def keep(link):
    """Make the candidate the node's config, in one step. What it was before an image's trial is not to come back."""
    link.run(f"import os\nos.rename({CANDIDATE!r}, {ON_BOARD!r})")
    link.run(f"try:\n    os.remove({slots.BEFORE[ON_BOARD]!r})\nexcept OSError:\n    pass")


def forget(link):
    """Remove the candidate: it holds passwords."""
    link.run(FORGET)


def _sentence(line):
    """(kind, text) of a line the trial prints; others are the node's log."""
    if line.startswith("@("):
        try:
            kind, text = ast.literal_eval(line[1:])
            return kind, text
        except (ValueError, SyntaxError):
            pass
    return "", line
