"""Runs the node. Whatever was not foreseen is recorded and ends in a reset: a dead node helps nobody.

Only Ctrl-C ends at the prompt. Never updated over the air.
"""

import gc
import sys
import time

import micropython
from machine import WDT, reset

_START_S = 120  # a start takes ten; then the node has a watchdog
_PAUSE_S = 5  # so that a node in a crash loop can still be reached with Ctrl-C


def run(guard):
    from firmware.hardware.board import Board
    from firmware.start import run as run_node

    run_node(Board(guard))


def main():
    guard = None
    try:
        began = time.ticks_ms()
        record = None
        kept = False
        try:
            # First what the end needs: by then there may be no memory for it.
            if hasattr(micropython, "alloc_emergency_exception_buf"):
                micropython.alloc_emergency_exception_buf(100)
            from firmware.hardware.guard import Guard

            guard = Guard()
            guard.begin(_START_S)
            from firmware.upkeep.crash import record_crash as record

            run(guard)
        except Exception as e:
            # The application is over, and its modules are most of what is in memory.
            sys.modules.clear()
            gc.collect()
            try:
                sys.print_exception(e)
                uptime_s = guard.uptime_s
                if uptime_s is None:  # it came to an end before the node ran
                    uptime_s = time.ticks_diff(time.ticks_ms(), began) // 1000
                kept = record(e, uptime_s)
            except Exception:
                kept = False  # no memory even so, or `record` could not be loaded
        time.sleep(_PAUSE_S)
        if kept:
            reset()
        # What cannot be written the watchdog tells, without memory or flash: the next start counts its bite as a crash.
        WDT(timeout=1000)
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        if guard:
            guard.end()
        raise


main()
