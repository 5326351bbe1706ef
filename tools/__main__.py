"""Entry of the host commands. A command is one row here and one module.

Modules are imported only when their command is called: `setup` runs before any library is installed.
"""

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # A Ctrl-C while all is still being loaded ends it at once: there is nothing to undo, and nothing to say.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import difflib
import errno
import importlib
import os
import re
import shlex
import sys
from pathlib import Path

from tools import BY_MAKE, ROOT, CommandError, Stopped, said

# A table, one command a row:
# fmt: off
COMMANDS = {
    # name           module                       what it does
    "setup":        ("tools.setup.setup",         "bring everything the other commands need"),
    "run":          ("tools.simulate.simulate",   "a node on a simulated board, a real broker, and what it publishes"),
    "config":       ("tools.boards.writeconfig",  "write a config.json to begin with, for a board and its sensors"),
    "check-config": ("tools.settings.check",      "check a config.json"),
    "deploy":       ("tools.boards.deploy",       "put the firmware and the settings of a node on a board, or on several"),
    "provision":    ("tools.boards.provision",    "ask for a node's network, broker and name, try them, write them"),
    "image":        ("tools.image.command",       "make the image: all that a board runs, in one file; or that and MicroPython"),
    "names":        ("tools.image.names",         "make the list of names that our own MicroPython has in its flash"),
    "flash":        ("tools.boards.flash",        "put MicroPython on a board"),
    "scan":         ("tools.boards.scan",         "find the sensors on a board's pins, and their lines for config.json"),
    "board":        ("emulator.emulator",         "an emulated Raspberry Pi Pico, its serial port on TCP"),
    "micropython":  ("emulator.micropython",      "build Outpost's own MicroPython for a board"),
    "watch":        ("tools.simulate.watch",      "subscribe to what the nodes of config.json publish"),
    "logs":         ("tools.boards.logs",         "show what a board prints"),
    "repl":         ("tools.boards.repl",         "open a board's REPL"),
    "reference":    ("tools.reference.reference", "make the files that come from the tables of settings and sensors"),
    "bench":        ("tools.bench.bench",         "the MQTT client beside others, on one broker"),
    "bench-heap":   ("tools.bench.heap_slots",    "what a node keeps on the heap, by what it runs: loose files, or an image"),
    "bench-outbox": ("tools.bench.outbox",        "what the outbox writes, keeps and takes, on a littlefs"),
    "bench-drain":  ("tools.bench.drain",         "how fast a node drains its outbox after an outage"),
    "torture":      ("tools.torture.torture",     "cut a node from its broker and its power, and count what arrives"),
    "dst":          ("tools.torture.dst",         "run a simulated node through random faults; a seed repeats a run exactly"),
    "mutate":       ("tools.torture.mutate",      "change a device module in small ways, and see which of them its tests notice"),
    "heap":         ("tools.bench.heap_measure",  "measure what check-config estimates a node's RAM by"),
    "size":         ("tools.bench.size",          "flash and RAM each device module takes"),
}
# fmt: on

_OLDEST = (3, 11)


def meant(word, known):
    """Return which of the known a word was probably meant for, as a question, or "". Other digits are another chip's."""
    word = word.lower()
    digits = [name for name in known if re.sub(r"\D", "", name) == re.sub(r"\D", "", word)]
    near = difflib.get_close_matches(word, digits, 1)
    return f"did you mean {near[0]}?" if near else ""


class Parser(argparse.ArgumentParser):
    """One line for what was typed wrong, in the words it was typed in."""

    def error(self, message):
        found = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if found:
            known = re.findall(r"[\w-]+", found[2])
            message = message[: found.start()] + f"{found[1]} is not supported, "
            message += meant(found[1], known) or "give one of " + ", ".join(known)
        if os.environ.get(BY_MAKE):
            message = re.sub(
                r"(?:argument )?--([a-z-]+):?( (?=\S+ is not supported))?",
                lambda name: f"{name[1].upper().replace('-', '_')}=",
                message,
            )
        self.exit(2, f"error: {message}\n")


def main(argv=None):
    return answer("python -m tools", "Outpost's host commands.", COMMANDS, argv)


def answer(program, text, table, argv=None):
    """Run the command that argv names, of a table like COMMANDS. Returns the exit code. program, text: for its help."""
    argv = sys.argv[1:] if argv is None else argv
    if sys.version_info < _OLDEST:
        have = ".".join(str(number) for number in sys.version_info[:2])
        print(f"error: Python 3.11 or newer is needed, this is {have}", file=sys.stderr)
        return 1
    parser = Parser(prog=program, description=text)
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, (module, what) in table.items():
        command = commands.add_parser(
            name, help=what, description=what[0].upper() + what[1:] + "."
        )
        if argv and argv[0] == name:
            chosen = importlib.import_module(module)
            chosen.add_arguments(command)
    args = parser.parse_args(argv)

    # a terminal that closes and a plain kill are a Ctrl-C: `finally` and `with` run, children are stopped
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), _stop)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(
            stream, "reconfigure"
        ):  # a terminal that lacks a letter, as on Windows, shows a `?`
            stream.reconfigure(errors="replace")
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return answered(lambda: chosen.run(args))


def answered(run):
    """Return the exit code of a command; what its user must hear, or ends it, is one line at most."""
    try:
        return run()
    except CommandError as e:
        print(f"error: {said(str(e))}", file=sys.stderr)
        return e.code
    except KeyboardInterrupt as e:
        if not isinstance(e, Stopped):
            print("\nstopped", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `make … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as e:
        told = of_the_machine(e)
        if not told:
            raise
        print(f"error: {told}", file=sys.stderr)
        return 1


def of_the_machine(error):
    """Return what to tell of an OSError that is no fault of ours: rights, a full disk. None: it may be one."""
    path = error.filename
    if path is None:
        return None
    if error.errno == errno.ENOSPC:
        return f"no space is left for {path}"
    if error.errno == errno.EROFS:
        return f"{path} cannot be written: its file system is read-only"
    if error.errno not in (errno.EACCES, errno.EPERM):
        return None
    told = f"you may not use {path}"
    if Path(path).is_relative_to(ROOT):
        told += f": if this checkout was set up with sudo, sudo chown -R $USER {shlex.quote(str(ROOT))}"
    return told


def _stop(number, frame):
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
