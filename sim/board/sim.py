"""The simulated board: its clock, what is wired to it, what goes wrong, how it ends.

The modules beside this one (`machine`, `network`, `socket`, `time` ...) stand where a board has built-in ones. This
one is theirs and the tests': nothing of it exists on a board, no device file may import it.

The personality is `OUTPOST_BOARD`: `esp32` (the default) or `pico_w`. What a board lacks, its personality lacks.

**Clock.** Real at first: a second is a second, and the watchdog is a SIGALRM that ends even a blocked process.
After `virtual()` time only moves when the program sleeps, polls or waits, or when a test says `advance(ms)`, and
then at once. Ticks start 20 s before they wrap. `now()` is milliseconds since power-on, and does not wrap.
asyncio works in real time after `host_ticks()`.

**Endings.** `machine.reset()`, deep sleep and the watchdog end the process as hardware does: no `finally`, nothing
flushed (`EXIT`). After `catch_resets()` they raise `Reset` instead, for tests that want to look at the corpse.
`soft_boot()` forgets the modules that a soft reset would, and keeps radio, clock and pins.

**What goes wrong** is a call of `stand`, or the same call in a scenario (`OUTPOST_SCENARIO`, a JSON list) at its time:
`{"at_s": 10, "do": "wifi_off"}`, `{"at_s": 20, "do": "set", "name": "outside", "temperature": -5}`; without a time, now.
A supervisor may also write such objects, one a line, to standard input (`OUTPOST_CONTROL=1`).

    wifi_off(ssid) wifi_on(ssid)    the access point goes and comes (without ssid: all)
    zombie(on)                      the link looks fine and nothing passes
    kick()                          the access point throws the station out, and takes it back
    access_point(ssid, key, rssi, channel, on, hex)   another one, or other settings of one (hex: a name that is not UTF-8)
    internet(on)                    names resolve, time servers answer
    dns(how)                        "ok", "fail" (at once), "silent" (after the board's own long time-out), "hang"
    ntp(how)                        "ok", "silent", "short", "kiss" (of death), "wrong" (20 years ahead)
    wire(name, type, …)             the chip of an entry of `sensors` is there, whether config.json has one or not
    unplug(name) replug(name)       the chip of the sensor of that name leaves its bus
    bus_stuck(pin, on)              something holds the line of this pin low
    sda_held(sda, scl, pulses)      a chip cut off in mid-byte holds SDA until SCL has moved so often
    flash_fills(on)                 there is no space left
    power_fails(writes, how)        at that many block writes and erases from now; the last is "lost", "half" done, half
                                    done and the rest "garbage", or the power fails "after" it
    flash_counts()                  prints "flash: 12 writes, 3 erases" since power-on
    press(pin, level)               somebody drives a pin; None lets go
    set(name, quantity=value ...)   the world at that sensor (name "*": everywhere); None gives it back to the weather
    door(name, opened) tip(name, n) a contact moves, a rain gauge tips
    switch(name=value ...)          what the radio does: first_join_fails, dhcp_on, ip_ms, connect_clash, radio_fault,
                                    tls_fault: the variables of these names
    storm(function)                 function() is called between as many bytecodes as may be, until storm(None)
    hang(ms)                        the program is stuck for so long (interrupts run, the watchdog bites)
    reset(how)                      "power", "reset", "wdt": as if it had happened
    scenario(events)                a list of such objects, from now on

**Flash** is the current directory, and what a board's file system does to a file is imitated (`flash`). With
`OUTPOST_FLASH` (a file) it is a real littlefs in that file (`norflash`); `power_fails` and `flash_counts` are about that one.

**Chips** are attached by `chips.attach(setting, world, sim)`, which is called once for each entry of `sensors` in
`config.json` when a bus is first used. A broken config attaches nothing. It calls, with the sensor's name last:

    sim.i2c_attach(sda, scl, address, chip, name)
    sim.onewire_attach(pin, chip, name)      sim.dht_attach(pin, chip, name)
    sim.adc_attach(pin, microvolts, name)    sim.uart_attach(tx, rx, chip, name)    (the board's pins)
    sim.echo_attach(trigger, echo, chip, name)
    sim.pin(n).drive(level)                  level 0, 1 or None (nothing drives it: the pull decides)

- I2C chip: `write(data)` takes the bytes after the address, `read(n)` gives n bytes. `readfrom_mem` is a write, a
  repeated start and a read: `write(data)` then `read(n)`, with no stop between; a chip that cares has `stop()`,
  called at each stop condition. To refuse (NACK): raise OSError, or return False from `write`, None from `read`. One that
  refuses `b""` as well has not acknowledged its address; else it was the last byte, which is no error on a Pico.
- 1-Wire chip: `rom` (8 bytes, CRC last), `reset()` (a reset pulse was seen), `write_byte(b)` and `read_byte()` after the
  chip was selected; the bus does presence and the ROM commands. `read_bit()` optional (busy polling); without it
  a read slot gives bit 0 of `read_byte()`. `alarm` optional: answers the alarm search.
- DHT chip: `frame()` gives the 5 bytes of an answer, or None for silence.
- ADC: `microvolts()`, what is at the pin.
- UART chip: `write(data)`: what the board sent; `read()`: the bytes that came since the last call.
- Echo chip: `trigger(level)` at each edge of that pin; `edges()`: the `time.ticks_us()` at which its pulse begins and ends
  (None: it does not), or None if there is none. `machine.time_pulse_us` knows only these.

Chips see the time by `sim.now()` and may ask for a call: `sim.after(ms, function)`.
"""

