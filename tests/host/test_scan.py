"""`scan` against a simulated board behind a pseudo-terminal, and what it makes of what it finds."""

import json
import re
import subprocess
import sys

import pytest

from tests.host.ptyhost import PtyBoard
from tools import ROOT, models, pins
from tools.__main__ import main
from tools.boards import ports, scan, scan_ids, serialboard
from tools.boards.scan_config import Chip, Known
from tools.settings import judge

PASSWORD = "geheimgeheim"
MAIN = b"import time\nprint('node runs')\nwhile True:\n    time.sleep(1)\n"
# After the stand wired what the config says: another one.
STAND = """
import sim, stand
from chips import bme280, ds18b20
for devices in (sim.i2c_devices, sim.onewire_devices, sim.wires):
    devices.clear()
def i2c(sda, scl, address, chip):
    sim.i2c_attach(sda, scl, address, chip, "%d-%d" % (sda, address))
def bosch(id, sda=21, scl=22, address=0x76):
    i2c(sda, scl, address, bme280.Chip(sim, lambda: (20, 50, 1000), id))
def rom(digits, pin=4):
    code = bytes.fromhex(digits)
    if len(code) == 7:
        code += bytes((ds18b20.crc8(code),))
    sim.onewire_attach(pin, ds18b20.Chip(sim, lambda: 20, code), digits)
class Registers:
    "Answers with the register asked for, and zeros; a command of two bytes with words, if it knows it."
    def __init__(self, words):
        self.words = words
        self.asked = b""
    def write(self, data):
        if data:
            self.asked = bytes(data)
        return not data or len(data) == 1 or self.asked in self.words
    def read(self, n):
        return (self.words.get(self.asked, b"") + bytes(n))[:n]
"""
ROMS = ("28ff641e0f160390", "282f06160f1e644a")


def config(sensors=(), **more):
    return {
        "wifi": {"networks": [{"ssid": "home", "password": PASSWORD}]},
        "mqtt": {"brokers": [{"host": "192.0.2.1", "password": PASSWORD, "user": "me"}]},
        "sensors": list(sensors),
        **more,
    }


def bme(name="room", kind="bme280", **more):
    return {"name": name, "type": kind, "sda": 21, "scl": 22, **more}


@pytest.fixture
def call(tmp_path, capsys):
    """Scan a board that has these settings and this stand: (exit code, stdout, stderr)."""

    def run(*words, sensors=None, stand=None, board="esp32", settings=None, command="scan"):
        pty = PtyBoard(tmp_path, board=board, fakes=True)
        files = {"main.py": MAIN, "boot.py": (STAND + stand).encode() if stand else b""}
        if sensors is not None or settings is not None:
            files["config.json"] = json.dumps(settings or config(sensors)).encode()
        pty.put(files)
        with pty:
            status = main([command, "--port", pty.port, *words])
            said = capsys.readouterr()
            pty.wait_for(lambda: pty.lives == ["hard", "raw", "hard"])
            pty.wait_for(lambda: pty.said.rstrip().endswith(b"node runs"))
        assert PASSWORD not in said.out + said.err
        assert PASSWORD.encode() not in pty.said, "secrets stay on the board"
        return status, said.out, said.err

    return run


def pasted(out):
    """The entries of what people paste."""
    return json.loads("{" + out.partition("for config.json:")[2] + "}")["sensors"]


def check(entries, model):
    node, types = judge.node()
    settings, faults = node.check(config(entries), types, model)
    assert not faults
    return settings


# ---- on a board


def test_two_chips_on_one_bus(call):
    sensors = [bme(interval_s=300), bme("cellar", "bmp280", address="0x77")]
    status, out, err = call(sensors=sensors)
    assert (status, err) == (0, "")
    assert "I2C, SDA GPIO21, SCL GPIO22:\n" in out
    assert '  0x76  bme280; "room" in config.json\n' in out
    assert '  0x77  bmp280; "cellar" in config.json\n' in out
    assert "1-Wire, GPIO4: nothing answers" in out, "the usual pin, where the config has none"
    assert pasted(out) == sensors, "what is known stays as it is"
    assert re.search(r'^  \{"name": "room", "type": "bme280", "interval_s": 300, "sda"', out, re.M)


