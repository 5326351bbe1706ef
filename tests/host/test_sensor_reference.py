"""docs/sensors.md is what the tables and the drivers say; each row of the tables has its driver."""

import ast
import json
import re

import pytest

from tools import ROOT, CommandError, pins
from tools.reference import processing, reference, wiring
from tools.reference.sensors import FAILURES, errors, failure, listed, raised, section
from tools.settings import newconfig
from tools.settings.judge import node

GENERATED = reference.generate()
TEXT = GENERATED["docs/sensors.md"]
SETTINGS = GENERATED["docs/config.md"]
config, _ = node()

from firmware.sensors import _DERIVED, _NOT_THE_DRIVERS, QUANTITIES, TYPES  # noqa: E402  (node() has made them known)

BOARDS = wiring.BOARDS


def checked(board, *entries):
    """Return what the node says of entries of `sensors` on a board."""
    raw = {
        "wifi": {"networks": [{"ssid": "home"}]},
        "mqtt": {"brokers": [{"host": "192.0.2.1"}]},
        "sensors": list(entries),
    }
    return config.check(raw, TYPES, board)[1]


def headings(text):
    """The anchors of a page, as GitHub makes them."""
    for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_every_type_and_quantity_is_there():
    published = re.findall("^(`.*`) publish(?:es)?:$", TEXT, re.MULTILINE)
    assert sorted(name for names in published for name in re.findall("`(.*?)`", names)) == sorted(
        TYPES
    )
    for quantity in QUANTITIES:
        assert f"| `{quantity}`" in TEXT, quantity


def test_what_a_setting_decides_is_said_with_it():
    assert '| `open` (`kind`: "reed") | true or false |' in TEXT
    assert "| `gas_resistance` (`heater_c`: 200, 250, 300, 320, 350, 400) | Ω |" in TEXT
    assert '| `total` (`unit`: "mm/h", "L/min", "L/h", "W") | by `unit` |' in TEXT
    assert "| `count` | pulses |" in TEXT


def test_the_index_has_every_type_once_and_what_it_measures():
    rows = re.findall(
        r"^\| \[`(.*?)`\]\(#.*?\) \| (.+?) \| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE
    )
    assert [row[0] for row in rows] == sorted(TYPES)
    for name, sensor, measures, _ in rows:
        assert measures.split(", ") == [quantity for quantity, _ in listed(TYPES[name][3])]
        assert len(sensor) < 80, sensor


@pytest.mark.parametrize("page", ["docs/sensors.md", "docs/config.md"])
def test_links_lead_somewhere(page):
    pages = {"docs/sensors.md": TEXT, "docs/config.md": SETTINGS}
    links = re.findall(r"\]\((.*?)\)", pages[page])
    for link in links:
        name, _, anchor = link.partition("#")
        path = f"docs/{name}" if name else page
        assert (ROOT / path).exists(), link
        assert not anchor or anchor in headings(pages[path]), link
    assert page != "docs/sensors.md" or len(links) > len(TYPES) * 2


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", sorted(TYPES))
def test_an_entry_is_right_on_its_board(name, board):
    entry = newconfig.entry(name, name, TYPES, board)
    assert checked(board, entry) == []
    assert json.dumps(entry) in TEXT


@pytest.mark.parametrize("board", BOARDS)
def test_a_sensor_of_each_bus_finds_its_pins_free(board):
    buses = {name if name in pins.USES else row[1]: name for name, row in TYPES.items()}
    assert buses.keys() == pins.USES.keys()
    entries = [newconfig.entry(name, name, TYPES, board) for name in buses.values()]
    assert checked(board, *entries) == []


def test_every_entry_of_the_page_is_json_and_right():
    entries = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
    assert len(entries) == 2 * len(TYPES) + 4
    for entry in entries:
        assert any(checked(board, entry) == [] for board in BOARDS), entry


def test_pins_are_those_of_the_example():
    for entry in json.loads(GENERATED["config.json.example"])["sensors"]:
        ours = newconfig.entry("any", entry["type"], TYPES, "esp32")
        for key in ("sda", "scl", "pin"):
            assert ours.get(key) == entry.get(key), entry


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_picture_has_every_pin_of_both_boards(name):
    bus, rows = TYPES[name][1:3]
    picture = wiring.picture(name, bus, rows)
    for board, label in zip(BOARDS, ("GPIO", "GP"), strict=True):
        entry = newconfig.entry(name, name, TYPES, board)
        for key, kind, *_ in rows:
            if kind == "pin":
                assert re.search(rf"- .*\b{label}{entry[key]}\b", picture), (key, picture)
    assert "GND" in picture and all(len(line) < 80 for line in picture.splitlines())


