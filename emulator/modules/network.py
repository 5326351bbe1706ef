"""`network` of the emulated board, as rp2's, where it is asked: a station whose access point is the host, through the modem, and an
access point whose only guest is the host. To that the board's own address is 127.0.0.1.
"""

import machine
from modem import line

STA_IF = 0
AP_IF = 1
STAT_IDLE = 0
STAT_CONNECTING = 1
STAT_GOT_IP = 3
STAT_NO_AP_FOUND = -2
STAT_WRONG_PASSWORD = -3
STAT_CONNECT_FAIL = -1

_ADDRESS = "192.168.77.2"
_AP_ADDRESS = "127.0.0.1"
_NETWORK = b"emulated"
_names = {"hostname": "PicoE", "country": "XX"}


def hostname(*name):
    return _setting("hostname", name)


def country(*code):
    return _setting("country", code)


def ipconfig(*names, **settings):
    return None


def _setting(key, value):
    if value:
        _names[key] = value[0]
    return _names[key]


class WLAN:
    PM_NONE = 0
    PM_POWERSAVE = 0xA11142

    def __init__(self, interface=STA_IF):
        self._is_ap = interface == AP_IF
        self._active = False
        self._ssid = None

    def active(self, *on):
        if on:
            self._active = bool(on[0])
            if self._active:
                line.open()
            else:
                self._ssid = None
        return self._active

    def deinit(self):
        self.active(False)

    def config(self, *name, **settings):
        if name == ("mac",):
            return b"\x28\xcd\xc1" + machine.unique_id()[-3:]
        if name == ("ssid",):
            return self._ssid or ""
        return None

    def connect(self, ssid, key=None):
        if not self._active:
            raise OSError(1)
        self._ssid = ssid

    def disconnect(self):
        self._ssid = None

    def isconnected(self):
        if not self._active:
            return False
        line.pump()
        return line.up and self._ssid is not None

    def status(self, *name):
        if name == ("rssi",):
            return -50
        if self._ssid is None:
            return STAT_IDLE
        return STAT_GOT_IP if self.isconnected() else STAT_NO_AP_FOUND

    def scan(self):
        line.pump()
        return [(_NETWORK, b"\x02\x00\x00\x00\x00\x01", 6, -50, 5, 1)] if line.up else []

    def ifconfig(self, *settings):
        if self._is_ap:
            return _AP_ADDRESS, "255.255.255.0", _AP_ADDRESS, _AP_ADDRESS
        here = _ADDRESS if self.isconnected() else "0.0.0.0"
        return here, "255.255.255.0", "192.168.77.1", "192.168.77.1"

    def ipconfig(self, *names, **settings):
        return None
