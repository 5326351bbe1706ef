"""What the simulated board itself takes of the heap, in a program that needs nothing of what stands around it."""

import gc
import sys

BOARDS = ("esp32", "pico_w")


def test_importing_the_board_costs_little():
    import select
    import socket

    import machine
    import network

    gc.collect()
    if sys.maxsize < 1 << 32:
        mounted = 500 if "/app" in sys.path else 0
        assert gc.mem_alloc() < 19_500 + mounted, gc.mem_alloc()
