"""docs/add-a-sensor.md names what there is: files, functions, settings, commands; its code is that of the sensor it adds."""

import re

import pytest

from tools import ROOT
from tools.__main__ import COMMANDS

PAGE = (ROOT / "docs" / "add-a-sensor.md").read_text()
# The user's own file of the example, which nobody has.
OWN = {"shtc3.json"}
FOLDERS = ("", "lib/drivers/", "docs/")


def spoken():
    """What stands in backticks in the text: code blocks left out."""
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    return re.findall(r"`([^`]+)`", text)


def commands():
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        yield from block.splitlines()
    for word in spoken():
        if word.startswith("make "):
            yield word


def sections():
    """(the file a section is about, its text) of those that name one in their heading."""
    for text in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        named = re.match(r"\d\. .*`(.*)`\n", text)
        if named:
            yield named[1], text


def test_every_file_exists():
    files = [word for word in spoken() if re.fullmatch(r"[\w./-]+\.(py|md|json|example)", word)]
    assert len(files) > 12
    for name in files:
        assert name in OWN or any((ROOT / folder / name).exists() for folder in FOLDERS), name


def test_every_command_exists():
    makefile = (ROOT / "Makefile").read_text()
    lines = list(commands())
    assert len(lines) > 6
    for line in lines:
        if line.startswith("make "):
            target, *options = line.split()[1:]
            rule = re.search(rf"^{target}:.*\n(\t.*\n)+", makefile, re.MULTILINE)
            assert rule, line
            for option in options:
                assert f"$(call option,{option.partition('=')[0]}," in rule[0], line
        else:
            program, module, *words = re.fullmatch(r"(\S+) -m (\S+) (.*)", line).groups()
            assert program == ".venv/bin/python", line
            if module == "tools":
                assert words[0] in COMMANDS, line
            else:
                assert module == "pytest", line
                assert (ROOT / words[0].split()[0]).exists(), line


@pytest.mark.parametrize(
    ("file", "text"), [pytest.param(*section, id=section[0]) for section in sections()]
)
def test_its_code_is_that_of_the_file(file, text):
    source = (ROOT / file).read_text()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        assert block in source, block


def test_the_sections_are_the_files_to_write():
    files = [file for file, _ in sections()]
    assert files == [
        "lib/drivers/shtc3.py",
        "sim/board/chips/shtc3.py",
        "tests/device/drivers/test_shtc3.py",
        "firmware/sensors/types.py",
        "tools/boards/scan_ids.py",
        "tests/board/driver_cases.py",
    ]


def test_names_are_those_of_the_code():
    for names, file in (
        (("SHTC3", "conversion_ms"), "lib/drivers/shtc3.py"),
        (("start", "ready", "read"), "lib/drivers/shared/sht.py"),
        (("Chip", "attach", "write", "read"), "sim/board/chips/shtc3.py"),
        (("now",), "sim/board/sim.py"),
        (("MODULES",), "sim/board/chips/__init__.py"),
        (("measure", "failure", "nearly"), "tests/device/shared/chipstand.py"),
        (("test_gone_and_back",), "tests/device/drivers/test_contract.py"),
        (("i2c_at", "AIR"), "firmware/sensors/options.py"),
        (("QUANTITIES",), "firmware/sensors/types.py"),
        (("IDS", "OFTEN", "STRANGERS", "NOT", "PERHAPS"), "tools/boards/scan_ids.py"),
        (("FAILURES",), "tools/reference/sensors.py"),
        (("SHOWN",), "tools/settings/newconfig.py"),
    ):
        source = (ROOT / file).read_text()
        for name in names:
            assert re.search(rf"`[^`]*\b{name}\b[^`]*`", PAGE), name
            assert re.search(
                rf"^ *(def|class) {name}\b|^(\w+, )*{name}\b.* = ", source, re.MULTILINE
            ) or re.search(rf"^ *{name} = ", source, re.MULTILINE), (name, file)
