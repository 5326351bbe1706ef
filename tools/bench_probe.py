"""Run by MicroPython for tools/bench.py: one client, one measure. `CLIENT MEASURE HOST PORT COUNT`, prints numbers.

The reading is a topic of 20 bytes and 90 bytes of JSON.
"""

import gc
import socket
import sys
import time

CLIENT, MEASURE, HOST, PORT, COUNT = sys.argv[1:]
COUNT = int(COUNT)
TOPIC = b"outpost/bench/inside"
READING = (
    b'{"ts":1763630000123,"boot":17,"seq":42,"temperature":21.37,"humidity":45.2,"pressure":1013}'[
        :90
    ]
)
START = gc.mem_alloc()


class Floor:
    """Packets made beforehand, one write each, no checks: what no client can be better than."""

    def __init__(self, client_id, server, port):
        self.server = server, port
        n = 2 + len(TOPIC) + len(READING)
        head = bytes((0, len(TOPIC))) + TOPIC
        self.packets = (
            bytes((0x30, n)) + head + READING,
            bytes((0x32, n + 2)) + head + b"\0\1" + READING,
        )
        self.ack = bytearray(4)

    def connect(self):
        self.sock = socket.socket()
        self.sock.connect(socket.getaddrinfo(*self.server)[0][-1])
        self.sock.setsockopt(6, 1, 1)
        self.sock.write(b"\x10\x11\0\4MQTT\4\2\0\0\0\5bench")
        self.sock.readinto(self.ack)

    def publish(self, topic, msg, qos):
        self.sock.write(self.packets[qos])
        if qos:
            self.sock.readinto(self.ack)

    def disconnect(self):
        self.sock.write(b"\xe0\0")
        self.sock.close()


def make():
    if CLIENT == "floor":
        return Floor("bench", HOST, int(PORT))
    if CLIENT == "ours":
        from mqtt import Client

        return Client("bench", HOST, int(PORT))
    module = __import__("umqtt." + CLIENT, None, None, ("MQTTClient",))
    return module.MQTTClient("bench", HOST, int(PORT))


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
    client = make()
    gc.collect()
    gc.collect()
    client.connect()
    gc.collect()
    gc.collect()
    print(gc.mem_alloc() - START)
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


def pipelined():
    client = make()
    client.connect()
    begin = time.ticks_ms()
    sent = done = 0
    while done < COUNT:
        while sent < COUNT and client.send(TOPIC, READING, False, 1) is not None:
            sent += 1
        acked = client.step(time.ticks_ms())[0]
        done += len(acked)
        if not acked:
            client._poll(100)
    ms = time.ticks_diff(time.ticks_ms(), begin)
    print(COUNT * 1000 // (ms or 1), ms)
    client.disconnect()


def drain():
    """COUNT messages through the link, with the connection up; ours with its window, the others one by one."""
    if CLIENT == "ours":
        pipelined()
        return
    client = make()
    client.connect()
    publish = publisher(client)
    begin = time.ticks_ms()
    for _ in range(COUNT):
        publish(1)
    print(0, time.ticks_diff(time.ticks_ms(), begin))


def once():
    client = make()
    begin = time.ticks_ms()
    if CLIENT == "ours":
        client.start(begin, early=True)
        client.send(TOPIC, READING, qos=1)
        client._until(lambda: not client.pending)
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
    "pipelined": pipelined,
    "drain": drain,
    "once": once,
    "plain0": plain,
    "plain1": plain,
}[MEASURE]()
