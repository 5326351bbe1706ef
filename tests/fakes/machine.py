"""`machine` of the boards. What a port lacks is absent here too; what is seldom used waits in `_machine_more`.

Sources: ports/esp32 and ports/rp2 (modmachine.c, machine_pin.c, machine_adc.c, machine_i2c.c, machine_wdt.c),
docs/library/machine*.rst.
"""

import errno
import struct
import sys

import micropython
import sim
from micropython import const

PWRON_RESET = 1
WDT_RESET = 3
if sim.ESP32:
    HARD_RESET = 2
    DEEPSLEEP_RESET = 4
    SOFT_RESET = 5
    _CAUSES = {"power": 1, "reset": 2, "wdt": 3, "deepsleep": 4, "soft": 5}
else:
    # Whatever restarts an RP2040, its watchdog does it: it cannot be told from a bite.
    _CAUSES = {"power": 1, "reset": 3, "wdt": 3, "deepsleep": 3, "soft": 3}

_MORE = (
    "PWM",
    "UART",
    "SPI",
    "SoftSPI",
    "Signal",
    "Timer",
    "bitstream",
    "time_pulse_us",
    "bootloader",
)
_MORE += ("lightsleep", "deepsleep", "wake_reason", "mem_backup")
_MORE_ESP32 = ("wake_reason",)


def __getattr__(name):
    if name not in _MORE or (name in _MORE_ESP32 and not sim.ESP32):
        raise AttributeError(name)
    if name == "mem_backup" and not sim.mem_backup:
        raise AttributeError(name)  # from v1.29 on
    import _machine_more

    return getattr(_machine_more, name)


def reset():
    sim.reset("reset")


def soft_reset():
    raise SystemExit


def reset_cause():
    return _CAUSES[sim.cause]


def unique_id():
    return sim.mac() if sim.ESP32 else b"\xe6\x61\x64\x08\x43" + sim.mac()[3:]


def freq(hz=None):
    if hz is None:
        return 160_000_000 if sim.ESP32 else 125_000_000


def idle():
    sim.sleep(1)


def disable_irq():
    return 1


def enable_irq(state):
    pass


# ---- pins -------------------------------------------------------------------------------------------------------

_pins = {}
_FLASH = const(0b1111_1100_0000)  # ESP32: GPIO 6..11


class Pin:
    if sim.ESP32:
        IN, OUT, OPEN_DRAIN = 1, 3, 7
        PULL_DOWN, PULL_UP = 1, 2
        IRQ_RISING, IRQ_FALLING = 1, 2
        WAKE_LOW, WAKE_HIGH = 4, 5
        DRIVE_0, DRIVE_1, DRIVE_2, DRIVE_3 = 0, 1, 2, 3
    else:
        IN, OUT, OPEN_DRAIN, ALT = 0, 1, 2, 3
        PULL_UP, PULL_DOWN = 1, 2
        IRQ_FALLING, IRQ_RISING = 4, 8

    def __new__(cls, id, *args, **kwargs):
        if isinstance(id, Pin):
            return id
        n = _number(id)
        if n not in _pins:
            self = _pins[n] = object.__new__(cls)
            self.n = n
            self.wire = sim.pin(n)
            self._handler = None
            self._out = 0
            self._mode = self.IN
            self._queued = self._run
        return _pins[n]

    def __init__(self, id, mode=-1, pull=-1, **settings):
        if mode != -1 or pull != -1 or settings:
            self.init(mode, pull, **settings)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None, alt=None, hold=None):
        n = self.n
        outside = isinstance(n, str)  # on the Pico's Wi-Fi chip
        if outside and (pull not in (-1, None) or alt is not None):
            raise ValueError("pull and alternate function are not supported on external pin")
        if sim.ESP32 and mode in (self.OUT, self.OPEN_DRAIN) and n >= 34:
            raise ValueError("pin can only be input")
        before = self.wire.value()
        if pull != -1 and not (
            sim.ESP32 and n >= 34
        ):  # those have no pulls, and the port does not say so
            self.wire.pull = None if pull is None else 1 if pull == self.PULL_UP else 0
        if value is not None:
            self._out = int(bool(value))
        if mode != -1:
            self._mode = mode
        self._drive()
        self.wire.moved(before)

    def _drive(self):
        out = self._mode == self.OUT or (self._mode == self.OPEN_DRAIN and not self._out)
        self.wire.out = self._out if out else None

    def value(self, x=None):
        if x is None:
            return self.wire.value()
        before = self.wire.value()
        self._out = int(bool(x))
        self._drive()
        self.wire.moved(before)

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self._out)

    if not sim.ESP32:
        high = on
        low = off

    if sim.ESP32:

        def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, wake=None):
            return self._irq(handler, trigger)

    else:

        def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, hard=False):
            return self._irq(handler, trigger)

    def _irq(self, handler, trigger):
        if isinstance(self.n, str):
            raise ValueError("expecting a regular GPIO Pin")
        self._handler = handler
        self._trigger = trigger
        self.wire.irq = self._edge if handler else None
        return self

    def _edge(self, before, after):
        if self._trigger & (self.IRQ_RISING if after else self.IRQ_FALLING):
            try:
                micropython.schedule(self._queued, None)
            except RuntimeError:
                pass  # the queue is full: the edge is lost

    def _run(self, _):
        try:
            if self._handler:
                self._handler(self)
        except Exception as e:
            print("uncaught exception in Pin interrupt handler")
            sys.print_exception(e)
            self._irq(None, 0)

    def __repr__(self):
        return "Pin(%s)" % self.n


