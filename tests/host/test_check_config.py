"""`python -m tools check-config`, as a user calls it."""

import json
import os
import re
import subprocess
import sys

import pytest
from deploying import filled_in

from sim import certificates
from tools import ROOT

SECRET = "hunter2hunter2"
GOOD = {
    "wifi": {"networks": [{"ssid": "attic", "password": SECRET}]},
    "mqtt": {"brokers": [{"host": "broker", "user": "node", "password": SECRET}]},
    "sensors": [{"name": "attic", "type": "dht22", "pin": 27}],
}


@pytest.fixture
def call(tmp_path):
    def call(config=None, *words):
        if config is not None:
            text = config if isinstance(config, str) else json.dumps(config)
            (tmp_path / "config.json").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "tools", "check-config", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stdout + done.stderr
        return done

    return call


def test_a_good_config(call):
    done = call(GOOD)
    assert (done.returncode, done.stderr) == (0, "")
    ram, good = done.stdout.splitlines()
    assert good == "config.json: good; to check the pins too, give BOARD="
    assert ram.startswith("config.json: takes about ")
    ram, good = call(GOOD, "config.json", "--board", "pico2_w").stdout.splitlines()
    assert good == "config.json: good"
    assert ram.endswith(" KB of RAM of a pico2_w")


def test_too_little_ram_is_warned_of(call):
    """What it takes is in test_heap.py."""
    done = call(GOOD | {"outbox": {"ram_bytes": 65536}}, "--board", "esp32")
    assert done.returncode == 0
    warning, good = done.stdout.splitlines()
    assert warning.startswith("config.json: warning: memory: these settings take about ")
    assert "look at what is warned of" in good


def test_too_little_ram_is_warned_of_beside_faults(call):
    """The check named it only when all else was mended."""
    more = {"outbox": {"ram_bytes": 65536, "rom": 1}, "sensors": [1, {"type": "dht22", "pin": 27}]}
    done = call(GOOD | more, "--board", "esp32")
    assert done.returncode == 1
    warning, *faults = done.stdout.splitlines()
    assert warning.startswith("config.json: warning: memory: these settings take about ")
    assert len(faults) == 3
    for raw in ([], {"sensors": 1, "outbox": 2, "mqtt": {"brokers": [3]}}):
        assert "warning: memory" not in call(json.dumps(raw), "--board", "pico_w").stdout


def test_every_fault_is_a_line(call):
    done = call(GOOD | {"wifi": {"networks": [{"sid": "attic"}]}, "log": {"level": "inof"}})
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "config.json: wifi.networks[0].ssid: missing, give text of 1 to 32 bytes",
        "config.json: wifi.networks[0].sid: unknown, did you mean ssid?",
        'config.json: log.level: is none of them (did you mean info?), give one of "debug", "info", "warning", "error"',
    ]
    assert done.stderr == "3 faults\n"


def test_faults_of_all_kinds_at_once(call):
    """The check named the example's words when all else was mended, a missing file after them, an address never beside a fault."""
    brokers = [{"host": "localhost", "port": 1883, "tls": {"ca": "ca.pem", "kee": 1}}]
    networks = [{"ssid": "your network", "password": "your password"}, 1]
    done = call({"wifi": {"networks": networks}, "mqtt": {"brokers": brokers}})
    assert done.returncode == 1
    assert [re.sub(r",.*", "", line) for line in done.stdout.splitlines()] == [
        "config.json: warning: sensors: there are none: the node publishes only its own state",
        "config.json: warning: mqtt.brokers[0].host: localhost is the board itself",
        "config.json: warning: mqtt.brokers[0].port: is 1883; with tls",
        "config.json: wifi.networks[1]: is a number",
        "config.json: mqtt.brokers[0].tls.kee: unknown",
        'config.json: wifi.networks[0].ssid: is still the example\'s "your network"',
        'config.json: wifi.networks[0].password: is still the example\'s "your password"',
        "config.json: mqtt.brokers[0].tls.ca: there is no ca.pem beside config.json",
    ]
    assert done.stderr == "5 faults\n"


@pytest.mark.parametrize("ca", ["", "/", "..", "a\0b", "x" * 5000, 1, None, ["ca.pem"]])
def test_a_name_that_is_none_of_a_file_is_one_fault(call, ca):
    done = call(GOOD | {"mqtt": {"brokers": [{"host": "b", "tls": {"ca": ca}}]}})
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("config.json: mqtt.brokers[0].tls.ca: ")


