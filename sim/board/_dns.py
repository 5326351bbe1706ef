"""`socket.getaddrinfo`: see `socket`."""

import sim
from sim import usocket

_DNS_MS = 14_000  # two servers, asked at 0, 1, 2 and 4 s


def numeric(host):
    """The 4 bytes of an IPv4 address, or None: a name."""
    parts = host.split(".")
    try:
        if len(parts) == 4 and all(0 <= int(p) <= 255 for p in parts):
            return bytes(int(p) for p in parts)
    except ValueError:
        pass
    return None


def known(host):
    """The 4 bytes a working name server has for a name, or None."""
    there = sim.hosts.get(host)
    if there:
        return numeric(there)
    if sim.internet_on and ("ntp" in host or host.startswith("time.")):
        return bytes((192, 0, 2, 123))
    if not sim.is_virtual:
        try:
            for entry in usocket.getaddrinfo(host, 1):
                if entry[0] == 2:
                    return bytes(entry[-1][4:8])
        except OSError:
            pass
    return None


def reply(query, multicast):
    """What a name server says to a query, or nobody of that name to one by multicast: None."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    found = None if sim.dns_mode == "fail" else known(".".join(labels))
    if sim.dns_mode in ("silent", "hang") or (multicast and not found):
        return None
    code = 0 if found else 2 if sim.dns_mode == "fail" or not sim.internet_on else 3
    head = query[:2] + bytes((0x81, 0x80 | code, 0, 1, 0, 1 if found else 0, 0, 0, 0, 0))
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + found if found else b""
    return head + query[12 : at + 5] + record


def _lookup(host):
    """The name server's answer, after the time it takes. Nothing feeds the watchdog meanwhile."""
    end = sim.now() + _DNS_MS
    while True:
        if sim.dns_mode == "fail":
            break
        if sim.link == sim.UP and sim.dns_mode == "ok":
            found = known(host)
            if found:
                return found
            break
        if sim.now() >= end and sim.dns_mode != "hang":
            break
        sim.sleep(500)
    raise OSError(-202 if sim.ESP32 else -2)


def resolve(host):
    return numeric(host) or _lookup(host)


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    if isinstance(port, str):
        if not sim.ESP32:
            raise TypeError("can't convert str to int")
        port = int(port)
    ip = ".".join(str(b) for b in resolve(host))
    return [(2, type or 1, 0, host if sim.ESP32 else "", (ip, port))]