def _number(id):
    if sim.ESP32:
        if (
            isinstance(id, int)
            and 0 <= id <= 39
            and not _FLASH >> id & 1
            and id not in (20, 24, 28, 29, 30, 31)
        ):
            return id
    elif isinstance(id, int):
        if 0 <= id <= 29:
            return id
    elif id in ("LED", "WL_GPIO0", "WL_GPIO1", "WL_GPIO2"):
        return "WL_GPIO0" if id == "LED" else id
    elif isinstance(id, str) and id[:2] == "GP" and id[2:].isdigit():
        if int(id[2:]) <= 28:
            return int(id[2:])
        raise ValueError('unknown named pin "%s"' % id)
    raise ValueError("invalid pin")


# ---- analogue ---------------------------------------------------------------------------------------------------

_ADC2 = (0, 2, 4, 12, 13, 14, 15, 25, 26, 27)
_FULL = (
    1_100_000,
    1_500_000,
    2_200_000,
    3_200_000,
)  # uV at the pin that read 4095, by attenuation
_DEAD = (75_000, 75_000, 100_000, 142_000)  # and below which nothing moves


class ADC:
    if sim.ESP32:
        ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3
        WIDTH_9BIT, WIDTH_10BIT, WIDTH_11BIT, WIDTH_12BIT = 9, 10, 11, 12
    else:
        CORE_TEMP = 4

    if sim.ESP32:

        def __init__(self, pin, *, atten=0):
            self._n = pin.n if isinstance(pin, Pin) else pin
            if not (32 <= self._n <= 39 or self._n in _ADC2):
                raise ValueError("invalid pin")
            self._atten = atten

        def atten(self, atten):
            self._atten = atten

        def width(self, bits):
            pass

        def read_uv(self):
            raw = self._raw()
            dead = _DEAD[self._atten]
            return (dead + raw * (_FULL[self._atten] - dead) // 4095) // 1000 * 1000

        def read(self):
            return self._raw()

        def _raw(self):
            if self._n in _ADC2 and sim.radio and True in sim.radio.active:
                raise OSError(errno.ETIMEDOUT)
            dead = _DEAD[self._atten]
            return _counts(sim.on_pin(sim.adc_devices, self._n), dead, _FULL[self._atten], 12)

    else:

        def __init__(self, pin):
            n = pin.n if isinstance(pin, Pin) else pin
            if isinstance(n, int) and 0 <= n <= 4:
                n += 26
            if n not in (26, 27, 28, 29, 30):
                raise ValueError("Pin doesn't have ADC capabilities")
            self._n = n

        def _raw(self):
            if self._n == 30:
                return _counts(_core, 0, 3_300_000, 1)
            if self._n == 29 and sim.radio and True in sim.radio.active:
                return sim.random(0, 4095)  # the pin is the radio's clock
            return _counts(sim.on_pin(sim.adc_devices, self._n), 0, 3_300_000, 6)

    def read_u16(self):
        raw = self._raw()
        return raw << 4 | raw >> 8


def _core():
    return 706_000  # 27 degrees


def _counts(microvolts, low, high, noise):
    if microvolts is None:
        return sim.random(0, 400)  # an open pin
    raw = (microvolts() - low) * 4095 // (high - low)
    if 0 < raw < 4095:
        raw += sim.random(-noise, noise)
    return max(0, min(4095, int(raw)))


# ---- I2C --------------------------------------------------------------------------------------------------------

_i2cs = {}


class SoftI2C:
    _nack = 19

    def __init__(self, scl, sda, *, freq=400_000, timeout=50_000):
        self._scl, self._sda = scl.n, sda.n

    def _chip(self, address):
        sim.use_bench()
        sim.run_due()
        if self._scl in sim.stuck or self._sda in sim.stuck:
            raise OSError(errno.ETIMEDOUT)
        for sda, scl, a, chip, name in sim.i2c_devices:
            if (
                a == address
                and sda == self._sda
                and scl == self._scl
                and name not in sim.unplugged
            ):
                return chip
        raise OSError(self._nack)

    def _write(self, chip, data):
        try:
            if chip.write(data) is not False:
                return
        except OSError:
            pass
        raise OSError(self._nack)

    def _read(self, chip, n):
        try:
            data = chip.read(n)
        except OSError:
            data = None
        if data is None:
            raise OSError(self._nack)
        return data

    def _stop(self, chip):
        if hasattr(chip, "stop"):
            chip.stop()

    def scan(self):
        found = []
        for address in range(0x08, 0x78):
            try:
                chip = self._chip(address)
                self._write(chip, b"")
                found.append(address)
            except OSError as e:
                if e.errno == errno.ETIMEDOUT:
                    raise
        return found

    def writeto(self, address, buf, stop=True):
        chip = self._chip(address)
        self._write(chip, bytes(buf))
        if stop:
            self._stop(chip)
        return len(buf)

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join(bytes(part) for part in vector), stop)

    def readfrom(self, address, n, stop=True):
        chip = self._chip(address)
        data = self._read(chip, n)
        if stop:
            self._stop(chip)
        return data

    def readfrom_into(self, address, buf, stop=True):
        buf[:] = self.readfrom(address, len(buf), stop)

    def readfrom_mem(self, address, memaddr, n, *, addrsize=8):
        chip = self._chip(address)
        self._write(chip, _register(memaddr, addrsize))
        data = self._read(chip, n)
        self._stop(chip)
        return data

    def readfrom_mem_into(self, address, memaddr, buf, *, addrsize=8):
        buf[:] = self.readfrom_mem(address, memaddr, len(buf), addrsize=addrsize)

    def writeto_mem(self, address, memaddr, buf, *, addrsize=8):
        self.writeto(address, _register(memaddr, addrsize) + bytes(buf))


