"""What happens to a simulated board, and when: the JSON list of `make run SCENARIO=`, checked before the board runs.

What there is to happen are the calls of sim/board/stand.py, which run on the simulated board alone: they are read, not imported.
"""

import ast
import difflib
import math

from tools import ROOT
from tools.settings.judge import BadConfig, parse_file

_CALLS = ROOT / "sim/board/stand.py"
_INNER = {"the_world", "scenario", "soft_boot", "storm"}  # for tests; they take no JSON
_OWN = ("at_s", "do")
_OF_A_SENSOR = ("unplug", "replug", "set", "door", "tip")
_EVERYWHERE = "*"  # as a name of `set`


def read(path, names):
    """Return the events of a file. names: the node's sensors. BadConfig: they cannot happen; CommandError: it cannot be read."""
    events = parse_file(path)
    if not isinstance(events, list):
        right = '[{"at_s": 5, "do": "unplug", "name": "room"}]'
        raise BadConfig(path, [f"is no list, give a list of events, as {right}"])
    known = calls()
    faults = []
    for number, event in enumerate(events):
        faults += [f"[{number}]{fault}" for fault in _faults(event, known, names)]
    if faults:
        raise BadConfig(path, faults)
    return events


def calls():
    """Return {what can happen: (its arguments, those that must be given)}; arguments None: any."""
    tree = ast.parse(_CALLS.read_text(encoding="utf-8"))
    functions = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    (table,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CALLS"
    )
    found: dict[str, tuple[list[str] | None, list[str]]] = {"reset": (["how"], [])}
    for name in (node.id for node in ast.walk(table) if isinstance(node, ast.Name)):
        if name not in functions:
            continue
        arguments = functions[name]
        every = [argument.arg for argument in arguments.args]
        needed = every[: len(every) - len(arguments.defaults)]
        if name not in _INNER:
            found[name] = (None if arguments.kwarg else every, needed)
    return found


def _faults(event, known, names):
    if not isinstance(event, dict):
        yield ': is no object, give one as {"at_s": 5, "do": "wifi_off"}'
        return
    at_s = event.get("at_s", 0)
    if type(at_s) not in (int, float) or not 0 <= at_s < math.inf:
        yield ".at_s: give seconds as a number from 0 on"
    do = event.get("do")
    if not isinstance(do, str) or do not in known:
        near = difflib.get_close_matches(str(do), known, 1)
        there_is = f"did you mean {near[0]}?" if near else "there is " + ", ".join(sorted(known))
        yield f".do: {'unknown' if 'do' in event else 'missing'}, {there_is}"
        return
    arguments, needed = known[do]
    given = [key for key in event if key not in _OWN]
    for key in needed:
        if key not in given:
            yield f".{key}: missing, {do} wants it"
    for key in given:
        if arguments is not None and key not in arguments:
            yield f".{key}: unknown, {do} takes {', '.join(arguments) or 'nothing'}"
    places = [*names, _EVERYWHERE] if do == "set" else names
    if do in _OF_A_SENSOR and "name" in given and event["name"] not in places:
        yield f".name: no sensor is called so, there is {', '.join(names) or 'none'}"
