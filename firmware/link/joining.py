"""How a Wifi joins one of the networks. Loaded while there is none, but not during the pauses between rounds.

One attempt: leave, wait a second, join, poll. A round tries every network once. What the drivers report is only
good for the log (ESP32 keeps the last attempt's status, Pico reports "connecting" when nothing connects), so success is
`connected()` and failure is our own deadline.
"""

import os

from micropython import const

from firmware.upkeep.log import reason

# `state` of a Wifi. None: not begun
_WAITING = const(0)  # for the next round
_SETTLE = const(1)  # the radio is to leave, or to switch off: wait until it has
_JOINING = const(2)
_UP = const(3)

_POLL_MS = const(250)
_SETTLE_MS = const(1000)
_TRUST_FAILURE_MS = const(5000)  # a failure reported earlier may be the previous attempt's
_JOIN_MS = const(30000)
_BACKOFF_MS = const(2000)
_BACKOFF_MAX_MS = const(60000)
_ROUNDS_A_CYCLE = const(3)


def hostname(name):
    """Return a node's name as the drivers take it: letters, digits and -, at most 32."""
    return "".join([c if c.isalpha() or c.isdigit() else "-" for c in name if ord(c) < 128])[:32]


def begin(radio, settings, name):
    """For boot.py: start joining the preferred network; a Wifi made later goes on from there. settings: unchecked."""
    network = settings["networks"][0]
    name = settings.get("hostname") or hostname(name)
    radio.on(name, settings.get("country"), settings.get("power_save", False))
    if not radio.connected() or radio.ssid() != network["ssid"]:
        radio.leave()
        radio.join(network["ssid"], network.get("password"), network.get("static"))
    radio.joining = network["ssid"]


def step(wifi, uptime):
    """Advance."""
    try:
        if wifi.state == _JOINING:
            _poll(wifi, uptime)
        elif wifi.state is None:
            _adopt(wifi, uptime)
        elif wifi.state == _SETTLE:
            _join(wifi, uptime)
        else:
            # A pause is over, or the link was lost: then the same network first, as most access points that go only restart.
            _leave(wifi, uptime)
    except OSError as e:
        refused(wifi, uptime, e)


def _adopt(wifi, uptime):
    """First step. The station outlives a soft reset, and boot.py may have begun to join."""
    radio = wifi.radio
    if radio.joining == wifi.networks[0]["ssid"]:
        wifi.ssid = radio.joining
        radio.joining = None
        wifi.enter(_JOINING, uptime)
    else:
        _switch_on(wifi)
        _leave(wifi, uptime)


def _switch_on(wifi):
    settings = wifi.settings
    name = settings["hostname"] or hostname(wifi.name)
    wifi.radio.on(name, settings["country"], settings["power_save"])


def _leave(wifi, uptime):
    wifi.enter(_SETTLE, uptime, _SETTLE_MS)
    if wifi.cycling:
        wifi.radio.off(deep=True)
    else:
        wifi.radio.leave()


def _join(wifi, uptime):
    network = wifi.networks[wifi.next]
    wifi.ssid = network["ssid"]
    wifi.enter(_JOINING, uptime)
    if wifi.cycling:
        wifi.cycling = False
        _switch_on(wifi)
    static = network.get("static")
    wifi.radio.join(wifi.ssid, network.get("password"), static or (False if wifi.static else None))
    wifi.static = bool(static)
    wifi.refused = 0


def _poll(wifi, uptime):
    elapsed = uptime - wifi.since
    if wifi.radio.connected():
        wifi.up = True
        wifi.joins += 1
        wifi.rounds = wifi.failures = 0
        wifi.enter(_UP, uptime)
        wifi.log.info("wifi: joined %s, address %s" % (wifi.ssid, wifi.radio.address()))
    elif elapsed >= _JOIN_MS or (elapsed >= _TRUST_FAILURE_MS and wifi.radio.failed()):
        wifi.fault = wifi.radio.state()
        wifi.log.warning("wifi: %s: %s" % (wifi.ssid, wifi.fault))
        _failed(wifi, uptime)
    else:
        wifi.wait = elapsed + _POLL_MS


def refused(wifi, uptime, error):
    """The radio refused a call."""
    wifi.refused += 1
    wifi.fault = "the radio refused: %s" % reason(error)
    if wifi.refused == 1 or wifi.dead:
        wifi.log.warning("wifi: " + wifi.fault)
    wifi.cycling = True
    _failed(wifi, uptime)


def _failed(wifi, uptime):
    """An attempt failed."""
    wifi.up = False
    wifi.failures += 1
    wifi.next += 1
    wait = 0
    if wifi.next >= len(wifi.networks):
        wifi.next = 0
        wifi.rounds += 1
        if wifi.rounds % _ROUNDS_A_CYCLE == 0:
            wifi.cycling = True
        wait = min(_BACKOFF_MS << min(wifi.rounds - 1, 6), _BACKOFF_MAX_MS)
        wait += wait * os.urandom(1)[0] >> 9  # up to half more
    wifi.enter(_WAITING, uptime, wait)
