"""The page whole: a real mosquitto, the collector and the page as processes, nodes that publish, a real Chromium the size of a phone."""

import contextlib
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import browser as chromium
import paho.mqtt.client as paho
import pytest
from outside import NAME, NODE, settings, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from sim.broker import KEEP_ALL, Broker
from station.broker import rights
from station.messages import Reading, State
from station.page import link, users
from station.store.contract import Batch
from station.store.sqlite import SqliteStore
from tools import ROOT

MINUTE, HOUR = 60_000, 3_600_000
PASSWORD = "program-Secret-1"
EVIL = '<img src=x onerror="document.title=1">'
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("page")]


def now():
    return time.time_ns() // 1_000_000


class Stand:
    """A store with a past, a broker, a collector, and the page at `url`. secured: each with the account that make broker gives it."""

    def __init__(self, folder, secured=False):
        self.secured = secured
        self.store = folder / "readings.sqlite"
        self.logs = {name: folder / f"{name}.log" for name in ("collect", "page")}
        self.processes = {}
        accounts = {}
        if secured:
            place = rights.Place(NAME, "outpost", "homeassistant")
            acl = {each: rights.of_program(each, [place]) for each in ("collector", "page")}
            acl[NODE[0]] = rights.of_node(place)
            users = {"collector": PASSWORD, "page": PASSWORD, NODE[0]: NODE[1]}
            accounts = {"users": users, "acl": acl}
        self.broker = Broker(
            folder / "broker", persistent=True, settings=KEEP_ALL, **accounts
        ).start()
        self.url = ""

    def start(self, command, *words):
        with self.logs[command].open("a") as log:
            place = ["--store", self.store, "--broker", f"127.0.0.1:{self.broker.port}"]
            if self.secured:
                role = "collector" if command == "collect" else command
                place += ["--account", role]
            self.processes[command] = subprocess.Popen(
                [sys.executable, "-u", "-m", "station", command, *place, *words],
                cwd=ROOT,
                env=os.environ | {"OUTPOST_PASSWORD": PASSWORD},
                stdout=log,
                stderr=log,
            )

    def said(self, command):
        return self.logs[command].read_text()

    def collect(self):
        self.start("collect")
        until(lambda: "connected to " in self.said("collect"), 20, "the collector")

    def page(self, *words):
        def addresses():
            log = self.logs["page"]
            return re.findall(r"page: (\S+)\n", log.read_text() if log.exists() else "")

        before = len(addresses())
        self.start("page", "--port", "0", *words)
        until(lambda: len(addresses()) > before, 20, "the page")
        self.url = addresses()[-1]

    def end(self, command, number=signal.SIGTERM):
        process = self.processes.pop(command)
        process.send_signal(number)
        return process.wait(30)

    def stop(self):
        for command in list(self.processes):
            self.end(command)
            sys.stdout.write(self.said(command)[-3000:])
        self.broker.stop()


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    """Readings each minute for 6 hours, one hour of them missing, one late; a failing sensor; a node that is offline; hostile names."""
    stand = Stand(tmp_path_factory.mktemp("page"))
    readings = []
    for minute in range(360):
        ts = now() - (360 - minute) * MINUTE
        if 120 <= minute < 180:
            continue
        text = json.dumps({"temperature": 20 + minute / 100})
        readings.append(Reading("attic", 8, minute + 1, "air", text, ts, ts, 200 <= minute < 260))
    readings.append(Reading("attic", 8, 400, "pool", '{"error":"no answer"}', now(), now(), False))
    readings.append(Reading("attic", 8, 401, "air", '{"temperature":1.0}', None, now(), False))
    readings.append(
        Reading(
            EVIL, 1, 1, "<b>air</b>", '{"<i>t</i>":2.5,"note":"<u>x</u>"}', now(), now(), False
        )
    )
    made = SqliteStore(stand.store, "outpost")
    made.append(
        Batch(
            readings=readings,
            states=[
                State("attic", "status", "online", now()),
                State("attic", "info", '{"version":"0.1.0","crash":"<script>document.title=1</script>"}', now()),
                State("shed", "status", "offline", now() - HOUR),
                State("cellar", "status", "online", now()),
                State(EVIL, "status", "online", now()),
            ],
        )
    )  # fmt: skip
    made.close()
    try:
        stand.collect()
        stand.page()
        yield stand
    finally:
        stand.stop()


