"""firmware/settings/checked.py: settings that were checked are taken as they are, and nothing else ever is."""

import builtins
import json
import os
import sys

import flashfile
import vfs
from config_checks import least
from power import BLOCK, HOW, PROG, Chip, FailingChip, Random, formatted, mount
from raising import raises

import firmware
from firmware import start
from firmware.settings import checked

HEAP = "6m"
TIMEOUT = 120
BOARDS = ("esp32", "pico_w")

REPO = os.getcwd() + "/../repo/"
DOCS = REPO + "docs/"
CHECKS = ("config", "checker", "tables", "entries", "kinds", "wiring")


class Board:
    model = os.uname().sysname.replace("rp2", "pico_w")


def put(path, content):
    with open(path, "w") as f:
        f.write(content)


def got(path):
    with open(path) as f:
        return f.read()


def starts(board=Board):
    """Return (settings, was it checked) of a start, and what it was checked by is gone."""
    settings, source, faults = start._load_settings(board, False)
    was_checked = faults is not None
    if was_checked and source == start.CONFIG:
        start._keep_good(settings, board.model, faults)
    assert not [name for name in CHECKS if "firmware.settings." + name in sys.modules]
    return settings, was_checked


def begin(**more):
    put("config.json", json.dumps(least(**more)))
    settings, was_checked = starts()
    assert settings and was_checked
    return settings


def test_an_image_on_trial_leaves_the_settings_that_the_one_before_could_use():
    """It had replaced them by what the one before did not know, which then had nothing to run on."""
    begin()
    before = got(start.LAST_GOOD)
    put("state/slot", '{"good": "rom0", "trial": "rom1"}')
    put("config.json", json.dumps(least(node={"name": "newer"})))
    for _ in range(2):
        settings, was_checked = starts()
        assert settings["node"]["name"] == "newer" and was_checked
        assert got(start.LAST_GOOD) == before
    put("state/slot", '{"good": "rom1"}')
    assert starts()[1] and "newer" in got(start.LAST_GOOD)
    assert not starts()[1]


def blocks(text):
    """Yield what is in the blocks of JSON on a page."""
    for part in text.split("```json\n")[1:]:
        part = part[: part.find("```")].strip()
        yield json.loads("{%s}" % part if part[0] == '"' else part)


def examples():
    for name in ("config.json.example", "docs/examples/twelve.json"):
        yield json.loads(got(REPO + name))
    for page in os.listdir(DOCS):
        for block in blocks(got(DOCS + page)) if page[-3:] == ".md" else ():
            if isinstance(block, dict):
                block.pop("board", None)  # of nodes/*.json
                yield least(sensors=[block]) if "type" in block else least(**block)
    yield least(
        sensors=[
            {
                "name": "volts",
                "type": "adc",
                "pin": 34 if Board.model == "esp32" else 26,
                "calibrate": {
                    "voltage": {"points": [{"reads": 0, "is": -0.5}, {"reads": 3, "is": 1e3}]}
                },
                "filter": {"voltage": {"median": 3, "min": -1}},
                "deadband": {"voltage": 0.25},
                "delivery": "change",
            }
        ],
        outputs=[{"name": "lamp", "type": "light", "pin": 19, "safe": 7}],
        node={"name": "Küche \u20ac"},
        discovery=False,
        outbox={"sync_s": 0.5},
    )


def test_settings_are_the_same_with_the_check_and_without():
    taken = 0
    types = set()
    os.mkdir("state")
    for raw in examples():
        put("config.json", json.dumps(raw))
        put(checked.CHECKED, "")  # a page has some twice
        first, source, faults = start._load_settings(Board, False)
        assert faults is not None, raw
        if source != start.CONFIG:
            continue  # a page shows the pins of the other board, too
        start._keep_good(first, Board.model, faults)
        again, was_checked = starts()
        assert again == first and not was_checked and not faults, raw
        assert repr(again) == repr(json.loads(json.dumps(first))), raw
        taken += 1
        types.update([sensor["type"] for sensor in first["sensors"]])
    assert taken > 40 and len(types) > 30, (taken, len(types))


