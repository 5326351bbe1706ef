"""`provision` without a board: answers put into a config, rows of a CSV given to boards, what is refused. With boards: tests/system."""

import csv
import json
import re
from types import SimpleNamespace

import pytest
from deploying import CONFIG, SECRETS, port

from tools import ROOT, CommandError
from tools.__main__ import main
from tools.boards import answers, boardtrial, ports, provision, several
from tools.boards.roster import Roster
from tools.settings import judge
from tools.settings.judge import BAD_CONFIG, BadConfig

GIVEN = {"ssid": "attic", "password": "new-password", "host": "10.0.0.1", "name": "n1"}


def config(**broker):
    return {
        "wifi": {"networks": [CONFIG["wifi"]["networks"][0], {"ssid": "second"}], "country": "DE"},
        "mqtt": {"brokers": [{**CONFIG["mqtt"]["brokers"][0], "port": 8883, **broker}]},
        "sensors": [{"name": "door", "type": "input", "pin": 25}],
    }


def test_answers_go_into_the_first_network_and_broker():
    before = config()
    raw = answers.apply(before, GIVEN)
    assert before == config()
    assert raw["wifi"] == {
        "networks": [{"ssid": "attic", "password": "new-password"}, {"ssid": "second"}],
        "country": "DE",
    }
    assert raw["node"] == {"name": "n1"}
    assert raw["sensors"] == before["sensors"]
    assert answers.in_config(answers.apply({}, GIVEN | {"port": "1884"})) == GIVEN | {
        "port": "1884"
    }


def test_what_is_left_out_stays():
    assert answers.apply(config(), {}) == config()
    raw = answers.apply(config(), {"ssid": "home", "host": "192.0.2.1", "name": "n2"})
    assert raw == config() | {"node": {"name": "n2"}}


def test_a_password_does_not_go_to_another_place():
    """Else the old network's would be told to the new one."""
    raw = answers.apply(config(), {"ssid": "cafe", "host": "192.0.2.66"})
    assert raw["wifi"]["networks"][0] == {"ssid": "cafe"}
    assert raw["mqtt"]["brokers"][0] == {"host": "192.0.2.66"}
    raw = answers.apply(config(), {"user": "other"})
    assert "password" not in raw["mqtt"]["brokers"][0]


def test_tls_of_the_broker_stays():
    raw = answers.apply(config(tls={"ca": "ca.der"}), {"host": "other"})
    assert raw["mqtt"]["brokers"][0] == {"host": "other", "tls": {"ca": "ca.der"}}


@pytest.mark.parametrize("raw", [[], "x", {"wifi": 1, "mqtt": {"brokers": [3]}, "node": "n"}])
def test_answers_to_a_broken_config(raw):
    assert answers.in_config(answers.apply(raw, GIVEN)) == GIVEN


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({"passphrase": "x"}, "passphrase: unknown, there is ssid, password"),
        ([1], "is not an object of answers"),
        ({"port": [1]}, "port: is neither text nor a number"),
        ({"port": True}, "port: is neither text nor a number"),
        ("{", "line 1"),
    ],
)
def test_answers_that_are_none(found, text, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ports.list_ports, "comports", list)
    path = tmp_path / "answers.json"
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    assert main(["provision", "--answers", str(path)]) == BAD_CONFIG
    assert text in capsys.readouterr().err


def test_answers_are_for_one_board(tmp_path, capsys, monkeypatch):
    listed = [port("/dev/ttyNOT0"), port("/dev/ttyNOT1")]
    monkeypatch.setattr(ports.list_ports, "comports", lambda: listed)
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(GIVEN))
    assert main(["provision", "--port", "all", "--answers", str(path)]) == 2
    assert "answers are for one board" in capsys.readouterr().err


def test_no_option_takes_a_password(capsys):
    with pytest.raises(SystemExit):
        main(["provision", "--help"])
    said = capsys.readouterr().out
    assert "--password" not in said
    assert "Passwords are never options" in said


class Keyboard:
    """Types the answers to the questions it is asked, and notes those."""

    def __init__(self, monkeypatch, typed, hidden):
        self.asked = []
        self.typed = [list(typed), list(hidden)]
        monkeypatch.setattr(answers.sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda text: self._next(0, text))
        monkeypatch.setattr(answers.getpass, "getpass", lambda text: self._next(1, text))

    def _next(self, which, text):
        self.asked.append(text)
        if not self.typed[which]:
            raise EOFError
        return self.typed[which].pop(0)


SEEN = [("attic", -50, True), ("cafe", -80, False), ("\x1b[2Jevil", -90, True)]


