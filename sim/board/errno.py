"""`errno` of the boards: the same names, other numbers.

ESP32 has newlib's numbers, the Pico those of py/mperrno.h (Linux's). Both have only these names.

MicroPython folds `errno.NAME` into a number when it compiles: into the host's in a `.py` that runs here, whatever this
module says. `from errno import NAME`, getattr() and modules compiled by mpy-cross get the board's.
"""

import sim

EPERM = 1
ENOENT = 2
EIO = 5
EBADF = 9
EAGAIN = 11
ENOMEM = 12
EACCES = 13
EEXIST = 17
ENODEV = 19
EISDIR = 21
EINVAL = 22
EOPNOTSUPP = 95
ECONNRESET = 104
ENOBUFS = 105
ECONNREFUSED = 111
if sim.ESP32:
    EADDRINUSE = 112
    ECONNABORTED = 113
    ETIMEDOUT = 116
    EHOSTUNREACH = 118
    EINPROGRESS = 119
    EALREADY = 120
    ENOTCONN = 128
else:
    EADDRINUSE = 98
    ECONNABORTED = 103
    ENOTCONN = 107
    ETIMEDOUT = 110
    EHOSTUNREACH = 113
    EALREADY = 114
    EINPROGRESS = 115

errorcode = {v: k for k, v in globals().items() if k[0] == "E"}
del sim
