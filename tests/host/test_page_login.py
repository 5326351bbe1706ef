"""Who may look: the file of users, attempts, sessions; and the command that refuses to be open to everybody."""

import os
import socket
import stat
import subprocess
import sys

import pytest
from pageserver import served, store

from station.page import users
from station.page.logins import SESSION_S, Logins, Wait
from station.page.users import Users
from tools import ROOT, CommandError

PASSWORD = "correct horse"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "users"
    users.add(path, "ann", PASSWORD)
    return path


def test_a_user_has_a_password_that_the_file_does_not_tell(file):
    known = Users(file)
    assert known.check("ann", PASSWORD)
    for name, password in (("ann", "wrong horse"), ("ann", ""), ("bob", PASSWORD), ("", "")):
        assert not known.check(name, password)
    assert "horse" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_new_password_takes_the_place_of_the_old_one_at_once(file):
    known = Users(file)
    assert not users.add(file, "bob", "another password")
    assert users.add(file, "ann", "a new password")
    assert known.check("ann", "a new password") and not known.check("ann", PASSWORD)
    assert known.check("bob", "another password") and len(known) == 2


@pytest.mark.parametrize(
    ("name", "password", "told"),
    [
        ("a:b", PASSWORD, "is no name of a user"),
        ("", PASSWORD, "is no name of a user"),
        ("ann\n", PASSWORD, "is no name of a user"),
        ("ann", "short", "has 5 characters: give 8 to 1000"),
        ("ann", "x" * 1001, "has 1001 characters"),
    ],
)
def test_what_will_not_do(file, name, password, told):
    before = file.read_text()
    with pytest.raises(CommandError, match=told):
        users.add(file, name, password)
    assert file.read_text() == before


def test_a_file_that_is_damaged_lets_nobody_in(file):
    known = Users(file)
    file.write_text(file.read_text() + "ann::\n")
    assert not known.check("ann", PASSWORD) and "ann" not in known
    with pytest.raises(CommandError, match="line 2: is no user: make page ADD_USER="):
        Users(file)
    file.unlink()
    assert not known.check("ann", PASSWORD)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_an_address_that_guesses_waits_longer_and_longer(clock):
    logins = Logins(None, clock)
    for _ in range(5):
        logins.admit("10.0.0.9")
    waits = []
    for _ in range(6):
        with pytest.raises(Wait) as refused:
            logins.admit("10.0.0.9")
        waits.append(refused.value.seconds)
        clock.now += refused.value.seconds
        logins.admit("10.0.0.9")
    assert waits == [2, 4, 8, 16, 32, 64]
    logins.admit("10.0.0.10")  # another one does not
    clock.now += 3601
    logins.admit("10.0.0.9")


def test_many_addresses_that_guess_wait_together(clock):
    logins = Logins(None, clock)
    for number in range(60):
        logins.admit(f"10.0.0.{number}")
    with pytest.raises(Wait, match="try again in 60 s"):
        logins.admit("10.0.1.1")
    clock.now += 60
    logins.admit("10.0.1.1")


def test_a_session_ends(file, clock):
    logins = Logins(Users(file), clock)
    secret = logins.begin("ann", "here")
    assert logins.who(secret) == "ann" and logins.who(secret + "x") is None
    other = logins.begin("ann", "here")
    logins.end(other)
    assert logins.who(other) is None
    clock.now += SESSION_S
    assert logins.who(secret) is None


def test_sessions_are_bounded(file, clock):
    logins = Logins(Users(file), clock)
    secrets = [logins.begin("ann", "here") for _ in range(1001)]
    assert logins.who(secrets[0]) is None and logins.who(secrets[1]) == "ann"


@pytest.fixture
def page(tmp_path, file):
    store(tmp_path / "r.sqlite")
    with served(tmp_path / "r.sqlite", Users(file)) as page:
        yield page


def test_nothing_is_seen_without_a_login(page):
    for path in ("nodes", "node?node=a", "series?node=a", "events", "nowhere"):
        assert page.refusal(f"/api/{path}") == (401, "log in first")
    for path in ("command", "output", "logout"):
        assert page.refusal(f"/api/{path}", {})[0] == 401
    assert page.get("about") == {"login": True, "user": None}
    assert page.ask("/")[0] == 200 and page.ask("/static/app.js")[0] == 200


