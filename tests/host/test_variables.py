"""make's variables: what is misspelt, and what a target does not take, is refused with the right name."""

import os
import re
import shlex
import subprocess

import pytest

from tools import ROOT, variables

MAKEFILE = (ROOT / "Makefile").read_text()


def make(*words):
    done = subprocess.run(
        ["make", "--no-print-directory", *words],
        env={
            "PATH": os.environ["PATH"]
        },  # `make check` calls us, and has left its own variables there
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("target", sorted(variables.taken(MAKEFILE)))
def test_every_target_refuses_what_it_does_not_take(target):
    code, out, err = make(target, "BRD=esp32")
    assert (code, out) == (2, "")
    assert f"BRD= is unknown to make {target}: " in err
    assert ("did you mean BOARD=?" in err) == ("BOARD" in variables.taken(MAKEFILE)[target])


@pytest.mark.parametrize(
    ("given", "target", "said"),
    [
        ("BOARD", "flash", ""),
        ("PYTHON", "flash", ""),
        (
            "board",
            "flash",
            "board= is unknown to make flash: did you mean BOARD=? It takes BOARD=, PORT=",
        ),
        ("NODES", "deploy", "did you mean NODE=?"),
        ("NODE", "logs", "NODE= is unknown to make logs: It takes PORT=, SECONDS="),
        ("PORT", "check", "PORT= is unknown to make check: It takes no variables"),
    ],
)
def test_the_nearest_right_name(given, target, said):
    found = variables.fault([given], [target], MAKEFILE)
    assert said in found if said else found == ""


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("rum", "did you mean make run? "),
        ("chekc-config", "did you mean make check-config? "),
        ("Deploy", "did you mean make deploy? "),
        ("log", "did you mean make logs? "),
        ("tests", "did you mean make test? "),  # a folder here: make had nothing to do
        ("docs", ""),
        ("xyz", ""),
    ],
)
def test_a_misspelt_target(target, told):
    for words in ([target], ["PORT=x", target], ["help", target]):
        code, out, err = make(*words)
        assert (code, out) == (2, "")
        assert f"make {target} is unknown: {told}`make` alone prints what there is" in err


def test_every_target_is_known():
    assert [variables.fault([], [target], MAKEFILE) for target in variables.taken(MAKEFILE)] == [
        ""
    ] * len(variables.taken(MAKEFILE))


def test_the_help_names_what_each_target_takes():
    """Each variable that `make` alone shows is one the recipe has."""
    taken = variables.taken(MAKEFILE)
    for target, text in re.findall(r"^([a-z-]+):.*?## (.*)$", MAKEFILE, re.M):
        shown = set(re.findall(r"\b([A-Z_]{2,})=", text))
        assert shown <= set(taken[target]), target


def test_what_is_makes_own_is_not_offered():
    assert "help: It takes no variables" in make("BRD=esp32")[2]


def test_a_right_one_is_handed_on():
    code, out, _ = make("check-config", "CONFIG=nowhere.json")
    assert code == 2 and out == ""
    assert "there is no nowhere.json: " in make("check-config", "CONFIG=nowhere.json")[2]


WITH_VALUES = {
    target: [name for name in names if name not in variables.EVERYWHERE]
    for target, names in variables.taken(MAKEFILE).items()
}


@pytest.mark.parametrize("target", sorted(filter(WITH_VALUES.get, WITH_VALUES)))
def test_a_value_is_one_word_whatever_is_in_it(target, tmp_path):
    # An apostrophe ended the shell's word; what stood behind it was run.
    odd = f"""it's; touch {tmp_path}/ran; "$(shell touch {tmp_path}/ran)$(b `c` #"""
    names = WITH_VALUES[target]
    code, out, err = make("-n", target, *(f"{name}={odd}" for name in names))
    assert (code, err) == (0, "")
    words = shlex.split(out.replace("\\\n", " "))
    flags = re.findall(r"call flag,([A-Z_]+)", MAKEFILE)
    assert words.count(odd) == len([name for name in names if name not in flags])
    assert not list(tmp_path.iterdir())


def test_a_path_with_an_apostrophe(tmp_path):
    path = tmp_path / "it's $HOME's.json"
    path.write_text("{}")
    assert f"{path}: wifi.networks: missing" in make("check-config", f"CONFIG={path}")[1]


@pytest.mark.parametrize("word", ["it's", "a;b", "`c"])
def test_a_target_is_one_word_whatever_is_in_it(word):
    code, out, err = make(word)
    assert (code, out) == (2, "")
    assert f"make {word} is unknown: " in err
