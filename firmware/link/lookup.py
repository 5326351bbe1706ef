"""The IPv4 address of a name, without blocking: DNS over UDP (RFC 1035), for names in .local mDNS (RFC 6762, 6.7).

`socket.getaddrinfo` blocks a Pico for up to 14 s, which is longer than its watchdog can count, and an ESP32 for up to 21 s.
Loaded while a name is looked up.
"""

import errno
import os
import socket

from micropython import const

_PORT = const(53)
_MULTICAST = ("224.0.0.251", 5353)
_WAITS_MS = (1000, 2000, 4000)  # as in lwIP: after this it asks again, or gives up
_HEAD = const(12)
_LONGEST = const(512)
_NO_SUCH_NAME = const(3)
_ALIASES = const(8)  # one after the other
_LABELS = const(128)  # of a name, and the pointers in it
_NAME = const(255)  # bytes


def look_up(lookups, host, radio, uptime):
    """Return the address of a host, or None: not yet. OSError: it cannot be found. lookups: {host: Lookup}, those under way."""
    found = None
    try:
        lookup = lookups.get(host)
        if not lookup:
            # Mostly the gateway is a name server, too.
            gateway, dns = radio.servers()
            servers = [each for each in (dns, gateway) if each not in ("", "0.0.0.0")]
            lookup = lookups[host] = Lookup(host, servers)
        found = lookup.step(uptime)
        done = found is not None
    except (OSError, MemoryError):
        done = True
        raise
    finally:
        if done and host in lookups:
            lookups.pop(host).close()
    return found


class Lookup:
    def __init__(self, name, servers):
        """servers: addresses of name servers, asked in turn. OSError: it is not a name, or there is no socket."""
        self._multicast = name.endswith(".local")
        self._servers = servers
        self._query = _query(name)
        self._tries = 0
        self._asked = 0  # uptime
        self._fault = "no name server answers"
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)

    def step(self, uptime):
        """Return the address, or None: not yet. OSError: it cannot be found. After an address or an OSError the caller closes."""
        if not self._tries or uptime - self._asked >= _WAITS_MS[self._tries - 1]:
            if self._tries == len(_WAITS_MS) or not self._servers:
                raise OSError(errno.ETIMEDOUT, self._fault)
            self._peer = _MULTICAST
            if not self._multicast:
                self._peer = (self._servers[self._tries % len(self._servers)], _PORT)
            self._tries += 1
            self._asked = uptime
            self._sock.sendto(self._query, self._peer)
        while True:
            try:
                data, peer = self._sock.recvfrom(_LONGEST)
            except OSError as e:
                if e.errno != errno.EAGAIN:
                    raise
                return None
            # A .local name is answered from any address.
            if peer[1] == self._peer[1] and (self._multicast or peer[0] == self._peer[0]):
                found = self._answer(data)
                if found:
                    return found

    def close(self):
        self._sock.close()

    def _answer(self, data):
        query = self._query
        # QR and opcode 0, our id and our question: else it is not an answer to us
        if data[:2] != query[:2] or len(data) < len(query) or data[2] & 0xF8 != 0x80:
            return None
        if data[4:6] != query[4:6] or data[_HEAD : len(query)].lower() != query[_HEAD:].lower():
            return None
        code = data[3] & 15
        if code and code != _NO_SUCH_NAME:
            self._fault = "the name server says error %d" % code  # another server may know
            return None
        address = _address(data, len(query))
        if not address and data[2] & 2:
            self._fault = "the name server's answer is cut short"  # there may be one in the rest
            return None
        if not address:
            raise OSError(errno.ENOENT, "no such name")
        return address


def _query(name):
    packet = os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0"  # recursion desired; one question
    for label in name.split("."):
        if not 0 < len(label) < 64:
            raise OSError(errno.EINVAL, "%s is not a host name" % name)
        packet += bytes((len(label),)) + label.lower().encode()
    return packet + b"\0\0\1\0\1"  # A, IN


def _address(data, at):
    """Return as text the address that the answers, which begin there, give for the name that was asked for; None: none.

    Only of that name, or of what it is an alias of; none that leads nowhere (0.x.x.x, as filters give) or to many (from 224 on).
    """
    wanted, _ = _name(data, _HEAD)
    for _ in range(_ALIASES):
        alias = None
        here = at
        for _ in range(data[6] << 8 | data[7]):
            owner, here = _name(data, here)
            head = data[here : here + 10]
            start = here + 10
            if start > len(data):
                break
            here = start + (head[8] << 8 | head[9])
            # IN; the first bit of the class is mDNS's.
            if owner != wanted or here > len(data) or head[2] & 0x7F or head[3] != 1:
                continue
            if head[:2] == b"\0\1" and here - start == 4 and 0 < data[start] < 224:
                return ".".join([str(byte) for byte in data[start:here]])
            if head[:2] == b"\0\5":
                alias, _ = _name(data, start)
        if not alias:
            return None
        wanted = alias
    return None


def _name(data, at):
    """Return (the labels of a name, in small letters, where it ends); None for the labels if it is none. RFC 1035, 4.1.4."""
    name = b""
    end = 0
    for _ in range(_LABELS):
        size = data[at] if at < len(data) else 0xFF
        if not size and len(name) < _NAME:
            return name, end or at + 1
        if size < 64 and len(name) < _NAME:
            name += data[at : at + 1 + size].lower()
            at += 1 + size
        elif size >= 0xC0 and at + 1 < len(data):
            end = end or at + 2
            at = (size & 0x3F) << 8 | data[at + 1]
        else:
            break
    return None, len(data)