@pytest.mark.parametrize(
    "raw", [[], {"mqtt": 1}, {"mqtt": {"brokers": {}}}, {"wifi": [], "ntp": 2}]
)
def test_what_is_of_another_kind_is_no_traceback(call, raw):
    assert call(raw).returncode == 1


def test_the_name_in_a_certificate_is_no_address(call, tmp_path):
    certificates.Authority(tmp_path)
    broker = {"host": "broker", "tls": {"ca": "ca.pem", "server_name": "localhost"}}
    assert "warning" not in call(GOOD | {"mqtt": {"brokers": [broker]}}).stdout


def test_the_pins_of_a_board(call):
    assert call(GOOD, "config.json", "--board", "pico_w").returncode == 0
    pins = {"name": "attic", "type": "dht22", "pin": 6}
    assert call(GOOD | {"sensors": [pins]}, "--board", "pico_w").returncode == 0
    done = call(GOOD | {"sensors": [pins]}, "--board", "esp32")
    assert done.returncode == 1
    assert "sensors[0].pin: GPIO6 is wired to the flash chip" in done.stdout
    assert call(GOOD, "--board", "esp8266").returncode == 2


def test_broken_json(call):
    done = call(f'{{"wifi": {{"password": "{SECRET}}}\n')
    assert done.returncode == 1
    assert done.stdout.startswith("config.json: line 1, column 23: the closing quote")


def test_a_file_that_is_not_there(call):
    for name in ("config.json", "other.json"):
        done = call(None, *(() if name == "config.json" else (name,)))
        assert (done.returncode, done.stdout) == (1, "")
        out = "" if name == "config.json" else f" OUT={name}"
        hint = f"make config BOARD=pico_w{out} writes one for such a board, "
        assert done.stderr.startswith(f"error: there is no {name}: {hint}")


def test_a_file_that_is_not_text(call, tmp_path):
    (tmp_path / "config.json").write_bytes(b'{"a": "\xe9"}')
    done = call()
    assert done.returncode == 1
    assert done.stdout == "config.json: not UTF-8 text, save it as UTF-8\n"


def test_the_example(call):
    text = (ROOT / "config.json.example").read_text()
    done = call(text, "--board", "esp32")
    assert done.returncode == 1
    memory, *faults = done.stdout.splitlines()
    assert memory.startswith("config.json: warning: memory: ")  # one ESP32 is short of it
    assert faults == [
        'config.json: wifi.networks[0].ssid: is still the example\'s "your network", put in that of your network',
        'config.json: wifi.networks[0].password: is still the example\'s "your password", put in that of your network',
    ]
    assert call(filled_in(text), "--board", "esp32").returncode == 0


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost",
        "localhost.localdomain",
        "ip6-localhost",
        "ip6-loopback",
        "node.localhost",
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.1",
    ],
)
@pytest.mark.parametrize("section", ["mqtt.brokers[0]", "ntp"])
def test_an_address_that_is_the_board_itself(call, section, host):
    config = json.loads(json.dumps(GOOD))
    entry = config["mqtt"]["brokers"][0] if section != "ntp" else config.setdefault("ntp", {})
    entry["host"] = host
    done = call(config, "--board", "esp32")
    assert done.returncode == 0
    assert f"warning: {section}.host: {host} is the board itself" in done.stdout
    assert ": good" not in done.stdout


def test_a_name_is_not_taken_for_the_board(call):
    for host in ("127.example.com", "localhosts", "my-localhost", "10.0.0.1"):
        done = call(GOOD | {"mqtt": {"brokers": [{"host": host}]}})
        assert (done.returncode, "warning" in done.stdout) == (0, False), host


def test_what_is_told_of_several_brokers_is_told_once(call):
    brokers = [{"host": "127.0.0.1"}, {"host": "192.168.1.5"}, {"host": "127.0.0.1", "port": 1884}]
    found = call(GOOD | {"mqtt": {"brokers": brokers}}).stdout.splitlines()
    (warned,) = [line for line in found if "warning" in line]
    start = (
        "config.json: warning: mqtt.brokers[0].host, mqtt.brokers[2].host: 127.0.0.1 is the board"
    )
    assert warned.startswith(start)


def test_a_node_without_sensors(call):
    """It was good, without a word."""
    told = "config.json: warning: sensors: there are none: the node publishes only its own state"
    for without in ({"sensors": []}, {}):
        rest = {key: value for key, value in GOOD.items() if key != "sensors"}
        done = call(rest | without)
        assert done.returncode == 0 and told in done.stdout.splitlines()
    assert told not in call(GOOD | {"sensors": [], "outputs": [{"name": "a", "pin": 4}]}).stdout


