"""The image: the same sources give the same bytes, MicroPython's own VfsRom reads it, and so does boot.py out of a file."""

import hashlib
import json
import re
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpremote.romfs import VfsRomWriter

from tools import ROOT, CommandError, mpy, toolchain
from tools.image import image, romfs
from tools.layouts import BLOCK, LAYOUTS

# What is mounted, read by MicroPython: as in place, and by boot.py's object for a file. ffi and uctypes: mapped, as flash is.
READ = """
import os, sys, vfs
sys.path[:] = [{sim!r}]
import sim, _vfs
sys.modules["vfs"] = _vfs
sys.path[:] = [""]
try:
    exec(open({boot!r}).read(), {{"__name__": "__main__"}})
except ImportError as e:
    print("boot:", e)
print("path", sys.path)
for name in {names!r}:
    module = __import__(name, None, None, ("*",))
    print("module", name, module.__file__)
"""


@pytest.fixture(scope="module")
def made(once):
    _, folder = once("image", lambda folder: (folder / "image").write_bytes(image.build().data))
    return (folder / "image").read_bytes()


def test_the_same_sources_give_the_same_bytes(made):
    assert image.build().data == made


def test_it_holds_every_module_and_nothing_else(made):
    files = {path for path, _, size in romfs.entries(made) if size is not None}
    modules = {
        source.with_suffix(".mpy").as_posix()
        for source in mpy.sources()
        if source.as_posix() not in mpy.STARTED
    }
    assert files == modules | {image.INDEX}
    assert all(
        made[at : at + 2] == b"M\x06" for path, at, size in romfs.entries(made) if path in modules
    )


def test_its_index_tells_what_it_is(made):
    (path, at, size), *_ = romfs.entries(made)
    assert path == image.INDEX
    first, _, records = made[at : at + size].partition(b"\n")
    rest = made[at + size :]
    about = ["outpost", image.version(), "6", hashlib.sha256(rest).hexdigest()]
    assert first.decode().split() == about
    expected = [
        zlib.crc32(path.encode()).to_bytes(4, "little")
        + (0 if length is None else begin - at - size).to_bytes(3, "little")
        for path, begin, length in romfs.entries(made)
        if path != image.INDEX
    ]
    assert records == b"".join(expected)


def test_two_paths_of_one_crc_are_refused():
    code = b"M\x06" + bytes(10)
    with pytest.raises(
        CommandError, match=r"nidmovh.mpy and another path have one CRC-32: rename it"
    ):
        image.pack({"bubanxn.mpy": code, "nidmovh.mpy": code}, "1")


def run(folder, names, rom=None):
    program = READ.format(sim=str(ROOT / "sim" / "board"), boot=str(ROOT / "boot.py"), names=names)
    environment = {"OUTPOST_ROM": str(rom)} if rom else {}
    done = subprocess.run(
        [*toolchain.micropython("400k"), "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


# of each folder one, those that need no board
NAMES = ["outbox", "firmware.topics", "firmware.upkeep.log", "drivers.shared.crc8", "umqtt.simple"]


@pytest.mark.parametrize("slot", ["rom0", "rom1", "rom", "slots/a", "slots/b"])
def test_a_board_runs_it(made, tmp_path, slot):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "slot").write_text(json.dumps({"good": slot}))
    rom = None
    if slot.startswith("rom"):
        rom = tmp_path / "romfs"
        half = -(-len(made) // BLOCK) * BLOCK
        before, whole = {"rom0": (0, 2 * half), "rom1": (half, 2 * half), "rom": (0, half)}[slot]
        rom.write_bytes((b"\xff" * before + made).ljust(whole, b"\xff"))
    else:
        (tmp_path / "slots").mkdir()
        (tmp_path / slot).write_bytes(made)
    said = run(tmp_path, NAMES, rom)
    assert "path ['/app', '/app/lib'" in said
    for name in NAMES:
        path = name.replace(".", "/")
        place = "" if name.startswith("firmware") else "lib/"
        assert f"module {name} /app/{place}{path}" in said


@pytest.mark.parametrize("cut", [0, 2, 3, 20, 3000, -1])
def test_half_an_image_is_none(made, tmp_path, cut):
    (tmp_path / "slots").mkdir()
    (tmp_path / "slots" / "a").write_bytes(made[:cut])
    assert "/app" not in run(tmp_path, [])
    (tmp_path / "slots" / "b").write_bytes(made)
    assert "path ['/app'" in run(tmp_path, [])


def test_it_fits_a_board():
    with pytest.raises(CommandError, match="and a board"):
        image.pack({"lib/a.mpy": b"M\x06" + bytes(image.MOST)}, "1")


PARTS = st.sampled_from(["a", "b", "firmware", "lib", "é".encode().hex()])


@given(
    st.dictionaries(
        st.lists(PARTS, min_size=2, max_size=4).map("/".join),
        st.binary(min_size=2, max_size=300),
        min_size=1,
        max_size=12,
    )
)
def test_what_is_packed_is_found(files):
    folders = {path.rpartition("/")[0] for path in files}
    inside = {
        name for name in files if any(name == f or f.startswith(name + "/") for f in folders)
    }
    files = {path + ".mpy": data for path, data in files.items() if path not in inside}
    if not files:
        return
    data = image.pack(files, "1").data
    found = {
        path: data[at : at + size] for path, at, size in romfs.entries(data) if size is not None
    }
    found.pop(image.INDEX)
    assert found == files


def test_a_pointer_is_followed():
    writer = VfsRomWriter()
    at = writer.mkdata(b"contents")
    writer.mkfile("name", (8, at + 5))  # behind the header
    data = writer.finalise()
    ((path, at, size),) = romfs.entries(data)
    assert (path, data[at : at + size]) == ("name", b"contents")


@pytest.mark.parametrize(
    "data", [b"", b"\xd2\xcd", b"\xd2\xcd\x31", b"\xd2\xcd\x31\x05\x05", b"x" * 40]
)
def test_what_is_no_romfs_says_so(data):
    with pytest.raises(ValueError, match="ROMFS"):
        list(romfs.entries(data))


def test_the_command_says_what_it_made(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tools", "image", "--out", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    (file,) = tmp_path.iterdir()
    assert file.name == f"outpost-{image.version()}.romfs"
    size = file.stat().st_size
    assert f"{size:,} bytes, version {image.version()}, " in done.stdout
    small = [name for name, layout in LAYOUTS.items() if layout.slot < size]
    assert re.findall(r"on (\w+) it takes the whole ROMFS", done.stdout) == small
    assert "too large" not in done.stdout