@pytest.mark.slow
@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_the_example_is_found_on_its_pins(board, call):
    _, types = judge.node()
    settings = json.loads((ROOT / "config.json.example").read_text())
    for sensor in settings["sensors"]:
        sensor.update(pins.usual(board, sensor["type"], types[sensor["type"]][1]))
    buses = [s for s in settings["sensors"] if s["type"] in ("bme280", "bmp280", "ds18b20")]
    status, out, err = call("--json", settings=settings, board=board)
    assert status == 0
    assert json.loads(out) == buses
    assert '"room" in config.json' in err
    check(json.loads(out), board)


@pytest.mark.slow
@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_a_board_without_settings_has_the_usual_pins(board, call):
    (sda, scl), (wire,) = pins.each(board, "i2c")[0], pins.each(board, "onewire")[0]
    stand = f"bosch(0x60, {sda}, {scl}, 0x77)\nrom({ROMS[0]!r}, {wire})\n"
    status, out, _ = call("--json", stand=stand, board=board)
    assert status == 0
    assert json.loads(out) == [
        {"name": "bme280-1", "type": "bme280", "sda": sda, "scl": scl, "address": "0x77"},
        {"name": "temperature-1", "type": "ds18b20", "pin": wire, "address": ROMS[0]},
    ]
    check(json.loads(out), board)


@pytest.mark.slow
def test_a_config_of_what_is_found(call):
    stand = f"bosch(0x60, 4, 5, 0x77)\nrom({ROMS[0]!r}, 2)\n"
    words = ("--sensors", "scan", "--out", "-")
    status, out, err = call(*words, stand=stand, board="pico_w", command="config")
    assert status == 0
    assert "I2C, SDA GP4, SCL GP5:\n" in err
    assert json.loads(out)["sensors"] == [
        {"name": "bme280-1", "type": "bme280", "sda": 4, "scl": 5, "address": "0x77"},
        {"name": "temperature-1", "type": "ds18b20", "pin": 2, "address": ROMS[0]},
    ]


@pytest.mark.slow
def test_nothing_connected(call):
    status, out, err = call(stand="pass")
    assert (status, err) == (0, "")
    assert "I2C, SDA GPIO21, SCL GPIO22: nothing answers\n" in out
    assert "1-Wire, GPIO4: nothing answers\n" in out
    assert "for config.json" not in out
    assert json.loads(call("--json", stand="pass")[1]) == []


@pytest.mark.slow
def test_what_is_gone_is_named(call):
    sensors = [bme(), {"name": "boiler", "type": "ds18b20", "pin": 4}]
    sensors.append({"name": "attic", "type": "ds18b20", "pin": 15, "address": ROMS[0].upper()})
    _, out, _ = call(sensors=sensors, stand=f"rom({ROMS[0]!r}, 15)")
    assert 'nothing answers\n  "room" in config.json (bme280 0x76) does not answer\n' in out
    assert 'nothing answers\n  "boiler" in config.json (ds18b20) does not answer\n' in out
    assert f'GPIO15:\n  {ROMS[0]}  DS18B20; "attic" in config.json\n' in out
    assert pasted(out) == sensors[2:]


@pytest.mark.slow
def test_another_chip_than_the_config_says(call):
    sensors = [bme(interval_s=30, dew_point=True, freq=50000)]
    _, out, _ = call(sensors=sensors, stand="bosch(0x58)")
    assert '  0x76  bmp280; "room" in config.json says bme280\n' in out
    corrected = {"name": "room", "type": "bmp280", "interval_s": 30, "address": "0x76"}
    assert pasted(out) == [{**corrected, "sda": 21, "scl": 22, "freq": 50000}]
    check(pasted(out), "esp32")


@pytest.mark.slow
def test_a_chip_without_driver(call):
    stand = "bosch(0x50)\ni2c(21, 22, 0x3c, Registers({}))\ni2c(21, 22, 0x0b, Registers({}))\n"
    stand += "i2c(21, 22, 0x77, Registers({b'\\x00': b'\\x50'}))\n"
    status, out, _ = call(stand=stand)
    assert status == 0
    assert "  0x0b  unknown: no driver\n" in out
    assert "  0x3c  perhaps an OLED display: no driver\n" in out
    assert "  0x76  unknown: no driver\n" in out
    assert "  0x77  BMP388: no driver\n" in out
    assert "for config.json" not in out


