"""The files that `tls` names: what is wrong with one. A board takes PEM and DER, RSA and EC, and no passwords."""

import datetime

from tools import unreadable

_FORM = "give a PEM or DER file"


def faults(files):
    """Yield (setting, what is wrong) of what no connection can come of. files: {setting: path of a file that is there}."""
    loaded = {}
    for setting, path in files.items():
        load = _key if setting.endswith(".key") else _certificate
        try:
            loaded[setting] = load(path.read_bytes())
        except OSError as e:
            yield setting, unreadable(path, e)
        except ValueError as e:
            yield setting, str(e)
    for setting, key in loaded.items():
        certificate = loaded.get(setting.removesuffix("key") + "cert")
        if setting.endswith(".key") and certificate and not _belong(certificate, key):
            yield setting, "does not belong to `cert`, give the key that it was made with"


def expired(path):
    """Return what is wrong with the dates of a certificate, None: nothing, or it is none."""
    try:
        end = _certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None
    if end < datetime.datetime.now(datetime.UTC):
        return f"expired on {end:%Y-%m-%d}, get a new one"
    return None


def _certificate(data):
    from cryptography import x509

    load = x509.load_pem_x509_certificate if _is_pem(data) else x509.load_der_x509_certificate
    try:
        return load(data)
    except ValueError:
        raise ValueError(f"{_instead(data, 'certificate')}, {_FORM}") from None


def _key(data):
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    load = (
        serialization.load_pem_private_key if _is_pem(data) else serialization.load_der_private_key
    )
    try:
        return load(data, None)
    except TypeError:
        right = "give one that is not: nobody types a password on a board"
        raise ValueError(f"is encrypted, {right}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{_instead(data, 'private key')}, {_FORM}") from None


def _instead(data, wanted):
    """What there is in place of what is wanted."""
    if not data.strip():
        return "is empty"
    for mark, what in (
        (b"PRIVATE KEY-----", "private key"),
        (b"BEGIN CERTIFICATE-----", "certificate"),
    ):
        if mark in data:
            return f"is a damaged {what}" if what == wanted else f"is a {what}, and no {wanted}"
    return f"is no {wanted}"


def _belong(certificate, key):
    return certificate.public_key() == key.public_key()


def _is_pem(data):
    return b"-----BEGIN " in data
