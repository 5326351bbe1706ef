"""What the node knows about itself: last crash, counters, and the `health` and `info` documents."""

import gc

from micropython import const

from firmware import VERSION
from firmware.files import CRASH, forget_note, read, reset_note
from firmware.log import reason

_REASON = const(80)  # characters of what it says
_FAULTS = const(8)
_FAILING = const(240)  # characters: Home Assistant takes 255 for a state


def _some(faults):
    """Return the first faults, shortened: `info` must fit into what the client can send."""
    some = [fault[:120] for fault in faults[:_FAULTS]]
    if len(faults) > _FAULTS:
        some.append("%d more" % (len(faults) - _FAULTS))
    return some or None


def _taken(node):
    return node.taken and "%s is board %s" % node.taken


class Health:
    def __init__(self, board, log):
        self.board = board
        self.log = log
        self.boot = 0  # the number of this start; the node sets it
        self.reset_cause = self._reset_cause()
        self.crash = read(CRASH)
        self.heap_low = None

    def _reset_cause(self):
        why = reset_note()
        if not why:
            return self.board.reset_cause()
        try:
            forget_note()
        except OSError as e:
            self.log.error("health: the note of the reset cannot be removed: %s" % reason(e))
        return why[:_REASON]

    def info(self, node):
        """Return (name, value) pairs."""
        return (
            ("version", VERSION),
            ("board", self.board.model),
            ("hardware", self.board.hardware),
            ("id", self.board.id),
            ("micropython", self.board.micropython),
            ("ip", self.board.radio.address()),
            ("reset_cause", self.reset_cause),
            ("boot", self.boot),
            ("config", node.source),
            ("config_faults", _some(node.faults)),
            ("crash", self.crash),
            ("name_taken", _taken(node)),
            ("safe_mode", node.safe),
        )

    def report(self, node, uptime):
        """Return (name, value) pairs. uptime: ms."""
        gc.collect()
        free = gc.mem_free()
        if self.heap_low is None or free < self.heap_low:
            self.heap_low = free
        clock, channels = node.clock, node.channels
        synced = clock.synced_at
        failing = [
            "%s: %s" % (channel.name, channel.error) for channel in channels if channel.error
        ]
        try:
            rssi = self.board.radio.rssi()
        except OSError:
            rssi = None
        pairs = (
            ("uptime_s", uptime // 1000),
            ("heap_free", free),
            ("heap_low", self.heap_low),
            ("rssi", rssi),
            ("wifi_joins", node.wifi.joins),
            ("access", node.control.fault),
            ("sensor_errors", sum([channel.errors for channel in channels])),
            ("sensors_failing", len(failing)),
            ("failing", "; ".join(failing)[:_FAILING]),
            ("name_taken", _taken(node)),
            ("clock", clock.source),
            ("clock_age_s", None if synced is None else (uptime - synced) // 1000),
            ("log_dropped", self.log.dropped),
        )
        return pairs + node.uplink.health() + node.delivery.health(uptime)
