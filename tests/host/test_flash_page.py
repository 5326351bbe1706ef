"""The page that writes an ESP32: in a real browser, with the real esptool-js, into the flash of a simulated boot loader.

With `--screenshots` the pictures of docs/image.md are made anew.
"""

import json
import re
import shutil

import pytest
from esprom import MEM_DATA, MEM_END, WRITES, EspRom
from fakemicropython import BOARDS, esp32
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from webserial import SCRIPT, Site

from tests.system import browser
from tools import ROOT, toolchain
from tools.__main__ import main
from tools.image import webpage
from tools.layouts import Place

pytestmark = [pytest.mark.slow, pytest.mark.work]

WAIT_S = 40
SMALL = Place(0x60000, 0x3A0000)
NODE = ("outpost-a1b2c3", "k7m2q-9xw4t", "http://192.168.4.1/")
SAYS = (
    b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n\xff\xfe\r\n"
    b"provisioning: join the Wi-Fi network %s, password %s, and open %s\r\n"
    % tuple(word.encode() for word in NODE)
)


@pytest.fixture(scope="module")
def pages(once):
    """pages(board, whole) -> the folder that `make image BOARD= MICROPYTHON= PAGE=1` makes. whole: with as large a MicroPython as a true one."""

    def make(board, whole, folder):
        places, size = None, 1_600_000
        if not whole:  # less to write, in less time
            places, size = {"factory": Place(0x10000, 0x50000), "vfs": SMALL}, 300_000
        path = folder / "mp.bin"
        path.write_bytes(esp32(BOARDS[board], places=places, size=size))
        words = ("--board", board, "--micropython", str(path), "--page", "--out", str(folder))
        assert main(["image", *words]) == 0
        (made,) = folder.glob("*-page")
        return str(made)

    def page(board="esp32", whole=False):
        return once(f"page-{board}-{whole}", lambda folder: make(board, whole, folder))[0]

    return page


@pytest.fixture(scope="module")
def chromium():
    if not (toolchain.PAGE / "stamp").exists():
        pytest.skip("needs esptool-js: make setup PAGE=1")
    found = browser.start(9)
    yield found
    found.quit()


@pytest.fixture
def scripts(chromium):
    """scripts(text): what runs in each page of this test before its own."""
    made = []

    def add(source):
        added = chromium.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": source}
        )
        made.append(added["identifier"])

    yield add
    for identifier in made:
        chromium.execute_cdp_cmd(
            "Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier}
        )


@pytest.fixture
def visit(chromium, scripts, pages, tmp_path):
    """visit(board, change, whole) -> the browser with the page of a copy of the folder, which `change` has changed, and its Site."""
    sites = []

    def make(board="esp32", change=None, whole=False):
        folder = tmp_path / "page"
        shutil.copytree(pages(board, whole), folder)
        if change:
            change(folder)
        site = Site(folder).__enter__()
        sites.append(site)
        scripts(SCRIPT)
        chromium.get(site.url)
        until(chromium, lambda: words(chromium, "status") != "Loading.")
        return chromium, site

    yield make
    chromium.get("about:blank")
    for site in sites:
        site.__exit__()


def words(found, which):
    return found.find_element(By.ID, which).text


def until(found, condition, what=""):
    WebDriverWait(found, WAIT_S, 0.05).until(
        lambda _: condition(), what or found.find_element(By.TAG_NAME, "body").text
    )


def press(found, which):
    until(found, lambda: found.find_element(By.ID, which).is_displayed())
    found.find_element(By.ID, which).click()


def shown(found):
    return [
        each.get_attribute("id")
        for each in found.find_elements(By.TAG_NAME, "section")
        if each.is_displayed()
    ]


def wait_for(found, section):
    def there():
        assert section == "begin" or not words(found, "fault"), words(found, "fault")
        return shown(found) == [section]

    until(found, there, section)


def fault(found):
    """The text of the fault, once it is there."""
    until(found, lambda: words(found, "fault"))
    return words(found, "fault")


def write(found, section="after"):
    press(found, "connect")
    wait_for(found, "confirm")
    press(found, "write")
    wait_for(found, section)


def data_of(folder):
    about = json.loads((folder / webpage.ABOUT).read_text())
    return about, (folder / about["file"]).read_bytes()


