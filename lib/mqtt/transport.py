"""The road to a broker: name, TCP, TLS; opened without blocking, but for the name look-up.

Nothing waits here: on a socket that is not connected yet, or whose TLS handshake is under way, a write returns None and
is simply tried again. TLS is verified unless the caller says otherwise: a CA, the server's name and the clock.
"""

import errno
import gc
import socket
import time

from micropython import const

from mqtt.packets import ETIMEDOUT, ProtocolError

_LOOK_UP = const(2)  # failed connections in a row after which the name is looked up again
_EBUSY = const(16)  # of TLS: mbedTLS's "no memory for a large number"
_CLOCK_IS_SET = const(2024)  # a board starts in 2000 or 2021

# What a socket that is still connecting says, by port.
_NOT_YET = (
    errno.EAGAIN,
    getattr(errno, "EINPROGRESS", 115),
    getattr(errno, "EALREADY", 114),
    getattr(errno, "ENOTCONN", 107),
)


class Transport:
    def __init__(self, net=None):
        """net: what stands for the module `socket`."""
        self.net = net or socket
        self.raw = None  # the TCP socket beneath TLS: both have to be closed
        self.failures = 0  # since the address last served
        self._name = None
        self._address = None
        self._params = None
        self._context = None

    def open(self, server, port, ssl, params):
        """Begin to connect. Return the socket to use. OSError: nobody to talk to; ValueError: unusable TLS settings."""
        if ssl and ssl is not True and isinstance(ssl, dict):
            ssl, params = True, ssl
        if ssl is True:
            ssl = self._verified(params)
        self.failures += 1
        family, address = self._resolve(server, port)
        self.raw = sock = self.net.socket(family, self.net.SOCK_STREAM)
        try:
            sock.setblocking(False)
            try:
                # Small packets must not wait for the acknowledgement of those before (Nagle). unix lacks the names.
                level = getattr(self.net, "IPPROTO_TCP", 6)
                sock.setsockopt(level, getattr(self.net, "TCP_NODELAY", 1), 1)
            except OSError:
                pass
            try:
                sock.connect(address)
            except OSError as e:
                if e.errno not in _NOT_YET:
                    raise
            if ssl:
                gc.collect()  # the 17 KB that TLS wants in one piece may be there, under garbage
                name = params.get("server_hostname") or params.get("server_name") or server
                sock = ssl.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        except (OSError, ValueError, MemoryError):
            self.close(None)
            raise
        return sock

    def close(self, sock):
        """Close both layers; whatever they say, they are closed."""
        for each in (sock, self.raw):
            if each is not None:
                try:
                    each.close()
                except OSError:
                    pass
        self.raw = None

    def _resolve(self, server, port):
        """Return (family, address): the last that served, looked up again only after failures or for another broker."""
        if self._name != (server, port):
            self._address = None
        elif self._address and self.failures <= _LOOK_UP:
            return self._address
        try:
            found = self.net.getaddrinfo(server, port)
            if not found:
                raise OSError(errno.EHOSTUNREACH)
        except OSError as e:
            if not self._address:
                # a number that every port has its own of: -202, -2, -6
                raise OSError(
                    e.errno, "no address for %s; check the name, or give the address" % server
                )
            return self._address  # no name server is no reason not to try
        for each in found:
            if each[0] == self.net.AF_INET:
                break
        else:
            each = found[0]
        self._name = (server, port)
        self._address = each[0], each[-1]
        return self._address

    def _verified(self, params):
        """Return the SSLContext for umqtt's `ssl=True`, made once for the same params."""
        if self._context is None or params != self._params:
            from mqtt.tls import make_context

            self._context = make_context(params)
            self._params = dict(params)
        if params.get("cert_reqs", 2) and time.gmtime()[0] < _CLOCK_IS_SET:
            raise OSError(errno.EINVAL, "TLS: the clock is not set")
        return self._context


def would_block(error):
    """Return whether an OSError of a socket means: later."""
    return error.errno in _NOT_YET


def explained(error, ssl, opening, connected, heard):
    """Return an error in words where it has none: TLS's own numbers, and why a connection did not come up.

    opening: TCP or the TLS handshake is not over; connected: CONNACK had come; heard: the first bytes that came.
    """
    if isinstance(error, MemoryError):
        return OSError(errno.ENOMEM, "not enough memory")
    code = error.args[0] if error.args else 0
    tls = ssl and isinstance(code, int) and (code < 0 or code == _EBUSY)
    early = not connected and (
        code in (errno.ECONNRESET, ETIMEDOUT) or isinstance(error, ProtocolError)
    )
    if tls or early or isinstance(error, ValueError):
        try:
            from mqtt.faults import explain

            return explain(error, ssl, opening, heard)
        except MemoryError:
            pass
    return error
