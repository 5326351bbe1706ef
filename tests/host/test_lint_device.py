"""Rules for the device's code that no common linter has. Each is a function of a parsed file, with samples below.

A rule yields (line, text); its docstring says why it is one.
"""

import ast
import re
import sys

import pytest
from device_code import files

from tools import mpy

HARDWARE = {
    "machine", "network", "esp32", "rp2", "dht", "onewire", "ds18x20", "neopixel", "bluetooth", "espnow",
}  # fmt: skip
# main.py: the last thing it can do, whatever is broken, is a reset. boot.py: an image that hangs ends at a timer.
BOARD = (
    "boot.py",
    "firmware/hardware/board.py",
    "firmware/hardware/radio.py",
    "firmware/hardware/accesspoint.py",
    "firmware/hardware/guard.py",
    "main.py",
)
STARTED = ("boot.py", "main.py")
LARGEST = 8192  # bytes of .mpy; twice what most have

# `ticks_diff` is right for what is less than 6.2 days old. Where it may be used, and what bounds the age there:
# "path function" in firmware/, "path attribute" in lib/.
BOUNDED = {
    "main.py main": "a start, which the guard ends after minutes",
    "firmware/control/blink.py step": "half a blink; a LED that has stopped is not asked",
    "firmware/control/blink.py due": "half a blink",
    "firmware/link/clock.py uptime_ms": "called in every pass of the loop",
    "firmware/control/restart.py is_due": "30 s, and the board restarts",
    "firmware/control/__init__.py _check": "a minute, looked at in every pass until it has passed, or the connection is gone",
    "firmware/control/outputs.py step": "loss_s, a day at most, looked at in every pass until it has passed",
    "firmware/provisioning/portal.py is_over": "two hours at most, and the page closes; looked at in every turn",
    "firmware/provisioning/portal.py _live": "a minute, looked at in every turn",
    "firmware/sensors/channel.py due": "interval_s, a day at most; step() comes in every pass",
    "firmware/sensors/channel.py _advance": "interval_s, a day at most; step() comes in every pass",
    "firmware/sensors/channel.py _reached": "interval_s, a day at most; step() comes in every pass",
    "firmware/link/leaving.py leave": "2 s",
    "lib/drivers/ads1115.py began": "a local",
    "lib/drivers/bme280.py began": "a local",
    "lib/drivers/input.py _warm_at": "ten minutes, looked at in every pass until they have passed",
    "lib/drivers/max17048.py _began": "the chip's first second; the flag beside it is cleared at the first look after",
    "lib/drivers/mhz19.py _began": "3 minutes, and no longer looked at after the first reading beyond them",
    "lib/drivers/pulse.py began": "from one reading to the next, a day at most",
    "lib/mqtt/blocking.py end": "reconnect_timeout",
    "lib/mqtt/deadlines.py answer": "cleared, or beyond `timeout` the connection is closed",
    "lib/mqtt/deadlines.py sent": "keepalive, 18 hours at most; without one it is not looked at",
    "lib/mqtt/deadlines.py heard": "keepalive, 18 hours at most; without one it is not looked at",
    "lib/mqtt/deadlines.py since": "cleared, or beyond `timeout` the connection is closed",
    "lib/mqtt/deadlines.py at": "a minute, if step() is called as poll_ms() says",
    "lib/mqtt/client.py at": "a minute, if step() is called as poll_ms() says",
    "lib/outbox/__init__.py _retry_at": "10 s, and then cleared",
    "lib/outbox/__init__.py _again_at": "10 s, looked at in every step while something cannot be read",
    "lib/outbox/__init__.py since": "sync_ms, then written; if that fails, _retry_at is what counts",
    "lib/outbox/__init__.py at": "sync_ms, then written; if that fails, _retry_at is what counts",
}  # fmt: skip

RENAMES = (
    "boot.py",  # before there is anything to import
    "lib/flashfile.py",
    "lib/outbox/opening.py",  # a strange file in place of its folder
)

