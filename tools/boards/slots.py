"""Bring an image into a slot of a board: the one that does not run, so that the other is there to go back to. boot.py says what slots are.

In place: blocks that are the same already are not sent. The first is erased before all others and written last, and of it the first bytes, since
a slot without them holds no image: half a block would pass for a whole one. A file grows from its beginning, and is no image before its last byte. A deploy that was cut short goes on where it stopped.

An image that is larger than half of the ROMFS takes all of it. What runs there is copied into a file first, and is there to go back to.
"""

import hashlib
import json
from dataclasses import dataclass

from tools import CommandError
from tools.boards import boardfiles, ports
from tools.boards.online import OFFLINE
from tools.image import romfs
from tools.layouts import BLOCK

# What these were before a trial, which boot.py puts back.
BEFORE = {"main.py": "state/main", "config.json": "state/settings"}
LOOSE = "loose"  # instead of a slot: the files in /firmware and /lib
_WHOLE = "rom"
_IN_PLACE = ("rom0", "rom1", _WHOLE)
_FILES = ("slots/a", "slots/b")
_HEAD = 200  # bytes of a slot, by which an image is known
_DIGEST = 8  # bytes of a block's SHA-256: enough to see that a block is another
_FLUSHED = 4 * BLOCK  # of a file: what a cut may cost
_PAGE = 256  # bytes that a Pico programs at once
_MAGIC = 4  # bytes by which an image is known for one
_BESIDE = 8  # blocks that boot.py, main.py, settings and folders may take while they are replaced

# Run on the board, after boardfiles.ON_BOARD: what looks, and what changes something.
_LOOK = f"""
import vfs
try:
    _rom = vfs.rom_ioctl(2, 0)
    _view = memoryview(_rom)
    _half = len(_view) // 2 & ~{BLOCK - 1}
    _roms = {{"rom0": (0, _half), "rom1": (_half, _half), "rom": (0, len(_view))}}
except (AttributeError, OSError, TypeError, ValueError):
    _roms = {{}}

def _slots():
    for slot in {_IN_PLACE!r}:
        if slot in _roms:
            at, room = _roms[slot]
            _tell((slot, room, at, bytes(_view[at : at + {_HEAD}])))
    for path in {_FILES!r}:
        try:
            with open(path, "rb") as f:
                head = f.read({_HEAD})
                _tell((path, f.seek(0, 2), None, head))
        except OSError:
            pass

def _image_sum(slot, size):
    if slot not in _roms:
        _tell(_sum(slot))
        return
    digest = sha256()
    at = _roms[slot][0]
    for begin in range(at, at + size, {BLOCK}):
        digest.update(_view[begin : min(begin + {BLOCK}, at + size)])
        _dog.feed()
    _tell(hexlify(digest.digest()).decode())

def _state():
    try:
        with open("state/slot", "rb") as f:
            state = f.read(500)
    except OSError:
        state = b""
    _tell((state, any(_is_there(path) for path in {[*BEFORE.values()]!r})))

def _index():
    try:
        with open("/app/index", "rb") as f:
            _tell(f.readline())
    except OSError:
        _tell(b"")

def _is_there(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False
"""
_CHANGE = f"""
_buf = bytearray({BLOCK})
_filled = 0

def _copy(slot, begin, size):
    at = _roms[slot][0] + begin
    _file.write(_view[at : at + size])
    _dog.feed()

def _digests(slot, count):
    found = bytearray()
    at = _roms[slot][0]
    for begin in range(at, at + count * {BLOCK}, {BLOCK}):
        found += sha256(_view[begin : begin + {BLOCK}]).digest()[:{_DIGEST}]
        _dog.feed()
    _tell(hexlify(found).decode())

def _erase(block):
    if hasattr(_rom, "ioctl"):
        _rom.ioctl(6, block)
    else:
        vfs.rom_ioctl(3, 0, block * {BLOCK}, {BLOCK})

def _fill(data):
    global _filled
    data = a2b_base64(data)
    _buf[_filled : _filled + len(data)] = data
    _filled += len(data)
    _dog.feed()

def _program(block, begin, data):
    if hasattr(_rom, "ioctl"):
        _rom.writeblocks(block, data, begin)
    else:
        vfs.rom_ioctl(4, 0, block * {BLOCK} + begin, data)
    _dog.feed()

def _put(block, is_first):
    global _filled
    for i in range(_filled, {BLOCK}):
        _buf[i] = 255
    _filled = 0
    _erase(block)
    view = memoryview(_buf)
    if is_first:
        page = bytearray(view[:{_PAGE}])
        page[:{_MAGIC}] = bytes([255] * {_MAGIC})
        _program(block, {_PAGE}, view[{_PAGE}:])
        _program(block, 0, page)
        _program(block, 0, view[:{_PAGE}])
    else:
        _program(block, 0, view)

def _complete():
    if not hasattr(_rom, "ioctl"):
        vfs.rom_ioctl(5, 0)

def _keep(text):
    _mkdir("state")
    with open("state/slot.new", "w") as f:
        f.write(text)
    os.rename("state/slot.new", "state/slot")

def _keep_before(path, kept):
    if _is_there(kept):
        return
    try:
        with open(path, "rb") as f, open(kept + ".new", "wb") as new:
            while True:
                data = f.read(512)
                if not data:
                    break
                new.write(data)
        os.rename(kept + ".new", kept)
    except OSError as e:
        if e.errno != 2:
            raise
"""


