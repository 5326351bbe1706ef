"""`network` of the boards: `_network_common`, and the radio (`_wlan`) when it is first named.

Source: ports/esp32/network_wlan.c, network_common.c; extmod/network_cyw43.c, cyw43-driver.
"""

from _network_common import *  # noqa: F403

import sim

sim.set_link(sim.DOWN)


def __getattr__(name):
    if name != "WLAN":
        raise AttributeError(name)
    import _wlan

    global WLAN
    WLAN = _wlan.WLAN
    return WLAN