# As a node has them, with the longest values that they usually have.
_HEALTH = {
    "uptime_s": 90061,
    "rssi": -61,
    "outbox": 12,
    "outbox_age_s": 40,
    "clock": "ntp",
    "clock_age_s": 1800,
    "heap_free": 131072,
    "wifi_joins": 2,
}
_INFO = {"version": "0.1.0", "hardware": "ESP32 Generic S3 with ESP32S3", "id": "a1b2c3d4e5f6", "ip": "192.168.100.101", "reset_cause": "power on", "boot": 8,
         "crash": "<script>document.title=1</script>"}  # fmt: skip


class Attic:
    """Speaks as a node does, over MQTT: readings, replies, an output, log lines."""

    def __init__(self, broker):
        self.heard = []
        self.mute = False
        self.seq = 1000
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, "attic")
        self.client.on_message = self._asked
        self.client.on_connect = self._connected
        self.client.will_set("outpost/attic/status", "offline", 1, True)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        self.publish("output/pump", {"state": "OFF"}, retain=True)
        self.publish("info", _INFO, retain=True)
        self.publish("health", _HEALTH)

    def publish(self, topic, payload, retain=False):
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self.client.publish(f"outpost/attic/{topic}", text, 1, retain).wait_for_publish(10)

    def reading(self, **quantities):
        self.seq += 1
        self.publish("reading/air", {"ts": now(), "boot": 8, "seq": self.seq, **quantities})

    def _connected(self, client, *_):
        client.subscribe([("outpost/attic/cmd/+", 1), ("outpost/attic/output/+/set", 0)])
        client.publish("outpost/attic/status", "online", 1, True)

    def _asked(self, client, data, message):
        self.heard.append((message.topic, message.payload, message.retain))
        if self.mute:
            return
        if message.topic.endswith("/set"):
            state = json.dumps({"state": message.payload.decode()})
            client.publish("outpost/attic/output/pump", state, 1, True)
            return
        asked = json.loads(message.payload)
        reply = {"id": asked["id"], "cmd": message.topic.rpartition("/")[2], "ok": True}
        if asked.get("sensor") == "pool":
            reply |= {"ok": False, "error": "<b>the bus is dead</b>"}
        client.publish("outpost/attic/reply", json.dumps(reply), 1)

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="module")
def attic(stand):
    attic = Attic(stand.broker)
    yield attic
    attic.stop()


@pytest.fixture(scope="module")
def driver():
    driver = chromium.start(1)
    yield driver
    driver.quit()


class Seen:
    """What a person sees of the page."""

    def __init__(self, driver, url):
        self.driver, self.url = driver, url

    def open(self, path=""):
        self.driver.get(self.url + path)
        until(lambda: self.all("main h1"), 20, "the page")
        return self

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.all(selector)[0]

    @property
    def text(self):
        return self.run("return document.body.innerText")

    def wait(self, text, timeout=20):
        until(lambda: text in self.text, timeout, text, lambda: self.text[:3000])

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def button(self, text):
        script = "return [...document.querySelectorAll('button')].find(b => b.textContent === arguments[0] && b.offsetParent)"
        return self.run(script, text)

    def press(self, text):
        """As a click does, wherever the button is just then: cards above it come and go."""
        self.run("arguments[0].click()", self.button(text))

    def can(self, text):
        """Is there a button of that name that can be pressed?"""
        script = "return [...document.querySelectorAll('button')].some(b => b.textContent === arguments[0] && !b.disabled)"
        return self.run(script, text)

    def plot(self):
        """The first plot's description, once it is drawn."""
        script = "return document.querySelector('.area')?.getAttribute('aria-label') || ''"
        until(lambda: " from " in self.run(script), 20, "a plot", lambda: self.text[:3000])
        return self.run(script)

    def colours(self):
        """How many points of the first plot's canvas have each of its colours."""
        return self.run(
            "const c = document.querySelector('.plot canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "const found = {}, plot = document.querySelector('.plot').plot.colours;"
            "for (const [name, css] of Object.entries(plot)) {"
            "  const [r, g, b] = css.match(/[0-9.]+/g).map(Number); found[name] = 0;"
            "  for (let i = 0; i < d.length; i += 4) if (d[i] === r && d[i+1] === g && d[i+2] === b && d[i+3] > 200) found[name]++;"
            "} return found;"
        )


