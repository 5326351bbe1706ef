"""From power-on to a running node: settings first, while the heap is empty, then the application.

The tables and checks of the settings take a third of a Pico's heap while they are needed: once for each config.json (settings/checked.py).
"""

import gc
import sys
import time

from micropython import const

from firmware.files import IMAGE
from firmware.upkeep.log import reason

CONFIG = "config.json"
LAST_GOOD = "state/config.json"

# Collect after so many bytes rather than when nothing is left: garbage between what stays is what keeps a TLS handshake from
# finding the 17 KB in one piece that it needs.
_COLLECT_EVERY = const(8192)
_START_S = const(120)  # more than it takes until the watchdog can be armed


def _load_settings(board, safe):
    """Return (settings or None, the file they came from, faults of config.json or None: it was checked at an earlier start)."""
    from firmware import forget

    types = ()
    if not safe:
        from firmware.settings import checked

        settings = checked.load(CONFIG, LAST_GOOD, board.model)
        forget("settings", "checked")
        forget("", "settings")
        if settings:
            return settings, CONFIG, None
        from firmware.sensors.named import types
    from firmware.settings import config

    loaded = config.load(CONFIG, LAST_GOOD, types, board.model, safe)
    config.drop()  # tables, checks and help texts are only needed once
    forget("sensors", "named")
    return loaded


def _keep_good(settings, model, faults):
    """Keep good settings as the last good ones, and note that they need no check any more."""
    from firmware import forget

    if _is_on_trial():
        return  # should the image before come back, it has settings that it could use
    try:
        from firmware.settings.keeping import keep

        keep(settings, LAST_GOOD)
    except (OSError, MemoryError) as e:
        faults.append("%s: not kept as the last good one: %s" % (CONFIG, reason(e)))
    else:
        try:
            from firmware.settings import checked

            checked.note(settings, CONFIG, LAST_GOOD, model)
        except (OSError, MemoryError):
            pass  # then the next start checks them again
    forget("settings", "keeping", "checked")
    forget("", "settings")


def _is_on_trial():
    from firmware import forget
    from firmware.upkeep import slot

    found = "trial" in slot.state()
    forget("upkeep", "slot")
    return found


def _end_count():
    """The image has come through its start: boot.py need not look for another one."""
    from firmware import forget
    from firmware.upkeep import slot

    slot.end_count()
    forget("upkeep", "slot")


def _load_hardware(settings, board):
    """Return (channels, outputs). The outputs are safe from here on; a sensor is touched when it is first read."""
    from firmware import sensors

    outputs = ()
    if settings["outputs"]:
        from firmware.control.outputs import load

        outputs = [load(setting, board) for setting in settings["outputs"]]
    channels = [sensors.load(setting, board) for setting in settings.pop("sensors")]
    sensors.drop()
    return channels, outputs


def _is_held(board, settings):
    """Was the node switched on with its button held? A reset, such as the page's own, does not count."""
    pin, level = settings["button"], settings["level"]
    if pin is None or board.reset_cause() != "power on":
        return False
    button = board.input(pin, "down" if level else "up")
    time.sleep_ms(10)  # until the line has settled
    return button.value() == level


def _count_crashes(board):
    """Return why the board started, how many starts in a row were crashes, and whether they are too many: then there are no sensors."""
    from firmware import forget
    from firmware.upkeep import cause, safemode

    why = cause.find(board)
    crashes = safemode.crashes(why)
    safe = safemode.is_on(crashes)
    forget("upkeep", "cause", "safemode")
    return why, crashes, safe


def _give_back(board):
    """An image on trial that cannot use the settings is over: the one before could."""
    from firmware.upkeep import slot

    if slot.give_back("cannot use the settings"):
        board.reset()


def run(board):
    """Run the node until something unforeseen happens; without usable settings, until somebody has given some."""
    gc.threshold(_COLLECT_EVERY)
    # First of all: a node may have no memory for its settings, and safe mode must be in reach.
    cause, crashes, safe = _count_crashes(board)
    settings, source, faults = _load_settings(board, safe)
    if faults is None:
        faults = []
    elif source == CONFIG and not safe:
        _keep_good(settings, board.model, faults)
    # After a crash the node itself ends the count, when it is online: what it crashes at may be loaded later.
    if IMAGE in sys.path and not crashes and cause not in ("power on", "deep sleep"):
        _end_count()
    if settings is None:
        for fault in faults:
            print("config: " + fault)
        _give_back(board)
        print("config: nothing to run on; mend config.json and run `make deploy`, or use a phone:")
    if settings is None or _is_held(board, settings["provisioning"]):
        board.guard.end()  # people take their time
        from firmware.provisioning.portal import open_portal

        open_portal(board, settings, faults)  # ends in a reset
        return
    board.guard.begin(settings["watchdog"]["arm_after_s"] + _START_S)
    channels, outputs = _load_hardware(settings, board)
    from firmware.app import Node

    Node(board, settings, source, faults, channels, outputs, cause, crashes).run()
