"""What stands before each request: whether it was meant for us, whether it comes from our own page, who sends it; and what the
browser may do with the answer.

1. A page of somebody else's that knows our address (DNS rebinding) names itself in `Host`: a name that is not ours is refused.
   An IP address, `localhost` and this computer's own name cannot be somebody else's.
2. A page of somebody else's may send a POST with our cookie (CSRF): browsers say where it comes from, and it cannot send JSON.
3. With a file of users everything but the page's own files and the login wants a session.
"""

import ipaddress
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from station.page.logins import Logins

COOKIE = "outpost"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_OPEN = ("/api/login", "/api/about")  # without a session


class Guard:
    def __init__(self, app: ASGIApp, logins: Logins, names: Iterable[str]) -> None:
        """names: of this computer, besides those it knows itself."""
        self.app, self.logins = app, logins
        own = socket.gethostname().lower()
        self.names = {"localhost", own, own + ".local", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        scope["user"] = self.logins.who(session(headers))
        answer = self._fault(scope, headers) or self.app
        await answer(scope, receive, guarded)

    def _fault(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if not is_ours(host, self.names):
            return refused(
                421,
                f"{host} is no name of this computer that the page knows: open it by address, or start it with HOST={_name(host)}",
            )
        if scope["method"] not in ("GET", "HEAD"):
            if not _from_here(headers, host):
                return refused(403, "this was sent by another page")
            if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                return refused(415, "send JSON, with Content-Type: application/json")
        path = scope["path"]
        if self.logins.users is None or scope["user"] or not path.startswith("/api/"):
            return None
        return None if path in _OPEN else refused(401, "log in first")


def session(headers: Headers) -> str | None:
    """The secret of the session that a request names."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def refused(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status)


def is_ours(host: str, names: Iterable[str]) -> bool:
    """Can a `Host` be nobody else's page?"""
    name = _name(host)
    if not name:
        return False
    if name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    try:
        return urlsplit("//" + host).hostname or ""
    except ValueError:
        return ""


def _from_here(headers: Headers, host: str) -> bool:
    """Was it sent by our page, or by a program that is no browser?"""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == host
    except ValueError:  # it is no address
        return False
