"""Settings tried from the board: each thing that can be wrong, told apart and said in words; on both radios, in virtual time."""

import time

import servers
import stand

import sim
from firmware.hardware.board import Board
from firmware.link.joining import begin
from firmware.provisioning.trial import Trial
from firmware.sensors import TYPES
from firmware.settings import config
from mqtt.packets import packet

HEAP = "400k"  # sources are compiled, and the tables of the settings stay
BOARDS = ("esp32", "pico_w")

PASSWORD = "secret-home"
HOME = {"ssid": "home", "password": PASSWORD}
SHED = {"ssid": "shed", "password": "secret-shed"}


class Broker:
    """Answers each connection with these bytes once CONNECT is there; None: takes it and says nothing."""

    def __init__(self, answer=b"\x20\2\0\0"):
        self.answer = answer
        self.server = sim.usocket.socket()
        self.server.bind(sim.usocket.getaddrinfo("127.0.0.1", 0)[0][-1])
        self.server.listen(4)
        self.server.setblocking(False)
        self.port = servers.bound_port(self.server)
        self.peers = []
        self.heard = b""

    def step(self):
        try:
            peer, _ = self.server.accept()
            peer.setblocking(False)
            self.peers.append(peer)
        except OSError:
            pass
        for peer in self.peers[:]:
            try:
                got = peer.recv(500)
            except OSError:
                continue
            fresh = got.startswith(b"\x10")
            self.heard += got
            if fresh and self.answer is not None:
                peer.send(self.answer)
            if not got or (fresh and self.answer == b""):
                peer.close()
                self.peers.remove(peer)


def make(brokers, networks=(HOME,), **more):
    """The settings as they are when checked."""
    raw = {
        "node": {"name": "attic"},
        "wifi": {"networks": list(networks)},
        "mqtt": {"brokers": list(brokers), "client_id": "n1"},
        "ntp": {"host": "time.test"},
    }
    raw.update(more)
    settings, faults = config.check(raw, TYPES, None)
    assert settings, faults
    return settings


def at(broker, **more):
    entry = {"host": "127.0.0.1", "port": broker.port}
    entry.update(more)
    return entry


def run(settings, broker=None, air=(HOME,), seconds=300):
    sim.virtual()
    sim.air()[:] = [stand.AccessPoint(each["ssid"], each["password"]) for each in air]
    trial = Trial(Board(), settings)
    begin = time.ticks_ms()
    while trial.step(time.ticks_ms()):
        if broker:
            broker.step()
        time.sleep_ms(50)
        assert time.ticks_diff(time.ticks_ms(), begin) < seconds * 1000, "for ever"
    for line in [trial.fault or ""] + trial.done + trial.missed:
        assert "secret" not in line, line
    assert not trial.board.radio.connected(), "it has left"
    return trial


def test_all_works():
    broker = Broker()
    trial = run(make((at(broker),)), broker)
    assert trial.fault is None and trial.missed == []
    assert trial.done == [
        "joined home, address 192.168.1.57",
        "the clock is set from time.test",
        "broker 127.0.0.1:%d accepts the node" % broker.port,
    ]


def test_leaves_the_node_s_session_alone():
    broker = Broker()
    run(make((at(broker, user="u", password="p"),)), broker)
    broker.step()
    # clean session, user and password, no will: 0xc2; DISCONNECT at the end
    connect = packet(0x10, b"\0\4MQTT\4\xc2\0\x1e", b"\0\x08n1-trial", b"\0\1u", b"\0\1p")
    assert broker.heard == bytes(connect) + b"\xe0\0"


def test_the_client_id_is_the_node_s_own_and_trial():
    broker = Broker()
    node = {"name": "attic", "base": "home/ground"}
    run(make((at(broker),), mqtt={"brokers": [at(broker)]}, node=node), broker)
    broker.step()
    assert b"\0\x17home/ground/attic-trial" in broker.heard


def test_the_wrong_password():
    trial = run(make((at(Broker()),), ({"ssid": "home", "password": "not-this-one"},)))
    assert trial.fault.startswith("Wi-Fi home: ") and "wrong password" in trial.fault
    assert trial.done == []


def test_what_boot_py_joined_proves_nothing():
    sim.virtual()
    sim.air()[:] = [stand.AccessPoint("home", PASSWORD)]
    for wait_ms in (0, 20000):  # still joining, and joined
        radio = Board().radio
        begin(radio, {"networks": [HOME]}, "n1")
        time.sleep_ms(wait_ms)
        trial = run(make((at(Broker()),), ({"ssid": "home", "password": "not-this-one"},)))
        assert "wrong password" in trial.fault


def test_a_network_that_is_not_there():
    trial = run(make((at(Broker()),)), air=(SHED,))
    right = "check its name, and that it is in reach and on 2.4 GHz"
    assert trial.fault == "Wi-Fi home: network not found, " + right


def test_no_address():
    sim.dhcp_on = False
    trial = run(make((at(Broker()),)))
    right = "switch DHCP on at the router, or give a static address"
    assert trial.fault == "Wi-Fi home: joined, no address, " + right


