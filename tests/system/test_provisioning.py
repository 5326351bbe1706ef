"""The page as a person with a phone has it: in a real browser, of a phone's size, by touch, keyboard and screen reader.

With `--screenshots` the pictures of docs/provisioning.md are made anew.
"""

import re

import browser
import pytest
from outside import NAME, NODE, WIFI_PASSWORD, until
from phone import HOST, TRIED_S, Phone
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tools import ROOT, pins

PAGE = f"http://{HOST}/"
HOSTILE = (
    "<script>document.title='no'</script>",
    "<img src=x onerror=alert(1)>",
    '" onfocus=alert(1) autofocus x="',
    "</bdi></label><h1>owned</h1>",
    "'&lt;b&gt;&amp;",
    "\u202egnorts\u202d",
)
SHARED = pins.usual("esp32", "bme280", "i2c")
AIR = [
    {"at_s": 0, "do": "access_point", "ssid": "attic", "key": WIFI_PASSWORD, "rssi": -51},
    {"at_s": 0, "do": "access_point", "ssid": "Garden house 2.4", "key": "x" * 8, "rssi": -66},
    {"at_s": 0, "do": "access_point", "ssid": "Café", "rssi": -74},
    {"at_s": 0, "do": "access_point", "ssid": "neighbour", "key": "x" * 8, "rssi": -86},
    {"at_s": 0, "do": "wire", "name": "x", "type": "bme280", "address": "0x76", **SHARED},
]


@pytest.fixture
def visit(nodes, compiled):
    """Make a fresh board and a browser in front of it: visit(air)."""
    made = []

    def make(air=()):
        node = nodes("", files=compiled, scenario=[*AIR, *air])
        (node.flash / "config.json").unlink()
        node.start()
        found = browser.start(Phone(node).port)
        made.append(found)
        found.get(f"http://{browser.NAME}/generate_204")
        assert found.current_url == PAGE
        return node, found

    yield make
    for each in made:
        each.quit()


@pytest.fixture
def keep(request):
    """keep(browser, name): a picture for the documentation, when it was asked for."""

    def picture(found, name):
        if request.config.getoption("screenshots"):
            browser.picture(found, ROOT / "docs" / f"provisioning-{name}.png")

    return picture


def field(found, name):
    return found.find_element(By.CSS_SELECTOR, f"input[name={name}]:not([type=radio])")


def words(found):
    try:
        return found.find_element(By.TAG_NAME, "body").text
    except WebDriverException:
        return ""  # another page has just come


def fill(found, broker, key=WIFI_PASSWORD):
    """Fill in the form and press the button."""
    found.find_element(By.XPATH, "//label[contains(., 'attic')]").click()
    entries = {"key": key, "host": "127.0.0.1", "port": broker.port, "user": NODE[0]}
    for name, text in (entries | {"password": NODE[1], "name": NAME}).items():
        entry = field(found, name)
        entry.clear()
        entry.send_keys(str(text))


def press(found, text):
    found.find_element(By.XPATH, f"//button[.='{text}']").click()


def wait_for(found, text):
    until(lambda: text in words(found), TRIED_S, text, lambda: words(found))


def test_from_the_first_page_to_a_node_that_publishes(broker, visit, seen, keep):
    """Without JavaScript, which the page itself forbids, and without a touch while the result is awaited."""
    _, found = visit()
    assert not browser.runs_scripts(found)
    fill(found, broker)
    found.find_element(By.XPATH, "//label[contains(., 'bme280')]").click()
    keep(found, "form")
    press(found, "Test and save")
    wait_for(found, "Trying the settings")
    wait_for(found, "Saved")
    assert "joined attic" in words(found)
    assert f"broker 127.0.0.1:{broker.port} accepts the node" in words(found)
    assert "bme280-1" in words(found)
    keep(found, "saved")
    seen.wait_for(f"{NAME}/status", "online", 60)
    assert seen.wait_readings("bme280-1", 1)[0]["pressure"] > 900


def test_a_wrong_password(broker, visit, seen, keep):
    node, found = visit()
    fill(found, broker, key="not-the-Secret")
    press(found, "Test and save")
    wait_for(found, "That did not work")
    alert = found.find_element(By.CSS_SELECTOR, "[role=alert]")
    assert "Wi-Fi attic:" in alert.text and "wrong password" in alert.text
    assert found.title.startswith("That did not work")
    keep(found, "fault")
    assert field(found, "host").get_attribute("value") == "127.0.0.1"
    for name in ("key", "password"):
        assert field(found, name).get_attribute("value") == ""
        assert field(found, name).get_attribute("placeholder") == "unchanged"
    assert WIFI_PASSWORD not in found.page_source and NODE[1] not in found.page_source
    field(found, "key").send_keys(WIFI_PASSWORD)
    press(found, "Test and save")
    wait_for(found, "Saved")
    seen.wait_for(f"{NAME}/status", "online", 60)
    assert node.resets == ["power", "reset"]


