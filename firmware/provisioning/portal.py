"""Provisioning from a phone: an access point of the node's own with one small page, for a while.

The access point's password is the node's own, made at random when it is first needed, and shown only on the serial console. Settings from
the phone are checked, tried (trial.py), and saved in one step; then the node restarts. It also restarts when nobody comes: a node with
settings runs on them, one without waits with the radio off and opens the page again.

Ctrl-C ends it at any time, and the watchdog is not armed.
"""

import asyncio
import os
import sys
import time

from micropython import const

from firmware import forget
from firmware.files import note_reset
from firmware.provisioning.dns import NameServer
from firmware.provisioning.form import (
    CA,
    OURS,
    clashes,
    entered,
    first_only,
    merge,
    part,
    placed,
    recall,
    shown,
    stored,
    without,
)
from firmware.upkeep.log import reason

CONFIG = "config.json"
LAST_GOOD = "state/config.json"
_MINUTES = const(10)
_REST_S = const(1800)  # until a node without settings opens the page again
_TURN_MS = const(50)
_REMIND_MS = const(60000)
_READ_MS = const(5000)  # so long the phone has to read the last page
_UNREAD_MS = const(60000)  # if it does not come back for it: it may have lost the access point
_NETWORKS = const(20)
_RESERVE = const(1024)  # bytes, for letting go of the rest when there is no memory


class Portal:
    """What the page shows, and what its form does."""

    def __init__(self, board, faults):
        """faults: those of config.json, as config.load() returns them."""
        self.board = board
        self.ssid = "outpost-" + board.id[-6:]
        self.token = os.urandom(8).hex()
        from firmware.provisioning.password import password

        forget("provisioning", "password")
        self.password = password()
        self.ap = board.access_point()
        self.address = None
        self.heard = []
        self.offered = ()  # entries of `sensors` for what answers,
        self.places = ""  # and where it was looked for
        broken = any(fault.startswith(CONFIG + ":") for fault in faults)
        raw = stored(LAST_GOOD) if broken else stored(CONFIG, LAST_GOOD)
        parts = [part(fault) for fault in faults]
        self.left_out = sorted({each for each in parts if each in raw and each not in OURS})
        # A new node has no faults to show.
        self.notes = faults if CONFIG in os.listdir() else []
        self.raw = without(raw, self.left_out)
        self.draft = {}  # what was entered last
        self.fields = shown(self.raw)
        self.tls = self.fields["tls"] or CA in os.listdir()
        self._forget()
        self._entered = None  # (fields, are they to be tried)
        self._checked = None  # settings to be tried
        self.trial = None
        self._is_good = False  # draft is to be saved
        self._is_starved = False  # there was no memory for this part of the work
        self._reserve = bytearray(_RESERVE)
        self.resident = sys.modules  # those that stay
        self.is_saved = False
        self.seen = self.since = 0  # ticks of the last request; of the end of the work

    def _forget(self):
        self.faults, self.others = {}, []  # of what was entered: by field, and elsewhere
        self.fault = None  # of the trial
        self.worked, self.missed = (), ()

    def open(self):
        """OSError: there is no radio for it, or it does not work."""
        if not self.ap.exists():
            raise OSError("this board has no access point")
        self.search()
        self.ap.open(self.ssid, self.password)
        self.address = self.ap.address
        self.visited()

    def search(self):
        """Look for networks, and for the sensors of a node without settings; blocks for some seconds."""
        try:
            self.heard = self.ap.heard()[:_NETWORKS]
        except OSError as e:
            print("provisioning: no search: %s" % reason(e))  # one can still be typed
        if not (self.raw or self.notes):  # whose pins may be a relay's
            from firmware.provisioning import sensors as provisioning_sensors

            self.offered = provisioning_sensors.offered(self.board)
            self.places = provisioning_sensors.places(self.board.model)
            provisioning_sensors.drop()

    def visited(self):
        self.seen = time.ticks_ms()

    def page(self, here):
        """Return the page, in pieces. here: where the visitor finds it."""
        from firmware.provisioning import page as pages

        if self.is_saved:
            self.since = time.ticks_add(time.ticks_ms(), _READ_MS - _UNREAD_MS)
            return pages.saved(self)
        if self.trial or self.is_busy():
            return pages.waiting(self, self.trial.done if self.trial else (), here)
        names = [pages.name(found[0]) for found in self.heard]
        if (self.fields["ssid"], True) not in names:
            self.fields["other"] = self.fields["ssid"]
        return pages.form(self)

    def submit(self, form, test):
        """Take what was entered, to be tried or saved at once by the next steps; is_busy() until it was looked at."""
        if not (self.trial or self.is_busy() or self.is_saved):  # else another phone was first
            self._entered = entered(form, self.offered), test

    def is_busy(self):
        return bool(self._entered or self._is_good or (self._checked and not self.trial))

    def step(self, now):
        """Do the next part of the work.

        One part at a time, and here rather than in the server's call: a part's modules can be forgotten only when none of them is on the stack,
        and the tables of the settings and the MQTT client do not fit into a Pico together.
        """
        try:
            self._step(now)
        except MemoryError:
            self._starved()

    def _step(self, now):
        if self._entered:
            self._check(*self._entered)
            self._entered = None
            self._is_starved = False
        elif self.trial:
            if not self.trial.step(now):
                self._tried(now)
                self._is_starved = False
        elif self._checked:
            from firmware.provisioning.trial import Trial

            self.trial = Trial(self.board, self._checked)
        elif self._is_good:
            self._save()
            self._is_good = self._is_starved = False

    def _starved(self):
        """Let go of what the step has loaded, and do it once more; the second time, say so on the page."""
        self._reserve = None
        trial, self.trial = self.trial, None
        for name in list(sys.modules):
            if name not in self.resident:
                sys.modules.pop(name)
                room, _, module = name.rpartition(".")
                forget(room[9:], module)  # without `firmware.`
        try:
            if trial:
                trial.close()
        except MemoryError:
            pass  # its socket closes when it is collected
        if self._is_starved:
            self.fault = "the board has not enough memory for it: try again, or use a computer"
            self._entered = self._checked = None
            self._is_good = False
        self._is_starved = not self._is_starved
        self._reserve = bytearray(_RESERVE)

    def _check(self, fields, test):
        from firmware import sensors
        from firmware.settings import config

        recall(fields, self.draft)
        unprotected = [found[0] for found in self.heard if found[2]]
        self.draft = merge(self.raw, fields, unprotected)
        self.fields = shown(self.draft)
        self._forget()
        given = without(self.draft, ("sensors",) if self.offered else ())  # which are right
        types = {}
        if given.get("sensors"):
            from firmware.sensors.named import types as named

            types = named(given)
        settings, faults = config.check(given, types, self.board.model)
        faults += clashes(fields["sensors"])
        if faults:
            self.faults, self.others = placed(faults)
        elif test:
            self._checked = first_only(settings)
        else:
            self._is_good = True
        config.drop()
        sensors.drop()

    def _tried(self, now):
        from firmware.provisioning import trial

        self.fault, self.worked = self.trial.fault, self.trial.done
        self.missed = self.trial.missed
        self.trial = self._checked = None
        trial.drop()
        print("provisioning: %s" % (self.fault or "the settings work"))
        self._is_good = not self.fault
        self.seen = now
        try:
            if not self.ap.is_open():  # the station's troubles may have taken it along
                self.ap.open(self.ssid, self.password)
        except OSError as e:
            print("provisioning: %s" % reason(e))

    def _save(self):
        from firmware.settings.keeping import copy, put
        from firmware.upkeep.slot import SETTINGS, forget_before

        try:
            if self.notes and CONFIG in os.listdir():
                copy(CONFIG, CONFIG + ".old")
            put(self.draft, CONFIG)
        except OSError as e:
            self.fault = "the settings cannot be saved: %s; is the flash full?" % reason(e)
            return
        forget_before(SETTINGS)  # should an image be on trial: these stay
        self.is_saved = True
        self.since = time.ticks_ms()
        print("provisioning: saved")

    def is_over(self, now, minutes):
        if self.is_saved:
            return time.ticks_diff(now, self.since) >= _UNREAD_MS
        return (
            not (self.trial or self.is_busy())
            and time.ticks_diff(now, self.seen) >= minutes * 60000
        )


