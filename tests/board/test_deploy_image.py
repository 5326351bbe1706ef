"""`make deploy` onto the emulated Pico, whose ROMFS has two slots: the true port writes one while the other's node runs."""

import json

import pytest
from outside import until
from pico import CONFIG, Checkout, contents, put, put_in_slot, romfs_of, said_by, slot

from emulator import build
from tools.boards.online import OFFLINE
from tools.boards.ports import LOST
from tools.layouts import LAYOUTS

ONLINE_S = 300  # the emulated chip has half a Pico's speed, less on a busy machine


@pytest.fixture
def tree(checkout, tmp_path, broker):
    """A checkout that may be changed, whose nodes find the broker."""
    made = Checkout.copied(tmp_path / "tree", checkout.folder)
    made.configure(CONFIG | {"mqtt": {"brokers": [{"host": "127.0.0.1", "port": broker.port}]}})
    return made


@pytest.fixture
def state():
    return lambda board: json.loads(contents(board.flash)["state/slot"])


def deploy(tree, board, wait=ONLINE_S):
    return tree.deploy(board, wait=wait, loose=False)


def test_onto_a_blank_board_again_and_one_line_changed(boards, tree, state):
    board = boards(attach=["modem="])
    board.start()
    code, said = deploy(tree, board)
    assert code == 0, said
    assert "into rom0" in said and "is online" in said
    assert state(board) == {"good": "rom0"}
    assert {
        path for path in contents(board.flash) if not path.startswith(("state/", "outbox/"))
    } == {*("boot.py", "main.py", "config.json")}

    code, said = deploy(tree, board)
    assert code == 0, said
    assert "nothing to copy" in said and "is in rom0" in said and "is online" in said

    before = slot(board.flash, 0)
    tree.append("firmware/upkeep/health.py", "\n_NEWER = 1\n")
    code, said = deploy(tree, board)
    assert code == 0, said
    assert "into rom1, while rom0 stays" in said and "is online" in said
    assert state(board) == {"good": "rom1"}
    assert slot(board.flash, 0) == before

    tree.append("firmware/upkeep/health.py", "_NEWEST = 1\n")
    with tree.begin_deploy(board, loose=False) as process:
        assert said_by(process, "blocks differ", 120)
        board.kill()  # in mid-write: the power failed
        assert process.wait(120) == LOST
    board.start()
    assert "is online" in deploy(tree, board)[1]
    assert state(board) == {"good": "rom0"}


def test_from_the_files_of_an_earlier_deploy(node, tree, state):
    node.start()
    code, said = deploy(tree, node)
    assert code == 0, said
    assert "on trial until the node is online; else loose runs again" in said
    assert "remove  firmware/app.mpy" in said and "is online" in said
    node.stop()
    assert state(node) == {"good": "rom0"}
    assert not [path for path in contents(node.flash) if path.startswith(("firmware/", "lib/"))]


def test_an_image_that_is_not_online_gives_way(boards, tree, state):
    board = boards(attach=["modem="])
    board.start()
    assert deploy(tree, board)[0] == 0
    tree.append("firmware/start.py", "\nraise ValueError('this version is broken')\n")
    code, said = deploy(tree, board, wait=1)
    assert code == OFFLINE and "rom0 runs again" in said
    assert board.wait_printed("status online", ONLINE_S, count=2)
    assert state(board) == {"good": "rom0", "why": "was not online in 3 starts"}


def test_a_romfs_as_small_as_a_pico_ws_holds_one_image(boards, tree, state, tmp_path):
    """What ran there is a file, and runs from it, while the next one is written and tried."""
    small = tmp_path / "firmware.bin"
    small.write_bytes(romfs_of(build.FIRMWARE.read_bytes(), LAYOUTS["pico_w"].romfs.size))
    board = boards(attach=["modem="], firmware=small)
    board.start()
    code, said = deploy(tree, board)
    assert code == 0, said
    assert "into rom" in said and state(board) == {"good": "rom"}
    assert "slots/a" not in contents(board.flash)

    tree.append("firmware/upkeep/health.py", "\n_NEWER = 1\n")
    for words in "is copied to slots/a", "blocks differ":
        with tree.begin_deploy(board, loose=False) as process:
            assert said_by(process, words, 120)
            board.kill()
            assert process.wait(120) == LOST
        board.start()
    assert board.wait_printed("status online", ONLINE_S)
    assert state(board) == {"good": "slots/a"}

    code, said = deploy(tree, board)
    assert code == 0, said
    assert "into rom, while slots/a stays" in said and "is online" in said
    assert state(board) == {"good": "rom"}


def test_a_good_image_that_hangs_at_each_start_gives_way(boards, tree, state):
    """As if a bit of it had flipped: the timer of boot.py ends each start."""
    board = boards(attach=["modem="])
    board.start()
    assert deploy(tree, board)[0] == 0
    board.stop()
    tree.append("firmware/hardware/guard.py", "\nwhile True:\n    pass\n")
    program = "import sys; from tools import mpy; from tools.image import image; sys.stdout.buffer.write(image.of(mpy.compiled()).data)"
    with tree.python("-c", program, text=False) as process:
        hangs = process.communicate(timeout=60)[0]
    put_in_slot(board.flash, hangs, 1)
    boot = (tree.folder / "boot.py").read_text().replace("_BOOT_S = 60", "_BOOT_S = 2")
    put(board.flash, {"boot.py": boot.encode(), "state/slot": b'{"good": "rom1"}'})
    board.start()
    assert board.wait_printed("status online", ONLINE_S), board.printed()
    assert board.events().count("reset by watchdog") == 5
    expected = {"good": "rom0", "why": "rom1 was not online in 4 starts"}
    until(lambda: state(board) == expected, ONLINE_S, "the image tried is the good one")
