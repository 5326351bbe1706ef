"""The boot loader in an ESP32's ROM behind a pseudo-terminal, with a flash: what esptool and esptool-js need of it, and of their stub.

Requests and answers are SLIP packets: direction, command, length (2), checksum or value (4), data; an answer ends with its status.
The two transistors of a development board are there, too: `signals` resets the chip, into its boot loader or into what is in the flash.
Source: esptool's documentation, "Serial protocol" and "Boot mode selection".
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

MEM_END, MEM_DATA, SYNC, WRITE_REG, READ_REG, SECURITY = 0x06, 0x07, 0x08, 0x09, 0x0A, 0x14
DEFL_BEGIN, DEFL_DATA, MD5, ERASE, ERASE_REGION = 0x10, 0x11, 0x13, 0xD0, 0xD1
FLASH_BEGIN, FLASH_DATA = 0x02, 0x03
WRITES = {FLASH_BEGIN, FLASH_DATA, DEFL_BEGIN, DEFL_DATA, ERASE, ERASE_REGION}
OK, BAD_CHECKSUM = b"\0\0\0\0", b"\1\7\0\0"

# The controller of the flash: where its registers are, and in them what reads the flash's id.
SPI = {
    "ESP32": 0x3FF42000,
    "ESP32S2": 0x3F402000,
    "ESP32S3": 0x60002000,
    "ESP32C3": 0x60002000,
    "ESP32C6": 0x60003000,
}
SPI_USER, READ_ID, WINBOND = 1 << 18, 0x9F, 0x40EF

DOWNLOAD = b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT)\r\nwaiting for download\r\n"


class EspRom:
    """A context manager: a chip that waits in its boot loader on `port`. `flash` is what is on it.

    says: what the program in its flash prints when it starts.
    transistors: the board has them; without, only a person's hand changes the mode (`start`).
    """

    def __init__(self, folder, chip, says=b"", *, transistors=True, size=FLASH):
        self.chip = chip
        self.port = str(folder / "tty-esp")
        self.flash = bytearray(b"\xff" * size)
        self.says = says
        self.transistors = transistors
        self.commands = []
        self.starts = []  # in its boot loader: "boot", or in its program: "run"
        self.stub = False
        self.listens = True
        self.in_reset = False
        self.registers = {}

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

    def signals(self, dtr, rts):
        """What the host asserts: RTS alone holds EN low, DTR alone IO0. When EN rises, IO0 says what starts."""
        was, self.in_reset = self.in_reset, self.transistors and rts and not dtr
        if was and not self.in_reset:
            self.start("boot" if dtr else "run")

    def start(self, how):
        self.starts.append(how)
        self.stub = False
        self.registers = {}
        self.listens = how == "boot"
        os.write(self.master, DOWNLOAD if self.listens else self.says)

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
                if len(packet) >= 8 and packet[0] == 0 and self.listens and not self.in_reset:
                    self._command(packet[1], packet[8:], packet[4])

    def _send(self, data):
        data = data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        os.write(self.master, b"\xc0" + data + b"\xc0")

    def _answer(self, command, data=b"", value=0, status=OK):
        self._send(struct.pack("<BBHI", 1, command, len(data + status), value) + data + status)

    def _command(self, command, data, checksum):
        self.commands.append(command)
        if command == SYNC:
            for _ in range(8):
                self._answer(SYNC, value=0 if self.stub else 0x20120707)
        elif command == READ_REG:
            register = struct.unpack("<I", data)[0]
            value = MAGIC.get(self.chip, 0) if register == MAGIC_REGISTER else 0
            self._answer(READ_REG, value=self.registers.get(register, value))
        elif command == WRITE_REG:
            for register, value, _, _ in struct.iter_unpack("<4I", data):
                self._write_register(register, value)
            self._answer(WRITE_REG)
        elif command in (MEM_DATA, FLASH_DATA, DEFL_DATA) and _checksum(data[16:]) != checksum:
            self._answer(command, status=BAD_CHECKSUM)
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

    def _write_register(self, register, value):
        self.registers[register] = value
        base = SPI.get(self.chip)
        if register == base and value & SPI_USER:  # a command for the flash; it is done at once
            old = self.chip == "ESP32"
            command, answer = base + (0x24 if old else 0x20), base + (0x80 if old else 0x58)
            if self.registers.get(command, 0) & 0xFF == READ_ID:
                size = len(self.flash).bit_length() - 1
                self.registers[answer] = size << 16 | WINBOND
            self.registers[register] = 0

    def _write(self, command, data):
        if command == ERASE:
            self.flash[:] = b"\xff" * len(self.flash)
        elif command == DEFL_BEGIN:
            self.at = struct.unpack_from("<4I", data)[3]
            self.inflate = zlib.decompressobj()
        elif command == DEFL_DATA:
            plain = self.inflate.decompress(data[16:])
            self.flash[self.at : self.at + len(plain)] = plain
            self.at += len(plain)


def _checksum(data):
    found = 0xEF
    for byte in data:
        found ^= byte
    return found
