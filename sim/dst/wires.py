"""What is between the node and the others: TCP connections to the brokers, datagrams to the time servers.

Nothing here touches the host's network. A Wire is one connection; what is written on one side is on the other after the
latency, in order, while the link is up.
"""

import stage
from micropython import const

import sim

_HELD_MS = const(500)  # a retransmission's pause while nothing passes
_NTP_TO_UNIX = const(2208988800)
_OTHER = ("192.0.2.66", 123)

servers = {}  # address → Broker
time_servers = {}  # address → TimeServer
latency_ms = 5


class Wire:
    def __init__(self, socket, server):
        self.socket = socket
        self.server = server
        self.conn = None  # the broker's side
        self._up = []
        self._down = []
        self._timer = None
        self._shaken = False  # TCP's greeting is over
        self._ending = None  # "fin" or "rst": what comes after all that the broker said
        self.up_left = None  # bytes until the connection is cut, in mid-packet
        self.down_left = None
        self.piece = None  # bytes that come at once, at most
        self._start()

    def _start(self):
        if not self._timer:
            self._timer = sim.after(latency_ms + self.server.delay_ms, self._move)

    def up(self, data):
        self._up.append(data)
        self._start()

    def down(self, data):
        self._down.append(data)
        self._start()

    def close(self, how="fin"):
        """The broker closes."""
        self.conn = None
        if not self._ending:
            self._ending = how
        self._start()

    def hung_up(self):
        """The node closes: the broker hears of it if anything passes."""
        self.socket = None
        if sim.link == sim.UP and stage.dead is None:
            self._move(True)
            if self.conn:
                self.conn.gone()
            self.conn = None

    def died(self):
        """The board has lost its power: nothing is sent again, and the broker does not know."""
        self.socket = None
        self._up.clear()

    def cut(self):
        """Something between them resets the connection."""
        stage.tell("network", "the connection is reset")
        conn, self.conn = self.conn, None
        self._up.clear()
        if conn:
            conn.gone()
        self._down.clear()
        self._ending = "rst"
        self._start()

    def _move(self, last=False):
        self._timer = None
        if sim.link != sim.UP:
            if self.socket:
                self._timer = sim.after(_HELD_MS, self._move)
            return
        if not self._shaken and not self._ending and self.socket:
            self._shake_hands()
        if self._up:
            data = b"".join(self._up)
            self._up.clear()
            self._deliver(data)
        if self.socket and not last:
            self._hand_down()

    def _shake_hands(self):
        server = self.server
        if server.state == "silent":
            self._timer = sim.after(_HELD_MS, self._move)  # the SYN goes again
        elif server.state == "down":
            self._ending = "rst"
        else:
            self._shaken = True
            self.socket.opened()
            self.conn = server.accept(self)

    def _deliver(self, data):
        left = self.up_left
        if left is not None and len(data) >= left:
            data = data[:left]
            if self.conn:
                self.conn.data(data)
            self.cut()
            return
        if left is not None:
            self.up_left -= len(data)
        if self.conn:
            self.conn.data(data)
        elif self.server.state == "up" or self._ending:
            self._ending = "rst"  # written to a connection that nobody knows

    def _hand_down(self):
        if self._down:
            data = b"".join(self._down)
            self._down.clear()
            left = self.down_left
            if left is not None and len(data) >= left:
                self.socket.hand(data[:left])
                self.down_left = None
                self.cut()
                return
            if left is not None:
                self.down_left -= len(data)
            if self.piece and len(data) > self.piece:
                self._down.append(data[self.piece :])
                data = data[: self.piece]
                self._start()
            self.socket.hand(data)
        if self._ending and not self._down:
            self.socket.ended(self._ending)


class TimeServer:
    """SNTP. mode: what it does; `skew_ms`: by how much a wrong one is wrong."""

    def __init__(self):
        self.mode = "ok"
        self.delay_ms = 0
        self.skew_ms = 0
        self.lie_ms = 0  # the same, of an answer that is not its own
        self.asked = None  # called when it is asked
        self.wrong = 0  # so many wrong answers are left
        self.lies = 0  # wrong answers since a right one

    def ask(self, query, answer):
        """answer(bytes, peer) is called when an answer is there; peer: None for this server's own."""
        mode = self.mode
        if mode == "silent" or len(query) < 48:
            return
        if self.asked:
            sim.after(1, self.asked)
            self.asked = None
        wait = latency_ms + self.delay_ms
        if mode in ("stranger", "other"):
            # before the true one: who does not know what was asked, or whom nobody asked
            false = sim.true_ms() + self.lie_ms
            origin, peer = (bytes(8), None) if mode == "stranger" else (query[40:48], _OTHER)
            reply = _reply(0x24, 2, origin, _stamp(false))
            sim.after(1, lambda: answer(reply, peer))
        ms = sim.true_ms() + wait
        if mode == "wrong":
            ms += self.skew_ms
            self.lies += 1
            self.wrong -= 1
            if self.wrong <= 0:  # who lies time and again is believed in the end
                self.mode = "ok"
        elif mode == "ok":
            self.lies = 0
        stamp = bytes(8) if mode == "zero" else _stamp(ms)
        first = 0xE4 if mode == "unsynchronised" else 0x24
        own = _reply(first, 0 if mode == "kiss" else 2, query[40:48], stamp)
        if mode == "short":
            own = own[:20]
        sim.after(wait + latency_ms, lambda: answer(own, None))


def _reply(first, stratum, origin, stamp):
    return bytes((first, stratum, 6, 0xEC)) + bytes(8) + b"DST\0" + stamp + origin + stamp * 2


def _stamp(ms):
    seconds = (ms // 1000 + _NTP_TO_UNIX) & 0xFFFFFFFF
    fraction = (ms % 1000 << 32) // 1000
    return seconds.to_bytes(4, "big") + fraction.to_bytes(4, "big")


class _Nobody:
    """An address at which nothing answers."""

    state = "silent"
    delay_ms = 0


nobody = _Nobody()
