"""`python -m tools.variables NAME… -- TARGET…`: say what is wrong with make's command line, if anything is.

What a target takes is what its recipe in the Makefile names. The standard library alone: it runs before the set-up.
"""

import difflib
import re
import sys

from tools import ROOT

EVERYWHERE = {"PYTHON"}
_OWN = {"VENV", "TOOLS", "STATION", "GIVEN", "FAULT", "TARGETS", "MAKEFILE_LIST"}
_INNER = {"ready", "packages"}  # for the other targets


def taken(makefile):
    """{target: the variables its recipe takes, in the order it names them}."""
    found = {}
    for target, recipe in re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)*)", makefile, re.M):
        names = re.findall(r"\$\((?:call (?:option|given|flag),)?([A-Z_]+)\b", recipe)
        found[target] = [name for name in dict.fromkeys(names) if name not in _OWN]
    return found


def fault(given, targets, makefile):
    """What is wrong with targets, and with variables given to them, in a line; "" if nothing is."""
    known = taken(makefile)
    for target in targets:
        if target not in known:
            near = difflib.get_close_matches(target.lower(), set(known) - _INNER, 1)
            hint = f"did you mean make {near[0]}? " if near else ""
            return f"make {target} is unknown: {hint}`make` alone prints what there is"
    targets = targets or ["help"]
    here = list(dict.fromkeys(name for target in targets for name in known[target]))
    for name in given:
        if name in EVERYWHERE or name in here or not name[:1].isalpha():
            continue
        near = difflib.get_close_matches(name.upper(), here, 1)
        takes = ", ".join(f"{each}=" for each in here) or "no variables"
        hint = f"did you mean {near[0]}=? " if near else ""
        return f"{name}= is unknown to make {' '.join(targets)}: {hint}It takes {takes}"
    return ""


def main(words):
    at = words.index("--")
    said = fault(words[:at], words[at + 1 :], (ROOT / "Makefile").read_text(encoding="utf-8"))
    if said:
        print(said)


if __name__ == "__main__":
    main(sys.argv[1:])
