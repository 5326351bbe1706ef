"""The page's addresses: its own files, and the JSON that they and scripts ask for (docs/page.md lists it)."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from station import messages
from station.page import frames
from station.page.frames import Json
from station.page.guard import COOKIE, Guard, session
from station.page.hub import Hub, Stream
from station.page.link import ANSWER_S, Link, Unanswered
from station.page.logins import SESSION_S, Logins, Wait
from station.page.source import Gone, Source

_STATIC = Path(__file__).with_name("static")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_LONGEST_BODY = 16_384
_COMMAND = re.compile(r"[a-z][a-z_]{0,31}")
_MOST_POINTS = 2_000
_AT_ONCE = 2  # passwords that are checked: each takes a processor and 16 MB
_YEAR_5138 = 10**14


class Page:
    """quantities: {name: (unit, decimals)}; names: of this computer, for its `Host`."""

    def __init__(
        self,
        source: Source,
        link: Link,
        logins: Logins,
        quantities: dict[str, tuple[str, int]],
        version: str,
        names: Iterable[str] = (),
    ) -> None:
        self.source, self.link, self.logins = source, link, logins
        self.hub = Hub(source, link)
        self.failure: BaseException | None = None  # an unforeseen one, which ends all
        self.end: Callable[[], None] = lambda: None  # the server that it runs on
        self.quantities, self.version = quantities, version
        self._checking = asyncio.Semaphore(_AT_ONCE)
        self._files = {path.name: _file(path) for path in _STATIC.iterdir()}
        self.app = Starlette(
            routes=[
                Route("/", self._shell),
                Route("/node/{name:path}", self._node_shell),
                Route("/static/{name}", self._static),
                Route("/api/about", self._about),
                Route("/api/nodes", self._nodes),
                Route("/api/node", self._node),
                Route("/api/series", self._series),
                Route("/api/events", self._events),
                Route("/api/command", self._command, methods=["POST"]),
                Route("/api/output", self._output, methods=["POST"]),
                Route("/api/login", self._login, methods=["POST"]),
                Route("/api/logout", self._logout, methods=["POST"]),
            ],
            middleware=[Middleware(Guard, logins=logins, names=tuple(names))],
            exception_handlers={HTTPException: _refused, Gone: _refused},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app):
        looking = asyncio.create_task(self.hub.run())
        looking.add_done_callback(self._ended)
        self.link.start()
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.to_thread(self.link.stop)

    def _ended(self, looking: asyncio.Task) -> None:
        """A page that shows old values for new would be worse than none."""
        if not looking.cancelled():
            self.failure = looking.exception()
            self.end()

    # ---- files

    async def _shell(self, request: Request) -> Response:
        return self._answered(request, "index.html")

    async def _node_shell(self, request: Request) -> Response:
        may_look = self.logins.users is None or request.scope["user"]
        name = request.path_params["name"]
        with suppress(Gone):  # the page says so
            if may_look and not await asyncio.to_thread(self.source.documents, name):
                content, kind, _ = self._files["index.html"]
                return Response(content, 404, media_type=kind)
        return await self._shell(request)

    async def _static(self, request: Request) -> Response:
        return self._answered(request, request.path_params["name"])

    def _answered(self, request: Request, name: str) -> Response:
        if name not in self._files:
            raise HTTPException(404, f"there is no {name}")
        content, kind, tag = self._files[name]
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)

    # ---- what there is

    async def _about(self, request: Request) -> Response:
        user = request.scope["user"]
        login = self.logins.users is not None
        if login and not user:
            return Json({"login": True, "user": None})
        return Json(
            {
                "login": login,
                "user": user,
                "base": self.link.base,
                "version": self.version,
                "store": self.source.place,
                "now": frames.now(),
                "broker": self.link.state(),
                "quantities": {
                    name: {"unit": unit, "decimals": decimals}
                    for name, (unit, decimals) in self.quantities.items()
                },
            }
        )

    async def _nodes(self, request: Request) -> Response:
        nodes = await asyncio.to_thread(self.source.nodes)
        return Json({"now": frames.now(), "nodes": nodes})

    async def _node(self, request: Request) -> Response:
        name = _asked(request, "node")
        found = await asyncio.to_thread(self.source.node, name)
        kept = self.link.kept.of(name)
        if found is None:
            raise HTTPException(404, f"the store knows no node {name}")
        return Json({**found, "now": frames.now(), "log": kept["log"], "outputs": kept["outputs"]})

    async def _series(self, request: Request) -> Response:
        node, channel, quantity = (
            _asked(request, name) for name in ("node", "channel", "quantity")
        )
        begin, end = (_whole(request, name, 0, _YEAR_5138) for name in ("begin", "end"))
        points = _whole(request, "points", 2, _MOST_POINTS, 600)
        if begin >= end:
            raise HTTPException(400, "begin has to be before end")
        found = await asyncio.to_thread(
            self.source.series, node, channel, quantity, begin, end, points
        )
        return Json(found)

    async def _events(self, request: Request):
        return Stream(self.hub, request.query_params.get("node"))

    # ---- what is to be done

    async def _command(self, request: Request) -> Response:
        body = await _body(request)
        node, name = _text(body, "node"), _text(body, "command")
        arguments = body.get("arguments", {})
        if not _COMMAND.fullmatch(name):
            raise HTTPException(400, "command: give the name of one, such as read")
        if not isinstance(arguments, dict) or "id" in arguments:
            raise HTTPException(400, "arguments: give an object, without an id")
        return await self._answer(node, lambda: self.link.command(node, name, arguments))

    async def _output(self, request: Request) -> Response:
        body = await _body(request)
        node, name, value = (_text(body, each) for each in ("node", "name", "value"))
        if name not in self.link.kept.of(node)["outputs"]:
            raise HTTPException(404, f"{node} has no output {name}")
        return await self._answer(node, lambda: self.link.output(node, name, value))

    async def _answer(self, node: str, send: Callable[[], Any]) -> Response:
        """Send something to a node, and hand on what it says."""
        found = await asyncio.to_thread(self.source.status, node)
        status = self.link.kept.of(node)["status"] or found
        if status is None or re.search(r"[+#/\0]", node):
            raise HTTPException(404, f"there is no node {node}")
        if status != "online":
            raise HTTPException(409, f"{node} is {status}: nobody answers. Nothing was sent")
        try:
            return Json(await asyncio.wait_for(asyncio.wrap_future(send()), 2 * ANSWER_S))
        except TimeoutError:  # it waited for a broker
            raise HTTPException(504, f"nothing was sent to {node}: no broker") from None
        except Unanswered as e:
            raise HTTPException(504 if self.link.connected else 503, str(e)) from None

    async def _login(self, request: Request) -> Response:
        body = await _body(request)
        user, password = _text(body, "user"), _text(body, "password")
        users = self.logins.users
        if users is None:
            raise HTTPException(404, "nobody has to log in here")
        address = request.client.host if request.client else ""
        try:
            self.logins.admit(address)
        except Wait as e:
            raise HTTPException(429, str(e), {"Retry-After": str(e.seconds)}) from None
        async with self._checking:
            right = await asyncio.to_thread(users.check, user, password)
        if not right:
            raise HTTPException(403, "user or password is wrong")
        answer = Json({"user": user})
        answer.set_cookie(
            COOKIE,
            self.logins.begin(user, address),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            # The word of a server with TLS before us; who writes it himself hurts his own cookie alone.
            secure=request.headers.get("x-forwarded-proto") == "https",
        )
        return answer

    async def _logout(self, request: Request) -> Response:
        self.logins.end(session(request.headers))
        answer = Json({})
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer


def _file(path: Path) -> tuple[bytes, str, str]:
    content = path.read_bytes()
    return content, _TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:16]}"'


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return Json({"error": error.detail}, error.status_code, error.headers)
    return Json({"error": str(error)}, 503)


def _asked(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if value is None:
        raise HTTPException(400, f"{name} is missing")
    return value


def _whole(request: Request, name: str, least: int, most: int, usual: int | None = None) -> int:
    text = request.query_params.get(name, "" if usual is None else str(usual))
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII) or not least <= int(text) <= most:
        raise HTTPException(400, f"{name}: give a whole number from {least} to {most}")
    return int(text)


async def _body(request: Request) -> dict[str, Any]:
    data = bytearray()
    try:
        async for part in request.stream():
            data += part
            if len(data) > _LONGEST_BODY:
                raise HTTPException(413, f"more than {_LONGEST_BODY} bytes")
    except ClientDisconnect:
        raise HTTPException(400, "the request broke off") from None
    try:
        body = messages.parsed(data.decode())
    except ValueError as e:
        raise HTTPException(400, f"this is no JSON to be sent here: {e}") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "send a JSON object: { … }")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise HTTPException(400, f"{name}: give a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise HTTPException(400, f"{name}: this is no text in UTF-8") from None
    return value
