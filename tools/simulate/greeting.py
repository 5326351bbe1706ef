"""How a broker welcomes who has a config's credentials: what is wrong, and what would be right, in words.

An MQTT client says a word or a number where there is none, and waits for ever at a port that says nothing.
"""

import secrets
import socket
import ssl
import struct

PATIENCE = 5  # seconds to accept, and for each answer
_PORTS = "MQTT has a port of its own, often 1883 or with TLS 8883"
_NO_TLS = 'the one for TLS is often 8883; for one without leave "tls" out'
_WITH_TLS = 'the port may be one for TLS: give "tls": {"ca": "ca.pem"}, too'
_CERTIFICATE = "it may want `cert` and `key`, or others"
_DISCONNECT = b"\xe0\0"
_CONNACK = 0x20
# What begins so is not MQTT.
_STRANGERS = (
    (b"HTTP/", f"speaks HTTP, as web servers and websockets do: {_PORTS}"),
    (b"\x15\x03", f"speaks TLS: {_WITH_TLS}"),
)
# MQTT 3.1.1, table 3.1. The client id is our own, so no refusal of one is here.
_REFUSALS = {
    1: "it does not speak MQTT 3.1.1, which is the node's",
    3: "it serves nobody for now: look at its log",
    4: "it refuses user or password: give those that it knows",
    5: "it refuses user or password, or they may not connect: give those that it knows",
}


def fault(broker, files):
    """Return what is wrong, None: welcome. broker: checked settings; files: {"ca", "cert", "key": path} of PEM files, of TLS."""
    try:
        link = socket.create_connection((broker["host"], broker["port"]), PATIENCE)
    except OSError as e:
        return e.strerror or str(e)
    with link:
        if not broker["tls"]:
            return _talk(link, broker)
        try:
            wrapped = context(broker, files).wrap_socket(link)
        except TimeoutError:
            return f"connected, but nothing answers in TLS: {_NO_TLS}"
        except OSError as e:
            return _of_tls(e)
        with wrapped:
            return _talk(wrapped, broker)


def _talk(link, broker):
    heard = b""
    try:
        link.sendall(_connect(broker["user"], broker["password"]))
        while len(heard) < 4:
            more = link.recv(4 - len(heard))
            if not more:
                break
            heard += more
    except TimeoutError:
        if not heard:
            hint = f"; {_WITH_TLS}" if not broker["tls"] else ""
            return f"connected, but nothing answers in MQTT: {_PORTS}{hint}"
    except OSError as e:  # TLS 1.3 tells of a certificate when the handshake is over
        if "ALERT" in (getattr(e, "reason", None) or ""):
            return _of_tls(e)
    return _judged(heard, link, broker["tls"])


def _judged(heard, link, tls):
    if not heard:
        right = _CERTIFICATE if tls else _WITH_TLS
        return f"closed the connection without an answer: {right}"
    for begin, what in _STRANGERS:
        if begin.startswith(heard) or heard.startswith(begin[:4]):
            return what
    if heard[0] != _CONNACK or len(heard) < 4:
        return f"is no MQTT broker: {_PORTS}"
    if not heard[3]:
        link.sendall(_DISCONNECT)
    return _REFUSALS.get(heard[3])


def _connect(user, password):
    """CONNECT of a clean session [MQTT-3.1]."""
    texts = ["watch-" + secrets.token_hex(4)]
    flags = 2
    if user:
        flags |= 0x80
        texts.append(user)
        if password:
            flags |= 0x40
            texts.append(password)
    body = b"\0\4MQTT\4" + bytes((flags,)) + struct.pack(">H", 60)
    for text in texts:
        data = text.encode()
        body += struct.pack(">H", len(data)) + data
    length = len(body)
    size = bytes((length,)) if length < 128 else bytes((length % 128 | 128, length // 128))
    return b"\x10" + size + body


class _Context(ssl.SSLContext):
    """Knows the name in the broker's certificate, which need not be the host's."""

    name = ""

    def wrap_socket(self, *args, **options):
        return super().wrap_socket(*args, **options | {"server_hostname": self.name})


def context(broker, files):
    """What TLS with a broker needs. files: {"ca", "cert", "key": path} of PEM files."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.name = broker["tls"].get("server_name") or broker["host"]
    context.load_verify_locations(files["ca"])
    if "cert" in files:
        context.load_cert_chain(files["cert"], files["key"])
    return context


def _of_tls(error):
    if isinstance(error, ssl.SSLCertVerificationError):
        right = "`ca` is to be that of who signed it, and `host` a name in it"
        return f"its certificate cannot be trusted ({error.verify_message}): {right}"
    reason = getattr(error, "reason", None) or ""
    if "ALERT" in reason:
        return f"refuses the connection ({reason}): {_CERTIFICATE}"
    return f"does not speak TLS on this port: {_NO_TLS}"
