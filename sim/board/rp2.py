"""`rp2`: only a Pico has it."""

import sim

if sim.ESP32:
    raise ImportError("no module named 'rp2'")

import network


def country(code=None):
    return network.country(code) if code else network.country()


def bootsel_button():
    return 0