def test_nothing_of_the_check_is_loaded_for_them():
    begin()
    for name in list(sys.modules):
        if name.startswith(("firmware.settings", "firmware.sensors")):
            del sys.modules[name]
    loaded = []
    real = __import__

    def seen(name, *rest):
        loaded.append(name)
        return real(name, *rest)

    builtins.__import__ = seen
    try:
        settings, was_checked = starts()
    finally:
        builtins.__import__ = real
    assert settings and not was_checked
    assert "jsonfault" not in loaded
    for name in CHECKS + ("keeping",):
        assert "firmware.settings." + name not in sys.modules
    assert "firmware.sensors.types" not in sys.modules


def test_what_was_not_checked_is_checked():
    """Each of what decides about it: a change, and what is noted is of another."""
    good = begin()

    def anew(words):
        assert starts() == (good, True), words
        assert starts() == (good, False), words

    text = got("config.json")
    put("config.json", text + " ")
    anew("config.json")
    last = got("state/config.json")
    put("state/config.json", last.replace("attic", "cabin"))
    anew("the last good ones")
    put("state/config.json", last[:-1])
    anew("the last good ones, cut short")
    for note in ("", "{", "null", '"%s"' % ("0" * 64), "[]", "x" * 20000):
        put(checked.CHECKED, note)
        anew(note[:20])
    os.remove(checked.CHECKED)
    anew("the note")
    os.remove("state/config.json")
    anew("no last good ones")
    if "/app" not in sys.path:  # an image has its hash
        firmware.VERSION += ".1"
        anew("the version")

    class Other(Board):
        model = "esp32s3"

    assert starts(Other)[1], "the model"
    anew("the model")


class Code:
    """In the place of `firmware`."""

    VERSION = "1"
    __path__ = "code"


def test_the_code_that_checks_is_part_of_it():
    """As after a deploy of loose files, of the same version and the same length."""
    settings = begin()
    os.mkdir("code")
    for folder in checked._CODE:
        os.mkdir("code/" + folder)
        put("code/%s/a.mpy" % folder, "code 1")
    path = sys.path[:]
    sys.path[:] = [place for place in path if place != "/app"]
    checked.firmware = Code
    arguments = ("config.json", start.LAST_GOOD, Board.model)
    try:
        checked.note(settings, *arguments)
        for folder in checked._CODE:
            assert checked.load(*arguments) == settings
            put("code/%s/a.mpy" % folder, "code 2")
            assert checked.load(*arguments) is None, folder
            checked.note(settings, *arguments)
        Code.__path__ = "frozen"  # code of which nothing can be read
        assert checked.load(*arguments) is None
        raises(OSError, checked.note, settings, *arguments)
    finally:
        checked.firmware = firmware
        sys.path[:] = path


def test_of_an_image_its_hash_is_part_of_it():
    index = ["0.1.0 6.3 1111\n"]
    real = open

    def opened(path, *mode):
        if path == "/app/index":
            path = "index"
            with real(path, "w") as f:
                f.write(index[0])
        return real(path, *mode)

    builtins.open = opened
    sys.path.insert(0, "/app")
    try:
        begin()
        assert not starts()[1]
        index[0] = "0.1.0 6.3 2222\n"
        assert starts()[1]
    finally:
        sys.path.remove("/app")
        del builtins.open


def start_keeps(settings):
    from firmware.settings.keeping import keep

    keep(settings, start.LAST_GOOD)
    checked.note(settings, "config.json", start.LAST_GOOD, "esp32")


def test_a_bad_config_is_never_taken():
    good = begin()
    put("config.json", json.dumps(least(mqtt={"brokers": [{"host": "http://x"}]})))
    for _ in range(3):
        assert starts() == (good, True)
    put("config.json", "{")
    assert starts() == (good, True)
    os.remove("config.json")
    assert starts() == (good, True)


def test_a_number_that_is_another_one_when_it_is_read_again_is_checked_each_time():
    from firmware.settings import config

    settings, _ = config.check(least(), {}, Board.model)
    put("config.json", json.dumps(least()))
    start_keeps(settings)
    os.remove(checked.CHECKED)
    settings["outbox"]["sync_s"] = 0.5000001
    checked.note(settings, "config.json", start.LAST_GOOD, Board.model)
    assert "checked" not in os.listdir("state")


