"""Web Serial without a board: a web server for a folder, and in the browser a `navigator.serial` whose port is a pseudo-terminal of ours.

The browser's half, SCRIPT, behaves as the specification says: what may be opened and closed when, how a stream ends that the page has
cancelled, and what a pulled cable does. Its bytes and signals go over HTTP, to the page's own server.
Source: Web Serial API, WICG draft.
"""

import json
import os
import select
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

_POLL_S = 0.5

SCRIPT = """
(() => {
  const call = (what, body = "") => fetch(`/serial/${what}`, { method: "POST", body });
  let picked;

  class Port extends EventTarget {
    state = "closed";
    #readable = null;
    #writable = null;

    getInfo() {
      return { usbVendorId: 0x10c4, usbProductId: 0xea60 };
    }

    async open({ baudRate }) {
      if (!(baudRate > 0)) throw new TypeError("baudRate");
      if (this.state !== "closed") throw new DOMException("The port is already open.", "InvalidStateError");
      const answer = await call("open", String(baudRate));
      if (!answer.ok) throw new DOMException("Failed to open serial port.", "NetworkError");
      this.session = await answer.text();
      this.isLost = false;
      this.state = "opened";
    }

    get readable() {
      if (this.state === "opened" && !this.isLost && !this.#readable) {
        const stop = new AbortController();
        this.#readable = new ReadableStream({
          start: (controller) => (this.reading = controller),
          pull: async (controller) => {
            for (;;) {
              let answer;
              try {
                answer = await fetch(`/serial/read?${this.session}`, { signal: stop.signal });
              } catch {
                return;
              }
              if (answer.status === 410) return this.lose();
              const bytes = new Uint8Array(await answer.arrayBuffer());
              if (bytes.length) return controller.enqueue(bytes);
            }
          },
          cancel: () => {
            stop.abort();
            this.#readable = null;
          },
        }, { highWaterMark: 0 });
      }
      return this.#readable;
    }

    get writable() {
      if (this.state === "opened" && !this.isLost && !this.#writable) {
        this.#writable = new WritableStream({
          start: (controller) => (this.writing = controller),
          write: async (bytes) => {
            const answer = await call("write", bytes);
            if (answer.status === 410) {
              this.lose();
              throw new DOMException("The device has been lost.", "NetworkError");
            }
          },
        });
      }
      return this.#writable;
    }

    async setSignals({ dataTerminalReady, requestToSend }) {
      if (this.state !== "opened" || this.isLost) throw new DOMException("The port is closed.", "InvalidStateError");
      const answer = await call("signals", JSON.stringify({ dtr: dataTerminalReady, rts: requestToSend }));
      if (answer.status === 410) {
        this.lose();
        throw new DOMException("Failed to set control signals.", "NetworkError");
      }
    }

    async close() {
      if (this.state !== "opened") throw new DOMException("The port is already closed.", "InvalidStateError");
      if (this.#readable?.locked || this.#writable?.locked) throw new TypeError("Cannot close a port whose streams are locked.");
      await this.#readable?.cancel();
      this.#readable = this.#writable = null;
      this.state = "closed";
      await call("close");
    }

    lose() {
      if (this.isLost) return;
      this.isLost = true;
      const error = new DOMException("The device has been lost.", "NetworkError");
      if (this.#readable) this.reading.error(error);
      if (this.#writable) this.writing.error(error);
      this.#readable = this.#writable = null; // it stays open until it is closed
      this.dispatchEvent(new Event("disconnect"));
    }
  }

  const serial = new EventTarget();
  serial.requestPort = async () => {
    if (!navigator.userActivation.isActive) throw new DOMException("Must be handling a user gesture.", "SecurityError");
    if ((await call("choose")).status === 404) throw new DOMException("No port selected by the user.", "NotFoundError");
    return (picked ??= new Port());
  };
  serial.getPorts = async () => (picked ? [picked] : []);
  Object.defineProperty(Navigator.prototype, "serial", { configurable: true, get: () => serial });
})();
"""


class Site:
    """A context manager: `url` is where the folder is. `rom` is the board on the cable, an EspRom; None: no port is there.

    cut_bytes: after so many bytes to the board the cable comes out. busy: another program has the port.
    """

    def __init__(self, folder):
        self.folder = folder
        self.rom = None
        self.changed = threading.Condition()
        self.reset()

    def reset(self):
        self.plug(None)
        self.cut_bytes = None
        self.busy = False
        self.rates = []

    def plug(self, rom):
        """Put another board on the cable, or none."""
        with self.changed:
            self.rom = rom
            self.session = 0
            self.lines = {"dtr": False, "rts": False}
            self.received = b""
            self.is_cut = False
            self.cut_bytes = None

    def pull(self):
        with self.changed:
            self.is_cut = True
            self.changed.notify_all()

    def __enter__(self):
        self.server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.running = True
        self.threads = [
            threading.Thread(target=target, daemon=True)
            for target in (partial(self.server.serve_forever, 0.05), self._pump)
        ]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.running = False
        self.pull()
        self.server.shutdown()
        for thread in self.threads:
            thread.join()
        self.server.server_close()

    def _pump(self):
        """What the board says, to the buffer of whoever has the port open; else it is lost, as on a real line."""
        rom = line = None
        while self.running:
            if rom is not self.rom:
                if line is not None:
                    os.close(line)
                rom = self.rom
                line = os.open(rom.port, os.O_RDWR | os.O_NOCTTY) if rom else None
            ready = select.select([line] if rom else [], [], [], 0.02)[0]
            if ready:
                data = os.read(line, 65536)
                with self.changed:
                    if rom is self.rom and self.session:
                        self.received += data
                        self.changed.notify_all()
        if line is not None:
            os.close(line)

    # what the browser's half asks for; None: the cable is out

    def open(self, rate):
        with self.changed:
            self.rates.append(int(rate))
            self.session = len(self.rates)
            self.received = b""
            return str(self.session).encode()

    def close(self, _):
        with self.changed:
            self.session = 0
        return b""

    def read(self, session):
        with self.changed:
            self.changed.wait_for(lambda: self.received or self.is_cut, _POLL_S)
            if self.is_cut or not self.rom:
                return None
            if session != str(self.session):
                return b""
            data, self.received = self.received, b""
            return data

    def write(self, data):
        if self.cut_bytes is not None:
            self.cut_bytes -= len(data)
            if self.cut_bytes < 0:
                self.pull()
        if self.is_cut or not self.rom:
            return None
        line = os.open(self.rom.port, os.O_RDWR | os.O_NOCTTY)
        try:
            while data:
                data = data[os.write(line, data) :]
        finally:
            os.close(line)
        return b""

    def signals(self, data):
        if self.is_cut or not self.rom:
            return None
        self.lines |= json.loads(data)
        self.rom.signals(**self.lines)
        return b""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A page that is left does not wait for its answers."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, site, *words):
        self.site = site
        super().__init__(*words, directory=str(site.folder))

    def log_message(self, *words):
        pass

    def do_GET(self):
        if self.path.startswith("/serial/read?"):
            return self._reply(self.site.read(self.path.partition("?")[2]))
        super().do_GET()

    def do_POST(self):
        what = self.path.removeprefix("/serial/")
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if what == "choose":
            return self._reply(b"" if self.site.rom else None, 404)
        if what == "open" and self.site.busy:
            return self._reply(None, 409)
        self._reply(getattr(self.site, what)(data))

    def _reply(self, data, otherwise=410):
        self.send_response(otherwise if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data or b"")
