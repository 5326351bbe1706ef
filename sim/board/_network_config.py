"""`WLAN.config`: which keys each port knows, which can be read, and what setting one does beside."""

import _network_common as common

import sim

_BOTH = (
    "ssid",
    "essid",
    "channel",
    "mac",
    "hostname",
    "dhcp_hostname",
    "pm",
    "txpower",
    "security",
    "authmode",
)
_BOTH += ("key", "password")
if sim.ESP32:
    _KEYS = _BOTH + ("reconnects", "hidden", "max_clients", "protocol", "ifname")
else:
    _KEYS = _BOTH + ("antenna", "trace", "monitor")
_STA = ("reconnects",)


def config(wlan, what, settings):
    radio = sim.radio
    for key in settings if what is None else (what,):
        if key not in _KEYS:
            raise ValueError("unknown config param")
        if key in _STA and wlan._if:
            raise OSError("STA required")
    if what is not None:
        return _get(wlan, radio, what)
    _set(wlan, radio, settings)


def _set(wlan, radio, settings):
    if sim.ESP32:
        wlan._started()
    for key in settings:
        value = settings[key]
        if key in ("hostname", "dhcp_hostname"):
            common.hostname(value)
        elif key == "pm":
            radio.pm = value
        elif key == "reconnects":
            radio.reconnects = value
        else:
            _set_ap(wlan, radio, key, value)
    # The ESP32 ends every config() by giving the driver its whole configuration anew.
    if sim.ESP32 and radio.busy and not wlan._if:
        common.clash()


def _set_ap(wlan, radio, key, value):
    if sim.ESP32 and key in ("key", "password") and not 8 <= len(value) <= 63:
        raise OSError("Wifi Invalid Password")
    radio.ap_settings[key] = value
    if sim.ESP32 and wlan._if:
        radio.beacon[key] = value  # the Pico takes it when it is activated


def _get(wlan, radio, key):
    if key in ("key", "password"):
        raise ValueError("unknown config param")
    if key == "mac":
        return sim.mac()
    if key in ("hostname", "dhcp_hostname"):
        return common.hostname()
    if key == "pm":
        return radio.pm
    if key == "reconnects":
        return radio.reconnects
    if key in ("ssid", "essid"):
        if wlan._if:
            return radio.ap_settings.get("ssid", "")
        return radio.ap.ssid if radio.ap else ""
    if key == "channel":
        return radio.ap.channel if radio.ap else 0
    if key == "txpower":
        return 20.0 if sim.ESP32 else 31
    return radio.ap_settings.get(key, 0)