CHANGES = {"remove", "rename", "mkdir", "rmdir", "unlink", "truncate", "sync"}  # of `os`
MODE = re.compile(r"[rwaxbt+]+")

# Classes with a length, and what they are called where that is no matter of `if`. Of an empty Stream nothing is to be sent.
SIZED = {"lib/outbox/__init__.py Outbox": "outbox", "lib/mqtt/stream.py Stream": None}

CLOCKS = {"time", "time_ns", "ticks_ms", "ticks_us", "ticks_add"}
STAMP = re.compile(r"(^|_)(ts|now|unix|epoch|stamp|timestamp)(_ms|_us|_ns|_s)?$")


def no_assert(path, tree):
    """`mpy-cross -O` removes it, and with it the check."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield node.lineno, "assert: raise an exception instead"


def no_bare_except(path, tree):
    """It swallows Ctrl-C, SystemExit and so mpremote's way into a board."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "bare except: say what is expected (`except Exception` at most)"


def no_u_names(path, tree):
    """`usocket` and its like are gone in MicroPython 2."""
    for line, name in imported(tree):
        if name[:1] == "u" and name[1:] in (sys.stdlib_module_names | HARDWARE) - {"ctypes"}:
            yield line, f"{name}: import {name[1:]}"


def no_hardware(path, tree):
    """Hardware enters through two files, so that everything else runs, and is tested, on any machine."""
    for line, name in imported(tree):
        if name in HARDWARE and path not in BOARD:
            yield line, f"{name}: only {' and '.join(BOARD)} may import it"


def no_float_time(path, tree):
    """A board's float has 24 bits: a Unix time in it is wrong by minutes, one in milliseconds by hours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            sides = (node.left, node.right)
            if isinstance(node.op, ast.Div) and any(is_time(side) for side in sides):
                yield node.lineno, "a time divided with / is a float: use //"
            elif any(is_time(a) and is_float(b) for a, b in (sides, sides[::-1])):
                yield node.lineno, "a time and a float make a float"
            elif isinstance(node.op, ast.Mult) and any(
                is_time(a) and not isinstance(b, ast.Constant) for a, b in (sides, sides[::-1])
            ):
                yield node.lineno, "a time multiplied: by a whole number only, written as one"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) == "float":
            if any(is_time(argument) for argument in node.args):
                yield node.lineno, "float() of a time"
        else:
            for name, value in bound(node):
                if STAMP.search(name) and is_float(value):
                    yield value.lineno, f"{name} is a time: a whole number"


def no_old_ticks(path, tree):
    """A stamp of 6.2 days and more looks as if it were from the future; firmware/ has Clock.uptime_ms() for what may be old."""
    later = {
        target.attr
        for function in functions(tree)
        if function.name != "__init__"
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    }
    for function in functions(tree):
        for node in ast.walk(function):
            if not (isinstance(node, ast.Call) and name_of(node.func) == "ticks_diff"):
                continue
            if not path.startswith("lib/"):
                places = {f"{path} {function.name}"}
            else:  # a driver's stamp is a conversion's, unless it is the driver's own
                stamps = {name_of(side) for side in node.args} - {"now", ""}
                places = {
                    f"{path} {stamp}"
                    for stamp in stamps
                    if stamp not in later or not path.startswith("lib/drivers/")
                }
            for place in places - BOUNDED.keys():
                yield (
                    node.lineno,
                    f"ticks_diff: what bounds the age? say it in BOUNDED as {place!r}",
                )


def no_uptime_in_ticks(path, tree):
    """ticks_diff and ticks_add take ticks only: an uptime has more bits, and a difference too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node.func) in ("ticks_diff", "ticks_add"):
            names = {name_of(getattr(side, "func", side)) for side in node.args}
            if names & {"uptime", "uptime_ms"}:
                yield node.lineno, "an uptime is compared by subtraction"