def test_safe_mode_checks():
    """It crashed time after time: perhaps on what was taken unchecked."""
    begin()
    settings, source, faults = start._load_settings(Board, True)
    assert settings and source == start.CONFIG and faults == []


def test_a_cut_at_any_write_lets_nothing_pass_that_was_not_checked():
    first = Chip(formatted())
    mount(first)
    os.chdir("/flash")
    old = begin(node={"name": "old"})
    os.chdir("/")
    vfs.umount("/flash")

    operations = []
    chip = Chip(first)
    chip.blocks = {n: bytearray(block) for n, block in first.blocks.items()}
    chip.log = lambda *operation: operations.append(operation)
    mount(chip)
    os.chdir("/flash")
    put("config.json", json.dumps(least(node={"name": "new"})))
    new, was_checked = starts()
    assert was_checked and new != old
    os.chdir("/")
    vfs.umount("/flash")
    assert len(operations) > 5
    random = Random(1)
    fast = 0
    for at in range(len(operations) + 1):
        for how in HOW:
            cut = Chip(first)
            cut.blocks = {n: bytearray(block) for n, block in first.blocks.items()}
            for n, offset, data in operations[:at]:
                written(cut, n, offset, data)
            if at < len(operations):
                half_done(cut, operations[at], how, random)
            mount(cut)
            os.chdir("/flash")
            try:
                wanted = {"old": old, "new": new}.get(named())
                settings, was_checked = starts()
                assert was_checked or settings == wanted, (at, how)
                assert settings in (old, new), (at, how)
                fast += not was_checked
                if wanted:
                    assert starts() == (wanted, False), (at, how)
            finally:
                os.chdir("/")
                vfs.umount("/flash")
    assert 2 < fast < len(operations) * len(HOW), fast


def named():
    try:
        return json.loads(got("config.json"))["node"]["name"]
    except (OSError, ValueError, KeyError):
        return None


def written(chip, n, offset, data):
    chip.own(n)[offset : offset + (BLOCK if data is None else len(data))] = data or b"\xff" * BLOCK


def half_done(chip, operation, how, random):
    n, offset, data = operation
    if how == "lost" or data is None:
        return
    half = len(data) // 2
    written(chip, n, offset, data[:half])
    if how == "random":
        written(chip, n, offset + half, bytes([random(256) for _ in range(len(data) - half)]))


def test_a_flash_that_fails_to_read_has_it_checked():
    chip = FailingChip(formatted())
    mount(chip)
    os.chdir("/flash")
    old = begin(node={"name": "old"})
    put("config.json", json.dumps(least(node={"name": "new"})))
    new, _ = starts()
    fast = 0
    for n in (1, 2, 5, 1000000):
        for first in range(1, 40):
            chip.fail(0, 0)
            os.chdir("/")
            vfs.umount("/flash")
            mount(chip)
            os.chdir("/flash")
            chip.fail(first, n)
            found = checked.load("config.json", start.LAST_GOOD, Board.model)
            assert found in (None, new), (found == old, n, first)
            fast += found == new
    assert fast > 5
    chip.fail(0, 0)
    os.chdir("/")
    vfs.umount("/flash")


def test_a_full_flash_has_it_checked_each_time():
    begin()
    os.remove(checked.CHECKED)
    real = flashfile.write

    def full(path, content):
        if path == checked.CHECKED:
            raise OSError(28)
        real(path, content)

    from firmware.settings import keeping

    keeping.write = full
    try:
        settings, _, faults = start._load_settings(Board, False)
        start._keep_good(settings, Board.model, faults)
        assert faults == [] and "checked" not in os.listdir("state")
    finally:
        keeping.write = real
    assert starts()[1]


def test_no_secret_is_in_the_note():
    begin(wifi={"networks": [{"ssid": "attic", "password": "correct horse"}]})
    note = got(checked.CHECKED)
    assert len(json.loads(note)) == 64 and "horse" not in note