@pytest.mark.slow
def test_one_address_of_many_types(call):
    stand = """
i2c(21, 22, 0x40, Registers({b"\\xfe": b"TI", b"\\xff": b"\\x22\\x60"}))
i2c(21, 22, 0x44, Registers({b"\\x37\\x80": b"\\x00\\x00\\x81\\xbe\\xef\\x92"}))
i2c(21, 22, 0x45, Registers({b"\\x89": b"\\x00\\x00\\x81\\xbe\\xef\\x92"}))
i2c(21, 22, 0x48, Registers({b"\\x0f": b"\\x01\\x17"}))
i2c(21, 22, 0x49, Registers({b"\\x02": b"\\x80\\x00", b"\\x03": b"\\x7f\\xff"}))
i2c(21, 22, 0x4a, Registers({b"\\x00": b"\\x01\\x90"}))
i2c(21, 22, 0x4d, Registers({}))
i2c(21, 22, 0x62, Registers({b"\\xe4\\xb8": b"\\x80\\x00\\xa2"}))
"""
    _, out, _ = call(stand=stand)
    entries = pasted(out)
    assert [(entry["address"], entry["type"]) for entry in entries] == [
        ("0x40", "ina226"),
        ("0x44", "sht3x"),
        ("0x45", "sht4x"),
        ("0x48", "tmp117"),
        ("0x49", "ads1115"),
        ("0x4a", "ads1115"),
        ("0x4d", "ina219"),
        ("0x62", "scd4x"),
    ]
    assert "  0x4a  ads1115 or ina219, as far as the address tells\n" in out
    check(entries, "esp32")
    assert len({entry["name"] for entry in entries}) == len(entries)


@pytest.mark.slow
def test_what_the_config_says_decides_what_the_chip_does_not(call):
    known = bme("solar", "ina219", address="0x48", shunt_ohm=0.01)
    _, out, _ = call(sensors=[known], stand="i2c(21, 22, 0x48, Registers({}))")
    assert '  0x48  ina219, as far as the address tells; "solar" in config.json\n' in out
    assert pasted(out) == [known]


def simulated():
    """Types on I2C whose chip there is to answer, with their first and last address."""
    from sim.board.chips import MODULES

    _, types = judge.node()
    for name, (_, bus, rows, _) in types.items():
        chip = ROOT / "sim/board/chips" / f"{MODULES.get(name, name)}.py"
        if bus == "i2c" and chip.exists():
            (addresses,) = [row[3] for row in rows if row[0] == "address"]
            for address in sorted({addresses[0], addresses[-1]}):
                yield name, address


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "address"), list(simulated()))
def test_every_simulated_chip_is_known(kind, address, call):
    entry = bme("it", kind, address=address)
    _, out, _ = call(sensors=[entry])
    assert re.search(rf'^  {address}  {kind}(, as far .*)?; "it" in config.json$', out, re.M), out
    assert pasted(out) == [entry]


@pytest.mark.slow
def test_several_on_one_wire(call):
    stand = "".join(f"rom({rom!r})\n" for rom in (*ROMS, "260102030405aa", "2201020304050607"))
    _, out, _ = call(sensors=[{"name": "temperature-1", "type": "ds18b20", "pin": 4}], stand=stand)
    assert f"  {ROMS[0]}  DS18B20\n" in out
    assert "  260102030405aaed  DS2438: no driver\n" in out
    assert "a wrong checksum" in out
    assert "2201020304050607" not in out
    assert '"temperature-1" in config.json (ds18b20) has no address: give it one of these\n' in out
    assert pasted(out) == [
        {"name": "temperature-2", "type": "ds18b20", "pin": 4, "address": ROMS[1]},
        {"name": "temperature-3", "type": "ds18b20", "pin": 4, "address": ROMS[0]},
    ]
    check(pasted(out), "esp32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stand", "said"),
    [
        ("stand.bus_stuck(21)", "SCL GPIO22: SDA (GPIO21) is held low: wired to ground"),
        (
            "stand.bus_stuck(21)\nstand.bus_stuck(22)",
            "SDA (GPIO21) and SCL (GPIO22) are held low",
        ),
        ("stand.bus_stuck(4)", "1-Wire, GPIO4: is held low"),
        ("sim.wires.clear()", "0x76  bme280\n"),
        ("sim.wires.clear()", "no pull-up resistors: wire 4.7 kΩ from SDA and from SCL"),
        ("sim.wires.clear()", "no pull-up resistor: wire 4.7 kΩ from data"),
        ("stand.sda_held(21, 22)", "0x76  bme280\n"),  # by a chip that was cut off
        (
            "for n in range(8, 0x76):\n    i2c(21, 22, n, Registers({}))",
            "111 addresses answer: no bus",
        ),
    ],
)
def test_a_bus_that_is_none(stand, said, call):
    status, out, err = call(stand=f"bosch(0x60)\nrom({ROMS[0]!r})\n" + stand)
    assert (status, err) == (0, "")
    assert said in out


