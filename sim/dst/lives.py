"""Lives stories, one after another: `micropython lives.py DEVICE SHOW WITHOUT SEED…`; a line with `@` says what came of each.

DEVICE: folder of the compiled firmware; SHOW: 1 prints the story; WITHOUT: faults left out, separated by commas, or `-`. The
personality is OUTPOST_BOARD. Everything is in this process, in virtual time; the files are sim/dst, then sim/board.
"""

import builtins
import io
import json
import sys

_HERE = __file__.rsplit("/", 1)[0]
_DEVICE = "/device"
sys.path[:] = [_HERE, _HERE + "/../board", _DEVICE, _DEVICE + "/lib", ".frozen"]

import stage  # noqa: E402

import sim  # noqa: E402


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

import _machine_more  # noqa: E402
import agenda  # noqa: E402
import chipset  # noqa: E402
import stand  # noqa: E402
from devicefiles import DeviceFiles  # noqa: E402
from judge import Judge  # noqa: E402
from story import Story  # noqa: E402

_code = {}  # of the two files that a board starts by name
_timers = []


class _Modules:
    """What the node knows as sys.modules: clear() lets go of its own."""

    def clear(self):
        for name in list(sys.modules):
            path = getattr(sys.modules[name], "__file__", None)
            if path and path.startswith(_DEVICE):
                del sys.modules[name]

    def __getattr__(self, name):
        return getattr(sys.modules, name)

    def __getitem__(self, name):
        return sys.modules[name]

    def __delitem__(self, name):
        del sys.modules[name]

    def __contains__(self, name):
        return name in sys.modules

    def __iter__(self):
        return iter(sys.modules)


class _Sys:
    """The node's `sys`. An exception that is printed is one that nobody foresaw."""

    modules = _Modules()

    def __getattr__(self, name):
        return getattr(sys, name)

    def print_exception(self, error, file=None):
        if file:
            sys.print_exception(error, file)
            return
        text = io.StringIO()
        sys.print_exception(error, text)
        stage.crashed(error, text.getvalue())


