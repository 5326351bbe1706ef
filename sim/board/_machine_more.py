"""The part of `machine` that few programs use; `machine` brings it in by name."""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled
import sys
import time
from array import array

import umachine
from _machine_pin import Pin
from micropython import schedule

import sim

Signal = umachine.Signal


def time_pulse_us(pin, level, timeout_us=1_000_000):
    """The length of a pulse; -2: it did not begin in time, -1: it did not end. Source: extmod/machine_pulse.c."""
    sim.use_stand()
    now = time.ticks_us()
    edges = None
    for _, echo, chip, name in sim.echo_devices:
        if echo == pin.n and name not in sim.unplugged and echo not in sim.stuck:
            edges = chip.edges()
    if edges is None or level != 1:
        before = pin.value() == level  # and so it stays
        time.sleep_us(timeout_us * (1 + before))
        return -1 if before else -2
    begins = time.ticks_diff(edges[0], now)
    # In real time the host is late where a board is not: the pulse is as long as it is.
    begins = max(begins, 0) if sim.is_virtual else begins
    ends = None if edges[1] is None else time.ticks_diff(edges[1], now)
    if begins >= timeout_us or (ends is not None and ends <= 0):
        time.sleep_us(timeout_us)
        return -2
    if ends is None or ends - begins >= timeout_us:
        time.sleep_us(begins + timeout_us)
        return -1
    time.sleep_us(ends)
    return ends - begins


class Timer:
    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, id=-1, **settings):
        if not sim.ESP32 and id != -1:
            raise ValueError("Timer doesn't exist")
        if sim.ESP32 and id > 3:
            raise ValueError("invalid Timer number")
        self._event = None
        self._queued = self._run
        if settings:
            self.init(**settings)

    def init(self, *, mode=PERIODIC, period=-1, freq=-1, callback=None, hard=False):
        if hard and sim.ESP32:
            raise ValueError("hard Timers are not implemented")
        self.deinit()
        self._mode = mode
        self._period = int(1000 / freq) if freq > 0 else period
        self._callback = callback
        self._event = sim.after(self._period, self._due)

    def deinit(self):
        if self._event:
            sim.cancel(self._event)
            self._event = None

    def _due(self):
        if self._mode == self.PERIODIC:
            self._event = sim.after(max(self._period, 1), self._due)
        try:
            schedule(self._queued, None)
        except RuntimeError:
            pass

    def _run(self, _):
        try:
            if self._callback:
                self._callback(self)
        except Exception as e:
            print("uncaught exception in timer callback")
            sys.print_exception(e)
            self.deinit()


class PWM:
    """Drives its pin: `sim.pin(n).duty` is the share of the time, of 65535, in which it is high."""

    def __init__(self, pin, *, freq=5000, duty_u16=0, duty_ns=None, duty=None, invert=False):
        if not sim.ESP32 and freq < 8:
            raise ValueError("freq too small")
        self._wire = pin.wire
        self._freq = freq
        self._wire.duty = 65535 - duty_u16 if invert else duty_u16
        if duty_ns is not None:
            self.duty_ns(duty_ns)

    def init(self, *, freq=None, duty_u16=None):
        self._freq = freq or self._freq
        if duty_u16 is not None:
            self._wire.duty = duty_u16

    def deinit(self):
        self._wire.duty = 0

    def freq(self, hz=None):
        if hz is None:
            return self._freq
        if hz <= 0:
            raise ValueError("frequency must be positive")
        self._freq = hz

    def duty_u16(self, duty=None):
        if duty is None:
            return self._wire.duty
        self._wire.duty = min(max(duty, 0), 65535)

    def duty_ns(self, ns=None):
        if ns is None:
            return self._wire.duty * 1_000_000_000 // self._freq // 65535
        self._wire.duty = ns * self._freq * 65535 // 1_000_000_000

    if sim.ESP32:

        def duty(self, duty=None):
            if duty is None:
                return self._wire.duty >> 6
            self._wire.duty = duty << 6


