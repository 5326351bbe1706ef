"""The two folders of a site, and what it was told before.

    broker/            what the broker's computer needs: mosquitto.conf, passwords, acl, ca.pem, server.pem, server.key, the unit, data/, conf.d/
    broker.private/    what it must not have: ca.key, the passwords of the programs, site.json

A file is written only if that changes it, whole or not at all, and readable by its owner alone where somebody could pass for another with it.
"""

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

from station.broker.rights import Place
from station.broker.settings import PLAIN_PORT, QUEUE_MB, TLS_PORT
from tools import CommandError, unreadable, wholefile
from tools.jsontext import pretty

SECRET, OPEN = 0o600, 0o644
FOLDER = Path("broker")
CONFIG = Path("config.json")
SERVICE = "mosquitto"  # the user that Debian's package makes


class Memory(NamedTuple):
    """site.json: what `make broker` was told, and whom it knows. No password is in it."""

    hosts: list[str]
    config: str = str(CONFIG)  # where the nodes are, as it was called last
    csv: str = ""
    port: int = TLS_PORT
    local: int = PLAIN_PORT
    plain: bool = False
    queue_mb: int = QUEUE_MB
    more: list[str] = []  # further accounts, such as collector-2  # noqa: RUF012
    bases: list[list[str]] = []  # base and discovery prefix of each node there ever was  # noqa: RUF012
    nodes: dict[str, Place] = {}  # user → its node  # noqa: RUF012
    former: dict[str, list[Place]] = {}  # user → what its node was called before  # noqa: RUF012
    revoked: dict[str, str] = {}  # node → what the password file had of it  # noqa: RUF012


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private = folder.with_name(folder.name + ".private")
        self.changed: list[Path] = []

    @property
    def memory(self) -> Memory:
        """What is known of it. CommandError: there is no broker in this folder, or site.json is damaged."""
        path = self.private / "site.json"
        text = read(path)
        if text is None:
            raise CommandError(f"there is no broker in {self.folder}: make broker makes one", 2)
        try:
            raw: dict[str, Any] = json.loads(text)
            raw["nodes"] = {user: Place(*place) for user, place in raw["nodes"].items()}
            former = raw.get("former", {}).items()
            raw["former"] = {user: [Place(*each) for each in places] for user, places in former}
            return Memory(**raw)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise CommandError(
                f"{path} is damaged: put back a copy of it, or remove both folders and begin anew"
            ) from None

    def exists(self) -> bool:
        return (self.private / "site.json").exists()

    def remember(self, memory: Memory) -> None:
        self.put(self.private / "site.json", pretty(memory._asdict()) + "\n")

    def call(self, target: str, memory: Memory, **variables: object) -> str:
        """The command that concerns this broker, as it is typed: with all that is not as usual."""
        places = {"FOLDER": self.folder if self.folder != FOLDER else ""}
        if target == "broker":
            places |= {"CONFIG": memory.config if Path(memory.config) != CONFIG else ""}
            places |= {"CSV": memory.csv}
        given = {name: str(value) for name, value in (places | variables).items() if value != ""}
        quoted = (
            f"{name}={shlex.quote(value.replace('$', '$$'))}" for name, value in given.items()
        )
        return " ".join(["make", target, *quoted])

    def owner(self) -> str:
        """The user that the broker is to run as: who owns the folder, unless that is root."""
        try:
            owner = self.folder.owner()
        except KeyError:  # who has a number, and no name
            return SERVICE
        return SERVICE if owner == "root" else owner

    def make_folders(self) -> None:
        for path, mode in (
            (self.folder, 0o755),
            (self.folder / "data", 0o700),
            (self.folder / "conf.d", 0o755),
            (self.private, 0o700),
        ):
            try:
                path.mkdir(mode=mode, parents=True, exist_ok=True)
                if mode == 0o700:
                    path.chmod(mode)
            except FileExistsError:
                raise CommandError(f"{path} is a file: give FOLDER= another name", 2) from None

    def put(self, path: Path, text: str, mode: int = SECRET) -> bool:
        """Write a file, if that changes it. Returns whether it does."""
        before = read(path)
        if before != text:
            wholefile.write(path, text, mode)
        elif path.stat().st_mode & 0o777 == mode:
            return False
        path.chmod(mode)
        self.changed.append(path)
        return before != text


def read(path: Path) -> str | None:
    """The text of a file, None: there is none. CommandError: it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeError:
        raise CommandError(f"{path} is damaged: it is no text") from None
    except OSError as e:
        raise CommandError(unreadable(path, e)) from None
