"""Make a board's flash hold given files, whatever was there, however often the attempt is cut short.

1. Stage. Each file that differs is written beside its place as `name.new`, and its hash read back. The old version is
   still whole: when the link is lost now, the board starts it again. What was staged is used by the next attempt.
   Where a module becomes a package, its files are staged in a folder `name.new`. MicroPython takes a folder, were it
   empty, in place of the module of its name: the old version would not start beside it.
2. Switch. One command renames everything into place, `main.py` last, and removes what no longer belongs under
   `firmware/` and `lib/`: a forgotten `.py` would be loaded instead of the new `.mpy`. It takes about a second.

Where there is no room for two versions the files are replaced one by one, the old `main.py` removed before: a board that is cut
off in the middle of that starts no mixture, but waits for the next attempt.

All else on the board is its own: `state/`, and every file we know nothing of.

The board's watchdog runs meanwhile, fed by each command. One that was armed already cannot be stopped, and would bite in
mid-copy; and should this program or the cable go away, the board is back at work some seconds later.
"""

import contextlib
import hashlib
from pathlib import PurePosixPath

from tools import CommandError
from tools.boards import ports
from tools.boards.serialboard import BoardError

NO_SPACE = 8  # exit code

OWN = ("firmware", "lib")  # folders on the board in which nothing but ours stays
_INSIDE = tuple(folder + "/" for folder in OWN)

_LAST = "main.py"
SPARE_BLOCKS = 4  # littlefs copies what it changes
_ENOSPC = 28

# Runs on the board. Names begin with _: they share the namespace of its REPL.
ON_BOARD = """
import machine, os
from binascii import a2b_base64, hexlify
from hashlib import sha256
_dog = machine.WDT(timeout=8000)
_file = None

def _tell(value):
    print("@" + repr(value))

def _sum(path):
    digest = sha256()
    buf = memoryview(bytearray(512))
    with open(path, "rb") as f:
        while True:
            n = f.readinto(buf)
            if not n:
                break
            digest.update(buf[:n])
    _dog.feed()
    return hexlify(digest.digest()).decode()

def _show(path):
    try:
        folder = os.stat(path)[0] & 0x4000
    except OSError:
        return
    _tell((path, None if folder else _sum(path)))
    if folder:
        for entry in list(os.ilistdir(path)):
            _show(path + "/" + entry[0])

def _begin(path, mode="wb"):
    global _file
    _file = open(path, mode)

def _write(data):
    _file.write(a2b_base64(data))
    _dog.feed()

def _end(path):
    _file.close()
    _tell(_sum(path))

def _mkdir(path):
    try:
        os.mkdir(path)
    except OSError as e:
        if e.errno != 17:
            raise

def _remove(paths):
    for path in paths:
        try:
            os.remove(path)
        except OSError as e:
            if e.errno != 2:
                raise
        _dog.feed()

def _cancel(paths):
    if _file:
        _file.close()
    _remove(paths)

def _room():
    s = os.statvfs("/")
    _tell((s[0], s[3]))

def _blocks(paths, size):
    n = 0
    for path in paths:
        try:
            n += -(-os.stat(path)[6] // size)
        except OSError:
            pass
    _tell(n)

def _switch(renamed, removed, folders, last):
    for path in renamed:
        os.rename(path + ".new", path)
        _dog.feed()
    _remove(removed)
    for path in folders:
        os.rmdir(path)
        _dog.feed()
    for path in last:
        os.rename(path + ".new", path)
"""


