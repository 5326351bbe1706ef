"""The pages that add something to Outpost: followed to the letter, on a copy, with an example that nobody has."""

import re

import pytest
from following import Page, copy_of_the_repository, run

from tools import ROOT

PAGES = [
    "add-a-setting.md",
    "add-a-command.md",
    "add-an-output.md",
    "add-a-host-command.md",
    "add-a-sensor.md",
]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_what_is_there(name):
    page = Page(name)
    files = page.files()
    assert len(files) > 3
    for word in page.spoken():
        if re.fullmatch(r"[\w./-]+\.(py|md|json)", word) and "/" in word:
            assert word in files or (ROOT / word).exists(), word
    assert page.commands()[-2:] == ["make format", "make check"]


@pytest.mark.slow
@pytest.mark.work
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_followed(name, tmp_path):
    page, folder = Page(name), tmp_path / "outpost"
    files = page.files()
    copy_of_the_repository(folder, files)
    for command in page.commands():
        if command != "make check":  # which takes minutes
            run(command, folder)
    # `make format` was one of them: what the page shows is as the house has it
    for file, text in files.items():
        assert (folder / file).read_text(encoding="utf-8") == text, file
