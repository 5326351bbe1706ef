"""The Wi-Fi station of the board, the same for both families."""

import network

try:
    import esp32
except ImportError:
    esp32 = None


def named(names):
    """Return {value: text} for those constants of `machine` or `network` that this port has."""
    return {getattr(owner, name): text for owner, name, text in names if hasattr(owner, name)}


def call(function, *args, **options):
    """Call something of `network`. ESP32: a Wi-Fi error without a name is a RuntimeError; on Pico a bad setting is a ValueError."""
    try:
        return function(*args, **options)
    except (RuntimeError, ValueError) as e:
        raise OSError(str(e)) from None


class Radio:
    """The Wi-Fi station. Every method raises OSError only, whichever family."""

    def __init__(self):
        self.esp32 = esp32 is not None
        self.joining = None  # ssid that boot.py began to join
        self._wlan = None
        self._states = named(
            (
                (network, "STAT_IDLE", "idle"),
                (network, "STAT_CONNECTING", "connecting"),
                (network, "STAT_GOT_IP", "connected"),
                (network, "STAT_WRONG_PASSWORD", "wrong password"),
                (network, "STAT_NO_AP_FOUND", "network not found"),
                (network, "STAT_CONNECT_FAIL", "refused by the access point"),
                (network, "STAT_ASSOC_FAIL", "refused by the access point"),
                (network, "STAT_BEACON_TIMEOUT", "access point gone"),
                (network, "STAT_HANDSHAKE_TIMEOUT", "handshake timed out (wrong password?)"),
            )
        )
        if self.esp32:
            # The reasons of a handshake that fails, as they come from the driver: IEEE 802.11, table 9-49.
            self._states[2] = self._states[15] = "handshake failed (wrong password?)"
        else:
            self._states[2] = "joined, no address"  # the Pico's driver has no name for it

    def _call(self, method, *args, **options):
        if self._wlan is None:
            self._wlan = call(network.WLAN, network.STA_IF)
        return call(getattr(self._wlan, method), *args, **options)

    def on(self, hostname, country, power_save):
        """Power up. Blocks about a second on Pico, while the radio's firmware loads."""
        if hostname:
            network.hostname(hostname)
        if country:
            network.country(country)  # before active(): that is when the Pico reads it
        self._call("active", True)
        if self.esp32:
            self._call("config", reconnects=0)  # else its own retries make our connect() an error
            self._call(
                "config", pm=network.WLAN.PM_POWERSAVE if power_save else network.WLAN.PM_NONE
            )
        else:
            # After every active(), which resets it. 0xA11140: power saving off, in all versions.
            self._call("config", pm=network.WLAN.PM_POWERSAVE if power_save else 0xA11140)

    def off(self, deep=False):
        """Power down; deep: the Pico's Wi-Fi chip as well."""
        self._call("active", False)
        if deep and not self.esp32:
            self._call("deinit")

    def join(self, ssid, password, static=None):
        """Begin to join; returns at once."""
        if static:
            keys = ("address", "netmask", "gateway", "dns")
            self._call("ifconfig", tuple([static[key] for key in keys]))
            if hasattr(network, "ipconfig"):
                # Pico from 1.24: ifconfig alone leaves name look-up without a server.
                network.ipconfig(dns=static["dns"])
        elif static is False:
            self._call("ipconfig", dhcp4=True)
        self._call("connect", ssid, password or None)

    def leave(self):
        self._call("disconnect")

    def scan(self):
        """Return the driver's tuples: ssid, bssid, channel, dBm, security, …; on ESP32 none if it does not want to."""
        return self._call("scan")

    def connected(self):
        return bool(self._call("isconnected"))

    def state(self):
        """Return the driver's state in words. A hint for the log, no more: ESP32 reports stale ones."""
        code = self._call("status")
        if self.esp32 and code in (network.STAT_CONNECTING, network.STAT_IDLE):
            try:
                self.rssi()
                return "joined, no address"
            except OSError:
                pass  # not even joined; "idle" is all it says when an earlier connection was left
        return self._states.get(code, "status %d" % code)

    def failed(self):
        """True if the driver has given up on the attempt (and says so truly, which ESP32 does not in the first seconds)."""
        code = self._call("status")
        # ESP32: from 200 on the named ones, below those of IEEE 802.11.
        return code < 0 if not self.esp32 else 0 < code < 1000

    def ssid(self):
        return self._call("config", "ssid")

    def rssi(self):
        """Return dBm; only to be asked while connected."""
        return self._call("status", "rssi")

    def mac(self):
        """Return it as aa:bb:cc:dd:ee:ff."""
        return ":".join(["%02x" % byte for byte in self._call("config", "mac")])

    def address(self):
        return self._call("ifconfig")[0]

    def servers(self):
        """Return the addresses of the gateway and of the name server, as DHCP or the settings gave them."""
        return self._call("ifconfig")[2:]


_radio = []


def radio():
    """Return the one Radio: the station keeps its state from boot.py to main.py."""
    if not _radio:
        _radio.append(Radio())
    return _radio[0]
