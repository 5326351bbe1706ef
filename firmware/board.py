"""The board the node runs on: the only file that touches `machine`, `network`, `esp32` and `rp2`.

One class for what both families have; where they differ the difference is here and nowhere else.
"""

import os
import sys
import time

import machine
import network
from micropython import const

try:
    import esp32
except ImportError:
    esp32 = None

_WATCHDOG_MAX_MS = const(8388)  # RP2040's counter; RP2350 and ESP32 could take more
_WATCHDOG_S = const(30)  # a name look-up without an answer blocks an ESP32 for 21 s
_I2C_CLOCKS = const(9)  # enough for any chip to finish the byte it holds the bus with

_MODELS = (  # the first that occurs in os.uname().machine
    ("ESP32S2", "esp32s2"),
    ("ESP32S3", "esp32s3"),
    ("ESP32C3", "esp32c3"),
    ("ESP32C6", "esp32c6"),
    ("ESP32", "esp32"),
    ("RP2350", "pico2_w"),
    ("RP2040", "pico_w"),
)
_ONE_I2C = ("esp32c3", "esp32c6")  # controllers; the others have two


def _text(names):
    """Return {value: text} for those constants of `machine` or `network` that this port has."""
    return {getattr(owner, name): text for owner, name, text in names if hasattr(owner, name)}


class Radio:
    """The Wi-Fi station. Every method raises OSError only, whichever family."""

    def __init__(self):
        self.esp32 = esp32 is not None
        self.joining = None  # ssid that boot.py began to join
        self._wlan = None
        self._states = _text(
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
        if not self.esp32:
            self._states[2] = "joined, no address"  # the Pico's driver has no name for it

    def _call(self, method, *args, **options):
        # ESP32: a Wi-Fi error without a name is a RuntimeError; on Pico a bad setting is a ValueError.
        try:
            if self._wlan is None:
                self._wlan = network.WLAN(network.STA_IF)
            return getattr(self._wlan, method)(*args, **options)
        except (RuntimeError, ValueError) as e:
            raise OSError(str(e)) from None

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

    def connected(self):
        return bool(self._call("isconnected"))

    def state(self):
        """Return the driver's state in words. A hint for the log, no more: ESP32 reports stale ones."""
        code = self._call("status")
        return self._states.get(code, "status %d" % code)

    def failed(self):
        """True if the driver has given up on the attempt (and says so truly, which ESP32 does not in the first seconds)."""
        code = self._call("status")
        return code < 0 if not self.esp32 else 200 <= code < 1000

    def ssid(self):
        return self._call("config", "ssid")

    def rssi(self):
        """Return dBm; only to be asked while connected."""
        return self._call("status", "rssi")

    def address(self):
        return self._call("ifconfig")[0]


_radio = []


def radio():
    """Return the one Radio: the station keeps its state from boot.py to main.py."""
    if not _radio:
        _radio.append(Radio())
    return _radio[0]


class Board:
    def __init__(self):
        self.hardware = os.uname().machine
        self.model = next((model for mark, model in _MODELS if mark in self.hardware), "unknown")
        self.id = machine.unique_id().hex()
        self.micropython = "%d.%d.%d" % sys.implementation.version[:3]
        self.radio = radio()
        self._watchdog = None
        self._i2c = {}
        self._i2c_numbers = {}  # a bus that is made anew stays on its controller
        self._onewire = {}

    @property
    def name(self):
        """A name no other board has, such as esp32-a1b2c3."""
        return self.model.replace("_", "") + "-" + self.id[-6:]

    # resets

    def reset_cause(self):
        """Return why the board started. On Pico a reset by software cannot be told from the watchdog here."""
        causes = _text(
            (
                (machine, "PWRON_RESET", "power on"),
                (machine, "HARD_RESET", "reset"),
                (machine, "WDT_RESET", "watchdog"),
                (machine, "DEEPSLEEP_RESET", "deep sleep"),
                (machine, "SOFT_RESET", "soft reset"),
            )
        )
        return causes.get(machine.reset_cause(), "unknown")

    def reset(self):
        machine.reset()

    def arm_watchdog(self, timeout_s=None):
        """It cannot be disarmed again, and outlives a soft reset."""
        timeout_ms = (timeout_s or _WATCHDOG_S) * 1000
        if esp32 is None:
            timeout_ms = min(timeout_ms, _WATCHDOG_MAX_MS)
        self._watchdog = machine.WDT(timeout=timeout_ms)

    def feed(self):
        if self._watchdog:
            self._watchdog.feed()

    # clock

    def set_time(self, unix_s):
        from firmware.clock import epoch

        year, month, day, hour, minute, second, weekday, _ = time.gmtime(unix_s - epoch())
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))

    # buses and pins

    def i2c(self, sda, scl, freq=100000):
        """Return the bus on these pins. OSError: something holds it low."""
        key = (sda, scl)
        if key not in self._i2c:
            self._free(sda, scl)
            # Pico: each pin belongs to one controller. ESP32: any, so first come, first served.
            free = (sda // 2) % 2 if esp32 is None else len(self._i2c_numbers)
            number = self._i2c_numbers.setdefault(key, free)
            pins = {"sda": machine.Pin(sda), "scl": machine.Pin(scl), "freq": freq}
            hardware = number < (1 if self.model in _ONE_I2C else 2)
            self._i2c[key] = machine.I2C(number, **pins) if hardware else machine.SoftI2C(**pins)
        return self._i2c[key]

    def recover_i2c(self, sda, scl):
        """Forget the bus, so that the next i2c() frees and makes it anew."""
        self._i2c.pop((sda, scl), None)

    def _free(self, sda, scl):
        # A chip that was cut off in mid-byte by our reset holds SDA low until it has been clocked to the end.
        data = machine.Pin(sda, machine.Pin.IN, machine.Pin.PULL_UP)
        if data.value():
            return
        clock = machine.Pin(scl, machine.Pin.OPEN_DRAIN, value=1)
        for _ in range(_I2C_CLOCKS):
            clock.value(0)
            time.sleep_us(5)
            clock.value(1)
            time.sleep_us(5)
            if data.value():
                return

    def onewire(self, pin):
        import onewire

        if pin not in self._onewire:
            self._onewire[pin] = onewire.OneWire(machine.Pin(pin))
        return self._onewire[pin]

    def dht(self, pin):
        import dht

        return dht.DHT22(machine.Pin(pin))

    def adc(self, pin):
        """Return an object whose read_uv() gives microvolts at the pin."""
        if esp32 is not None:
            return machine.ADC(machine.Pin(pin), atten=machine.ADC.ATTN_11DB)
        return _PicoAdc(machine.ADC(pin))

    def input(self, pin, pull=None):
        pulls = {"up": machine.Pin.PULL_UP, "down": machine.Pin.PULL_DOWN, None: None}
        return machine.Pin(pin, machine.Pin.IN, pulls[pull])


class _PicoAdc:
    """The Pico's ADC counts in 1/65535 of its 3.3 V supply and has no read_uv()."""

    def __init__(self, adc):
        self._adc = adc

    def read_uv(self):
        return self._adc.read_u16() * 3300000 // 65535
