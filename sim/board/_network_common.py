"""What of `network` its radio uses, too: the names of the states, country, host name and name server.

Source: ports/esp32/network_common.c, network_wlan.c; extmod/network_cyw43.c, modnetwork.c.
"""

import sim

STA_IF = 0
AP_IF = 1

if sim.ESP32:
    STAT_IDLE = 1000
    STAT_CONNECTING = 1001
    STAT_GOT_IP = 1010
    STAT_BEACON_TIMEOUT = 200
    STAT_NO_AP_FOUND = 201
    STAT_WRONG_PASSWORD = 202
    STAT_ASSOC_FAIL = 203
    STAT_CONNECT_FAIL = 203
    STAT_HANDSHAKE_TIMEOUT = 204
    STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY = 210
    STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD = 211
    STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD = 212
    AUTH_OPEN = 0
    AUTH_WPA2_PSK = 3
    AUTH_WPA3_PSK = 6
else:
    STAT_IDLE = 0
    STAT_CONNECTING = 1
    STAT_GOT_IP = 3
    STAT_CONNECT_FAIL = -1
    STAT_NO_AP_FOUND = -2
    STAT_WRONG_PASSWORD = -3
    # 2: joined, no address yet. The port has no name for it.

_country = "XX"
_hostname = "mpy-esp32" if sim.ESP32 else "PicoW"
_dns = None


def country(code=None):
    global _country
    if code is None:
        return _country
    if len(code) != 2:
        raise ValueError("invalid country code" if sim.ESP32 else "code must be 2 characters")
    _country = code


def hostname(name=None):
    global _hostname
    if name is None:
        return _hostname
    if not 1 <= len(name) <= 32:
        raise ValueError("name" if not name else "name too long")
    _hostname = name


def ipconfig(what=None, **settings):
    global _dns
    if what == "dns":
        return _dns or "192.168.1.1"
    if what is not None:
        raise ValueError("unexpected key")
    _dns = settings.get("dns", _dns)


def clash():
    """ESP32: the driver does not want to hear this while it connects."""
    if sim.connect_clash != "silent":
        raise OSError(
            "Wifi Internal State Error" if sim.connect_clash == "state" else "Wifi Internal Error"
        )
