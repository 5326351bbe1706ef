"""`nodes/<name>.json`: what one node of a fleet has of its own, laid over the config they have in common.

An overlay is a JSON merge patch (RFC 7396): objects are merged key by key, null removes a key, all else, lists too, is replaced.
The node has the name of the file. Of the file's own keys `board` alone is no setting: the id of the board that is this node,
as `make deploy` says it. It may be left out once the board knows its name.
"""

from pathlib import Path
from typing import Any, NamedTuple

from tools import CommandError
from tools.settings import judge
from tools.settings.judge import BadConfig

FOLDER = "nodes"


class Overlay(NamedTuple):
    name: str
    path: Path
    board: str  # id of its board, "" if it is not given
    patch: dict


def merge(target: Any, patch: Any) -> Any:
    """Return target with a merge patch applied; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def plain(board: str) -> str:
    """A board's id as machine.unique_id() has it, whatever the way it is written: 24:0A:C4:… is 240ac4…"""
    return board.replace(":", "").replace("-", "").lower()


def read(path: Path) -> Overlay:
    """Return the Overlay of a file. BadConfig: it is none."""
    patch = judge.parse(path)
    faults = []
    board = ""
    if not isinstance(patch, dict):
        faults.append("config: is not an object, begin with {")
    else:
        patch = dict(patch)
        board = patch.pop("board", "")
        if not isinstance(board, str):
            faults.append('board: is not text, give the id in quotes, as "e6614103e7452d2f"')
        node = patch.get("node", {})
        if not isinstance(node, dict):
            faults.append('node: is not an object, give {"base": …} or leave it out')
        elif node.get("name") not in (None, "", path.stem):
            faults.append(f"node.name: is not that of the file, leave it out: it is {path.stem}")
    if faults:
        raise BadConfig(path, faults)
    patch = merge(patch, {"node": {"name": path.stem}})
    return Overlay(path.stem, path, plain(board), patch)


def folder(common: Path) -> Path:
    """Where the overlays are: beside the config they are laid over."""
    return common.parent / FOLDER


def each(common: Path) -> list[tuple[Path, Overlay | None, list[str]]]:
    """Return [(path, its Overlay or None, faults)] of all files of overlays. A board that two claim is the second one's fault."""
    found = []
    owners: dict[str, Path] = {}
    for path in sorted(folder(common).glob("*.json")):
        overlay, faults = None, list[str]()
        try:
            overlay = read(path)
        except CommandError as e:
            faults = getattr(e, "faults", [str(e)])
        else:
            other = overlay.board and owners.setdefault(overlay.board, path)
            if other and other != path:
                faults = [f"board: {other} has the same, give each its own"]
        found.append((path, overlay, faults))
    return found


def read_all(common: Path) -> dict[str, Overlay]:
    """Return all Overlays, by name. BadConfig: some are none, or two claim one board."""
    found = each(common)
    bad = [(path, faults) for path, _, faults in found if faults]
    if bad[1:]:
        raise BadConfig(
            folder(common), [f"{path.name}: {fault}" for path, faults in bad for fault in faults]
        )
    if bad:
        raise BadConfig(*bad[0])
    return {path.stem: overlay for path, overlay, _ in found if overlay}


def named(common: Path, name: str) -> Overlay:
    """Return the Overlay of a node. BadConfig: there is none."""
    path = folder(common) / f"{name}.json"
    if not path.is_file():
        names = ", ".join(sorted(other.stem for other in path.parent.glob("*.json")))
        raise BadConfig(path, [f"is not there; there is {names or 'none at all'}"])
    return read(path)


def laid_over(common: Path, overlay: Overlay) -> Any:
    """Return the raw config of a node: the overlay over the config file they have in common, which may be missing."""
    return merge(judge.parse(common) if common.exists() else {}, overlay.patch)


def title(common: Path, overlay: Overlay) -> str:
    return f"{overlay.path} over {common}" if common.exists() else str(overlay.path)
