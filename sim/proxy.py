"""A TCP proxy that does to a connection what networks do.

    with Proxy(broker.port) as proxy:
        … connect to proxy.port …
        proxy.swallow()                   # black hole: accepts everything, delivers nothing, tells nobody
        proxy.reset()                     # RST to both ends of every connection
        proxy.after(20, "up", "reset")    # the 20th further byte of the client is the last that arrives
        proxy.heal()

"up" is from the client to the server, "down" the other way. A command has taken effect when it returns.
"""

import asyncio
import contextlib
import socket
import struct
import threading

from sim.broker import HOST, keep_port

WAYS = ("up", "down")
_PIECE_S = 0.001  # between two bytes that must not arrive together
_PATIENCE = 10


class Proxy:
    """TCP from `port` to `server`; see the methods for what can go wrong."""

    def __init__(self, server):
        self.server = server  # port of new connections; may be changed
        self.port, self._kept = keep_port()
        self.connections = 0  # accepted so far
        self.passed = dict.fromkeys(WAYS, 0)  # bytes delivered
        self._conduct = dict.fromkeys(WAYS, "pass")
        self._delay_s = 0
        self._pieces = False
        self._fuses = {}  # way: [bytes left, action]
        self._links = set()
        self._listener = None
        self._crowd = []
        self._accepting = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._call(self._listen)
        return self

    def __exit__(self, *exception):
        self._call(self._stop)
        self._kept.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def open(self):
        """How many connections there are."""
        return len(self._links)

    # what can be told to do

    def heal(self):
        """Nothing goes wrong any more. What was held is delivered; what lost bytes stays lost."""
        self._call(self._heal)

    def delay(self, seconds):
        """Each byte takes so long, each way."""
        self._call(setattr, self, "_delay_s", seconds)

    def pieces(self):
        """Each byte arrives by itself."""
        self._call(setattr, self, "_pieces", True)

    def hold(self, *ways):
        """Deliver nothing now; heal() lets it go on: a cable pulled and put back."""
        self._call(self._behave, ways, "hold")

    def swallow(self, *ways):
        """Take everything, deliver nothing, not even the end: a router that forgot the connection.

        With one way: half-open. What has lost a byte stays so for ever, new connections until heal().
        """
        self._call(self._behave, ways, "swallow")

    def lose(self, *ways):
        """The same for the connections there are; new ones work."""
        self._call(self._lose, ways)

    def close(self):
        """End every connection in order."""
        self._call(self._end_all, "close")

    def reset(self):
        """End every connection with RST."""
        self._call(self._end_all, "reset")

    def refuse(self):
        """Nobody listens: RST to who connects. Connections that exist go on."""
        self._call(self._unlisten)

    def ignore(self):
        """Who connects gets no answer. Connections that exist go on."""
        self._call(self._ignore)

    def after(self, count, way, action):
        """After `count` more bytes one way do "close", "reset", "hold" or "swallow" to that connection.

        "hold" and "swallow" apply to all ways and connections, as the methods do.
        """
        self._call(self._fuses.__setitem__, way, [count, action])

    # in the loop's thread

    def _call(self, function, *args):
        async def run():
            return function(*args)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_PATIENCE)

    def _listen(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((HOST, self.port))
        self._listener.listen(16)
        self._listener.setblocking(False)
        self._accepting = self._loop.create_task(self._accept(self._listener))

    def _unlisten(self):
        if self._listener:
            self._accepting.cancel()
            self._listener.close()
            self._listener = None
        for each in self._crowd:
            each.close()
        self._crowd.clear()

    def _ignore(self):
        # A listener whose queue is full, and which nobody empties, does not answer a SYN.
        self._accepting.cancel()
        self._listener.listen(0)
        for _ in range(4):
            each = socket.socket()
            each.setblocking(False)
            each.connect_ex((HOST, self.port))
            self._crowd.append(each)

    def _heal(self):
        if not self._listener or self._crowd:
            self._unlisten()
            self._listen()
        self._delay_s = 0
        self._pieces = False
        self._fuses.clear()
        self._behave((), "pass")

    def _behave(self, ways, conduct):
        for way in ways or WAYS:
            self._conduct[way] = conduct
            for link in self._links:
                if conduct == "swallow":
                    link.lost.add(way)
                link.go[way].set() if conduct == "pass" else link.go[way].clear()

    def _lose(self, ways):
        for link in self._links:
            link.lost.update(ways or WAYS)

    def _end_all(self, how):
        for link in list(self._links):
            link.end(how)

    def _stop(self):
        self._unlisten()
        self._end_all("close")

    async def _accept(self, listener):
        while True:
            client, _ = await self._loop.sock_accept(listener)
            self.connections += 1
            self._loop.create_task(self._connect(client))

    async def _connect(self, client):
        server = socket.socket()
        server.setblocking(False)
        try:
            await self._loop.sock_connect(server, (HOST, self.server))
        except OSError:
            server.close()
            abort(client)
            return
        link = _Connection(self, client, server)
        self._links.add(link)


class _Connection:
    """One connection: two sockets, two ways."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.sockets = {"up": (client, server), "down": (server, client)}
        self.lost = {way for way in WAYS if proxy._conduct[way] == "swallow"}
        self.go = {way: asyncio.Event() for way in WAYS}
        self.tasks = []
        for each in (client, server):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for way in WAYS:
            if proxy._conduct[way] == "pass":
                self.go[way].set()
            queue = asyncio.Queue()
            self.tasks.append(asyncio.create_task(self._take(way, queue)))
            self.tasks.append(asyncio.create_task(self._give(way, queue)))

    async def _take(self, way, queue):
        loop = asyncio.get_running_loop()
        source = self.sockets[way][0]
        while True:
            try:
                data = await loop.sock_recv(source, 65536)
            except OSError:
                data = None  # RST
            queue.put_nowait((loop.time() + self.proxy._delay_s, data))
            if not data:
                return

    async def _give(self, way, queue):
        loop = asyncio.get_running_loop()
        sink = self.sockets[way][1]
        while True:
            due, data = await queue.get()
            await asyncio.sleep(due - loop.time())
            if way not in self.lost:
                await self.go[way].wait()
            if way in self.lost:
                continue
            if data is None:
                return self.end("reset")
            if not data:
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                if all(task.done() for task in self.tasks[::2]):
                    return self.end("close")
                continue
            for piece in self._pieces(way, data):
                if way in self.lost:
                    break
                if piece in ("close", "reset"):
                    return self.end(piece)
                await self.go[way].wait()
                self.proxy.passed[way] += len(piece)
                try:
                    await loop.sock_sendall(sink, piece)
                except OSError:
                    return self.end("reset")
                if self.proxy._pieces:
                    await asyncio.sleep(_PIECE_S)

    def _pieces(self, way, data):
        """Cut data where a fuse burns down; bring about what it is for."""
        proxy = self.proxy
        while data:
            fuse = proxy._fuses.get(way)
            size = min(
                len(data), 1 if proxy._pieces else len(data), fuse[0] if fuse else len(data)
            )
            if size:
                yield data[:size]
                data = data[size:]
            if fuse and proxy._fuses.get(way) is fuse:
                fuse[0] -= size
                if fuse[0] == 0:
                    del proxy._fuses[way]
                    if fuse[1] in ("close", "reset"):
                        yield fuse[1]
                        return
                    proxy._behave((), fuse[1])

    def end(self, how):
        self.proxy._links.discard(self)
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        for each, _ in self.sockets.values():
            abort(each) if how == "reset" else each.close()


def abort(connection):
    """Close with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
