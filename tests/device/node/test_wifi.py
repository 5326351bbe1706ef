"""The Wi-Fi sequences, against a scripted radio. (tests/device/node/test_board.py runs them against the boards' own traps.)"""

import sys

import firmware
from firmware.link.joining import begin
from firmware.link.wifi import Wifi
from firmware.upkeep.log import Log

HOME = {"ssid": "home", "password": "secret-home", "static": None}
NOW = 86400000  # the node has been up for a day
SHED = {"ssid": "shed", "password": "secret-shed", "static": None}


class Radio:
    """Joins the ssids in `there` after `delay` ms; refuses every call while `dead`."""

    def __init__(self, there=("home",), delay=2000):
        self.there = there
        self.delay = delay
        self.dead = False
        self.joining = None
        self.calls = []
        self.now = 0
        self.joined = None  # (ssid, at)

    def _call(self, *call):
        if self.dead:
            raise OSError("Wifi Internal Error")
        self.calls.append(call)

    def on(self, hostname, country, power_save):
        self._call("on", hostname, country, power_save)

    def off(self, deep=False):
        self._call("off", deep)
        self.joined = None

    def join(self, ssid, password, static=None):
        self._call("join", ssid, password, static)
        self.joined = (ssid, self.now)

    def leave(self):
        self._call("leave")
        self.joined = None

    def connected(self):
        if self.dead:
            raise OSError(1)
        return bool(
            self.joined
            and self.joined[0] in self.there
            and self.now - self.joined[1] >= self.delay
        )

    def failed(self):
        return bool(self.joined and self.joined[0] not in self.there)

    def state(self):
        return "network not found"

    def ssid(self):
        return self.joined and self.joined[0]

    def address(self):
        return "192.0.2.7"

    def count(self, name):
        return sum(1 for call in self.calls if call[0] == name)


def make(radio, *networks):
    settings = {"networks": networks, "hostname": "", "country": "DE", "power_save": False}
    return Wifi(radio, settings, "esp32-a1b2c3", Log("error"))


