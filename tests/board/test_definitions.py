"""The board definitions of boards/ together with the files of MicroPython that they include: what its build makes of them.

All boards but the Pico need sources that Debian has not (the radio's driver, ESP-IDF). So this goes as far as the build
does before it needs them: cmake's files, and the preprocessor.
"""

import os
import re
import subprocess

import pytest

from emulator import build
from tools import ROOT
from tools.layouts import LAYOUTS, Place
from tools.models import BOARDS

PICOS = [name for name in LAYOUTS if name.startswith("pico")]
ESP32S = [name for name in LAYOUTS if name not in PICOS]
FOLDER = ROOT / "boards"


@pytest.fixture(scope="module")
def ports(firmware):
    return build.sources() / "ports"


def lines(*words, **options):
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, timeout=60, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def header(port, board, *names):
    """{name: what the preprocessor makes of it} after a board's mpconfigboard.h."""
    program = '#include "mpconfigboard.h"\n' + "".join(f"@ {name}\n" for name in names)
    # the order of ports/rp2/CMakeLists.txt and ports/esp32/esp32_common.cmake
    words = ["gcc", "-E", "-P", "-Werror", f"-I{board}", f"-I{port}", "-"]
    words += ["-DPICO_FLASH_SIZE_BYTES=(4096*1024)"]  # asked for by the Pico 2 W only
    found = [line[2:] for line in lines(*words, input=program) if line.startswith("@")]
    return dict(zip(names, found, strict=True))


def number(text):
    """Value of an expression such as `(4096*1024) - 1536 * 1024`."""
    assert re.fullmatch(r"[0-9()*+ -]+", text), text
    return eval(text)


def cmake_variables(port, board, tmp_path, *names):
    """What these variables are once a Pico's definition has been read, in the order of ports/rp2/CMakeLists.txt."""
    script = tmp_path / "read.cmake"
    script.write_text(
        f"""set(MICROPY_PORT_DIR [==[{port}]==])
set(MICROPY_BOARD_DIR [==[{board}]==])
include([==[{board}/mpconfigboard.cmake]==])
include([==[{board}/mpconfigvariant.cmake]==] OPTIONAL)
foreach(name {" ".join(names)})
    message(NOTICE "@${{name}} ${{${{name}}}}")
endforeach()
"""
    )
    done = subprocess.run(["cmake", "-P", script], check=True, capture_output=True, text=True)
    return dict(re.findall(r"^@(\w+) (.*)$", done.stderr, re.M))


@pytest.mark.parametrize("name", PICOS)
def test_a_picos_flash(name, ports):
    layout = LAYOUTS[name]
    asked = ("MICROPY_HW_FLASH_STORAGE_BYTES", "MICROPY_HW_ROMFS_BYTES", "MICROPY_HW_BOARD_NAME")
    ours = header(ports / "rp2", FOLDER / name, *asked)
    stored, romfs = (number(ours[each]) for each in asked[:2])
    assert (stored, romfs) == (layout.littlefs.size, layout.romfs.size)
    upstream = header(ports / "rp2", ports / "rp2" / "boards" / f"RPI_{name.upper()}", *asked)
    assert number(upstream[asked[0]]) == layout.stock.size
    assert upstream[asked[1]] == asked[1], "official images have no ROMFS"
    assert ours[asked[2]] == upstream[asked[2]]