def test_the_serial_port_is_crossed():
    picture = wiring.picture("mhz19", "uart", TYPES["mhz19"][2])
    pins = newconfig.entry("any", "mhz19", TYPES, "esp32")
    assert re.search(rf"^RX -+ GPIO{pins['tx']}\b", picture, re.MULTILINE)
    assert re.search(rf"^TX -+ GPIO{pins['rx']}\b", picture, re.MULTILINE)


def test_what_becomes_of_a_reading():
    """The node's own code reckons the numbers of the page; these were done by hand."""
    assert "| published | 0.0 | 19.9 | 100.0 | 112.2 |" in TEXT  # (20 - 0.6) / 97.5 = 0.19897
    # Medians 150, 150.5, 150, 150.5, 151, 152, 153, 350; means of two.
    assert "| published | 150.0 | 150.2 | 150.2 | 150.2 | 150.8 | 151.5 | 152.5 | 180.0 |" in TEXT
    assert "| `altitude_m` | `sea_level_pressure` | 1013.2" in TEXT  # 520 m: 952.3 hPa
    for setting in _DERIVED:
        assert setting in processing.DERIVED


def test_every_text_of_a_failure_is_explained():
    found = set()
    for name, (driver, bus, *_) in TYPES.items():
        module = driver.split(".")[0]
        texts = set(errors(module, bus))
        found |= texts
        (told,) = re.findall(rf"^## .*`{name}`.*$(?:\n(?!## ).*)*", TEXT, re.MULTILINE)
        line = re.search(r"^\[What goes wrong\].*", told, re.MULTILINE)
        assert texts == set(re.findall("`(.*?)`", line[0] if line else "")), name
    assert found == set(FAILURES), "a row that no driver needs"


def test_a_failure_that_is_not_explained_is_none_of_the_page():
    assert failure("chip id 0x58 is a BMP280; expected a BME280 (0x60)") == "chip id …"
    assert failure("too bright (less sensitivity measures more)") == "too bright"
    for text in ("the moon is full", "checksum of what", "not too bright"):
        with pytest.raises(CommandError, match=r"no row in .* explains"):
            failure(text)


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ('raise OSError(EIO, "checksum")', ["checksum"]),
        (
            'raise OSError(EIO, "chip id 0x%02x; expected %d" % (a, b))',
            ["chip id 0x…; expected …"],
        ),
        ('raise OSError(EIO, "chip id 0x%02x" % a + is_a + c)', ["chip id 0x…"]),
        ("raise OSError(EIO, _BLANK)", ["blank"]),
        ('raise OSError(EIO, "busy" if a else _BLANK)', ["busy", "blank"]),
        ('raise ValueError("one of " + b)', ["one of …"]),
        ("raise OSError(ENODEV)", ["no answer on the bus"]),
        ("raise OSError(ETIMEDOUT)", ["timed out"]),
        ("raise", []),
    ],
)
def test_texts_are_read_from_the_code(line, texts):
    assert list(raised(ast.parse(f'_BLANK = "blank"\n{line}'))) == texts


def test_ranges_and_sources_are_told():
    told = section("tmp117", ["tmp117"], TYPES, QUANTITIES)
    assert "\n**Range**: -55 to 150 °C, ±0.1 °C from -20 to 50.\n" in told
    assert "\nSource: TI TMP117 data sheet, SNOSD82: 7.4.3 and 7.6.\n" in told
    assert "Range:" not in told


def test_docstrings_have_one_form():
    """What it is; a line of its own for `Range`, then `Source`; no more than a page shows."""
    for path in sorted((ROOT / "lib" / "drivers").glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text()))
        first, *rest = text.splitlines()
        assert first.endswith("."), path.name
        labels = [line.partition(":")[0] for line in rest if re.match("(Range|Source): ", line)]
        assert labels in (["Range", "Source"], ["Range"], ["Source"], []), path.name
        assert len(rest) <= 20, path.name


def test_every_row_has_its_driver_with_those_settings():
    for name, (driver, bus, rows, _) in TYPES.items():
        module, cls = driver.split(".")
        tree = ast.parse((ROOT / "lib" / "drivers" / f"{module}.py").read_text())
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        parameters = set()
        while cls in classes and not parameters:
            for method in classes[cls].body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    parameters = {argument.arg for argument in method.args.args[2:]}
            bases = classes[cls].bases
            cls = bases[0].id if bases else None
        # `keep` becomes the path of a file.
        settings = {"path" if row[0] == "keep" else row[0] for row in rows}
        assert settings - {*_NOT_THE_DRIVERS, *_DERIVED} == parameters, (name, bus)


def test_every_driver_is_in_a_row():
    modules = {path.stem for path in (ROOT / "lib" / "drivers").glob("*.py")}
    assert {driver.split(".")[0] for driver, _, _, _ in TYPES.values()} == modules
