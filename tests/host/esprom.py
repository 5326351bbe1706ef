"""The boot loader in an ESP32's ROM behind a pseudo-terminal, with a flash: what esptool needs of it, and of its own stub.

Requests and answers are SLIP packets: direction, command, length (2), checksum or value (4), data; an answer ends with its status.
Source: esptool's documentation, "Serial protocol".
"""

import hashlib
import os
import pty
import select
import struct
import threading
import tty
import zlib

FLASH = 4 * 1024 * 1024
MAGIC = {
    "ESP32": 0x00F01D83,
    "ESP32S2": 0x000007C6,
}  # at 0x40001000; later chips say their id instead
CHIP_ID = {"ESP32S3": 9, "ESP32C3": 5, "ESP32C6": 13, "ESP32C5": 23, "ESP32H2": 16}
MAGIC_REGISTER = 0x40001000

MEM_END, SYNC, READ_REG, SECURITY = 0x06, 0x08, 0x0A, 0x14
DEFL_BEGIN, DEFL_DATA, MD5, ERASE = 0x10, 0x11, 0x13, 0xD0
OK = b"\0\0\0\0"


class EspRom:
    """A context manager: a chip that waits in its boot loader on `port`. `flash` is what is on it."""

    def __init__(self, folder, chip):
        self.chip = chip
        self.port = str(folder / "tty-esp")
        self.flash = bytearray(b"\xff" * FLASH)
        self.commands = []
        self.stub = False

    def __enter__(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        os.symlink(os.ttyname(self.slave), self.port)
        self.running = True
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.running = False
        self.thread.join()
        os.unlink(self.port)
        os.close(self.slave)
        os.close(self.master)

    def _serve(self):
        received = b""
        while self.running:
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if not ready:
                continue
            received += os.read(self.master, 65536)
            *packets, received = received.split(b"\xc0")
            for packet in packets:
                packet = packet.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")  # noqa: PLW2901
                if len(packet) >= 8 and packet[0] == 0:
                    self._command(packet[1], packet[8:])

    def _send(self, data):
        data = data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        os.write(self.master, b"\xc0" + data + b"\xc0")

    def _answer(self, command, data=b"", value=0, status=OK):
        self._send(struct.pack("<BBHI", 1, command, len(data + status), value) + data + status)

    def _command(self, command, data):
        self.commands.append(command)
        if command == SYNC:
            for _ in range(8):
                self._answer(SYNC, value=0x20120707)
        elif command == READ_REG:
            register = struct.unpack("<I", data)[0]
            value = MAGIC.get(self.chip, 0) if register == MAGIC_REGISTER else 0
            self._answer(READ_REG, value=value)
        elif command == SECURITY and self.chip == "ESP32":
            self._answer(0xFF, status=b"\1\5\0\0")
        elif command == SECURITY:
            known = struct.pack("<I8B", 0, *bytes(8))
            if self.chip in CHIP_ID:
                known += struct.pack("<II", CHIP_ID[self.chip], 0)
            self._answer(SECURITY, known)
        elif command == MEM_END:
            self._answer(MEM_END)
            self.stub = True
            self._send(b"OHAI")
        elif command == MD5:
            at, size, _, _ = struct.unpack("<4I", data)
            self._answer(MD5, hashlib.md5(self.flash[at : at + size]).digest(), status=b"\0\0")
        else:
            self._write(command, data)
            self._answer(command)

    def _write(self, command, data):
        if command == ERASE:
            self.flash[:] = b"\xff" * FLASH
        elif command == DEFL_BEGIN:
            self.at = struct.unpack_from("<4I", data)[3]
            self.inflate = zlib.decompressobj()
        elif command == DEFL_DATA:
            plain = self.inflate.decompress(data[16:])
            self.flash[self.at : self.at + len(plain)] = plain
            self.at += len(plain)