@dataclass(frozen=True)
class Slot:
    room: int  # bytes: of its part of the ROMFS, or of the file
    begin: int | None  # byte of the ROMFS; None: a file
    head: bytes

    @property
    def size(self) -> int | None:
        """Bytes of the image in it; None: there is none."""
        try:
            size = romfs.size(self.head)
        except ValueError:
            return None
        return size if size <= self.room else None

    def overlaps(self, size, other):
        """Would an image of that size in it lie on one that is in another?"""
        if self.begin is None or other.begin is None or not other.size:
            return False
        return self.begin < other.begin + other.size and other.begin < self.begin + size


class Board:
    """The slots of a board whose raw REPL has boardfiles.ON_BOARD, and what is in them."""

    def __init__(self, link):
        self.link = link
        link.load(_LOOK)
        *found, (state, self.has_before) = link.answers("_slots(); _state()", most=10_000)
        self.slots = {name: Slot(*rest) for name, *rest in found}
        try:
            state = json.loads(state)
        except ValueError:
            state = None
        self.state = state if isinstance(state, dict) else {}

    def runs(self):
        """What boot.py starts, without a trial: the name of a slot, or LOOSE."""
        good = self.state.get("good")
        if good == LOOSE:
            return LOOSE
        for name in (good, *_IN_PLACE, *_FILES):
            slot = self.slots.get(name) if isinstance(name, str) else None
            if slot and slot.size:
                return name
        return LOOSE

    def holding(self, image):
        """The slot in which this very image is; None if it is in none."""
        first = self.runs()
        for name, slot in sorted(self.slots.items(), key=lambda item: item[0] != first):
            if slot.size == len(image.data) and self.holds(name, image):
                return name
        return None

    def holds(self, name, image):
        """Compare hashes: does a slot begin with an image?"""
        found = self.link.answer(f"_image_sum({name!r}, {len(image.data)})")
        return found == hashlib.sha256(image.data).hexdigest()

    def free(self, image):
        """The slot that an image is to be written to: in place if it fits there, if it can be beside what runs."""
        runs, size = self.runs(), len(image.data)
        fitting = [
            name for name in _IN_PLACE if name in self.slots and self.slots[name].room >= size
        ]
        for name in fitting:
            if not self.overlap(name, size, runs):
                return name
        return fitting[-1] if fitting else next(name for name in _FILES if name != runs)

    def overlap(self, name, size, other):
        """Would an image of that size in one slot lie on that of another?"""
        here, there = self.slots.get(name), self.slots.get(other)
        return here is not None and there is not None and here.overlaps(size, there)

    def twin(self, name):
        """The file that has the same image as a slot; None: none has."""
        size = self.slots[name].size
        own = self.link.answer(f"_image_sum({name!r}, {size})")
        for path in self.files():
            if self.slots[path].room == size and self.link.answer(f"_tell(_sum({path!r}))") == own:
                return path
        return None

    def files(self, but=None):
        """The files for images that are there, but for one."""
        return [path for path in _FILES if path in self.slots and path != but]

    def confirm(self, slot):
        """A node was online: was it the image on trial in that slot? Then the trial is over. CommandError: it was the one before."""
        if not self._is_running(slot):
            why = self.state.get("why", "was not online")
            raise CommandError(f"the image on trial {why}: {self.runs()} runs again", OFFLINE)
        self.forget_before()
        self.keep(good=slot)

    def forget_before(self):
        """What runs now has its own main.py and settings."""
        if self.has_before:
            self.link.run(f"_remove({[*BEFORE.values()]!r})")
            self.has_before = False

    def _is_running(self, slot):
        """Is it the image of that slot that boot.py has mounted? By the line with its hash."""
        index = self.link.answer("_index()")
        return slot in self.slots and bool(index) and index in self.slots[slot].head

    def change(self, code):
        """Run code that changes something."""
        self.link.load(_CHANGE)
        self.link.run(code)

    def keep(self, **state):
        """Replace the state of the slots."""
        if state != self.state:
            self.change(f"_keep({json.dumps(state)!r})")
            self.state = state


