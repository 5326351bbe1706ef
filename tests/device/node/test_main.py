"""main.py ends in a reset, whatever happened, and the next start counts a crash; only Ctrl-C ends at the prompt. boot.py never raises."""

import gc
import os
import sys

import started

import sim

BOARDS = ("esp32", "pico_w")


_real = {}


def prepare(start="", **modules):
    """Let `firmware.start` be this source, and other modules of the package what is given. `upkeep_crash` is upkeep.crash.

    Everything else is real."""
    if not _real:
        import flash

        import firmware.hardware.board
        import firmware.hardware.guard
        import firmware.link.joining
        import firmware.upkeep.cause
        import firmware.upkeep.crash
        import firmware.upkeep.safemode

        _real.update(sys.modules)
        sim.virtual()
        sim.catch_resets()
        flash.install()
        firmware.__path__ = "."
    sys.modules.clear()  # as main.py does; the fakes must stay those that they are
    sys.modules.update(_real)
    with open("start.py", "w") as f:
        f.write(start)
    for name, module in modules.items():
        sys.modules["firmware." + name.replace("_", ".")] = module


def execute(name):
    exec(compile(started.source(name), name, "exec"), {"__name__": "__main__"})


def main():
    """Run main.py. Return how the board ended: "reset" or "wdt", and the ms it took."""
    began = sim.now()
    try:
        execute("main.py")
    except sim.Reset as e:
        return e.args[0], sim.now() - began
    raise AssertionError("the prompt")


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return None


def crashes(how):
    """What the next start counts: a reset that was noted, or the watchdog's bite."""

    class Board:
        def reset_cause(self):
            return {"wdt": "watchdog"}.get(how, how)

    import firmware

    firmware.__path__ = firmware.__file__.rsplit("/", 1)[0]  # what it loads is the node's
    try:
        return _real["firmware.upkeep.safemode"].crashes(
            _real["firmware.upkeep.cause"].find(Board())
        )
    finally:
        firmware.__path__ = "."


class Raises:
    """A module whose every name raises."""

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        raise self.error


class Has:
    def __init__(self, **names):
        for name, value in names.items():
            setattr(self, name, value)


def test_what_run_raises_is_recorded_and_ends_in_a_reset():
    for error in ("MemoryError()", "OSError(5)", "KeyError('bug')", "Exception()"):
        prepare("def run(board):\n    raise %s\n" % error)
        how, ms = main()
        assert how == "reset" and 5000 <= ms < 6000, "time for Ctrl-C"
        assert read("state/reset") == "unforeseen error"
        assert error.split("(")[0] in read("state/crash.txt"), error
        assert 'File "./start.py", line 2, in run' in read("state/crash.txt")
        assert crashes("reset") >= 1


def test_a_crash_after_weeks_is_told_as_one():
    """From day 6.2 on ticks say that it came before the start."""
    prepare("def run(board):\n    board.guard.uptime_s = 950400\n    raise KeyError('bug')\n")
    main()
    assert "950400 s after start" in read("state/crash.txt")


def test_so_does_an_application_that_cannot_be_loaded():
    for source, name in (
        ("def run(:", "SyntaxError"),
        ("import nothing_of_this_name", "ImportError"),
        ("x = 1", "ImportError"),
        ("raise MemoryError", "MemoryError"),
    ):
        prepare(source)
        assert main()[0] == "reset"
        assert name in read("state/crash.txt")


def test_and_a_board_that_cannot_be_made():
    def no_board(guard):
        raise OSError(5, "no radio")

    for module in (Raises(ImportError("damaged")), Raises(MemoryError()), Has(Board=no_board)):
        prepare(hardware_board=module)
        assert main()[0] == "reset"
        assert read("state/crash.txt")
        os.remove("state/crash.txt")


def test_and_a_run_that_comes_back():
    prepare("def run(board):\n    pass\n")
    how, _ = main()
    assert how == "wdt" and crashes(how) == 1


def test_what_cannot_be_recorded_is_told_by_the_watchdog():
    def broken(error, uptime_s):
        raise MemoryError

    for n, modules in enumerate(
        (
            {"hardware_guard": Raises(ImportError("damaged"))},
            {"upkeep_crash": Raises(ImportError("damaged"))},
            {"upkeep_crash": Has(record_crash=broken)},
        )
    ):
        prepare("def run(board):\n    raise KeyError('bug')\n", **modules)
        how, ms = main()
        assert how == "wdt" and ms < 8000, (how, ms)
        assert crashes(how) == n + 1