@pytest.mark.parametrize("board", ["esp32", "esp32c3"])
def test_a_board_gets_the_file_and_says_its_network(board, visit, tmp_path):
    found, site = visit(board, whole=True)
    about, data = data_of(site.folder)
    assert "Outpost" in words(found, "about") and "MicroPython v1.28.0" in words(found, "about")
    assert about["chip"] in found.title
    with EspRom(tmp_path, BOARDS[board].chip, SAYS) as rom:
        rom.flash[:] = b"\x17" * len(rom.flash)
        site.plug(rom)
        press(found, "connect")
        wait_for(found, "confirm")
        assert f"{about['chip']} and 4 MB of flash" in words(found, "confirm")
        assert "All on the board is lost" in words(found, "confirm")
        assert not WRITES & set(rom.commands)
        press(found, "write")
        until(found, lambda: found.find_element(By.ID, "node").is_displayed())
        assert MEM_DATA in rom.commands and site.rates[-2:] == [460800, 115200]
        begin, end = about["offset"], about["offset"] + len(data)
        assert rom.flash[begin:end] == data
        assert set(rom.flash[:begin] + rom.flash[end:]) == {0x17}
        assert rom.starts == ["boot", "run"]
        assert tuple(words(found, which) for which in ("ssid", "password", "address")) == NODE
        assert "The board is ready" in words(found, "status")
        assert not found.find_element(By.ID, "port").is_displayed()
        assert found.find_element(By.ID, "bar").get_attribute("value") == "100"
        press(found, "another")
        wait_for(found, "begin")
        site.plug(None)


def test_what_it_waits_for_is_what_a_node_prints():
    source = (ROOT / "firmware/provisioning/portal.py").read_text()
    (text,) = re.findall(r'"provisioning: (join the Wi-Fi network %s.*)"', source)
    script = (ROOT / "tools/image/page/flash.js").read_text()
    (pattern,) = re.findall(r"^const NODE = /(.*)/g;$", script, re.M)
    said = text % ("my net, 2", "k7m2q-9xw4t", "192.168.4.1")
    assert re.search(pattern, said).groups() == ("my net, 2", *NODE[1:])


def test_another_chip_is_refused_and_left_alone(visit, tmp_path):
    found, site = visit()
    with EspRom(tmp_path, "ESP32C3") as rom:
        site.plug(rom)
        press(found, "connect")
        text = fault(found)
        assert (
            "This board has an ESP32-C3" in text and "is for an ESP32. Nothing was written" in text
        )
        assert not {MEM_DATA, *WRITES} & set(rom.commands)
        assert not any(rom.flash.strip(b"\xff")) and shown(found) == ["begin"]
        site.plug(None)


def test_a_flash_that_is_too_small(visit, tmp_path):
    found, site = visit()
    with EspRom(tmp_path, "ESP32", size=2 * 1024 * 1024) as rom:
        site.plug(rom)
        press(found, "connect")
        assert "2 MB of flash, and" in fault(found)
        assert not WRITES & set(rom.commands)
        site.plug(None)


def test_the_cable_is_pulled_out_and_it_is_done_again(visit, tmp_path):
    found, site = visit()
    about, data = data_of(site.folder)
    with EspRom(tmp_path, "ESP32", SAYS) as rom:
        site.plug(rom)
        press(found, "connect")
        wait_for(found, "confirm")
        site.cut_bytes = 60_000
        press(found, "write")
        text = fault(found)
        assert "was the cable pulled out" in text and "press Connect to write it again" in text
        there = rom.flash[about["offset"] :]
        assert there[:16] == data[:16] and there[: len(data)] != data
        rom.start("run")
        site.plug(rom)
        until(found, lambda: found.find_element(By.ID, "connect").is_enabled())
        write(found)
        until(found, lambda: found.find_element(By.ID, "node").is_displayed())
        assert rom.flash[about["offset"] : about["offset"] + len(data)] == data
        site.plug(None)


def test_the_cable_is_pulled_out_before(visit, tmp_path):
    found, site = visit()
    with EspRom(tmp_path, "ESP32") as rom:
        site.plug(rom)
        site.cut_bytes = 5000
        press(found, "connect")
        assert "was the cable pulled out? Nothing was written" in fault(found)
        site.plug(None)


