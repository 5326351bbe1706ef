"""The simulated board: what runs in place of its hardware, and what stands around it.

`board/` and `dst/` are run by MicroPython, which finds their modules by their own names; the modules beside this file are the
host's, run by CPython: the board as a process, its broker, the network between them, its time.
"""
