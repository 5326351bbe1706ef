"""Tries settings from the board, before they are trusted: the Wi-Fi, the time, the brokers. Says in words what failed.

    trial = Trial(board, settings)          # settings: checked, as config.load() returns them
    while trial.step(time.ticks_ms()):
        time.sleep_ms(50)
    if trial.fault: ...                     # what failed, and what would be right
    for line in trial.done: ...             # what worked
    for line in trial.missed: ...           # what failed, and the node can do without

The networks are tried in order, as by the node, until one lets it in; the brokers all. One network and one broker must
work, the others may be out of reach today. The session at the broker is a clean one with a client id of its own: the node's
session there, with what waits in it, is not touched, nothing is published, and there is no will. A broker that admits client
ids from a list has to know `<client id>-trial` too; the sentence about its refusal says so.
"""

import errno
import sys

from micropython import const

from firmware.identity import unique
from firmware.link.clock import Clock
from firmware.link.names import Names
from firmware.link.wifi import Wifi
from firmware.topics import Topics
from firmware.upkeep.log import Log, reason
from mqtt.client import Client, ProtocolError, Refused

_ATTEMPTS = const(2)  # at one network: the first after power-up fails on a Pico
_JOIN_MS = const(65000)  # both of them, at their longest
_CLOCK_MS = const(10000)  # three requests
_BROKER_S = const(15)

# What the radio says → what would be right.
_WIFI = {
    "network not found": "check its name, and that it is in reach and on 2.4 GHz",
    "wrong password": "give the one of this network",
    "joined, no address": "switch DHCP on at the router, or give a static address",
    "refused by the access point": "it may be full, or ask for another encryption",
}
_WIFI_ELSE = "check the password, and that the signal is strong"

_CONNACK = {
    2: "let it in as %s, as this test calls itself, too",
    3: "try again later",
    4: "check user and password",
    5: "check user and password, and that the broker lets in %s, as this test calls itself",
}


class Trial:
    def __init__(self, board, settings):
        """settings: as config.load() returns them."""
        self.fault = None
        self.done = []
        self.missed = []
        self.settings = settings
        self.board = board
        self.name = settings["node"]["name"] or board.name
        self.log = Log(settings["log"]["level"])
        self._now = 0  # uptime, as the node's
        self.clock = Clock(settings["ntp"], board, self.log, Names(board.radio))
        self._client = None
        self._course = self._run()

    def step(self, now):
        """Advance. Return False when all is over. Only a name look-up can block."""
        self._ticks = now
        self._now = self.clock.uptime_ms(now)
        try:
            next(self._course)
        except StopIteration:
            return False
        return True

    def close(self):
        """Leave broker and network, also in the middle of a trial."""
        if self._client:
            self._client.disconnect()
        try:
            self.board.radio.leave()
        except OSError:
            pass  # it was not even on

    def _run(self):
        yield from self._join()
        if not self.fault:
            yield from self._time()
            yield from self._brokers()
        self.close()

    def _within(self, ms):
        """Yield until that time has passed."""
        since = self._now
        while self._now - since < ms:
            yield

    def _conclude(self, worked, failed):
        """Conclude networks or brokers: if one worked, those that failed are only missed."""
        if worked:
            self.missed += failed
        else:
            self.fault = "; ".join(failed)

    def _join(self):
        settings = dict(self.settings["wifi"])
        failed = []
        self.board.radio.joining = None  # what boot.py began, with other settings, proves nothing
        self.close()
        for network in self.settings["wifi"]["networks"]:
            settings["networks"] = (network,)
            wifi = Wifi(self.board.radio, settings, self.name, self.log)
            for _ in self._within(_JOIN_MS):
                wifi.step(self._now)
                if wifi.up or wifi.failures >= _ATTEMPTS:
                    break
                yield
            if wifi.up:
                self.done.append("joined %s, address %s" % (wifi.ssid, self.board.radio.address()))
                break
            fault = wifi.fault
            if fault in (None, "idle", "connecting"):
                fault = "no answer"
            right = _WIFI.get(fault, _WIFI_ELSE)
            failed.append("Wi-Fi %s: %s, %s" % (network["ssid"], fault, right))
        self._conclude(wifi.up, failed)

    def _time(self):
        clock = self.clock
        for _ in self._within(_CLOCK_MS):
            if clock.step(self._now, True):
                self.done.append("the clock is set from %s" % clock.server)
                return
            yield
        if not clock.trusted:
            right = "check ntp.host, and that UDP port %d is open" % clock.port
            self.missed.append("no time from %s, %s" % (clock.host, right))

    def _brokers(self):
        worked, failed = [], []
        for settings in self.settings["mqtt"]["brokers"]:
            self._client = client = self._make_client(settings)
            fault = yield from self._connect(client, settings["tls"])
            client.disconnect()
            broker = "broker %s:%d" % (settings["host"], settings["port"])
            if fault:
                failed.append("%s: %s" % (broker, fault))
            else:
                worked.append(broker + " accepts the node")
        self.done += worked
        self._conclude(worked, failed)

    def _make_client(self, settings):
        topics = Topics(self.settings["node"]["base"], self.name)
        client_id = (self.settings["mqtt"]["client_id"] or unique(topics)) + "-trial"
        return Client(
            client_id,
            settings["host"],
            settings["port"],
            settings["user"] or None,
            settings["password"],
            30,
            bool(settings["tls"]),
            settings["tls"] or {},
            window=1,
            buffer=512,
            connect_timeout=_BROKER_S,
        )

    def _connect(self, client, tls):
        """Return what failed, or None."""
        if tls and not self.clock.trusted:
            return (
                "TLS needs the time, and there is none from %s, check ntp.host" % self.clock.host
            )
        try:
            client.start(self._ticks, True)
        except (OSError, ValueError) as e:
            return _failed(e)
        try:
            while not client.connected:
                yield
                client.step(self._ticks)
        except Refused as e:
            right = _CONNACK.get(e.code, "check that it is one")
            return "%s, %s" % (e, right.replace("%s", client.client_id))
        except ProtocolError as e:
            return "%s, check the port" % e
        except (OSError, ValueError) as e:
            return _failed(e)


def _failed(error):
    """Return what is wrong, and what would be right; most of it the client says by itself."""
    code, text = error.args[0] if error.args else None, reason(error)
    if "not enough memory" in text:
        return text + ", which says nothing about the settings: they can be saved untried"
    if isinstance(error, ValueError) or text.startswith("TLS: "):
        return text + ", check tls"
    if code == errno.ECONNREFUSED:
        return text + ", check the port, and that the broker runs"
    if code in (errno.ECONNRESET, errno.EHOSTUNREACH) or (isinstance(code, int) and code < 0):
        return text
    return "no answer, check the address, and that no firewall is between"


def drop():
    """Forget this module and what it brought along, 45 KB, to be loaded anew for the next trial."""
    from firmware import forget

    for name in list(sys.modules):
        if name.startswith(("mqtt", "umqtt")):
            del sys.modules[name]
    forget("provisioning", "trial")
    forget("link", "wifi", "joining", "clock", "names", "lookup", "sntp")
