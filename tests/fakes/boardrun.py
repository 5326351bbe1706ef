"""The simulated board at power-on: `micropython boardrun.py`, current directory = its flash.

boot.py; main.py unless boot.py raised; then the prompt, where a board waits for its user and a node is dead: the
process ends with `sim.EXIT["repl"]`. SystemExit from either is a soft reset. Environment: see docs/architecture.md.
"""

import sys

_HERE = __file__[: __file__.rfind("/") + 1] or "./"
sys.path[:] = [_HERE[:-1], "", ".frozen", "lib"]

import socket  # noqa: E402  (umqtt's `usocket` is this one from here on)
import time  # noqa: E402

import sim  # noqa: E402

_SOFT_RESETS = 100  # in one life of a board; a loop of them is a bug that must end


def _run(path):
    """Execute a file of the flash in a fresh name space. True unless it raised."""
    try:
        with open(path) as f:
            source = f.read()
    except OSError:
        return True  # a board does not mind
    try:
        exec(compile(source, path, "exec"), {"__name__": "__main__", "__file__": path})
    except SystemExit:
        raise
    except sim.Reset:
        raise
    except BaseException as e:
        sys.print_exception(e)
        return False
    return True


def _life():
    for _ in range(_SOFT_RESETS):
        try:
            if _run("boot.py"):
                _run("main.py")
            print(
                "MicroPython v1.25.0;",
                "ESP32" if sim.ESP32 else "Raspberry Pi Pico W",
                "simulated; the prompt",
            )
            # The watchdog bites here too.
            if sim.wdt_ms:
                sim.sleep(sim.wdt_ms + 1000)
            return
        except SystemExit:
            print("MPY: soft reboot")
            sim.soft_boot()


sim.power_on()
_life()
sim.libc.func("v", "_exit", "i")(sim.EXIT["repl"])
