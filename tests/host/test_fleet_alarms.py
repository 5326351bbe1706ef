"""Alarms: what is told and what is not, over time and restarts; and that it reaches a command and an address as it is."""

import http.server
import json
import os
import shlex
import sqlite3
import sys
import threading

import pytest

from station import __main__ as main
from station.fleet import deliver
from station.fleet.alarms import Alarms, Message
from station.fleet.judge import Fault, Judged
from station.messages import State
from station.store.contract import Batch
from station.store.reader import Reader
from station.store.sqlite import SqliteStore
from tools import CommandError

MINUTE = 60_000
YEAR = 365 * 24 * 60 * MINUTE
NOW = 1_796_000_000_000
WAY = ("way",)


pytestmark = pytest.mark.usefixtures("own_signals")


def node(name, *kinds):
    faults = [Fault(0, kind, f"{kind} it is") for kind in kinds]
    return Judged(name, "online", faults, *[None] * 9, 0, 0)


def told(looks, an_hour=100, restart=False):
    """What is told at each minute's look. looks: a list of nodes, or what is wrong at our end."""
    alarms, lines = Alarms({}, an_hour, WAY), []
    for minute, look in enumerate(looks):
        if restart:
            alarms = Alarms(json.loads(json.dumps(alarms.remembered())), an_hour, WAY)
        found, away = ([], look) if isinstance(look, str) else (look, None)
        alarms.look(found, away, minute * MINUTE)
        here = []
        way = {"way": lambda message, here=here: here.append(message.line)}
        alarms.deliver(way, lambda: None, 0)
        lines.append(here)
    return lines


BAD, WELL = [node("attic", "failing")], [node("attic")]


@pytest.mark.parametrize("restart", [False, True])
def test_a_fault_is_told_once_when_it_begins_and_once_when_it_ends(restart):
    lines = told([BAD, BAD, BAD, BAD, *[WELL] * 7], restart=restart)
    assert lines[:8] == [[], ["attic: failing it is"], *[[]] * 6]
    assert lines[8:] == [["attic: over: failing it is (it lasted 3 minutes)"], [], []]


@pytest.mark.parametrize(
    "looks",
    [
        [BAD, WELL, BAD, WELL, BAD, WELL],  # it flaps
        [[node("attic", "weak", "version", "crash")]] * 5,  # what nobody need get up for
    ],
)
def test_what_is_no_news(looks):
    assert told(looks) == [[]] * len(looks)


def test_a_fault_that_comes_back_soon_is_the_same_one():
    assert told([BAD, BAD, WELL, WELL, WELL, BAD, WELL, WELL, BAD]) == [
        *([], ["attic: failing it is"]),
        *[[]] * 7,
    ]


def test_faults_of_nodes_neither_begin_nor_end_while_nobody_collects():
    silent = [node("attic", "silent"), node("cellar", "failing")]
    lines = told([silent, silent, *["no collector"] * 10, silent, silent, *[silent] * 6])
    assert lines[1] == ["attic: silent it is", "cellar: failing it is"]
    assert lines[3] == ["no collector"]
    assert [text for look in lines[4:] for text in look] == [
        "over: no collector (it lasted 9 minutes)"
    ]


def test_so_many_an_hour_and_the_others_summed_up():
    """The access point of a hundred nodes fails: nobody reads a hundred messages."""
    fleet = [node(f"n{number:02}", "offline") for number in range(20)]
    lines = told([fleet] * 70, an_hour=3)
    more = "more faults began or ended: make fleet lists what is wrong now"
    assert lines[1] == ["n00: offline it is", "n01: offline it is", f"18 {more}"]
    assert [text for look in lines[2:] for text in look] == []
    # Others while the hour is full are told when it is not.
    late = [node("x", "failing"), node("y", "failing")]
    lines = told([fleet] * 10 + [[*fleet, *late]] * 70, an_hour=3)
    assert [text for look in lines[2:] for text in look] == [f"2 {more}"]
    # So many as there is room for are told one by one.
    assert len(told([fleet] * 5, an_hour=20)[1]) == 20


def test_what_does_not_go_is_kept_in_its_order_and_given_up_after_a_day():
    alarms = Alarms({}, 100, WAY)
    for minute in range(2):
        alarms.look([node("a", "failing"), node("b", "failing")], None, minute * MINUTE)
    down = {"way": lambda message: "no network"}
    assert alarms.deliver(down, lambda: None, MINUTE) == "no network"
    # What waits for a way that is no more goes by the new one.
    alarms = Alarms(json.loads(json.dumps(alarms.remembered())), 100, ["other"])
    sent, kept = [], []
    up = {"other": lambda message: sent.append(message.node)}
    alarms.deliver(up, lambda: kept.append(1), 2 * MINUTE)
    assert sent == ["a", "b"] and len(kept) == 2 and not alarms.waiting["other"]
    alarms.waiting["other"].append(Message("began", "a", "failing", "x", 0))
    assert alarms.deliver({"other": lambda message: "no"}, lambda: None, 25 * 60 * MINUTE) is None


