"""firmware/reading.py: the beginning of a file, in one buffer."""

import flashfile

from firmware import reading
from firmware.reading import whole

PATH = "state/note"


def test_the_beginning_of_a_file():
    for size in (0, 1, 99, 100, 101, 5000):
        text = bytes([65 + i % 26 for i in range(size)])
        flashfile.write(PATH, text)
        assert whole(PATH, 100) == text[:100], size
    assert whole("state/nothing", 100) is None


def test_there_is_one_buffer():
    """A config.json may have 16 KB."""
    made = []

    def counting(size):
        made.append(size)
        return bytearray(size)

    flashfile.write(PATH, b"x" * 9000)
    reading.bytearray = counting
    assert len(whole(PATH, 16384)) == 9000 and made == [9000]


def test_a_file_that_ends_too_soon_is_not_taken_for_whole():
    class Short:
        def seek(self, *to):
            return 9

        def readinto(self, buf):
            return 4

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

    flashfile.open = lambda path, mode: Short()
    try:
        whole(PATH, 100)
    except OSError:
        return
    raise AssertionError("no error")
