"""`make size`: what each device module costs, and the difference to the last report.

flash: bytes of the compiled module. heap: bytes it keeps once imported, its own imports not counted, in the 32-bit
MicroPython with the fakes in place of the hardware (a board's objects are as large). The table of names grows in
steps; each name counts as its share of a table that is full.
"""

import ast
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from tools import ROOT, CommandError, mpy, shell, tables, toolchain
from tools.image import image

REPORT = ROOT / ".build" / "size.json"
FAKES: tuple[str, ...] = (
    "machine",
    "network",
    "esp32",
    "onewire",
    "dht",
    "socket",
    "select",
    "time",
    "os",
)
FAKES += ("_machine_clock", "_machine_more", "_machine_pin")  # which the others load late

# One process imports them all, and what a module imports is measured by itself. A package, and a module that is taken from one, is
# loaded without __import__: both are asked for first. The plain one knows what a relative name is relative to, but not from here.
PROGRAM = """\
import builtins, gc, micropython, sys
sys.path[:] = {path}
import {fakes}
modules = {modules}
plain = __import__
begun = []
def report(what, name):
    gc.collect()
    print(what, name, gc.mem_alloc(), end=" ")
    micropython.qstr_info()
def load(name):
    if name in modules and name not in sys.modules:
        load(name.rpartition(".")[0])
        report("begin", name)
        begun.append(name)
        plain(name)
        begun.pop()
        report("end", name)
def measured(name, globals=None, locals=None, names=None, level=0):
    if level:
        package = begun[-1].rpartition(".")[0]
        name = package + "." + name if name else package
    load(name)
    for each in names or ():
        load(name + "." + each)
    del builtins.__import__
    try:
        return plain(name, globals, locals, names, 0)
    finally:
        builtins.__import__ = measured
builtins.__import__ = measured
for name in modules:
    load(name)
"""
LINE = re.compile(
    r"(?P<what>begin|end) (?P<name>\S+) (?P<heap>\d+) qstr pool: n_pool=\d+, n_qstr=(?P<names>\d+), "
    r"n_str_data_bytes=(?P<text>\d+), n_total_bytes=(?P<total>\d+)"
)
IMAGE = 176 * 1024  # bytes that it may have
ENTRY = 6  # bytes of a name in the table: its address, hash and length


def add_arguments(parser):
    parser.add_argument("--no-save", action="store_true", help="keep the last report as it is")
    parser.add_argument("--json", action="store_true", help="print it as JSON, in bytes")


def run(args):
    try:
        last = json.loads(REPORT.read_text())
    except (FileNotFoundError, ValueError):
        last = {}
    report = measure()
    whole = len(image.build().data)
    if args.json:
        print(json.dumps({"image": whole, "modules": report}, indent=1))
    else:
        tables.show(table(report, last))
        shell.say(f"the image: {whole:,} bytes (wanted: at most {IMAGE:,})")
    if not args.no_save:
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(json.dumps(report, indent=1))
    return 0


def measure():
    """{file: [flash, heap]}; heap is None for what is started, not imported."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mpy.compile_tree(folder)
        heap = kept(folder)
        report = {}
        for source in mpy.sources():
            compiled = folder / source.with_suffix(".mpy")
            size = (compiled if compiled.exists() else folder / source).stat().st_size
            report[str(source)] = [size, heap.get(mpy.module_name(source))]
    return report


def kept(folder):
    """{module: bytes of heap}."""
    path = [str(ROOT / "sim" / "board"), str(folder), str(folder / "lib"), ".frozen"]
    # in the same order each time, so that two reports differ by the code alone
    program = PROGRAM.format(path=path, fakes=", ".join(FAKES), modules=sorted(imports()))
    done = subprocess.run(
        # room for all modules at once, which no node needs
        [*toolchain.micropython("1m"), "-c", program],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={"OUTPOST_BOARD": "esp32", "PATH": os.defpath},
        timeout=60,
    )
    if done.returncode:
        raise CommandError(f"a module does not import: {(done.stderr or done.stdout).strip()}")
    sizes: dict[str, int] = {}
    # Of each import under way: the heap when it began, and what its own imports have taken meanwhile.
    begun: list[list[int]] = []
    for match in LINE.finditer(done.stdout):
        heap, names, text, total = (int(match[key]) for key in ("heap", "names", "text", "total"))
        heap += names * ENTRY - (total - text)
        if match["what"] == "begin":
            begun.append([heap, 0])
            continue
        before, others = begun.pop()
        sizes[match["name"]] = heap - before - others
        if begun:
            begun[-1][1] += heap - before
    return sizes


def imports():
    """{module: the device's modules it imports, sorted}."""
    modules = {
        mpy.module_name(source): source
        for source in mpy.sources()
        if str(source) not in mpy.STARTED
    }
    graph = {}
    for name, source in modules.items():
        package = name.rpartition(".")[0]
        graph[name] = {package} & modules.keys()  # importing a module imports its package
        for node in ast.parse((ROOT / source).read_bytes()).body:
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & modules.keys()
            elif isinstance(node, ast.ImportFrom):
                near = name.split(".")[: -node.level] if node.level else []  # `from . import x`
                origin = ".".join([*near, *filter(None, [node.module])])
                found = {origin} | {f"{origin}.{alias.name}" for alias in node.names}
                graph[name] |= found & modules.keys()
    return {name: sorted(needs) for name, needs in graph.items()}


def table(report, last):
    rows = []
    total, before = [0, 0], [0, 0]
    for name, (flash, heap) in sorted(report.items()):
        old = last.get(name, [0, 0])
        rows.append(
            (
                name,
                number(flash),
                change(flash, old[0], last),
                number(heap),
                change(heap, old[1], last),
            )
        )
        total = [total[0] + flash, total[1] + (heap or 0)]
    for flash, heap in last.values():
        before = [before[0] + flash, before[1] + (heap or 0)]
    for name in sorted(last.keys() - report.keys()):
        rows.append(
            (name, "gone", change(0, last[name][0], last), "", change(0, last[name][1], last))
        )
    rows.append(
        (
            "all",
            number(total[0]),
            change(total[0], before[0], last),
            number(total[1]),
            change(total[1], before[1], last),
        )
    )
    return tables.table(("", "flash", "", "heap", ""), rows, right=(1, 2, 3, 4))


def number(value):
    return "" if value is None else f"{value:,}"


def change(value, old, last):
    """The difference, nothing where there is none or nothing to compare with."""
    difference = (value or 0) - (old or 0)
    return f"{difference:+,}" if last and difference else ""
