"""`deploy` of an image onto a board behind a pseudo-terminal: a real MicroPython with a real littlefs, and perhaps a ROMFS partition."""

import json
import sys

import pytest
from deploying import answer, code, settings_file

from tests.host.ptyhost import PtyBoard
from tools import ROOT
from tools.boards import boardfiles, deploy, online, ports, serialboard, slots
from tools.image import image
from tools.layouts import BLOCK

ROM = 16 * BLOCK  # two slots
SMALL_ROM = 8 * BLOCK  # one: an image takes five

# Says what runs, and ends a trial as the node does.
MAIN = b"""\
import json, os, time
try:
    runs = open("/app/index", "rb").readline().split()[3][:12].decode()
except OSError:
    runs = "files"
print("0 info runs", runs)
if runs != "files" and %r:
    os.stat("/app/firmware/app.mpy")
    with open("state/slot") as f:
        state = json.load(f)
    if "trial" in state:
        with open("state/slot", "w") as f:
            json.dump({"good": state["trial"]}, f)
print("1 info mqtt: outpost/%%s/status online" %% runs if %r else "no broker")
while True:
    time.sleep(1)
"""


def firmware(number, good=True, size=9000):
    """One version, of five blocks, without what boot.py would load of it; the next differs from it in one. good: its node is online."""
    return {
        "boot.py": (ROOT / "boot.py").read_bytes(),
        "firmware/app.mpy": code(1, size) + bytes([number]),
        "lib/mqtt.mpy": code(4, 8000),
        "main.py": MAIN % (good, good),
    }


class Firmware:
    """The versions that are deployed, in turn."""

    def __init__(self, monkeypatch):
        self.patch = monkeypatch
        self.use(1)

    def use(self, number, good=True, **more):
        self.files = firmware(number, good, **more)
        self.image = image.of(self.files)
        self.patch.setattr(deploy, "build", lambda: dict(self.files))

    @property
    def title(self):
        return self.image.digest[:12]


@pytest.fixture
def version(monkeypatch):
    return Firmware(monkeypatch)


@pytest.fixture
def config(tmp_path):
    return settings_file(tmp_path)


@pytest.fixture
def call(version, config, capsys, monkeypatch):
    """Run `deploy`: (exit code, what it said). files=True: with loose files."""
    monkeypatch.setattr(serialboard, "_ABSENT_S", 3)

    def run(board, *words, files=False):
        how = ("--loose",) if files else ()
        return answer(capsys, "--port", board.port, "--config", str(config), *how, *words)

    return run


