"""The page's server in a thread, on a store that a test fills; asked as a browser would."""

import http.client
import json
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlencode

from station.messages import Reading, State
from station.page.app import Page
from station.page.link import Link
from station.page.logins import Logins
from station.page.server import Server
from station.page.source import Source
from station.store.contract import Batch
from station.store.sqlite import SqliteStore

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
QUANTITIES = {"temperature": ("°C", 2), "open": ("", 0)}


def now():
    return time.time_ns() // 1_000_000


def reading(seq, ts, node="attic", channel="air", late=False, boot=8, **quantities):
    received = now() if ts is None else ts + 100
    text = json.dumps(quantities or {"temperature": 20.0 + seq % 5})
    return Reading(node, boot, seq, channel, text, ts, received, late)


def store(path, readings=(), states=()):
    """A store that has these, and in which a collector has listened all the time."""
    made = SqliteStore(path, "outpost")
    made.append(Batch(readings=list(readings), states=list(states)))
    made.remember("listening", f"1 {now()}")
    made.close()


def state(node, kind, content):
    text = content if isinstance(content, str) else json.dumps(content)
    return State(node, kind, text, now())


class Served:
    def __init__(self, page, port):
        self.page, self.port = page, port
        self.host = f"127.0.0.1:{port}"

    def ask(self, path, body=None, method=None, **headers):
        """Return (status, headers, bytes). body: sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            body = body if isinstance(body, bytes) else json.dumps(body)
            headers = {"Content-Type": "application/json"} | headers
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path, **query):
        """Return what an address of the API has."""
        status, _, body = self.ask(f"/api/{path}?{urlencode(query)}")
        assert status == 200, body
        return json.loads(body)

    def refusal(self, *words, **more):
        """Return the status and the text of a refusal."""
        status, _, body = self.ask(*words, **more)
        assert status >= 400, body
        return status, json.loads(body)["error"]

    @contextmanager
    def events(self, **query):
        """Yield a function that returns the next event, (kind, content)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", f"/api/events?{urlencode(query)}")
        answer = connection.getresponse()
        assert answer.status == 200

        def following(kind=None):
            while True:
                lines = []
                while (line := answer.readline()) != b"\n":
                    assert line, "the stream has ended"
                    lines.append(line.decode().rstrip("\n"))
                found = dict(line.split(": ", 1) for line in lines)
                if "event" in found and kind in (None, found["event"]):
                    return found["event"], json.loads(found["data"])

        try:
            yield following
        finally:
            answer.close()
            connection.close()


@contextmanager
def served(path, users=None, names=(), link=None):
    page = Page(
        Source(path), link or Link([], "outpost"), Logins(users), QUANTITIES, "0.1.0", names
    )
    server = Server(page)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        try:
            yield Served(page, listening.getsockname()[1])
        finally:
            server.end()
            thread.join(10)
            page.source.close()