def _register(memaddr, addrsize):
    return struct.pack(">H" if addrsize == 16 else "B", memaddr)


class I2C(SoftI2C):
    """A controller: there are two, and to construct one again is to move it to other pins."""

    _nack = 19 if sim.ESP32 else 5

    def __new__(cls, id=0, **kwargs):
        if id not in (0, 1):
            raise ValueError("I2C(%s) doesn't exist" % id)
        if id not in _i2cs:
            _i2cs[id] = object.__new__(cls)
        return _i2cs[id]

    def __init__(self, id=0, *, scl=None, sda=None, freq=400_000, timeout=50_000):
        if sim.ESP32:
            default = (18, 19) if id == 0 else (25, 26)
        else:
            default = (5, 4) if id == 0 else (7, 6)
        scl = _pin_of(scl, default[0])
        sda = _pin_of(sda, default[1])
        if sim.ESP32:
            if scl >= 34 or sda >= 34:
                raise ValueError("invalid pin")
        else:
            if scl & 3 != 2 * id + 1:
                raise ValueError("bad SCL pin")
            if sda & 3 != 2 * id:
                raise ValueError("bad SDA pin")
        self._scl, self._sda = scl, sda

    def init(self, **kwargs):
        pass


def _pin_of(pin, default):
    if pin is None:
        return default
    if isinstance(pin, Pin):
        return pin.n
    if sim.ESP32:
        raise ValueError("expecting a pin")
    return Pin(pin).n


# ---- clock and watchdog -----------------------------------------------------------------------------------------


class RTC:
    def datetime(self, t=None):
        import time

        if t is None:
            now = time.gmtime()
            us = sim.rtc_ms() % 1000 * 1000 if sim.ESP32 else 0
            return now[:3] + (now[6],) + now[3:6] + (us,)
        seconds = time.mktime((t[0], t[1], t[2], t[4], t[5], t[6]))
        sim.rtc_set((seconds - time.mktime((1970, 1, 1, 0, 0, 0))) * 1000)

    if sim.ESP32:

        def init(self, t):
            self.datetime((t[0], t[1], t[2], 0) + tuple(t[3:6]) + (0,))

        def memory(self, data=None):
            if data is None:
                return bytes.fromhex(sim.retained.get("memory", ""))
            data = bytes(data)
            if len(data) > 2048:
                raise ValueError("buffer too long")
            sim.retain("memory", data.hex())


class WDT:
    """Cannot be stopped; a second one re-arms it. Real time: SIGALRM, which ends a blocked process too."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("WDT(%s) doesn't exist" % id)
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        if not sim.ESP32 and timeout > 8388:
            raise ValueError("timeout exceeds 8388")
        sim.arm(timeout)
        sim.retain("cause", "wdt")  # the process will not be asked when it bites

    def feed(self):
        sim.feed()
