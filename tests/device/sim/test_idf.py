"""The RAM of an ESP32 without PSRAM, as the simulated one has it: who takes it, and what is said when it is short."""

import socket

import _idf
import esp32
import network
import tls
from raising import raises

import sim

HEAP = "1m"
_ENOBUFS = 105
_ENOMEM = 12
FIRST = 56 * 1024

sim.idf = _idf


def free():
    return sum([region[1] for region in esp32.idf_heap_info(esp32.HEAP_DATA)])


def test_a_region_is_in_one_piece_and_what_is_not_there_is_not_taken():
    before = _idf.info()
    assert _idf.take(_idf.largest() + 1, _idf.largest() + 1) is None
    assert _idf.take(free() + 1) is None
    assert [region[:3] for region in _idf.info()] == [region[:3] for region in before]
    taken = _idf.take(100_000)
    assert free() == 51_000 and max(_idf.free) - min(_idf.free) <= 1600
    assert _idf.take(30_000, 30_000) is None, "half of it is in each region"
    _idf.give(taken)
    _idf.give(taken)  # only once
    assert free() == 151_000 and sum([region[3] for region in _idf.info()]) == 51_000


def test_pythons_heap_doubles_once_then_takes_the_largest_piece_whole():
    """So it is after Wi-Fi has come; without it, it would double twice."""
    network.WLAN(0)
    network.WLAN(0)  # the driver comes once
    assert free() == 151_000 - _idf.WIFI
    assert _idf.grow() and _idf.areas == [FIRST, FIRST]
    assert _idf.free[0] == _idf.largest() == 41_000
    assert _idf.grow() and _idf.areas[2:] == [41_000] and _idf.free[0] == 0
    assert 7_000 < free() < 8_000


def test_each_socket_takes_its_share_until_it_is_closed():
    before = free()
    a, b = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    assert before - free() == _idf.TCP + _idf.UDP
    a.close()
    b.close()
    a.close()
    assert free() == before
    taken = _idf.take(before - _idf.TCP + 1)
    assert raises(OSError, socket.socket).errno == _ENOBUFS
    assert len(sim.sockets) == 0
    _idf.give(taken)
    socket.socket().close()


def test_no_room_for_the_radio():
    _idf.take(free() - 40_000)
    assert "Out of Memory" in str(raises(OSError, network.WLAN, 0))


def test_tls_wants_a_piece_for_its_buffers_and_more_for_the_handshake():
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE

    def wrap():
        return context.wrap_socket(socket.socket(), do_handshake_on_connect=False)

    before = free()
    wrapped = wrap()
    kept = before - free() - _idf.TCP
    assert kept == 16_717 + 4_429
    assert sum([region[3] for region in _idf.info()]) <= free() - 14_000, "for a moment"
    wrapped.close()
    assert free() == before
    # Enough of it, but in no piece that is large enough; and the other way round.
    for left in (2 * 16_000, _idf.TCP + kept + 14_000):
        others = [_idf.take(_idf.free[i] - left // 2, _idf.free[i] - left // 2) for i in (1, 0)]
        with_socket = left - _idf.TCP
        assert free() == left
        assert raises(OSError, wrap).errno == _ENOMEM
        assert free() == with_socket, "nothing but the socket that nobody closed"
        sim.sockets[0].close()
        for taken in others:
            _idf.give(taken)
    wrap()


def test_what_a_program_keeps_lets_its_heap_grow_and_its_garbage_does_not():
    ended = []
    _idf.watch(lambda: ended.append(1))
    import gc

    def used(kilobytes):
        return [bytearray(1024) for _ in range(kilobytes)]

    for _ in range(20):
        used(20)
    look()
    assert len(_idf.areas) == 1
    kept = used(60)
    look()
    assert _idf.areas == [FIRST, FIRST]
    assert 60_000 < gc.mem_alloc() < 120_000
    assert gc.mem_free() <= _idf.room() - 60_000 + _idf.largest()
    kept += used(120)
    look()
    assert len(_idf.areas) == 4 and not ended, _idf.areas
    kept += used(80)
    look()
    assert ended == [1]


def look():
    """Until it was looked: every so many jumps."""
    for _ in range(2000):
        pass


def test_without_the_model_it_is_as_on_any_board_that_has_joined():
    sim.idf = None
    assert len(esp32.idf_heap_info(esp32.HEAP_DATA)) == 4
    socket.socket().close()
