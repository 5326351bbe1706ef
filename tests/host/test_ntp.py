"""The time server of `make run`, asked as a node asks (RFC 4330)."""

import socket
import struct
import time

import pytest

from sim.ntp import TimeServer, answer, timestamp

# version 4, mode 3 (client): 4 << 3 | 3; poll 6; the client's transmit timestamp in the last 8 bytes
REQUEST = bytes([0x23, 0, 6, 0]) + bytes(36) + b"ABCDEFGH"


def test_reply():
    # 2025-11-20 09:13:20.25 UTC; 1763630000 + 2208988800 = 3972618800 = 0xECC95A30; a quarter is 0x40000000
    reply = answer(REQUEST, 1_763_630_000_250_000_000)
    assert len(reply) == 48
    assert reply[0] == 0x24  # leap 0, version 4, mode 4 (server)
    assert reply[1] == 2  # stratum
    assert reply[2] == 6  # poll, the client's
    assert reply[24:32] == b"ABCDEFGH"  # originate
    assert reply[32:40] == reply[40:48] == bytes.fromhex("ECC95A3040000000")  # receive, transmit
    assert reply[16:24] != bytes(8)  # reference: 0 would say that the clock was never set


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_version_is_the_clients(version):
    request = bytes([version << 3 | 3]) + REQUEST[1:]
    assert answer(request, 0)[0] >> 3 & 7 == version


@pytest.mark.parametrize(
    "request_",
    [b"", REQUEST[:47], *(bytes([4 << 3 | mode]) + REQUEST[1:] for mode in (0, 1, 2, 4, 5, 6, 7))],
)
def test_what_is_no_request_is_not_answered(request_):
    assert answer(request_, 0) is None


def test_any_poll_byte_is_echoed():
    for poll in (0, 127, 128, 255):
        assert answer(REQUEST[:2] + bytes([poll]) + REQUEST[3:], 0)[2] == poll


def test_era_after_2036():
    # 2036-02-07 06:28:16 UTC is 2085978496 s after 1970: NTP's seconds are 0 again
    assert timestamp(2_085_978_496 * 10**9) == 0
    assert timestamp(2_085_978_495 * 10**9) == 0xFFFFFFFF << 32


def ask(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(REQUEST, (server.host, server.port))
        return struct.unpack("!I", client.recv(100)[40:44])[0] - 2_208_988_800


def test_over_the_network():
    with TimeServer() as server:
        assert abs(ask(server) - time.time()) < 5
        assert ask(server)
        assert server.requests == 2


def test_a_clock_that_is_wrong():
    with TimeServer(offset_s=-86400) as server:
        assert abs(ask(server) + 86400 - time.time()) < 5


def test_stop_frees_the_port():
    server = TimeServer().start()
    server.stop()
    server.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((server.host, server.port))