@pytest.fixture
def seen(driver, stand):
    seen = Seen(driver, stand.url)
    yield seen
    faults = [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] == "SEVERE" and "ERR_CONNECTION" not in entry["message"]
    ]
    assert not faults, faults
    assert seen.run("return document.documentElement.scrollWidth") <= chromium.WIDTH


def test_the_list_shows_what_is_wrong_first(seen, attic):
    seen.open().wait("4 nodes")
    rows = [row.text for row in seen.all("tbody tr")]
    assert rows[0].startswith("shed") and "offline for 60 minutes" in rows[0]
    assert rows[1].startswith("attic") and "no answer" in rows[1]
    assert rows[-1].startswith("cellar")
    seen.one("input").send_keys("shed")
    assert [row.text.split("\n")[0] for row in seen.all("tbody tr") if row.is_displayed()] == [
        "shed"
    ]
    seen.one("input").send_keys(Keys.BACKSPACE * 4 + "nobody")
    assert "No node fits." in seen.text


def test_a_value_changes_without_a_reload(seen, attic):
    seen.open("/node/attic").wait("temperature")
    seen.run("window.mark = 1")
    attic.reading(temperature=24.75)
    seen.wait("24.75")
    attic.publish("log", "12 warning wifi: weak")
    seen.wait("12 warning wifi: weak")
    assert seen.run("return window.mark") == 1
    seen.press("hour")  # so that it is a point of its own
    until(lambda: "last 24.75" in seen.plot(), 20, "the reading in the plot", seen.plot)


def test_a_plot_shows_the_gap_the_late_readings_and_nothing_between(seen, attic):
    seen.open("/node/attic")
    seen.press("day")
    until(lambda: "60 late" in seen.plot(), 20, "60 late", seen.plot)
    assert re.search("; [12] gaps?, 60 late, 0 failures", seen.plot())

    def drawn():
        found = seen.colours()
        return found["gap"] > 500 and found["late"] > 50 and found["go"] > 50

    until(drawn, 20, "a gap, late readings, a line", lambda: str(seen.colours()))
    assert "1 reading of air without a time: not drawn" in seen.text
    # Within the gap there is no line.
    seen.run(
        "const all = document.querySelector('.plot').plot.all; const m = 60000, t = Date.now(); all.show(t - 235*m, t - 185*m)"
    )
    until(lambda: "no readings" in seen.one(".area").get_attribute("aria-label"), 20, "the gap")

    def empty():
        found = seen.colours()
        return found["go"] == found["late"] == 0 and found["gap"] > 5000

    until(empty, 20, "a gap and nothing else", lambda: str(seen.colours()))


def test_a_plot_is_for_the_keyboard_and_for_a_screen_reader(seen, attic):
    seen.open("/node/attic")
    seen.press("day")
    first = seen.plot()
    area = seen.one(".area")
    area.send_keys("+")
    until(lambda: seen.plot() != first, 20, "zoomed")
    area.send_keys(Keys.ARROW_LEFT)
    until(lambda: "to now" not in seen.text, 20, "panned")
    seen.run("document.querySelector('.plot summary').click()")
    until(lambda: len(seen.all(".plot table tbody tr")) > 20, 20, "the table")
    # Each thing that can be done can be reached by Tab, and is seen to be.
    assert not seen.all("[tabindex]:not([tabindex='0']):not([tabindex='-1'])")
    for element in seen.all("button, input, select"):
        name = element.accessible_name or not element.is_displayed()
        assert name, element.get_attribute("outerHTML")


def test_a_command_goes_there_and_its_reply_comes_back(seen, attic):
    seen.open("/node/attic")
    until(lambda: seen.can("Read now"), 20, "the commands")
    seen.press("Read now")
    seen.wait("read: done")
    topic, payload, retained = attic.heard[-1]
    assert topic == "outpost/attic/cmd/read" and not retained
    assert set(json.loads(payload)) == {"id"}
    seen.run("document.querySelector('select').value = 'pool'")
    seen.press("Read now")
    seen.wait("read: <b>the bus is dead</b>")
    seen.press("Restart …")
    seen.press("Cancel")
    time.sleep(0.5)
    assert "cmd/restart" not in attic.heard[-1][0]
    seen.press("Restart …")
    seen.press("Restart")
    seen.wait("restart: done")


