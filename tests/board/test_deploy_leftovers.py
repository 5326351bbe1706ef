"""`make deploy` onto a flash that is not empty: what is ours is made right, what is not is left alone."""

import pytest
from pico import STARTED, contents, fill, ours, put

from tools.boards.boardfiles import NO_SPACE

USERS = {
    "notes.txt": b"mine\n",
    "data/2026.csv": b"1,2\n" * 500,
    "firmware.txt": b"not a file of the package\n",
    "state/crash.txt": b"boot 3, 7 s after start: ZeroDivisionError: divide by zero",
}
LEFT = {
    "firmware/app.py": b"raise SystemExit('an old version')\n",  # would be imported instead of the .mpy
    "firmware/old.mpy": b"M\x06\x00\x1f",
    "firmware/gone/__init__.py": b"",
    "lib/mqtt.py": b"raise SystemExit('an old version')\n",
    "lib/umqtt/simple.py": b"raise SystemExit('an old version')\n",
    "lib/user_driver.py": b"# lib/ is ours, too\n",
    "firmware/app.mpy.new": b"half a file of an attempt long ago",
    "lib/never_heard_of.mpy.new": b"and of a file that is no more",
    "main.py.new": b"",
    "lib/outbox/log.mpy": b"",  # cut off by a plain copy
    "firmware/topics.mpy": b"M\x06\x00\x1f and something else",
    "main.py": b"print('an old version')\n",
}


def test_an_older_versions_leftovers(node, checkout):
    put(node.flash, USERS | LEFT)
    node.start()
    code, said = checkout.deploy(node)
    assert code == 0, said
    assert node.wait_printed(STARTED), node.printed()
    node.stop()
    after = contents(node.flash)
    assert ours(after) == checkout.expected()  # and nothing else below firmware/ and lib/
    assert USERS.items() <= after.items()
    assert not [path for path in after if path.endswith(".new")]


@pytest.fixture
def newer(changed):
    for path in (
        "firmware/app.py",
        "firmware/link/uplink.py",
        "lib/mqtt/client.py",
        "lib/outbox/__init__.py",
        "main.py",
    ):
        changed.append(path, "\n_NEWER = 1\n")
    return changed


def test_a_nearly_full_flash(boards, node, newer, deployed):
    node.start()  # what it writes for the first time is there: a deploy interrupts a node before it, or after
    assert node.wait_printed(STARTED), node.printed()
    node.stop()

    def deploy(leave):
        full = boards(node.flash, node.attach)
        fill(full.flash, "data.bin", leave)
        full.start()
        return full, *newer.deploy(full)

    # Case 1: not even room to replace one file after the other.
    full, code, said = deploy(leave=4)
    assert code == NO_SPACE, said
    needed, free = (kb // 4 for kb in _told(said))  # blocks
    assert needed > free
    assert "Remove files of your own there" in said
    assert full.wait_printed(STARTED), full.printed()  # the version before, as if nothing had been
    full.stop()
    assert ours(contents(full.flash)) == ours(deployed)

    # Case 2: room for two versions, to the block. The node may have written files of its own meanwhile.
    own = 4 - free
    full, code, said = deploy(leave=needed + own)
    assert code == 0 and "one is replaced" not in said, said
    full.stop()
    assert ours(contents(full.flash)) == newer.expected()

    # Case 3: one block less.
    full, code, said = deploy(leave=needed + own - 1)
    assert code == 0 and "one is replaced after the other" in said, said
    full.stop()
    assert ours(contents(full.flash)) == newer.expected()


def _told(said):
    """(KB needed, KB free) as the error has them."""
    words = next(line for line in said.splitlines() if "not enough room" in line).split()
    return int(words[words.index("needed,") - 2]), int(words[words.index("free.") - 2])
