"""The site's own authority, and the certificate by which nodes know the broker. All keys are P-256.

The authority's certificate lasts twenty years: every node has it, and a node is hard to reach. The broker's lasts two, and is made anew
when it has less than ninety days left, lacks a name, or is another authority's. Both begin a day early, for clocks that are behind.
"""

import datetime
import ipaddress
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)
AUTHORITY_DAYS = 20 * 365
BROKER_DAYS = 2 * 365
RENEW_DAYS = 90

# The name that nodes ask for when they know the broker by its address: MicroPython compares names only.
NAME = "outpost-broker"
ALWAYS = (NAME, "localhost", "127.0.0.1")


class Pair(NamedTuple):
    """A certificate and its key, PEM."""

    certificate: str
    key: str


def new_authority(title: str, now: datetime.datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(title)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    made = (
        _certificate(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pair(made, key)


def issue(authority: Pair, hosts: list[str], now: datetime.datetime) -> Pair:
    """Return a certificate for a broker that is known by these names and addresses."""
    signed_by = x509.load_pem_x509_certificate(authority.certificate.encode())
    signing = serialization.load_pem_private_key(authority.key.encode(), None)
    if not isinstance(signing, ec.EllipticCurvePrivateKey):
        raise ValueError("is no EC key")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([_general(host) for host in _all(hosts)])
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    made = (
        _certificate(_name(NAME), signed_by.subject, key.public_key(), now, BROKER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(server, critical=False)
        .add_extension(names, critical=False)
        .add_extension(theirs, critical=False)
        .sign(signing, hashes.SHA256())
    )
    return _pair(made, key)


def why_renew(
    authority: str, certificate: str, hosts: list[str], now: datetime.datetime
) -> str | None:
    """Return why a broker's certificate has to be made anew, None: it is good."""
    try:
        made = x509.load_pem_x509_certificate(certificate.encode())
        made.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # whatever is wrong with it: another one is made
        return "it is not of this authority"
    if {*names} != {_general(host) for host in _all(hosts)}:
        return "the broker's names have changed"
    if made.not_valid_after_utc - now < RENEW_DAYS * _DAY:
        return f"it ends on {made.not_valid_after_utc:%Y-%m-%d}"
    return None


def end(certificate: str) -> datetime.datetime:
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _all(hosts):
    return list(dict.fromkeys([*ALWAYS, *hosts]))


def _general(host):
    return x509.IPAddress(ipaddress.ip_address(host)) if is_address(host) else x509.DNSName(host)


def _name(title):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])


def _certificate(subject, issuer, public, now, days):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + days * _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(**given):
    no = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    return x509.KeyUsage(**(no | given))


def _pair(certificate, key):
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode())
