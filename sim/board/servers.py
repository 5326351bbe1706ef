"""The time server and the name server that a board reaches, on loopback sockets of the host, so that a poll works."""

import struct

import sim


class TimeServer:
    """SNTP as seen from the board; the datagram itself goes over a host socket, so that a poll works."""

    mode = "ok"

    def __init__(self):
        self._s = sim.usocket.socket(sim.usocket.AF_INET, sim.usocket.SOCK_DGRAM)
        address = sim.usocket.getaddrinfo("127.0.0.1", 0)[0][-1]
        self._s.bind(address)
        self.port = bound_port(self._s)
        self.address = b"\x02\0" + struct.pack(">H", self.port) + b"\x7f\0\0\x01" + bytes(8)
        self.asked = None

    def ask(self, client, data, asked):
        self.asked = asked
        if sim.link != sim.UP or not sim.internet_on or self.mode == "silent" or len(data) < 48:
            return
        if asked == "192.168.1.1" and not sim.router_has_time:
            return
        client.sendto(data, self.address)
        query, client_address = self._s.recvfrom(64)
        ms = sim.true_ms() + (631_152_000_000 if self.mode == "wrong" else 0)
        stamp = struct.pack(
            ">II", ms // 1000 + 2_208_988_800 & 0xFFFFFFFF, (ms % 1000 << 32) // 1000
        )
        stratum = 0 if self.mode == "kiss" else 2
        reply = (
            bytes((0x24, stratum, 6, 0xEC))
            + bytes(8)
            + b"SIM\0"
            + stamp
            + query[40:48]
            + stamp * 2
        )
        self._s.sendto(reply[:20] if self.mode == "short" else reply, client_address)


class NameServer:
    """DNS and mDNS as seen from the board: what `getaddrinfo` would find, without its waiting."""

    def __init__(self):
        self._s = sim.usocket.socket(sim.usocket.AF_INET, sim.usocket.SOCK_DGRAM)
        self._s.bind(sim.usocket.getaddrinfo("127.0.0.1", 0)[0][-1])
        self.port = bound_port(self._s)
        self.address = b"\x02\0" + struct.pack(">H", self.port) + b"\x7f\0\0\x01" + bytes(8)
        self.asked = None
        self.questions = 0

    def ask(self, client, data, asked):
        import _dns

        self.questions += 1
        self.asked = asked
        if sim.link != sim.UP:
            return
        data = _dns.reply(data, asked[1] == 5353)
        if data:
            if asked[1] == 5353:
                self.asked = (".".join(str(b) for b in data[-4:]), 5353)  # it is who is asked for
            client.sendto(b"?", self.address)  # for its address
            self._s.sendto(data, self._s.recvfrom(1)[1])


def bound_port(s):
    """The port the kernel chose. The host's sockets have no getsockname of their own."""
    address = bytearray(16)
    getsockname = sim.libc.func("i", "getsockname", "ipp")
    getsockname(s.fileno(), address, bytearray(b"\x10\0\0\0"))
    return address[2] << 8 | address[3]
