"""Provisioning as it goes over the air: what a phone is led to, what the form does, what nonsense and haste do not do."""

import json
import re
import select
import socket
import threading
import time

import pytest
from outside import NAME, NODE, ONLINE_S, SECRETS, WIFI_PASSWORD, settings, stream, until
from phone import HOST, Phone

from sim import certificates
from tools import pins

AIR = [
    {"at_s": 0, "do": "access_point", "ssid": "attic", "key": WIFI_PASSWORD, "rssi": -51},
    {"at_s": 0, "do": "access_point", "ssid": "cellar", "key": "another-Secret", "rssi": -84},
    {"at_s": 0, "do": "access_point", "ssid": "café", "rssi": -67},
    {"at_s": 0, "do": "access_point", "ssid": "<script>alert(1)</script>", "key": "x" * 8},
    {"at_s": 0, "do": "access_point", "ssid": "\"'><img src=x>&amp;", "key": "x" * 8},
    {"at_s": 0, "do": "access_point", "hex": "ff00c328", "key": "x" * 8},
    {"at_s": 0, "do": "access_point", "ssid": "\u202egnol" + "y" * 20, "key": "x" * 8},
]
GOOD = {"ssid": "attic", "key": WIFI_PASSWORD, "user": NODE[0], "password": NODE[1], "name": NAME}


@pytest.fixture
def fresh(nodes, compiled):
    """Make a board on which nobody has put a config.json yet. (Compiled: microdot's source is too large for a board.)"""

    def make(board="esp32", config="", wired=(), **options):
        node = nodes(config, board, scenario=[*AIR, *wired], files=compiled, **options)
        if not config:
            (node.flash / "config.json").unlink()
        node.start()
        return node, Phone(node)

    return make


def good(broker):
    return GOOD | {"host": "127.0.0.1", "port": str(broker.port)}


def saved(node):
    return json.loads((node.flash / "config.json").read_text())


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_the_saved_settings_bring_the_node_up(broker, fresh, seen, board):
    node, phone = fresh(board)
    assert "Trying the settings" in phone.submit(**good(broker)).words
    page = phone.result()
    assert (
        "Saved" in page.words and f"broker 127.0.0.1:{broker.port} accepts the node" in page.words
    )
    seen.wait_for(f"{NAME}/status", "online", 60)
    assert node.resets == ["power", "reset"]
    assert saved(node) == {
        "node": {"name": NAME},
        "wifi": {"networks": [{"ssid": "attic", "password": WIFI_PASSWORD}]},
        "mqtt": {
            "brokers": [
                {
                    "host": "127.0.0.1",
                    "port": broker.port,
                    "user": NODE[0],
                    "password": NODE[1],
                }
            ]
        },
    }
    # nothing of the trial stayed at the broker, and it never published
    assert {m.topic.split("/")[0] for m in seen.messages} <= {"outpost", "homeassistant"}
    assert not any("trial" in m.topic for m in seen.messages)


def test_the_password_of_the_access_point_is_the_node_s_own(fresh):
    node, _ = fresh()
    node.wait_for("provisioning: join the Wi-Fi network outpost-", 5)
    assert re.search("network outpost-[0-9a-f]{6}, password ", node.output)
    password = node.output.split(", password ")[1].split(",")[0]
    assert len(password) == 11
    node.kill()
    node.start()
    node.wait_for(f"password {password}, and open http://", 10, times=2)
    other, _ = fresh()
    other.wait_for("password ", 5)
    assert password not in other.output


def test_a_wrong_password_is_told_in_words(broker, fresh):
    node, phone = fresh()
    phone.submit(**good(broker) | {"key": "not-the-Secret"})
    page = phone.result()
    assert "That did not work" in page.words
    assert "Wi-Fi attic:" in page.words and "wrong password" in page.words
    assert "role=alert" in page.text
    assert not (node.flash / "config.json").exists()
    # what was entered stands there again, but for the secrets
    for text in ("not-the-Secret", *SECRETS):
        assert text not in page.text
    assert f'name=port type=text value="{broker.port}"' in page.text
    assert 'value="attic" checked' in page.text and f'value="{NODE[0]}"' in page.text
    # the other secret need not be entered again
    phone.submit(**good(broker) | {"password": ""})
    assert "Saved" in phone.result().words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ssid": "", "other": "nowhere"}, "Wi-Fi nowhere: network not found"),
        ({"password": "wrong"}, "check user and password"),
        ({"host": "nowhere.invalid"}, "no address for nowhere.invalid; check the name"),
        ({"port": "1"}, "nothing listens on that port; check it"),
    ],
)
def test_what_else_can_be_wrong(broker, fresh, change, words):
    node, phone = fresh()
    phone.submit(**good(broker) | change)
    page = phone.result()
    assert words in page.words, page.words
    assert not (node.flash / "config.json").exists()


