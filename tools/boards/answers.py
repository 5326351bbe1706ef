"""What a node must be told before it can come up: FIELDS, the same for the questions at a terminal, `--answers` and `--csv`.

What is left out stays as it is on the board. Passwords are asked without echo, never shown, and no option: on a command line every user
of the machine could read them.
"""

import copy
import getpass
import json
import sys
from typing import NamedTuple

from tools import CommandError
from tools.settings import judge
from tools.settings.judge import BadConfig


class Field(NamedTuple):
    key: str
    question: str
    secret: bool = False


FIELDS = {
    field.key: field
    for field in (
        Field("ssid", "Wi-Fi network"),
        Field("password", "its password", secret=True),
        Field("host", "broker, name or address"),
        Field("port", "its port"),
        Field("user", "user name there"),
        Field("broker_password", "its password", secret=True),
        Field("name", "name of the node"),
    )
}
NAMES = ", ".join(FIELDS)


def read(path):
    """Return the answers of a JSON file, "-": of stdin. CommandError: it holds something else."""
    if str(path) == "-":
        found = judge.parse_bytes(sys.stdin.buffer.read(), "the answers")
    else:
        found = judge.parse_file(path)
    return checked(found, path)


def checked(found, title):
    """Return {key: text} of what may be answers; what is empty is left out."""
    if not isinstance(found, dict):
        raise BadConfig(title, ["is not an object of answers, begin with {"])
    faults = [f"{key}: unknown, there is {NAMES}" for key in found if key not in FIELDS]
    for key, value in found.items():
        if not isinstance(value, (str, int, type(None))) or isinstance(value, bool):
            faults.append(f"{key}: is neither text nor a number")
    if faults:
        raise BadConfig(title, faults)
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def first(raw, section, key):
    """The first entry of a list of the config, such as wifi.networks; {} if there is none."""
    try:
        entry = raw[section][key][0]
        return entry if isinstance(entry, dict) else {}
    except (KeyError, IndexError, TypeError):
        return {}


def in_config(raw):
    """The answers that a config already holds, secrets too."""
    network, broker = first(raw, "wifi", "networks"), first(raw, "mqtt", "brokers")
    node = raw.get("node") if isinstance(raw.get("node"), dict) else {}
    found = {
        "ssid": network.get("ssid"),
        "password": network.get("password"),
        "host": broker.get("host"),
        "port": broker.get("port"),
        "user": broker.get("user"),
        "broker_password": broker.get("password"),
        "name": node.get("name"),
    }
    return {key: str(value) for key, value in found.items() if value}


def apply(raw, answers):
    """Return a config with the answers in its first network and its first broker; all else stays.

    Another network or broker than before does not inherit the password of the old one.
    """
    raw = copy.deepcopy(raw) if isinstance(raw, dict) else {}
    network, broker = first(raw, "wifi", "networks"), first(raw, "mqtt", "brokers")
    if answers.get("ssid", network.get("ssid")) != network.get("ssid"):
        network = {}
    if answers.get("host", broker.get("host")) != broker.get("host"):
        broker = {key: value for key, value in broker.items() if key == "tls"}
    if answers.get("user", broker.get("user")) != broker.get("user"):
        broker.pop("password", None)
    _put(network, answers, ssid="ssid", password="password")
    _put(broker, answers, host="host", port="port", user="user", password="broker_password")
    _set_first(raw, "wifi", "networks", network)
    _set_first(raw, "mqtt", "brokers", broker)
    if answers.get("name"):
        node = raw["node"] if isinstance(raw.get("node"), dict) else {}
        raw["node"] = node | {"name": answers["name"]}
    raw.setdefault("sensors", [])
    return raw


def _put(entry, answers, **keys):
    for key, answer in keys.items():
        value = answers.get(answer)
        if value is not None:
            entry[key] = (
                int(value) if key == "port" and value.isascii() and value.isdigit() else value
            )


def _set_first(raw, section, key, entry):
    if not isinstance(raw.get(section), dict):
        raw[section] = {}
    entries = raw[section].get(key)
    raw[section][key] = [entry] + (entries[1:] if isinstance(entries, list) else [])


# ---- at a terminal


def ask(before, networks, hardware_name):
    """Ask for all of them. before: the answers so far, networks: what the board sees, as `boardtrial.scan` returns it."""
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask at: give ANSWERS=file.json or CSV=nodes.csv", 2)
    found: dict[str, str | None] = {}
    try:
        _show(networks)
        for field in FIELDS.values():
            found[field.key] = _answer(field, before, found, networks, hardware_name)
    except EOFError:
        raise CommandError("no more answers; nothing was changed", 2) from None
    return {key: value for key, value in found.items() if value is not None}


def _show(networks):
    if networks:
        print("The board sees:")
    for number, (ssid, rssi, secured) in enumerate(networks, 1):
        print(
            f"  {number:2}  {printable(ssid)}  {rssi} dBm, {strength(rssi)}{'' if secured else ', open'}"
        )


def printable(text):
    """What came through the air is not to move the cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def strength(rssi):
    return "good" if rssi >= -67 else "fair" if rssi >= -75 else "weak"


def _answer(field, before, found, networks, hardware_name):
    if field.key == "password" and _is_open(found["ssid"], networks):
        return ""
    same = _same_place(field, before, found)
    default = before.get(field.key) if same else None
    if field.secret:
        if field.key == "broker_password" and not found.get("user"):
            return None
        hint = "empty: as it is" if default else "empty: none"
        secret = getpass.getpass(f"{field.question} (not shown; {hint}): ")
        return secret or default or ""
    default = default or (hardware_name if field.key == "name" else None)
    usual = " (empty: the usual one)" if field.key == "port" else ""
    shown = f" [{printable(default)}]" if default else usual
    more = ", number or name" if field.key == "ssid" and networks else ""
    typed = input(f"{field.question}{more}{shown}: ").strip() or default
    if field.key == "ssid" and typed and typed.isdigit() and 0 < int(typed) <= len(networks):
        return networks[int(typed) - 1][0]
    return typed


def _same_place(field, before, found):
    """Whether what was known of a network or broker is still about the same one."""
    owners: dict[str, tuple[str, ...]] = {
        "password": ("ssid",),
        "port": ("host",),
        "user": ("host",),
        "broker_password": ("host", "user"),
    }
    return all(found.get(key) == before.get(key) for key in owners.get(field.key, ()))


def _is_open(ssid, networks):
    return any(name == ssid and not secured for name, _, secured in networks)


def dumped(raw):
    """A config as it is written to a board."""
    return json.dumps(raw, ensure_ascii=False).encode()
