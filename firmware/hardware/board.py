"""The board the node runs on: pins, buses, resets. With radio.py and accesspoint.py the only files that touch the hardware's modules.

One class for what both families have; where they differ the difference is here and nowhere else.
"""

import os
import sys
import time

import machine
from micropython import const

from firmware.hardware.radio import named, radio

try:
    import esp32
except ImportError:
    esp32 = None

_WATCHDOG_MAX_MS = const(8388)  # RP2040's counter; RP2350 and ESP32 could take more
_WATCHDOG_S = const(30)  # a name look-up without an answer blocks an ESP32 for 21 s
_I2C_CLOCKS = const(9)  # enough for any chip to finish the byte it holds the bus with

# WATCHDOG: REASON of the RP2040 and RP2350 datasheets; bit 0 it ran out, bit 1 it was forced to.
_PICO_REASON = {"pico_w": 0x40058008, "pico2_w": 0x400D8008}

_MARK = b"time"
_MARKED_S = const(120)  # a minute, a crash, a start

_ECHO_US = const(40000)  # sound is back from 6 m by then

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


class Board:
    def __init__(self, guard=None):
        """guard: main.py's, of the start."""
        self.guard = guard
        self.hardware = os.uname().machine
        self.model = next((model for mark, model in _MODELS if mark in self.hardware), "unknown")
        self.id = machine.unique_id().hex()
        self.micropython = "%d.%d.%d" % sys.implementation.version[:3]
        self.radio = radio()
        self._watchdog = None
        self._i2c = {}
        self._i2c_numbers = {}  # a bus that is made anew stays on its controller
        self._onewire = {}
        self._uarts = {}

    @property
    def name(self):
        """A name no other board has, such as esp32-a1b2c3."""
        return self.model.replace("_", "") + "-" + self.id[-6:]

    def access_point(self):
        from firmware.hardware.accesspoint import AccessPoint

        return AccessPoint(self.radio)

    # resets

    def reset_cause(self):
        """Return why the board started."""
        causes = named(
            (
                (machine, "PWRON_RESET", "power on"),
                (machine, "HARD_RESET", "reset"),
                (machine, "WDT_RESET", "watchdog"),
                (machine, "DEEPSLEEP_RESET", "deep sleep"),
                (machine, "SOFT_RESET", "soft reset"),
            )
        )
        cause = causes.get(machine.reset_cause(), "unknown")
        # Whatever restarts a Pico, its watchdog does it; only a register of that says whether the program asked for it.
        register = _PICO_REASON.get(self.model)
        if cause == "watchdog" and register and machine.mem32[register] & 2:
            return "reset"
        return cause

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

    def idf_heap(self):
        """Return (total, free, largest block, least free ever) bytes of each region from which an ESP32's Wi-Fi, sockets and TLS take; a Pico has none."""
        return esp32.idf_heap_info(esp32.HEAP_DATA) if esp32 else ()

    # clock

    def set_time(self, unix_s):
        from firmware.link.clock import epoch

        year, month, day, hour, minute, second, weekday, _ = time.gmtime(unix_s - epoch())
        machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))
        self.mark_time()

    def mark_time(self):
        """Note that the clock shows what this program set: to be called every minute. What a reset wipes on a Pico is not kept."""
        if esp32 is not None:
            machine.RTC().memory(_MARK + time.time().to_bytes(8, "big"))

    def kept_time(self):
        """Return the Unix s of a clock that this program had set before a reset just now; None: who knows who set it."""
        if esp32 is None:
            return None
        from firmware.link.clock import epoch

        memory = machine.RTC().memory()
        if len(memory) != len(_MARK) + 8 or not memory.startswith(_MARK):
            return None
        now = time.time()
        # mpremote sets the clock, too, and to local time; it is not done with that in so short a time.
        if not 0 <= now - int.from_bytes(memory[len(_MARK) :], "big") <= _MARKED_S:
            return None
        return now + epoch()

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
        """Return an object whose read_uv() gives microvolts at the pin, and read_u16() the code, 65535 at the end."""
        if esp32 is not None:
            return machine.ADC(machine.Pin(pin), atten=machine.ADC.ATTN_11DB)
        return _PicoAdc(machine.ADC(pin))

    def uart(self, tx, rx):
        """Return a serial port at 9600 baud, 8N1, which is what sensors speak."""
        key = (tx, rx)
        if key not in self._uarts:
            # Pico: each pin belongs to one port. ESP32: any; the first port is the console's.
            number = (tx + 4) >> 3 & 1 if esp32 is None else 1 + len(self._uarts)
            pins = {"tx": machine.Pin(tx), "rx": machine.Pin(rx)}
            self._uarts[key] = machine.UART(number, baudrate=9600, rxbuf=256, timeout=0, **pins)  # type: ignore[call-overload]  # a dict of pins
        return self._uarts[key]

    def echo(self, trigger, echo):
        """Return an object whose ping() sends a pulse of 10 µs and gives the µs of the answer, or -1 or -2: none."""
        return _Echo(
            machine.Pin(trigger, machine.Pin.OUT, value=0), machine.Pin(echo, machine.Pin.IN)
        )

    def output(self, pin, level):
        """Return a pin that is driven, from the first moment with this level."""
        return machine.Pin(pin, machine.Pin.OUT, value=level)

    def pwm(self, pin, freq, duty):
        """Return an object with duty_u16(0 to 65535); duty is the first."""
        return machine.PWM(machine.Pin(pin), freq=freq, duty_u16=duty)

    def led(self, pin):
        """Return the pin of a LED, None: the Pico's own, and None if there is none."""
        if pin is None and esp32 is not None:
            return None
        return machine.Pin("LED" if pin is None else pin, machine.Pin.OUT)

    def input(self, pin, pull=None):
        pulls = {"up": machine.Pin.PULL_UP, "down": machine.Pin.PULL_DOWN, None: None}
        return machine.Pin(pin, machine.Pin.IN, pulls[pull])


class _PicoAdc:
    """The Pico's ADC counts in 1/65535 of its 3.3 V supply and has no read_uv()."""

    def __init__(self, adc):
        self.read_u16 = adc.read_u16

    def read_uv(self):
        return self.read_u16() * 3300000 // 65535


class _Echo:
    def __init__(self, trigger, echo):
        self._trigger = trigger
        self._echo = echo

    def ping(self):
        self._trigger.value(1)
        time.sleep_us(10)
        self._trigger.value(0)
        return machine.time_pulse_us(self._echo, 1, _ECHO_US)