def test_questions(monkeypatch, capsys):
    before = answers.in_config(config())
    keyboard = Keyboard(monkeypatch, ["1", "", "", "", ""], ["new-password", ""])
    given = answers.ask(before, SEEN, "esp32-a1b2c3")
    assert given["ssid"] == "attic"
    assert given["password"] == "new-password"
    assert given["broker_password"] == SECRETS[1]
    assert given["name"] == "esp32-a1b2c3"
    assert answers.apply(config(), given)["mqtt"] == config()["mqtt"]
    said = capsys.readouterr().out + "".join(keyboard.asked)
    assert "\x1b" not in said
    assert not [secret for secret in SECRETS if secret in said]
    assert "Wi-Fi network, number or name [home]: " in keyboard.asked
    assert "its password (not shown; empty: none): " in keyboard.asked  # another network's
    assert "its password (not shown; empty: as it is): " in keyboard.asked  # the same broker's


def test_an_open_network_and_no_user_need_no_password(monkeypatch):
    keyboard = Keyboard(monkeypatch, ["cafe", "10.0.0.1", "", "", "n1"], [])
    given = answers.ask({}, SEEN, "x")
    assert given == {
        "ssid": "cafe",
        "password": "",
        "host": "10.0.0.1",
        "name": "n1",
    }
    assert not [text for text in keyboard.asked if "password" in text]


def test_no_more_answers(monkeypatch):
    Keyboard(monkeypatch, ["1"], [])
    with pytest.raises(CommandError, match="nothing was changed"):
        answers.ask({}, SEEN, "x")


# ---- rows


@pytest.fixture
def roster(tmp_path):
    """roster(text of a CSV) → Roster"""

    def make(text):
        path = tmp_path / "nodes.csv"
        path.write_text(text)
        return Roster(path)

    return make


ROWS = "name,ssid,password,board\na,home,pw-a,\nb,home,pw-b,24:0A:C4:00:00:02\nc,home,pw-c,\n"


def test_who_gets_which_row(roster):
    rows = roster(ROWS)
    assert rows.take("240ac4000002", None)["name"] == "b"  # the file says so
    assert rows.take("240ac4000009", "c") == {"name": "c", "ssid": "home", "password": "pw-c"}
    assert rows.take("240ac4000001", "b")["name"] == "a"  # the next; b is another's
    with pytest.raises(CommandError, match="no row is left for board 240ac4000007"):
        rows.take("240ac4000007", None)


def test_results_are_read_the_next_time(roster, tmp_path):
    rows = roster(ROWS)
    for board in ("01", "02"):
        rows.take(board, None)
    rows.tell("a", "01", "/dev/ttyUSB0", "good")
    rows.tell("c", "02", "/dev/ttyUSB1", "Wi-Fi home: wrong password")
    assert rows.left() == ["b", "c"]
    text = (tmp_path / "nodes-results.csv").read_text()
    assert list(csv.DictReader(text.splitlines())) == [
        {"name": "a", "board": "01", "port": "/dev/ttyUSB0", "result": "good"},
        {
            "name": "c",
            "board": "02",
            "port": "/dev/ttyUSB1",
            "result": "Wi-Fi home: wrong password",
        },
    ]
    assert "pw-" not in text
    again = roster(ROWS)
    assert again.left() == ["b", "c"]
    assert again.take("01", None)["name"] == "a"  # once more the same
    assert again.take("03", None)["name"] == "c"  # what failed is free for another board


def test_a_row_that_was_kept_is_nobody_elses(roster):
    """Else two boards were one node: it may only be out of reach today."""
    rows = roster("name\na\nb\n")
    assert rows.take("01", None)["name"] == "a"
    rows.tell("a", "01", "/dev/ttyUSB0", "kept, but not online")
    assert rows.left() == ["b"]
    again = roster("name\na\nb\n")
    assert again.take("02", "a")["name"] == "b"
    with pytest.raises(CommandError, match="no row is left"):
        again.take("03", None)
    assert again.take("01", None)["name"] == "a"


def test_semicolons_of_a_spreadsheet(roster):
    rows = roster('name;ssid;password\na;home;"x;y,z"\n')
    assert rows.take("01", None) == {"name": "a", "ssid": "home", "password": "x;y,z"}


def test_a_row_that_failed_is_the_same_boards_again(roster):
    rows = roster(ROWS)
    assert rows.take("01", None)["name"] == "a"
    rows.tell("a", "01", "/dev/ttyUSB0", "no")
    assert rows.take("01", None)["name"] == "a"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no rows"),
        ("name,ssid\n", "no rows"),
        ("name,wlan\na,b\n", "column wlan: unknown, there is board, ssid"),
        ("name,ssid\n,b\n", "line 2: name: missing"),
        ("name,ssid\na,b\na,c\n", "line 3: name: a is there twice"),
        ("name,board\na,01\nb,01\n", "line 3: board: 01 is there twice"),
        ("name,ssid\na,b,c\n", "line 2: more cells than columns"),
    ],
)
def test_a_csv_that_is_none(text, fault, roster):
    with pytest.raises(BadConfig) as error:
        roster(text)
    assert fault in str(error.value)
    assert error.value.code == BAD_CONFIG


