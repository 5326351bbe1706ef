"""MQTT 3.1.1 client: QoS 0, 1 and 2, several messages in flight, nothing without a deadline.

A drop-in for umqtt.simple and umqtt.robust; beneath their blocking calls is a client that never blocks:

    from mqtt import Client

    client = Client("node", "192.168.1.2", keepalive=60)
    client.start(ticks_ms())
    while True:
        acked, arrived = client.step(ticks_ms())     # OSError, Refused, ProtocolError: start again
        if client.connected:
            client.send(b"attic/temperature", b"21.3", qos=1)

What was sent at QoS 1 or 2 stays in flight over lost connections until the broker has acknowledged it, and is sent
again when the client has connected again. See docs/mqtt.md. Paragraphs in brackets are of OASIS MQTT Version 3.1.1.
"""

_HOMES = {
    "Client": "blocking",
    "Refused": "blocking",
    "ProtocolError": "packets",
    "Stream": "stream",
    "matches": "topics",
}


def __getattr__(name):
    """Load what is asked for, when it is: `mqtt.client` alone brings neither umqtt nor the calls that block [PEP 562]."""
    module = __import__("mqtt." + _HOMES.get(name, name), None, None, (name,))
    return getattr(module, name) if name in _HOMES else module