import sys
from array import array

import ffi
import uos
import usocket
import utime
from micropython import const

try:
    import tls as real_tls
except ImportError:
    real_tls = None

BOARD = uos.getenv("OUTPOST_BOARD") or "esp32"
if BOARD not in ("esp32", "pico_w"):
    raise ValueError("OUTPOST_BOARD: esp32 or pico_w, not " + BOARD)
ESP32 = BOARD == "esp32"

# Exit codes, out of the way of Python's and the shell's own. The watchdog in real time is SIGALRM instead.
EXIT = {"reset": 90, "wdt": 91, "deepsleep": 92, "repl": 93, "power": 94}

_TICKS_MASK = const(0x3FFFFFFF)
_TRUE_TIME = 1_795_219_200_000  # Unix ms at power-on in virtual time; in real time the host's clock is the truth

libc = ffi.open("libc.so.6")
_exit = libc.func("v", "_exit", "i")


class Reset(BaseException):
    """A test asked to see it: the board ended here. args[0] is the cause."""


# ---- clock ------------------------------------------------------------------------------------------------------

is_virtual = False
_up = 0
_last = utime.ticks_ms()
_events = []  # [at, function], soonest first
_in_event = False


def now():
    """Milliseconds since power-on."""
    global _up, _last
    if not is_virtual:
        t = utime.ticks_ms()
        _up += utime.ticks_diff(t, _last)
        _last = t
    return _up


def virtual():
    """From here on, time moves only when somebody waits."""
    global is_virtual
    now()
    is_virtual = True
    feed()


_ticks_zero = 20_000  # ms from power-on to the wrap


def ticks():
    return (now() - _ticks_zero) & _TICKS_MASK


def host_ticks():
    """Count ticks as the host does, for asyncio: its C part does not see the fake `time`. Real time only."""
    global _ticks_zero
    _ticks_zero = now() - (utime.ticks_ms() & _TICKS_MASK)


def after(ms, function):
    """Call function() in ms milliseconds. Returns a handle for `cancel`."""
    event = [now() + ms, function]
    i = len(_events)
    while i and _events[i - 1][0] > event[0]:
        i -= 1
    _events.insert(i, event)
    return event


def cancel(event):
    if event in _events:
        _events.remove(event)


def until_event(limit):
    """Milliseconds until something happens, at most limit."""
    if _events:
        ms = _events[0][0] - now()
        return 0 if ms < 0 else min(ms, limit)
    return limit


def run_due():
    """What is due happens. An event may itself wait: those behind it then wait for it, as interrupts do."""
    global _in_event
    if control is not None:
        control()
    if _in_event:
        return
    _in_event = True
    try:
        while _events and _events[0][0] <= now():
            _events.pop(0)[1]()
    finally:
        _in_event = False


