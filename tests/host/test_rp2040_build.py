"""What the emulated Pico is made of, without making it: what is missing, what it depends on. `make test-board` makes it."""

import json
import os
import shutil

import pytest

from tools import CommandError, rp2040_build


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with nothing but apt-get, and nothing built."""
    apt = shutil.which("apt-get") or pytest.skip("no Debian")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apt-get").symlink_to(apt)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(rp2040_build, "FOLDER", tmp_path)
    monkeypatch.setattr(rp2040_build, "FIRMWARE", tmp_path / "firmware.bin")
    return tmp_path


def test_who_is_not_root_is_told_what_to_install(bare, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CommandError) as told:
        rp2040_build.build()
    words = (
        "sudo apt-get install --yes --no-install-recommends cmake gcc gcc-arm-none-eabi libc6-dev"
    )
    assert words in str(told.value)
    assert "libstdc++" not in str(told.value)  # 1.6 GB


def test_a_folder_in_which_it_cannot_be_built_is_told_before_anything_is_fetched(
    monkeypatch, tmp_path
):
    # cmake's own words were "C compiler is not able to compile a simple test program", a minute later.
    folder = tmp_path / "My clone (odd)"
    monkeypatch.setattr(rp2040_build, "FOLDER", folder)
    with pytest.raises(CommandError) as told:
        rp2040_build.build()
    assert "take no space or ( or ) in the name of a folder" in str(told.value)
    assert not folder.exists()


def test_the_firmware_is_built_anew_when_what_it_freezes_has_changed(monkeypatch, tmp_path):
    recipe = tmp_path / "rp2040"
    shutil.copytree(rp2040_build.RECIPE, recipe)
    monkeypatch.setattr(rp2040_build, "RECIPE", recipe)
    before = rp2040_build._firmware_recipe()
    assert before == rp2040_build._firmware_recipe()
    (recipe / "modules" / "another.py").write_text("X = 1\n")
    assert before != rp2040_build._firmware_recipe()


def test_the_emulator_is_locked_by_hash_and_names_no_place_to_fetch_it_from():
    lock = (rp2040_build.RECIPE / "package-lock.json").read_text()
    packages = json.loads(lock)["packages"]
    wanted = json.loads((rp2040_build.RECIPE / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
        assert packages[f"node_modules/{name}"]["integrity"].startswith("sha512-")
    assert "resolved" not in lock and "://" not in lock
