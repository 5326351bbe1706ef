"""`network.WLAN` with the traps of both radios.

ESP32: the last failure's reason is shown until an address is got; the driver retries by itself and for ever, and
calls meanwhile raise; errors are OSError with a text. Pico: a failure is final, the first join after
power-up fails, a lost link shows "connecting" although nothing is.
Source: ports/esp32/network_wlan.c, network_common.c; extmod/network_cyw43.c, cyw43-driver.
"""

import _network_common as common

import sim

_PM = (0, 1, 2) if sim.ESP32 else (0x10, 0xA11142, 0x11)
_LEFT = 8  # ESP32 disconnect reasons that are no status
_HANDSHAKE = 15
_BEACON_MS = 6000
_SCAN_MS = 2400

_nets = {}


class _Radio:
    """What the driver knows; it outlives the WLAN objects and soft resets."""

    def __init__(self):
        self.active = [False, False]
        self.wanted = None  # (ssid, key) of the last connect()
        self.requested = False  # ESP32: the driver is to keep the connection
        self.busy = False  # an attempt is under way
        self.ap = None  # joined
        self.got_ip = False
        self.reason = 0  # ESP32: why the last attempt or connection ended
        self.state = 0  # Pico: what status() says
        self.tries = 0
        self.reconnects = -1
        self.joins = 0
        self.static = None
        self.event = None
        self.losing = False  # the event is the missed beacons'
        self.pm = _PM[1]
        self.country = "XX"
        self.ap_settings = {}
        self.ram = None  # what the driver has of IDF's
        self.beacon = None  # what the access point shows: the settings it was started with

    def later(self, ms, then):
        if self.event:
            sim.cancel(self.event)
        self.event = sim.after(ms, then)

    def attempt(self):
        self.busy = True
        self.state = 1
        self.joins += 1
        ssid, key = self.wanted
        best = None
        for ap in sim.air():
            if ap.on and ap.ssid == ssid and (best is None or ap.rssi > best.rssi):
                best = ap
        if not sim.ESP32 and self.joins == 1 and sim.first_join_fails:
            self.later(sim.random(1500, 3000), lambda: self.failed(201))
        elif best is None:
            self.later(_SCAN_MS, lambda: self.failed(201))
        elif (best.key or "") != key:
            # The access point may answer nothing (a handshake that times out) or say no.
            reason = _HANDSHAKE if sim.ESP32 and self.joins % 2 else 202
            self.later(3000, lambda: self.failed(reason))
        else:
            self.later(sim.random(400, 900), lambda: self.joined(best))

    def failed(self, reason):
        self.event = None
        self.busy = False
        self.reason = reason
        if not sim.ESP32:
            self.state = -2 if reason == 201 else -3
        elif self.requested:
            self.tries += 1
            if self.reconnects < 0 or self.tries <= self.reconnects:
                self.attempt()

    def joined(self, ap):
        self.event = None
        if not ap.on:
            self.failed(201)
            return
        self.ap = ap
        self.state = 2
        self.lease()

    def lease(self):
        if self.static:
            self.up()
        elif sim.dhcp_on and not self.ap.zombie:
            self.later(sim.random(*sim.ip_ms), self.up)

    def up(self):
        self.event = None
        self.busy = False
        self.got_ip = True
        self.state = 3
        self.reason = 0
        self.tries = 0
        self.passing()

    def passing(self):
        """The air or the link changed: does anything pass?"""
        if not self.got_ip:
            sim.set_link(sim.DOWN)
        elif self.ap.on and not self.ap.zombie:
            sim.set_link(sim.UP)
        else:
            sim.set_link(sim.ZOMBIE)

    def air_changed(self, silent=False):
        if self.ap is None:
            return
        self.passing()
        if self.ap.on:
            if self.losing:
                sim.cancel(self.event)
                self.event = None
                self.losing = False
            if not self.got_ip and not self.event:
                self.lease()
        elif not silent and not self.losing:
            self.losing = True
            self.later(_BEACON_MS, self.lost)

    def lost(self, reason=200):
        if self.event:
            sim.cancel(self.event)
            self.event = None
        self.losing = False
        self.ap = None
        self.got_ip = False
        self.busy = False
        self.reason = reason
        self.state = 1  # the Pico says so, and does nothing
        self.passing()
        if sim.ESP32 and self.requested and self.reconnects != 0:
            self.attempt()

    def leave(self):
        if self.event:
            sim.cancel(self.event)
            self.event = None
        if self.busy or self.ap:
            self.reason = _LEFT
        self.losing = False
        self.ap = None
        self.got_ip = False
        self.busy = False
        self.state = 0
        self.passing()


radio = sim.radio = _Radio()


