"""The image that runs, and its trial: it stays if a broker acknowledged that the node is online, else the one before comes back.

boot.py has the states of `state/slot`. Loaded at the start and when a trial ends, then let go of.
"""

import json
import os

from flashfile import is_nothing, uninterrupted

from firmware import forget
from firmware.files import IMAGE, read, write

SLOT = "state/slot"
SETTINGS = "state/settings"
BEFORE = (
    "state/main",
    SETTINGS,
)  # what main.py and config.json were before the trial; boot.py puts them back
_INDEX = IMAGE + "/index"
NOT_ONLINE = "was not online in ten minutes"


def state():
    """Return what is known of the slots, as a dict; empty if nothing is."""
    try:
        found = json.loads(read(SLOT) or "{}")
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def settle(node):
    """A broker has acknowledged that the node is online, or the time for it is over: end the trial, if the image is on trial."""
    if node.announced:
        node.trial = not confirm()
        node.announced = None  # if that could not be written, it is at the next connection
    else:
        node.trial = False
        if not _outlast() and give_back(NOT_ONLINE):
            node.reset("the image on trial " + NOT_ONLINE)
        end_count()
    forget("upkeep", "slot")


def confirm():
    """The trial is good, if it is what runs. Return whether that is written."""
    found = state()
    slot = found.pop("trial", None)
    if slot is None:
        return end_count("tries")
    if not _is_on_trial(found):
        return True
    for path in BEFORE:
        if not forget_before(path):
            return False  # boot.py would put it back
    if "tries" in found:  # the good one did not start any more, and somebody should know
        return _keep({"good": slot, "why": found.get("why")})
    return _keep({"good": slot})


def end_count(*more):
    """The good image starts: the resets that boot.py counted are over, and what else it counted. Return whether that is written."""
    found = state()
    counted = [key for key in ("starts",) + more if key in found]
    if "trial" in found or not counted:
        return True
    for key in counted:
        del found[key]
    return _keep(found)


def _outlast():
    """The good one did not start any more, and this is the last try of another: is it? Then it stays, for perhaps there is no broker."""
    found = state()
    slot = found.get("trial")
    if slot is None or found.get("tries") != 0 or not _is_on_trial(found):
        return False
    return _keep({"good": slot, "why": found.get("why"), "tries": 0})


def forget_before(path):
    """What main.py or config.json was before the trial is not to come back. Return whether it is gone."""
    try:
        with uninterrupted:
            os.remove(path)
    except OSError as e:
        return is_nothing(e)
    return True


def give_back(why):
    """The trial is over: after a reset the image before runs, if there is one. Return whether that is written."""
    found = state()
    slot = found.get("trial")
    if slot is None or "good" not in found or not _is_on_trial(found):
        return False
    if "tries" in found:
        return _keep(
            {"good": found["good"], "why": "%s %s" % (slot, why), "tries": found["tries"]}
        )
    return _keep({"good": found["good"], "why": why})


def _is_on_trial(found):
    """Does the image that is tried run? boot.py starts the good one if it cannot count a start of the trial."""
    image = found.get("image")
    return image is None or image == _running()


def _running():
    """Return the hash of the image that runs, as text; None: there is none."""
    try:
        with open(_INDEX) as f:
            return f.readline().split()[-1]
    except OSError:
        return None


def _keep(found):
    try:
        write(SLOT, json.dumps(found))
        return True
    except OSError:
        return False


def report():
    """Yield (name, value) pairs for `info`: the slot, the image in it, why it is not the one that was tried."""
    found = state()
    yield "slot", found.get("trial") or found.get("good") or "found"
    image = _running()
    yield "image", image and image[:12]
    yield "trial", "trial" in found or None
    yield "trial_failed", found.get("why")