class _Timer(_machine_more.Timer):
    """A reset stops it."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        _timers.append(self)


def _reset_hardware(cause):
    import _machine_i2c
    import _machine_pin
    import _network_common
    import _wlan
    import machine

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
    _network_common._dns = None
    _machine_i2c._i2cs.clear()
    _machine_pin._pins.clear()
    sim.wires.clear()
    if cause == "power" or not sim.ESP32:
        sim._rtc = (946_684_800_000 if sim.ESP32 else 1_609_459_200_000) - sim.now()


def _run(path):
    try:
        exec(_code[path], {"__name__": "__main__", "__file__": path})
    except Exception as e:
        stage.tell("board", "%s raises %r" % (path, e))
        return False
    return True


def live(story, cause):
    """One life of the board. Return how it ended."""
    board, config = story.board, story.people.config
    stage.power_on(board.first_tick)
    _reset_hardware(cause)
    board.flash.mount()
    os.chdir("/flash")
    board.flash.put("config.json", json.dumps(config))
    for name, content in board.spoil:
        board.flash.spoil("state", name, content)
    board.spoil.clear()
    board.flash.sick("read", board.sick_reads)
    board.take_name()
    chipset.attach(config["sensors"], story.world, story.truth.taken)
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
    if sim.link != sim.UP:
        for s in sim.sockets:
            s.died()  # else what is on its way still arrives
    story.truth.ended(ended)
    # main.py has it bite where it cannot write down why it ended
    reason = story.truth.life.may_bite or stage.heap_failed or stage.flash_failed
    if ended == "wdt" and not reason:
        stage.found("the watchdog has bitten, and nothing hung")
    for timer in _timers:
        timer.deinit()
    _timers.clear()
    agenda.clear()
    os.chdir("/")
    board.flash.unmount()
    _Sys.modules.clear()
    stage.power_off()
    return ended


def _urandom(random):
    def urandom(n):
        stage.allocate()
        return random.bytes(n)

    return urandom


class _File(io.IOBase):
    """A file that may find no memory half-way, or is written to."""

    def __init__(self, file):
        super().__init__()
        self._file = file

    def close(self):
        self._file.close()
        stage.writing = False

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __iter__(self):
        return iter(self._file)

    def write(self, data):
        stage.allocate("file")
        return self._file.write(data)


def _open(path, mode="r", **options):
    stage.allocate("file")
    writes = mode[0] in "wa"
    file = _written(_real_open, path, mode, **options) if writes else _real_open(path, mode)
    stage.writing = writes
    return _File(file) if writes or stage.is_heap_tight() else file


def _written(change, *args, **options):
    """Change something on the flash."""
    stage.writing = True
    try:
        return change(*args, **options)
    finally:
        stage.writing = False


def _changing(change):
    return lambda *args: _written(change, *args)


_real_open = open


def play(seed, mode, without, out):
    """mode: "1" tells the story, "2" prints each message that a subscriber got, "0" is silent."""
    stage.begin(mode == "1")
    chipset.nothing()
    sim.dns_mode = "ok"
    socket.dns_ms = 0
    story = Story(seed, without)
    if mode == "2":
        _record(story.truth, out)
    sim.mac = lambda: b"\x24\x6f\x28" + story.board.mac
    os.urandom = _urandom(story.board.urandom)
    stage.writing = False
    cause = "power"
    while not stage.faults and story.lives < story.planned:
        story.begin_life(False, cause == "power")
        cause = live(story, cause)
        if stage.faults:
            break
        if cause in ("power", "prompt"):
            sim.advance(story.people.between())
            cause = "power"
        else:
            sim.advance(300)
    if not stage.faults:
        judge = Judge(story, gc.collect)
        while not stage.faults:
            story.begin_life(True, cause == "power")
            judge.look()
            cause = live(story, cause)
            if cause in ("power", "prompt"):
                break
    return story


def _record(truth, out):
    check = truth.arrived

    def arrived(broker, topic, payload, qos, heard, dup):
        out(">" + json.dumps([topic, payload.decode()]))
        check(broker, topic, payload, qos, heard, dup)

    truth.arrived = arrived


def _taken(truth):
    """Return what there is to know of each reading that arrived: its identity, channel, value, `ts`, and when it was taken, Unix ms; of
    a failure its identity and text.
    """
    rows = []
    for key, event in truth.keys.items():
        if isinstance(event, str):
            rows.append([key, None, "error", event, None, None])
        else:
            at = None if event.life.misled else sim._TRUE_TIME + event.at
            rows.append([key, event.sensor["name"], event.quantity, event.text, event.ts, at])
    return rows


def main():
    sim.virtual()
    sim.catch_resets()
    sim.no_stand()
    import _wlan
    import machine
    import network

    builtins.print, out = stage.console, print
    builtins.open = _open
    os.remove, os.rename, os.mkdir = [_changing(f) for f in (os.remove, os.rename, os.mkdir)]
    machine.Timer = _Timer
    device = DeviceFiles(sys.argv[1])
    for name in ("boot.py", "main.py"):
        _code[name] = compile(device.text(name), name, "exec")
    sys.modules["sys"] = _Sys()
    time.ticks_ms = stage.ticks
    time.sleep_ms = stage.sleep_ms
    time.sleep = stage.sleep
    mode = sys.argv[2]
    without = sys.argv[3].split(",")
    for seed in sys.argv[4:]:
        story = play(int(seed), mode, without, out)
        result = {
            "seed": int(seed),
            "theme": story.chance.swarm.name or "any",
            "lives": story.lives,
            "events": len(story.truth.events),
            "arrivals": story.truth.arrivals,
            "trace": "%08x" % (stage.trace & 0xFFFFFFFF),
            "faults": stage.faults,
        }
        if mode == "2":
            result["taken"] = _taken(story.truth)
        out("@" + json.dumps(result))
        story = result = None
        gc.collect()


main()
