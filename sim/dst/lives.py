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
import chipset  # noqa: E402
import stand  # noqa: E402
from devicefiles import DeviceFiles  # noqa: E402
from story import Story  # noqa: E402

_ALIVE_MS = 400_000  # after the faults' end a reading must have come
_SAFE_MS = 1_000_000  # besides, for a node in safe mode
# For each channel at whose history a broker is silent: twelve connections of fifteen seconds. Only then it has a change of mind,
# else the node would believe for a day what it saw before.
_SEARCH_MS = 200_000
_DONE_MS = 900_000  # after that, everything
_ILL_MS = 1_800_000  # after something was ill for minutes: until all is as before,
_SOON_MS = 120_000  # which is not looked at before
_LOOK_MS = 5_000
_STATE_BYTES = 24_576  # of all files in state/ but the outbox's

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
        _timers.append(self)
        super().__init__(*args, **options)


def _reset_hardware(cause):
    import _machine_i2c
    import _machine_pin
    import _wlan
    import machine
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
        exec(_code[path], {"__name__": "__main__", "__file__": path})
    except Exception as e:
        stage.tell("board", "%s raises %r" % (path, e))
        return False
    return True


def live(story, cause):
    """One life of the board. Return how it ended."""
    stage.power_on(story.first_tick)
    _reset_hardware(cause)
    story.flash.mount()
    os.chdir("/flash")
    story.flash.put("config.json", json.dumps(story.config))
    for name, content in story.spoil:
        story.flash.spoil("state", name, content)
    story.spoil.clear()
    story.flash.sick("read", story.sick_reads)
    story.take_name()
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
    if sim.link != sim.UP:
        for s in sim.sockets:
            s.died()  # else what is on its way still arrives
    story.truth.ended(ended)
    # main.py has it bite where it cannot write down why it ended
    if ended == "wdt" and not (story.may_bite or stage.heap_failed or stage.flash_failed):
        stage.found("the watchdog has bitten, and nothing hung")
    for timer in _timers:
        timer.deinit()
    _timers.clear()
    story.power_off()
    os.chdir("/")
    story.flash.unmount()
    _Sys.modules.clear()
    stage.power_off()
    return ended


class Judge:
    """Looks at a node that is left alone, until it owes nothing, or too much time has passed."""

    def __init__(self, story):
        self.story = story
        self.looks = 0
        self.began = None
        self.alive_at = None

    def look(self):
        truth = self.story.truth
        if not self.story.healed:
            self.story.timers.append(sim.after(_LOOK_MS, self.look))
            return
        if self.began is None:
            self.began = truth.awake(sim.now())
        ms = truth.awake(sim.now()) - self.began
        self.looks += 1
        if self.looks % 32 == 0:
            gc.collect()  # before the heap is full of small holes
        if self.alive_at is None and truth.awake(truth.newest_came) > self.began:
            self.alive_at = sim.now()
            stage.tell("judge", "alive after %d ms" % ms)
        if self.story.ill:
            self._look_at_ill(ms)
        elif self.alive_at is None:
            bound = _ALIVE_MS + (_SAFE_MS if stage.safe_mode else 0)
            if ms > bound:
                stage.found("no reading for %d ms, without any fault" % ms)
                stage.die("power")
        else:
            search = 30_000
            if any("history_silent" in broker.ways for broker in self.story.brokers):
                search += _SEARCH_MS * len(self.story.config["sensors"])
            if sim.now() - self.alive_at > search and self.story.relent():
                self.began = truth.awake(sim.now())
                self.alive_at = sim.now()
                ms = 0
            old = sim.now() - 15_000
            owed = [event for event in truth.missing() if event.at < old]
            if sim.now() - self.alive_at > 30_000 and (
                len(owed) <= truth.dropped or ms > _ALIVE_MS + _SAFE_MS + _DONE_MS
            ):
                self._verdict(owed)
                stage.die("power")
        self.story.timers.append(sim.after(_LOOK_MS, self.look))

    def _look_at_ill(self, ms):
        """Something was ill for minutes: is all as it was before?"""
        if ms < _SOON_MS:
            return
        old = sim.now() - 30_000
        owed = [event for event in self.story.truth.missing() if event.at < old]
        unmet = self.story.unmet()
        if not owed and not unmet:
            self._verdict(owed)
            stage.die("power")
        if ms > _ILL_MS:
            for text in unmet:
                stage.found("%d min after the faults: %s" % (ms // 60_000, text))
            if owed:
                stage.found(
                    "%d min after the faults: %d readings are not there: %s"
                    % (ms // 60_000, len(owed), owed[0])
                )
            stage.die("power")

    def _verdict(self, owed):
        truth = self.story.truth
        if len(owed) > truth.dropped:
            stage.found("%d lost, %d told: %s" % (len(owed), truth.dropped, owed[0]))
            for event in owed[1:]:
                stage.tell("judge", "lost: %s" % event)
        # README: readings that were given up before the broker was reached, or a lowered QoS, have the session begin anew.
        anew = any(broker.forgot for broker in self.story.brokers)
        # A state that is written by half is written again at once, if there is the memory.
        torn = any(life.heap_times > 1 for life in truth.lives)
        if self.story.exact and not (torn or (anew and (truth.dropped or self.story.lowered))):
            for what, event, first, second in truth.doubled:
                stage.found("%s: twice at QoS 2: %s; %r, %r" % (what, event, first, second))
        rival = self.story.rival
        if rival and rival.name == truth.life.node:
            stage.found("two boards are called %s" % rival.name)
        for topic in self.story.ghosts():
            stage.found("a ghost: %s is kept of an earlier name" % topic)
        silent = truth.health_at is None or sim.now() - truth.health_at > 60_000
        if silent and not any(broker.ways - {"early"} for broker in self.story.brokers):
            stage.found("no health any more")
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


def play(seed, show, without):
    stage.begin(show)
    chipset.nothing()
    sim.dns_mode = "ok"
    socket.dns_ms = 0
    story = Story(seed, without)
    sim.mac = lambda: b"\x24\x6f\x28" + story.mac
    os.urandom = _urandom(story.urandom)
    stage.writing = False
    cause = "power"
    while not stage.faults and story.lives < story.planned:
        story.begin_life(False, cause == "power")
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
            story.begin_life(True, cause == "power")
            judge.look()
            cause = live(story, cause)
            if cause in ("power", "prompt"):
                break
    return story


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
    show = sys.argv[2] == "1"
    without = sys.argv[3].split(",")
    for seed in sys.argv[4:]:
        story = play(int(seed), show, without)
        result = {
            "seed": int(seed),
            "theme": story.swarm.name or "any",
            "lives": story.lives,
            "events": len(story.truth.events),
            "arrivals": story.truth.arrivals,
            "trace": "%08x" % (stage.trace & 0xFFFFFFFF),
            "faults": stage.faults,
        }
        out("@" + json.dumps(result))
        story = result = None
        gc.collect()


main()