def no_length_for_truth(path, tree):
    """What has __len__ and no __bool__ is false while it is empty: `if aside:` forgot how many an empty one had dropped."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = {function.name for function in functions(node)}
            if (
                "__len__" in methods
                and "__bool__" not in methods
                and f"{path} {node.name}" not in SIZED
            ):
                yield node.lineno, f"{node.name}: an empty one is false: say it in SIZED"
        for tested in truths(node):
            if name_of(tested) in SIZED.values():
                yield tested.lineno, f"{name_of(tested)}: say `is not None`, or len()"


def truths(node):
    """What an `if` and its like look at."""
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        return [node.test]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [node.operand]
    return node.ifs if isinstance(node, ast.comprehension) else []


def no_work_at_import(path, tree):
    """Importing a module does nothing; boot.py and main.py are not imported but run."""
    if path in STARTED:
        return
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If | ast.Try):
            for part in ("body", "orelse", "finalbody"):
                pending += getattr(node, part, ())
            for handler in getattr(node, "handlers", ()):
                pending += handler.body
        elif not isinstance(node, ast.Expr | ast.For | ast.While | ast.With):
            continue
        elif not isinstance(getattr(node, "value", None), ast.Constant):  # a docstring
            yield node.lineno, "runs at import"


def no_rename(path, tree):
    """A file is replaced whole by lib/flashfile.py, and by nobody else in another way."""
    if path in RENAMES:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "rename":
            yield node.lineno, "rename: flashfile.write() replaces a file"


def no_interrupted_change(path, tree):
    """On a Pico a Ctrl-C leaves littlefs in the middle of a change, and what writes next may write over other files."""
    if path == "boot.py":  # before there is anything to import: it does the same by itself
        return
    pending = [(tree, False)]
    while pending:
        node, safe = pending.pop()
        if not safe and changes_files(node):
            yield node.lineno, "changes files: `with uninterrupted` of lib/flashfile.py around it"
        inner = safe
        if isinstance(node, ast.With):
            for item in node.items:
                pending.append((item.context_expr, inner))
                inner = inner or name_of(item.context_expr) == "uninterrupted"
            pending += [(each, inner) for each in node.body]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            # called when the `with` has ended, perhaps
            pending += [(each, False) for each in ast.iter_child_nodes(node)]
        else:
            pending += [(each, safe) for each in ast.iter_child_nodes(node)]


def changes_files(node):
    """Is it a function of `os` that does, called or handed on, or a call of an open() for more than reading?"""
    if isinstance(node, ast.Attribute):
        return name_of(node.value) == "os" and node.attr in CHANGES
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and not CHANGES.isdisjoint(each.name for each in node.names)
    if not isinstance(node, ast.Call) or name_of(node.func) != "open":
        return False
    modes = [*node.args[1:2], *(each.value for each in node.keywords if each.arg == "mode")]
    texts = [
        each.value
        for mode in modes
        for each in ast.walk(mode)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    return any(MODE.fullmatch(text) and set(text) & set("wax+") for text in texts)


RULES = (
    no_assert, no_bare_except, no_u_names, no_hardware, no_float_time, no_old_ticks, no_uptime_in_ticks, no_length_for_truth,
    no_work_at_import, no_rename, no_interrupted_change,
)  # fmt: skip


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and name_of(node.func) == "__import__":
            yield node.lineno, str(getattr(node.args[0], "value", "")).partition(".")[0]


def functions(tree):
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def name_of(node):
    return getattr(node, "attr", None) or getattr(node, "id", None) or ""


def is_time(node):
    """A clock's reading, a name for one, or a sum with one."""
    if isinstance(node, ast.Call):
        return name_of(node.func) in CLOCKS
    if isinstance(node, ast.BinOp):
        # a difference is a duration: `(now - since) / 1000` may be a float
        return isinstance(node.op, ast.Add) and (is_time(node.left) or is_time(node.right))
    return bool(STAMP.search(name_of(node)))