@pytest.mark.slow
def test_sda_and_scl_swapped(call):
    _, out, _ = call(sensors=[bme()], stand="bosch(0x60, 22, 21)")
    assert "SDA and SCL are swapped" in out
    assert pasted(out) == [
        {"name": "bme280-1", "type": "bme280", "sda": 22, "scl": 21, "address": "0x76"}
    ]


@pytest.mark.slow
def test_a_pico_cannot_have_them_swapped(call):
    _, out, err = call("--json", stand="bosch(0x60, 5, 4)", board="pico_w")
    assert json.loads(out) == []
    assert "bme280 0x76 is left out: GP5 is an SCL pin, give an even one" in err


@pytest.mark.slow
def test_pins_by_hand(call):
    stand = f"bosch(0x60, 18, 19)\nbosch(0x58, 25, 26)\nrom({ROMS[0]!r}, 13)\n"
    words = ("--sda", "18", "--scl", "19", "--sda", "25", "--scl", "26")
    _, out, _ = call(*words, stand=stand)
    assert [(entry["type"], entry["sda"]) for entry in pasted(out)] == [
        ("bme280", 18),
        ("bmp280", 25),
    ]
    assert "1-Wire" not in out
    _, out, _ = call("--onewire", "13", stand=stand)
    assert "I2C" not in out
    assert pasted(out)[0]["pin"] == 13


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "words", "said"),
    [
        ("esp32", "--sda 6 --scl 22", "GPIO6 is wired to the flash chip"),
        ("esp32", "--onewire 1", "GPIO1 is the serial console"),
        ("esp32", "--sda 21 --scl 21", "the same pin"),
        ("pico_w", "--sda 4 --scl 7", "GP7 is not SCL of I2C0, give one of 1 5 9 13 17 21"),
        ("pico_w", "--onewire 25", "GP25 is wired to the radio"),
    ],
)
def test_pins_that_are_no_good_are_not_touched(board, words, said, call):
    status, _, err = call(*words.split(), board=board)
    assert status == 1
    assert said in err


def test_half_a_pair(capsys):
    assert main(["scan", "--sda", "21"]) == 1
    assert "each SDA= goes with an SCL=" in capsys.readouterr().err


@pytest.mark.slow
def test_everywhere_but_on_pins_that_have_a_use(call):
    settings = config(
        [bme("room", sda=16, scl=17), {"name": "door", "type": "input", "pin": 3}],
        outputs=[{"name": "pump", "pin": 6}],
    )
    stand = f"bosch(0x60, 16, 17)\nbosch(0x58, 14, 15)\nbosch(0x58, 6, 7)\nrom({ROMS[0]!r}, 22)\n"
    _, out, _ = call("--all", settings=settings, stand=stand, board="pico_w")
    looked = [int(pin) for pin in re.findall(r"SDA GP(\d+)", out)]
    assert looked == [16, 4, 0, 8, 10, 12, 14, 18, 20, 26]
    assert [entry.get("sda", entry.get("pin")) for entry in pasted(out)] == [16, 14, 22]
    check(pasted(out), "pico_w")


@pytest.mark.slow
def test_settings_that_are_none(call, tmp_path, capsys):
    """What is in the file may be anything."""
    for text in ("{", "[]", '{"sensors": 3, "outputs": {"a": 1}, "node": 1}'):
        board = PtyBoard(tmp_path, fakes=True)
        board.put({"config.json": text.encode(), "boot.py": (STAND + "bosch(0x60)").encode()})
        with board:
            assert main(["scan", board.port, "--json"]) == 0
        assert [entry["type"] for entry in json.loads(capsys.readouterr().out)] == ["bme280"]


