"""The device's modules under CPython, with the little of MicroPython that they name: for tests that try thousands of inputs."""

import gc
import importlib
import os
import sys
import time
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

from tools.settings import judge

_TICKS = 1 << 30


@contextmanager
def micropython():
    """Yield import_module for the device's modules. They work within it: some load others when they need them."""
    judge.node()  # finds firmware and lib
    sys.modules["micropython"] = SimpleNamespace(const=lambda value: value)
    time.ticks_add = lambda ticks, ms: (ticks + ms) % _TICKS
    time.ticks_diff = lambda end, begin: (end - begin + _TICKS // 2) % _TICKS - _TICKS // 2
    os.ilistdir = _ilistdir
    collect, gc.collect = gc.collect, lambda: 0  # a board's takes 2 ms, CPython's 20
    # a module, which is no context manager here
    importlib.import_module("flashfile").uninterrupted = nullcontext()
    try:
        yield importlib.import_module
    finally:
        gc.collect = collect
        del time.ticks_add, time.ticks_diff, os.ilistdir
        del sys.modules["micropython"]


def _ilistdir(path):
    with os.scandir(path) as entries:
        return iter(
            [(e.name, 0x4000 if e.is_dir() else 0x8000, 0, e.stat().st_size) for e in entries]
        )
