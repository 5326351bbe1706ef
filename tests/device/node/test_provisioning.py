"""The portal's work from a form to the file, where memory runs out at each step of it; what a visitor takes of it."""

import json
import os
import sys
import time

from unreadable import unreadable

from firmware.provisioning import http as provisioning_http
from firmware.provisioning import page as provisioning_page
from firmware.provisioning import password as provisioning_password
from firmware.provisioning import portal as provisioning
from firmware.provisioning import trial
from firmware.provisioning.http import Connection, Site
from firmware.provisioning.portal import Portal
from firmware.settings import config, keeping

HEAP = "400k"  # sources are compiled, and the tables of the settings stay

GIVEN = {"ssid": "home", "key": "secret-home", "host": "10.0.0.2", "name": "attic"}


class Radio:
    joining = None


class Ap:
    address = "192.168.4.1"

    def heard(self):
        return [(b"home", -50, False)]

    def is_open(self):
        return True


class Board:
    id = "0011223344ab"
    model = "esp32"
    name = "esp32-3344ab"
    radio = Radio()

    def access_point(self):
        return Ap()


class Trial:
    """One that goes well, in three steps."""

    made = closed = 0

    def __init__(self, board, settings):
        Trial.made += 1
        self.left = 3
        self.fault, self.done, self.missed = None, ["joined home"], []

    def step(self, now):
        self.left -= 1
        return self.left > 0

    def close(self):
        Trial.closed += 1


trial.drop = config.drop = lambda: None  # what is planted in them stays
_PLACES = ((config, "check"), (trial, "Trial"), (Trial, "step"), (keeping, "put"))


class Starving:
    """Lets a function fail so many times for want of memory."""

    def __init__(self, owner, name, times):
        self.owner, self.name, self.times = owner, name, times
        self.function = getattr(owner, name)

    def __enter__(self):
        setattr(self.owner, self.name, self.call)
        # A class's function is called with its instance, which a bound method would hide.
        if self.owner is Trial:
            Trial.step = lambda trial, now: self.call(trial, now)

    def __exit__(self, *exception):
        setattr(self.owner, self.name, self.function)

    def call(self, *args):
        if self.times:
            self.times -= 1
            raise MemoryError("memory allocation failed, allocating 217 bytes")
        return self.function(*args)


def portal():
    if "config.json" in os.listdir():
        os.remove("config.json")
    trial.Trial = Trial
    made = Portal(Board(), ["config.json: is not there"])
    made.heard = made.ap.heard()
    return made


def work(portal, **given):
    portal.submit(GIVEN | given, True)
    for now in range(100):
        portal.step(now)
        if not (portal.is_busy() or portal.trial):
            return
    raise AssertionError("it has no end")


def saved():
    with open("config.json") as f:
        return json.load(f)


def test_it_is_tried_and_saved():
    page = portal()
    work(page)
    assert page.is_saved and page.fault is None
    assert saved()["wifi"]["networks"] == [{"ssid": "home", "password": "secret-home"}]


def test_what_is_saved_outlives_an_image_that_is_tried():
    """The settings of before the trial are put back when it fails."""
    if "state" not in os.listdir():
        os.mkdir("state")
    with open("state/settings", "w") as f:
        f.write("{}")
    page = portal()
    work(page)
    assert page.is_saved and "settings" not in os.listdir("state")


def test_sensors_that_are_in_the_settings_are_checked_and_stay():
    volts = {"name": "volts", "type": "adc", "pin": 34}
    for pin in (34, 6):
        page = portal()
        page.raw["sensors"] = [volts | {"pin": pin}]
        work(page)
        if pin == 34:
            assert page.is_saved and saved()["sensors"] == [volts], page.others
        else:
            assert not page.is_saved and "sensors[0].pin: GPIO6 " in page.others[0], page.others


def test_a_step_without_memory_is_done_once_more():
    for owner, name in _PLACES:
        page = portal()
        with Starving(owner, name, 1):
            work(page)
        assert page.is_saved and page.fault is None, name
        assert saved()["node"] == {"name": "attic"}, name


def test_twice_without_memory_is_told_and_nothing_entered_is_lost():
    for owner, name in _PLACES:
        page = portal()
        closed = Trial.closed
        with Starving(owner, name, 2):
            work(page)
        assert not page.is_saved and "not enough memory" in page.fault, name
        assert "config.json" not in os.listdir() and "config.json.new" not in os.listdir(), name
        assert page.fields["ssid"] == "home" and page.fields["name"] == "attic", name
        assert Trial.closed - closed == (2 if name == "step" else 0), "its connection is left"
        text = "".join(
            [piece if type(piece) is str else piece.decode() for piece in page.page("")]
        )
        assert "not enough memory" in text and 'value="10.0.0.2"' in text, name
        work(page, key="")  # its secret is known still
        assert page.is_saved and page.fault is None, name
        assert saved()["wifi"]["networks"][0]["password"] == "secret-home", name