def test_an_output_shows_what_it_is_and_is_set(seen, attic):
    seen.open("/node/attic").wait("pump")
    seen.press("off")
    shown = "return document.querySelector('.output button').textContent"
    until(lambda: seen.run(shown) == "on", 20, "on")
    assert attic.heard[-1] == ("outpost/attic/output/pump/set", b"ON", False)


def test_a_node_that_does_not_answer_is_told_in_words(seen, attic):
    attic.mute = True
    try:
        seen.open("/node/attic")
        until(lambda: seen.can("Announce"), 20, "the commands")
        seen.press("Announce")
        seen.wait(f"announce: attic has not answered for {link.ANSWER_S} s", 2 * link.ANSWER_S)
    finally:
        attic.mute = False
        seen.driver.get_log("browser")  # has the refusal, as it should
    seen.open("/node/shed").wait("shed is offline: nobody answers")
    assert not seen.can("Read now")


def test_an_address_of_no_node_has_nothing_to_press(seen, attic):
    seen.open("/node/nosuch").wait("There is no node of this name")
    assert not seen.all("main button")
    seen.driver.get_log("browser")  # has the 404, as it should
    seen.open("/node/cellar").wait("It has not said what it is (info)")


def test_the_times_below_a_plot_do_not_touch(seen, attic):
    """The browser has a locale with AM and PM."""
    seen.open("/node/attic")
    seen.plot()
    assert re.search("[AP]M", seen.run("return new Date().toLocaleTimeString()"))
    for minutes in (2, 4, 8, 30, 600, 5000):
        seen.run(
            "const all = document.querySelector('.plot').plot.all, t = Date.now(); all.show(t - arguments[0] * 60000, t)",
            minutes,
        )
        time.sleep(0.3)
        marks = seen.run(
            "const chart = document.querySelector('.plot').plot.chart, x = chart.axes[0];"
            "const pen = document.createElement('canvas').getContext('2d'); pen.font = '12px system-ui, sans-serif';"
            "return x._splits.map((at, i) => [chart.valToPos(at, 'x'), pen.measureText(x._values[i]).width, x._values[i]])"
        )
        for (left, width, _), (right, other, _) in itertools.pairwise(marks):
            assert right - left >= (width + other) / 2 + 6, (minutes, marks)


def test_names_values_errors_and_lines_of_others_are_text(seen, stand, attic):
    attic.publish("log", f"13 error node: {EVIL}")
    seen.open().wait(EVIL)
    seen.driver.find_element(By.LINK_TEXT, EVIL).click()
    seen.wait("<i>t</i>")
    for text in (EVIL, "<b>air</b>", "<u>x</u>"):
        assert text in seen.text
    assert seen.driver.title == f"{EVIL} \N{EN DASH} Outpost"
    seen.driver.refresh()  # its address is a bookmark
    seen.wait("<i>t</i>")
    seen.open("/node/attic").wait("<script>document.title=1</script>")
    seen.wait(EVIL)
    assert (
        not seen.all("main img, main i, main script")
        and seen.driver.title == "attic \N{EN DASH} Outpost"
    )


@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_on_a_phone_by_day_and_by_night(seen, attic, dark):
    chromium.dark(seen.driver, dark)
    try:
        for path in ("/", "/node/attic"):
            seen.open(path)
            seen.wait("shed" if path == "/" else "temperature")
            low = [each for each in chromium.contrasts(seen.driver) if each[0] < 4.5]
            assert not low, low
            assert not chromium.narrow(seen.driver)
            assert seen.run("return document.documentElement.scrollWidth") <= chromium.WIDTH
            small = [
                element.text
                for element in seen.all("button, input, select")
                if element.is_displayed() and element.size["height"] < 32
            ]
            assert not [each for each in small if each], small
    finally:
        chromium.dark(seen.driver, False)


