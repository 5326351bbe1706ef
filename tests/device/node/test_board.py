"""The board and the Wi-Fi sequences against the behaviour of both families' drivers (sim/board), in virtual time."""

import time

import stand

import sim
from firmware.hardware.board import Board
from firmware.link.joining import begin
from firmware.link.wifi import Wifi
from firmware.upkeep.log import Log

BOARDS = ("esp32", "pico_w")
HOME = {"ssid": "home", "password": "secret-home", "static": None}
SHED = {"ssid": "shed", "password": "secret-shed", "static": None}


def make(*networks, air=(HOME,)):
    """A board in virtual time, and its Wi-Fi. air: the networks that are there, with their passwords."""
    sim.virtual()
    sim.air()[:] = [stand.AccessPoint(each["ssid"], each["password"]) for each in air]
    board = Board()
    settings = {"networks": networks, "hostname": "", "country": "DE", "power_save": False}
    return board, Wifi(board.radio, settings, board.name, Log("error"))


def run(wifi, seconds):
    """Run until that much time has passed; return the seconds it was up."""
    up = 0
    for _ in range(seconds * 10):
        wifi.step(sim.now())
        time.sleep_ms(100)
        up += wifi.up
    return up // 10


def test_joins_and_reports():
    board, wifi = make(HOME)
    assert run(wifi, 60) >= 30 and wifi.up
    assert board.radio.address().count(".") == 3
    assert -100 < board.radio.rssi() < 0
    assert board.radio.state() == "connected"


def test_comes_back_after_the_access_point_was_away():
    _, wifi = make(HOME)
    run(wifi, 60)
    stand.wifi_off()
    assert run(wifi, 600) < 30, "the loss is noticed"
    stand.wifi_on()
    assert run(wifi, 300) >= 60 and wifi.up and not wifi.dead


def test_thrown_out_by_the_access_point():
    board, wifi = make(HOME)
    run(wifi, 60)
    stand.kick()
    run(wifi, 120)
    wifi.cycle()  # what the node does when no broker answers: a Pico may not have noticed
    run(wifi, 60)
    assert wifi.up and board.radio.connected()


def test_zombie_link():
    _, wifi = make(HOME)
    run(wifi, 60)
    stand.zombie(True)
    assert run(wifi, 60) >= 55, "the driver says that all is well"
    stand.zombie(False)
    wifi.cycle()
    run(wifi, 90)
    assert wifi.up


def test_wrong_password_goes_on_to_the_next_network():
    wrong = {"ssid": "home", "password": "wrong-password", "static": None}
    _, wifi = make(wrong, SHED, air=(HOME, SHED))
    assert run(wifi, 240) >= 60 and wifi.ssid == "shed"


def test_wrong_password_alone_is_no_dead_radio():
    wrong = {"ssid": "home", "password": "wrong-password", "static": None}
    _, wifi = make(wrong)
    assert run(wifi, 1800) == 0 and not wifi.dead


def test_goes_on_from_boot_and_over_a_soft_reset():
    board, wifi = make(HOME)
    begin(board.radio, {"networks": [HOME]}, board.name)
    assert run(wifi, 60) >= 30 and wifi.joins == 1


def test_static_address():
    static = {
        "address": "192.168.7.9",
        "netmask": "255.255.255.0",
        "gateway": "192.168.7.1",
        "dns": "192.168.7.1",
    }
    board, wifi = make({"ssid": "home", "password": "secret-home", "static": static})
    run(wifi, 60)
    assert wifi.up and board.radio.address() == "192.168.7.9"


def test_power_save_off_after_every_start_of_the_radio():
    import network

    _, wifi = make(HOME)
    run(wifi, 30)
    wlan = network.WLAN(network.STA_IF)
    off = network.WLAN.PM_NONE if sim.ESP32 else 0xA11140
    assert wlan.config("pm") == off
    wifi.cycle()
    run(wifi, 60)
    assert wlan.config("pm") == off


