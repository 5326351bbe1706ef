"""`ntptime`, frozen on both boards: the name look-up blocks, the reply is believed whatever it says."""

import socket
import struct
from time import gmtime

import machine

import sim

host = "pool.ntp.org"
timeout = 1


def time():
    query = bytearray(48)
    query[0] = 0x1B
    address = socket.getaddrinfo(host, 123)[0][-1]
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.settimeout(timeout)
        s.sendto(query, address)
        reply = s.recv(48)
    finally:
        s.close()
    seconds = struct.unpack("!I", reply[40:44])[0]
    return seconds - (3_155_673_600 if sim.ESP32 else 2_208_988_800)


def settime():
    t = gmtime(time())
    machine.RTC().datetime((t[0], t[1], t[2], t[6] + 1, t[3], t[4], t[5], 0))
