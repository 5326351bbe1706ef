"""The emulated Raspberry Pi Pico: MicroPython's own firmware on an emulated RP2040, and how both are built.

The chip is rp2040js; what a board has around it are the `.mjs` files. `manifest.py`, `modules/` and `cxx/` go into the firmware.
"""
