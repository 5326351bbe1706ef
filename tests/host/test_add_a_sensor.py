"""What docs/add-a-sensor.md only mentions is there: neighbours, names of the code. What it adds, test_add_pages.py follows."""

import re

import pytest
from following import Page

from tools import ROOT

PAGE = Page("add-a-sensor.md")
NAMES = {
    "lib/drivers/bme680.py": ("ready",),
    "sim/board/sim.py": ("now",),
    "sim/board/world.py": ("DEFAULTS",),
    "sim/board/chips/__init__.py": ("MODULES",),
    "sim/board/chips/tmp117.py": ("stuck",),
    "sim/board/chips/sht3x.py": ("frames",),
    "firmware/sensors/options.py": ("i2c_at", "AIR"),
    "firmware/sensors/types.py": ("QUANTITIES",),
    "tools/boards/scan_ids.py": ("IDS", "OFTEN", "STRANGERS", "NOT", "PERHAPS"),
    "tools/reference/sensors.py": ("FAILURES",),
    "tools/settings/newconfig.py": ("SHOWN",),
}


def test_every_neighbour_exists():
    neighbours = [word for word in PAGE.spoken() if re.fullmatch(r"\w+\.py", word)]
    assert len(neighbours) > 5
    for name in neighbours:
        assert (ROOT / "lib" / "drivers" / name).exists(), name


@pytest.mark.parametrize("file", NAMES)
def test_names_are_those_of_the_code(file):
    source = (ROOT / file).read_text(encoding="utf-8")
    for name in NAMES[file]:
        assert any(re.search(rf"\b{name}\b", word) for word in PAGE.spoken()), name
        assert re.search(
            rf"^ *(def|class) {name}\b|^ *([\w.]+, )*(self\.)?{name}\b.* = ", source, re.M
        ), name