def advance(ms):
    """Virtual time: let ms milliseconds pass, with everything that happens in them, in order."""
    global _up
    end = _up + ms
    while True:
        step = until_event(end - _up) if not _in_event else end - _up
        if wdt_ms and _bites - _up <= step:
            _up = _bites
            reset("wdt")
        _up += step
        run_due()
        if _up >= end:
            return


def sleep(ms):
    """What every wait comes down to."""
    if is_virtual:
        advance(ms)
        return
    end = now() + ms
    while True:
        run_due()
        left = end - now()
        if left <= 0:
            return
        utime.sleep_ms(until_event(min(left, 100) if control else left) or 1)


# ---- resets and what survives them ------------------------------------------------------------------------------

wdt_ms = 0  # the armed watchdog's time-out
_bites = 0  # when it bites, in virtual time
_setitimer = libc.func("i", "setitimer", "iPP")
_itimerval = array("l", (0, 0, 0, 0))
mem_backup = False  # machine.mem_backup exists (v1.29)
_catch = False
retained_file = uos.getenv("OUTPOST_RETAINED")
host_open = open  # `flash` replaces the other
retained = {}  # cause, memory (hex), rtc (ms from the host's clock)


def _load_retained():
    import json

    try:
        with open(retained_file) as f:
            retained.update(json.load(f))
    except (OSError, ValueError):
        pass  # power was off


if retained_file:
    _load_retained()
backups = {}  # machine.mem_backup's words
cause = retained.get("cause", "power")
retained["cause"] = "power"


def retain(key, value):
    """Keep a value over resets, at once: what ends the board gives no warning."""
    retained[key] = value
    if retained_file:
        import json

        with host_open(retained_file + ".new", "w") as f:
            json.dump(retained, f)
        uos.rename(retained_file + ".new", retained_file)


def arm(timeout):
    global wdt_ms
    wdt_ms = timeout
    feed()


def feed():
    """Push the bite away."""
    global _bites
    if is_virtual:
        _bites = _up + wdt_ms
    _itimerval[2] = 0 if is_virtual else wdt_ms // 1000
    _itimerval[3] = 0 if is_virtual else wdt_ms % 1000 * 1000
    _setitimer(0, _itimerval, None)


def catch_resets():
    global _catch
    _catch = True


def reset(how="reset"):
    for key, words in backups.items():
        retained[key] = bytes(words).hex()
    retain("cause", how)
    end(how)


def end(how):
    if _catch:
        raise Reset(how)
    _exit(EXIT[how])


# ---- real-time clock --------------------------------------------------------------------------------------------


def true_ms():
    """Unix milliseconds as a good time server knows them."""
    return _TRUE_TIME + now() if is_virtual else utime.time_ns() // 1_000_000


_rtc = 946_684_800_000 if ESP32 else 1_609_459_200_000  # at power-on: 2000-01-01, 2021-01-01
if ESP32 and "rtc" in retained:  # the Pico's start-up code sets it anew on every reset
    _rtc = retained["rtc"] + true_ms() - now()


def rtc_ms():
    return _rtc + now()


def rtc_set(unix_ms):
    global _rtc
    _rtc = unix_ms - now()
    retain("rtc", unix_ms - true_ms())


# ---- the link ----------------------------------------------------------------------------------------------------

DOWN = const(0)
ZOMBIE = const(1)  # looks fine, passes nothing
UP = const(2)
link = UP  # a program that never imports `network` has a link; `network` takes it down until it has joined
slow_path = False  # polls must ask each socket what the link did to it
sockets = []  # open ones, of the fake `socket`
ghosts = []  # host sockets of closed ones whose peer was never told
hosts = {}  # names that resolve, beside the host's own
radio = None  # network's
ap_address = uos.getenv("OUTPOST_AP") or "192.168.4.1"  # the node's, on its own access point
radio_fault = None  # "memory" (ESP32), "dead" (a reset helps), "wedged" (Pico: deinit() helps)
connect_clash = "state"  # ESP32, told while it connects: "state", "internal" or "silent"
first_join_fails = not ESP32
dhcp_on = True
ip_ms = (600, 1800)  # from joined to an address
dns_mode = "ok"
tls_fault = None  # "memory": no room for the record buffers
flash = None  # `norflash`'s chip, where the flash is an image
idf = None  # `_idf`, of an ESP32 whose RAM is modelled
flash_full = False
internet_on = True
router_has_time = False  # as most have not
time_server = None
name_server = None


