"""Builds the larger parts of a node from its settings; unloaded once they exist."""

import os
import time

from flashfile import is_nothing, patiently

from firmware.files import make_folder
from firmware.link.clock import Clock
from firmware.link.names import Names
from firmware.link.uplink import Uplink
from firmware.link.wifi import Wifi
from firmware.topics import OUTPUT, READING, VALUE, Topics
from firmware.upkeep.log import Log
from mqtt.client import Client

# Not `outbox`: a folder of that name would be imported in place of lib/outbox.
_OUTBOX = "state/outbox"
_ANNOUNCED = "state/discovery"
_ASIDE = "state/aside"
_NOTHING = b"-"  # topic of a message that is only an id in the client and is never sent


def make(node, settings, outputs):
    """Give a Node its parts."""
    board = node.board
    node.safe = False
    if node.crashes:
        from firmware.upkeep import safemode

        node.safe = safemode.is_on(node.crashes)
    node.log = log = Log(settings["log"]["level"])
    node.name, node.taken = name(settings["node"], board)
    node.topics = Topics(settings["node"]["base"], node.name)
    node.wifi = Wifi(board.radio, settings["wifi"], node.name, log)
    node.clock = Clock(settings["ntp"], board, log, Names(board.radio))
    node.uplink = link = uplink(settings["mqtt"], node)
    publish = settings["publish"]
    node.delivery = delivery(settings["outbox"], publish["live_s"], node, node.channels)
    if publish["plain"]:
        node.delivery.values = values(node, settings["mqtt"]["rate"])
    node.panel = panel(outputs, node)
    # not before: the start of the outbox takes memory
    from firmware.control import Control

    led = board.led(settings["node"]["led"])
    node.control = Control(node, link, node.topics, node.panel, led, log)
    node.ghosts = ghosts(node)
    # In safe mode it would take back sensors that are only left alone.
    node.discovery = None if node.safe else discovery(settings["discovery"], node)
    link.arrived = node.control.arrived
    link.acknowledge = node.acknowledged
    tell(node)


def name(settings, board):
    """Return the node's name, and (the name it should have, id of the other board that has it) or None."""
    from firmware import forget
    from firmware.link import namesake

    found = namesake.name(settings, board)
    forget("link", "namesake")
    return found


def uplink(settings, node):
    from firmware import forget
    from firmware.identity import unique

    client_id = settings["client_id"]
    if client_id and node.taken:
        client_id += "-" + node.board.id[-6:]
    client = Client(
        client_id or unique(node.topics),
        settings["brokers"][0]["host"],
        keepalive=settings["keepalive_s"],
        window=settings["window"],
        window2=settings["window2"],
    )
    forget("", "identity")
    client.set_last_will(node.topics.status, b"offline", retain=settings["retain"], qos=1)
    return Uplink(client, settings, node.log, node.clock.names, node.board.id)


def delivery(settings, live_s, node, channels):
    from outbox import Outbox  # not before: the client's buffer wants 5 KB in one piece

    make_folder()
    outbox = Outbox(
        _OUTBOX,
        settings["bytes"],
        int(settings["sync_s"] * 1000),
        settings["when_full"] == "drop-newest",
        settings["ram_bytes"],
    )
    if outbox.recovered or outbox.corrupt:
        node.log.info(
            "outbox: %d readings of before, %d places damaged" % (outbox.recovered, outbox.corrupt)
        )
    if outbox.unread:
        node.log.error(
            "outbox: %d files cannot be read: they are tried again, new readings go beside them"
            % outbox.unread
        )
    aside = None
    if _exists(_ASIDE):
        from firmware.readings.aside import Aside

        aside = Aside(node.log)
    from firmware.readings import bootcount

    boot, named = bootcount.begin(outbox, aside, node.topics.prefix, node.log)
    bootcount.drop()
    del bootcount  # it must not be in memory together with what follows
    from firmware.readings import Delivery

    uplink = node.uplink
    made = Delivery(outbox, uplink, node.clock, node.topics, boot, channels, live_s, node.log)
    made.aside = aside
    made.starts.unnamed = not named
    if aside:
        from firmware import forget
        from firmware.readings import halfway

        now = time.ticks_ms()
        halfway.begin(made, node.clock.uptime_ms(now), now)
        forget("readings", "halfway")
    for record in outbox.unfinished(time.ticks_ms()):
        _restore(made, record)
    uplink.take_back = made.take_back
    if uplink.settings["rate"]:
        from firmware.readings.pace import Pace

        made.pace = Pace(uplink.settings["rate"])
    return made


def values(node, rate):
    """Return the Values. rate: readings a second at most, or None; half as many numbers may go besides."""
    from firmware.readings.values import Values

    pace = None
    if rate:
        from firmware.readings.pace import Pace

        pace = Pace(rate // 2 or 1)
    return Values(node.channels, node.topics, pace)


def _restore(delivery, record):
    """PUBREC had come before the restart: PUBREL is to be sent, and PUBLISH only if the broker has forgotten the session.

    The message would then come from the outbox again: all that are unfinished may not fit into the client's buffer.
    """
    try:
        delivery.client.restore(record.pid, _NOTHING, b"", False, 2, True)
    except ValueError:  # so many that not even that fits
        delivery.again.append(record)
        return
    delivery.sent[record.pid] = record
    delivery.restored.append(record.pid)


def tell(node):
    """Log what is wrong at this start."""
    for fault in node.faults:
        node.log.error("config: " + fault)
    if node.faults:
        node.log.error("config: running on " + node.source)
    if node.taken:
        node.log.error("node: %s is board %s, too: this one is %s" % (node.taken + (node.name,)))
    if node.safe:
        node.log.error(
            "node: safe mode: no sensors for 15 minutes, it crashed time after time; `info` has the last one"
        )


def panel(outputs, node):
    """Return the Panel of the outputs, or None."""
    if not outputs:
        return None
    from firmware.control.outputs import Panel

    return Panel(outputs, node.topics, node.log)


def ghosts(node):
    """Return the Ghosts: what earlier settings left at the broker, to be taken back; None: nothing."""
    from firmware import forget
    from firmware.link import ghosts

    found = ghosts.look(node, None if node.safe else _retained(node))
    forget("link", "ghosts")
    return found


def _retained(node):
    """Return the topics, below the node's own, that the broker keeps for it, beside `status` and `info`."""
    names = [OUTPUT + output.name for output in node.panel.outputs] if node.panel else []
    for channel in node.channels:
        if channel.retain:
            names.append(READING + channel.name)
        if node.delivery.values:
            names += [VALUE + channel.name + "/" + field[0] for field in channel.fields]
    return names


def discovery(settings, node):
    """Return the Discovery; None: the node tells Home Assistant nothing, and never did."""
    if not (settings["enabled"] or _exists(_ANNOUNCED)):
        return None
    from firmware.discovery.announce import Discovery

    made = Discovery(settings, node, node.log)
    if settings["enabled"]:
        node.control.watch((settings["prefix"] + "/status").encode(), made.told)
    return made


def _exists(path):
    """Does a file exist? If the flash cannot tell: yes, it is looked at again."""
    try:
        patiently(os.stat, path)
        return True
    except OSError as e:
        return not is_nothing(e)


def drop():
    """Forget this module."""
    from firmware import forget

    forget("", "parts")
