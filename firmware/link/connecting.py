"""How a connection to a broker begins. Loaded for that only. leaving.py ends it; lost.py sees it end."""

from micropython import const

from firmware import forget
from firmware.files import SESSION, write
from firmware.upkeep.log import reason

# Connections that may end because a file cannot be removed, before readings go all the same.
_TRIES = const(3)
_CLOCK_POLL_MS = const(200)
_LOOK_UP_MS = const(20)
_CLOCK_MS = const(20000)  # once online, a TLS connection waits so long for the time
_READ_POLL_MS = const(1000)  # and any for a file that cannot be read


def start(uplink, now, uptime, clock_trusted):
    """Connect to the broker whose turn it is, or let the Uplink wait for what is missing. OSError: it cannot be reached."""
    settings = _choose(uplink.brokers)
    tls = settings["tls"]
    client = uplink.client
    host = settings["host"]
    address = uplink.names.find(host, uptime) if uplink.names else host
    if address is None:
        uplink.since, uplink.wait = uptime, _LOOK_UP_MS
        return
    client.server, client.port = address, settings["port"]
    client.user, client.pswd = settings["user"] or None, settings["password"]
    client.ssl = bool(tls)
    client.ssl_params = dict(tls, server_name=tls.get("server_name") or host) if tls else {}
    if tls and not clock_trusted:
        if uptime - uplink.online_since < _CLOCK_MS:
            uplink.since, uplink.wait = uptime, _CLOCK_POLL_MS
            return
        uplink.trying = True
        raise OSError("TLS needs the time, and no time server has answered")
    if uplink.session == "" and not _is_clean(uplink):
        from firmware.link import session

        read = session.read(uplink, uptime)
        forget("link", "session")
        if not read:
            uplink.since, uplink.wait = uptime, _READ_POLL_MS
            return
    uplink.trying = True
    client.lied = False  # another broker may have
    connects = uplink.brokers.limits and uplink.brokers.limits.connects
    if connects and connects.probes:
        client_id = client.client_id
        client.client_id += "-trial"  # what the broker has kept for the node stays as it is
        try:
            client.start(now, True, probe=True)
        finally:
            client.client_id = client_id
        return
    # An exchange belongs to one board's session with one broker. A clean session begins with none.
    clean = _is_clean(uplink)
    client.start(now, clean, anew=not clean and uplink.session != _owner(uplink))


def _choose(brokers):
    """Return the settings of the broker in use, with what is known of its limits."""
    known = brokers.known
    if known:
        for number, limits in list(known.items()):
            if not limits.needed():
                del known[number]
        limits = known.get(brokers.number)
        if brokers.limits and brokers.limits is not limits:
            brokers.limits.leave()
        brokers.limits = limits
        if limits:
            limits.begin()
        elif not known:
            forget("limits", "limits", "suspects", "connects", "retries", "answers")
            forget("", "limits")
    return brokers.choice


def _is_clean(uplink):
    limits = uplink.brokers.limits
    return uplink.clean_session or bool(limits and limits.connects.clean)


def _owner(uplink):
    return "%s %s %s" % (uplink.identity, uplink.client.client_id, uplink.broker)


def came_up(uplink, uptime):
    """There is a connection."""
    uplink.trying = False
    uplink.connected = True
    uplink.connects += 1
    if uplink.names:
        uplink.names.served(uplink.brokers.choice["host"])
    uplink.silent = 0
    uplink.doubt_ms = 0
    uplink.since = uptime
    _note_session(uplink)
    uplink.log.info("mqtt: connected to %s" % uplink.broker)


def _note_session(uplink):
    """Write to flash whose exchanges now begin, before the first of them has come to PUBREC."""
    session = None if _is_clean(uplink) else _owner(uplink)
    if uplink.session == session:
        return
    # First no name is there, then the new one: after a power cut exchanges begin anew. With the old name, the new exchanges would be
    # ended at that broker, which has no readings for them.
    if not uplink.begin_anew() and uplink.failures < _TRIES:
        raise OSError("%s cannot be removed" % SESSION)
    uplink.session = session
    if session:
        try:
            write(SESSION, session)
        except (OSError, MemoryError) as e:
            uplink.log.warning("mqtt: %s: %s" % (SESSION, reason(e)))
