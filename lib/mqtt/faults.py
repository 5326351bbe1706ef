"""Why there is no connection, in words: what is wrong, and what would be right. Loaded when it has failed."""

import errno

from micropython import const

from mqtt.packets import ETIMEDOUT, ProtocolError

_EBUSY = const(16)  # mbedTLS's "no memory for a large number"

_PORTS = "; MQTT has a port of its own, often 1883 or with TLS 8883"
# What begins so is not MQTT.
_STRANGERS = (
    (b"HTTP/", "HTTP, as web servers and websockets do" + _PORTS),
    (b"AMQP", "AMQP" + _PORTS),
    (b"SSH-", "SSH" + _PORTS),
    (b"220", "mail or FTP" + _PORTS),
    (b"\x15\3", 'TLS: give "tls": {"ca": "ca.pem"}, or the port without TLS'),
    (b"\x16\3", 'TLS: give "tls": {"ca": "ca.pem"}, or the port without TLS'),
)

# In the text of a failure of TLS, whose negative numbers are mbedTLS's → what it means.
_TLS = (
    ("in the future", "the clock is wrong, or the certificate is not valid yet"),
    ("expired", "the broker's certificate has expired, or this clock is wrong"),
    ("not correctly signed", "the broker's certificate is not signed by this CA"),
    ("does not match", "the broker's certificate is for another name; `server_name` is to be that"),
    ("-9984", "the broker's certificate cannot be trusted: CA, name, dates, or this clock"),
    ("-29184", "the broker does not speak TLS on this port; the one for TLS is often 8883"),
    ("-29312", "closed by the broker in the handshake; the port may be one without TLS"),
    ("-30592", "the broker refused this node's certificate, wants one, or speaks another version of TLS"),
    ("ALLOC_FAILED", "not enough memory"),
    ("-32512", "not enough memory"),
    ("-10368", "not enough memory"),
    ("-16256", "not enough memory"),
    ("memory", "not enough memory"),
)  # fmt: skip


def explain(error, ssl, opening, heard):
    """Return an error of a connection that never came up, or of TLS, in words.

    opening: TCP or the TLS handshake is not over; heard: the first bytes that came.
    """
    if isinstance(error, ProtocolError):
        return ProtocolError("what answers on this port " + _stranger(bytes(heard[:12]), error))
    code = error.args[0] if error.args else 0
    if code in (errno.ECONNRESET, -errno.ECONNRESET, -32):  # -32: EPIPE
        if opening and not ssl:  # boards have this number for a refusal, too
            text = "nothing listens on that port; check it, and that the broker runs"
        elif not ssl:
            text = "closed by the broker before its answer; this port may be one for TLS, or for websockets"
        elif opening:
            text = "TLS: refused, or cut in the handshake; the port may be one without TLS, or the broker does not run"
        else:  # TLS 1.3 tells of the refusal when the handshake is over
            text = "TLS: closed by the broker, which may have refused this node's certificate"
        return OSError(errno.ECONNRESET, text)
    if code == ETIMEDOUT:
        if not opening:
            text = "connected, but nothing answers in MQTT" + _PORTS
        else:
            tls = "TLS " if ssl else ""
            text = "no %sconnection in time; check address and port, and for a firewall" % tls
        return OSError(ETIMEDOUT, text)
    text = "not enough memory" if code == _EBUSY else str(error)
    for sign, meaning in _TLS:
        if sign in text:
            text = meaning
            break
    return OSError(errno.ENOMEM if "memory" in text else errno.EIO, "TLS: " + text)


def _stranger(heard, error):
    """heard: what came in place of a sound CONNACK."""
    if heard[0] == 0x20:
        return "speaks MQTT, but not as 3.1.1 has it: %s" % error
    for begin, what in _STRANGERS:
        if heard.startswith(begin):
            return "speaks " + what
    return "is no MQTT broker: its first bytes are %s" % heard
