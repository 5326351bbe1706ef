"""`socket` of the boards, over the host's sockets.

The host's socket never blocks; every wait is this module's, so that time-outs, the watchdog, scenarios and virtual
time hold while the program waits. What differs from the host, as lwIP has it:

- errno numbers of the port; a refused connection is ECONNRESET (lib#174); few sockets; a small send buffer
- `getaddrinfo` gives tuples, obeys no time-out, fails with -202 (ESP32) or -2 (Pico); on the Pico a port is an int
  and `connect` takes no names
- while the link is down or a zombie, nothing arrives and a write succeeds until the send buffer is full
- when the access point goes, the ESP32 aborts its sockets (113, then 128); the Pico's linger. The peer hears nothing
- a socket that was dropped without close() keeps its place
- UDP to port 123 reaches a time server that knows `sim.true_ms()`, to 53 and 5353 a name server that knows `sim.hosts`

Source: extmod/modlwip.c, ports/esp32/modsocket.c, lwIP core/dns.c.
"""

import sys

import sim

AF_INET = 2
AF_INET6 = 10
SOCK_STREAM = 1
SOCK_DGRAM = 2
SOCK_RAW = 3
IPPROTO_IP = 0
IPPROTO_TCP = 6
SO_REUSEADDR = 4
SO_BROADCAST = 32
IP_ADD_MEMBERSHIP = 3 if sim.ESP32 else 1024
if sim.ESP32:
    SOL_SOCKET = 4095
    SO_BINDTODEVICE = 11
    TCP_NODELAY = 1
    MSG_DONTWAIT = 8
    MSG_PEEK = 1
    IPPROTO_UDP = 17
else:
    SOL_SOCKET = 1
    TCP_NODELAY = 64
    MSG_DONTWAIT = 2
    MSG_PEEK = 1


def __getattr__(name):
    module = {"socket": "_socket", "getaddrinfo": "_dns"}.get(name)
    if not module:
        raise AttributeError(name)
    value = globals()[name] = getattr(__import__(module), name)
    return value


sys.modules["usocket"] = sys.modules[__name__]
if sim.real_tls:
    import _tls

    sys.modules["tls"] = _tls  # built in and not to be found in a path
