"""A Wi-Fi network of the board's own, for provisioning, and which other networks it hears. Loaded only then.

Source: docs/library/network.WLAN.rst, ports/esp32/network_wlan.c, extmod/network_cyw43.c. On both families the access point has
the address 192.168.4.1 and a DHCP server that names it as router and name server. There is one radio: while the station looks
for a network or has joined one, the access point is on its channel, and a phone may lose it for some seconds.
"""

import network

from firmware.hardware.radio import call

_WPA2 = 0x400004  # the Pico's driver knows it (AES), the port has names for the mix with the older WPA only
_GUESTS = 4


class AccessPoint:
    """Every method raises OSError only, whichever family."""

    def __init__(self, radio):
        self.radio = radio  # the station
        self._wlan = None

    def exists(self):
        """Can the board have one? Not every `network` is of a radio."""
        return hasattr(network, "AP_IF")

    def open(self, ssid, password):
        """password: 8 to 63 characters."""
        if self._wlan is None:
            self._wlan = call(network.WLAN, network.AP_IF)
        self.close()  # it outlives a soft reset
        if self.radio.esp32:
            # Not before active(): the port refuses it.
            call(self._wlan.active, True)
            call(
                self._wlan.config,
                ssid=ssid,
                key=password,
                security=network.WLAN.SEC_WPA2,  # type: ignore[attr-defined]  # of the Pico W
                max_clients=_GUESTS,
            )
        else:
            # Not after active(): that is when the driver reads it.
            call(self._wlan.config, ssid=ssid, key=password, security=_WPA2)
            call(self._wlan.active, True)

    def is_open(self):
        return bool(self._wlan and call(self._wlan.active))

    def close(self):
        if self._wlan:
            call(self._wlan.active, False)

    @property
    def address(self):
        return call(self._wlan.ifconfig)[0]

    def heard(self):
        """Return (ssid in bytes, dBm, is it without password) of the networks in reach, strongest first, each once.

        Blocks, for 2 s on ESP32, on Pico for up to 10 s. The station leaves its network.
        """
        try:
            self.radio.leave()  # boot.py may have begun to join, and then it hears nothing and takes no settings
        except OSError:
            pass  # it was not even on
        self.radio.on("", "", False)
        best = {}
        for entry in self.radio.scan():
            ssid, rssi = entry[0], entry[3]
            if ssid and (ssid not in best or best[ssid][1] < rssi):  # hidden ones have none
                best[ssid] = (ssid, rssi, entry[4] == 0)
        return sorted(best.values(), key=lambda found: -found[1])