def test_a_way_that_fails_lets_the_others_tell_once():
    alarms, sent = Alarms({}, 100, ["command", "address"]), []
    ways = {
        "address": lambda message: "down",
        "command": lambda message: sent.append(message.line),
    }
    for minute in range(60):
        if minute % 7 == 3:
            state = json.loads(json.dumps(alarms.remembered()))
            alarms = Alarms(state, 100, ["command", "address"])
        alarms.look(BAD, None, minute * MINUTE)
        assert alarms.deliver(ways, lambda: None, minute * MINUTE) == ("down" if minute else None)
    assert sent == ["attic: failing it is"]
    ways["address"] = ways["command"]
    alarms.deliver(ways, lambda: None, 60 * MINUTE)
    assert sent == ["attic: failing it is"] * 2


def test_a_clock_that_was_ahead_silences_nothing():
    """Twelve messages while it was a year ahead are no full hour for a year, and their faults end."""
    alarms, sent = Alarms({}, 12, WAY), []
    way = {"way": lambda message: sent.append(message.line)}

    def look(nodes, now):
        alarms.look(nodes, None, now)
        alarms.deliver(way, lambda: None, now)

    many = [node(f"n{number:02}", "offline") for number in range(11)]
    for minute in (0, 1):
        look(many, NOW + YEAR + minute * MINUTE)
    assert len(sent) == 11
    for minute in range(62):
        look([], NOW + minute * MINUTE)
    more = "more faults began or ended: make fleet lists what is wrong now"
    assert sent[11:] == [f"11 {more}"]
    for minute in range(130, 133):
        look([node("attic", "failing")], NOW + minute * MINUTE)
    assert sent[-1] == "attic: failing it is"
    # what could not be told meanwhile is given up a day later, not a year
    alarms.waiting["way"].append(Message("began", "a", "failing", "x", NOW + YEAR))
    alarms.look([], None, NOW)
    down = {"way": lambda message: "no"}
    assert alarms.deliver(down, lambda: None, NOW + 25 * 60 * MINUTE) is None


# The ways

PYTHON = shlex.quote(sys.executable)  # a checkout's folder may have any name
EVIL = "$(touch owned); `touch owned` | touch owned & \x1b[2J\n" + '"quotes"'


def test_a_command_gets_the_message_and_no_shell_sees_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "tell it.py"
    program.write_text(
        "import json, os, sys\n"
        "names = {k: v for k, v in os.environ.items() if k.startswith('OUTPOST_')}\n"
        "json.dump([sys.argv[1:], sys.stdin.read(), names], open('got', 'w'))\n"
    )
    send = deliver.by_command(f"{PYTHON} '{program}' a 'b c'")
    assert send(Message("began", EVIL, "failing", EVIL, 5)) is None
    arguments, line, names = json.loads((tmp_path / "got").read_text())
    assert arguments == ["a", "b c"]
    assert line == f"{EVIL}: {EVIL}\n"
    assert names["OUTPOST_TEXT"] == names["OUTPOST_NODE"] == EVIL
    assert (names["OUTPOST_EVENT"], names["OUTPOST_AT"]) == ("began", "5")
    assert not os.path.exists("owned")


def test_a_command_that_fails_says_so(monkeypatch):
    message = Message("began", "attic", "failing", "x", 0)
    fails = f"{PYTHON} -c 'import sys; sys.exit(\"no route\")'"
    assert deliver.by_command(fails)(message).endswith("ended with 1: no route")
    monkeypatch.setattr(deliver, "_PATIENCE_S", 0.2)
    sleeps = f"{PYTHON} -c 'import time; time.sleep(30)'"
    assert "did not end within" in deliver.by_command(sleeps)(message)
    monkeypatch.setattr(deliver, "_PATIENCE_S", 3)
    # What it leaves behind is not waited for: it has the message.
    leaves = "sh -c 'cat >/dev/null; sleep 6 & exit 0'"
    assert deliver.by_command(leaves)(message) is None
    with pytest.raises(CommandError, match="there is no program nothing-of-this-name"):
        deliver.by_command("nothing-of-this-name -x")
    with pytest.raises(CommandError, match="is no command"):
        deliver.by_command("mail 'me")


@pytest.fixture
def hook():
    """A server that keeps what is posted; `answers`: what it says, 200 when they are over."""
    got, answers = [], []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/secret-token", got, answers
    server.shutdown()
    server.server_close()


def test_an_address_gets_json_and_what_it_refuses_is_told_without_the_address(hook):
    address, got, answers = hook
    answers[:] = [500, 302]
    send = deliver.by_post(address)
    message = Message("ended", "attic", "failing", EVIL, 5)
    for code in ("500", "302"):
        fault = send(message)
        assert code in fault and "secret" not in fault
    assert send(message) is None
    path, kind, body = got[-1]
    assert (path, kind) == ("/secret-token", "application/json")
    assert body == message._asdict() | {"line": f"attic: over: {EVIL}"}
    assert "refused" in deliver.by_post("http://127.0.0.1:1/")(message)
    for other in ("file:///etc/passwd", "ftp://x/y", "example.org", "http://", "http://[x"):
        with pytest.raises(CommandError, match="POST= is no address"):
            deliver.by_post(other)