def test_what_a_step_has_loaded_is_let_go_of():
    page = portal()
    page.resident = set(sys.modules) - {"firmware.provisioning.trial", "firmware.settings.config"}
    kept = sys.modules["firmware.provisioning.trial"], sys.modules["firmware.settings.config"]
    put, keeping.put = keeping.put, None
    try:
        page._starved()
        assert (
            "firmware.provisioning.trial" not in sys.modules
            and "firmware.settings.config" not in sys.modules
        )
        assert "firmware.settings.keeping" in sys.modules
    finally:
        keeping.put = put
        sys.modules["firmware.provisioning.trial"], sys.modules["firmware.settings.config"] = kept
        sys.modules["firmware"].trial, sys.modules["firmware"].config = kept


def test_a_write_without_memory_leaves_the_old_file():
    keeping.put({"old": 1}, "config.json")
    dump = keeping.json.dump

    def starve(value, f):
        f.write("{")
        raise MemoryError

    keeping.json = type("Json", (), {"dump": starve})
    try:
        keeping.put({"new": 1}, "config.json")
        raise AssertionError("no error")
    except MemoryError:
        pass
    finally:
        keeping.json = json
    assert dump is json.dump and saved() == {"old": 1}
    assert "config.json.new" not in os.listdir()


def test_a_page_is_in_memory_in_small_pieces():
    """There may be four visitors, and none of their pages is to take what the settings need."""
    page = portal()
    for write in (provisioning_page.form, provisioning_page.saved):
        once, again = list(write(page)), list(write(page))
        for piece, same in zip(once, again):
            assert piece is same if type(piece) is bytes else len(piece) < 1000, piece[:50]


def test_the_address_of_the_page_has_the_port_that_the_visitor_asked():
    """On a simulated board the page said to open http://127.0.0.1/, which is another server's."""
    page = portal()
    page.address = "192.168.4.1"
    site = Site(page)
    for host, here in (
        ("192.168.4.1", "192.168.4.1"),
        ("192.168.4.1:8080", "192.168.4.1:8080"),
        ("192.168.4.1:80@evil", "192.168.4.1"),
        ("elsewhere", "192.168.4.1"),
    ):
        request = type("Request", (), {"headers": {"Host": host}})
        assert site._here(request) == here, host
        moved = site._to_page(request).headers["Location"]
        assert moved == "http://%s/" % here, moved
    text = "".join(
        [
            piece if type(piece) is str else piece.decode()
            for piece in provisioning_page.waiting(page, (), "192.168.4.1:8080")
        ]
    )
    assert "<b>http://192.168.4.1:8080/</b>" in text


class Stream:
    """A stream whose other side is slow: what it is given it has to keep."""

    def __init__(self):
        self.waiting = b""
        self.most = 0
        self.gone = b""

    def write(self, data):
        self.waiting += data
        self.most = max(self.most, len(self.waiting))

    async def drain(self):
        self.gone += self.waiting
        self.waiting = b""


def test_a_slow_visitor_takes_half_a_kilobyte():
    stream = Stream()
    data = bytes(range(256)) * 20
    try:
        Connection(stream).awrite(data).send(None)
    except StopIteration:
        pass
    assert stream.gone == data and stream.most == 512


def test_a_password_that_cannot_be_read_is_not_written_over():
    kept = provisioning_password.password()
    fault = unreadable("state/portal")
    made = portal().password
    fault.end()
    assert len(made) == 11 and made != kept
    assert provisioning_password.password() == kept == portal().password


class Quiet:
    """Stands where the page's server and the name server are."""

    def __init__(self, whose):
        pass

    async def open(self):
        pass

    def step(self):
        pass

    close = step


class Minutes:
    """The time: each look at it is a minute after the one before, and nobody sleeps."""

    ms = 0
    ticks_diff, ticks_add = staticmethod(time.ticks_diff), staticmethod(time.ticks_add)

    def ticks_ms(self):
        self.ms += 60000
        return self.ms

    async def sleep_ms(self, ms):
        pass


def told(portal, minutes):
    """Return the lines of an open page that nobody comes to."""
    lines = []
    provisioning.time = provisioning.asyncio = Minutes()
    provisioning.NameServer = provisioning_http.Site = Quiet
    provisioning.print = lines.append
    portal.seen = 0
    try:
        provisioning._live(portal, minutes).send(None)
    except StopIteration:
        return lines
    raise AssertionError("it has no end")


def test_without_room_for_it_the_password_that_is_told_opens_the_network():
    """Each reminder told another one."""
    write = provisioning_password.write
    provisioning_password.write = full
    one = portal()
    opened = []
    one.ap.exists = lambda: True
    one.ap.open = lambda ssid, password: opened.append(password)
    one.search = lambda: None
    try:
        one.open()
        lines = told(one, 5)
    finally:
        provisioning_password.write = write
    assert opened == [one.password]
    assert len(lines) == 4 and all(", password %s, " % opened[0] in line for line in lines), lines


def full(path, text):
    raise OSError(28)