async def _live(portal, minutes):
    from firmware.provisioning.http import Site

    site = Site(portal)
    portal.resident = set(sys.modules)
    names = NameServer(portal.address)
    try:
        await site.open()
        reminded = None
        while True:
            now = time.ticks_ms()
            if portal.is_over(now, minutes):
                return
            # Again and again, for whoever plugs the cable in later: the password is shown nowhere else.
            if reminded is None or time.ticks_diff(now, reminded) >= _REMIND_MS:
                reminded = now
                print(
                    "provisioning: join the Wi-Fi network %s, password %s, and open http://%s/"
                    % (portal.ssid, portal.password, portal.address)
                )
            site.step()
            names.step()
            portal.step(now)
            await asyncio.sleep_ms(_TURN_MS)
    finally:
        names.close()
        site.close()


def open_portal(board, settings, faults):
    """Open the page until settings are saved or nobody comes any more; then reset the board. Does not return."""
    from firmware import sensors

    sensors.drop()  # 20 KB
    minutes = settings["provisioning"]["minutes"] if settings else _MINUTES
    portal = Portal(board, faults)
    try:
        portal.open()
        asyncio.run(_live(portal, minutes))
        portal.ap.close()
        board.radio.off(deep=True)
    except OSError as e:
        print("provisioning: the page cannot be opened: %s" % reason(e))
    if not portal.is_saved and not settings:
        print("provisioning: nobody came; again in %d minutes" % (_REST_S // 60))
        for _ in range(_REST_S):
            time.sleep(1)
    try:
        note_reset("provisioning")
    except OSError:
        pass  # a full flash must not stop the reset
    board.reset()