class UART:
    """A serial port to the chip on its pins; `read` gives None when nothing came."""

    INV_TX, INV_RX = 1, 2

    def __init__(
        self,
        id,
        baudrate=115_200,
        bits=8,
        parity=None,
        stop=1,
        *,
        tx=None,
        rx=None,
        timeout=0,
        **kwargs,
    ):
        if not 0 <= id <= (2 if sim.ESP32 else 1):
            raise ValueError("UART(%s) doesn't exist" % id)
        self._tx = tx.n if isinstance(tx, Pin) else tx
        self._rx = rx.n if isinstance(rx, Pin) else rx
        self._rxbuf = kwargs.get("rxbuf", 256)
        self._timeout = timeout
        self._baudrate = baudrate
        self._came = b""

    def init(self, *args, **kwargs):
        pass

    def deinit(self):
        pass

    def _chip(self):
        sim.use_stand()
        for tx, rx, chip, name in sim.uart_devices:
            if tx == self._tx and rx == self._rx and name not in sim.unplugged:
                return chip

    def any(self):
        sim.run_due()
        chip = self._chip()
        if chip:
            # A full buffer keeps what it has: what comes then is lost.
            self._came = (self._came + (chip.read() or b""))[: self._rxbuf]
        return len(self._came)

    def read(self, n=-1):
        end = sim.now() + self._timeout
        while not self.any():
            if sim.now() >= end:
                return None
            sim.sleep(1)
        if not sim.ESP32:
            while len(self._came) < n:  # a Pico waits two characters long for each next one
                before = len(self._came)
                sim.sleep(-(-20_000 // self._baudrate))
                if self.any() == before:
                    break
        n = len(self._came) if n < 0 else n
        got, self._came = self._came[:n], self._came[n:]
        return got

    def readinto(self, buf, n=None):
        got = self.read(len(buf) if n is None else n)
        if got is None:
            return None
        buf[: len(got)] = got
        return len(got)

    def readline(self):
        self.any()
        end = self._came.find(b"\n") + 1
        return self.read(end) if end else self.read()

    def write(self, data):
        chip = self._chip()
        if chip:
            chip.write(bytes(data))
        return len(data)

    def flush(self):
        pass

    def txdone(self):
        return True


class SPI:
    """Nothing is on it."""

    def __init__(self, *args, **kwargs):
        pass

    def init(self, *args, **kwargs):
        pass

    def read(self, n, write=0):
        return b"\xff" * n

    def readinto(self, buf, write=0):
        buf[:] = b"\xff" * len(buf)

    def write(self, data):
        pass

    def write_readinto(self, data, buf):
        buf[:] = b"\xff" * len(buf)


SoftSPI = SPI


def bitstream(pin, encoding, timing, data):
    pass


def bootloader(timeout=None):
    if sim.ESP32:
        raise OSError(errnos.EOPNOTSUPP)  # only S2, S3 and others with USB
    sim.reset("reset")


def wake_reason():
    return 4 if sim.cause == "deepsleep" else 0


def lightsleep(ms=None):
    if ms is None or ms < 0:
        raise OSError(errnos.EINVAL)  # until a pin wakes it: nobody here would
    if not sim.ESP32:
        if ms >= 4_294_967:
            raise ValueError("sleep too long")
        if sim.radio and True in sim.radio.active:
            ms = sim.random(0, ms)  # the radio has something to say and wakes it
    sim.sleep(ms)
    if sim.ESP32 and sim.radio and sim.radio.ap:
        sim.radio.lost()


def deepsleep(ms=0):
    """Comes back by a reset, after ms; what starts the board again waits so long."""
    sim.retain("sleep_ms", ms)
    sim.reset("deepsleep")


def _words(region, size):
    key = "backup%d" % region
    if key not in sim.backups:
        words = sim.backups[key] = array("I", bytes(size))
        kept = bytes.fromhex(sim.retained.get(key, ""))
        words[: len(kept) // 4] = array("I", kept)
    return memoryview(sim.backups[key])


def mem_backup(region=0):
    """Retained words (v1.29). Kept when the program ends the board, not here when the watchdog does."""
    sizes = (2048,) if sim.ESP32 else (16, 12)
    if region == -1:
        return tuple(_words(i, size) for i, size in enumerate(sizes))
    return _words(region, sizes[region])
