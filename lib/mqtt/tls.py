"""TLS settings: an SSLContext that verifies, from certificates and keys in PEM or DER. Loaded only where TLS is used.

mbedTLS gets DER, whatever the file is: MicroPython's own, on a Pico W before release 1.29, reads no PEM
(MBEDTLS_PEM_PARSE_C). Keys may be PKCS#8, PKCS#1 or SEC1, and not encrypted.
"""

import errno
import io
from binascii import a2b_base64

from micropython import const

_LINE = const(128)  # bytes of PEM read at a time
_LONGEST = const(12288)  # characters of one certificate or key


def make_context(params):
    """Return an SSLContext that verifies: params as umqtt's ssl_params, or ca, cert, key: a file's name or its bytes.

    ValueError: what is missing. OSError: a file is not there, or not what it is to be; the text names it.
    """
    try:
        import tls
    except ImportError:
        import ssl as tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    ca = params.get("ca") or params.get("cadata") or params.get("ca_certs")
    verify = params.get("cert_reqs", tls.CERT_REQUIRED)
    if verify and not ca:
        raise ValueError(
            "ssl_params: ca, the CA's certificate, is missing (cert_reqs=0: trust anybody)"
        )
    cert = params.get("cert") or params.get("certfile")
    key = params.get("key") or params.get("keyfile")
    if ca:
        _load("ca", ca, "CERTIFICATE", context.load_verify_locations)  # each call adds one
    if cert and key:
        keys = []
        _load("key", key, "PRIVATE KEY", keys.append)
        # the node's own comes first in its file, then those between it and the CA
        _load("cert", cert, "CERTIFICATE", lambda der: context.load_cert_chain(der, keys[0]))
    context.verify_mode = verify  # type: ignore[attr-defined]  # the stubs lack it
    return context


def _load(name, source, label, use):
    """Call use(DER) for each part of a file, or of given bytes, whose label ends so."""
    try:
        if not isinstance(source, str):
            file = io.BytesIO(source)
        elif "-----BEGIN" in source:
            file = io.BytesIO(source.encode())
        else:
            name = source
            file = open(source, "rb")
        with file:
            _use(file, label, use)
    except (OSError, ValueError) as e:
        code, text = e.args[0] if e.args else 0, str(e)
        if code in (errno.ENOMEM, 16) or "ALLOC" in text:  # 16: mbedTLS's, for a large number
            raise OSError(errno.ENOMEM, "TLS: not enough memory")
        if code == errno.ENOENT:
            raise OSError(code, "TLS: %s is not on the board, put it there" % name)
        if not text.startswith("holds"):
            text = "holds no %s that can be read" % label
        raise OSError(errno.EINVAL, "TLS: %s %s; give PEM or DER" % (name, text))


def _use(file, label, use):
    other = done = None
    for found, der in _parts(file):
        if not found or found.endswith(label):
            use(der)
            done = True
        else:
            other = found
    if not done:
        raise ValueError("holds %s and no %s" % (other, label))


def _parts(file):
    """Yield (label, DER) for each part of a PEM; of what has none ("", all of it): it is a DER."""
    label = inside = None
    text = bytearray()
    while True:
        line = file.readline(_LINE)
        begin = line.find(b"-----BEGIN ")
        if begin >= 0:
            label = line[begin + 11 :].decode().partition("-")[0]
            inside = True
            text = bytearray()
        elif inside and line.startswith(b"-----END"):
            inside = False
            yield label, a2b_base64(text)  # type: ignore[arg-type]  # any buffer will do
        elif inside:
            text += line.strip()
            if not line or len(text) > _LONGEST:
                raise ValueError("holds %s without an end" % label)
            if b":" in line or "ENCRYPTED" in label:
                raise ValueError("holds an encrypted key, which a board cannot open")
        elif not line:
            break
    if label is None:
        file.seek(0)
        yield "", file.read(_LONGEST)
