"""`tls` of the boards: the host's mbedTLS over the simulated link.

Beneath a wrapped socket an error stays: after a time-out in mid-record nothing more comes (extmod/modtls_mbedtls.c). A
certificate is not valid yet while the board's clock is not set. On the Pico the record buffers are in the Python heap,
and its mbedTLS, as released up to MicroPython 1.28, takes DER and no PEM.
"""

import errno as errnos  # see `errno`
import io

import uselect

import sim

_RECORDS = (16_717, 4429)  # bytes in one piece, each

PROTOCOL_TLS_CLIENT = sim.real_tls.PROTOCOL_TLS_CLIENT
PROTOCOL_TLS_SERVER = sim.real_tls.PROTOCOL_TLS_SERVER
PROTOCOL_DTLS_CLIENT = sim.real_tls.PROTOCOL_DTLS_CLIENT
PROTOCOL_DTLS_SERVER = sim.real_tls.PROTOCOL_DTLS_SERVER
CERT_NONE = 0
CERT_OPTIONAL = 1
CERT_REQUIRED = 2
MBEDTLS_VERSION = sim.real_tls.MBEDTLS_VERSION


class _Beneath(io.IOBase):
    """The fake socket as mbedTLS uses it: parts, not wholes, and errors as numbers."""

    def __init__(self, sock):
        self._sock = sock
        self._ram = _idf_ram() if sim.idf else ()
        self._records = None if sim.ESP32 else [bytearray(n) for n in _RECORDS]
        self._poll = None

    def readinto(self, buf):
        try:
            data = self._sock.take(len(buf))
        except OSError as e:
            return -e.errno
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def write(self, buf):
        try:
            return self._sock.send(buf)
        except OSError as e:
            return None if e.errno == errnos.EAGAIN else -e.errno

    def setblocking(self, flag):
        self._sock.setblocking(flag)

    def ioctl(self, request, arg):
        if request == 3:  # poll: mbedTLS has looked at its own buffers before
            if self._poll is None:
                self._poll = uselect.poll()
                self._poll.register(self._sock, arg)
            self._poll.modify(self._sock, arg)
            ready = self._poll.poll(0)
            return self._sock.link_flags(ready[0][1] if ready else 0, arg)
        if request == 4:
            self._records = None
            for taken in self._ram:
                sim.idf.give(taken)
            self._sock.close()
            return 0
        return -1  # no descriptor: what is decrypted already is not in the kernel


def _idf_ram():
    """Return what is taken of IDF's heap for the record buffers. The handshake needs more, soon and not for long. OSError: it is not there."""
    taken = [sim.idf.take(n, n) for n in _RECORDS]
    more = sim.idf.take(sim.idf.HANDSHAKE)
    sim.idf.give(more)
    if more and all(taken):
        return taken
    for each in taken:
        sim.idf.give(each)
    raise OSError(errnos.ENOMEM)


class SSLContext:
    def __init__(self, protocol):
        self._real = sim.real_tls.SSLContext(protocol)

    @property
    def verify_mode(self):
        return self._real.verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        self._real.verify_mode = mode

    def get_ciphers(self):
        return self._real.get_ciphers()

    def set_ciphers(self, ciphers):
        self._real.set_ciphers(ciphers)

    def load_cert_chain(self, cert, key):
        _no_pem(key, "invalid key")
        _no_pem(cert, "invalid cert")
        self._real.load_cert_chain(cert, key)

    def load_verify_locations(self, cadata):
        _no_pem(cadata, "invalid cert")
        self._real.load_verify_locations(cadata)

    def wrap_socket(
        self, sock, *, server_side=False, do_handshake_on_connect=True, server_hostname=None
    ):
        if sim.tls_fault == "memory":
            raise OSError(errnos.ENOMEM)
        if self.verify_mode and sim.rtc_ms() < sim.true_ms() - 86_400_000:
            raise ValueError("The certificate validity starts in the future")
        return self._real.wrap_socket(
            _Beneath(sock),
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            server_hostname=server_hostname,
        )


def _no_pem(data, text):
    data = data.encode() if isinstance(data, str) else bytes(data)
    if not sim.ESP32 and b"-----BEGIN" in data:
        raise ValueError(text)
