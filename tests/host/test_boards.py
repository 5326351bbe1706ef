"""The board definitions of boards/ divide the flash as tools/layouts.py has it, and what has to fit fits.

Upstream's files, which they include, are not here: tests/board/test_definitions.py reads them together.
"""

import ast
import re
from itertools import pairwise

import pytest
from mpremote.romfs import make_romfs

from tools import ROOT, mpy
from tools.image import names
from tools.layouts import BLOCK, KB, LAYOUTS, Place
from tools.models import BOARDS

FOLDER = ROOT / "boards"
PICOS = [name for name in LAYOUTS if name.startswith("pico")]
ESP32S = [name for name in LAYOUTS if name not in PICOS]
UPSTREAM = {name: model.build for name, model in BOARDS.items()} | {"pico": "RPI_PICO"}

OUTBOX = 32  # blocks of an outbox with the settings that are a node's when nobody says otherwise
BESIDE = 90  # blocks that are to stay on the smallest board
ROOM = 4 * KB  # of a place, for what is still to come

# On these the application takes the whole ROMFS, until it has the size that it is to have.
WHOLE = {"pico_w"}
WANTED = 176 * KB


def read(name, file):
    return (FOLDER / name / file).read_text()


def sizes(name):
    """{MICROPY_HW_…: bytes} that a Pico's mpconfigboard.h sets."""
    found = re.findall(
        r"^#define (MICROPY_HW_\w+_BYTES) \((\d+) \* 1024\)$", read(name, "mpconfigboard.h"), re.M
    )
    return {each: int(kb) * KB for each, kb in found}


def partitions():
    """{name: (type, subtype, Place)} of our partition table."""
    lines = read("common", "partitions-4MiB.csv").splitlines()
    rows = [re.split(r"\s*,\s*", line) for line in lines if not line.startswith("#")]
    return {
        name: (kind, sub, Place(int(offset, 0), int(size, 0)))
        for name, kind, sub, offset, size, _ in rows
    }


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    """The application as one image, made by MicroPython's own tool."""
    folder = tmp_path_factory.mktemp("image")
    mpy.compile_tree(folder)
    for name in mpy.STARTED:
        (folder / name).unlink()
    return make_romfs(str(folder), mpy_cross=False)


def test_there_is_a_definition_for_every_board_and_no_other():
    there = {path.name for path in FOLDER.iterdir()} - {"common"}
    assert there == set(LAYOUTS) == {*BOARDS, "pico"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_is_upstreams_board_of_the_same_name(name):
    board = UPSTREAM[name]
    assert f"\nset(UPSTREAM_BOARD {board})\n" in read(name, "mpconfigboard.cmake")
    assert f'#include "boards/{board}/mpconfigboard.h"\n' in read(name, "mpconfigboard.h")


@pytest.mark.parametrize("name", LAYOUTS)
def test_names_are_frozen_into_it(name):
    """They are read by MicroPython's build; tests/board has what comes of it."""
    if name in ESP32S:
        assert "/esp32_manifest.py)" in read("common", "esp32.cmake")
        assert 'include("manifest.py")' in read("common", "esp32_manifest.py")
    elif name == "pico":  # built from Debian's sources
        assert 'include("common/manifest.py")' in (ROOT / "emulator" / "manifest.py").read_text()
    else:
        assert 'include("../common/manifest.py")' in read(name, "manifest.py")


def test_the_names_are_todays_but_for_a_few():
    text = names.FILE.read_text()
    nodes = list(ast.walk(ast.parse(text).body[-1]))
    frozen = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    frozen |= {node.value for node in nodes if isinstance(node, ast.Constant)}
    assert names.text(frozen) == text
    missing = names.names(mpy.compiled()) - frozen
    assert len(missing) < 60, (
        f"write them anew, `python -m tools names`: {sorted(missing)} would take RAM"
    )


@pytest.mark.parametrize("name", LAYOUTS)
def test_nothing_overlaps(name):
    layout = LAYOUTS[name]
    places = [layout.firmware, layout.romfs, layout.littlefs]
    for place, following in pairwise(places):
        assert place.end <= following.offset
    assert layout.littlefs.end == layout.flash
    for place in places:
        assert place.offset % BLOCK == place.size % BLOCK == 0
    assert layout.slot % BLOCK == 0 and 2 * layout.slot == layout.romfs.size


@pytest.mark.parametrize("name", PICOS)
def test_a_picos_flash_is_divided_as_the_table_has_it(name):
    layout, ours = LAYOUTS[name], sizes(name)
    # rp2_flash.c: what is stored is at the end, the ROMFS directly below
    littlefs = ours.get("MICROPY_HW_FLASH_STORAGE_BYTES", layout.stock.size)
    romfs = ours["MICROPY_HW_ROMFS_BYTES"]
    assert layout.littlefs == Place(layout.flash - littlefs, littlefs)
    assert layout.romfs == Place(layout.flash - littlefs - romfs, romfs)
    assert layout.stock.end == layout.flash
    # later releases read the same from the other file
    later = re.findall(r"^set\((MICROPY_HW_\w+) (\d+)\)$", read(name, "mpconfigboard.cmake"), re.M)
    assert {each: int(number) for each, number in later} == ours


@pytest.mark.parametrize("name", ["pico_w", "pico2_w"])
def test_the_files_of_a_pico_w_stay(name):
    assert LAYOUTS[name].keeps_files


@pytest.mark.parametrize("name", ESP32S)
def test_an_esp32s_flash_is_divided_as_the_table_has_it(name):
    layout, there = LAYOUTS[name], partitions()
    assert there["factory"] == ("app", "factory", layout.firmware)
    assert there["romfs"] == ("data", "0x8f", layout.romfs)  # found by its label
    assert there["vfs"] == ("data", "fat", layout.littlefs)
    assert "include(${CMAKE_CURRENT_LIST_DIR}/../common/esp32.cmake)" in read(
        name, "mpconfigboard.cmake"
    )
    assert '#include "../common/esp32.h"\n' in read(name, "mpconfigboard.h")


def test_the_partitions_of_an_esp32_follow_each_other():
    places = [place for _, _, place in partitions().values()]
    assert places[0].offset == 0x9000  # where the table itself ends
    for place, following in pairwise(places):
        assert place.end == following.offset
    assert places[-1].end == 4096 * KB


@pytest.mark.parametrize("name", ESP32S)
def test_512_kb_stay_for_data_on_an_esp32(name):
    assert LAYOUTS[name].littlefs.size >= 512 * KB


def left_on_a_pico_w(files, size):
    """Blocks beside the outbox and so many images that are files."""
    return LAYOUTS["pico_w"].stock.size // BLOCK - files * -(-size // BLOCK) - OUTBOX


def test_on_a_pico_w_90_blocks_stay_beside_the_outbox(application):
    """With our MicroPython. A version in place, the one before as a file."""
    assert left_on_a_pico_w(1, len(application)) >= BESIDE


def test_on_a_pico_w_90_blocks_stay_beside_the_outbox_where_both_are_files(application):
    """Under an official image."""
    assert left_on_a_pico_w(2, WANTED) >= BESIDE
    left = left_on_a_pico_w(2, len(application))
    if left < BESIDE:
        pytest.xfail(f"{left} blocks stay")


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_application_fits_with_room(name, application):
    layout, size = LAYOUTS[name], len(application) + ROOM
    assert layout.slot >= WANTED + ROOM
    assert size <= layout.romfs.size
    said = f"{len(application):,} bytes, a slot has {layout.slot:,}"
    assert (size <= layout.slot) == (name not in WHOLE), f"{said}: WHOLE and docs/boards.md"
