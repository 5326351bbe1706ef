"""Lives stories, one after another: `micropython lives.py DEVICE SHOW WITHOUT SEED…`; a line with `@` says what came of each.

DEVICE: folder of the compiled firmware; SHOW: 1 prints the story; WITHOUT: faults left out, separated by commas, or `-`. The
personality is OUTPOST_BOARD. Everything is in this process, in virtual time; the files are tests/dst, then tests/fakes.
"""

import builtins
import json
import sys

DEVICE = sys.argv[1]
_HERE = __file__.rsplit("/", 1)[0]
sys.path[:] = [_HERE, _HERE + "/../fakes", DEVICE, DEVICE + "/lib", ".frozen"]

import sim  # noqa: E402
import stage  # noqa: E402


class _Gc:
    """The collector is this process's business, not the node's; what it says is the same in every run."""

    def threshold(self, n=-1):
        return -1

    def collect(self):
        return 0

    def mem_free(self):
        return 60000

    def mem_alloc(self):
        return 100000


import gc  # noqa: E402

sys.modules["gc"] = _Gc()
import os  # noqa: E402
import socket  # noqa: E402
import time  # noqa: E402

import bench  # noqa: E402
import chipset  # noqa: E402
from story import Story  # noqa: E402

_ALIVE_MS = 400_000  # after the faults' end a reading must have come
_SAFE_MS = 1_000_000  # besides, for a node in safe mode
_DONE_MS = 900_000  # after that, everything
_LOOK_MS = 5_000
_STATE_BYTES = 24_576  # of all files in state/ but the outbox's

_code = {}


def _load(name):
    if name not in _code:
        with _real_open(DEVICE + "/" + name) as f:
            _code[name] = compile(f.read(), name, "exec")
    return _code[name]


def _forget():
    """RAM loses everything."""
    for name in list(sys.modules):
        path = getattr(sys.modules[name], "__file__", None)
        # umqtt keeps nothing, and imports itself by a dot, which knows its way only without _import
        if path and path.startswith(DEVICE) and not name.startswith("umqtt"):
            del sys.modules[name]


def _reset_hardware(cause):
    import _machine_i2c
    import _machine_pin
    import _wlan
    import network

    sim.cause = "power" if cause == "power" else cause
    sim.retained.clear()
    sim.wdt_ms = 0
    for s in sim.sockets[:]:
        s.died()
    sim.sockets.clear()
    _wlan._nets.clear()
    if sim.radio.event:
        sim.cancel(sim.radio.event)
    sim.radio.__init__()
    sim.set_link(sim.DOWN)
    network._dns = None
    _machine_i2c._i2cs.clear()
    _machine_pin._pins.clear()
    sim.wires.clear()
    if cause == "power" or not sim.ESP32:
        sim._rtc = (946_684_800_000 if sim.ESP32 else 1_609_459_200_000) - sim.now()


def _run(path):
    try:
        exec(_load(path), {"__name__": "__main__", "__file__": path})
    except Exception as e:
        stage.tell("board", "%s raises %r" % (path, e))
        stage.traceback(e)
        return False
    return True


def _read(path):
    try:
        with _real_open(path) as f:
            return f.read()
    except OSError:
        return None


def live(story, cause):
    """One life of the board. Return how it ended."""
    stage.power_on(story.first_tick)
    _reset_hardware(cause)
    story.flash.mount()
    os.chdir("/flash")
    story.flash.put("config.json", json.dumps(story.config))
    chipset.attach(story.config["sensors"], story.world, story.truth.taken)
    ended = "prompt"
    try:
        if _run("boot.py"):
            _run("main.py")
        stage.found("the node is dead at the prompt")
        stage.end("prompt")
    except sim.Reset as e:
        ended = e.args[0]
        stage.end(ended)
    sim.wdt_ms = 0
    story.truth.ended(ended)
    if ended == "reset" and _read("state/reset") == "unforeseen error" and not stage.heap_failed:
        stage.found("the node crashed: %s" % _read("state/crash.txt"))
    story.power_off()
    os.chdir("/")
    story.flash.unmount()
    _forget()
    stage.power_off()
    return ended