def is_float(node):
    if isinstance(node, ast.Call):
        return name_of(node.func) == "float"
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def bound(node):
    """Yield (name, value) for what an assignment, a default, a keyword or a dict gives a name."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield name_of(target), node.value
    elif isinstance(node, ast.arguments):
        names = (node.posonlyargs + node.args)[
            len(node.posonlyargs + node.args) - len(node.defaults) :
        ]
        yield from ((a.arg, default) for a, default in zip(names, node.defaults, strict=True))
        yield from (
            (a.arg, default) for a, default in zip(node.kwonlyargs, node.kw_defaults, strict=True)
        )
    elif isinstance(node, ast.Call):
        yield from ((keyword.arg or "", keyword.value) for keyword in node.keywords)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


def faults(path, source):
    tree = ast.parse(source)
    return [f"{path}:{line}: {text}" for rule in RULES for line, text in rule(path, tree)]


def test_device_code():
    found = [
        fault for path, source in files().items() for fault in faults(path.as_posix(), source)
    ]
    assert not found, "\n" + "\n".join(found)


def test_every_place_that_may_use_ticks_still_does():
    reasons = dict(BOUNDED)
    BOUNDED.clear()
    try:
        found = {
            text.split("'")[1]
            for path, source in files().items()
            for _, text in no_old_ticks(path.as_posix(), ast.parse(source))
        }
    finally:
        BOUNDED.update(reasons)
    assert found == set(reasons)


@pytest.mark.parametrize(
    ("rule", "sample"),
    [
        (no_assert, "def f(x):\n    assert x, 'no'"),
        (no_bare_except, "try:\n    pass\nexcept:\n    pass"),
        (no_u_names, "import usocket"),
        (no_u_names, "import uasyncio.core"),
        (no_u_names, "from utime import ticks_ms"),
        (no_u_names, "try:\n    import ujson as json\nexcept ImportError:\n    import json"),
        (no_u_names, "import umachine"),
        (no_hardware, "import machine"),
        (no_hardware, "def f():\n    from machine import Pin"),
        (no_hardware, "import network, os"),
        (no_hardware, "d = __import__('dht')"),
        (no_float_time, "ts = time.time() * 1e3"),
        (no_float_time, "ts = time.time() / 2"),
        (no_float_time, "ts = scale * time()"),
        (no_float_time, "def f(now):\n    return now / 1000"),
        (no_float_time, "x = self.unix_ms / 1000"),
        (no_float_time, "x = (now + 5) / 1000"),
        (no_float_time, "x = now + 0.5"),
        (no_float_time, "x = float(ts)"),
        (no_float_time, "ts = 0.0"),
        (no_float_time, "self.boot_ts = 0.0"),
        (no_float_time, "def f(a, ts=0.0):\n    pass"),
        (no_float_time, "def f(*, now_ms=0.0):\n    pass"),
        (no_float_time, "f(ts=1.5)"),
        (no_float_time, "x = {'ts': 1.5}"),
        (no_old_ticks, "def f(self, now):\n    return time.ticks_diff(now, self._since) > 5"),
        (
            no_old_ticks,
            "class A:\n    def due(self, now):\n        return ticks_diff(self._at, now)",
        ),
        (no_uptime_in_ticks, "x = time.ticks_diff(uptime, since)"),
        (no_uptime_in_ticks, "x = ticks_add(self.uptime_ms(now), 5)"),
        (no_length_for_truth, "class A:\n    def __len__(self):\n        return 0"),
        (no_length_for_truth, "if self.outbox:\n    pass"),
        (no_length_for_truth, "x = delivery.outbox and 1"),
        (no_length_for_truth, "x = 1 if not outbox else 2"),
        (no_length_for_truth, "x = [1 for y in z if y.outbox]"),
        (no_work_at_import, "print('hello')"),
        (no_work_at_import, "try:\n    connect()\nexcept OSError:\n    pass"),
        (no_work_at_import, "for i in range(3):\n    x = i"),
        (no_work_at_import, "with open('x') as f:\n    x = 1"),
        (no_work_at_import, "if x:\n    pass\nelse:\n    print()"),
        (no_rename, "import os\ndef f():\n    os.rename('a.new', 'a')"),
        (no_interrupted_change, "def f():\n    os.remove('a')"),
        (no_interrupted_change, "def f():\n    patiently(os.remove, 'a')"),
        (no_interrupted_change, "from os import mkdir"),
        (no_interrupted_change, "def f():\n    with open('a', 'wb') as f:\n        pass"),
        (no_interrupted_change, "def f():\n    open('a', mode='r+')"),
        (no_interrupted_change, "def f(self):\n    self.open('a', 'wb' if new else 'ab')"),
        (
            no_interrupted_change,
            "def f():\n    with open('a', 'w') as f, uninterrupted:\n        pass",
        ),
        (
            no_interrupted_change,
            "def f():\n    with uninterrupted:\n        return lambda: os.rmdir('a')",
        ),
        (
            no_interrupted_change,
            "def f():\n    with uninterrupted:\n        pass\n    os.mkdir('a')",
        ),
    ],
)
def test_rule_finds_a_planted_fault(rule, sample):
    tree = ast.parse(sample)
    assert list(rule("firmware/planted.py", tree))
    assert faults("firmware/planted.py", sample)  # and it is one of RULES


@pytest.mark.parametrize(
    ("path", "sample"),
    [
        ("firmware/hardware/board.py", "import machine\nimport network"),
        ("boot.py", "print('boot')\nmain()"),
        ("lib/a.py", '"""A module."""\nimport uctypes\nfrom umqtt.robust import MQTTClient'),
        ("lib/a.py", "try:\n    import tls\nexcept ImportError:\n    import ssl as tls"),
        ("lib/a.py", "try:\n    pass\nexcept Exception as e:\n    raise"),
        ("lib/a.py", "_A = const(1)\nB = namedtuple('B', ('a', 'b'))\nbuf = bytearray(4)"),
        (
            "lib/a.py",
            "ts = time.time_ns() // 1000000\nts = 1000 * time()\nage = (now - then) / 1000",
        ),
        (
            "lib/a.py",
            "x = ticks_diff(now, then) / 1000\ny = temperature / 2\nevents = 1.5\nknown = 0.5",
        ),
        ("lib/a.py", "def f(ts=0, now=None):\n    return {'ts': ts + 5, 'humidity': 45.2}"),
        (
            "lib/a.py",
            "def f(self, mode):\n    with uninterrupted, open('a', 'wb') as f:\n        f.write('a')\n    with uninterrupted:\n        os.remove('b')",
        ),
        (
            "lib/a.py",
            "def f(path, mode):\n    open(path)\n    open(path, 'rb')\n    open(path, mode)\n    self.list.remove(1)",
        ),
        (
            "lib/drivers/a.py",
            "class A:\n    def start(self):\n        self._t = ticks_ms()\n    def ready(self):\n        ticks_diff(now, self._t)",
        ),
    ],
)
def test_rules_let_good_code_pass(path, sample):
    assert faults(path, sample) == []


@pytest.mark.parametrize("path", ["lib/drivers/planted.py", "lib/planted.py"])
def test_a_drivers_own_age_is_found(path):
    sample = (
        "class A:\n    def __init__(self):\n        self._began = time.ticks_ms()\n"
        "    def read(self):\n        return time.ticks_diff(time.ticks_ms(), self._began)"
    )
    assert faults(path, sample)


def large(folder, sources):
    """A board loads a module as a whole, in pieces as large as its functions and tables: its free memory may be in small ones."""
    for source in sources:
        target = folder / source.with_suffix(".mpy").name
        mpy.compile_file(source, target)
        size = target.stat().st_size
        if size > LARGEST:
            yield f"{source}: {size} bytes as .mpy: at most {LARGEST}"


def test_no_module_is_large(tmp_path):
    modules = [path for path in files() if path.as_posix() not in STARTED]
    assert list(large(tmp_path, modules)) == []


def test_a_large_module_is_found(tmp_path):
    planted = tmp_path / "planted.py"
    planted.write_text(f"x = b'{'x' * LARGEST}'")
    assert list(large(tmp_path, [planted]))
