"""The `health` document: how the node is, and its counters. Loaded when it is due, then let go of."""

import gc

from micropython import const

from firmware.payload import head, is_reading
from firmware.upkeep import document

_FAILING = const(240)  # characters: Home Assistant takes 255 for a state


_TURN_MS = const(1000)  # until it is tried again, while one message at a time is sent


def publish(node, uptime):
    """Publish and log it, or try again soon: it is not the turn of such a message. MemoryError: there is no room for it."""
    state = document.whole(report(node, uptime))
    if node.uplink.publish(node.topics.own("health"), state) or not node.uplink.brokers.limits:
        node.log.state(state)
    else:
        node.health_wait = _TURN_MS


def report(node, uptime):
    """Yield (name, value) pairs. uptime: ms."""
    gc.collect()
    free = gc.mem_free()
    if node.heap_low is None or free < node.heap_low:
        node.heap_low = free
    yield "uptime_s", uptime // 1000
    yield "heap_free", free
    yield "heap_low", node.heap_low
    # An ESP32's other heap: gc.mem_free() counts its largest block, too, as the Python heap may grow by that, but Wi-Fi and TLS need it.
    regions = node.board.idf_heap()
    if regions:
        yield "idf_free", sum([region[1] for region in regions])
        yield "idf_block", max([region[2] for region in regions])
        yield "idf_low", sum([region[3] for region in regions])
    try:
        yield "rssi", node.board.radio.rssi()
    except OSError:
        pass
    yield "wifi_joins", node.wifi.joins
    yield "access", node.control.fault
    channels = node.channels
    failing = ["%s: %s" % (each.name, each.error) for each in channels if each.error]
    yield "sensor_errors", sum([channel.errors for channel in channels])
    yield "sensors_failing", len(failing)
    yield "failing", "; ".join(failing)[:_FAILING]
    yield "name_taken", node.taken and "%s is board %s" % node.taken
    yield "clock", node.clock.source
    synced = node.clock.synced_at
    # If the clock was set in this very pass, its moment is later than the pass's beginning.
    yield "clock_age_s", None if synced is None else max(0, uptime - synced) // 1000
    yield "log_dropped", node.log.dropped
    limits = node.uplink.brokers.limits
    yield "connects", node.uplink.connects
    yield "skipped", node.uplink.client.skipped
    yield "broker_limits", limits and limits.text()
    yield from delivery(node.delivery, uptime)


def delivery(delivery, uptime):
    """Yield (name, value) pairs of a Delivery."""
    outbox = delivery.outbox
    aside = delivery.aside
    yield "outbox", len(outbox)
    yield "outbox_bytes", outbox.bytes
    yield "outbox_age_s", _age_s(delivery, uptime)
    yield "in_flight", delivery.client.pending
    yield "resent", delivery.client.resent
    yield "dropped", outbox.dropped + (aside.outbox.dropped if aside else 0)
    yield "set_aside", len(aside.outbox) if aside else 0
    yield "set_aside_why", aside and aside.why
    yield "superseded", outbox.superseded
    yield "corrupt", outbox.corrupt
    yield "recovered", outbox.recovered
    yield "outbox_errors", outbox.errors


def _age_s(delivery, uptime):
    """Return s since the oldest waiting reading was taken; 0: none waits; None: unknown."""
    for record in delivery.outbox:
        if is_reading(record):
            age = _age(delivery, uptime, *head(record)[1:])
            return None if age is None else age // 1000
    return 0


def _age(delivery, uptime, boot, _, at, ts):
    """Return ms since a reading was taken; None: unknown, it is from an earlier boot."""
    if boot == delivery.boot:
        return max(0, uptime - at)
    now = delivery.clock.unix_ms(uptime)
    try:
        ts = delivery.starts.time_of(boot, at, ts)
    except OSError:
        return None
    return None if now is None or ts is None else max(0, now - ts)