def test_the_cable_is_pulled_out_while_it_asks(visit, tmp_path):
    found, site = visit()
    with EspRom(tmp_path, "ESP32") as rom:
        site.plug(rom)
        press(found, "connect")
        wait_for(found, "confirm")
        site.pull()
        assert "was the cable pulled out? Nothing was written" in fault(found)
        assert shown(found) == ["begin"]
        site.plug(None)


def test_the_board_is_reset_while_it_asks(visit, tmp_path):
    found, site = visit()
    with EspRom(tmp_path, "ESP32", SAYS) as rom:
        site.plug(rom)
        press(found, "connect")
        wait_for(found, "confirm")
        rom.start("run")
        press(found, "write")
        until(found, lambda: words(found, "ssid") == NODE[0])
        assert rom.starts == ["boot", "run", "boot", "run"]
        site.plug(None)


def test_a_flash_that_does_not_keep_it(visit, tmp_path, monkeypatch):
    found, site = visit()
    with EspRom(tmp_path, "ESP32") as rom:
        real = rom._write

        def worn(command, data):
            real(command, data)
            rom.flash[0x20000] ^= 1

        monkeypatch.setattr(rom, "_write", worn)
        site.plug(rom)
        write(found, "begin")
        assert re.search(r"Writing failed \(MD5 .*board is not whole", fault(found))
        site.plug(None)


def test_an_answer_that_comes_too_late(visit, tmp_path, monkeypatch):
    found, site = visit()
    with EspRom(tmp_path, "ESP32") as rom:
        real = rom._command

        def late(command, *words):
            if command != MEM_END or command in rom.commands:
                return real(command, *words)
            rom.commands.append(command)

        monkeypatch.setattr(rom, "_command", late)
        site.plug(rom)
        press(found, "connect")
        wait_for(found, "confirm")
        assert rom.starts == ["boot", "boot"]
        site.plug(None)


def test_cancelled(visit, tmp_path):
    found, site = visit()
    with EspRom(tmp_path, "ESP32", SAYS) as rom:
        site.plug(rom)
        press(found, "connect")
        wait_for(found, "confirm")
        press(found, "cancel")
        wait_for(found, "begin")
        assert "Nothing was written" in words(found, "status")
        assert not WRITES & set(rom.commands) and rom.starts == ["boot", "run"]
        site.plug(None)


def test_a_board_that_needs_a_hand_on_its_buttons(visit, tmp_path):
    found, site = visit()
    with EspRom(tmp_path, "ESP32", SAYS, transistors=False) as rom:
        rom.start("run")
        site.plug(rom)
        press(found, "connect")
        assert "Hold its BOOT button" in fault(found)
        rom.start("boot")
        press(found, "connect")
        wait_for(found, "confirm")
        site.plug(None)


def test_no_port_and_one_that_another_program_has(visit, tmp_path):
    found, site = visit()
    press(found, "connect")
    assert "No port was chosen" in fault(found)
    with EspRom(tmp_path, "ESP32") as rom:
        site.plug(rom)
        site.busy = True
        press(found, "connect")
        until(found, lambda: "Another program may have it" in words(found, "fault"))
        site.busy = False
        press(found, "connect")
        wait_for(found, "confirm")
        site.plug(None)


def test_a_port_that_goes_away_when_the_board_starts(visit, tmp_path):
    """As that of a chip with its own USB."""
    found, site = visit()
    with EspRom(tmp_path, "ESP32", SAYS) as rom:
        site.plug(rom)
        press(found, "connect")
        wait_for(found, "confirm")
        start = rom.start
        rom.start = lambda how: (site.pull(), start(how))
        press(found, "write")
        until(found, lambda: "choose the port again" in words(found, "status"))
        rom.start = start
        site.plug(rom)
        press(found, "port")
        until(found, lambda: words(found, "ssid") == NODE[0])
        site.plug(None)


def damaged(folder):
    about, data = data_of(folder)
    at = len(data) // 2
    (folder / about["file"]).write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])