def test_what_no_test_is_needed_for_is_marked_at_once(fresh):
    node, phone = fresh()
    page = phone.submit(ssid="", key="short", host="a b", port="x", name="a/b")
    assert "Nothing was saved" in page.words and page.text.count("aria-invalid=true") == 5
    for words in (
        "is empty, give text of 1 to 32 bytes",
        "give 8 to 63 characters",
        "is no name of a host",
        "give text of 0 to 64 bytes without + # / $",
    ):
        assert words in page.words, words
    assert not (node.flash / "config.json").exists()


def test_saved_without_a_test(broker, fresh, seen):
    node, phone = fresh()
    node.do("wifi_off", ssid="attic")
    assert "Saved" in phone.submit("save", **good(broker)).words
    node.wait_resets(2, 15)
    node.do("wifi_on", ssid="attic")
    seen.wait_for(f"{NAME}/status", "online", 60)


def test_hostile_networks_are_text(fresh):
    _, phone = fresh()
    page = phone.ask()
    assert "<script" not in page.text and "<img" not in page.text
    for words in (
        "<script>alert(1)</script>",
        "\"'><img src=x>&amp;",
        "café",
        r"\xff\x00\xc3(",
    ):
        assert words in page.words, words
    assert 'value="café"' in page.text
    assert r'value="\xff\x00\xc3(" disabled' in page.text
    assert page.words.index("attic") < page.words.index("café") < page.words.index("cellar")
    assert "strong, -51 dBm" in page.words and "very weak, -84 dBm" in page.words
    assert "open, good, -67 dBm" in page.words


def test_what_is_entered_is_text_too(fresh):
    _, phone = fresh()
    page = phone.submit(
        ssid="", other='"><script>x</script>', host="<b>", name="'<i>\"", user="<u>"
    )
    assert not any(tag in page.text for tag in ("<script", "<b>x", '<i>"', "<u>"))
    assert 'value="&quot;&gt;&lt;script&gt;x&lt;/script&gt;"' in page.text


def test_networks_are_searched_again(fresh):
    node, phone = fresh()
    node.do("access_point", ssid="just switched on", key="x" * 8)
    time.sleep(0.3)
    assert "just switched on" not in phone.ask().words
    assert phone.ask("POST", "/search", {"token": phone.token()}).status == 303
    assert "just switched on" in phone.ask().words


def test_every_probe_of_a_phone_is_led_here(fresh):
    _, phone = fresh()
    for host, path in (
        ("connectivitycheck.gstatic.com", "/generate_204"),
        ("captive.apple.com", "/hotspot-detect.html"),
        ("www.msftconnecttest.com", "/connecttest.txt"),
        ("detectportal.firefox.com", "/canonical.html"),
        ("192.0.2.1", "/"),
        ("", "/"),
        (HOST, "/anything?else=1"),
    ):
        answer = phone.ask(path=path, host=host)
        assert answer.status == 302 and answer.headers["Location"] == f"http://{HOST}/", host
    here = f"{HOST}:{phone.port}"
    assert phone.ask(host=here, path="/anything").headers["Location"] == f"http://{here}/"
    assert phone.ask(host=f"{HOST}:80").status == 200
    assert phone.ask(path="/favicon.ico").status == 404


def test_every_name_is_the_node_s(fresh):
    node, _ = fresh()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        question = b"\7captive\5apple\3com\0\0\1\0\1"
        asker.sendto(b"\xff" * 500, (HOST, node.served(53)))
        asker.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0" + question, (HOST, node.served(53)))
        answer = asker.recv(512)
    assert answer[:4] == b"\0\1\x85\0" and answer.endswith(socket.inet_aton(HOST))


def test_a_form_of_elsewhere_does_nothing(broker, fresh):
    node, phone = fresh()
    for token in ("", "0" * 16):
        answer = phone.ask("POST", "/", {"token": token, "do": "save", **good(broker)})
        assert answer.status == 403
    assert phone.ask("POST", "/search", {"token": "x"}).status == 403
    foreign = phone.ask(
        "POST", "/", {"token": phone.token(), "do": "save", **good(broker)}, host="evil.test"
    )
    assert foreign.status == 302
    assert not (node.flash / "config.json").exists() and "Saved" not in phone.ask().words


def test_no_page_of_elsewhere_can_show_or_read_it(fresh):
    _, phone = fresh()
    headers = phone.ask().headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert not any(name.lower().startswith("access-control") for name in headers)


