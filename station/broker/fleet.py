"""The nodes that a broker is for, and where their accounts are handed out: three sources, of which the first there is counts.

1. a CSV of `make provision`: user and broker_password of each row, and what all have in common into config.json;
2. nodes/<name>.json: `mqtt.brokers` of each file, whole, since a list of a merge patch is replaced;
3. config.json alone, if it names its node.

An account is a node's own if its file or row has it, not the config that several nodes have in common, and no two have the same user.
"""

import copy
import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

from firmware.settings import kinds
from station.broker.accounts import Account
from station.broker.rights import TAKEN, Place, overlaps
from tools import CommandError, wholefile
from tools.boards.roster import Roster
from tools.jsontext import pretty
from tools.settings import judge, overlays
from tools.settings.judge import BadConfig

BASE, PREFIX = "outpost", "homeassistant"
_SECRET = 0o600


class Member(NamedTuple):
    place: Place
    account: Account | None  # what its file has; the password may be empty


class Fleet:
    """No nodes yet; and what the three sources have in common.

    hosts: under which names and addresses nodes know this broker.
    """

    where = "nodes/"

    def __init__(self, common: Path, hosts: list[str]) -> None:
        self.common = common
        self.hosts = hosts
        self.raw: Any = judge.parse_file(common) if common.is_file() else {}

    def members(self) -> list[Member]:
        return []

    def base_and_prefix(self) -> tuple[str, str]:
        return _base_and_prefix(self.raw)

    def hand_out(self, accounts: dict[str, Account], entry: dict) -> list[Path]:
        """Write {node: account} where the nodes' settings are, and entry, how they reach the broker. Return the files that changed."""
        return []


class NodeFiles(Fleet):
    def members(self) -> list[Member]:
        found = []
        for overlay in overlays.read_all(self.common).values():
            merged = overlays.merge(self.raw, overlay.patch)
            own = _account(overlay.patch, self.hosts)
            found.append(Member(Place(overlay.name, *_base_and_prefix(merged)), own))
        return found

    def hand_out(self, accounts: dict[str, Account], entry: dict) -> list[Path]:
        changed = []
        for name, account in accounts.items():
            path = overlays.folder(self.common) / f"{name}.json"
            raw = judge.parse_file(path)
            merged = overlays.merge(self.raw, raw)
            if _put(path, overlays.merge(raw, _with(merged, self.hosts, entry, account))):
                changed.append(path)
        return changed


class OneConfig(Fleet):
    where = "config.json"

    def members(self) -> list[Member]:
        place = Place(self.raw["node"]["name"], *_base_and_prefix(self.raw))
        return [Member(place, _account(self.raw, self.hosts))]

    def hand_out(self, accounts: dict[str, Account], entry: dict) -> list[Path]:
        return [
            self.common
            for account in accounts.values()
            if _put(
                self.common,
                overlays.merge(self.raw, _with(self.raw, self.hosts, entry, account)),
            )
        ]


class Rows(Fleet):
    """A CSV: read as `make provision` reads it, and written with the separator, the line ends and the columns that it has."""

    def __init__(self, common: Path, hosts: list[str], path: Path) -> None:
        super().__init__(common, hosts)
        Roster(path)  # BadConfig: it is none
        self.path = path
        self.where = str(path)
        text = path.read_bytes().decode()
        self.mark = text[:1] if text[:1] == "\ufeff" else ""  # by which spreadsheets know UTF-8
        self.text = text[len(self.mark) :]
        head = self.text.partition("\n")[0]
        self.delimiter = ";" if head.count(";") > head.count(",") else ","
        reader = csv.DictReader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)
        self.rows = list(reader)
        self.columns = list(reader.fieldnames or ())
        self.keys = {column.strip(): column for column in self.columns}

    def _cell(self, row, key):
        return (row.get(self.keys.get(key, "")) or "").strip()

    def members(self) -> list[Member]:
        found = []
        for row in self.rows:
            user = self._cell(row, "user")
            account = Account(user, self._cell(row, "broker_password")) if user else None
            place = Place(self._cell(row, "name"), *_base_and_prefix(self.raw))
            found.append(Member(place, account))
        return found

    def hand_out(self, accounts: dict[str, Account], entry: dict) -> list[Path]:
        wanted = ("host", "port", "user", "broker_password")
        for key in wanted:
            if key not in self.keys and (key != "port" or "port" in entry):
                self.keys[key] = key
                self.columns.append(key)
        for row in self.rows:
            account = accounts.get(self._cell(row, "name"))
            if account:
                cells = (entry["host"], entry.get("port", ""), *account)
                given = dict(zip(wanted, cells, strict=True))
                for key, value in given.items():
                    if key in self.keys and self._cell(row, key) != str(value):
                        row[self.keys[key]] = str(value)
        file = io.StringIO(newline="")
        ends = "\r\n" if "\r\n" in self.text else "\n"
        writer = csv.DictWriter(
            file, self.columns, delimiter=self.delimiter, lineterminator=ends, restval=""
        )
        writer.writeheader()
        writer.writerows(self.rows)
        changed = (
            [self.path]
            if _put_text(self.path, self.mark + file.getvalue(), self.mark + self.text)
            else []
        )
        if self.common.is_file():  # what a row cannot say: the certificate
            brokers = _with(self.raw, self.hosts, entry, None)
            if _put(self.common, overlays.merge(self.raw, brokers), secret=False):
                changed.append(self.common)
        return changed