def test_a_radio_that_is_dead():
    sim.radio_fault = "dead"
    trial = run(make((at(Broker()),)))
    assert trial.fault.startswith("Wi-Fi home: the radio refused: ")


def test_the_second_network_will_do():
    broker = Broker()
    trial = run(make((at(broker),), (SHED, HOME)), broker)
    assert trial.fault is None
    assert trial.done[0].startswith("joined home")
    assert len(trial.missed) == 1 and trial.missed[0].startswith("Wi-Fi shed: network not found")


def test_neither_network():
    trial = run(make((at(Broker()),), (SHED, HOME)), air=())
    assert "Wi-Fi shed: network not found" in trial.fault
    assert "Wi-Fi home: network not found" in trial.fault and trial.missed == []


def test_no_time():
    broker = Broker()
    stand.ntp("silent")
    trial = run(make((at(broker),)), broker)
    assert trial.fault is None and len(trial.done) == 2
    assert trial.missed == [
        "no time from time.test, check ntp.host, and that UDP port 123 is open"
    ]


def test_no_time_for_tls():
    stand.ntp("silent")
    trial = run(make((at(Broker(), tls={"ca": "ca.pem"}),)))
    assert "TLS needs the time, and there is none from time.test" in trial.fault


def test_a_ca_that_is_not_there():
    trial = run(make((at(Broker(), tls={"ca": "ca.pem"}),)))
    assert "TLS: ca.pem is not on the board, put it there" in trial.fault


def test_a_ca_that_is_none():
    with open("ca.pem", "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nnothing\n")
    trial = run(make((at(Broker(), tls={"ca": "ca.pem"}),)))
    assert (
        "TLS: ca.pem holds CERTIFICATE without an end; give PEM or DER, check tls" in trial.fault
    )


def test_a_broker_s_name_that_is_none():
    trial = run(make(({"host": "nowhere.invalid"},)))
    right = "no address for nowhere.invalid; check the name, or give the address"
    assert trial.fault == "broker nowhere.invalid:1883: " + right


def test_nothing_listens():
    broker = Broker()
    broker.server.close()
    trial = run(make((at(broker),)))
    right = "nothing listens on that port; check it, and that the broker runs"
    assert trial.fault == "broker 127.0.0.1:%d: %s" % (broker.port, right)


def test_no_answer():
    broker = Broker(None)
    trial = run(make((at(broker),)), broker)
    right = "no answer, check the address, and that no firewall is between"
    assert trial.fault == "broker 127.0.0.1:%d: %s" % (broker.port, right)
    assert len(trial.done) == 2


def test_closed_by_the_broker():
    broker = Broker(b"")
    trial = run(make((at(broker),)), broker)
    assert "this port may be one for TLS, or for websockets" in trial.fault


def test_not_a_broker():
    for answer, said in (
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP, as web servers and websockets do"),
        (b"\x15\3\1\0\2\2\x46", 'speaks TLS: give "tls": {"ca": "ca.pem"}'),
        (b"SSH-2.0-x\r\n", "speaks SSH"),
        (b"\0\0\0", "is no MQTT broker"),
        (b"\x20\3\0\x84\0", "speaks MQTT, but not as 3.1.1 has it"),  # 5's refusal
    ):
        broker = Broker(answer)
        trial = run(make((at(broker),)), broker)
        assert "what answers on this port " + said in trial.fault, trial.fault
        assert "packet 0x" not in trial.fault or "speaks MQTT" in trial.fault


def test_what_the_broker_refuses():
    # "never the password" is run()'s
    for code, words in (
        (1, "the broker does not speak MQTT 3.1.1 (1), "),
        (2, "client id rejected (2), let it in as n1-trial"),
        (3, "broker unavailable (3), try again later"),
        (4, "bad user name or password (4), check user and password"),
        (5, "not authorised (5), check user and password, and that the broker lets in n1-trial"),
        (99, "refused (99), "),
    ):
        broker = Broker(bytes((0x20, 2, 0, code)))
        trial = run(make((at(broker, user="u", password="secret"),)), broker)
        assert words in trial.fault, trial.fault


def test_the_second_broker_will_do():
    bad, good = Broker(), Broker()
    bad.server.close()
    trial = run(make((at(bad), at(good))), good)
    assert trial.fault is None and len(trial.missed) == 1
    assert trial.missed[0].startswith("broker 127.0.0.1:%d: nothing listens" % bad.port)


def test_sockets_are_closed():
    for broker in (Broker(), Broker(b""), Broker(b"\x20\2\0\5")):
        run(make((at(broker),)), broker)
        assert sim.sockets == []


def test_given_up_half_way():
    broker = Broker(None)
    sim.virtual()
    sim.air()[:] = [stand.AccessPoint("home", PASSWORD)]
    trial = Trial(Board(), make((at(broker),)))
    while not broker.peers:
        assert trial.step(time.ticks_ms())
        broker.step()
        time.sleep_ms(50)
    trial.close()
    assert sim.sockets == [] and not trial.board.radio.connected()