class Plan:
    """The difference between the files wanted and what is on a board.

    wanted: {path: bytes}; there: {path: SHA-256 in hex, None for a folder}.
    """

    def __init__(self, wanted, there):
        self.wanted = wanted
        self.hashes = {path: hashlib.sha256(data).hexdigest() for path, data in wanted.items()}
        self.changed = [path for path in wanted if there.get(path) != self.hashes[path]]
        folders = {
            str(folder) for path in wanted for folder in PurePosixPath(path).parents if folder.name
        }
        self.added = sorted(folder for folder in folders if folder not in there)
        self.packages = [  # of those, which were modules
            folder for folder in self.added if folder + ".mpy" in there or folder + ".py" in there
        ]
        self.staged = [
            path for path in self.changed if there.get(self.place(path)) == self.hashes[path]
        ]
        self.to_send = [path for path in self.changed if path not in self.staged]
        useful = {*map(self.place, self.staged), *self.new_folders}
        beside = {path for path in there if _is_beside(path)}
        self.leftover = [path for path in there if path in beside - useful and there[path]]
        inside = [path for path in there if path.startswith(_INSIDE)]
        self.removed = [
            path for path in inside if there[path] and path not in wanted and path not in beside
        ]
        self.emptied = sorted(
            (path for path in inside if not there[path] and path not in folders | useful),
            reverse=True,
        )

    def package(self, path):
        """The folder in which a path lies, or which it is, if that was a module; else None."""
        for folder in self.packages:
            if path == folder or path.startswith(folder + "/"):
                return folder
        return None

    def place(self, path):
        """Where a file is staged, or a folder that was a module."""
        folder = self.package(path)
        return folder + ".new" + path[len(folder) :] if folder else path + ".new"

    @property
    def new_folders(self):
        """The folders to make before files are staged."""
        return [self.place(folder) if self.package(folder) else folder for folder in self.added]

    def __bool__(self):
        return bool(self.changed or self.removed or self.emptied or self.leftover)

    def blocks(self, size):
        """Flash blocks that staging takes, rather one too many."""
        files = [-(-len(self.wanted[path]) // size) for path in self.to_send]
        return sum(files) + 2 * len(self.new_folders) + SPARE_BLOCKS


def _is_beside(path):
    """Is it staged?"""
    return any(name.endswith(".new") for name in path.split("/"))


def look(link, wanted, own=OWN):
    """Compare files with those on the board, in one round trip. The raw REPL is open; returns the Plan.

    own: the folders in which it leaves nothing but what is wanted.
    """
    link.load(ON_BOARD)
    outside = [path for path in wanted if not path.startswith(_INSIDE)]
    roots = [*own, *outside, *(path + ".new" for path in outside)]
    there = link.answers(f"for _path in {roots!r}: _show(_path)", timeout=120, most=200_000)
    return Plan(wanted, dict(there))


def install(link, plan, line):
    """Carry out a plan of `look`, saying so to a progress.Line."""
    try:
        if _has_room(link, plan):
            _stage(link, plan, line)
            _switch(link, plan, line)
        else:
            _replace(link, plan, line)
    except BoardError as e:
        if e.errno != _ENOSPC:
            raise
        staged = [plan.place(path) for path in plan.changed]
        # a flash without one free block cannot even forget a file
        with contextlib.suppress(BoardError):
            link.run(f"_cancel({staged!r})", timeout=60)
        raise no_room(link, plan) from None


def _has_room(link, plan):
    """For both versions? False: for one of them. CommandError: not even that."""
    # first what is of no use: half a file, or one nobody wants any more; its room may be needed
    link.run(f"_remove({plan.leftover!r})")
    size, free = link.answer("_room()")
    if plan.blocks(size) <= free:
        return True
    old = link.answer(f"_blocks({plan.changed + plan.removed!r}, {size})")
    largest = max(-(-len(plan.wanted[path]) // size) for path in plan.to_send)
    if plan.blocks(size) + largest > free + old:
        raise no_room(link, plan)
    return False


def _stage(link, plan, line):
    for path in _sent(link, plan, line):
        _stage_file(link, path, plan, line)


def _replace(link, plan, line):
    line.say("  no room for the old and the new files together: one is replaced after the other")
    line.say("  should this be cut short, the board waits for the next attempt and runs nothing")
    if _LAST in plan.changed:
        link.run(f"_remove({[_LAST]!r})")
    else:  # it is the right one: for a while it has the name of one that is staged
        link.run(f"os.rename({_LAST!r}, {_LAST + '.new'!r})")
    link.run(f"_remove({plan.removed!r})", timeout=60)
    for folder in plan.packages:
        link.run(f"_mkdir({plan.place(folder)!r})")
    link.run(f"_switch({_renamed(plan, plan.staged)!r}, [], [], [])", timeout=60)
    plan.packages = []  # nothing runs that they could hide
    for path in _sent(link, plan, line):
        _stage_file(link, path, plan, line)
        if path != _LAST:
            link.run(f"_switch([{path!r}], [], [], [])")
    link.run(f"_switch([], [], {plan.emptied!r}, [{_LAST!r}])", timeout=60)


def _sent(link, plan, line):
    """The files to send, one by one, with what is to be told of them."""
    for folder in plan.new_folders:
        link.run(f"_mkdir({folder!r})")
    if plan.staged:
        line.say(f"  {len(plan.staged)} files are there from the last attempt")
    line.begin(sum(len(plan.wanted[path]) for path in plan.to_send))
    for number, path in enumerate(plan.to_send, 1):
        line.file(number, len(plan.to_send), path, len(plan.wanted[path]))
        yield path
    line.end()


def no_room(link, plan):
    """Return the CommandError that says so. plan: what has `blocks(size)`."""
    size, free = link.answer("_room()")
    needed = plan.blocks(size) * size // 1024
    return CommandError(
        f"not enough room on the board: {needed} KB needed, {free * size // 1024} KB free. "
        f"Remove files of your own there: {ports.mpremote(link.port, 'fs', 'tree')}, and fs rm",
        NO_SPACE,
    )


def _switch(link, plan, line):
    for path in plan.removed + plan.emptied:
        line.say(f"  remove  {path}")
    last = [path for path in plan.changed if path == _LAST]
    renamed = _renamed(plan, plan.changed)
    link.run(f"_switch({renamed!r}, {plan.removed!r}, {plan.emptied!r}, {last!r})", timeout=60)


def _renamed(plan, paths):
    """What is to be renamed into place for these files to be there, but for the last."""
    return [
        *plan.packages,
        *(path for path in paths if path != _LAST and not plan.package(path)),
    ]


def _stage_file(link, path, plan, line):
    place = plan.place(path)
    for _ in range(2):
        link.run(f"_begin({place!r})")
        link.send("_write", plan.wanted[path], line.moved)
        if link.answer(f"_end({place!r})") == plan.hashes[path]:
            return
    raise CommandError(
        f"the board's flash does not keep what is written to it ({path}): it is damaged or worn out"
    )
