"""The board's own Wi-Fi network, as both families want it told, and what it hears."""

import network
import stand

import sim
from firmware.hardware.board import Board
from firmware.link.joining import begin

BOARDS = ("esp32", "pico_w")
PASSWORD = "abcde-fghij"


def make(*air):
    sim.virtual()
    sim.air()[:] = [stand.AccessPoint(*each) for each in air]
    board = Board()
    return board, board.access_point()


def test_is_protected_from_the_start():
    _, ap = make()
    assert not ap.is_open() and ap.exists()
    ap.open("outpost-a1b2c3", PASSWORD)
    assert ap.is_open() and ap.address == "192.168.4.1"
    assert sim.radio.beacon["ssid"] == "outpost-a1b2c3"
    assert sim.radio.beacon["key"] == PASSWORD
    # WPA2: IDF's wifi_auth_mode_t, cyw43-driver's CYW43_AUTH_WPA2_AES_PSK
    assert sim.radio.beacon["security"] == (3 if sim.ESP32 else 0x400004)
    ap.close()
    assert sim.radio.beacon is None


def test_one_of_before_a_soft_reset_is_made_anew():
    _, ap = make()
    ap.open("outpost-a1b2c3", "an-older-one")
    _, again = make()
    again.open("outpost-a1b2c3", PASSWORD)
    assert sim.radio.beacon["key"] == PASSWORD


def test_a_password_that_is_too_short_is_an_oserror():
    if not sim.ESP32:
        return  # the Pico's driver says nothing
    _, ap = make()
    try:
        ap.open("x", "short")
    except OSError:
        return
    raise AssertionError("no OSError")


def test_what_it_hears_strongest_first_each_once():
    _, ap = make(
        ("far", "k" * 8, -80), ("near", "k" * 8, -40), ("free", "", -60), ("", "k" * 8, -30)
    )
    sim.air().append(stand.AccessPoint("near", "k" * 8, -55))
    sim.air().append(stand.AccessPoint("odd", "k" * 8, -90, raw=b"\xff\0"))
    found = [(b"near", -40, False), (b"free", -60, True), (b"far", -80, False)]
    assert ap.heard() == found + [(b"\xff\0", -90, False)]


def test_it_hears_though_boot_py_had_begun_to_join():
    board, ap = make(("home", "secret-home", -50))
    begin(board.radio, {"networks": [{"ssid": "elsewhere", "password": "k" * 8}]}, "n1")
    assert ap.heard() == [(b"home", -50, False)]


def test_a_board_without_one():
    _, ap = make()
    kept = network.AP_IF
    del network.AP_IF
    try:
        assert not ap.exists()
    finally:
        network.AP_IF = kept