def test_a_theme_that_is_chosen_stays(seen, attic):
    seen.open().wait("cellar")
    light = seen.run("return getComputedStyle(document.body).backgroundColor")
    for said in ("Theme: light", "Theme: dark"):
        seen.one("#theme").click()
        assert seen.one("#theme").text == said
    seen.open().wait("cellar")
    assert seen.run("return getComputedStyle(document.body).backgroundColor") != light
    seen.one("#theme").click()


def test_a_login_is_asked_for_and_lets_in(driver, stand, tmp_path):
    stand.end("page")
    users.add(tmp_path / "users", "ann", "correct horse")
    stand.page("--users", str(tmp_path / "users"))
    try:
        seen = Seen(driver, stand.url).open()
        seen.wait("Password")
        assert "attic" not in seen.text
        user, password = seen.all("form input")
        user.send_keys("ann")
        password.send_keys("wrong horse", Keys.ENTER)
        seen.wait("user or password is wrong")
        password.send_keys("correct horse", Keys.ENTER)
        seen.wait("cellar")
        seen.driver.refresh()
        seen.wait("cellar")
        assert seen.run("return document.cookie") == ""
        seen.press("Log out")
        seen.wait("Password")
    finally:
        driver.get_log("browser")  # 401 and 403 are what it was for
        stand.end("page")
        stand.page()


def test_a_broker_that_goes_is_told_and_one_that_is_back_serves(driver, stand, attic):
    seen = Seen(driver, stand.url).open("/node/attic")
    until(lambda: seen.can("Read now"), 20, "the commands")
    stand.broker.stop()  # it says `offline` of all nodes
    seen.wait("Commands are not possible: there is no connection to the broker")
    seen.wait("the broker cannot be reached since")
    time.sleep(4)  # a look at the faults is each 3 s
    assert "temperature" in seen.text and "switched off" not in seen.text
    stand.broker.start()
    until(lambda: "cannot be reached" not in seen.text, 60, "the collector again")
    until(lambda: seen.can("Read now"), 60, "the commands again")


def test_a_real_node_takes_a_reading_when_it_is_asked(stand, nodes, tmp_path):
    other = Stand(tmp_path, secured=True)
    node = nodes(settings([other.broker.port]))
    try:
        other.collect()
        other.page()
        node.start()

        def answered(command):
            request = urllib.request.Request(
                other.url + "/api/command",
                json.dumps({"node": NAME, "command": command}).encode(),
                {"Content-Type": "application/json"},
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as e:  # it is not there yet
                return json.load(e)

        until(lambda: answered("read").get("ok"), 30, "its reply")
        assert answered("nonsense")["error"].startswith("unknown, known are announce, ")
    finally:
        node.stop()
        other.stop()


def test_make_run_offers_it_and_a_newcomer_sees_a_plot_within_a_minute(driver, tmp_path):
    """On a terminal, as the newcomer has it; Ctrl-C ends the page and the collector, too."""
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "110", "OUTPOST_MAKE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tools", "run", "--folder", tmp_path / "run"],
        cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    shown = bytearray()

    def copy():
        with contextlib.suppress(OSError):  # the last one has let go of the terminal
            while more := os.read(master, 4096):
                shown.extend(more)

    thread = threading.Thread(target=copy)
    thread.start()
    try:
        until(lambda: re.search(rb"page +http\S+ ", shown), 30, "the address", lambda: str(shown))
        seen = Seen(driver, re.search(rb"page +(http\S+) ", shown)[1].decode()).open()
        began = time.monotonic()
        until(lambda: seen.all("tbody a"), 30, "the node", lambda: seen.text)
        seen.one("tbody a").click()
        until(lambda: seen.all(".plot"), 30, "a number", lambda: seen.text)
        seen.run("document.querySelector('.plot').scrollIntoView()")
        assert ", last " in seen.plot()
        assert time.monotonic() - began < 60
        url = seen.url
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
        thread.join(10)
        os.close(master)
    assert code == 0, shown
    driver.get("about:blank")
    driver.get_log("browser")
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=5)


def test_it_ends_while_browsers_look(stand, driver):
    Seen(driver, stand.url).open().wait("cellar")
    began = time.monotonic()
    assert stand.end("page", signal.SIGINT) in (0, 130)
    assert time.monotonic() - began < 15
    assert "Traceback" not in stand.said("page")
    stand.page()