def set_link(state):
    global link, slow_path
    link = state
    if state == DOWN and ESP32:
        for s in sockets:  # it does nothing to those of the node's own access point
            s.abort()
    slow_path = slow_path or state != UP


_air = None
access_points = None  # stand.py, when it is imported, says here what there is


def air():
    """The access points in reach: what config.json names first, until a scenario or a test says otherwise."""
    global _air
    if _air is None:
        _air = access_points() if access_points else []
    return _air


_serial = bytes.fromhex(uos.getenv("OUTPOST_SERIAL") or "a1b2c3")


def mac():
    """No other board has it: who starts a simulated board gives it (OUTPOST_SERIAL)."""
    return (b"\x24\x6f\x28" if ESP32 else b"\x28\xcd\xc1") + _serial


# ---- chance: seeded, so that a fault can be had again ------------------------------------------------------------

_seed = int(uos.getenv("OUTPOST_SEED") or 1)


def seed(n):
    global _seed
    _seed = n


def random(low, high):
    """An int from low to high."""
    global _seed
    _seed = (_seed * 1_103_515 + 12_345) & 0x7FFFFF
    return low + (_seed >> 4) % (high - low + 1)


# ---- the stand: pins and buses ----------------------------------------------------------------------------------

i2c_devices = []  # (sda, scl, address, chip, name)
onewire_devices = []  # (pin, chip, name)
dht_devices = []
adc_devices = []
uart_devices = []
echo_devices = []
unplugged = set()
stuck = set()  # pins whose line something holds low
wires = {}  # pin number -> Wire
attach_all = (
    None  # stand.py, when it is imported, says here how the configured chips come to their pins
)
_stand = False
world = None


class Wire:
    """One pin's outside: what drives it, and who listens."""

    def __init__(self, n):
        self.n = n
        self.level = None  # driven from outside: 0, 1, or None
        self.resistor = None  # outside, of a bus: 1, or None
        self.pull = None  # the board's own: 0, 1, or None
        self.out = None  # what the board drives
        self.duty = 0  # of 65535, where it does so by PWM
        self.irq = None  # machine.Pin's: called with the level before and after

    def value(self):
        if self.n in stuck:
            return 0
        for level in (self.out, self.level, self.resistor, self.pull):
            if level is not None:
                return level
        return 0

    def drive(self, level):
        before = self.value()
        self.level = level if level is None else int(level)
        self.moved(before)

    def moved(self, before):
        after = self.value()
        if after != before and self.irq:
            self.irq(before, after)


def pin(n):
    """The wire at pin n of the board."""
    wire = wires.get(n)
    if wire is None:
        wire = wires[n] = Wire(n)
    return wire


def i2c_attach(sda, scl, address, chip, name):
    i2c_devices.append((sda, scl, address, chip, name))
    pin(sda).resistor = pin(scl).resistor = 1


def onewire_attach(n, chip, name):
    onewire_devices.append((n, chip, name))
    pin(n).resistor = 1


def dht_attach(pin, chip, name):
    dht_devices.append((pin, chip, name))


def adc_attach(pin, microvolts, name):
    adc_devices.append((pin, microvolts, name))


def uart_attach(tx, rx, chip, name):
    uart_devices.append((tx, rx, chip, name))


def echo_attach(trigger, echo, chip, name):
    echo_devices.append((trigger, echo, chip, name))
    pin(trigger).irq = lambda before, after: name in unplugged or chip.trigger(after)


def on_pin(devices, n):
    """The chip on pin n that is plugged in, or None."""
    use_stand()
    for device in devices:
        if device[0] == n and device[-1] not in unplugged:
            return device[-2]


def use_stand():
    """The first use of a bus: each configured sensor gets its chip."""
    global _stand
    if attach_all and not _stand:
        _stand = True
        attach_all()


def no_stand():
    """For tests that attach their own chips: nothing comes from config.json."""
    global _stand
    _stand = True


# ---- what goes wrong --------------------------------------------------------------------------------------------

control = None  # reads what a supervisor says
