"""What the tests of `deploy` and `provision` share: a small firmware, settings with secrets, ports as the system lists them."""

import json
from types import SimpleNamespace

from tools.__main__ import main
from tools.settings import usable

SECRETS = ("geheimgeheim", "pw-of-broker")
CONFIG = {
    "wifi": {"networks": [{"ssid": "home", "password": SECRETS[0]}]},
    "mqtt": {"brokers": [{"host": "192.0.2.1", "user": "node", "password": SECRETS[1]}]},
    "sensors": [],
}
ONLINE = b"""\
import json, time
print("0 info wifi: joined home")
time.sleep(0.3)
try:
    name = json.load(open("config.json"))["node"]["name"]
except (OSError, KeyError):
    name = "esp32-a1b2c3"
print("1 info mqtt: outpost/%s/status online" % name)
while True:
    time.sleep(1)
"""


def code(number, size):
    """What looks like a compiled module to whoever does not load it."""
    return b"M\x06" + bytes((number * 31 + i * 7) % 256 for i in range(size))


# Names and order are what counts.
FIRMWARE = {
    "boot.py": b"",
    "firmware/__init__.mpy": code(0, 50),
    "firmware/app.mpy": code(1, 5000),
    "lib/mqtt.mpy": code(4, 4200),
    "main.py": ONLINE,
}


def settings_file(folder):
    """Write CONFIG to a folder; return the path."""
    path = folder / "config.json"
    path.write_text(json.dumps(CONFIG))
    return path


def answer(capsys, *words):
    """Run `deploy`: (exit code, what it said). Whatever it says, no secret is in it."""
    status = main(["deploy", *words])
    said = "".join(capsys.readouterr())
    for secret in SECRETS:
        assert secret not in said
    return status, said


def port(device, serial_number=None, vid=0x2E8A):
    return SimpleNamespace(
        device=device, serial_number=serial_number, vid=vid, product="Board in FS mode"
    )


def filled_in(example):
    """The text of config.json.example with a network of one's own in it."""
    for words in usable.PLACEHOLDERS:
        assert words in example
        example = example.replace(words, "geheimgeheim")
    return example
