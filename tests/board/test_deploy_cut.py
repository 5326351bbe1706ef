"""A deploy that is cut short, by the board's power or with the computer: the board still runs, and the next deploy heals it.

The update changes ten files and takes one away, on a board where the version before runs. Most drivers are left out on both
sides: each deploy looks at every file, which takes the emulated processor its time.
"""

import pytest
from pico import STARTED, Checkout, contents, ours, put, said_by

from emulator.emulator import EmulatedPico
from tools.boards.ports import LOST

CHANGED = (
    *(
        "firmware/app.py",
        "firmware/topics.py",
        "firmware/link/uplink.py",
        "firmware/sensors/channel.py",
    ),
    *(
        "lib/mqtt/client.py",
        "lib/outbox/log.py",
        "lib/drivers/bme280.py",
        "lib/drivers/shared/crc8.py",
    ),
    *("boot.py", "main.py"),
)
GONE = "lib/drivers/shtc3.py"
KEPT = ("bme280", "shtc3", "sht3x")  # drivers
USERS = {"notes.txt": b"mine\n", "data/2026.csv": b"1,2\n" * 5000}

# Of the flash operations of that part of the update, which one has no power half way through it. With the two tests that have
# one of their own (0.35, 0.5) these are ten.
POINTS = [
    *(("staging", fraction) for fraction in (0.02, 0.2, 0.75, 0.98)),
    *(("switching", fraction) for fraction in (0.2, 0.4, 0.6, 0.9)),
]


@pytest.fixture(scope="session")
def version(once, checkout):
    """The version that is on the board before."""

    def make(folder):
        tree = Checkout.copied(folder / "tree", checkout.folder)
        for driver in (tree.folder / "lib/drivers").glob("*.py"):
            if driver.stem not in KEPT:
                driver.unlink()

    _, folder = once("version", make)
    return Checkout(folder / "tree")


@pytest.fixture(scope="session")
def newer(once, version):
    def make(folder):
        tree = Checkout.copied(folder / "tree", version.folder)
        for path in CHANGED:
            tree.append(path, "\n_NEWER = 1\n")
        (tree.folder / GONE).unlink()

    _, folder = once("newer", make)
    return Checkout(folder / "tree")


@pytest.fixture(scope="session")
def parts(once, first_deploy, version, newer):
    """{part of the update: (first, last) flash operation}, from an update that nothing disturbs."""
    result, flash = first_deploy
    assert result["code"] == 0, result["said"]

    def make(folder):
        image = folder / "flash"
        image.write_bytes(flash.read_bytes())
        _make_older(image, version)
        with EmulatedPico(image, ["modem="]) as board:
            with newer.begin_deploy(board) as process:
                assert said_by(process, "Raspberry Pi Pico")
                first = board.flash_operations()
                assert said_by(process, f"{len(CHANGED)}/{len(CHANGED)}")
                staged = board.flash_operations()
                assert said_by(process, "copied")  # before it resets the board
                switched = board.flash_operations()
                process.communicate()
            return {"staging": (first, staged), "switching": (staged, switched)}

    return once("parts", make)[0]


@pytest.fixture
def older(node, version):
    """A board with the version before and files of its user's."""
    _make_older(node.flash, version)
    return node


def _make_older(flash, version):
    """From an image of the whole checkout."""
    unwanted = ours(contents(flash)).keys() - version.expected().keys()
    put(flash, USERS | dict.fromkeys(unwanted))


def each_is_old_or_new(files, older, newer):
    """No file of ours is anything else but what it was or what it is to be."""
    now = ours(files)
    for path, digest in now.items():
        if not path.endswith(".new"):
            assert digest in (older.get(path), newer.get(path)), path
    assert not older.keys() & newer.keys() - now.keys()
    return {path for path in newer if now.get(path) == newer[path] != older.get(path)}


def healed(board, newer):
    """Deploy again; then all is as if nothing had happened."""
    code, said = newer.deploy(board)
    assert code == 0, said
    board.stop()
    after = contents(board.flash)
    assert ours(after) == newer.expected()
    assert USERS.items() <= after.items()


@pytest.mark.parametrize(("part", "fraction"), POINTS)
def test_power_fails(part, fraction, older, parts, version, newer):
    first, last = parts[part]
    older.start(cut=first + round((last - first) * fraction))
    with newer.begin_deploy(older) as process:
        older.process.wait(timeout=300)  # the cut
        process.kill()  # the computer had the same power
    files = contents(older.flash)
    done = each_is_old_or_new(files, version.expected(), newer.expected())
    assert USERS.items() <= files.items()
    older.start()
    if done:
        staged = {
            path
            for path, digest in newer.expected().items()
            if ours(files).get(path + ".new") == digest
        }
        assert len(done | staged) == len(CHANGED), "the first is replaced when all are there"
        assert "main.py" not in done or len(done) == len(CHANGED), "main.py is the last"
    if part == "switching":
        assert older.wait_printed(STARTED), older.printed()
    healed(older, newer)


def test_power_comes_back_and_the_same_deploy_goes_on(older, parts, newer):
    first, last = parts["staging"]
    older.start(cut=first + round((last - first) * 0.35))
    with newer.begin_deploy(older) as process:
        older.process.wait(timeout=300)
        older.start(port=older.port)
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "going on" in said and "there from the last attempt" in said
    older.stop()
    assert ours(contents(older.flash)) == newer.expected()


def test_a_board_that_stays_away_is_told(older, parts, newer):
    older.start(cut=sum(parts["staging"]) // 2)
    code, said = newer.deploy(older)
    assert code == LOST, said
    assert "run it again, it goes on where it stopped" in said
    older.start()
    healed(older, newer)


@pytest.mark.parametrize("part", ["staging", "switching"])
def test_the_computer_goes_away(part, older, newer):
    older.start()
    assert older.wait_printed(STARTED)
    number = len(CHANGED) // 2 if part == "staging" else len(CHANGED)
    with newer.begin_deploy(older) as process:
        assert said_by(process, f"{number}/{len(CHANGED)}")
        process.kill()
    # what it left to the board's watchdog: eight seconds later the board is at work
    assert older.wait_printed(STARTED, count=2), older.printed()
    assert "reset by watchdog 1" in older.events()
    healed(older, newer)