def test_a_byte_order_mark_of_a_spreadsheet(roster):
    assert roster("\ufeffname,ssid\na,home\n").take("01", None)["name"] == "a"


def test_a_csv_in_another_encoding(tmp_path):
    path = tmp_path / "nodes.csv"
    path.write_bytes("name,ssid\nKüche,home\n".encode("latin-1"))
    with pytest.raises(BadConfig, match="is no CSV in UTF-8"):
        Roster(path)


@pytest.fixture
def plugged_in(monkeypatch):
    """plugged_in(rows, {second: ports from then on}) → [(port, second) served], with a clock of its own: work takes no time."""

    def run(rows, plugged):
        clock = [0.0]
        served = []

        def sleep(seconds):
            clock[0] += 0.5
            if clock[0] > 60:
                raise KeyboardInterrupt

        def work(device, line, stopped):
            served.append((device, clock[0]))
            board = f"{len(served):02}"
            given = rows.take(board, None)
            rows.tell(given["name"], board, device, "good")
            return given["name"], "online"

        begin = several.Crew.start

        def start(crew, *board):
            begin(crew, *board)
            crew.join()  # else the clock would run away from a thread that has not begun

        now = SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep)
        monkeypatch.setattr(provision, "time", now)
        monkeypatch.setattr(several.Crew, "start", start)
        listed = lambda: plugged[max(at for at in plugged if at <= clock[0])]  # noqa: E731
        monkeypatch.setattr(ports.list_ports, "comports", listed)
        try:
            assert provision.as_they_come(rows, work) == 0
        except KeyboardInterrupt:
            # out of here it would end the whole test run
            pytest.fail("the work was still going on after a minute")
        return served

    return run


def test_boards_as_they_are_plugged_in(roster, plugged_in, capsys):
    """One, which is away for too short to be another; then a second one beside it; then another board where the first was."""
    bridge = [port(f"/dev/ttyUSB{number}", "0001", vid=0x10C4) for number in (0, 1)]
    served = plugged_in(
        roster("name\na\nb\nc\n"), {0: bridge[:1], 3: [], 4: bridge, 8: [], 20: bridge[:1]}
    )
    assert [device for device, _ in served] == ["/dev/ttyUSB0", "/dev/ttyUSB1", "/dev/ttyUSB0"]
    assert served[2][1] >= 20
    said = capsys.readouterr().out
    assert "nodes to go: 3" in said
    assert "ttyUSB1  b     online" in said


def test_a_native_port_with_another_name_is_the_same_board(roster, plugged_in):
    first, again = port("/dev/ttyACM0", "E661"), port("/dev/ttyACM1", "E661")
    served = plugged_in(
        roster("name\na\nb\n"),
        {0: [first], 2: [], 3: [again], 9: [again, port("/dev/ttyACM0", "E662")]},
    )
    assert [device for device, _ in served] == ["/dev/ttyACM0", "/dev/ttyACM0"]
    assert served[1][1] >= 9


def test_ctrl_c_ends_the_waiting(roster, plugged_in, capsys):
    assert plugged_in(roster("name\na\n"), {0: []}) == []
    assert "nodes to go: 1" in capsys.readouterr().out


def test_networks_are_named_once_and_the_strongest_first():
    class Board:
        def run(self, code):
            pass

        def answers(self, code, **bounds):
            return [
                (b"home", -80, True),
                (b"home", -60, True),
                (b"K\xc3\xbcche", -70, False),
                (b"\0\0", -50, True),
                (b"", -40, True),
            ]

    assert boardtrial.scan(Board()) == [("home", -60, True), ("Küche", -70, False)]


def test_the_example_of_the_page(roster):
    page = (ROOT / "docs/deploy.md").read_text()
    rows = roster(re.search(r"^```csv\n(.*?)^```", page, re.M | re.S)[1])
    given = rows.take("e6614103e7452d2f", None)
    raw = answers.apply({}, given)
    assert given["name"] == "attic"
    assert judge.judge(raw, "pico_w")[1] == []
    assert rows.take("another", None)["name"] == "cellar"


def test_the_page_names_the_answers():
    page = (ROOT / "docs/deploy.md").read_text()
    assert all(f"`{key}`" in page for key in answers.FIELDS)
