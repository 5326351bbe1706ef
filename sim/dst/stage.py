"""What the simulated world and its node share: the story, the moment at which the board ends, what the checker found.

Everything that the node may call passes a gate here. When the power has failed the next gate raises `sim.Reset`, and so
does every one after it: what the program still does on its way out has no effect that anybody could see.
"""

from binascii import crc32

from micropython import const

import sim

_MASK = const(0x3FFFFFFF)
_SPIN = const(30000)  # looks at the clock, between which it must have moved
_PASSES = const(20000)  # of the loop, which take so long at least: else it does not sleep
_PASSES_MS = const(40000)
_RETRY_MS = const(12000)  # in which the outbox tries a write again, and a pass
_SOON_MS = const(2500)  # the same, after one for which there was no memory

shown = False  # is the story printed?
trace = 0  # sums up all that happened, in its order
faults = []  # what the checker found: texts
dead = None  # how this life ended
ended_at = None
zero = 0  # ms of the world at which the board's ticks are 0
calls = 0
_alarm = _SPIN
_alarm_at = 0
_heap_in = 0  # allocations until the heap is full; 0: it will not be
_heap_left = 0  # how many fail from there on
_heap_where = None  # count those of a kind only
heap_failed = 0  # in this life
clock_at = None  # ms at which the node has said that it knows the time, in this life,
corrected_at = None  # and at which it said that it was another
on_online = None  # called with the topic when the node says that it is online
on_limit = None  # called with the line when it says that a broker will not have something
put_off = None  # (first, until) ms between which a flush may have been put off
flash_failed = None  # (first, last) ms at which the flash refused a write
dropped = 0  # the most that its log has told
safe_mode = False  # has the node said so, in this story?
writing = False  # is the node writing to the flash?
unkept = False  # has it said, in this life, that the last readings are not written?
_print = print


def begin(show):
    """A new world."""
    global shown, trace, dead, slowest_ms, safe_mode, dropped, passes, _passes_since
    safe_mode = False
    passes = _passes_since = 0
    shown = show
    trace = slowest_ms = dropped = 0
    dead = None
    faults.clear()
    sim._events.clear()
    sim._up = 0


def power_on(first_tick):
    """A new life of the board."""
    global \
        dead, \
        ended_at, \
        zero, \
        calls, \
        _alarm, \
        _alarm_at, \
        _heap_in, \
        heap_failed, \
        unkept, \
        put_off, \
        flash_failed, \
        clock_at, \
        corrected_at
    dead = ended_at = None
    zero = sim.now() - first_tick
    calls = heap_failed = _heap_in = 0
    unkept = False
    put_off = None
    flash_failed = clock_at = corrected_at = None
    _alarm, _alarm_at = _SPIN, sim.now()


def power_off():
    """The board has ended, and what it ran is gone."""
    global dead, _heap_in, writing
    dead = None
    writing = False
    _heap_in = 0


def tell(kind, text):
    """Add a line to the story."""
    global trace
    line = "%10.3f  %-8s %s" % (sim.now() / 1000, kind, text)
    trace = crc32(line.encode(), trace)
    if shown:
        _print(line)


def found(text):
    """The promise is broken."""
    tell("FAULT", text)
    if len(faults) < 20:
        faults.append(text)


def console(*args, **options):
    """The node's print."""
    global safe_mode, dropped, clock_at, corrected_at, unkept
    text = " ".join([str(arg) for arg in args])
    safe_mode = safe_mode or "safe mode: no sensors" in text
    unkept = unkept or "the last readings cannot be written" in text
    if "clock: set " in text and clock_at is None:
        clock_at = sim.now()
    if "clock: set by " in text:
        corrected_at = sim.now()
    if on_limit and "warning mqtt: " in text and " will not have " in text:
        on_limit(text)
    if on_online and "/status online" in text:
        on_online(text.split(" ")[-2])
    if " readings dropped" in text:
        dropped = max(dropped, int(text.split(" readings dropped")[0].split(" ")[-1]))
    tell("console", text)


def die(how):
    """The board ends now."""
    end(how)
    raise sim.Reset(how)


def end(how):
    """The board has ended; the program notices at the next gate."""
    global dead, ended_at
    if dead is None:
        dead = how
        ended_at = sim.now()
        tell("board", "ends: " + how)


def gate():
    if dead is not None:
        raise sim.Reset(dead)


def ticks():
    """The board's ticks_ms."""
    global calls
    if dead is not None:
        raise sim.Reset(dead)
    calls += 1
    if calls >= _alarm:
        _wake()
    return (sim._up - zero) & _MASK


def heap_full(after, times, where=None):
    """After so many allocations, as far as they are seen here, some find no memory. where: only "file" counts."""
    global _heap_in, _heap_left, _heap_where
    _heap_where = where
    _heap_in = after
    _heap_left = times


def is_heap_tight():
    return _heap_in > 0


def allocate(where=None):
    """Something is done that needs memory: a file, a module, a packet, a transfer."""
    global _heap_in, _heap_left, heap_failed, put_off
    if dead is not None:
        raise sim.Reset(dead)
    if _heap_in and (_heap_where is None or where == _heap_where):
        _heap_in -= 1
        if not _heap_in:
            heap_failed += 1
            _heap_left -= 1
            _heap_in = 1 if _heap_left > 0 else 0
            tell("fault", "no memory")
            put_off = put_off[0] if put_off else sim.now(), sim.now() + _SOON_MS
            raise MemoryError("memory allocation failed, allocating 128 bytes")


def _wake():
    global _alarm, _alarm_at
    if sim.now() == _alarm_at:
        found("the node spins: the clock stands still")
        die("power")
    _alarm = calls + _SPIN
    _alarm_at = sim.now()


def flash_fails(what):
    """The flash has refused an operation. A read is tried again, and succeeds; it may only put a flush off."""
    global flash_failed, put_off
    tell("fault", "flash: EIO on a " + what)
    if what == "read":
        put_off = put_off[0] if put_off else sim.now(), sim.now() + _RETRY_MS
    else:
        flash_failed = flash_failed[0] if flash_failed else sim.now(), sim.now()


def portal():
    """The node opens its page for a phone: nobody comes, and somebody cuts the power."""
    found("a page for a phone, and the settings were good")
    die("power")


def crashed(error, text):
    """An exception reached main.py. Only want of memory may."""
    for line in text.strip().split("\n"):
        tell("console", line)
    if not (heap_failed and isinstance(error, MemoryError)):
        found("the node crashed: " + text.strip().split("\n")[-1])


passes = 0  # of the loop, in this story
_passes_since = 0
last_pass = 0  # when the node last went to sleep of its own will


def passed():
    """The node's loop has come to its end, and waits."""
    global last_pass, passes, _passes_since
    if dead is not None:
        raise sim.Reset(dead)
    sim.advance(1)  # what it did took time
    if dead is not None:
        raise sim.Reset(dead)
    last_pass = sim.now()
    passes += 1
    if passes % _PASSES == 0:
        if sim.now() - _passes_since < _PASSES_MS:
            found(
                "the node does not sleep: %d passes in %d ms"
                % (_PASSES, sim.now() - _passes_since)
            )
        _passes_since = sim.now()


def sleep_ms(ms):
    """The board's sleep_ms."""
    passed()
    sim.advance(ms)
    if dead is not None:
        raise sim.Reset(dead)


def sleep(seconds):
    sleep_ms(int(seconds * 1000))


def bytes_passed(data):
    """Count what went over a wire into the trace."""
    global trace
    trace = crc32(data, trace)


slowest_ms = 0  # one way, of all that was drawn
