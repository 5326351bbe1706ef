"""The collector's own numbers for Prometheus, on a loopback port."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tools import CommandError

HOST = "127.0.0.1"
_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# A table, one number a row:
# fmt: off
ROWS = (
    # name                    kind       what it is
    ("messages",              "counter", "messages that came"),
    ("redelivered",           "counter", "messages that the broker sent again"),
    ("readings_stored",       "counter", "readings that were new"),
    ("readings_doubled",      "counter", "readings that were there"),
    ("readings_completed",    "counter", "readings whose time was filled in"),
    ("readings_retimed",      "counter", "readings whose time the node corrected"),
    ("bad_messages",          "counter", "messages that are none of a node's"),
    ("retained_ignored",      "counter", "retained readings, which came before"),
    ("commits",               "counter", "batches on the disk"),
    ("store_errors",          "counter", "batches that the store did not take"),
    ("connects",              "counter", "connections to the broker"),
    ("connected",             "gauge",   "1: connected and subscribed"),
    ("waiting",               "gauge",   "messages that are not on the disk yet"),
    ("last_reading_seconds",  "gauge",   "Unix time of the newest message with a reading"),
)
# fmt: on


class Numbers:
    """One attribute a row, from 0 on."""

    def __init__(self) -> None:
        self.messages = self.redelivered = self.bad_messages = self.retained_ignored = 0
        self.readings_stored = self.readings_doubled = 0
        self.readings_completed = self.readings_retimed = 0
        self.commits = self.store_errors = self.connects = self.connected = self.waiting = 0
        self.last_reading_seconds = 0.0
        self.started = time.time()

    def text(self) -> str:
        """In Prometheus' text format."""
        lines = []
        for name, kind, what in ROWS:
            full = f"outpost_collector_{name}" + ("_total" if kind == "counter" else "")
            lines += [f"# HELP {full} {what}", f"# TYPE {full} {kind}"]
            lines.append(f"{full} {getattr(self, name)}")
        return "\n".join(lines) + "\n"


def serve(port: int, text: Callable[[], str]) -> ThreadingHTTPServer:
    """Serve /metrics in the background until `server_close()`. CommandError: the port is taken."""

    class Page(BaseHTTPRequestHandler):
        timeout = 10  # seconds for a request: a client that sends none holds no thread for ever

        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404, "metrics are at /metrics")
                return
            body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", _TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args) -> None:
            """Each scrape would be a line."""

    try:
        server = ThreadingHTTPServer((HOST, port), Page)
    except OSError as e:
        raise CommandError(
            f"METRICS={port}: {e.strerror}: give a port that no other program has"
        ) from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
