"""What stands around the board: access points, the configured sensors' chips, and what goes wrong.

A program that wants any of it imports this module; without it a board has no access point and no chips but those the
program attaches. `sim` describes the calls.
"""

import json
import sys

import micropython
import servers
import uos
import uselect

import sim

_HERE = __file__.rpartition("/")[0] + "/"  # where the board's own modules are


class AccessPoint:
    def __init__(self, ssid, key="", rssi=-58, channel=6, on=True, raw=None):
        self.ssid = ssid
        self.raw = raw or ssid.encode()  # what is in the air, which need not be text
        self.key = key
        self.rssi = rssi
        self.channel = channel
        self.bssid = b"\x02\0\0\0\0" + bytes((len(ssid),))
        self.on = on
        self.zombie = False


def _config():
    """The node's settings, or the last good ones, or nothing. It is not for the stand to complain."""
    for path in ("config.json", "state/config.json"):
        try:
            with open(path) as f:
                config = json.load(f)
            if isinstance(config, dict):
                return config
        except (OSError, ValueError):
            pass
    return {}


def _networks(tree):
    if isinstance(tree, dict):
        if isinstance(tree.get("ssid"), str):
            key = tree.get("password") or tree.get("key") or ""
            yield tree["ssid"], key if isinstance(key, str) else ""
        else:
            for name in tree:
                yield from _networks(tree[name])
    elif isinstance(tree, list):
        for item in tree:
            yield from _networks(item)


def access_points():
    for ssid, key in _networks(_config().get("wifi")):
        return [AccessPoint(ssid, key)]
    return [AccessPoint("home", "secret")]


def the_world():
    if sim.world is None:
        import world

        sim.world = world.World()
    return sim.world


_PARTS = "_dns _machine_adc _machine_clock _machine_i2c _machine_more _machine_pin _network_common _network_config _socket _tls _wlan dht errno esp32 house onewire rp2 servers"


def load():
    """Load what would come while the node runs, and count as its own: on a board it is silicon, or in MicroPython."""
    for name in _PARTS.split():
        try:
            __import__(name)
        except ImportError:
            pass  # another board's
    import chips

    sensors = _config().get("sensors")
    for setting in sensors if isinstance(sensors, list) else ():
        try:
            chips.load(setting["type"])
        except (ImportError, KeyError, TypeError):
            pass  # attach_all() says so


_wired = []  # places at which wire() has put a chip


def attach_all():
    sensors = _config().get("sensors")
    if not isinstance(sensors, list):
        return
    import chips

    the_world().altitude_m = _altitude_m(sensors)
    for setting in sensors:
        try:
            if _place(setting) in _wired:
                continue
            chips.attach(setting, the_world(), sim)
        except Exception as e:  # a setting that no chip fits has no chip
            print("stand: no chip for", setting, repr(e))


def _altitude_m(sensors):
    """Where the house stands, as far as a sensor's settings say it."""
    heights = [0]
    for setting in sensors:
        for key in ("altitude_m", "height_m"):
            height = setting.get(key) if isinstance(setting, dict) else None
            if isinstance(height, (int, float)):
                heights.append(height)
    return max(heights)


def _load():
    """Bring in now what the node will name: to compile it later takes room among its own objects."""
    import gc
    import select
    import socket

    import _vfs
    import dht
    import machine
    import network
    import onewire

    for module, names in (
        (socket, ("socket", "getaddrinfo")),
        (machine, ("Pin", "ADC", "I2C", "RTC", "WDT", "UART")),
        (network, ("WLAN",)),
    ):
        for name in names:
            getattr(module, name)
    sys.modules["vfs"] = _vfs  # a built-in one, which no file of its name hides
    sim.use_stand()
    gc.collect()


def power_on():
    """What boardrun does first: the world lives, the scenario and the supervisor are heard."""
    image = uos.getenv("OUTPOST_FLASH")
    if image:
        import norflash

        norflash.mount(image)
    else:
        import flash

        flash.install()
    _load()
    path = uos.getenv("OUTPOST_SCENARIO")
    if path:
        with open(path) as f:
            scenario(json.load(f))
    if uos.getenv("OUTPOST_CONTROL"):
        sim.control = Control()
    the_world().start()


# ---- the calls --------------------------------------------------------------------------------------------------


def _aps(ssid):
    return [ap for ap in sim.air() if ssid is None or ap.ssid == ssid]


def _air_changed(silent=False):
    if sim.radio:
        sim.radio.air_changed(silent)


def wifi_off(ssid=None, silent=False):
    """silent: no beacon is missed (Pico: isconnected() stays true for ever)."""
    for ap in _aps(ssid):
        ap.on = False
    _air_changed(silent)


def wifi_on(ssid=None):
    for ap in _aps(ssid):
        ap.on = True
    _air_changed()


def zombie(on=True, ssid=None):
    for ap in _aps(ssid):
        ap.zombie = bool(on)
    _air_changed()


def kick():
    if sim.radio and sim.radio.ap:
        sim.radio.lost(4)


