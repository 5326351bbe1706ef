"""Programs that only some tests need."""

import pytest

from tools import CommandError
from tools.setup import debian


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(path, text="#!/bin/sh\n"):
    path.write_text(text)
    path.chmod(0o755)


def test_what_is_there_is_not_installed(place):
    program(place / "tool")
    debian.need({"tool": "tool-package"}, "this")


def test_who_may_not_install_is_told_how(place, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    program(place / "apt-get")
    with pytest.raises(CommandError) as e:
        debian.need({"one": "first", "two": "second"}, "the page")
    told = "sudo apt-get install --yes --no-install-recommends first second"
    assert str(e.value) == f"the page needs first, second: {told}"


def test_root_gets_it_installed(place, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    log = place / "log"
    program(place / "apt-get", f'#!/bin/sh\necho "$@" >> {log}\n')
    debian.need({"one": "first"}, "the page")
    assert log.read_text() == "update\ninstall --yes --no-install-recommends first\n"


def test_what_apt_says_is_told(place, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    program(place / "apt-get", "#!/bin/sh\necho no mirror; exit 100\n")
    with pytest.raises(CommandError, match="apt-get failed:\nno mirror"):
        debian.need({"one": "first"}, "the page")


def test_without_apt(place, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(CommandError, match="the page needs first"):
        debian.need({"one": "first"}, "the page")
