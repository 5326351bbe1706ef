"""An image on trial stays when a broker has acknowledged that the node is online; without that the one before comes back."""

import json
import os
import sys

from test_app import Run

from firmware import app, files
from firmware.upkeep import slot

HEAP = "400k"
INFO = "outpost/esp32-a1b2c3/info"
TEN_MINUTES = 600000


def keep(**state):
    if "/app" not in sys.path:
        sys.path.append("/app")  # as boot.py does with an image
    if "state" not in os.listdir("."):
        os.mkdir("state")
    with open("state/slot", "w") as f:
        json.dump(state, f)


def kept():
    with open("state/slot") as f:
        return json.load(f)


def info(run):
    return json.loads(run.client.on(INFO)[-1][1])


def test_online_it_is_the_good_one():
    keep(good="rom0", trial="rom1", starts=2)
    r = Run()
    assert r.node.trial
    r.client.reachable = False
    r.run(5000)
    assert kept()["trial"] == "rom1", "taking readings proves nothing"
    r.client.reachable = True
    r.run(60000, 500)
    assert kept() == {"good": "rom1"} and not r.node.trial
    r.run(2 * TEN_MINUTES, 1000)
    assert not r.board.resets


def test_the_good_one_does_not_confirm_the_one_on_trial():
    """boot.py runs it where a start of the trial cannot be counted."""
    state = {"good": "rom0", "trial": "rom1", "image": "5b0e"}
    real = slot._running
    try:
        slot._running = lambda: "70fe"
        keep(**state)
        assert slot.confirm() and kept() == state
        assert not slot.give_back("x") and kept() == state
        slot._running = lambda: "5b0e"
        assert slot.confirm() and kept() == {"good": "rom1"}
    finally:
        slot._running = real


def test_online_no_reset_counts_any_more():
    """What boot.py has counted."""
    keep(good="rom0", starts=3)
    r = Run()
    r.client.reachable = False
    r.run(5000)
    assert kept() == {"good": "rom0", "starts": 3}, "it may crash at what it loads to connect"
    r.client.reachable = True
    r.run(60000, 500)
    assert kept() == {"good": "rom0"}


def test_nor_after_ten_minutes_without_a_broker():
    keep(good="rom0", why="x", starts=4)
    r = Run(online=False)
    r.run(TEN_MINUTES - 2000, 1000)
    assert kept()["starts"] == 4
    r.run(4000, 1000)
    assert kept() == {"good": "rom0", "why": "x"} and not r.board.resets


class Started(Exception):
    pass


class Board:
    model = "esp32"

    def __init__(self, cause):
        self.reset_cause = lambda: cause
        self.guard = self

    def begin(self, seconds):
        raise Started


def test_a_start_that_comes_through_ends_the_count():
    """But not one after a crash: it may come again at what is loaded later."""
    from firmware import start

    settings = {"provisioning": {"button": None, "level": 0}, "watchdog": {"arm_after_s": 60}}
    start._load_settings = lambda board, safe: (settings, "config.json", None)
    for cause, starts in (("reset", None), ("watchdog", 3), ("reset", None), ("power on", 3)):
        keep(good="rom0", starts=3)
        try:
            start.run(Board(cause))
        except Started:
            pass
        assert kept().get("starts") == starts, cause


def test_a_trial_counts_its_own_starts():
    state = {"good": "rom0", "trial": "rom1", "starts": 1}
    keep(**state)
    assert slot.end_count() and kept() == state


def test_the_main_py_and_the_settings_of_before_go_with_the_trial():
    keep(good="rom0", trial="rom1")
    for path in slot.BEFORE:
        with open(path, "w") as f:
            f.write("of before")
    assert slot.confirm() and kept() == {"good": "rom1"} and os.listdir("state") == ["slot"]


def test_what_the_broker_does_not_acknowledge_proves_nothing():
    keep(good="rom0", trial="rom1", starts=1)
    r = Run()
    r.client.step = lambda now: (setattr(r.client, "connected", True), ((), ()))[1]
    r.run(60000, 500)
    assert r.client.on(INFO) and kept()["trial"] == "rom1"


