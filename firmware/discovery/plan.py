"""Says what goes to Home Assistant in which order: what was announced before and is gone has to be taken back.

An announcement is a sequence of messages; each is sent when the one before is acknowledged:

    nothing changed            the config
    an entity is gone          the config with a stub in its place, the config      (per entity: its topic emptied, the configs)
    elsewhere, not retained    the old topics emptied, a pause, as above
    per entity <-> device      {"migrate_discovery":true} on the old topics, a pause, the new configs, the old topics emptied, a
                               pause, the new configs again, should they have been refused beside the old ones
    not enabled any more       the old topics emptied

The pauses: Home Assistant drops what comes while it is still busy with an entity. When the broker has everything,
`state/discovery` is written: where it was announced, a line for each entity, a checksum. An unfinished announcement begins anew.
"""

import json
import os
from binascii import hexlify
from hashlib import sha256

from flashfile import read, uninterrupted, write
from micropython import const

from firmware.discovery.payload import Config, Device, Entity, safe
from firmware.identity import unique
from firmware.upkeep.log import reason

PAUSE_MS = 2000

_PATH = "state/discovery"
_LINE = const(400)  # the longest there can be: names of 64 bytes, made safe, or as JSON
_MIGRATE = (b'{"migrate_discovery":true}',)


def _hex(hash):
    return hexlify(hash.digest()[:8]).decode()


def _load(entries=None):
    """Return [prefix, object id, per entity, retained, digest] of what was announced, None: nothing was.

    entries: a dict that gets key: platform of each entity. ValueError: the file is damaged; OSError: it cannot be read.
    """

    def parsed(f):
        hash = sha256(b"")
        head = None
        while True:
            line = f.readline(_LINE)
            if line[:2] == b"= ":
                if head and line[2:].decode().strip() == _hex(hash):
                    return head
            if line[:2] == b"= " or not line:
                raise ValueError(_PATH)
            hash.update(line)
            if head is None:
                head = json.loads(line)
            elif entries is not None:
                platform, _, key = line.decode().strip().partition(" ")
                entries[key] = platform

    return read(_PATH, parsed)


def messages(settings, node, log):
    """Yield (topic, pieces or nothing to empty it, retain), or a pause in ms."""
    enabled, per_entity = settings["enabled"], settings["per_entity"]
    mine = [settings["prefix"], safe(unique(node.topics)), per_entity, settings["retain"]]
    entries = {}
    old = _known(log)
    moved = old and (not enabled or old[:3] != mine[:3] or (old[3] and not mine[3]))
    if moved:
        moved = old = _with_entries(old, entries, log)
    migrates = moved and enabled and old[:2] == mine[:2] and old[2] != per_entity
    if moved:
        for topic in _topics(old, entries):
            yield topic, _MIGRATE if migrates else (), not migrates
    if not enabled:
        _forget(old, log)
        return
    if moved:
        yield PAUSE_MS
    config = Config(node)
    mine.append(_digest(config))
    gone = {}
    if old and not moved and old != mine:
        old = _with_entries(old, gone, log)
        for platform, key, _ in config.entities():
            if gone.get(key) == platform:
                del gone[key]
    yield from _configs(config, mine, gone)
    if migrates:
        for topic in _topics(old, entries):
            yield topic, (), True
        yield PAUSE_MS
        yield from _configs(config, mine, gone)
    if old is not False and old != mine:
        _save(config, mine, log)


def _digest(config):
    hash = sha256(b"")
    for piece in Device(config):
        hash.update(piece)
    return _hex(hash)


def _configs(config, mine, gone):
    retain = mine[3]
    if mine[2]:
        for topic in _topics(mine, gone):
            yield topic, (), True
        for platform, key, members in config.entities():
            yield _topic(mine, platform, key), Entity(config, members), retain
        return
    if gone:
        yield _topic(mine), Device(config, gone), retain
    yield _topic(mine), Device(config), retain


def _known(log, entries=None):
    """As _load(); None also for a damaged file. False: it cannot be read and is left as it is; the next announcement looks again."""
    try:
        return _load(entries)
    except OSError as e:
        log.warning("discovery: %s cannot be read: %s" % (_PATH, reason(e)))
        return False
    except ValueError:
        # What was announced and is gone stays with the broker: docs/home-assistant.md says how to remove it.
        log.warning("discovery: %s is damaged" % _PATH)
        return None


def _with_entries(old, entries, log):
    """Add the entries of what was announced. Return old, or False: they cannot be read."""
    if _known(log, entries) is not False:
        return old
    entries.clear()
    return False


def _save(config, mine, log):
    def lines(f):
        hash = sha256(b"")
        _write(f, hash, json.dumps(mine))
        for platform, key, _ in config.entities():
            _write(f, hash, platform + " " + key)
        f.write(b"= " + _hex(hash).encode() + b"\n")

    try:
        write(_PATH, lines)
    except OSError as e:
        log.warning("discovery: %s: %s" % (_PATH, reason(e)))


def _forget(old, log):
    if old is False:
        return
    try:
        with uninterrupted:
            os.remove(_PATH)
        if old:
            log.info("discovery: Home Assistant was told to forget this node")
    except OSError:
        pass  # it was not there; if it is, and stays, it is done again after the next start


def _write(f, hash, line):
    line = line.encode() + b"\n"
    hash.update(line)
    f.write(line)


def _topic(where, platform="device", key=None):
    """Return a config topic. where: the first two of state/discovery: prefix, object id."""
    level = "/" + key if key else ""
    return ("%s/%s/%s%s/config" % (where[0], platform, where[1], level)).encode()


def _topics(where, entries):
    """Yield the config topics of entries, {key: platform}: of a whole device just one."""
    if not where[2]:
        yield _topic(where)
        return
    for key in entries:
        yield _topic(where, entries[key], key)
