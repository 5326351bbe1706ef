"""`make run`: what it shows, and that nothing is left behind however it ends."""

import argparse
import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim.alone import alone
from tools import ROOT, CommandError, mpy
from tools.settings.judge import check
from tools.simulate import scenarios, simulate
from tools.simulate.simulate import BOARDS, Console, make_flash, node_settings


class Place:
    host, port = "127.0.0.1", 1234


@pytest.fixture(params=BOARDS)
def board(request):
    return request.param


def test_every_board_has_a_good_config_with_all_sensors_of_the_example(board, tmp_path):
    settings = node_settings(board, Place, "secret", Place)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings))
    checked, faults = check(path, board)
    assert faults == []
    example = json.loads((ROOT / "config.json.example").read_text())
    assert [sensor["name"] for sensor in checked["sensors"]] == [
        sensor["name"] for sensor in example["sensors"]
    ]


def test_it_reads_often_but_not_what_needs_its_time(board):
    """A rain gauge that tips every other minute was said to have rain of 402 mm/h."""
    intervals = {
        sensor["name"]: sensor.get("interval_s")
        for sensor in node_settings(board, Place, "secret", Place)["sensors"]
    }
    assert intervals.pop("rain") == 60
    assert set(intervals.values()) == {5}


def test_flash_is_what_is_deployed_and_the_nodes_own_files_stay(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "boot").write_text("7")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "removed.py").write_text("")
    make_flash(tmp_path, {"node": {}})
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    compiled = {
        str(source if str(source) in mpy.STARTED else source.with_suffix(".mpy"))
        for source in mpy.sources()
    }
    assert files == compiled | {"config.json", "state/boot"}


def test_the_crash_of_an_earlier_run_is_no_news(tmp_path):
    """After a run with too little HEAP= every later one showed its crash in `info`."""
    state = tmp_path / "state"
    state.mkdir()
    for name in ("boot", "crash.txt", "crashes", "reset"):
        (state / name).write_text("3")
    simulate.forget_crashes(tmp_path)
    assert [path.name for path in state.iterdir()] == ["boot"]
    simulate.forget_crashes(tmp_path / "new")


def test_console_gives_each_traceback_once_and_whole(tmp_path):
    path = tmp_path / "console"
    console = Console(path)
    assert list(console.faults()) == []
    path.write_text('1 info wifi: up\nTraceback (most recent call last):\n  File "a.py", line 1\n')
    assert list(console.faults()) == []
    with path.open("a") as file:
        file.write("ValueErr")
    assert list(console.faults()) == []
    with path.open("a") as file:
        file.write(
            'or: no\n2 info mqtt: up\nTraceback (most recent call last):\n  File "b.py"\nOSError: 5\n'
        )
    found = list(console.faults())
    assert [text.splitlines()[-1] for text in found] == ["ValueError: no", "OSError: 5"]
    assert found[0].splitlines()[1] == '  File "a.py", line 1'
    assert list(console.faults()) == []


@pytest.mark.parametrize(
    ("base", "line", "come"),
    [
        ("outpost", "outpost/attic/status online", True),  # as it was named on its page
        ("outpost", "outpost/esp32-a1b2c3/status online", True),  # it was not named there
        ("garden", "garden/attic/status online", True),
        ("outpost", "outpost/attic/status offline", False),
        ("outpost", "outpost/attic/log 1 info node: outpost/attic/status online", False),
    ],
)
def test_the_node_is_online_under_whatever_name_it_has(base, line, come):
    """A run ended as a failure when the name given on the page was not that of the settings before."""
    for form in (line, line.replace(" ", "\t", 1)):  # as mosquitto_sub is asked to print it
        shown = []
        seen = simulate.Seen(argparse.Namespace(stdout=[form + "\n"]), base, shown.append)
        seen.thread.join()
        assert (seen.come, shown) == (come, [form + "\n"])


# --- whole runs