class Plan:
    """What it takes for an image to run. slot: where it is, or will be; there: it is; runs: what runs if it fails, None if nothing would."""

    def __init__(self, board, image):
        self.board = board
        self.image = image
        there, free = board.holding(image), board.free(image)
        if there in _FILES and free in _IN_PLACE:
            there = None  # it is to run in place, and the file is to go back to
        self.there = there is not None
        self.slot = there or free
        self.runs = board.runs()
        if self.runs == LOOSE and not board.link.answer("_tell(_is_there('firmware'))"):
            self.runs = None
        # Does it replace what runs, which has to be in a file before? Is it?
        self.over = not self.there and board.overlap(self.slot, len(image.data), self.runs)
        self.twin = board.twin(self.runs) if self.over else None

    @property
    def proven(self):
        """Has it been online, so that nothing else is needed any more?"""
        state = {key: value for key, value in self.board.state.items() if key != "starts"}
        return self.there and state == {"good": self.slot}

    @property
    def title(self):
        image = self.image
        what = f"{image.version}, {len(image.data):,} bytes, {image.digest[:12]}"
        return f"{what}, is in {self.slot}" if self.there else what

    def has_room(self):
        """Is there, for the file that it takes beside what runs? Where it replaces that: for what is written when main.py was removed."""
        if not (self._file or self.over):
            return True  # boardfiles.install looks for its own
        size, free = self.board.link.answer("_room()")
        old = sum(self.board.slots[path].room // size for path in self.board.files(but=self.runs))
        return self.blocks(size) <= free + old

    def blocks(self, size):
        """Flash blocks that it takes, rather one too many."""
        return -(-self._file // size) + _BESIDE + boardfiles.SPARE_BLOCKS

    @property
    def _file(self):
        """Bytes of the file that it takes: the image, or a copy of what runs."""
        if self.over:
            return self.board.slots[self.runs].size if self.runs and not self.twin else 0
        return 0 if self.there or self.slot in _IN_PLACE else len(self.image.data)

    def make_room(self, line):
        """Give up what runs. CommandError: even so there is no room."""
        link, ran, self.runs = self.board.link, self.runs, None
        if self.over and not self.has_room():
            raise boardfiles.no_room(link, self)  # before anything is given up
        if self.over or ran == LOOSE:
            if self.over:
                line.say("  no room for a copy of what runs: it is replaced")
            else:
                line.say("  no room for the image beside the files that run: they are removed")
            line.say(
                "  should this be cut short, the board waits for the next attempt and runs nothing"
            )
            link.run("_remove(['main.py'])")
            if not self.over:
                boardfiles.install(link, boardfiles.look(link, {}), line)
            self.over = False
        else:
            self.runs = ran
        if not self.has_room():
            raise boardfiles.no_room(link, self)

    def write(self, line):
        """Bring the image into its slot. Return how many bytes were sent."""
        if self.there:
            return 0
        self._leave_a_way_back(line)
        # No start may take what is half written, or has not been chosen yet, for what is to run.
        self.board.keep(**({"good": self.runs} if self.runs else {}))
        line.say(f"  into {self.slot}" + (", while " + self.runs + " stays" if self.runs else ""))
        write = self._write_blocks if self.slot in _IN_PLACE else self._write_file
        sent = 0
        for _ in range(2):
            sent += write(line)
            if self.board.holds(self.slot, self.image):
                self.there = True
                return sent
        raise _damaged(self.slot)

    def _leave_a_way_back(self, line):
        """If the image comes to where the one that runs is, that runs from a file from now on. Other files are removed."""
        board = self.board
        wanted = (self.slot, self.twin if self.over else self.runs)
        unwanted = [path for path in _FILES if path in board.slots and path not in wanted]
        if unwanted:
            board.link.run(f"_remove({unwanted!r})")
        if self.over:
            if not self.twin:
                self.twin = _FILES[0]
                self._copy(self.twin, line)
            self.runs = self.twin

    def _copy(self, path, line):
        link, size = self.board.link, self.board.slots[self.runs].size
        line.say(f"  {self.runs} is copied to {path}, to go back to")
        line.begin(size)
        link.run("_mkdir('slots')")
        link.run(f"_begin({path!r})")
        for at in range(0, size, _FLUSHED):
            some = min(_FLUSHED, size - at)
            self.board.change(f"_copy({self.runs!r}, {at}, {some})")
            line.moved(some)
        link.run("_file.close()")
        line.end()
        if link.answer(f"_tell(_sum({path!r}))") != link.answer(
            f"_image_sum({self.runs!r}, {size})"
        ):
            raise _damaged(path)

    def _write_blocks(self, line):
        link, data = self.board.link, self.image.data
        blocks = [data[at : at + BLOCK].ljust(BLOCK, b"\xff") for at in range(0, len(data), BLOCK)]
        first = self.board.slots[self.slot].begin // BLOCK
        link.load(_CHANGE)
        found = bytes.fromhex(
            link.answers(f"_digests({self.slot!r}, {len(blocks)})", timeout=60, most=10_000)[0]
        )
        differ = [
            number
            for number, block in enumerate(blocks)
            if found[number * _DIGEST :][:_DIGEST] != hashlib.sha256(block).digest()[:_DIGEST]
        ]
        line.say(f"  {len(differ)} of {len(blocks)} blocks differ")
        line.begin(len(differ) * BLOCK)
        link.run(f"_erase({first})")
        for number in [*(number for number in differ if number), 0]:
            link.send("_fill", blocks[number].rstrip(b"\xff"), lambda size: None)
            link.run(f"_put({first + number}, {not number})")
            line.moved(BLOCK)
        link.run("_complete()")
        line.end()
        return len(differ) * BLOCK

    def _write_file(self, line):
        link, data = self.board.link, self.image.data
        link.run("_mkdir('slots')")
        begun = self._begun()
        if begun:
            line.say(f"  {begun:,} of {len(data):,} bytes are there from the last attempt")
        else:
            link.run(f"_remove([{self.slot!r}])")
        line.begin(len(data) - begun)
        link.run(f"_begin({self.slot!r}, 'ab')")
        for at in range(begun, len(data), _FLUSHED):
            link.send("_write", data[at : at + _FLUSHED], line.moved)
            link.run("_file.flush()")
        link.run("_file.close()")
        line.end()
        return len(data) - begun

    def _begun(self):
        """Bytes of the image that its file begins with, if it holds nothing else."""
        old = self.board.slots.get(self.slot)
        if not old or not 0 < old.room < len(self.image.data):
            return 0
        begins = hashlib.sha256(self.image.data[: old.room]).hexdigest()
        return old.room if self.board.link.answer(f"_tell(_sum({self.slot!r}))") == begins else 0

    def keep_before(self, changed):
        """Another main.py or other settings come: what ran until now may not be able to do with them, and has to come back with its own."""
        if self.runs not in (None, self.slot):
            for path, kept in BEFORE.items():
                if path in changed:
                    self.board.change(f"_mkdir('state'); _keep_before({path!r}, {kept!r})")
                    self.board.has_before = True

    def choose(self, without_trial):
        """It is the image to start: on trial, if there is something to go back to. Return whether it is on trial."""
        if self.runs is None or self.runs == self.slot or without_trial:
            self.board.forget_before()
            self.board.keep(good=self.slot)
            return False
        self.board.keep(good=self.runs, trial=self.slot, image=self.image.digest)
        return True


def _damaged(slot):
    return CommandError(
        f"the board's flash does not keep what is written to it ({slot}): it is damaged or worn out"
    )


def use_files(link, plan, line):
    """Bring the files of a boardfiles.Plan, and let them run, if an image would."""
    board = Board(link)
    runs = board.runs()
    if plan:
        _make_room_for_files(board, plan, line)
        try:
            boardfiles.install(link, plan, line)
        except CommandError as e:
            if e.code != boardfiles.NO_SPACE or runs not in _FILES:
                raise
            give_up = ports.mpremote(link.port, "fs", "rm", f":{runs}")
            raise CommandError(
                f"{e}. The image that runs now takes {board.slots[runs].room // 1024} KB, and is all there is to go back to: to give it up, {give_up}",
                e.code,
            ) from None
    board.forget_before()
    if board.state or board.runs() != LOOSE:
        board.keep(good=LOOSE)


def _make_room_for_files(board, plan, line):
    """Remove images that do not run, if there is no room beside them."""
    size, free = board.link.answer("_room()")
    trial = board.state.get("trial")
    unused = [path for path in board.files(but=board.runs()) if path != trial]
    if plan.blocks(size) > free and unused:
        line.say(f"  no room beside {', '.join(unused)}, which does not run: removed")
        board.link.run(f"_remove({unused!r})")
