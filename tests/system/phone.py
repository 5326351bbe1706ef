"""A phone in front of the portal: plain HTTP, so that a test sees what goes over the air."""

import html
import http.client
import re
import socket
import time
from typing import NamedTuple
from urllib.parse import urlencode

from outside import until

HOST = "127.0.0.1"  # the access point's address, under simulation
OPEN_S = 20  # a Pico searches for ten of them before it opens
TRIED_S = 90


class Answer(NamedTuple):
    status: int
    headers: dict
    text: str

    @property
    def words(self):
        """What is to be read, without tags."""
        body = self.text.split("<body>")[-1]
        return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body)))


class Phone:
    def __init__(self, node):
        self.node = node
        self.port = node.served(80, OPEN_S)

    def ask(self, method="GET", path="/", body=None, host=HOST, **headers):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        headers = {"Host": host, **headers}
        if isinstance(body, dict):
            body = urlencode(body).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def token(self):
        return re.search(r"name=token value=(\w+)", self.ask().text)[1]

    def submit(self, do="test", **fields):
        """Send the form. Return the answer to what it leads to."""
        answer = self.ask("POST", "/", {"token": self.token(), "do": do, **fields})
        assert (answer.status, answer.headers.get("Location")) == (303, "/"), answer
        return self.ask()

    def result(self):
        """Wait for the end of the trial, as the page does. Return the page."""
        pages = []

        def tried():
            pages.append(self.ask())
            return "http-equiv=refresh" not in pages[-1].text

        until(tried, TRIED_S, "the result", lambda: self.node.output[-3000:])
        return pages[-1]

    def raw(self, data, wait=20):
        """Send bytes as they are. Return all that comes until the node closes."""
        with socket.create_connection((HOST, self.port), timeout=wait) as connection:
            connection.sendall(data)
            got = b""
            deadline = time.monotonic() + wait
            while time.monotonic() < deadline:
                try:
                    piece = connection.recv(4096)
                except ConnectionResetError:
                    break
                if not piece:
                    break
                got += piece
            return got
