"""`python -m station`: its commands, whom the collector connects to, what it says of itself."""

import json
import re
import subprocess
import sys
import urllib.request

import pytest

from sim.broker import free_port
from sim.certificates import Authority
from station import __main__ as main
from station import access, collect, metrics, progress
from tools import ROOT, CommandError, said
from tools import __main__ as tools_main

SECRET = "collector-Secret-1"


@pytest.fixture
def parsed():
    def parse(*words):
        parser = tools_main.Parser()
        collect.add_arguments(parser)
        return parser.parse_args(words)

    return parse


@pytest.fixture
def chosen(parsed, tmp_path, monkeypatch):
    """Return a function: base and brokers that options mean, in a folder without a config.json."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(access.PASSWORD, raising=False)
    homes = (tmp_path / f"home{number}" for number in range(99))

    def choose(*words):
        home = next(homes)
        home.mkdir()
        return access.chosen(parsed(*words), home)

    return choose


def wrong(chosen, *words):
    with pytest.raises(CommandError) as e:
        chosen(*words)
    return str(e.value)


def config(folder, **broker):
    wifi = {"networks": [{"ssid": "x", "password": "12345678"}]}
    entry = {"host": "192.168.1.10", "user": "node", "password": "node-Secret-1"} | broker
    settings = {"wifi": wifi, "node": {"base": "home/ground"}, "mqtt": {"brokers": [entry]}}
    (folder / "config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("word", "host", "port", "tls"),
    [
        ("192.168.1.10", "192.168.1.10", 1883, False),
        ("broker.local:1884", "broker.local", 1884, False),
        ("mqtt://broker", "broker", 1883, False),
        ("mqtts://broker", "broker", 8883, True),
        ("mqtts://[fe80::1]:99", "fe80::1", 99, True),
    ],
)
def test_a_broker_that_is_named(word, host, port, tls, chosen):
    base, (found,) = chosen("--broker", word)
    assert (base, found.broker["host"], found.broker["port"]) == ("outpost", host, port)
    assert (found.context is not None) == tls


def test_the_broker_of_a_config(chosen, tmp_path):
    config(tmp_path)
    base, (found,) = chosen()
    assert base == "home/ground"
    assert (found.place, found.broker["user"]) == ("192.168.1.10:1883", "node")
    assert chosen("--base", "other")[0] == "other"


def test_an_account_of_its_own(chosen, tmp_path, monkeypatch):
    config(tmp_path)
    (tmp_path / "secret").write_text(SECRET + "\n")
    _, (found,) = chosen("--account", "collector", "--password-file", "secret")
    assert (found.broker["user"], found.broker["password"]) == ("collector", SECRET)
    monkeypatch.setenv(access.PASSWORD, "from there")
    assert chosen("--account", "collector")[1][0].broker["password"] == "from there"


def test_the_authority_of_the_broker(chosen, tmp_path):
    ca = Authority(tmp_path / "ca").issue("broker", hosts=("127.0.0.1",)).ca
    _, (found,) = chosen("--broker", "127.0.0.1", "--ca", str(ca), "--server-name", "broker")
    assert found.broker["port"] == 8883 and found.context.name == "broker"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "there is no config.json with a broker: name one, as BROKER=192.168.1.10, or give"),
        ("--config none.json", "there is no none.json: make config BOARD=pico_w"),
        ("--broker http://x", "BROKER=http://x is no broker: give host, host:port or mqtts://"),
        ("--broker x:99999", "BROKER=x:99999 is no broker: give host, host:port or mqtts://"),
        ("--broker me:secret@host", "is no broker: give host, host:port or mqtts://host:port"),
        (
            "--broker x --account me",
            "ACCOUNT=me has no password: put it into a file, PASSWORD_FILE",
        ),
        ("--broker x --account me --password-file no", "there is no no"),
        ("--broker x --account me --password-file two", "two has to be one line: the password"),
        ("--broker x --account me --password-file empty", "empty has to be one line"),
        ("--broker x --password-file two", "PASSWORD_FILE= is the password of an ACCOUNT="),
        ("--broker x --ca no.pem", "there is no no.pem"),
        ("--broker x --ca two", "two have to be PEM files that fit each other"),
        ("--broker mqtt://x --ca two", "are for TLS: give BROKER=mqtts://host"),
        ("--broker x --cert two", "CERT= and KEY= belong together: give both"),
        ("--broker x --base a/#", "BASE=a/# is no base of topics: give one, as outpost or home/"),
        ("--broker x --base /a", "BASE=/a is no base of topics"),
    ],
)
def test_what_is_given_wrong(words, told, chosen, tmp_path):
    (tmp_path / "two").write_text("one\ntwo\n")
    (tmp_path / "empty").touch()
    assert told in wrong(chosen, *words.split())


def test_numbers_for_prometheus():
    numbers = metrics.Numbers()
    numbers.readings_stored, numbers.connected = 12, 1
    port = free_port()
    server = metrics.serve(port, numbers.text)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
        with pytest.raises(CommandError, match=f"METRICS={port}: Address already in use: give a"):
            metrics.serve(port, numbers.text)
    finally:
        server.shutdown()
        server.server_close()
    lines = text.splitlines()
    assert "outpost_collector_readings_stored_total 12" in lines
    assert "# TYPE outpost_collector_connected gauge" in lines
    for line in lines:
        assert re.fullmatch(r"# (HELP|TYPE) \w+ .+|outpost_collector_\w+ [\d.]+", line), line


def test_how_it_goes_is_one_line_on_a_terminal(terminal, monkeypatch):
    terminal()
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    numbers = metrics.Numbers()
    shown = progress.Progress(numbers, lambda: "attic/air")
    numbers.readings_stored, now[0] = 30, 2.0
    shown.step()
    shown.tell("an event")
    told = terminal()
    assert "30 readings, 15.0 a second, the last from attic/air" in told
    assert re.search(r"\d\d:\d\d:\d\d  an event", told)


def test_the_rate_is_that_of_ten_seconds(terminal, monkeypatch):
    """Nodes send five readings at once every five seconds."""
    terminal()
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    numbers = metrics.Numbers()
    shown = progress.Progress(numbers, lambda: "attic/air")
    for second in range(1, 41):
        now[0] = float(second)
        numbers.readings_stored += 5 * (second % 5 == 0)
        shown.step()
    rates = re.findall(r"readings, ([\d.]+) a second", terminal())
    assert set(rates[10:]) == {"1.0"} and len(rates) == 40


def test_elsewhere_a_line_now_and_then(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    numbers = metrics.Numbers()
    shown = progress.Progress(numbers, lambda: "attic/air")
    for second in range(1, 1300):
        now[0] = float(second)
        numbers.readings_stored += 1
        shown.step()
    shown.end()
    assert capsys.readouterr().out.splitlines() == [
        "600 readings, 1.0 a second, the last from attic/air",
        "1,200 readings, 1.0 a second, the last from attic/air",
        "stopped: 1,299 readings stored",
    ]


def test_help_lists_all_commands_and_imports_none():
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from station import __main__\n"
        "try: __main__.main()\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith(('station.', 'paho', 'sqlite3'))])"
    )
    out = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True, timeout=20)
    assert all(re.search(rf"^    {name}\b", out, re.M) for name in main.COMMANDS), out
    assert out.splitlines()[-1] == "['station.__main__']"


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as end:
        main.main([name, "--help"])
    assert end.value.code == 0
    said = "".join(capsys.readouterr().out.split()).lower()
    assert "".join(main.COMMANDS[name][1].split()).lower() in said


def test_makes_words_are_translated(monkeypatch):
    monkeypatch.delenv("OUTPOST_MAKE", raising=False)
    assert said("run make collect RETIRE=1 STORE=x, or make gaps NODE=a; make bench-collect") == (
        "run python -m station collect --retire --store x, or python -m station gaps --node a;"
        " make bench-collect"
    )


def test_a_fault_is_one_line_in_the_callers_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tools_main.signal, "signal", lambda *args: None)
    for by_make, word in (("1", "BROKER=192"), ("", "--broker 192")):
        monkeypatch.setenv("OUTPOST_MAKE", by_make)
        assert main.main(["collect"]) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: there is no config.json") and word in err