POST = f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
NONSENSE = {
    "nothing": b"\r\n\r\n",
    "no http": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "a long line": b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
    "a line without end": b"A" * 200000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)),
    "a large body": (POST + "Content-Length: 1000000\r\n\r\n").encode() + b"a=" + b"b" * 100000,
    "a negative length": (POST + "Content-Length: -1\r\n\r\n").encode(),
    "no length": (POST + "Content-Length: many\r\n\r\n").encode(),
    "no UTF-8": (POST + "Content-Length: 12\r\n\r\n").encode() + b"token=%ff%fe",
    "no escape": (POST + "Content-Length: 9\r\n\r\n").encode() + b"token=%zz",
    "not a form": (
        POST.replace("x-www-form-urlencoded", "json") + "Content-Length: 2\r\n\r\n{}"
    ).encode(),
    "no body": (POST + "\r\n").encode(),
    "another method": b"DELETE / HTTP/1.1\r\nHost: %s\r\n\r\n" % HOST.encode(),
}


def test_nonsense_is_refused_and_nobody_notices(fresh):
    node, phone = fresh()
    for what, data in NONSENSE.items():
        answer = phone.raw(data)
        assert answer[:10] in (b"HTTP/1.0 4", b""), (what, answer[:100])
        if what not in ("nothing",):
            assert answer, what
        assert phone.ask().status == 200, what
    assert node.resets == ["power"] and "MemoryError" not in node.output


def test_a_body_that_never_comes_holds_up_nobody(fresh):
    _, phone = fresh()
    cut = []
    slow = [socket.create_connection((HOST, phone.port)) for _ in range(3)]
    slow[0].sendall(b"GE")
    slow[1].sendall((POST + "Content-Length: 500\r\n\r\ntoken").encode())
    assert phone.ask().status == 200
    assert not select.select(slow, [], [], 0)[0], "answered before it gave them up"

    def trickle():
        for number in range(200):
            try:
                slow[2].sendall(b"X")
            except OSError:
                cut.append(number)
                return
            time.sleep(0.3)

    thread = threading.Thread(target=trickle)
    thread.start()
    for each in slow:
        each.settimeout(60)
        try:
            while each.recv(1000):
                pass
        except ConnectionResetError:
            pass
        each.close()
    thread.join()
    assert cut, "who sends a byte now and then is cut off, too"
    assert phone.ask().status == 200


def test_connections_that_are_not_used_make_room(fresh):
    """Browsers open some on suspicion."""
    _, phone = fresh()
    idle = [socket.create_connection((HOST, phone.port)) for _ in range(4)]
    time.sleep(0.5)
    until(lambda: quietly(phone) == 200, 5, "room")
    for each in idle:
        each.close()


def test_more_visitors_than_there_is_room_for(fresh):
    _, phone = fresh()
    busy = [socket.create_connection((HOST, phone.port)) for _ in range(4)]
    for each in busy:
        each.sendall(b"GE")
    time.sleep(0.5)
    answer = phone.raw(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode(), 5)
    # a Pico has no connection left
    assert answer == b"" or (answer.startswith(b"HTTP/1.0 503") and b"Refresh: 2" in answer)
    for each in busy:
        each.close()
    until(lambda: quietly(phone) == 200, 10, "room")


def quietly(phone):
    try:
        return phone.ask().status
    except OSError:
        return None


