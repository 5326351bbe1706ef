"""The flash fails to read, once or for good: a file that is there is never taken for one that is not.

On MicroPython's own littlefs; the n-th read of a block since the start says EIO, and so many behind it. littlefs then takes its
cache for what it could not read, and may say without any error that there is no such file.
"""

import json
import os

import flashfile
import power
import vfs

from firmware import files, reading
from firmware.settings import config

HEAP = "1m"
TIMEOUT = 60

SETTINGS = {
    "wifi": {"networks": [{"ssid": "attic", "password": "12345678"}]},
    "mqtt": {"brokers": [{"host": "broker"}]},
}
LAST = "state/config.json"
FOR_GOOD = 1000000


def begin():
    chip = power.FailingChip(power.formatted())
    power.mount(chip)
    os.chdir("/flash")
    os.mkdir("state")
    return chip


def end():
    os.chdir("/")
    vfs.umount("/flash")


def put(path, data):
    with open(path, "w") as f:
        f.write(data)


def remounted(chip):
    """As after a start: nothing is in the caches."""
    chip.fail(0, 0)
    end()
    power.mount(chip)
    os.chdir("/flash")


def at_every_read(chip, n, act):
    """Call act() for each read that is the first of n to fail, until none does any more. Return how many there were."""
    first = 0
    while True:
        first += 1
        remounted(chip)
        chip.fail(first, n)
        try:
            act()
        except AssertionError as e:
            raise AssertionError("%d at %d: %s" % (n, first, e))
        reads = chip.reads
        chip.fail(0, 0)
        if reads < first:
            return first


def test_a_state_file_is_read_in_spite_of_an_error():
    chip = begin()
    put("state/reset", "told to")
    for n in (1, 2):
        cases = at_every_read(chip, n, lambda: same(files.read("state/reset"), "told to"))
        assert cases > 2
    end()


def same(a, b):
    assert a == b, repr(a)


def test_what_is_not_there_is_still_nothing():
    begin()
    assert files.read("state/reset") is None
    _, _, faults = config.load("config.json", LAST, (), "esp32")
    assert faults == ["config.json: is not there, copy config.json.example and edit it"]
    end()


def test_the_settings_are_found_in_spite_of_an_error():
    """One error, and the page for a phone opened, or the node ran on older settings."""
    chip = begin()
    put("config.json", json.dumps(SETTINGS))
    put(LAST, json.dumps(SETTINGS))

    def load():
        settings, source, faults = config.load("config.json", LAST, (), "esp32")
        assert settings and (source, faults) == ("config.json", []), (source, faults)

    for n in (1, 2):
        assert at_every_read(chip, n, load) > 2
    os.remove("config.json")

    def load_last():
        settings, source, _ = config.load("config.json", LAST, (), "esp32")
        assert settings and source == LAST, source

    for n in (1, 2):
        assert at_every_read(chip, n, load_last) > 2
    end()


class Failing:
    """Some paths cannot be opened."""

    error = OSError(5)

    def __init__(self, *paths):
        self.paths = paths

    def __call__(self, path, mode):
        if path in self.paths:
            raise self.error
        return open(path, mode)


def test_unreadable_settings_are_told_from_none():
    begin()
    put("config.json", json.dumps(SETTINGS))
    put(LAST, json.dumps(SETTINGS))
    flashfile.open = Failing("config.json")
    try:
        settings, source, faults = config.load("config.json", LAST, (), "esp32")
        assert settings and source == LAST
        assert faults == ["config.json: cannot be read: EIO, the flash fails"], faults
        # Of either: the next start may read it, so that nobody is asked for new ones.
        for paths in (("config.json", LAST), (LAST,)):
            flashfile.open = Failing(*paths)
            if len(paths) == 1:
                os.remove("config.json")
            try:
                config.load("config.json", LAST, (), "esp32")
                raise AssertionError("it says that there are none")
            except OSError as e:
                assert "cannot be read: EIO" in str(e), e
        # But one whose flash is worn out for good can be given others, after some starts.
        assert config.load("config.json", LAST, (), "esp32", safe=True)[0] is None
    finally:
        del flashfile.open
    end()


def test_no_memory_for_a_file_is_not_called_a_failing_flash():
    begin()
    put("config.json", json.dumps(SETTINGS))
    put(LAST, json.dumps(SETTINGS))
    put("state/reset", "told to")
    said = []
    reading.print = said.append
    flashfile.open = Failing("config.json", "state/reset")
    flashfile.open.error = MemoryError()
    try:
        settings, source, faults = config.load("config.json", LAST, (), "esp32")
        assert settings and source == LAST
        assert faults == ["config.json: cannot be read: not enough memory"], faults
        flashfile.open.paths += (LAST,)
        try:
            config.load("config.json", LAST, (), "esp32")
            raise AssertionError("it says that there are none")
        except OSError as e:
            assert "cannot be read: not enough memory" in str(e), e
        assert files.read("state/reset") is None
        assert len(said) == 1 and "state/reset" in said[0] and "ENOMEM" in said[0], said
    finally:
        del flashfile.open, reading.print
    end()


def test_the_page_keeps_what_one_error_hides():
    """What is not found when it opens is left out when it saves."""
    from firmware.provisioning.form import stored

    chip = begin()
    put("config.json", json.dumps(SETTINGS))
    for n in (1, 2):
        assert at_every_read(chip, n, lambda: same(stored("config.json"), SETTINGS)) > 2
    end()


def test_what_was_announced_is_found_in_spite_of_an_error():
    from firmware.discovery import plan as discovery_plan
    from firmware.parts import _exists

    chip = begin()
    head = json.dumps(["homeassistant", "attic", True, True]).encode() + b"\n"
    hash = discovery_plan.sha256(b"")
    with open("state/discovery", "wb") as f:
        for line in (head, b"sensor room_temperature\n", b"sensor room_humidity\n"):
            f.write(line)
            hash.update(line)
        f.write(b"= " + discovery_plan._hex(hash).encode() + b"\n")
    wanted = {"room_temperature": "sensor", "room_humidity": "sensor"}

    def load():
        found = {}
        assert discovery_plan._load(found)[1] == "attic"
        assert found == wanted, found

    for n in (1, 2):
        assert at_every_read(chip, n, load) > 2
        assert at_every_read(chip, n, lambda: same(_exists("state/discovery"), True)) > 2
    # What is not there may be taken for there, after two errors, and is looked at again.
    assert at_every_read(chip, 1, lambda: same(_exists("state/aside"), False)) > 2
    end()
