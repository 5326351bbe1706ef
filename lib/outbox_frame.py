"""A record on flash: one frame of a segment, or of the state. Format: docs/outbox.md."""

from binascii import crc32
from struct import pack_into, unpack_from

from micropython import const

MARK = const(0xB5)  # a frame's first byte
HEAD = const(12)  # bytes of a frame before its body
LONGEST = const(1024)  # bytes of a frame


def write_frame(file, head, offset, number, flags, body):
    """Write one frame, which is sound at this offset of its file only. head: a bytearray of HEAD bytes."""
    pack_into("<BBHI", head, 0, MARK, flags, len(body), number)
    pack_into("<I", head, 8, crc32(body, crc32(memoryview(head)[:8], offset)))
    file.write(head)
    file.write(body)


def check_frame(buf, at, end, offset):
    """Return the length of the sound frame that begins at buf[at], or 0. More bytes than end - at may be needed: -length."""
    if end - at < HEAD or buf[at] != MARK:
        return 0
    _, _, length, _, crc = unpack_from("<BBHII", buf, at)
    length += HEAD
    if not HEAD < length <= LONGEST:
        return 0
    if at + length > end:
        return -length
    whole = memoryview(buf)
    body = whole[at + HEAD : at + length]
    # A body begins with the length of its key: one that has no room for it was written by another program.
    sound = body[0] < len(body) and crc32(body, crc32(whole[at : at + 8], offset)) == crc
    return length if sound else 0
