"""One HTTP connection to a database that takes line protocol: what it answers, in words."""

import base64
import http.client
import json
import os
import re
import ssl
from urllib.parse import parse_qsl, urlencode, urlsplit

from station.store.contract import StoreError
from tools import CommandError

TOKEN = "OUTPOST_STORE_TOKEN"
_DATABASE = "outpost"
_PATIENCE_S = 10
_STORED = 204  # a page behind a login, or a proxy, answers 200 to anything
_BAD_REQUEST, _TOO_LARGE, _UNPROCESSABLE = 400, 413, 422
# What is said of lines, and not of the request: the rest of it is written.
_OF_LINES = re.compile(r"partial write|unable to parse|field type conflict|beyond retention", re.I)
_RIGHT = {
    401: f"it wants an account: put its token, or user:password, into ${TOKEN}",
    403: "this account may not write there",
    404: "there is no such database, or no /write: make the database, and name it as STORE=http://host:8086/?db=name",
}


class RefusedLines(Exception):
    """The database does not take some of the lines. The text is its own."""


class Link:
    def __init__(self, address: str) -> None:
        """address: http://host:port, also with ?db= and a path. CommandError: it is none, or has a password in it."""
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query))
        if parts.username or parts.password or query.keys() & {"u", "p", "token"}:
            raise CommandError(
                f"STORE= has an account in it, which every user of this machine could read: put token or user:password into ${TOKEN}"
            )
        try:
            port = parts.port
        except ValueError:
            port = 0
        if not parts.hostname or port == 0:
            raise CommandError(f"STORE={address} is no address: give http://host:port/?db=name")
        self.place = f"{parts.scheme}://{parts.netloc}"
        self._host, self._port, self._secure = parts.hostname, port, parts.scheme == "https"
        path = parts.path if parts.path.strip("/") else "/write"
        if "bucket" not in query:
            query.setdefault("db", _DATABASE)
        self._target = f"{path}?{urlencode(query | {'precision': 'ms'})}"
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        secret = os.environ.get(TOKEN)
        if secret:
            basic = base64.b64encode(secret.encode()).decode()
            self._headers["Authorization"] = (
                f"Basic {basic}" if ":" in secret else f"Token {secret}"
            )
        self._link: http.client.HTTPConnection | None = None

    def write(self, lines: list[str]) -> None:
        """Have lines stored. RefusedLines: some of them are not, the others may be; StoreError: it is away, or does not let us."""
        body = "\n".join(lines).encode()
        used = self._link is not None
        try:
            try:
                status, said = self._post(body)
            except (ConnectionError, http.client.RemoteDisconnected):
                if not used:  # else the server may have closed it meanwhile, as it may
                    raise
                self.close()
                status, said = self._post(body)
        except (OSError, http.client.HTTPException) as e:
            self.close()
            why = getattr(e, "strerror", None) or str(e) or type(e).__name__
            raise StoreError(f"{self.place}: {why}") from None
        if status == _STORED:
            return
        if status == _TOO_LARGE or (
            status in (_BAD_REQUEST, _UNPROCESSABLE) and _OF_LINES.search(said)
        ):
            raise RefusedLines(said)
        right = _RIGHT.get(status, said)
        if status < _BAD_REQUEST:
            right = f"a database that has stored lines answers {_STORED}: is that its address? It says: {said}"
        raise StoreError(f"{self.place} answers {status}: {right}")

    def close(self) -> None:
        if self._link:
            self._link.close()
        self._link = None

    def _post(self, body: bytes) -> tuple[int, str]:
        if self._link is None:
            self._link = self._opened()
        self._link.request("POST", self._target, body, self._headers)
        answer = self._link.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.will_close:
            self.close()
        return answer.status, _said(text)

    def _opened(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=_PATIENCE_S, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE_S)


def _said(text: str) -> str:
    """The words of an answer: InfluxDB wraps them in JSON."""
    try:
        members = json.loads(text)
        text = str(members.get("error") or members.get("message") or text)
    except (ValueError, AttributeError):
        pass
    return " ".join(text.split())[:300]
