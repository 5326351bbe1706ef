"""The web server of the portal: microdot's, within bounds that it does not set itself.

Bytes and seconds of a request are limited, and so are requests at once: nobody holds up the others for long, or fills the heap. A
request for another host is redirected to the portal. That makes a phone show it, and keeps a foreign page whose name points here (DNS
rebinding) from talking to it. A form counts only with the token that was in it.
"""

import asyncio
from errno import ECONNRESET

from microdot.microdot import Microdot, Request, Response
from micropython import const

from firmware.provisioning.page import HEADERS

_VISITORS = const(4)  # at once: a Pico has five connections, and the trial needs one
# From the connection to the end of the answer; a search takes 10 of them on a Pico.
_REQUEST_S = const(15)
_REST_S = const(1)
_TURN_MS = const(50)
_LINE = const(1024)
_BODY = const(2048)  # all fields at their longest, three bytes a character, fill two thirds
_REQUEST = const(6144)
_PIECE = const(512)
_BUSY = b"HTTP/1.0 503 Busy\r\nRetry-After: 2\r\nRefresh: 2\r\nContent-Length: 0\r\n\r\n"


class Connection:
    """What microdot reads from and writes to."""

    def __init__(self, stream):
        self.stream = stream
        self.left = _REQUEST
        self.unread = False  # something of the request is left over, as it is too long
        self.silent = True  # nothing has come yet
        self._buffer = b""

    def get_extra_info(self, what):
        return self.stream.get_extra_info(what)

    async def _fill(self):
        if self.left <= 0:
            self._too_long()
        data = await self.stream.read(min(_PIECE, self.left))
        self.left -= len(data)
        self.silent = False
        self._buffer += data
        return data

    def _too_long(self):
        self.unread = True
        raise OSError(ECONNRESET)  # which microdot answers with 400, without a traceback

    def _take(self, n):
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data

    async def readline(self):
        while True:
            end = self._buffer.find(b"\n") + 1
            if end:
                return self._take(end)
            if len(self._buffer) > _LINE:
                self._too_long()
            if not await self._fill():
                raise OSError(ECONNRESET)

    async def readexactly(self, n):
        if not 0 <= n <= _BODY:
            self._too_long()
        while len(self._buffer) < n:
            if not await self._fill():
                raise OSError(ECONNRESET)
        return self._take(n)

    async def awrite(self, data):
        # What does not go out at once the stream copies.
        whole = memoryview(data)
        for at in range(0, len(data), _PIECE):
            self.stream.write(whole[at : at + _PIECE])
            await self.stream.drain()

    async def aclose(self):
        pass  # Site does, in any case

    async def rest(self):
        """Take what is left, so that the peer reads our answer before it hears that nobody listens."""
        while await self.stream.read(_PIECE):
            pass


class Site:
    def __init__(self, portal):
        self.portal = portal
        self.visitors = []  # (task, connection)
        self._server = None
        Request.max_content_length = Request.max_body_length = _BODY
        self.app = app = Microdot()
        app.before_request(self._guard)
        app.get("/")(self._page)
        app.post("/")(self._submit)
        app.post("/search")(self._search)
        app.get("/favicon.ico")(lambda request: ("", 404))
        app.errorhandler(404)(self._to_page)
        app.errorhandler(413)(self._too_large)

    async def open(self):
        self._server = await asyncio.start_server(self._serve, "0.0.0.0", 80, _VISITORS)

    def step(self):
        """MemoryError: a visitor found no memory, which has ended the server: nobody would be answered any more."""
        if self._server.task.done():
            raise MemoryError("provisioning: the page's server has ended")

    def close(self):
        if self._server:
            self._server.close()

    async def _serve(self, stream, _):
        connection = Connection(stream)
        visitor = asyncio.current_task(), connection
        is_full = len(self.visitors) >= _VISITORS and not self._dismiss_one()
        self.visitors.append(visitor)
        try:
            if is_full:
                await asyncio.wait_for(connection.awrite(_BUSY), _REST_S)
            else:
                handled = self.app.handle_request(connection, connection)
                await asyncio.wait_for(handled, _REQUEST_S)
            if connection.unread:
                await asyncio.wait_for(connection.rest(), _REST_S)
        except (OSError, MemoryError, asyncio.TimeoutError):
            pass  # a visitor who left, was too slow, or came when there was no room: it can come again
        finally:
            self.visitors.remove(visitor)
            await stream.wait_closed()

    def _dismiss_one(self):
        """Make room: browsers open connections that they may never use."""
        for task, connection in self.visitors:
            if connection.silent:
                connection.silent = False  # once is enough
                task.cancel()
                return True
        return False

    def _here(self, request):
        """Return where the visitor finds the page: by the port that it asked, which is not 80 on a simulated board."""
        port = request.headers.get("Host", "").partition(":")[2]
        return self.portal.address + (":" + port if port.isdigit() else "")

    def _to_page(self, request):
        return Response.redirect("http://%s/" % self._here(request))

    def _guard(self, request):
        self.portal.visited()
        if request.headers.get("Host", "").split(":")[0] != self.portal.address:
            return self._to_page(request)

    def _page(self, request):
        return Response(self.portal.page(self._here(request)), headers=HEADERS)

    def _form(self, request):
        """Return the form, or (text, status) if it is not ours."""
        try:
            form = request.form
        except ValueError:
            form = None  # not UTF-8, or not percent-encoded
        if not form:
            return "This is not the form of this page.", 400
        if form.get("token") != self.portal.token:
            return "This page is of an earlier time: go back, load it again.", 403
        return form

    async def _submit(self, request):
        form = self._form(request)
        if type(form) is tuple:
            return form
        self.portal.submit(form, form.get("do") != "save")
        while self.portal.is_busy():
            await asyncio.sleep_ms(_TURN_MS)
        return Response.redirect("/", 303)

    def _search(self, request):
        form = self._form(request)
        if type(form) is tuple:
            return form
        self.portal.search()
        return Response.redirect("/", 303)

    def _too_large(self, request):
        request.sock[0].unread = True
        return "Too much for this page.", 413
