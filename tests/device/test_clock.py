"""The clock: what it believes, and above all what it does not."""

import time

from firmware import clock
from firmware.log import Log

BOARDS = ("esp32", "pico_w")
SETTINGS = {"host": "ntp.test", "port": 123, "interval_s": 21600}
TRUE_MS = 1795219200500  # 2026-11-20T20:00:00.5Z
NTP = TRUE_MS // 1000 + 2208988800
NOW = time.ticks_ms()


class Board:
    def __init__(self):
        self.set = []

    def set_time(self, unix_s):
        self.set.append(unix_s)


class Net:
    """Stands for the socket module: one server, whose answer a test makes from the request."""

    AF_INET = SOCK_DGRAM = 0

    def __init__(self, answer=None):
        self.answer = answer
        self.requests = []
        self.lookups = 0
        self.open = 0
        self.queue = []

    def getaddrinfo(self, host, port):
        self.lookups += 1
        if self.answer == "no name":
            raise OSError(-2)
        return [(0, 0, 0, "", (host, port))]

    def socket(self, *args):
        self.open += 1
        return self

    def setblocking(self, on):
        assert on is False

    def sendto(self, packet, address):
        self.requests.append(bytes(packet))
        if self.answer:
            self.queue.append(self.answer(bytes(packet)))

    def recv(self, size):
        if not self.queue:
            raise OSError(11)
        return self.queue.pop(0)

    def close(self):
        self.open -= 1


def good(request, seconds=NTP, fraction=1 << 31, head=b"\x24\x02", echo=None):
    stamp = (seconds & 0xFFFFFFFF).to_bytes(4, "big") + fraction.to_bytes(4, "big")
    return head + bytes(22) + (echo or request[40:48]) + bytes(8) + stamp


def make(answer):
    net = clock.socket = Net(answer)
    board = Board()
    return clock.Clock(SETTINGS, board, Log("error")), net, board


def run(c, ms, online=True, step=100):
    """Advance by ms; return how often the clock said that it was set."""
    global NOW
    now = NOW
    hits = 0
    for _ in range(ms // step):
        now = time.ticks_add(now, step)
        hits += c.step(c.uptime_ms(now), online)
    NOW = now
    return hits


def test_not_trusted_until_an_answer_came():
    c, _, board = make(None)
    assert not c.trusted and c.unix_ms(1000) is None and c.source == "unset"
    assert run(c, 5000) == 0 and not c.trusted and board.set == []


def test_an_answer_sets_time_and_the_boards_clock():
    c, net, board = make(good)
    assert run(c, 1000) == 1
    assert c.trusted and c.source == "ntp"
    assert abs(c.unix_ms(c.synced_at) - TRUE_MS) <= 1000, c.unix_ms(c.synced_at)
    assert board.set == [TRUE_MS // 1000] or board.set == [TRUE_MS // 1000 + 1]
    assert isinstance(c.unix_ms(5), int)
    assert net.open == 0


def test_readings_before_the_sync_get_their_time():
    c, _, _ = make(good)
    run(c, 3000, online=False)
    early = c.uptime_ms(NOW)
    run(c, 60000, online=False)
    run(c, 1000)
    passed = c.synced_at - early
    assert abs(c.unix_ms(c.synced_at) - c.unix_ms(early) - passed) == 0 and passed >= 60000


def refused(answer):
    c, net, board = make(answer)
    run(c, 20000)
    assert len(net.requests) > 1, "not asked again"
    assert not c.trusted and board.set == []
    assert net.open <= 1


def test_wrong_echo_is_refused():
    refused(lambda request: good(request, echo=b"12345678"))


def test_unsynchronised_server_is_refused():
    refused(lambda request: good(request, head=b"\xe4\x02"))


def test_kiss_of_death_is_refused():
    refused(lambda request: good(request, head=b"\x24\x00"))


def test_own_request_mirrored_is_refused():
    refused(lambda request: request)


def test_short_answer_is_refused():
    refused(lambda request: good(request)[:47])


def test_time_before_this_firmware_is_refused():
    refused(lambda request: good(request, seconds=2208988800 + 946684800))


def test_after_2036_the_counter_has_wrapped():
    c, _, _ = make(lambda request: good(request, seconds=NTP + 400000000))
    assert (NTP + 400000000) >> 32, "the case this test is for"
    run(c, 1000)
    assert abs(c.unix_ms(c.synced_at) - TRUE_MS - 400000000000) < 1000


def test_no_name_server():
    c, net, _ = make("no name")
    run(c, 700000)
    assert not c.trusted and net.open == 0
    assert 4 <= net.lookups <= 12, net.lookups  # backs off to five minutes


def test_asks_again_after_the_interval_and_only_then():
    c, net, _ = make(good)
    run(c, 21000000, step=1000)
    assert len(net.requests) == 1
    run(c, 1000000, step=1000)
    assert len(net.requests) == 2


def test_requests_differ():
    c, net, _ = make(lambda request: b"")
    run(c, 60000)
    nonces = [request[40:48] for request in net.requests]
    assert len(nonces) >= 3 and len(set(nonces)) == len(nonces)


def test_silent_server_is_looked_up_again():
    c, net, _ = make(lambda request: b"")
    run(c, 120000)
    assert net.lookups > 1


def test_uptime_does_not_wrap():
    c, _, _ = make(None)
    for _ in range(40):  # 40 x 4 days, past every wrap of ticks_ms
        run(c, 345600000, online=False, step=86400000)
    assert abs(c.uptime_ms(NOW) - 40 * 345600000) < 5000
