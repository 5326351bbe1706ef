"""Which sensors the page for a phone offers, and what becomes of those that were ticked."""

import os

import stand

import sim
from firmware import sensors
from firmware.hardware.board import Board
from firmware.hardware.usualpins import USUAL, each
from firmware.provisioning import form as provisioning_form
from firmware.provisioning import page as pages
from firmware.provisioning.portal import Portal
from firmware.provisioning.sensors import offered, places
from firmware.settings import config

BOARDS = ("esp32", "pico_w")
HEAP = "400k"  # sources are compiled, and the tables of the settings stay
ROM = "28ff641e0f160390"
FORM = {"ssid": "home", "key": "secret-home", "host": "10.0.0.2", "name": "attic"}


def wire(board, *addresses, rom=None):
    """Put a BME280 at each of these addresses of the usual I2C pins, and a DS18B20 on the usual 1-Wire pin."""
    sim.no_stand()
    sda, scl = each(board.model, "i2c")[0]
    for address in addresses:
        name = "bme-%s" % address
        stand.wire(name=name, type="bme280", sda=sda, scl=scl, address=address)
    if rom:
        stand.wire(
            name="wire", type="ds18b20", pin=each(board.model, "onewire")[0][0], address=rom
        )
    return sda, scl


def found(board):
    return [(entry["type"], entry["address"]) for entry in offered(board)]


def test_what_answers_is_offered_as_all_it_may_be():
    board = Board()
    wire(board, "0x76", "0x77", rom=ROM)
    assert found(board) == [
        ("bme280", "0x76"),
        ("bme680", "0x76"),
        ("bmp280", "0x76"),
        ("bme280", "0x77"),
        ("bme680", "0x77"),
        ("bmp180", "0x77"),
        ("bmp280", "0x77"),
        ("ds18b20", ROM),
    ]


def test_each_is_an_entry_that_is_right():
    board = Board()
    wire(board, "0x76", "0x77", rom=ROM)
    taken = {}
    for entry in offered(board):
        taken[entry["address"]] = entry  # the last of each address
    raw = {"wifi": {"networks": [{"ssid": "a"}]}, "mqtt": {"brokers": [{"host": "b"}]}}
    raw["sensors"] = list(taken.values())
    settings, faults = config.check(raw, sensors.TYPES, board.model)
    assert not faults, faults
    names = [sensor["name"] for sensor in settings["sensors"]]
    assert sorted(names) == ["bmp280-1", "bmp280-2", "temperature-1"]


def test_where_nothing_answers_nothing_is_offered():
    board = Board()
    sda, _ = wire(board)
    assert found(board) == []
    assert (
        places(board.model)
        == {
            "esp32": "SDA pin 21, SCL pin 22, 1-Wire pin 4",
            "pico_w": "SDA pin 4, SCL pin 5, 1-Wire pin 2",
        }[board.model]
    )
    stand.bus_stuck(sda)
    assert found(board) == []


def test_a_line_of_nonsense_is_no_sensor():
    class Wire:
        def scan(self):
            return [bytearray(8), bytearray(b"\xff" * 8), bytearray(bytes.fromhex(ROM[:-1] + "1"))]

    board = Board()
    wire(board)
    board.onewire = lambda pin: Wire()
    assert found(board) == []


def test_a_bus_at_which_everything_answers_fills_no_page():
    class Bus:
        def scan(self):
            return list(range(8, 120))

    board = Board()
    wire(board)
    board.i2c = lambda sda, scl: Bus()
    assert len(found(board)) == 24


def test_a_board_that_is_not_known():
    board = Board()
    board.model = "unknown"
    assert found(board) == [] and places("unknown") == ""


def test_the_table_has_all_of_each_board():
    for model in USUAL:
        assert len(each(model, "i2c")[0]) == 2 and len(each(model, "onewire")[0]) == 1


# on the page


class Ap:
    address = "192.168.4.1"

    def heard(self):
        return [(b"home", -50, False)]


def portal(board, text=None, faults=()):
    if "config.json" in os.listdir():
        os.remove("config.json")
    if text:
        with open("config.json", "w") as f:
            f.write(text)
    board.access_point = lambda: Ap()
    made = Portal(board, faults)
    made.search()
    return made


def text(portal):
    return "".join([p if type(p) is str else p.decode() for p in portal.page("")])


def work(portal, **given):
    form = dict(FORM)
    form.update(given)
    portal.submit(form, False)
    for now in range(100):
        portal.step(now)
        if not portal.is_busy():
            return
    raise AssertionError("it has no end")


def test_what_is_ticked_is_saved_and_the_page_says_so():
    board = Board()
    sda, scl = wire(board, "0x76", rom=ROM)
    made = portal(board)
    page = text(made)
    assert "Something answers on SDA pin %d, SCL pin %d" % (sda, scl) in page
    assert "type=checkbox name=bme280-0x76 value=1>" in page
    work(made, **{"bme280-0x76": "1", "ds18b20-" + ROM: "1", "bmp280-0x44": "1"})
    assert made.is_saved, (made.fault, made.faults, made.others)
    entry = {"name": "bme280-1", "type": "bme280", "sda": sda, "scl": scl, "address": "0x76"}
    assert made.draft["sensors"][0] == entry
    assert len(made.draft["sensors"]) == 2
    page = text(made)
    assert "<li>bme280-1</li><li>temperature-1</li>" in page
    assert "no sensors yet" not in page


def test_two_types_at_one_address_are_told_and_stay_ticked():
    board = Board()
    wire(board, "0x76")
    made = portal(board)
    work(made, **{"bme280-0x76": "1", "bmp280-0x76": "1"})
    assert not made.is_saved
    page = text(made)
    assert "sensors: two have one address, tick the one that is there" in page
    assert "name=bme280-0x76 value=1 checked>" in page
    assert "name=bme680-0x76 value=1>" in page
    work(made, **{"bmp280-0x76": "1"})
    assert made.is_saved and [s["type"] for s in made.draft["sensors"]] == ["bmp280"]


def test_without_one_the_page_says_what_comes_next():
    board = Board()
    wire(board)
    made = portal(board)
    assert "Nothing answers on SDA pin" in text(made)
    work(made)
    assert made.is_saved and "sensors" not in made.draft
    assert "no sensors yet" in text(made) and "<b>make scan</b>" in text(made)


def test_one_that_is_wired_meanwhile_is_found_by_searching_again():
    board = Board()
    wire(board)
    made = portal(board)
    wire(board, "0x77")
    made.search()
    assert "name=bmp180-0x77" in text(made)


def test_pins_of_which_nobody_knows_what_is_there_are_left_alone():
    for text_of_file, faults in (
        ('{"sensors": [{"name": "a", "type": "adc", "pin": 26}]}', ()),
        ('{"outputs": [{"name": "a", "pin": 4}]}', ()),
        ('{"node": {"led": 21}}', ()),
        ("{", ["config.json: line 1, column 2: is not closed"]),
        ('{"outputs": 3}', ["config.json: outputs: is a number"]),
    ):
        board = Board()
        board.i2c = board.onewire = None
        made = portal(board, text_of_file, faults)
        assert made.offered == () and "<legend>Sensors" not in text(made)


def test_the_fields_of_boxes_are_plain():
    assert provisioning_form.box({"type": "bme280", "address": "0x76"}) == "bme280-0x76"
    assert pages.escape("bme280-0x76") == "bme280-0x76"
