"""`machine` of the boards. What a port lacks is absent here too; a class is loaded when it is first named.

Sources: ports/esp32/modmachine.c, ports/rp2/modmachine.c, docs/library/machine.rst.
"""

import sim

PWRON_RESET = 1
WDT_RESET = 3
if sim.ESP32:
    HARD_RESET = 2
    DEEPSLEEP_RESET = 4
    SOFT_RESET = 5
    _CAUSES = {"power": 1, "reset": 2, "wdt": 3, "deepsleep": 4, "soft": 5}
else:
    # Whatever restarts an RP2040, its watchdog does it.
    _CAUSES = {"power": 1, "reset": 3, "wdt": 3, "deepsleep": 3, "soft": 3}

    class _Registers:
        """WATCHDOG.REASON: bit 0 it ran out, bit 1 the program asked for it."""

        def __getitem__(self, address):
            if address != 0x40058008:
                raise ValueError("not simulated")
            return {"power": 0, "wdt": 1}.get(sim.cause, 2)

    mem32 = _Registers()

_CLASSES = {
    "Pin": "_machine_pin",
    "ADC": "_machine_adc",
    "I2C": "_machine_i2c",
    "SoftI2C": "_machine_i2c",
    "RTC": "_machine_clock",
    "WDT": "_machine_clock",
}
_MORE = ("PWM", "UART", "SPI", "SoftSPI", "Signal", "Timer", "bitstream", "time_pulse_us")
_MORE += ("bootloader", "lightsleep", "deepsleep")
_MORE += ("wake_reason",) if sim.ESP32 else ()


def __getattr__(name):
    # machine.mem_backup came with v1.29.
    more = name in _MORE or (name == "mem_backup" and sim.mem_backup)
    module = _CLASSES.get(name) or (more and "_machine_more")
    if not module:
        raise AttributeError(name)
    value = globals()[name] = getattr(__import__(module), name)
    return value


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