@pytest.mark.parametrize("name", PICOS)
def test_a_pico_is_upstreams_without_bluetooth_and_with_its_pins(name, ports, tmp_path):
    asked = (
        "PICO_BOARD",
        "PICO_PLATFORM",
        "MICROPY_PY_NETWORK_CYW43",
        "MICROPY_PY_BLUETOOTH",
        "MICROPY_BLUETOOTH_BTSTACK",
        "MICROPY_PY_BLUETOOTH_CYW43",
        "MICROPY_FROZEN_MANIFEST",
        "GEN_PINS_BOARD_CSV",
    )
    found = cmake_variables(ports / "rp2", FOLDER / name, tmp_path, *asked)
    radio = name.endswith("_w")
    assert found["PICO_BOARD"] == name
    assert found["PICO_PLATFORM"] == {"pico": "rp2040", "pico2_w": "rp2350"}.get(name, "")
    assert found["MICROPY_PY_NETWORK_CYW43"] == ("ON" if radio else "")
    assert {value for each, value in found.items() if "BLUETOOTH" in each} == {"OFF"}
    assert found["MICROPY_FROZEN_MANIFEST"] == (
        str(FOLDER / name / "manifest.py") if radio else ""
    )
    pins = (ports / "rp2" / "boards" / f"RPI_{name.upper()}" / "pins.csv").read_text()
    with open(found["GEN_PINS_BOARD_CSV"]) as file:
        assert file.read() == pins
    assert re.search("^LED,", pins, re.M)


# In place of ESP-IDF: what upstream's CMakeLists.txt takes of it, up to where the compiler begins.
_IDF = "macro(project name)\n  file(WRITE ${CMAKE_BINARY_DIR}/target ${IDF_TARGET})\n  _project(${name} NONE)\nendmacro()\n"


def configured(port, tmp_path, board, folder):
    """Let upstream's CMakeLists.txt read a board. Returns ({CONFIG_…: value}, the chip)."""
    idf = tmp_path / "idf" / "tools" / "cmake"
    idf.mkdir(parents=True, exist_ok=True)
    (idf / "project.cmake").write_text(_IDF)
    made = tmp_path / board
    words = ["cmake", "-S", port, "-B", made, f"-DMICROPY_BOARD={board}"]
    words += [f"-DMICROPY_BOARD_DIR={folder}"]
    lines(*words, env=os.environ | {"IDF_PATH": str(tmp_path / "idf")})
    # of two lines for one name the last counts
    said = (made / "sdkconfig.combined").read_text()
    return dict(re.findall(r"^(CONFIG_\w+)=(.*)$", said, re.M)), (made / "target").read_text()


def littlefs(table):
    """Place of littlefs in a file of partitions."""
    row = re.search(r"^vfs, *data, fat, *(\w+), *(\w+),", table.read_text(), re.M)
    return Place(*(int(text, 0) for text in row.groups()))


@pytest.mark.parametrize("name", ESP32S)
def test_an_esp32_gets_our_partitions_and_no_bluetooth(name, ports, tmp_path):
    port = ports / "esp32"
    settings, chip = configured(port, tmp_path, name, FOLDER / name)
    # IDF's own choice, if nobody makes one, is an ESP32
    assert chip == ("" if name == "esp32" else name)
    table = settings["CONFIG_PARTITION_TABLE_CUSTOM_FILENAME"].strip('"')
    assert table == str((FOLDER / "common" / "partitions-4MiB.csv").resolve())
    assert settings["CONFIG_PARTITION_TABLE_CUSTOM"] == "y"
    sizes = {each for each, value in settings.items() if "_FLASHSIZE_" in each and value == "y"}
    assert sizes == {"CONFIG_ESPTOOLPY_FLASHSIZE_4MB"}
    assert not [each for each in settings if each.startswith("CONFIG_BT_")]
    upstream = BOARDS[name].build
    stock, _ = configured(port, tmp_path, upstream, port / "boards" / upstream)
    named = stock["CONFIG_PARTITION_TABLE_CUSTOM_FILENAME"].strip('"')
    assert littlefs(port / named) == LAYOUTS[name].stock

    ours = header(
        port,
        FOLDER / name,
        *("MICROPY_VFS_ROM", "MICROPY_PY_BLUETOOTH", "MICROPY_GC_INITIAL_HEAP_SIZE"),
        "MICROPY_HW_MCU_NAME",
    )
    assert ours["MICROPY_VFS_ROM"] == "(1)" and ours["MICROPY_PY_BLUETOOTH"] == "(0)"
    assert number(ours["MICROPY_GC_INITIAL_HEAP_SIZE"]) == 80 * 1024
    assert ours["MICROPY_HW_MCU_NAME"] == f'"{name.upper()}"'
