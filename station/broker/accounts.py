"""Accounts: users, their passwords, and mosquitto's password file.

Passwords are random, 144 bits. The file has what mosquitto_passwd writes: `user:$7$<rounds>$<salt>$<hash>`, PBKDF2 with SHA-512. A line whose
password is still right is kept as it is, so that a second run changes nothing, and running connections stay.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

from firmware.discovery.payload import safe

# Rounds slow down guessing, and each connection. A random password needs none; somebody may have chosen one in a CSV.
_ROUNDS = 1000
_SALT_BYTES = 12  # as mosquitto_passwd's
_HASH_BYTES = 64
_PASSWORD_BYTES = 18
_LINE = re.compile(r"\$7\$(\d{1,8})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")


class Account(NamedTuple):
    user: str
    password: str


def new_password() -> str:
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def user_of(node: str) -> str:
    """Return the user name of a node: its own, unless mosquitto's files cannot have that. Two nodes never get the same."""
    fits = node.isprintable() and node == " ".join(node.split()) and ":" not in node
    return node if fits else safe(node)


def fits(account: Account) -> bool:
    """Can a line of mosquitto's files hold this user?"""
    user = account.user
    plain = user.isprintable() and user == user.strip() and ":" not in user
    return bool(user) and plain and user[0] != "#"


def hashed(password: str, rounds: int = _ROUNDS) -> str:
    """Return what mosquitto's password file has of a password."""
    return _hashed(password, secrets.token_bytes(_SALT_BYTES), rounds)


def _hashed(password: str, salt: bytes, rounds: int) -> str:
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, _HASH_BYTES)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"


def is_hash_of(line: str, password: str) -> bool:
    """Was this hash made of this password?"""
    found = _LINE.fullmatch(line)
    if not found or not 0 < int(found[1]) <= 10**6:
        return False
    try:
        salt = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(_hashed(password, salt, int(found[1])), line)


def parsed(text: str) -> dict[str, str]:
    """Return {user: hash} of a password file."""
    lines = (line.rpartition(":") for line in text.splitlines())
    return {user: line for user, _, line in lines if user}


def written(hashes: dict[str, str]) -> str:
    """Return the password file of {user: hash}."""
    return "".join(f"{user}:{line}\n" for user, line in hashes.items())


def renewed(accounts: list[Account], before: dict[str, str]) -> dict[str, str]:
    """Return {user: hash} of the accounts, of those before where the password is the same."""
    return {
        user: before[user] if is_hash_of(before.get(user, ""), password) else hashed(password)
        for user, password in accounts
    }
