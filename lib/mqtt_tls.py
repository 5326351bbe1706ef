"""TLS settings, and what a failed handshake means in words. Loaded only where TLS is used."""

import errno


def make_context(params):
    """Return an SSLContext that verifies: params as umqtt's ssl_params, or ca, cert, key: a file's name or its bytes."""
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
    try:
        if ca:
            context.load_verify_locations(_read(ca))
        if cert and key:
            context.load_cert_chain(_read(cert), _read(key))
    except ValueError as e:
        raise explain(e)
    context.verify_mode = verify
    return context


def _read(source):
    """Return the bytes of a PEM or DER: a file's, or those given."""
    if isinstance(source, str) and "-----BEGIN" not in source:
        with open(source, "rb") as f:
            return f.read()
    return source


def explain(error):
    """Return a TLS failure, a ValueError or mbedTLS's code, as an OSError that says what is wrong."""
    text = str(error)
    if text in (
        "-32",
        "-104",
    ):  # EPIPE, ECONNRESET: TLS 1.3 tells of the refusal when the handshake is over
        text = "closed by the broker, which may have refused this node's certificate"
    for sign, meaning in (
        ("in the future", "the clock is wrong, or the certificate is not valid yet"),
        ("expired", "the broker's certificate has expired"),
        ("-9984", "the broker's certificate cannot be trusted: CA, name, dates, or this clock"),
        ("not correctly signed", "the broker's certificate is not signed by this CA"),
        ("does not match", "the broker's certificate is for another name"),
        ("-29184", "the broker does not speak TLS on this port"),
        ("-30592", "the broker refused this node's certificate"),
        ("-32512", "not enough memory"),
        ("memory", "not enough memory"),
        ("invalid cert", "the CA, or this node's certificate, is not one"),
        ("invalid key", "this node's key is not one, or encrypted"),
    ):
        if sign in text:
            text = meaning
            break
    return OSError(errno.EIO, "TLS: " + text)
