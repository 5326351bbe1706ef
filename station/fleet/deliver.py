"""Ways to tell somebody: a command, or an address that takes JSON. Nothing of a node's ever reaches a shell."""

import json
import os
import shlex
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

from station.fleet.alarms import Message, Send
from tools import CommandError

_PATIENCE_S = 30
_SHOWN = 200  # characters of what a command says
_READ = 10_000  # bytes of it that are looked at


def by_command(command: str) -> Send:
    """Run a command for each message: its words are split as a shell would, but no shell sees them.

    It has the line on standard input, and OUTPOST_EVENT, _NODE, _KIND, _TEXT and _AT (Unix ms) in its environment. CommandError: it
    cannot be one.
    """
    try:
        words = shlex.split(command)
    except ValueError as e:
        raise CommandError(f"TELL={command} is no command: {e}") from None
    if not words or not shutil.which(words[0]):
        raise CommandError(
            f"TELL={command}: there is no program {words[0] if words else ''}: give one with its arguments, as TELL='mail -s Outpost me@example.org'"
        )

    def send(message: Message) -> str | None:
        told = {f"OUTPOST_{key.upper()}": str(value) for key, value in message._asdict().items()}
        try:
            with _file(message.line + "\n") as line, _file() as out, _file() as err:
                done = subprocess.run(
                    words,
                    stdin=line,
                    stdout=out,
                    stderr=err,
                    env=os.environ | told,
                    timeout=_PATIENCE_S,
                    check=False,
                )
                said = " ".join((_read(err) or _read(out)).split())[:_SHOWN]
        except subprocess.TimeoutExpired:
            return f"{words[0]} did not end within {_PATIENCE_S} s"
        except OSError as e:
            return f"{words[0]}: {e.strerror}"
        if done.returncode:
            return f"{words[0]} ended with {done.returncode}" + (f": {said}" if said else "")
        return None

    return send


@contextmanager
def _file(text: str = "") -> Iterator[IO[bytes]]:
    """A file in memory: a pipe would not end before every process that a command leaves behind, and a disk may be full."""
    in_memory = hasattr(os, "memfd_create")  # Linux
    with open(os.memfd_create("outpost"), "w+b") if in_memory else TemporaryFile() as file:
        file.write(text.encode(errors="replace"))
        file.seek(0)
        yield file


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_READ).decode(errors="replace")


def by_post(address: str) -> Send:
    """Post each message as JSON: {event, node, kind, text, at, line}. CommandError: it is no http or https address."""
    try:
        parts = urllib.parse.urlsplit(address)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise CommandError(
            "POST= is no address: give one that begins with http:// or https://, as POST=https://example.org/hook"
        )
    # Of http and https alone: a redirection leads to nothing else. An address may have a secret in it: only its host is named.
    opener = urllib.request.OpenerDirector()
    for handler in (
        *(urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler),
        *(urllib.request.HTTPErrorProcessor, urllib.request.HTTPDefaultErrorHandler),
    ):
        opener.add_handler(handler())

    def send(message: Message) -> str | None:
        body = json.dumps(message._asdict() | {"line": message.line}).encode()
        request = urllib.request.Request(
            address, body, {"Content-Type": "application/json", "User-Agent": "outpost"}
        )
        try:
            with opener.open(request, timeout=_PATIENCE_S):
                return None
        except urllib.error.HTTPError as e:
            return f"{host} answers {e.code} {e.reason}"
        except (OSError, ValueError) as e:
            return f"{host}: {getattr(e, 'reason', None) or e}"

    return send
