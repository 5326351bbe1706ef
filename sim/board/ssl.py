"""`ssl`, frozen on both boards: `tls` with file names, and verifying nothing unless asked to."""

from _tls import (
    CERT_NONE,
    CERT_OPTIONAL,
    CERT_REQUIRED,
    MBEDTLS_VERSION,
    PROTOCOL_DTLS_CLIENT,
    PROTOCOL_DTLS_SERVER,
    PROTOCOL_TLS_CLIENT,
    PROTOCOL_TLS_SERVER,
)
from _tls import SSLContext as _Context


class SSLContext(_Context):
    def __init__(self, protocol):
        super().__init__(protocol)
        self.verify_mode = CERT_NONE

    def load_cert_chain(self, certfile, keyfile):
        super().load_cert_chain(_bytes(certfile), _bytes(keyfile))

    def load_verify_locations(self, cafile=None, cadata=None):
        super().load_verify_locations(_bytes(cafile) if cafile else cadata)


def _bytes(source):
    if isinstance(source, str):
        with open(source, "rb") as f:
            return f.read()
    return source


def create_default_context():
    return SSLContext(PROTOCOL_TLS_CLIENT)


def wrap_socket(
    sock,
    server_side=False,
    key=None,
    cert=None,
    cert_reqs=CERT_NONE,
    cadata=None,
    server_hostname=None,
    do_handshake=True,
):
    context = SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
    if cert or key:
        context.load_cert_chain(cert, key)
    if cadata:
        context.load_verify_locations(cadata=cadata)
    context.verify_mode = cert_reqs
    return context.wrap_socket(
        sock,
        server_side=server_side,
        do_handshake_on_connect=do_handshake,
        server_hostname=server_hostname,
    )