def test_two_phones_at_once(broker, fresh):
    node, one = fresh()
    two = Phone(node)
    answers = []

    def look(phone):
        answers.extend(phone.ask() for _ in range(10))

    threads = [threading.Thread(target=look, args=(phone,)) for phone in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 20
    assert all(answer.text.endswith("</html>") for answer in answers)
    # the first one's settings are tried, and the second sees the same
    token = two.token()
    one.submit(**good(broker) | {"key": "not-the-Secret"})
    assert "Trying the settings" in two.ask().words
    late = two.ask("POST", "/", {"token": token, "do": "save", "ssid": "x", "host": "y"})
    assert late.status == 303 and not (node.flash / "config.json").exists()
    assert "wrong password" in two.result().words and "wrong password" in one.ask().words


def test_the_rest_of_config_json_stays(broker, fresh, seen):
    config = settings([broker.port], sensors=stream())
    config["mqtt"]["brokers"][0]["user"] = ""  # a fault: a password without a user
    node, phone = fresh(config=config)
    page = phone.ask()
    assert "mqtt.brokers[0].user: is empty beside a password" in page.words
    assert not any(secret in page.text for secret in SECRETS)
    assert 'placeholder="unchanged"' in page.text
    phone.submit(**good(broker) | {"key": ""})
    assert "Saved" in phone.result().words
    seen.wait_live("fast", 60)
    assert saved(node)["sensors"] == config["sensors"]
    assert saved(node)["publish"] == config["publish"]
    assert json.loads((node.flash / "config.json.old").read_text()) == config


def test_parts_that_cannot_be_used_are_left_out(broker, fresh, seen):
    config = settings([broker.port], sensors=[{"name": "x", "type": "unheard-of"}])
    _, phone = fresh(config=config)
    page = phone.ask()
    assert "sensors[0].type: unknown" in page.words
    assert "What is saved here leaves out sensors" in page.words
    phone.submit(**good(broker))
    assert "Saved" in phone.result().words
    seen.wait_for(f"{NAME}/status", "online", 60)


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_a_sensor_that_answers_is_offered_and_publishes(broker, fresh, seen, board):
    """The whole of it in a heap of 140 KB, too: a Pico W has 196."""
    at = pins.usual(board, "bme280", "i2c") | {"address": "0x77"}
    wired = [{"at_s": 0, "do": "wire", "name": "x", "type": "bme280", **at}]
    _, phone = fresh(board, wired=wired, heap="140k")
    assert "bme280 address 0x77" in phone.ask().words
    phone.submit(**good(broker), **{"bme280-0x77": "1"})
    assert "the first readings of: bme280-1" in phone.result().words
    assert seen.wait_readings("bme280-1", 1, 60)[0]["pressure"] > 900


def test_without_a_sensor_the_page_says_what_comes_next(broker, fresh):
    node, phone = fresh()
    assert "Nothing answers on SDA pin 21, SCL pin 22, 1-Wire pin 4." in phone.ask().words
    phone.submit(**good(broker))
    assert "The node has no sensors yet" in phone.result().words
    assert "sensors" not in saved(node)


def test_a_heap_20_kilobytes_smaller_is_enough(broker, fresh, seen):
    """What is left when the settings are saved is not to be what a phone's next request takes."""
    config = settings([broker.port], sensors=[{"name": "x", "type": "unheard-of"}])
    node, phone = fresh(config=config, heap="140k")
    phone.submit(**good(broker))
    assert "Saved" in phone.result().words
    assert saved(node)["wifi"] == config["wifi"]
    assert "MemoryError" not in node.output


def test_a_server_that_ends_for_want_of_memory_comes_back(nodes, compiled):
    """A visitor there was no room for ended it, in asyncio's own code: the node was on the air, and answered nobody."""
    node = nodes("", scenario=list(AIR), files=compiled)
    (node.flash / "config.json").unlink()
    node.patch(
        "firmware/provisioning/http.py",
        "    async def _serve(self, stream, _):\n",
        "    def _serve(self, stream, _):\n        raise MemoryError\n\n    async def _unused(self, stream, _):\n",
    )
    node.start()
    assert quietly(Phone(node)) is None
    node.wait_for("join the Wi-Fi network", 30, times=2)
    assert node.resets == ["power", "reset"]


def test_a_button_opens_it_for_a_while(broker, nodes, compiled, seen):
    config = settings([broker.port], provisioning={"button": 4, "minutes": 1})
    held = [{"at_s": 0, "do": "press", "pin": 4, "level": 0}]
    node = nodes(config, scenario=[*AIR, *held], files=compiled).start()
    phone = Phone(node)
    page = phone.ask()
    assert "config.json on the node" not in page.words and 'value="attic" checked' in page.text
    assert not any(secret in page.text for secret in SECRETS)
    assert not seen.messages_of(f"{NAME}/status")
    # nobody comes any more: the node runs, though the button is stuck
    seen.wait_for(f"{NAME}/status", "online", 60 + 30 + ONLINE_S)
    assert node.resets == ["power", "reset"]


def test_without_the_button_it_does_not_open(broker, nodes, seen):
    config = settings([broker.port], provisioning={"button": 4, "minutes": 1})
    node = nodes(config, scenario=list(AIR)).start()
    seen.wait_for(f"{NAME}/status", "online")
    assert "provisioning:" not in node.output


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_tls_with_the_ca_on_the_node(brokers, authority, fresh, tmp_path, board):
    broker = brokers(tls=authority.issue("broker.test"))
    node, phone = fresh(board)
    assert "Encrypted (TLS)" not in phone.ask().words  # there is no CA
    node.kill()
    other = certificates.Authority(tmp_path / "other")
    for ca, words in (
        (other.ca, "TLS: the broker's certificate"),
        (
            authority.ca,
            "the broker's certificate is for another name; `server_name` is to be that, check tls",
        ),
    ):
        (node.flash / "ca.pem").write_bytes(ca.read_bytes())
        node.start()
        until(lambda: node.output.count("stand: port 80 ") == len(node.resets), 20, "the page")
        phone = Phone(node)
        assert "Encrypted (TLS)" in phone.ask().words
        phone.submit(**good(broker) | {"tls": "1"})
        page = phone.result()
        assert words in page.words, page.words
        node.kill()