def test_not_online_in_ten_minutes_it_is_given_back():
    keep(good="rom0", trial="rom1", starts=1)
    r = Run(online=False, outbox_bytes=131072)
    r.run(TEN_MINUTES - 2000, 1000)
    assert not r.board.resets
    r.run(4000, 1000)
    assert r.board.resets == 1
    assert kept() == {"good": "rom0", "why": slot.NOT_ONLINE}
    with open("state/reset") as f:
        assert f.read() == "the image on trial " + slot.NOT_ONLINE
    assert len(r.node.delivery.outbox) > 500, "the readings of the trial are kept"


def test_another_slots_image_is_tried_when_the_good_one_does_not_start():
    tried = {"good": "rom0", "trial": "rom1", "starts": 1, "why": "x", "tries": 2}
    keep(**tried)
    Run().run(60000, 500)
    assert kept() == {"good": "rom1", "why": "x"}, "online: it stays, and somebody should know"
    keep(**tried)
    r = Run(online=False)
    r.run(TEN_MINUTES + 2000, 1000)
    why = "rom1 " + slot.NOT_ONLINE
    assert r.board.resets == 1 and kept() == {"good": "rom0", "why": why, "tries": 2}


def test_only_online_is_another_one_tried_as_often_again():
    state = {"good": "rom0", "why": "x", "tries": 2}
    keep(starts=3, **state)
    Run().run(5000)
    assert kept() == {"good": "rom0", "why": "x"}
    keep(starts=3, **state)
    Run(online=False).run(TEN_MINUTES + 2000, 2000)
    assert kept() == state, "or they would change for ever"


def test_where_it_is_the_last_try_what_runs_for_ten_minutes_stays():
    """The good one never did; and perhaps no image can be online now, as in an outage of the broker."""
    tried = {"good": "rom0", "trial": "rom1", "starts": 1, "why": "x", "tries": 0}
    stays = {"good": "rom1", "why": "x", "tries": 0}
    other = dict(tried, image="5b0e")  # which does not run: no start of it could be counted
    for state, expected in (tried, stays), (other, other):
        keep(**state)
        r = Run(online=False)
        r.run(2 * TEN_MINUTES, 2000)
        assert not r.board.resets and kept() == expected


def test_no_trial_no_write_and_no_reset():
    for state in {"good": "rom0"}, {"good": "rom0", "why": "cannot be used"}:
        keep(**state)
        r = Run(online=False)
        r.run(2 * TEN_MINUTES, 2000)
        assert not r.node.trial
        assert not r.board.resets and kept() == state


def test_with_nothing_to_come_back_to_it_stays():
    keep(trial="rom1", starts=1)
    r = Run(online=False)
    r.run(2 * TEN_MINUTES, 2000)
    assert not r.board.resets and kept() == {"trial": "rom1", "starts": 1}


def test_what_cannot_be_written_is_confirmed_at_the_next_connection():
    keep(good="rom0", trial="rom1", starts=1)
    r = Run()
    real = os.rename

    def full(old, new):
        if new == "state/slot":
            raise OSError(28)
        real(old, new)

    os.rename = full
    try:
        r.run(5000)
        assert r.node.trial and kept()["trial"] == "rom1"
    finally:
        os.rename = real
    r.client.reachable = False
    r.run(5000)
    r.client.reachable = True
    r.run(60000, 500)
    assert kept() == {"good": "rom1"}


def test_info_says_which_image_runs():
    slot._INDEX = "index"
    with open("index", "w") as f:
        f.write("outpost 0.1.0 6 0123456789abcdef\n...")
    for state, name, trial, why in (
        ({"good": "rom1", "why": "cannot be used"}, "rom1", None, "cannot be used"),
        ({"good": "rom0", "trial": "rom1", "starts": 1}, "rom1", True, None),
        ({}, "found", None, None),  # by boot.py, without having been told
    ):
        keep(**state)
        said = dict(slot.report())
        assert (said["slot"], said["trial"], said["trial_failed"]) == (name, trial, why)
        assert said["image"] == "0123456789ab"


def test_info_of_loose_files():
    files.IMAGE = app.IMAGE = "/elsewhere"
    r = Run()
    r.run(5000)
    assert "slot" not in info(r) and "image" not in info(r)