def test_hostile_names_are_only_names(visit):
    air = [{"at_s": 0, "do": "access_point", "ssid": ssid, "key": "x" * 8} for ssid in HOSTILE]
    air.append({"at_s": 0, "do": "access_point", "hex": "ff3c2f7363726970743e", "key": "x" * 8})
    _, found = visit(air)
    # no dialog either: it would raise here
    assert re.fullmatch("Set up outpost-[0-9a-f]{6}", found.title)
    assert not found.find_elements(By.CSS_SELECTOR, "script,img,[onfocus],[onerror],[autofocus]")
    assert [h1.text for h1 in found.find_elements(By.TAG_NAME, "h1")] == ["Set up this node"]
    shown = [each.get_property("textContent") for each in found.find_elements(By.TAG_NAME, "bdi")]
    sent = [each.get_property("value") for each in found.find_elements(By.NAME, "ssid")]
    for ssid in HOSTILE:
        assert ssid in shown and ssid in sent, ssid
    assert r"\xff</script>" in shown
    odd = [each for each in found.find_elements(By.NAME, "ssid") if not each.is_enabled()]
    assert len(odd) == 1
    scripts = found.execute_script("return performance.getEntriesByType('resource').length")
    assert scripts == 0, "nothing else is fetched"


def test_what_is_entered_comes_back_as_text(visit):
    _, found = visit()
    for name in ("other", "host", "user", "name"):
        field(found, name).send_keys('"><img src=x onerror=alert(1)>')
    press(found, "Save without testing")
    wait_for(found, "Nothing was saved")
    assert not found.find_elements(By.TAG_NAME, "img")
    assert field(found, "user").get_attribute("value") == '"><img src=x onerror=alert(1)>'


def test_fits_a_phone(visit):
    _, found = visit()
    for _ in ("the form", "the form with faults"):
        width = found.execute_script("return document.documentElement.scrollWidth")
        assert width <= browser.WIDTH
        for each in found.find_elements(By.CSS_SELECTOR, "button,input:not([type=hidden]),.pick"):
            box = each.rect
            assert box["x"] >= 0 and box["x"] + box["width"] <= browser.WIDTH, box
            if each.get_attribute("type") not in (
                "radio",
                "checkbox",
            ):  # their label is the target
                assert box["height"] >= 44, (each.get_attribute("outerHTML"), box)
        press(found, "Save without testing")
        wait_for(found, "Nothing was saved")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_can_be_read(visit, dark):
    _, found = visit()
    browser.dark(found, dark)
    for _ in ("the form", "the form with faults"):
        readable = browser.contrasts(found)
        assert len(readable) > 20
        assert [each for each in readable if each[0] < 4.5] == []  # WCAG 2.1, 1.4.3
        press(found, "Save without testing")
        wait_for(found, "Nothing was saved")


def test_every_field_has_a_name_and_says_its_fault(visit):
    _, found = visit()
    press(found, "Save without testing")
    wait_for(found, "Nothing was saved")
    assert found.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    for each in found.find_elements(By.CSS_SELECTOR, "input:not([type=hidden])"):
        assert each.accessible_name.strip(), each.get_attribute("outerHTML")
    wrong = found.find_elements(By.CSS_SELECTOR, "[aria-invalid=true]")
    assert {each.get_attribute("name") for each in wrong} == {"other", "host"}
    for each in wrong:
        fault = found.find_element(By.ID, each.get_attribute("aria-describedby"))
        assert "give " in fault.text
    assert len(found.find_elements(By.CSS_SELECTOR, "fieldset > legend")) == 5


def test_by_keyboard_alone(broker, visit, seen):
    _, found = visit()
    reached = []
    active = found.switch_to.active_element
    active.send_keys(Keys.TAB)
    for _ in range(20):
        active = found.switch_to.active_element
        name = active.get_attribute("name") or active.text
        if not name:
            break
        outline = active.value_of_css_property("outline-width")
        assert outline == "3px", (name, outline)
        reached.append(name)
        text = {
            "key": WIFI_PASSWORD,
            "host": "127.0.0.1",
            "port": str(broker.port),
            "user": NODE[0],
            "password": NODE[1],
            "name": NAME,
        }.get(name)
        if name == "ssid":
            active.send_keys(Keys.ARROW_DOWN)  # round to the first
            assert found.switch_to.active_element.get_attribute("value") == "attic"
        if text:
            active.send_keys(text)
        if name == "name":
            active.send_keys(Keys.ENTER)
            break
        found.switch_to.active_element.send_keys(Keys.TAB)
    assert reached == [
        "ssid",
        "Search again",
        "other",
        "key",
        "host",
        "port",
        "user",
        "password",
        "bme280-0x76",
        "bme680-0x76",
        "bmp280-0x76",
        "name",
    ]
    wait_for(found, "Saved")  # Enter is "Test and save"
    seen.wait_for(f"{NAME}/status", "online", 60)


def test_two_browsers(broker, visit):
    node, one = visit()
    two = browser.start(Phone(node).port)
    try:
        two.get(PAGE)
        fill(one, broker, key="not-the-Secret")
        press(one, "Test and save")
        wait_for(one, "Trying the settings")
        fill(two, broker)
        press(two, "Save without testing")  # too late: the other one's are tried
        for found in (one, two):
            wait_for(found, "That did not work")
        assert not (node.flash / "config.json").exists()
    finally:
        two.quit()
