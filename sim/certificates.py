"""Certificates of a throw-away CA for TLS on loopback: simulated brokers and tests. Not for a real broker."""

import datetime
from pathlib import Path
from types import SimpleNamespace

import trustme

DAYS = 30


class Authority:
    """A CA whose certificate is in `folder`, file `.ca`. `issue` gives what Broker(tls=…) and a client want. All keys are P-256."""

    def __init__(self, folder, parent=None):
        """parent: the Authority that signs this one, which is then between it and what this one issues."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._authority = parent._authority.create_child_ca() if parent else trustme.CA()
        self.ca = self.folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(self, name, hosts=(), days=DAYS):
        """A certificate for `name`, valid for `hosts` (names and addresses): object with ca, cert, key (paths). days: may be over."""
        now = datetime.datetime.now(datetime.UTC)
        begins = now - datetime.timedelta(days=1 if days > 0 else 2 - days)
        issued = self._authority.issue_cert(
            *hosts,
            common_name=name,
            not_before=begins,
            not_after=now + datetime.timedelta(days=days),
        )
        files = SimpleNamespace(
            ca=self.ca, cert=self.folder / f"{name}.pem", key=self.folder / f"{name}.key"
        )
        issued.cert_chain_pems[0].write_to_path(files.cert)  # alone, without what is between
        files.key.touch(mode=0o600)
        issued.private_key_pem.write_to_path(files.key)
        return files