# The command


def test_the_command_tells_over_restarts(tmp_path, hook, capsys):
    address, got, answers = hook
    path = tmp_path / "r.sqlite"
    store = SqliteStore(path, "outpost")
    store.append(Batch(states=[State("attic", "status", "offline", 1_796_000_000_000)]))
    answers[:] = [503]
    words = ["alarms", "--store", str(path), "--once", "--post", address]
    assert [main.main(words) for _ in range(4)] == [0, 1, 0, 0]
    out = capsys.readouterr()
    assert "not told: 127.0.0.1 answers 503" in out.err and "secret" not in out.err + out.out
    assert [body["event"] for *_, body in got] == ["began", "began"]  # the first was refused
    store.close()


@pytest.fixture
def faulty(tmp_path):
    """A store with one node that is offline: its path."""
    path = tmp_path / "r.sqlite"
    store = SqliteStore(path, "outpost")
    store.append(Batch(states=[State("attic", "status", "offline", NOW)]))
    yield path
    store.close()


def test_what_was_only_printed_is_told_later(faulty, hook, capsys):
    address, got, _ = hook
    words = ["alarms", "--store", str(faulty), "--once"]
    assert [main.main(words) for _ in range(3)] == [0, 0, 0]
    assert capsys.readouterr().out.count("attic: offline") == 1
    assert [main.main([*words, "--post", address]) for _ in range(3)] == [0, 0, 0]
    assert [body["node"] for *_, body in got] == ["attic"]


def test_a_disk_that_is_full_keeps_nothing_and_ends_nothing(
    faulty, tmp_path, hook, capsys, monkeypatch
):
    address, got, _ = hook
    looks = []

    def next_look(seconds):
        looks.append(seconds)
        if len(looks) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("station.fleet.tell.time.sleep", next_look)
    state = tmp_path / "state"
    state.write_text('{"faults": {}}')
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("tools.wholefile.os.fsync", lambda number: (_ for _ in ()).throw(full))
    words = ["alarms", "--store", str(faulty), "--post", address, "--state", str(state)]
    assert main.main(words) == 0
    out = capsys.readouterr().out
    assert [body["event"] for *_, body in got] == ["began"]
    assert out.count("what was told cannot be kept") == 1 and "no space left" in out
    assert main.main([*words, "--once"]) == 1
    assert "what was told cannot be kept" in capsys.readouterr().err


def test_a_store_that_cannot_be_opened_just_now_is_told(faulty, hook, capsys, monkeypatch):
    """As on a full disk where no collector has it open; it is opened when it can be."""
    address, got, _ = hook
    full = sqlite3.OperationalError("disk I/O error")
    full.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    words = ["alarms", "--store", str(faulty), "--once", "--post", address]
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "_check", lambda self, db: (_ for _ in ()).throw(full))
        assert [main.main(words) for _ in range(2)] == [0, 0]
    assert (
        "cannot be read just now: disk I/O error. See whether its disk is full"
        in got[0][2]["text"]
    )
    assert [main.main(words) for _ in range(2)] == [0, 0]
    assert [body["node"] for *_, body in got] == ["", "attic"]


def test_a_database_needs_a_place_for_what_was_told_and_its_password_is_not_shown(capsys):
    words = ["alarms", "--store", "postgresql://me:secret@127.0.0.1:9/x", "--once"]
    assert main.main(words) == 2
    said = capsys.readouterr()
    assert "give STATE=" in said.err and "secret" not in said.err + said.out


@pytest.mark.parametrize(
    "damaged",
    [
        '{"faults":{"a\\nsilent":1}}',
        '{"faults":{"a\\nsilent":{}}}',
        '{"faults":{},"told":"x"}',
        '{"faults":{},"waiting":[[1]]}',
        '{"faults":{},"waiting":{"address":[[1]]}}',
        '{"faults":{},"held":"x"}',
    ],
)
def test_a_state_that_is_damaged_begins_anew(damaged, faulty, tmp_path, hook, capsys):
    address, got, _ = hook
    state = tmp_path / "state"
    state.write_text(damaged)
    words = ["alarms", "--store", str(faulty), "--once", "--post", address, "--state", str(state)]
    assert [main.main(words) for _ in range(2)] == [0, 0]
    assert capsys.readouterr().out.count("is damaged: it begins anew") == 1
    assert len(got) == 1


def test_the_command_says_what_is_wrong(tmp_path, hook, capsys):
    address, got, _ = hook
    SqliteStore(tmp_path / "r.sqlite", "outpost").close()
    store = ["--store", str(tmp_path / "r.sqlite")]
    assert main.main(["alarms", "--test", "--post", address, *store]) == 0
    assert got[0][2]["text"] == "This is a test of Outpost's alarms."
    (tmp_path / "r.sqlite.alarms.json.printed").write_text("[]")
    for words, fault in (
        (["--test"], "sends a message: give"),
        (["--once"], "is no file of what has been told"),
        (["--store", str(tmp_path / "none")], "there is no"),
    ):
        assert main.main(["alarms", *store, *words]) == 1
        assert fault in capsys.readouterr().err