def access_point(ssid="", key="", rssi=-58, channel=6, on=True, hex=""):
    """hex: a name that is not UTF-8, as hexadecimal digits."""
    ssid = ssid or "hex " + hex
    ap = AccessPoint(ssid, key, rssi, channel, on, bytes.fromhex(hex))
    sim.air()[:] = [other for other in sim.air() if other.ssid != ssid] + [ap]
    return ap


def soft_boot(keep=()):
    """Forget the program's modules, as a soft reset does; the board's own stay."""
    for name in list(sys.modules):
        module = sys.modules[name]
        path = getattr(module, "__file__", None)
        if path and not path.startswith(_HERE) and name != "__main__" and name not in keep:
            del sys.modules[name]


def internet(on=True):
    sim.internet_on = bool(on)


def dns(how="ok"):
    sim.dns_mode = how


def ntp(how="ok"):
    servers.TimeServer.mode = how


def wire(**setting):
    """The chip of an entry of `sensors` is on its pins, whether config.json has one there or not."""
    import chips

    _wired.append(_place(setting))
    chips.attach(setting, the_world(), sim)


def _place(setting):
    return [setting.get(key) for key in ("sda", "scl", "pin", "address")]


def unplug(name):
    sim.unplugged.add(name)


def replug(name):
    sim.unplugged.discard(name)


def bus_stuck(pin, on=True):
    if on:
        sim.stuck.add(pin)
    else:
        sim.stuck.discard(pin)


def sda_held(sda, scl, pulses=5):
    sim.stuck.add(sda)
    left = [pulses]

    def clocked(before, after):
        left[0] -= after
        if left[0] <= 0:
            sim.stuck.discard(sda)

    sim.pin(scl).irq = clocked


def flash_fills(on=True):
    if sim.flash:
        import norflash

        norflash.fill(on)
    else:
        sim.flash_full = bool(on)


def power_fails(writes=1, how="lost"):
    import norflash

    if how not in norflash.HOW or not sim.flash:
        raise ValueError("how: one of %s, on a board with an image" % (norflash.HOW,))
    sim.flash.fail(writes, how)


def flash_counts():
    print("flash:", sim.flash.counts())


def press(pin, level=0):
    sim.pin(pin).drive(level)


def set(name, **values):
    the_world().set(name, values)


def door(name, opened=True):
    the_world().door(name, opened)


def tip(name, n=1):
    the_world().tip(name, n)


_SWITCHES = (
    "first_join_fails",
    "dhcp_on",
    "ip_ms",
    "connect_clash",
    "radio_fault",
    "tls_fault",
)


def switch(**values):
    for name, value in values.items():
        if name not in _SWITCHES:
            raise ValueError("no switch is called " + name)
        setattr(sim, name, value)


def hang(ms):
    end = sim.now() + ms
    while sim.now() < end:
        sim.advance(min(end - sim.now(), 50)) if sim.is_virtual else sim.utime.sleep_ms(20)


_storm = None


def _blow(_):
    if _storm:
        _storm()
        micropython.schedule(_blow, None)


def storm(function=None):
    global _storm
    quiet, _storm = _storm is None, function
    if quiet and function:
        micropython.schedule(_blow, None)


def scenario(events):
    for event in events:
        if event.get("do") != "reset" and event.get("do") not in CALLS:
            raise ValueError("scenario: nothing is called " + str(event.get("do")))
        if event.get("at_s"):
            sim.after(int(event["at_s"] * 1000), lambda event=event: do(event))
        else:
            do(event)


sim.access_points = access_points
sim.attach_all = attach_all

CALLS = {
    f.__name__: f
    for f in (
        wifi_off,
        wifi_on,
        zombie,
        kick,
        access_point,
        soft_boot,
        internet,
        dns,
        ntp,
        wire,
        unplug,
        replug,
        bus_stuck,
        sda_held,
        flash_fills,
        power_fails,
        flash_counts,
        press,
        set,
        door,
        tip,
        hang,
        storm,
        switch,
        the_world,
        scenario,
    )
}


def do(event):
    """One event of a scenario, now."""
    arguments = {k: event[k] for k in event if k not in ("at_s", "do")}
    name = event["do"]
    # No console shows a password, not even this one.
    shown = ["%s=%s" % (k, "***" if k == "key" else arguments[k]) for k in arguments]
    print("stand:", name, " ".join(shown))
    try:
        (sim.reset if name == "reset" else CALLS[name])(**arguments)
    except (KeyError, TypeError, ValueError) as e:
        print("stand: not understood:", name, repr(e))  # the device program is not to blame


class Control:
    """Scenario events that come one a line on standard input."""

    def __init__(self):
        self._poll = uselect.poll()
        self._poll.register(sys.stdin, uselect.POLLIN)

    def __call__(self):
        if not self._poll.poll(0):
            return
        line = sys.stdin.readline()
        if not line:
            sim.control = None
            return
        try:
            event = json.loads(line)
        except ValueError:
            print("stand: not understood:", line.strip())
        else:
            do(event)