@pytest.mark.parametrize("host", ["255.255.255.255", "224.0.0.251"])
def test_an_address_of_many(call, host):
    done = call(GOOD | {"mqtt": {"brokers": [{"host": host}]}}, "--board", "esp32")
    assert done.returncode == 0
    assert f"warning: mqtt.brokers[0].host: {host} is no address of one computer" in done.stdout


def test_a_port_that_is_mostly_for_something_else(call, tmp_path):
    certificates.Authority(tmp_path)

    def warned(**broker):
        done = call(GOOD | {"mqtt": {"brokers": [{"host": "b"} | broker]}}, "--board", "pico2_w")
        assert done.returncode == 0
        start = "config.json: warning: mqtt.brokers[0].port: "
        return [line.removeprefix(start) for line in done.stdout.splitlines() if "warning" in line]

    tls = {"ca": "ca.pem"}
    for right in ({}, {"port": 1883}, {"tls": tls}, {"tls": tls, "port": 8883}, {"port": 1884}):
        assert warned(**right) == [], right
    assert warned(port=8883) == [
        'is 8883; without tls, mostly 1883: give 1883, or "tls": {"ca": "ca.pem"}, too'
    ]
    assert warned(port=1883, tls=tls) == [
        'is 1883; with tls, mostly 8883: give 8883, or leave "tls" out'
    ]


def test_a_file_that_is_missing_is_the_fault_it_is_for_deploy(call, tmp_path):
    for name, fault in (
        ("ca.pem", "there is no ca.pem beside config.json, put it there"),
        ("../ca.pem", "is no place for a file of yours, give one such as certs/ca.der"),
    ):
        done = call(GOOD | {"mqtt": {"brokers": [{"host": "broker", "tls": {"ca": name}}]}})
        assert done.returncode == 1
        assert done.stdout == f"config.json: mqtt.brokers[0].tls.ca: {fault}\n"
        (tmp_path / "nodes").mkdir(exist_ok=True)
        (tmp_path / "nodes/attic.json").write_text("{}")
        done = call(None, "--node", "attic")
        assert done.returncode == 1 and f"mqtt.brokers[0].tls.ca: {fault}\n" in done.stdout


def test_the_files_of_tls_are_looked_at(call, tmp_path):
    authority = certificates.Authority(tmp_path)
    good = authority.issue("node", ["localhost"])
    other = authority.issue("other", ["localhost"])
    old = authority.issue("old", ["localhost"], days=-1)
    (tmp_path / "text.pem").write_text("x")
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "cut.pem").write_text(good.cert.read_text()[:200])
    (tmp_path / "folder").mkdir()
    encrypted(good.key, tmp_path / "encrypted.key")

    def told(**tls):
        broker = {"host": "broker", "tls": {"ca": "ca.pem"} | tls}
        done = call(GOOD | {"mqtt": {"brokers": [broker]}}, "--board", "pico2_w")
        lines = [line.removeprefix("config.json: ") for line in done.stdout.splitlines()]
        found = [line for line in lines if "mqtt.brokers[0].tls." in line]
        assert done.returncode == (1 if any(line.startswith("mqtt") for line in found) else 0)
        return [line.replace("mqtt.brokers[0].tls.", "") for line in found]

    pair = {"cert": good.cert.name, "key": good.key.name}
    assert not told(**pair)
    form = ", give a PEM or DER file"
    assert told(ca="text.pem") == ["ca: is no certificate" + form]
    assert told(ca="empty.pem") == ["ca: is empty" + form]
    assert told(ca="cut.pem") == ["ca: is a damaged certificate" + form]
    assert told(ca="folder") == ["ca: folder is a folder, give a file in it"]
    assert told(ca=good.key.name) == ["ca: is a private key, and no certificate" + form]
    assert told(cert=good.key.name, key=good.cert.name) == [
        "cert: is a private key, and no certificate" + form,
        "key: is a certificate, and no private key" + form,
    ]
    assert told(**pair | {"key": "text.pem"}) == ["key: is no private key" + form]
    (locked,) = told(**pair | {"key": "encrypted.key"})
    assert locked.startswith("key: is encrypted, ")
    assert told(**pair | {"key": other.key.name}) == [
        "key: does not belong to `cert`, give the key that it was made with"
    ]
    (expired,) = told(cert=old.cert.name, key=old.key.name)
    assert expired.startswith("warning: cert: expired on 20")


def encrypted(key, path):
    from cryptography.hazmat.primitives import serialization as s

    private = s.load_pem_private_key(key.read_bytes(), None)
    form = s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret")
    path.write_bytes(private.private_bytes(*form))
