"""A time server on a loopback port, for nodes on simulated boards: the host's clock, as RFC 4330 (SNTP) gives it."""

import socket
import struct
import threading
import time

HOST = "127.0.0.1"
EPOCH = 2_208_988_800  # seconds from 1900, where NTP begins, to 1970
STRATUM = 2
PRECISION = -20  # 2**-20 s, about a microsecond
PACKET = struct.Struct("!BBbb II4s QQQQ")
CLIENT, SERVER = 3, 4  # modes


class TimeServer:
    """Answers until `stop`. `offset_s` makes it wrong by so much; `requests` counts what it answered."""

    def __init__(self, offset_s=0):
        self.host = HOST
        self.offset_s = offset_s
        self.requests = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        if self.socket.fileno() < 0:
            return
        # an empty datagram wakes the thread out of its recvfrom
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (HOST, self.port))
        self.thread.join()
        self.socket.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    def _serve(self):
        while True:
            request, sender = self.socket.recvfrom(512)
            if not request:
                return
            reply = answer(request, time.time_ns() + self.offset_s * 10**9)
            if reply:
                self.requests += 1
                self.socket.sendto(reply, sender)


def answer(request, now_ns):
    """The reply to a client's request at a Unix time in nanoseconds; None to anything else (RFC 4330, chapter 6)."""
    if len(request) < PACKET.size:
        return None
    version, mode = request[0] >> 3 & 7, request[0] & 7
    if mode != CLIENT or not 1 <= version <= 4:
        return None
    poll = request[2]
    sent = request[40:48]  # the client's transmit timestamp comes back as our originate timestamp
    now = timestamp(now_ns)
    return PACKET.pack(
        version << 3 | SERVER,  # leap indicator 0: no warning
        STRATUM,
        poll if poll < 128 else poll - 256,
        PRECISION,
        0,  # root delay
        1 << 6,  # root dispersion, about 1 ms in 16.16 bits
        socket.inet_aton(HOST),  # reference
        now,
        int.from_bytes(sent),
        now,
        now,
    )


def timestamp(ns):
    """A Unix time in nanoseconds as NTP's 32.32 bits; from 2036-02-07 on they begin at 0 again."""
    seconds, rest = divmod(ns, 10**9)
    return (seconds + EPOCH & 0xFFFFFFFF) << 32 | (rest << 32) // 10**9