class Judge:
    """Looks at a node that is left alone, until it owes nothing, or too much time has passed."""

    def __init__(self, story):
        self.story = story
        self.began = sim.now()
        self.alive_at = None

    def look(self):
        truth = self.story.truth
        ms = sim.now() - self.began
        if self.alive_at is None and truth.newest_came > self.began:
            self.alive_at = sim.now()
            stage.tell("judge", "alive after %d ms" % ms)
        if self.alive_at is None:
            if ms > _ALIVE_MS + _SAFE_MS:
                stage.found("no reading for %d ms, without any fault" % ms)
                stage.die("power")
        else:
            old = sim.now() - 15_000
            owed = [event for event in truth.missing() if event.at < old]
            if sim.now() - self.alive_at > 30_000 and (
                len(owed) <= truth.dropped or ms > _ALIVE_MS + _SAFE_MS + _DONE_MS
            ):
                self._verdict(owed)
                stage.die("power")
        self.story.timers.append(sim.after(_LOOK_MS, self.look))

    def _verdict(self, owed):
        truth = self.story.truth
        if len(owed) > truth.dropped:
            stage.found("%d lost, %d told: %s" % (len(owed), truth.dropped, owed[0]))
            for event in owed[1:]:
                stage.tell("judge", "lost: %s" % event)
        if self.story.exact:
            for what, event, first, second in truth.doubled:
                stage.found("%s: twice at QoS 2: %s; %r, %r" % (what, event, first, second))
        size = 0
        for entry in os.ilistdir("state"):
            size += entry[3] if entry[1] == 0x8000 else 0
        if size > _STATE_BYTES:
            stage.found("%d bytes in state/" % size)


def _urandom(random):
    def urandom(n):
        stage.allocate()
        return random.bytes(n)

    return urandom


def _import(name, *rest):
    if name not in sys.modules:
        stage.allocate()
    return _real_import(name, *rest)


def _open(*args, **options):
    stage.allocate()
    return _real_open(*args, **options)


_real_import, _real_open = __import__, open


def play(seed, show, without):
    stage.begin(show)
    chipset.nothing()
    sim.dns_mode = "ok"
    socket.dns_ms = 0
    story = Story(seed, without)
    sim.mac = lambda: b"\x24\x6f\x28" + story.mac
    os.urandom = _urandom(story.urandom)
    cause = "power"
    while not stage.faults and story.lives < story.planned:
        story.begin_life(False)
        cause = live(story, cause)
        if stage.faults:
            break
        if cause in ("power", "prompt"):
            sim.advance(story.between())
            cause = "power"
        else:
            sim.advance(300)
    if not stage.faults:
        judge = Judge(story)
        while not stage.faults:
            story.begin_life(True)
            judge.look()
            cause = live(story, cause)
            if cause in ("power", "prompt"):
                break
    return story


def main():
    sim.virtual()
    sim.catch_resets()
    sim.no_bench()
    import _wlan
    import network
    import umqtt.robust

    builtins.print, out = stage.console, print
    builtins.open, builtins.__import__ = _open, _import
    time.ticks_ms = stage.ticks
    time.sleep_ms = stage.sleep_ms
    time.sleep = stage.sleep
    show = sys.argv[2] == "1"
    without = sys.argv[3].split(",")
    for seed in sys.argv[4:]:
        story = play(int(seed), show, without)
        result = {
            "seed": int(seed),
            "lives": story.lives,
            "events": len(story.truth.events),
            "arrivals": story.truth.arrivals,
            "trace": "%08x" % (stage.trace & 0xFFFFFFFF),
            "faults": stage.faults,
        }
        out("@" + json.dumps(result))
        gc.collect()


main()