def processes_in(folder):
    """Processes that run in a folder or name it on their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            if str(folder).encode() in words or Path(os.readlink(process / "cwd")).is_relative_to(
                folder
            ):
                found.append((process.name, words.decode()))
        except OSError:
            pass  # ended meanwhile, or not ours
    return found


def start(folder, *words, **options):
    words = [sys.executable, "-m", "tools", "run", "--folder", folder, *words]
    return subprocess.Popen(
        words,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def shown(process, pattern, seconds=60):
    """Read its output until a line matches; all of it so far."""
    lines = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if not line:
            break
        lines.append(line)
        if re.search(pattern, line):
            return "".join(lines)
    raise AssertionError("".join(lines) + process.stderr.read())


@pytest.mark.system
def test_shows_every_sensor_then_ends_by_itself(tmp_path, board):
    process = start(tmp_path, "--board", board, "--seconds", "12")
    out, err = process.communicate(timeout=40)
    assert (process.returncode, err) == (0, ""), out
    received = re.findall(r"^outpost/sim-[a-z0-9-]+/(\S+) (.*)$", out, re.M)
    topics = {topic for topic, _ in received}
    readings = {
        "reading/" + sensor["name"]
        for sensor in json.loads((ROOT / "config.json.example").read_text())["sensors"]
    }
    assert topics == readings | {"status", "info", "health", "log"}
    assert received[0] == ("status", "online")
    logged = [text for topic, text in received if topic == "log"]
    assert not [text for text in logged if " warning wifi: " in text], logged
    for topic, text in received:
        if topic in readings:
            reading = json.loads(text)
            assert "error" not in reading, text
            assert abs(reading["ts"] / 1000 - time.time()) < 60
            assert {"boot", "seq"} < reading.keys()
    assert processes_in(tmp_path) == []


@pytest.mark.system
def test_nothing_is_wrong_in_a_run_and_there_is_memory_to_spare(tmp_path):
    """With 8 KB less than by default, too: at the very edge a run is clean today and not tomorrow."""
    heap = str(simulate.HEAP_KB - 8)
    process = start(tmp_path, "--seconds", "12", "--heap", heap)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, ""), out
    console = (tmp_path / "console.log").read_text()
    assert " error " not in console and "memory" not in console, console


@pytest.mark.system
def test_the_command_it_prints_subscribes(tmp_path):
    process = start(tmp_path, "--seconds", "60")
    try:
        command = re.search(
            r"^  (\S.*mosquitto_sub'? .*)$", shown(process, "status online"), re.M
        )[1]
        line = subprocess.check_output(f"{command} -C 1", shell=True, text=True, timeout=20)
        assert re.match(r"outpost/sim-esp32-\w+/", line)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.system
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + 15), (signal.SIGHUP, 128 + 1)]
)
def test_nothing_is_left_after_a_signal(tmp_path, number, code):
    process = start(tmp_path)
    shown(process, "status online")
    assert len(processes_in(tmp_path)) >= 3  # the command, the broker, the board
    os.killpg(process.pid, number)  # as a terminal does
    process.communicate(timeout=60)
    assert process.returncode == code
    assert processes_in(tmp_path) == []


@pytest.mark.system
def test_nothing_is_left_when_no_one_reads_any_more(tmp_path):
    """`make run | head`: without SECONDS= it went on for ever."""
    process = start(tmp_path)
    shown(process, "status online")
    process.stdout.close()
    process.wait(timeout=60)
    assert (process.returncode, process.stderr.read()) == (128 + signal.SIGPIPE, "")
    assert processes_in(tmp_path) == []


@pytest.mark.system
def test_through_make(tmp_path):
    words = ["make", "run", "SECONDS=60", f"FOLDER={tmp_path}"]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    shown(process, "status online")
    process.terminate()  # make alone: it hands the signal on
    process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while processes_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_in(tmp_path) == []


@pytest.mark.system
def test_one_flash_one_node(tmp_path):
    with alone(tmp_path):
        process = start(tmp_path)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    other = "end it, or give another with FOLDER="
    assert err == f"error: a node runs in {tmp_path} already: {other}\n"


SENSORS = [{"name": "room", "type": "bme280"}, {"name": "door", "type": "input"}]
PLACE = {"sensors": SENSORS, "board": "esp32", "network": "simulated"}
WIRED = {"do": "wire", "name": "yard", "type": "pulse", "pin": 26}


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ("{", "line 1, column 1"),
        ("", "is empty"),
        ("{}", "give a list of events"),
        ("[1]", "[0]: is no object, give one as {"),
        ('[{"at_s": "a", "do": "kick"}]', "[0].at_s: give seconds as a number from 0 on"),
        ('[{"at_s": -1, "do": "kick"}]', "[0].at_s: give seconds as a number from 0 on"),
        ('[{"at_s": 1}]', "[0].do: missing, there is access_point, bus_stuck, "),
        ('[{"do": "kick"}, {"do": "wifi_of"}]', "[1].do: unknown, did you mean wifi_off?"),
        ('[{"do": "storm"}]', "[0].do: unknown, there is access_point, "),
        ('[{"do": ["kick"]}]', "[0].do: unknown, "),
        ('[{"do": "unplug"}]', "[0].name: missing, unplug wants it"),
        (
            '[{"do": "unplug", "name": "nix"}]',
            "[0].name: there is no sensor 'nix'; this config has room",
        ),
        ('[{"do": "set", "name": ["x"], "co2": 1}]', "[0].name: give a text"),
        ('[{"do": "wire", "name": ["x"], "type": ["y"]}]', "[0].type: is not text"),
        ('[{"do": "kick", "how": 1}]', "[0].how: unknown, kick takes nothing"),
        ('[{"do": "dns", "hwo": 1}]', "[0].hwo: unknown, dns takes how"),
        ('[{"do": "dns", "how": "no"}]', '[0].how: give "ok", "fail", "silent" or "hang"'),
        ('[{"do": "zombie", "on": "no"}]', "[0].on: give true or false"),
        ('[{"do": "wifi_off", "ssid": "x"}]', "[0].ssid: there is no network 'x', only sim"),
        (
            '[{"do": "set", "name": "room", "temperatures": 3}]',
            "[0].temperatures: unknown, did you mean temperature?",
        ),
        ('[{"do": "set", "name": "room"}]', "[0]: give at least one of temperature, "),
        (
            '[{"do": "set", "name": "room", "co2": "much"}]',
            "[0].co2: give a number from -10000000 to 10000000, or null",
        ),
        (
            '[{"do": "tip", "name": "room"}]',
            "[0].name: tip is for a sensor of type pulse, there is",
        ),
        ('[{"do": "tip", "name": "room", "n": 0}]', "[0].n: give a whole number from 1 to 100000"),
        ('[{"do": "tip", "name": "room", "n": 1000000000}]', "[0].n: give a whole number from 1"),
        ('[{"do": "press", "pin": 999, "level": 0}]', "[0].pin: give the number of a pin, from 0"),
        ('[{"do": "set", "name": "room", "co2": 1e30}]', "[0].co2: give a number from -10000000"),
        ('[{"do": "switch", "ip_ms": [0, 99999999999999]}]', "[0].ip_ms: give two whole numbers"),
        (
            '[{"do": "door", "name": "room"}]',
            "[0].name: door is for a sensor of type input, there is door",
        ),
        ('[{"do": "switch", "bogus": 1}]', "[0].bogus: unknown, there is first_join_fails, "),
        ('[{"do": "switch", "ip_ms": 5}]', "[0].ip_ms: give two whole numbers"),
        ('[{"do": "switch"}]', "[0]: give at least one of first_join_fails, "),
        ('[{"do": "power_fails"}]', "[0].do: power_fails is for tests"),
        ('[{"do": "wire", "name": "x", "type": "bme28"}]', "[0].type: "),
        (json.dumps([{**WIRED, "at_s": 5}]), "[0].at_s: what is wired is there from the start"),
        (json.dumps([{**WIRED, "pin": 6}]), "[0].pin: "),
    ],
)
def test_a_scenario_that_cannot_happen_is_told(events, told, tmp_path):
    """Each ended in a traceback of the simulated board, or nothing happened, without a word."""
    path = tmp_path / "x.json"
    path.write_text(events)
    with pytest.raises(CommandError) as error:
        scenarios.read(path, **PLACE)
    assert told in str(error.value)


def test_scenarios_that_can_happen(tmp_path):
    path = tmp_path / "x.json"
    good = [
        {"at_s": 5, "do": "unplug", "name": "room"},
        {"do": "set", "name": "*", "temperature": -5},
        {"do": "reset", "how": "wdt"},
        {"do": "switch", "dhcp_on": False, "radio_fault": None, "ip_ms": [1, 2]},
        {"do": "access_point", "ssid": "other", "key": "12345678"},
        {"do": "wifi_off", "ssid": "other"},
        {"do": "wifi_off", "ssid": "simulated", "silent": True},
        {"do": "door", "name": "door", "opened": False},
        WIRED,
        {"at_s": 3, "do": "tip", "name": "yard", "n": 2},
        {"at_s": 9, "do": "set", "name": "room", "temperature": None},
    ]
    path.write_text(json.dumps(good))
    assert scenarios.read(path, **PLACE) == good


def test_the_check_of_a_scenario_knows_what_the_simulated_board_knows():
    tree = ast.parse((ROOT / "sim/board/stand.py").read_text())
    (switches,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_SWITCHES"
    )
    assert set(switches) == set(scenarios.SWITCHES)
    for name, (arguments, _) in scenarios.calls().items():
        for argument in arguments or ():
            assert argument in scenarios.ARGUMENTS or name in scenarios.HOW, (name, argument)


def test_what_the_board_did_not_understand_is_shown(tmp_path):
    path = tmp_path / "console"
    told = "stand: not understood: set ValueError('the world has no warmth',)\n"
    path.write_text("1 info wifi: up\nstand: set name=room warmth=3\n" + told + "2 info\n")
    console = Console(path)
    assert list(console.faults()) == [told]
    assert list(console.faults()) == []


def test_a_node_that_dies_is_shown(tmp_path, monkeypatch):
    # main.py of this flash raises: the board ends at its prompt, and with it the run
    code = (
        "import sys; from tools import __main__; from tools.simulate import simulate\n"
        "make = simulate.make_flash\n"
        "def broken(flash, settings, slot):\n"
        "    make(flash, settings, slot)\n"
        "    (flash / 'main.py').write_text('import nonsense')\n"
        "simulate.make_flash = broken\n"
        "sys.exit(__main__.main())\n"
    )
    words = [sys.executable, "-c", code, "run", "--folder", tmp_path, "--seconds", "20"]
    done = subprocess.run(words, check=False, cwd=ROOT, capture_output=True, text=True, timeout=40)
    assert done.returncode == 1
    assert "ImportError: no module named 'nonsense'" in done.stderr
    assert "the node has ended" in done.stderr
    assert processes_in(tmp_path) == []


@pytest.mark.system
def test_a_node_that_is_never_online_is_a_failure(tmp_path):
    scenario = tmp_path / "scenario.json"
    scenario.write_text('[{"at_s": 0, "do": "wifi_off"}]')
    process = start(tmp_path / "sim", "--seconds", "5", "--scenario", scenario)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 1
    assert "was not online in 5 s" in err


@pytest.mark.system
def test_a_page_that_nobody_used_is_no_failure(tmp_path):
    process = start(tmp_path, "--portal", "--seconds", "3")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == (
        "the page was open for 3 s, and nobody entered settings on it. Without SECONDS= it stays open until Ctrl-C"
    )


def test_settings_that_were_entered_and_do_not_work_are_a_failure(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    args = argparse.Namespace(portal=True, seconds=30)
    assert simulate.not_online(tmp_path, args, tmp_path / "console.log") == 1
    assert "the node was not online in 30 s" in capsys.readouterr().err
