"""Makes `boards/common/names.py`: the names of Outpost's modules, which our own MicroPython has in its flash.

An interpreter keeps each name once, in RAM if it is not in the firmware: some 900 names of a node, 7 KB. Nobody runs the file; it is frozen
into the firmware, by which its names come to lie in flash. A name that is missing there costs what it cost before, so the file need not be
the newest: a test says when too many are missing.
"""

import keyword

from tools import ROOT, mpy, shell
from tools.image import romfs

FILE = ROOT / "boards" / "common" / "names.py"

# loaded for a while, or never, by a node that runs
_PASSING = ("firmware/provisioning/", "lib/microdot/", "lib/umqtt/")
_SHORT = 10  # characters of a text that becomes a name (py/mpconfig.h, MICROPY_ALLOC_PARSE_INTERN_STRING_LEN)
_WIDTH = 92

_TEXT = '''\
"""Names of Outpost's modules, frozen so that they take no RAM (tools/image/names.py makes it). Nobody imports it."""


def names(_):
    return (
%s
    )
'''


def add_arguments(parser):
    pass


def run(args):
    found = names(mpy.compiled())
    FILE.write_text(text(found))
    shell.say(f"{FILE.relative_to(ROOT)}: {len(found)} names")
    return 0


def text(names):
    """Return the file for a set of names."""
    words = [f"_.{name}," if _is_attribute(name) else f"{name!r}," for name in sorted(names)]
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > _WIDTH:
            lines.append("")
        lines[-1] += f"{word} "
    return _TEXT % "\n".join(" " * 8 + line.rstrip() for line in lines)


def names(files):
    """Return the names in the tables of {path: contents} that are .mpy files, and the texts that the compiler makes a name."""
    found = set()
    for path, data in files.items():
        if path.endswith(".mpy") and not path.startswith(_PASSING):
            found.update(_table(data))
    return {name for name in found if _is_attribute(name) or len(name) <= _SHORT}


def _is_attribute(name):
    return name.isidentifier() and not keyword.iskeyword(name)


def _table(data):
    """Yield the names of one .mpy: after four bytes the number of names and of constants, then the names (MicroPython, py/persistentcode.c)."""
    count, at = romfs.number(data, 4)
    _, at = romfs.number(data, at)
    for _ in range(count):
        length, at = romfs.number(data, at)
        if length & 1:  # one that every MicroPython has
            continue
        end = at + (length >> 1)
        yield data[at:end].decode()
        at = end + 1
