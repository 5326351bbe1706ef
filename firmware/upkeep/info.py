"""Introduces the node on a new connection: `online`, and the `info` document. Loaded for that, then let go of."""

import sys

from micropython import const

from firmware import VERSION
from firmware.files import CRASH, IMAGE, read
from firmware.upkeep import document

_FAULTS = const(8)


def introduce(node, uptime):
    """Let the uplink first publish who is there, then what else a new subscriber has to know."""
    info = document.whole(_info(node))
    node.uplink.introduce(node.topics.status, b"online")
    node.uplink.introduce(node.topics.own("info"), info)
    if node.ghosts:
        node.ghosts.introduce()
    node.unsaid = node.announced = False
    node.health_wait = 0
    if node.panel:
        node.panel.introduce()
    if node.discovery:
        node.discovery.begin(uptime, node.uplink.retain)


def _info(node):
    """Yield (name, value) pairs."""
    board = node.board
    yield "version", VERSION
    if IMAGE in sys.path:
        from firmware.upkeep import slot

        yield from slot.report()
    yield "board", board.model
    yield "hardware", board.hardware
    yield "id", board.id
    yield "micropython", board.micropython
    yield "ip", board.radio.address()
    yield "reset_cause", node.reset_cause
    yield "boot", node.delivery.boot
    yield "config", node.source
    yield "config_faults", _some(node.faults)
    yield "crash", read(CRASH)
    yield "name_taken", node.taken and "%s is board %s" % node.taken
    yield "safe_mode", node.safe


def _some(faults):
    """Return the first faults, shortened: `info` must fit into what the client can send."""
    some = [fault[:120] for fault in faults[:_FAULTS]]
    if len(faults) > _FAULTS:
        some.append("%d more" % (len(faults) - _FAULTS))
    return some or None
