"""Which config a board gets: a file, what an overlay makes of it, or the one it has.

1. `--keep`: the board's own.
2. `--config FILE`: that file.
3. `--node NAME`: nodes/NAME.json over config.json (or over FILE).
4. There is a nodes/*.json: the one that names the board's id, else the one with the node's name that is on the board.
5. config.json, if it is there.
6. Else the board's own.

Whichever it is, the node's own code has checked it, for that board model, before anything is written.
"""

import json
import threading
from pathlib import Path
from typing import NamedTuple

from tools import CommandError
from tools.settings import judge, overlays, usable
from tools.settings.judge import BAD_CONFIG, BadConfig
from tools.settings.namedfiles import beside, file_faults
from tools.settings.values import of_kind

DEFAULT = Path("config.json")
ON_BOARD = "config.json"
_LONGEST = 16384  # bytes: what the node reads of one

_READ = f"""
def _slurp(path):
    try:
        f = open(path, "rb")
    except OSError:
        return print("@None")
    with f:
        for _ in range({_LONGEST // 256 + 1}):
            print("@" + repr(f.read(256)))
"""
_MISSING = """
import os
def _missing(paths):
    for path in paths:
        try:
            os.stat(path)
        except OSError:
            print("@" + repr(path))
"""


class NodeConfig(NamedTuple):
    title: str  # where it comes from
    settings: dict | None  # with every default; None: the board has none
    files: dict  # {path on the board: bytes}; empty: what is there stays
    path: Path | None  # the file here it comes from, or most of it


def add_arguments(parser):
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the node's settings, in place of what the board has (default: {DEFAULT} if it is there, else the board's own)",
    )
    parser.add_argument(
        "--node",
        metavar="NAME",
        help=f"settings of one node of a fleet: {overlays.FOLDER}/NAME.json over {DEFAULT} or FILE",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the settings on the board as they are; a node without any opens its page for a phone",
    )


class Choice:
    """The rule above, for one call of a command. Made before a board is looked for, let alone disturbed."""

    def __init__(self, args):
        """BadConfig: what is certain to be needed cannot be used."""
        if args.keep and (args.config or args.node):
            raise CommandError(
                "KEEP=1 is for settings on the board: no CONFIG= or NODE= with it", 2
            )
        self.keep = args.keep
        self.common = args.config or DEFAULT
        self.overlay = None
        self.overlays: dict[str, overlays.Overlay] = {}  # by name
        self.settings = None  # checked but for the pins
        self._given = {}  # name of an overlay → board
        self._lock = threading.Lock()
        if args.node:
            self.overlay = overlays.named(self.common, args.node)
            self._laid_over(self.overlay, None)
        elif not (args.keep or args.config):
            self.overlays = overlays.read_all(self.common)
        if not (args.keep or self.overlay or self.overlays) and (
            args.config or self.common.exists()
        ):
            self.settings = read(self.common)

    def serves(self, boards):
        """Refuse to make several boards one node."""
        if boards > 1 and self.overlay:
            raise CommandError("NODE= is for one board", 2)
        if boards > 1 and self.settings:
            _several(self.settings, self.common, boards)

    def for_board(self, link, model, board_id):
        """Return the NodeConfig of a board whose raw REPL is open."""
        if self.overlay:
            return self._laid_over(self.overlay, model)
        if self.overlays:
            return self._laid_over(self._its_own(link, board_id), model)
        if self.settings:
            settings = read(self.common, model)
            return NodeConfig(
                str(self.common), settings, files(self.common, settings), self.common
            )
        return self._kept(link, model)

    def _laid_over(self, overlay, model):
        raw = overlays.laid_over(self.common, overlay)
        title = overlays.title(self.common, overlay)
        settings, faults = usable.for_use(raw, model, self.common)
        if faults:
            raise BadConfig(title, faults)
        named = files(self.common, settings, title)
        named[ON_BOARD] = json.dumps(raw, ensure_ascii=False).encode()
        return NodeConfig(title, settings, named, self.common)

    def _its_own(self, link, board_id):
        """The overlay of a board: by its id, else by the name of the node on it."""
        ids = {overlay.board: overlay for overlay in self.overlays.values() if overlay.board}
        found = ids.get(board_id)
        if not found:
            found = self.overlays.get(name_on(link))
            if found and found.board:  # it is another board's
                found = None
        place = overlays.folder(self.common)
        if not found:
            raise CommandError(
                f'this board is none of {place}: put "board": "{board_id}" into the file of the node it is, or say NODE=name; '
                "KEEP=1 leaves its settings as they are",
                BAD_CONFIG,
            )
        with self._lock:
            owner = self._given.setdefault(found.name, board_id)
        if owner != board_id:
            raise CommandError(
                f"{found.path} is that of board {owner}, too: put the id of one into it",
                BAD_CONFIG,
            )
        return found

    def _kept(self, link, model):
        data = on_board(link)
        if data is None:
            if self.keep:
                return NodeConfig("there are none: they come from a phone", None, {}, None)
            raise CommandError(
                f"{judge.missing(self.common)}; or ask for them: make provision PORT={link.port}; "
                "or enter them on a phone: make deploy KEEP=1",
                BAD_CONFIG,
            )
        title = "the board's own config"
        settings, faults = judge.judge(judge.parse_bytes(data, title), model)
        if not faults:
            paths = {name.lstrip("/"): path for path, name in of_kind(("path",), settings)}
            link.run(_MISSING)
            missing = link.answers(f"_missing({list(paths)!r})")
            faults = [f"{paths[name]}: {name} is not on the board" for name in missing]
        if faults or settings is None:
            raise CommandError(
                f"{BadConfig(title, faults)}\ngive another: make deploy PORT={link.port} CONFIG=file",
                BAD_CONFIG,
            )
        why = "as asked" if self.keep else f"there is no {self.common} here"
        return NodeConfig(f"the board's own is kept ({why})", settings, {}, None)


def read(path, model=None):
    """The settings of a config file with every default, checked for that board model if it is known, and the files it names."""
    if not path.exists():
        raise CommandError(judge.missing(path), BAD_CONFIG)
    settings, faults = usable.for_use(judge.parse(path), model, path)
    if faults:
        raise BadConfig(path, faults)
    return settings


def _several(settings, path, boards):
    same = [
        f"{key}: is one for {boards} boards, leave it out, or give each its own nodes/<name>.json"
        for key, value in (
            ("node.name", settings["node"]["name"]),
            ("mqtt.client_id", settings["mqtt"]["client_id"]),
        )
        if value
    ]
    if same:
        raise BadConfig(path, same)


def files(path, settings, title=None):
    """A config file and the files it names, which are beside it. Returns {path on the board: bytes}."""
    faults = list(file_faults(path, settings))
    if faults:
        raise BadConfig(title or path, faults)
    places = [beside(name) for _, name in of_kind(("path",), settings)]
    found = {str(place): (path.parent / place).read_bytes() for place in places}
    if title is None:
        found[ON_BOARD] = path.read_bytes()
    return found


def on_board(link):
    """What config.json on the board holds, None if there is none. The raw REPL is open."""
    link.run(_READ)
    pieces = link.answers(f"_slurp({ON_BOARD!r})", most=5 * _LONGEST)
    return None if pieces == [None] else b"".join(pieces)


def name_on(link):
    """The node's name in the config on the board, None if there is none."""
    data = on_board(link)
    try:
        raw = json.loads(data.decode()) if data else {}
        return raw["node"]["name"]
    except (ValueError, KeyError, TypeError):
        return None
