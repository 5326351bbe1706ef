"""Certificates of a throw-away CA for TLS on loopback: simulated brokers and tests. Not for a real broker."""

import datetime
import ipaddress
from pathlib import Path
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAYS = 30


class Authority:
    """A CA whose files are in `folder`. `issue` gives what Broker(tls=…) and a client want."""

    def __init__(self, folder, name="Outpost test CA", parent=None):
        """parent: the Authority that signs this one, which is then between it and what this one issues."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = subject(name)
        constraints = x509.BasicConstraints(ca=True, path_length=0 if parent else 1)
        certificate = (parent or self)._sign(self.subject, self.key.public_key(), constraints)
        self.ca = self.folder / "ca.pem"
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name, hosts=(), days=DAYS):
        """A certificate for `name`, valid for `hosts` (names and addresses): object with ca, cert, key (paths)."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions = [x509.BasicConstraints(ca=False, path_length=None)]
        if hosts:
            extensions.append(x509.SubjectAlternativeName([general_name(host) for host in hosts]))
        certificate = self._sign(subject(name), key.public_key(), *extensions, days=days)
        files = SimpleNamespace(
            ca=self.ca, cert=self.folder / f"{name}.pem", key=self.folder / f"{name}.key"
        )
        files.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.key.touch(mode=0o600)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        return files

    def _sign(self, name, public_key, *extensions, days=DAYS):
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1 if days > 0 else 2 - days))
            .not_valid_after(now + datetime.timedelta(days=days))
        )
        for extension in extensions:
            builder = builder.add_extension(
                extension, critical=isinstance(extension, x509.BasicConstraints)
            )
        return builder.sign(self.key, hashes.SHA256())


def subject(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def general_name(host):
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
