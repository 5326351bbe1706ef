"""What `make bench` looks at the wire with: a relay that records, a link that takes time, a broker of one TLS version."""

import collections
import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import threading
import time

from sim.broker import HOST
from tools import toolchain

OPENSSL_CONF = """\
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = limits
[limits]
MaxProtocol = TLSv1.2
"""
_APPLICATION_DATA = 23  # TLS record type
_TRAILING_S = 0.4  # the last FIN and ACK come after the client has ended


@contextlib.contextmanager
def at_most_tls12(folder):
    """Brokers started within speak no TLS 1.3. Mosquitto's `tls_version` is the least it takes, not the most."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "openssl.cnf"
    path.write_text(OPENSSL_CONF)
    before = os.environ.get("OPENSSL_CONF")
    os.environ["OPENSSL_CONF"] = str(path)
    try:
        yield
    finally:
        del os.environ["OPENSSL_CONF"]
        if before is not None:
            os.environ["OPENSSL_CONF"] = before


class Recorder:
    """Passes one connection on to `port` and keeps what went up."""

    def __init__(self, port):
        self.up = bytearray()
        self.server = socket.create_server((HOST, 0))
        self.port = self.server.getsockname()[1]
        self.target = port
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.thread.join(5)
        self.server.close()

    def records(self):
        """The sizes of the TLS records with application data, their headers of five bytes included."""
        sizes = []
        i = 0
        while i + 5 <= len(self.up):
            size = 5 + int.from_bytes(self.up[i + 3 : i + 5], "big")
            if self.up[i] == _APPLICATION_DATA:
                sizes.append(size)
            i += size
        return sizes

    def _serve(self):
        self.server.settimeout(60)
        with (
            contextlib.suppress(OSError),
            self.server.accept()[0] as client,
            socket.create_connection((HOST, self.target)) as broker,
        ):
            down = threading.Thread(target=self._pass, args=(broker, client), daemon=True)
            down.start()
            self._pass(client, broker, self.up)
            down.join(5)

    @staticmethod
    def _pass(source, target, kept=None):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


class Distance:
    """Two network namespaces joined by TUN devices; each packet is held for a while, and counted.

    A proxy would acknowledge at once what it has not delivered: here nothing but the packets' time is changed.
    """

    ADDRESSES = ("10.66.0.1", "10.66.0.2")

    def __init__(self, delay):
        self.delay = delay
        self.names = [f"outpost-bench-{os.getpid()}-{i}" for i in range(2)]
        self.tuns = []
        self.open = True
        self.bytes = 0  # of IP packets, both ways

    def inside(self, i):
        return ("ip", "netns", "exec", self.names[i])

    def __enter__(self):
        for i, name in enumerate(self.names):
            ip("netns", "add", name)
            tun = os.open("/dev/net/tun", os.O_RDWR)
            device = f"ob{os.getpid() % 10000}{i}"
            # TUNSETIFF: IFF_TUN | IFF_NO_PI
            fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", device.encode(), 0x1001))
            ip("link", "set", device, "netns", name)
            ip("-n", name, "addr", "add", f"{self.ADDRESSES[i]}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "link", "set", "lo", "up")
            self.tuns.append(tun)
        for way in ((0, 1), (1, 0)):
            packets: collections.deque = collections.deque()
            threading.Thread(target=self._hold, args=(way[0], packets), daemon=True).start()
            threading.Thread(target=self._release, args=(way[1], packets), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.open = False
        for name in self.names:
            ip("netns", "del", name)

    @contextlib.contextmanager
    def counted(self):
        """Yield a list that in the end holds how many bytes went over the link."""
        count: list[int] = []
        time.sleep(_TRAILING_S)
        before = self.bytes
        yield count
        time.sleep(_TRAILING_S)
        count.append(self.bytes - before)

    def _hold(self, source, packets):
        with contextlib.suppress(OSError):
            while self.open:
                data = os.read(self.tuns[source], 2048)
                if data[0] >> 4 == 4:  # the rest is IPv6 looking for neighbours
                    self.bytes += len(data)
                packets.append((time.monotonic() + self.delay, data))

    def _release(self, target, packets):
        with contextlib.suppress(OSError):
            while self.open:
                if not packets:
                    time.sleep(0.0005)
                    continue
                due, data = packets.popleft()
                time.sleep(max(0, due - time.monotonic()))
                os.write(self.tuns[target], data)

    @contextlib.contextmanager
    def broker(self, folder, tls):
        """A broker at ADDRESSES[0]: 1883 is plain, 8883 TLS. `user root`: else it may not read the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "mosquitto.conf"
        config.write_text(
            f"user root\nallow_anonymous true\nset_tcp_nodelay true\nlistener 1883 {self.ADDRESSES[0]}\n"
            f"listener 8883 {self.ADDRESSES[0]}\n"
            f"cafile {tls.ca}\ncertfile {tls.cert}\nkeyfile {tls.key}\n"
        )
        process = subprocess.Popen(
            [*self.inside(0), str(toolchain.mosquitto()), "-c", str(config)],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1)
        try:
            yield
        finally:
            process.terminate()
            process.wait(5)


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)
