"""A name server that answers every question with the board's own address (RFC 1035).

A phone that joins the access point asks for the name of its maker's test page and is led here. It gets a redirect instead of the page
it expects, and so opens the portal by itself. Anything but a plain question gets no answer.
"""

import socket

from micropython import const

_HEAD = const(12)
_LONGEST = const(300)  # a name has at most 255 bytes
_A_TURN = const(8)  # a flood must not hold up the page
_A, _ANY, _IN = const(1), const(255), const(1)
_TTL_S = const(10)  # at home the name belongs to its owner again


def answer(query, address):
    """Return the packet that answers query; None: it gets none. address: 4 bytes."""
    # QR and opcode 0: a standard query; one question, no answers yet
    if len(query) < _HEAD + 5 or query[2] & 0xF8 or query[4:8] != b"\0\1\0\0":
        return None
    end = _HEAD
    while query[end]:
        end += 1 + query[end]  # a pointer (0xc0…) leads beyond what is allowed
        if end - _HEAD > 254 or end + 5 > len(query):
            return None
    kind = query[end + 1] << 8 | query[end + 2]
    if query[end + 3] << 8 | query[end + 4] != _IN:
        return None
    # No address of version 6, say, is an answer too: then only version 4 is tried.
    found = kind in (_A, _ANY)
    head = query[:2] + bytes((0x84 | query[2] & 1, 0, 0, 1, 0, found, 0, 0, 0, 0))
    record = b"\xc0\x0c" + bytes((0, _A, 0, _IN, 0, 0, 0, _TTL_S, 0, 4)) + address
    return head + query[_HEAD : end + 5] + (record if found else b"")


class NameServer:
    def __init__(self, address):
        """address: as text. OSError: there is no port or no socket."""
        self.address = bytes([int(part) for part in address.split(".")])
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.sock.setblocking(False)
            self.sock.bind(socket.getaddrinfo("0.0.0.0", 53)[0][-1])
        except OSError:
            self.close()
            raise

    def step(self):
        """Answer what has come; never waits."""
        for _ in range(_A_TURN):
            try:
                query, peer = self.sock.recvfrom(_LONGEST)
                packet = answer(query, self.address)
                if packet:
                    self.sock.sendto(packet, peer)
            except (OSError, MemoryError):
                return  # nothing more, a peer that has gone, or no room: a phone asks again

    def close(self):
        self.sock.close()