class WLAN:
    IF_STA = 0
    IF_AP = 1
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = _PM
    SEC_OPEN = 0
    if sim.ESP32:
        SEC_WPA2 = 3
        SEC_WPA_WPA2 = 4
        SEC_WPA3 = 6
        SEC_WPA2_WPA3 = 7
    else:
        SEC_WPA_WPA2 = 0x400006
        SEC_WPA3 = 0x1000004
        SEC_WPA2_WPA3 = 0x1400004

    def __new__(cls, interface=0):
        if sim.ESP32 and interface not in (0, 1):
            raise ValueError("invalid WLAN interface identifier")
        if sim.ESP32 and sim.radio_fault == "memory":
            raise OSError("WiFi Out of Memory")
        if sim.idf and not radio.ram:
            radio.ram = sim.idf.take(sim.idf.WIFI)  # until the board restarts
            if not radio.ram:
                raise OSError("WiFi Out of Memory")
        interface = 1 if interface else 0
        if interface not in _nets:
            _nets[interface] = object.__new__(cls)
            _nets[interface]._if = interface
        return _nets[interface]

    def __init__(self, interface=0):
        pass

    def _started(self):
        if not radio.active[self._if] or sim.radio_fault:
            raise OSError("Wifi Not Started") if sim.ESP32 else OSError(1)

    def active(self, on=None):
        if on is None:
            return radio.active[self._if]
        on = bool(on)
        if sim.ESP32 and sim.radio_fault == "memory":
            raise OSError("WiFi Out of Memory")
        if sim.ESP32 and sim.radio_fault:
            raise RuntimeError("Wifi Unknown Error 0x3014")
        if radio.active[self._if] and not on and not self._if:
            radio.requested = False
            radio.leave()
        radio.active[self._if] = on
        if self._if:
            radio.beacon = dict(radio.ap_settings) if on else None
            if on and not sim.is_virtual:
                sim.host_ticks()  # who has an access point serves it by asyncio
        if sim.ESP32:
            return on
        if on:
            radio.pm = _PM[1]
            radio.country = common._country
        return None

    if not sim.ESP32:

        def deinit(self):
            radio.leave()
            radio.active[:] = [False, False]
            radio.beacon = None
            if sim.radio_fault == "wedged":
                sim.radio_fault = None

    if sim.ESP32:

        def connect(self, *args, bssid=None):  # the names of ssid and key are not known
            if len(args) > 2:
                raise TypeError("extra positional arguments given")
            self._connect(*args)

    else:

        def connect(self, ssid, key=None, *, security=None, auth=None, bssid=None, channel=None):
            self._connect(ssid, key)

    def _connect(self, ssid=None, key=None):
        self._started()
        if isinstance(ssid, bytes):
            ssid = ssid.decode()
        if isinstance(key, bytes):
            key = key.decode()
        if sim.ESP32:
            if radio.busy:
                common.clash()
                return
            radio.requested = True
            radio.tries = 0
            if ssid is not None:
                radio.wanted = (ssid[:32], (key or "")[:64])
            if radio.ap:
                return
        else:
            radio.leave()
            radio.wanted = (ssid, key or "")
        if radio.wanted:
            radio.attempt()

    def disconnect(self):
        if sim.ESP32:
            self._started()
            radio.requested = False
        radio.leave()

    def isconnected(self):
        return radio.got_ip if not self._if else False

    def status(self, what=None):
        if what is None:
            return self._status() if sim.ESP32 else radio.state if not self._if else 0
        if what == "rssi":
            if radio.ap:
                return radio.ap.rssi + sim.random(-2, 2)
            if sim.ESP32:
                raise OSError("Wifi Not Connected")
            return sim.random(-2_000_000, 2_000_000)  # whatever was in the buffer
        if what == "stations":
            return []
        raise ValueError("unknown status param")

    def _status(self):
        # The order is the port's.
        if radio.got_ip:
            return common.STAT_GOT_IP
        if radio.reason == 201:
            return common.STAT_NO_AP_FOUND
        if radio.reason == 202:
            return common.STAT_WRONG_PASSWORD
        if radio.reason == _LEFT:
            return common.STAT_IDLE
        if radio.requested and (radio.reconnects < 0 or radio.tries <= radio.reconnects):
            return common.STAT_CONNECTING
        return radio.reason or common.STAT_IDLE

    def scan(self, *args, **kwargs):
        if not radio.active[0] or sim.radio_fault:
            raise OSError("STA must be active") if sim.ESP32 else OSError(1)
        if sim.ESP32 and radio.busy:
            return []
        sim.sleep(2200 if sim.ESP32 else 10_000)
        return [
            (
                ap.raw,
                ap.bssid,
                ap.channel,
                ap.rssi,
                (3 if sim.ESP32 else 5) if ap.key else 0,
                False if sim.ESP32 else 1,
            )
            for ap in sim.air()
            if ap.on
        ]

    def ifconfig(self, settings=None):
        if self._if:
            return (sim.ap_address, "255.255.255.0", sim.ap_address, sim.ap_address)
        if settings is None:
            if not radio.got_ip:
                return ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")
            gateway = "192.168.1.1"
            return radio.static or ("192.168.1.57", "255.255.255.0", gateway, gateway)
        if settings == "dhcp":
            radio.static = None
            if not sim.ESP32 and not radio.got_ip:
                sim.sleep(10_000)
                raise OSError("timeout waiting for DHCP to get IP address")
        else:
            radio.static = tuple(settings)

    def ipconfig(self, what=None, **settings):
        if what == "addr4":
            return self.ifconfig()[:2]
        if what == "gw4":
            return self.ifconfig()[2]
        if what == "dhcp4":
            return radio.static is None
        if what is not None:
            raise ValueError("unexpected key")
        if settings.get("dhcp4"):
            radio.static = None
        if "addr4" in settings:
            address = settings["addr4"]
            address = (
                address if isinstance(address, tuple) else (address.split("/")[0], "255.255.255.0")
            )
            radio.static = address + (
                settings.get("gw4", "192.168.1.1"),
                common._dns or "192.168.1.1",
            )

    def config(self, what=None, **settings):
        import _network_config

        return _network_config.config(self, what, settings)
