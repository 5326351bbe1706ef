"""Run by MicroPython for tools/bench/bench.py: one client, one measure. `CLIENT MEASURE HOST PORT COUNT CA`, prints numbers.

The reading is a topic of 20 bytes and 90 bytes of JSON. CA is a DER file, or empty: no TLS. `drain:32` has a window of 32.
"""

import gc
import socket
import sys
import time

CLIENT, MEASURE, HOST, PORT, COUNT, CA = sys.argv[1:]
MEASURE, _, WINDOW = MEASURE.partition(":")
COUNT = int(COUNT)
WINDOW = int(WINDOW or 1)
TOPIC = b"outpost/bench/inside"
READING = (
    b'{"ts":1763630000123,"boot":17,"seq":42,"temperature":21.37,"humidity":45.2,"pressure":1013}'[
        :90
    ]
)


class Floor:
    """Packets made beforehand, one write each, no checks: what no client can be better than."""

    def __init__(self, server, port):
        self.server = server, port
        n = 2 + len(TOPIC) + len(READING)
        head = bytes((0, len(TOPIC))) + TOPIC
        self.packets = (
            bytes((0x30, n)) + head + READING,
            bytes((0x32, n + 2)) + head + b"\0\1" + READING,
        )
        self.ack = bytearray(4)

    def connect(self, first=b""):
        self.sock = socket.socket()
        self.sock.connect(socket.getaddrinfo(*self.server)[0][-1])
        self.sock.setsockopt(6, 1, 1)
        if CA:
            self.sock = ussl.wrap_socket(self.sock, **tls_params())
        self.sock.write(b"\x10\x11\0\4MQTT\4\2\0\0\0\5bench" + first)
        self.sock.readinto(self.ack)

    def publish(self, topic, msg, qos):
        self.sock.write(self.packets[qos])
        if qos:
            self.sock.readinto(self.ack)

    def drain(self):
        for i in range(COUNT + WINDOW):
            if i >= WINDOW:
                self.sock.readinto(self.ack)
            if i < COUNT:
                self.sock.write(self.packets[1])

    def disconnect(self):
        self.sock.write(b"\xe0\0")
        self.sock.close()


class ussl:
    """The module that umqtt.simple 1.3.4 and both of 2.2.0 import, and MicroPython has no more."""

    @staticmethod
    def wrap_socket(sock, cadata, server_hostname):
        import tls

        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED
        context.load_verify_locations(cadata)
        return context.wrap_socket(sock, server_hostname=server_hostname)


def tls_params():
    with open(CA, "rb") as f:
        return {"cadata": f.read(), "server_hostname": "localhost"}


def make():
    if CLIENT == "floor":
        return Floor(HOST, int(PORT))
    options = {}
    if CA:
        sys.modules["ussl"] = ussl
        options = {"ssl": True, "ssl_params": tls_params()}
    if CLIENT == "ours":
        from mqtt import Client

        if WINDOW > 1:
            # buffer: 64 readings do not fit into what is enough for 32
            options.update(window=WINDOW, buffer=160 * WINDOW)
        return Client("bench", HOST, int(PORT), **options)
    module = __import__("umqtt." + CLIENT, None, None, ("MQTTClient",))
    return module.MQTTClient("bench", HOST, int(PORT), **options)


def publisher(client):
    """Return publish(qos), which comes back when the message is done."""
    if CLIENT not in ("simple2", "robust2"):
        return lambda qos: client.publish(TOPIC, READING, qos=qos)
    waiting = set()

    def status(pid, code):
        waiting.discard(pid)

    client.set_callback_status(status)

    def publish(qos):
        pid = client.publish(TOPIC, READING, qos=qos)
        if qos:
            waiting.add(pid)
            while waiting:
                client.check_msg()

    return publish


def ram():
    gc.collect()
    start = gc.mem_alloc()
    client = make()
    gc.collect()
    gc.collect()
    client.connect()
    gc.collect()
    gc.collect()
    print(gc.mem_alloc() - start)
    publish = publisher(client)
    for qos in (0, 1):
        publish(qos)
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        for _ in range(COUNT):
            publish(qos)
        print((gc.mem_alloc() - before) // COUNT)
        gc.enable()


def rate(qos):
    client = make()
    client.connect()
    publish = publisher(client)
    publish(qos)
    begin = time.ticks_us()
    for _ in range(COUNT):
        publish(qos)
    if not qos:
        publish(1)
    print(COUNT * 1000000 // time.ticks_diff(time.ticks_us(), begin))
    client.disconnect()


def drain():
    """COUNT messages of QoS 1 with the connection up, WINDOW of them in flight."""
    client = make()
    client.connect()
    begin = time.ticks_ms()
    if WINDOW == 1:
        publish = publisher(client)
        for _ in range(COUNT):
            publish(1)
    else:
        {"floor": Floor.drain, "ours": drain_ours}.get(CLIENT, drain_2)(client)
    ms = time.ticks_diff(time.ticks_ms(), begin)
    print(COUNT * 1000 // (ms or 1), ms)
    client.disconnect()


def drain_ours(client):
    sent = done = 0
    while done < COUNT:
        while sent < COUNT and client.send(TOPIC, READING, False, 1) is not None:
            sent += 1
        acked = client.step(time.ticks_ms())[0]
        done += len(acked)
        if not acked:
            client._poll(100)


def drain_2(client):
    """simple2, robust2: publish returns without waiting. Readings differ: robust2 fails at the 11th of the same."""
    readings = [READING[:-4] + b"%04d" % i for i in range(64)]
    done = 0

    def status(pid, code):
        nonlocal done
        done += 1

    client.set_callback_status(status)
    sent = 0
    while done < COUNT:
        while sent < COUNT and sent - done < WINDOW:
            client.publish(TOPIC, readings[sent % 64], qos=1)
            sent += 1
        client.check_msg()


def once():
    client = make()
    begin = time.ticks_ms()
    if CLIENT == "ours":
        client.start(begin, early=True)
        client.send(TOPIC, READING, qos=1)
        client._until(lambda: not client.pending)
    elif CLIENT == "floor":
        client.connect(client.packets[1])
        client.sock.readinto(client.ack)
    else:
        client.connect()
        publisher(client)(1)
    client.disconnect()
    print(time.ticks_diff(time.ticks_ms(), begin))


def plain():
    """COUNT publishes and nothing else, for strace and callgrind."""
    client = make()
    client.connect()
    publish = publisher(client)
    for _ in range(COUNT):
        publish(int(MEASURE[-1]))
    print(0)


{
    "ram": ram,
    "rate0": lambda: rate(0),
    "rate1": lambda: rate(1),
    "drain": drain,
    "once": once,
    "plain0": plain,
    "plain1": plain,
}[MEASURE]()