def slot(board, name):
    """What is in a slot: bytes."""
    if name.startswith("slots"):
        return board.files().get(name, b"")
    rom = (board.flash.parent / "rom.img").read_bytes()
    return {"rom0": rom[: len(rom) // 2], "rom1": rom[len(rom) // 2 :], "rom": rom}[name]


def state(board):
    return json.loads(board.files()["state/slot"])


def paths(board):
    return {path for path in board.files() if not path.startswith("state/")}


# Bytes of ROMFS, the slot of a first and of a second version, and where the first is then, to go back to.
WAYS = {
    "file": (0, "slots/a", "slots/b", "slots/a"),
    "in place": (ROM, "rom0", "rom1", "rom0"),
    "one place": (SMALL_ROM, "rom", "rom", "slots/a"),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


def test_empty_board_then_again_then_another_version(way, tmp_path, call, version):
    rom, first, second, back = way
    board = PtyBoard(tmp_path, rom=rom)
    with board:
        status, said = call(board)
        assert status == 0, said
        assert f"outpost/{version.title} is online" in said and f"into {first}" in said
    assert slot(board, first).startswith(version.image.data)
    assert state(board) == {"good": first}
    own = {"boot.py", "main.py", "config.json"} | ({first} if not rom else set())
    assert paths(board) == own

    with board:
        status, said = call(board)
        assert status == 0
        assert "nothing to copy" in said and f"is in {first}" in said and "is online" in said

        version.use(2)
        status, said = call(board)
        assert status == 0
        assert f"into {second}, while {back} stays" in said and "on trial" in said
        assert f"outpost/{version.title} is online" in said
    assert slot(board, second).startswith(version.image.data)
    assert state(board) == {"good": second}

    version.use(3)
    with board:
        status, said = call(board)
        assert status == 0
        assert f"into {first}, while {back if first == second else second} stays" in said
        if rom:
            assert "2 of 5 blocks differ" in said  # the index has another hash
        assert f"outpost/{version.title} is online" in said
    assert slot(board, first).startswith(version.image.data)


@pytest.mark.slow
def test_larger_than_half_of_the_partition(tmp_path, call, version):
    """It takes all of it, and what ran there runs from a file until the new one was online."""
    board = PtyBoard(tmp_path, rom=SMALL_ROM)
    with board:
        assert call(board)[0] == 0
        assert state(board) == {"good": "rom"} and "slots/a" not in board.files()
        first = version.image.data
        assert slot(board, "rom").startswith(first)

        version.use(2)
        status, said = call(board, "--dry-run")
        assert status == 0 and "would write   rom" in said
        assert state(board) == {"good": "rom"}

        status, said = call(board)
        assert status == 0, said
        assert "rom is copied to slots/a, to go back to" in said
        assert "into rom, while slots/a stays" in said and "slots/a runs again" in said
        assert f"outpost/{version.title} is online" in said
        assert state(board) == {"good": "rom"}
        assert slot(board, "rom").startswith(version.image.data)
        assert slot(board, "slots/a") == first

        good = version.title
        version.use(3, good=False)
        status, said = call(board, "--wait", "1")
        assert status == online.OFFLINE and "slots/a runs again" in said
        version.use(4, good=False)
        status, said = call(board, "--wait", "1")
        assert "is copied" not in said  # what runs is in the file already
    for said in b"no broker", b"no broker", b"status online":
        board = PtyBoard(tmp_path, rom=SMALL_ROM)
        with board:
            board.wait_until_said(said)
    assert state(board)["good"] == "slots/a"
    assert board.said.rpartition(b"info runs ")[2].startswith(good.encode())

    version.use(5)
    with board:
        status, said = call(board)
        assert status == 0 and f"outpost/{version.title} is online" in said, said
        version.use(6, size=1000)  # fits the second half, but not beside one that takes more
        assert "into rom, while slots/a stays" in call(board)[1]
        version.use(7, size=1000)
        assert "into rom1, while rom stays" in call(board)[1]
    assert state(board) == {"good": "rom1"} and "slots/a" not in board.files()


@pytest.mark.slow
def test_the_version_before_comes_back_in_place(tmp_path, call, version):
    """It is in the file already, but from there it takes twice the heap."""
    board = PtyBoard(tmp_path, rom=SMALL_ROM)
    with board:
        for number in 1, 2, 1:
            version.use(number)
            status, said = call(board)
            assert status == 0, said
            assert state(board) == {"good": "rom"}
        assert "into rom, while slots/a stays" in said
    assert slot(board, "rom").startswith(version.image.data)


@pytest.mark.slow
def test_what_is_not_chosen_does_not_run_over_loose_files(
    way, tmp_path, call, version, monkeypatch
):
    """They had left no word of what is to run, so that the first image that was whole did, without a trial."""
    monkeypatch.setattr(serialboard, "_ABSENT_S", 0.3)
    rom, *_ = way
    board = PtyBoard(tmp_path, rom=rom)
    with board:
        assert call(board, files=True)[0] == 0
    monkeypatch.setattr(slots.Plan, "choose", lambda *args: sys.exit(9))
    with board, pytest.raises(SystemExit):
        call(board)
    assert state(board) == {"good": "loose"}
    with board:
        board.wait_until_said(b"status online")
    assert board.said.rpartition(b"info runs ")[2].startswith(b"files")


@pytest.mark.slow
def test_files_that_are_no_way_back_go(tmp_path, call, version):
    """From a MicroPython without a partition to one with it: two images were files."""
    board = PtyBoard(tmp_path)
    with board:
        for number in 1, 2:
            version.use(number)
            assert call(board)[0] == 0
        assert {"slots/a", "slots/b"} < paths(board)
    board = PtyBoard(tmp_path, rom=SMALL_ROM)
    version.use(3)
    with board:
        status, said = call(board)
        assert status == 0 and "into rom, while slots/b stays" in said, said
    assert "slots/a" not in paths(board)
    version.use(4)
    with board:
        status, said = call(board)
        assert status == 0 and "rom is copied to slots/a" in said, said
    assert "slots/b" not in paths(board)


@pytest.mark.slow
def test_no_room_for_a_copy(tmp_path, call, version):
    board = PtyBoard(tmp_path, rom=SMALL_ROM, blocks=26)
    with board:
        assert call(board)[0] == 0
        version.use(2)
        status, said = call(board)
        assert status == 0, said
        assert "no room for a copy of what runs: it is replaced" in said and "on trial" not in said
        assert f"outpost/{version.title} is online" in said
    assert state(board) == {"good": "rom"} and "slots/a" not in paths(board)


@pytest.mark.slow
def test_no_room_for_anything_leaves_all_as_it_is(tmp_path, call, version):
    board = PtyBoard(tmp_path, rom=SMALL_ROM, blocks=18)
    with board:
        assert call(board)[0] == 0
        good = version.title
        before = board.files()
        version.use(2)
        status, said = call(board)
        assert status == boardfiles.NO_SPACE and "not enough room on the board" in said, said
        board.wait_until_said(b"status online")
    assert board.said.rpartition(b"info runs ")[2].startswith(good.encode())
    assert board.files() == before


@pytest.mark.slow
def test_from_files_and_back(way, tmp_path, call, version):
    rom, first, *_ = way
    board = PtyBoard(tmp_path, rom=rom)
    with board:
        status, said = call(board, files=True)
        assert status == 0 and "outpost/files is online" in said, said
        assert "state/slot" not in board.files()

        status, said = call(board, "--dry-run")
        assert status == 0 and f"would write   {first}" in said
        assert not slot(board, first).startswith(version.image.data)

        status, said = call(board)
        assert status == 0, said
        assert "on trial until the node is online; else loose runs again" in said
        assert "remove  firmware/app.mpy" in said
        assert f"outpost/{version.title} is online" in said
        board.wait_until_said(b"status online")  # it runs again
    assert not any(path.startswith(boardfiles.OWN) for path in board.files())
    assert state(board) == {"good": first}

    with board:
        version.use(2)
        status, said = call(board, files=True)
        assert status == 0 and "outpost/files is online" in said, said
    assert state(board) == {"good": "loose"}
    assert board.files()["firmware/app.mpy"] == version.files["firmware/app.mpy"]


@pytest.mark.slow
def test_an_image_that_does_not_run_makes_room_for_loose_files(tmp_path, call, version):
    """The copy of before, which a Pico W keeps in its flash, was in their way for ever."""
    board = PtyBoard(tmp_path, rom=SMALL_ROM, blocks=34)
    with board:
        for number in 1, 2:
            version.use(number, size=20_000)
            assert call(board)[0] == 0
        assert "slots/a" in paths(board)
        status, said = call(board, files=True)
        assert status == 0, said
        assert "no room beside slots/a, which does not run: removed" in said
        assert "outpost/files is online" in said
    assert "slots/a" not in paths(board) and state(board) == {"good": "loose"}
    assert slot(board, "rom").startswith(version.image.data), "there is still a way back"


@pytest.mark.slow
def test_an_image_that_runs_is_not_given_up_for_loose_files(tmp_path, call, version):
    board = PtyBoard(tmp_path, blocks=26)
    version.use(1, size=20_000)
    with board:
        assert call(board)[0] == 0
        before = board.files()
        status, said = call(board, files=True)
        assert status == boardfiles.NO_SPACE
        assert "fs rm :slots/a" in said and "all there is to go back to" in said
        board.wait_until_said(b"status online")
        assert board.files() == before


@pytest.mark.slow
def test_a_version_that_is_not_online_gives_way(way, tmp_path, call, version, config):
    """Whatever came with it goes with it: with settings that are wrong, the one before would not be online either."""
    rom, _, second, back = way
    board = PtyBoard(tmp_path, rom=rom)
    with board:
        assert call(board)[0] == 0
        good, good_main = version.title, version.files["main.py"]
        settings = board.files()["config.json"]
        config.write_text(config.read_text().replace("192.0.2.1", "192.0.2.2"))
        version.use(2, good=False)
        status, said = call(board, "--wait", "1")
        assert status == online.OFFLINE
        assert f"{back} runs again" in said
    tried = version.image.digest
    assert state(board) == {"good": back, "trial": second, "image": tried, "starts": 1}
    assert board.files()["state/main"] == good_main != board.files()["main.py"]
    assert board.files()["state/settings"] == settings != board.files()["config.json"]
    for said in b"no broker", b"no broker", b"status online":
        board = PtyBoard(tmp_path, rom=rom)
        with board:
            board.wait_until_said(said)
    # They come back with the image that they started.
    assert board.files()["main.py"] == good_main and "state/main" not in board.files()
    assert board.files()["config.json"] == settings and "state/settings" not in board.files()
    assert state(board)["good"] == back and "trial" not in state(board)
    assert board.said.rpartition(b"info runs ")[2].startswith(good.encode())


@pytest.mark.slow
def test_the_version_before_is_not_taken_for_the_one_that_crashed(way, tmp_path, call, version):
    """It was back online while the computer still waited."""
    rom, *_, back = way
    board = PtyBoard(tmp_path, rom=rom)
    with board:
        assert call(board)[0] == 0
        version.use(2)
        crash = f'if runs == "{version.title}":\n    import machine\n    machine.reset()\n'
        version.files["main.py"] = (
            version.files["main.py"]
            .replace(b'print("1 info', crash.encode() + b'print("1 info')
            .replace(b'if runs != "files" and True:', b"if False:")
        )
        status, said = call(board)
        assert status == online.OFFLINE
        assert f"the image on trial was not online in 3 starts: {back} runs again" in said
        board.wait_until_said(b"status online")
    assert state(board) == {"good": back, "why": "was not online in 3 starts"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_power_fails_in_a_write(way, tmp_path, call, version, monkeypatch):
    """From one version to the next: whenever the power fails, the board runs one of them, and the next deploy ends it.

    In place at every write of a block, else at one write of eleven: littlefs writes less at a time.
    """
    monkeypatch.setattr(serialboard, "_ABSENT_S", 0.3)
    rom, *_ = way
    (tmp_path / "whole").mkdir()
    board = PtyBoard(tmp_path / "whole", rom=rom)
    with board:
        assert call(board)[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "whole").glob("*.img")}
    old = version.title
    version.use(2)
    writes, cut = 0, True
    while cut:
        folder = tmp_path / str(writes)
        folder.mkdir()
        for path, data in before.items():
            (folder / path.name).write_bytes(data)
        board = PtyBoard(folder, rom=rom)
        board.cut_writes = writes
        with board:
            status, said = call(board, "--wait", "20")
            cut = status == ports.LOST
            assert cut or status == 0, said
        board.cut_writes = None
        with board:
            board.wait_until_said(b"status online")
            runs = board.said.rpartition(b"info runs ")[2][:12].decode()
            assert runs in (old, version.title)
            status, said = call(board)
            assert status == 0, said
            assert f"outpost/{version.title} is online" in said
        writes += 1 if rom == ROM else 11
    assert writes > (8 if rom == ROM else 100)


@pytest.mark.slow
def test_a_file_goes_on_where_it_was_cut(tmp_path, call, version):
    version.use(1, size=60_000)
    board = PtyBoard(tmp_path)
    board.cut_bytes = 70_000
    with board:
        assert call(board)[0] == ports.LOST
    there = len(slot(board, "slots/a"))
    assert there and there % (4 * BLOCK) == 0
    board.cut_bytes = None
    with board:
        status, said = call(board)
        assert status == 0, said
        assert (
            f"{there:,} of {len(version.image.data):,} bytes are there from the last attempt"
            in said
        )
    assert slot(board, "slots/a") == version.image.data


@pytest.mark.slow
def test_little_room(tmp_path, call, version):
    """Beside the files there is no room for an image: they go first. For two images there is none at all: deploy says so, and the first runs."""
    board = PtyBoard(tmp_path, blocks=32)
    with board:
        assert call(board, files=True)[0] == 0
        status, said = call(board)
        assert status == 0, said
        assert "no room for the image beside the files that run: they are removed" in said
    assert state(board) == {"good": "slots/a"}
    version.use(2)
    with board:
        status, said = call(board)
        assert status == boardfiles.NO_SPACE
        assert "not enough room on the board" in said
        board.wait_until_said(b"status online")
    assert state(board) == {"good": "slots/a"}


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"good": 1}', b'{"good": "rom9", "trial": []}', b"\xff"]
)
def test_any_state_of_the_slots(text, tmp_path, call, version):
    board = PtyBoard(tmp_path)
    board.put({"state/slot": text})
    with board:
        status, said = call(board)
        assert status == 0, said
    assert state(board) == {"good": "slots/a"}