def find(common: Path, table: Path | None, hosts: list[str]) -> Fleet:
    """Return the fleet there is. CommandError: its files cannot be used, or a node's name is somebody else's."""
    fleet: Fleet
    if table:
        fleet = Rows(common, hosts, table)
    elif any(overlays.folder(common).glob("*.json")):
        fleet = NodeFiles(common, hosts)
    else:
        fleet = Fleet(common, hosts)
        node = fleet.raw.get("node") if isinstance(fleet.raw, dict) else None
        if isinstance(node, dict) and node.get("name"):
            fleet = OneConfig(common, hosts)
    places = [place for place, _ in fleet.members()]
    faults = overlaps(places)
    for place in places:
        if place.node in TAKEN:
            faults.append(f"{place.node}: the broker has that for itself, give the node another")
        for what, kind, text in (
            ("name", "level", place.node),
            ("node.base", "levels", place.base),
            ("discovery.prefix", "levels", place.prefix),
        ):
            wrong = kinds.wrong(kind, text, "all")
            if wrong:
                faults.append(f"{place.node}: its {what} {wrong}")
    if faults:
        raise BadConfig(fleet.where, faults)
    return fleet


def _base_and_prefix(raw):
    def text(section, key, usual):
        values = raw.get(section) if isinstance(raw, dict) else None
        value = values.get(key) if isinstance(values, dict) else None
        return value if isinstance(value, str) and value else usual

    return text("node", "base", BASE), text("discovery", "prefix", PREFIX)


def _brokers(raw):
    """The brokers of a config; what is none is left out."""
    section = raw.get("mqtt") if isinstance(raw, dict) else None
    listed = section.get("brokers") if isinstance(section, dict) else None
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _index(brokers, hosts):
    """Which of them is this one: the one of its name, or the only one. None: none is."""
    for number, each in enumerate(brokers):
        if each.get("host") in hosts:
            return number
    return 0 if len(brokers) == 1 else None


def _account(raw, hosts):
    brokers = _brokers(raw)
    index = _index(brokers, hosts)
    user, password = (
        (brokers[index].get(key) for key in ("user", "password"))
        if index is not None
        else ("", "")
    )
    if isinstance(user, str) and user:
        return Account(user, password if isinstance(password, str) else "")


def _with(raw, hosts, entry, account):
    """A patch of a config: its brokers, and among them this one, with an account."""
    brokers = copy.deepcopy(_brokers(raw))
    index = _index(brokers, hosts)
    made = dict(entry)
    if account:
        made |= {"user": account.user, "password": account.password}
    elif index is not None:
        made |= {key: brokers[index][key] for key in ("user", "password") if key in brokers[index]}
    order = ("host", "port", "user", "password", "tls")
    made = {key: made[key] for key in order if key in made}
    if index is None:
        brokers.insert(0, made)
    else:
        brokers[index] = made
    return {"mqtt": {"brokers": brokers}}


def _put(path, raw, secret=True):
    """Write a config if it says something else. Returns whether it does."""
    if raw == judge.parse_file(path):
        return False
    return _put_text(path, pretty(raw) + "\n", None, secret)


def _put_text(path, text, before, secret=True):
    if text == before:
        return False
    if secret:
        try:
            path.resolve().chmod(_SECRET)  # before there is a password in it
        except OSError as e:
            raise CommandError(
                f"{path} is to have passwords, and stays readable: {e.strerror}"
            ) from None
    wholefile.write(path, text)
    return True
