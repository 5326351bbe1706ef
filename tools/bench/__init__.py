"""What the device's code takes: time, traffic and heap of the client, writes of the outbox, bytes of each module."""