def test_a_login(page, file):
    assert page.refusal("/api/login", {"user": "ann", "password": "x"}) == (
        403,
        "user or password is wrong",
    )
    status, headers, _ = page.ask("/api/login", {"user": "ann", "password": PASSWORD})
    cookie = headers["Set-Cookie"]
    assert status == 200 and "HttpOnly" in cookie and "SameSite=strict" in cookie
    mine = cookie.partition(";")[0]
    assert page.ask("/api/nodes", Cookie=mine)[0] == 200
    assert page.refusal("/api/nodes", Cookie=mine[:-1])[0] == 401
    assert (
        page.refusal("/api/login", {"user": "ann", "password": "x"}, Sec_Fetch_Site="cross-site")[
            0
        ]
        == 403
    )
    users.add(file, "bob", PASSWORD)
    file.write_text(file.read_text().splitlines()[1] + "\n")  # ann is out
    assert page.refusal("/api/nodes", Cookie=mine)[0] == 401


def test_a_logout_ends_the_session_and_not_only_the_cookie(page):
    _, headers, _ = page.ask("/api/login", {"user": "ann", "password": PASSWORD})
    mine = headers["Set-Cookie"].partition(";")[0]
    assert page.ask("/api/logout", {}, Cookie=mine)[0] == 200
    assert page.refusal("/api/nodes", Cookie=mine)[0] == 401


def test_guesses_are_refused_in_the_end(page):
    answers = [
        page.refusal(
            "/api/login",
            {"user": "ann", "password": f"guess {n}"},
            X_Forwarded_For=f"10.0.0.{n}",  # written by who guesses
        )[0]
        for n in range(7)
    ]
    assert answers == [403] * 5 + [429] * 2


def command(*words, given=""):
    return subprocess.run(
        [sys.executable, "-m", "station", "page", *map(str, words)],
        cwd=ROOT, input=given, capture_output=True, text=True, check=False, timeout=60,
        env=os.environ | {"OUTPOST_MAKE": ""},
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_refuses_in_words(tmp_path):
    path, list_ = tmp_path / "r.sqlite", tmp_path / "users"
    store(path)
    (tmp_path / "empty").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        for words, told in (
            (("--store", tmp_path / "no.sqlite"), "there is no"),
            (
                ("--listen", "0.0.0.0"),
                "--listen 0.0.0.0: everybody on the network could see and command",
            ),
            (("--listen", "farm"), "--listen farm is no address"),
            (("--users", list_), "--add-user name --users"),
            (("--users", tmp_path / "empty"), "has no user"),
            (("--port", taken), "address already in use: give another --port"),
            (
                ("--broker", "127.0.0.1:1", "--base", "home"),
                "has the readings below outpost/, not home/",
            ),
            (("--add-user", "ann"), "give --users file, too"),
        ):
            more = () if "--store" in words else ("--store", path)
            if "--broker" not in words:
                more += ("--no-broker",)
            done = command(*words, *more)
            assert done.returncode == 1 and told in done.stderr, (words, done.stderr)
    done = command("--add-user", "ann", "--users", list_, given=PASSWORD + "\n")
    assert (done.returncode, done.stdout) == (0, f"{list_}: ann may log in\n")
    assert Users(list_).check("ann", PASSWORD)


_FAULTY = """
import sys
from station import __main__
from station.page.hub import Hub

async def run(self):
    raise KeyError("nobody foresaw it")

Hub.run = run
sys.exit(__main__.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_an_end_that_nobody_foresaw_is_an_error_with_its_place(tmp_path):
    """Not an end as by a plain kill, after which nobody would know why."""
    store(tmp_path / "r.sqlite")
    done = subprocess.run(
        [sys.executable, "-c", _FAULTY, "page", "--no-broker", "--port", "0", "--store", tmp_path / "r.sqlite"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "KeyError: 'nobody foresaw it'" in done.stderr and "Traceback" in done.stderr