def test_a_full_flash_keeps_nobody_from_the_reset():
    prepare("def run(board):\n    raise KeyError('bug')\n")
    sim.flash_full = True
    assert main()[0] == "wdt"
    sim.flash_full = False


def test_no_memory_at_all():
    """What modules hold is given back, and the crash recorded; if nothing can be given back it ends in a reset as well."""
    fill = """
import sys
def run(board):
    heap = sys.modules["heap"]
    size = 65536
    while size:
        try:
            while True:
                heap.append(bytearray(size))
        except MemoryError:
            size //= 2
    while True:
        heap.append(bytearray(1))
"""
    prepare(fill)
    sys.modules["heap"] = []
    assert main()[0] == "reset"
    assert "MemoryError" in read("state/crash.txt")
    os.remove("state/crash.txt")
    prepare(fill)
    sys.modules["heap"] = held = []
    how, _ = main()
    n = len(held)
    held.clear()
    gc.collect()
    assert n > 10 and how in ("reset", "wdt")


def test_nothing_is_loaded_at_the_end():
    """There may be no memory for it: the modules that read a file twice were loaded for the number of the boot, and the traceback was lost."""
    prepare("import sys\ndef run(board):\n    sys.path.clear()\n    raise MemoryError\n")
    _real["firmware.files"].write("state/boot", "7012345")
    path = list(sys.path)
    try:
        how, _ = main()
    finally:
        sys.path[:] = path
    kept = read("state/crash.txt")
    os.remove("state/boot")
    assert how == "reset" and kept.startswith("boot 7012345, "), (how, kept)
    assert kept.endswith("MemoryError:"), kept


def test_a_start_that_comes_to_no_end_is_ended_and_counts():
    prepare("import time\ndef run(board):\n    while True:\n        time.sleep(1)\n")
    how, ms = main()
    assert how == "wdt" and 120000 <= ms <= 123000
    assert crashes(how) == 1


def test_ctrl_c_gives_the_prompt_and_time():
    prepare("def run(board):\n    raise KeyboardInterrupt\n")
    prompt()
    # in the pause after a crash
    prepare("def run(board):\n    raise KeyError('bug')\n")
    sim.after(3000, interrupt)
    prompt()
    # while it starts, once the guard is on
    prepare(hardware_board=Raises(KeyboardInterrupt()))
    prompt()


def interrupt():
    raise KeyboardInterrupt


def prompt():
    try:
        execute("main.py")
    except KeyboardInterrupt:
        sim.advance(600000)  # nothing bites
        return
    raise AssertionError("no prompt")


def test_boot_never_keeps_main_from_running():
    for text in (None, "", "{", "[]", "{}", '{"node": 1, "wifi": 2}', '{"wifi": {"networks": 7}}'):
        prepare()
        if text is not None:
            with open("config.json", "w") as f:
                f.write(text)
        execute("boot.py")
        for module in (Raises(ImportError("damaged")), Raises(MemoryError())):
            prepare(hardware_board=module)
            execute("boot.py")
    prepare(hardware_guard=Raises(ImportError("damaged")))
    execute("boot.py")
    sim.advance(600000)  # nothing bites: the guard was stopped


def test_a_boot_that_comes_to_no_end_is_ended():
    with open("config.json", "w") as f:
        f.write("{}")

    def stuck(guard):
        while True:
            sim.sleep(1000)

    prepare(hardware_board=Has(Board=stuck))
    try:
        execute("boot.py")
    except sim.Reset as e:
        assert e.args[0] == "wdt"
    else:
        raise AssertionError("not ended")


def test_ctrl_c_while_it_boots():
    with open("config.json", "w") as f:
        f.write("{}")

    def stopped(guard):
        raise KeyboardInterrupt

    prepare(hardware_board=Has(Board=stopped))
    try:
        execute("boot.py")
    except KeyboardInterrupt:
        sim.advance(600000)
        return
    raise AssertionError("hidden")


def test_the_guard_is_begun_anew_and_ended():
    from firmware.hardware.guard import Guard

    sim.virtual()
    sim.catch_resets()
    guard = Guard()
    guard.begin(10)
    sim.advance(9000)
    guard.begin(20)
    sim.advance(19000)
    guard.end()
    guard.end()
    sim.advance(100000)
    guard.begin(10)
    try:
        sim.advance(11100)
    except sim.Reset as e:
        assert e.args[0] == "wdt"
    else:
        raise AssertionError("no bite")