BROKEN = {
    "damaged": (damaged, r"\.bin is damaged: it has not the SHA-256"),
    "no file": (lambda folder: next(folder.glob("*.bin")).unlink(), r"\.bin is missing .*404"),
    "no esptool-js": (
        lambda folder: (folder / toolchain.ESPTOOL_JS).unlink(),
        "esptool-js.js is missing",
    ),
    "nothing about it": (
        lambda folder: (folder / webpage.ABOUT).unlink(),
        "firmware.json is missing",
    ),
    "half of it": (
        lambda folder: (folder / webpage.ABOUT).write_text('{"version": "1'),
        "firmware.json is damaged",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_folder_that_is_not_whole(what, visit):
    change, text = BROKEN[what]
    found, _ = visit(change=change)
    assert re.search(text, fault(found))
    assert shown(found) == []


def test_a_browser_without_web_serial(visit, scripts):
    scripts("delete Navigator.prototype.serial")
    found, site = visit()
    # the one above came first, and the site's script after it
    scripts("delete Navigator.prototype.serial")
    found.get(site.url)
    assert "Open this page with Chrome or Edge" in fault(found)
    assert shown(found) == []


def test_a_page_that_came_neither_by_https_nor_from_here(visit, scripts):
    scripts("Object.defineProperty(window, 'isSecureContext', { value: false })")
    found, _ = visit()
    assert "by https, or by http from localhost" in fault(found)
    assert shown(found) == []


def test_a_page_that_was_opened_as_a_file(chromium, pages):
    chromium.get(f"file://{pages()}/index.html")
    assert "does not work from a file" in words(chromium, "status")
    assert shown(chromium) == []


def test_by_keyboard_and_by_ear(visit, tmp_path):
    """The place goes along with the step, each step has a name, and what happens is said."""
    found, site = visit()

    def active():
        return found.switch_to.active_element.get_attribute("id")

    assert found.find_element(By.ID, "status").aria_role == "status"
    assert found.find_element(By.ID, "fault").aria_role == "alert"
    assert found.find_element(By.ID, "bar").get_attribute("max") == "100"
    with EspRom(tmp_path, "ESP32", SAYS) as rom:
        site.plug(rom)
        found.switch_to.active_element.send_keys(Keys.TAB)
        assert active() == "connect"
        assert found.switch_to.active_element.value_of_css_property("outline-width") == "3px"
        found.switch_to.active_element.send_keys(Keys.ENTER)
        wait_for(found, "confirm")
        assert active() == "confirm-title"
        assert found.find_element(By.ID, "confirm").accessible_name.startswith("2. Replace all")
        found.switch_to.active_element.send_keys(Keys.TAB)
        assert active() == "write"
        found.switch_to.active_element.send_keys(Keys.SPACE)
        wait_for(found, "after")
        assert active() == "after-title"
        until(found, lambda: "The board is ready" in words(found, "status"))
        assert found.execute_script("return document.getElementById('bar').labels.length") == 1
        site.plug(None)


def test_can_be_read_on_a_narrow_screen(visit, tmp_path, request):
    found, site = visit()

    def look(name):
        if request.config.getoption("screenshots") and name == "node":
            browser.picture(found, ROOT / "docs" / "flash-page.png")
        for dark in (True, False):
            browser.dark(found, dark)
            readable = browser.contrasts(found)
            assert [each for each in readable if each[0] < 4.5] == []  # WCAG 2.1, 1.4.3
        assert found.execute_script("return document.documentElement.scrollWidth") <= browser.WIDTH
        for each in found.find_elements(By.CSS_SELECTOR, "button,summary"):
            if each.is_displayed():
                assert each.rect["height"] >= 44, each.get_attribute("outerHTML")

    press(found, "connect")
    fault(found)
    look("fault")
    with EspRom(tmp_path, "ESP32", SAYS) as rom:
        site.plug(rom)
        press(found, "connect")
        wait_for(found, "confirm")
        look("confirm")
        press(found, "write")
        until(found, lambda: words(found, "ssid"))
        look("node")
        site.plug(None)


def test_nothing_of_others_is_fetched(visit):
    found, site = visit()
    names = found.execute_script(
        "return performance.getEntriesByType('resource').map((each) => each.name)"
    )
    assert names and all(name.startswith(site.url) for name in names)