# ---- the board's side, and its end


def test_no_board_and_a_busy_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ports.list_ports, "comports", list)
    assert main(["scan"]) == ports.NO_BOARD
    assert main(["scan", "/dev/ttyNOT0"]) == ports.NO_BOARD
    assert "/dev/ttyNOT0 is not there" in capsys.readouterr().err
    with PtyBoard(tmp_path) as board:
        program = "import serial, sys; s = serial.Serial(sys.argv[1], exclusive=True); print('open', flush=True); sys.stdin.read()"
        holder = subprocess.Popen(
            [sys.executable, "-c", program, board.port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            holder.stdout.readline()
            assert main(["scan", board.port]) == ports.BUSY
        finally:
            holder.communicate()
        assert board.heard == 0


@pytest.mark.slow
def test_an_old_micropython(tmp_path, capsys):
    with PtyBoard(tmp_path, version=(1, 24, 1)) as board:
        assert main(["scan", board.port]) == ports.UNSUITABLE
        board.wait_for(lambda: board.starts[-1] == "hard" and len(board.starts) > 2)
    assert "1.24.1, Outpost needs MicroPython 1.25 or newer" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_the_node_runs_on_whatever_ends_the_scan(error, tmp_path, capsys, monkeypatch):
    def stop(scanning, pins, address):
        raise error

    monkeypatch.setattr(scan.Scan, "_chip", stop)
    board = PtyBoard(tmp_path, fakes=True)
    board.put({"main.py": MAIN, "config.json": json.dumps(config([bme()])).encode()})
    with board:
        if error is KeyboardInterrupt:
            assert main(["scan", board.port]) == 130
            assert "the node restarts" in capsys.readouterr().err
        else:
            with pytest.raises(error):
                main(["scan", board.port])
        board.wait_for(lambda: board.lives == ["hard", "raw", "hard"])
        board.wait_for(lambda: board.said.rstrip().endswith(b"node runs"))


@pytest.mark.slow
def test_ctrl_c_while_the_board_is_at_it(tmp_path):
    """The process itself, interrupted while code runs on the board."""
    slow = "class Slow:\n    def write(self, data):\n        import time\n        print('written to')\n        time.sleep(5)\n"
    board = PtyBoard(tmp_path, fakes=True)
    stand = STAND + slow + "i2c(21, 22, 0x76, Slow())\n"
    board.put({"main.py": MAIN, "boot.py": stand.encode()})
    with board:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools", "scan", board.port], cwd=ROOT, stderr=subprocess.PIPE
        )
        board.wait_for(lambda: b"written to" in board.said)
        process.send_signal(2)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert b"stopped; the node restarts" in err
        board.wait_for(lambda: board.lives == ["hard", "raw", "hard"])


@pytest.mark.slow
def test_the_cable_comes_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(serialboard, "_ABSENT_S", 0.3)
    board = PtyBoard(tmp_path, fakes=True)
    board.cut_bytes = 2000
    with board:
        assert main(["scan", board.port]) == ports.LOST
    assert "lost the board" in capsys.readouterr().err


@pytest.mark.slow
def test_a_watchdog_that_bites_in_between(tmp_path, capsys):
    board = PtyBoard(tmp_path, fakes=True)
    board.put({"main.py": MAIN, "boot.py": (STAND + "bosch(0x60)").encode()})
    board.reset_bytes = 2500
    with board:
        assert main(["scan", board.port]) == 0
    assert '"type": "bme280"' in capsys.readouterr().out
    assert board.starts.count("hard") >= 2


# ---- the tables


def test_the_usual_pins_are_those_of_the_example():
    sensors = json.loads((ROOT / "config.json.example").read_text())["sensors"]
    of = {sensor["type"]: sensor for sensor in sensors}
    known = Known("esp32", [], [], None)
    assert known.pairs([], False) == [(of["bme280"]["sda"], of["bme280"]["scl"])]
    assert known.wires([], False) == [of["ds18b20"]["pin"]]


def test_every_model_has_usual_pins():
    assert pins.USUAL.keys() == models.BOARDS.keys()


@pytest.mark.parametrize("model", pins.USUAL)
def test_every_pin_that_is_tried_may_be(model):
    known = Known(model, [], [], None)
    pairs = known.pairs([], True)
    usual = pins.each(model, "i2c")
    assert pairs[0] == usual[0]
    assert set(usual) <= set(pairs)
    chips = [Chip(["bme280"], {"sda": sda, "scl": scl}, "0x76") for sda, scl in pairs]
    for chip in chips:
        assert known.entries([chip])[1] == []
    for pin in known.wires([], True):
        assert known.entries([Chip(["ds18b20"], {"pin": pin}, ROMS[0])])[1] == []
    entries, _ = known.entries(chips)
    assert entries  # a Pico has but two I2C: some are left out
    check(entries, model)


def test_a_board_that_is_not_known():
    known = Known(None, [bme(sda=40, scl=41)], [], None)
    assert known.pairs([], True) == [(40, 41)]
    assert known.wires([], True) == []
    assert Known(None, [], [], None).pairs([], False) == []


def test_a_pair_of_the_config_that_cannot_be_is_not_tried():
    known = Known(
        "esp32", [bme(sda=6, scl=22), bme(sda="x"), bme(sda=None), {"type": []}], [], None
    )
    assert known.pairs([], False) == []  # GPIO22 has a use
    assert Known("esp32", [{"type": "input", "pin": 4}], [], None).wires([], False) == []
    assert Known("esp32", [], [], 21).pairs([], False) == [], "the LED's"


def test_ids_are_those_of_types_and_strangers():
    _, types = judge.node()
    i2c = {name for name, row in types.items() if row[1] == "i2c"}
    names = [row[0] for row in scan_ids.IDS]
    assert len(set(names)) == len(names)
    assert set(names) <= i2c | set(scan_ids.STRANGERS)
    assert not set(scan_ids.STRANGERS) & i2c
    assert set(scan_ids.STRANGERS) <= set(names)
    without = i2c - set(names)
    for name in without:
        assert name == "bh1750", f"{name}: how can it be told from others at its address?"


def test_a_chip_that_answers_nothing_it_is_asked():
    assert scan_ids.identify(["bme280", "bmp280"], 0x76, lambda question: None) == (
        [],
        False,
        False,
    )
    names, proved, driver = scan_ids.identify(["aht10", "aht20"], 0x38, lambda question: None)
    assert (names, proved, driver) == (["aht20", "aht10"], False, True)


@pytest.mark.parametrize(
    ("digits", "names"),
    [
        ("1c269a7642e776", ["aht20"]),
        ("18800006000000", ["aht20", "aht10"]),
        ("08800006000000", ["aht10"]),
        ("ffffffffffffff", ["aht20", "aht10"]),
    ],
)
def test_aht(digits, names):
    def ask(question):
        assert question[0] == b"", "a write would switch the outputs of a PCF8574A"
        return bytes.fromhex(digits)[: question[2]]

    assert scan_ids.identify(["aht10", "aht20"], 0x38, ask)[0] == names


@pytest.mark.parametrize(
    ("registers", "names"),
    [
        ("57422306311026 00000000000000 1c 08 00 1940", ["ds3231"]),
        ("00" * 19, ["another clock (DS1307, PCF8523)"]),
        ("ff" * 19, ["another clock (DS1307, PCF8523)"]),
    ],
)
def test_ds3231(registers, names):
    memory = bytes.fromhex(registers)

    def ask(question):
        start = question[0][0]
        return memory[start : start + question[2]]

    assert scan_ids.identify(["ds3231"], 0x68, ask)[0] == names


@pytest.mark.parametrize(
    ("digits", "sound"), [(ROMS[0], True), ("00" * 8, False), ("ff" * 8, False)]
)
def test_roms(digits, sound):
    assert scan_ids.rom_is_sound(digits) is sound


def test_lines_that_are_one():
    assert scan._why_no_bus({"SDA": 2, "SCL": 2}, True, []) == "SDA and SCL touch each other"
    assert scan._why_no_bus({"SDA": 2, "SCL": 1}, False, [1]) is None


def test_port_by_word_or_option(monkeypatch):
    seen = []
    monkeypatch.setattr(ports, "find", lambda port: seen.append(port) or 1 / 0)
    for words in (["x"], ["--port", "x"], []):
        with pytest.raises(ZeroDivisionError):
            main(["scan", *words])
    assert seen == ["x", "x", None]