def test_name_and_model():
    board, _ = make(HOME)
    assert board.model == sim.BOARD
    assert (
        board.name.startswith("esp32-" if sim.ESP32 else "picow-")
        and len(board.name.split("-")[1]) == 6
    )


def test_clock_is_set_in_either_epoch():
    board, _ = make(HOME)
    board.set_time(1795219200)
    assert time.gmtime()[:6] == (2026, 11, 21, 0, 0, 0), time.gmtime()


def test_adc_gives_microvolts_on_both():
    board, _ = make(HOME)
    pin = 34 if sim.ESP32 else 26
    sim.adc_attach(pin, lambda: 1650000, "x")
    assert abs(board.adc(pin).read_uv() - 1650000) < 60000


def test_i2c_buses_are_shared_and_found_by_pin():
    board, _ = make(HOME)
    first, second = ((21, 22), (18, 19)) if sim.ESP32 else ((4, 5), (6, 7))
    assert board.i2c(*first) is board.i2c(*first)
    assert board.i2c(*second) is not board.i2c(*first)
    try:
        board.i2c(*first).readfrom(0x76, 1)
    except OSError as e:
        assert e.errno == (19 if sim.ESP32 else 5)
    else:
        raise AssertionError("nobody is there")


def test_watchdog_takes_what_the_hardware_can_count():
    board, _ = make(HOME)
    board.arm_watchdog()
    sim.catch_resets()
    board.feed()
    try:
        sim.advance(9000 if not sim.ESP32 else 31000)
    except sim.Reset:
        return
    raise AssertionError("it did not bite")


def test_an_esp32_has_a_heap_beside_pythons():
    board, _ = make(HOME)
    regions = board.idf_heap()
    if not sim.ESP32:
        assert regions == ()
        return
    assert regions
    for total, free, largest, least in regions:
        assert 0 <= least <= free <= total and largest <= free


def test_reset_cause_in_words():
    board, _ = make(HOME)
    assert board.reset_cause() == "power on"
    for how, words in (("wdt", "watchdog"), ("reset", "reset")):
        sim.cause = how
        assert board.reset_cause() == words


# who set the clock


def restarted(how):
    """A Board after a reset of that kind."""
    sim.retained["cause"] = how
    if how == "power" or not sim.ESP32:
        sim.rtc_set(946_684_800_000 if sim.ESP32 else 1_609_459_200_000)
    if how == "power":
        sim.retained.pop("memory", None)
    return Board()


def test_a_clock_this_program_set_is_kept_over_a_reset_where_the_board_keeps_it():
    sim.virtual()
    board = Board()
    assert board.kept_time() is None
    board.set_time(1795219200)
    assert board.kept_time() == (1795219200 if sim.ESP32 else None)
    for _ in range(100):  # an hour and a half
        sim.advance(60000)
        board.mark_time()
    sim.advance(20000)
    kept = restarted("wdt").kept_time()
    assert kept == (1795219200 + 6020 if sim.ESP32 else None), kept
    assert restarted("power").kept_time() is None


def test_a_clock_that_somebody_else_set_is_not_kept():
    sim.virtual()
    board = Board()
    sim.rtc_set(1795219200_000)  # `mpremote rtc --set`, before the first deployment
    assert board.kept_time() is None
    board.set_time(1795219200)
    for hours in (-5, -1, 1, 2):  # and after it: to local time
        sim.rtc_set((1795219200 + 3600 * hours) * 1000)
        assert restarted("wdt").kept_time() is None, hours


def test_a_mark_that_is_old_or_nonsense_is_none():
    import machine

    sim.virtual()
    board = Board()
    board.set_time(1795219200)
    sim.advance(200000)  # nobody knows who was at the board meanwhile
    assert board.kept_time() is None
    if sim.ESP32:
        for memory in (
            b"",
            b"time",
            b"time" + bytes(8),
            b"time" + b"\xff" * 8,
            bytes(12),
            b"x" * 2048,
        ):
            machine.RTC().memory(memory)
            assert board.kept_time() is None, memory
