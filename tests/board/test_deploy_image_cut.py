"""An image is deployed, and the board's power fails, in ten of the operations of its flash: it runs the one version or the other."""

import json

import pytest
from pico import CONFIG, Checkout, contents, put, put_in_slot, said_by, slot

from emulator.emulator import EmulatedPico
from tools.boards.serialboard import Link
from tools.layouts import BLOCK

CUTS = 10
_BUILD = "import sys; from tools.image import image; sys.stdout.buffer.write(image.build().data)"
_RUNS = "with open('/app/index') as f:\n    print('@' + repr(f.readline().split()[3]))"


@pytest.fixture(scope="session")
def newer(once, checkout):
    """Its image differs from the checkout's in the first block and the last."""

    def make(folder):
        tree = Checkout.copied(folder / "tree", checkout.folder)
        tree.append("lib/umqtt/simple.py", "\n_NEWER = 1\n")

    _, folder = once("newer_image", make)
    return Checkout(folder / "tree")


@pytest.fixture(scope="session")
def installed(once, checkout, newer):
    """({"older": …, "newer": digest of the image, "begin": …, "end": the flash operations of a deploy}, the flash before it): older runs in rom0 and is in rom1."""

    def make(folder):
        digests = {}
        for name, tree in (("older", checkout), ("newer", newer)):
            with tree.python("-c", _BUILD, text=False) as process:
                (folder / name).write_bytes(process.communicate(timeout=120)[0])
            about = (folder / name).read_bytes()[:200].partition(b"outpost ")[2]
            digests[name] = about.split()[2].decode()
        older, flash = (folder / "older").read_bytes(), folder / "flash"
        with EmulatedPico(flash) as board, Link(board.url) as link:
            link.enter()  # it has made its file system
        files = {name: (checkout.folder / name).read_bytes() for name in ("boot.py", "main.py")}
        put(
            flash,
            files
            | {
                "config.json": json.dumps(CONFIG).encode(),
                "state/slot": b'{"good": "rom0"}',
            },
        )
        put_in_slot(flash, older)
        put_in_slot(flash, older, slot=1)
        measured = folder / "measured"
        measured.write_bytes(flash.read_bytes())
        with (
            EmulatedPico(measured, ["modem="]) as board,
            newer.begin_deploy(board, loose=False) as process,
        ):
            differ = int(said_by(process, "blocks differ").split()[0])
            begin = board.flash_operations()
            assert said_by(process, "copied")
            end = board.flash_operations()
            process.communicate()
        return digests | {"begin": begin, "differ": differ, "end": end}

    known, folder = once("two_slots", make)
    return known, folder / "flash"


@pytest.mark.parametrize("tenth", range(CUTS))
def test_power_fails(tenth, boards, installed, newer):
    known, flash = installed
    board = boards(flash, attach=["modem="])
    operations = known["end"] - known["begin"]
    assert operations >= CUTS
    board.start(cut=known["begin"] + 1 + (operations - 1) * tenth // (CUTS - 1))
    with newer.begin_deploy(board, loose=False) as process:
        board.process.wait(timeout=300)  # the cut
        process.kill()  # the computer had the same power

    board.start()
    with Link(board.url) as link:
        link.enter()
        runs = link.answer(_RUNS)
    board.stop()
    on_trial = "trial" in json.loads(contents(board.flash)["state/slot"])
    assert runs == known["newer" if on_trial else "older"]

    board.start()
    code, said = newer.deploy(board, loose=False)
    assert code == 0, said
    board.stop()
    state = json.loads(contents(board.flash)["state/slot"])
    assert (state["good"], state["trial"]) == ("rom0", "rom1")
    assert known["newer"].encode() in slot(board.flash, 1)[:200]


@pytest.mark.parametrize("program", range(3))
def test_half_of_the_first_block_is_no_image(program, boards, installed, newer):
    """It is programmed from its beginning, where an image is known by: with the rest missing it hung the start."""
    known, flash = installed
    board = boards(flash, attach=["modem="])
    # It is erased; then each other one, and last this one, is erased and programmed.
    board.start(cut=known["begin"] + 1 + 2 * (known["differ"] - 1) + 2 + program)
    with newer.begin_deploy(board, loose=False) as process:
        board.process.wait(timeout=300)
        process.kill()
    data = slot(board.flash, 1)
    whole = (flash.parent / "newer").read_bytes()
    assert data[BLOCK : len(whole)] == whole[BLOCK:]
    assert not data.startswith(whole[:3]) or data.startswith(whole)