def run(wifi, ms, step=100):
    global NOW
    for _ in range(ms // step):
        NOW += step
        wifi.radio.now += step
        wifi.step(NOW)


def test_joins():
    wifi = make(Radio(), HOME)
    run(wifi, 5000)
    assert wifi.up and wifi.ssid == "home" and wifi.joins == 1
    assert wifi.radio.calls[0] == ("on", "esp32-a1b2c3", "DE", False)
    assert ("join", "home", "secret-home", None) in wifi.radio.calls


def test_before_the_first_step_nothing_has_failed():
    # What the page for a phone tells when its time is over.
    wifi = make(Radio(), HOME)
    assert (wifi.ssid, wifi.fault, wifi.failures) == (None, None, 0)


def test_it_wants_to_be_called_when_something_is_to_be_done():
    wifi = make(Radio(), HOME)
    assert wifi.due(0) == 0
    wifi.step(0)
    assert wifi.radio.calls, "a board that has just started, too"
    wifi = make(Radio(), HOME)
    assert wifi.due(NOW) == 0
    wifi.step(NOW)
    assert (wifi.due(NOW), wifi.due(NOW + 300), wifi.due(NOW + 1300)) == (1000, 700, 0)
    run(wifi, 1000)
    assert wifi.radio.calls[-1][0] == "join" and wifi.due(NOW) == 0
    run(wifi, 5000)
    assert wifi.up and wifi.due(NOW) == 250


def test_leaves_and_waits_before_it_joins():
    wifi = make(Radio(), HOME)
    run(wifi, 500)
    assert wifi.radio.calls[-1] == ("leave",)
    run(wifi, 1000)
    assert wifi.radio.calls[-1][0] == "join"


def test_second_network_when_the_first_is_not_there():
    wifi = make(Radio(there=("shed",)), HOME, SHED)
    run(wifi, 20000)
    assert wifi.up and wifi.ssid == "shed"


def test_a_failure_reported_at_once_is_not_believed():
    radio = Radio()
    radio.failed = lambda: True  # the last attempt's, as ESP32 shows it
    wifi = make(radio, HOME)
    run(wifi, 6000)
    assert wifi.up and radio.count("join") == 1


def test_comes_back_after_a_loss():
    wifi = make(Radio(), HOME)
    run(wifi, 5000)
    wifi.radio.there = ()
    run(wifi, 60000)
    assert not wifi.up
    wifi.radio.there = ("home",)
    run(wifi, 180000)
    assert wifi.up and wifi.joins == 2


def test_the_network_that_was_lost_is_joined_again_at_once():
    radio = Radio(there=("shed",))
    wifi = make(radio, HOME, SHED)
    run(wifi, 20000)
    assert wifi.up
    radio.calls.clear()
    radio.there = ()
    run(wifi, 100)
    assert not wifi.up and wifi.due(NOW) == 0
    radio.there = ("home", "shed")
    run(wifi, 1200)
    assert radio.calls == [("leave",), ("join", "shed", "secret-shed", None)]


def test_the_radio_is_cycled_after_three_rounds_and_not_before():
    wifi = make(Radio(there=()), HOME, SHED)
    while not wifi.radio.count("off"):
        run(wifi, 100)
    assert wifi.radio.count("join") == 6


def test_absent_network_backs_off_and_is_never_a_dead_radio():
    wifi = make(Radio(there=()), HOME)
    run(wifi, 3600000, step=200)
    joins = wifi.radio.count("join")
    assert 15 <= joins <= 60, joins
    assert wifi.radio.count("off") >= joins // 3 - 1, "the radio is cycled every third round"
    assert not wifi.dead
    wifi.radio.there = ("home",)
    run(wifi, 240000)
    assert wifi.up


def test_zombie_link_is_cycled():
    wifi = make(Radio(), HOME)
    run(wifi, 5000)
    wifi.cycle()
    assert not wifi.up
    run(wifi, 10000)
    assert wifi.up and ("off", True) in wifi.radio.calls


def test_radio_that_refuses_everything_is_dead_and_says_so():
    radio = Radio()
    radio.dead = True
    wifi = make(radio, HOME)
    while wifi.failures < 9:
        run(wifi, 100)
    assert not wifi.dead
    while wifi.failures < 10:
        run(wifi, 100)
    assert wifi.dead


def test_radio_that_refuses_to_say_whether_it_is_connected_is_started_again():
    wifi = make(Radio(), HOME)
    run(wifi, 5000)
    wifi.radio.dead = True
    run(wifi, 100)
    assert not wifi.up and wifi.fault.startswith("the radio refused")
    wifi.radio.dead = False
    run(wifi, 10000)
    assert wifi.up and ("off", True) in wifi.radio.calls


def test_radio_that_recovers_is_not_dead():
    radio = Radio()
    radio.dead = True
    wifi = make(radio, HOME)
    run(wifi, 10000)
    assert not wifi.dead
    radio.dead = False
    run(wifi, 60000)
    assert wifi.up
    for _ in range(40):  # single refusals over the months
        radio.dead = True
        run(wifi, 100)
        radio.dead = False
        run(wifi, 200000, step=500)
    assert wifi.up and not wifi.dead


def test_static_address_and_back_to_dhcp():
    static = {
        "address": "192.0.2.9",
        "netmask": "255.255.255.0",
        "gateway": "192.0.2.1",
        "dns": "192.0.2.1",
    }
    wifi = make(Radio(there=("shed",)), {"ssid": "home", "password": "x", "static": static}, SHED)
    run(wifi, 20000)
    joins = [call for call in wifi.radio.calls if call[0] == "join"]
    assert joins[0][3] == static and joins[1][3] is False and wifi.up


def test_goes_on_from_what_boot_began():
    radio = Radio()
    settings = {"networks": [HOME]}
    begin(radio, settings, "esp32-a1b2c3")
    wifi = make(radio, HOME)
    run(wifi, 3000)
    assert wifi.up and radio.count("join") == 1 and radio.count("on") == 1


def test_still_joined_after_a_soft_reset():
    radio = Radio()
    radio.joined = ("home", -5000)
    begin(radio, {"networks": [HOME]}, "esp32-a1b2c3")
    wifi = make(radio, HOME)
    run(wifi, 500)
    assert wifi.up and radio.count("join") == 0


def test_any_node_name_makes_a_hostname():
    radio = Radio()
    begin(radio, {"networks": [HOME]}, "Größe: garden/shed with a very long name")
    assert radio.calls[0] == ("on", "Gre--garden-shed-with-a-very-lon", None, False), radio.calls[
        0
    ]


def test_without_memory_to_join_it_is_tried_again():
    class Scarce:
        def step(self, *args):
            raise MemoryError

    wifi = make(Radio(), HOME)
    wifi.step(NOW)  # adopts, and leaves
    sys.modules["firmware.link.joining"] = firmware.link.joining = Scarce()
    soon = NOW + wifi.due(NOW)
    wifi.step(soon)
    assert "firmware.link.joining" not in sys.modules
    assert wifi.due(soon) == 250
    run(wifi, 5000)
    assert wifi.up


def test_once_joined_and_in_a_pause_its_code_is_let_go_of():
    wifi = make(Radio(), HOME)
    run(wifi, 5000)
    assert wifi.up and "firmware.link.joining" not in sys.modules
    wifi.radio.there = ()
    while not wifi.failures:
        run(wifi, 100)
    assert not wifi.up and "firmware.link.joining" not in sys.modules


def logged(wifi):
    """Return the lines that it logs from now on."""
    lines = []
    wifi.log = Log("debug")
    wifi.log._write = lambda level, text: lines.append(text)
    return lines


def test_says_why_it_is_not_up():
    wifi = make(Radio(), HOME)
    run(wifi, 5000)
    lines = logged(wifi)
    wifi.cycle()
    wifi.cycle()
    assert lines == ["wifi: nothing gets through, starting the radio again"]
    run(wifi, 5000)
    assert wifi.up
    wifi.radio.there = ()
    run(wifi, 100)
    assert lines[-1] == "wifi: lost home"


def test_never_logs_a_password():
    wifi = make(Radio(there=()), HOME, SHED)
    lines = logged(wifi)
    run(wifi, 60000)
    assert lines and not any("secret" in line for line in lines)
