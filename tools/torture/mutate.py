"""Small mutants of a device module against its tests: each changes one thing, and one that no test notices survives.

All happens in a copy of the checkout. Not every survivor is a missing test: some mutants do what the original does.
"""

import ast
import copy
import difflib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.progress import track

from tools import ROOT, CommandError, mpy, processes

_PAIRS = (
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.Is, ast.IsNot),
    (ast.In, ast.NotIn),  # codespell:ignore
    (ast.Add, ast.Sub),
    (ast.And, ast.Or),
)
FLIPS = dict(_PAIRS) | {there: here for here, there in _PAIRS}
_LEFT_OUT = (".git", ".venv", ".toolchain", ".sim", ".build", "__pycache__", ".*_cache")
_LINKED = (".venv", ".toolchain")


def add_arguments(parser):
    parser.add_argument("file", type=Path, help="device module, as lib/mqtt/deadlines.py")
    parser.add_argument(
        "--tests",
        help="test files, with commas (else those named after it, and the device tests that import it)",
    )


def run(args):
    if args.file == Path():
        raise CommandError("which module? FILE= is missing, as in FILE=lib/mqtt/deadlines.py", 2)
    path = args.file.resolve() if args.file.is_absolute() else args.file
    path = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    if path not in mpy.sources():
        wrong = "is no module of the device" if (ROOT / path).exists() else "no such file"
        raise CommandError(f"{path}: {wrong}; give one, as lib/mqtt/deadlines.py", 2)
    tests = args.tests.split(",") if args.tests else found_tests(path)
    for test in tests:
        place = ROOT / test.partition("::")[0]
        if not place.is_file():
            wrong = f"{test} is a folder" if place.is_dir() else f"there is no {test}"
            raise CommandError(
                f"{wrong}: TESTS= takes files, as tests/device/outbox/test_outbox.py", 2
            )
    source = (ROOT / path).read_text()
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        root = Path(folder) / "outpost"
        copy_tree(root)
        began = time.monotonic()
        if not passes(root, tests, 600):
            raise CommandError(f"the tests fail without a mutant: {' '.join(tests)}")
        limit = 10 + 5 * (time.monotonic() - began)
        all_of_them = list(mutants(source))
        survivors = 0
        for line, mutant in track(all_of_them, f"{path}: {len(all_of_them)} mutants"):
            (root / path).write_text(mutant)
            if passes(root, tests, limit):
                survivors += 1
                print(f"{path}:{line} survives\n{difference(source, mutant)}", flush=True)
    print(f"{len(all_of_them)} mutants, {survivors} survive {' '.join(tests)}")
    return 1 if survivors else 0


def found_tests(path):
    """The device tests that import the module or are named after it; else those of the modules that import it."""
    tests = sorted((ROOT / "tests/device").rglob("test_*.py"))
    seen, modules = set(), {path}
    while modules:
        found = [
            str(test.relative_to(ROOT))
            for test in tests
            if any(
                test.stem == f"test_{module.stem}" or imports(test, module) for module in modules
            )
        ]
        if found:
            return found
        seen |= modules
        others = [source for source in mpy.sources() if source not in seen]
        modules = {s for s in others if any(imports(ROOT / s, module) for module in modules)}
    raise CommandError(f"no device test imports {mpy.module_name(path)}: name some with TESTS=")


def imports(file, module):
    """Does a Python file name the module in an import?"""
    dotted = mpy.module_name(module)
    package, _, name = dotted.rpartition(".")
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            if dotted in {alias.name for alias in node.names}:
                return True
        elif isinstance(node, ast.ImportFrom):
            if node.module == dotted:
                return True
            if package and node.module == package and name in {a.name for a in node.names}:
                return True
    return False


def copy_tree(root):
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
    for name in _LINKED:
        (root / name).symlink_to((ROOT / name).resolve())


def passes(root, tests, seconds):
    """Do the tests pass? One that takes too long fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    process = processes.start(
        command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        processes.kill(process)  # after Ctrl-C, too


def mutants(source):
    """Yield (line, source with one change)."""
    lines = source.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
    data = source.encode()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.expr, ast.stmt)):
            continue  # it has no place of its own
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        for text in changes(node):
            mutant = data[:begin] + text.encode() + data[end:]
            if mutant != data:  # `return None` is one of the changes
                yield node.lineno, mutant.decode()


def changes(node):
    """Yield the texts that may stand in place of a node."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in FLIPS:
        yield with_changed(node, ops=[FLIPS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in FLIPS:
        yield with_changed(node, op=FLIPS[type(node.op)]())
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield from (str(node.value + 1), f"({node.value - 1})")
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield str(not node.value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "return None"
    elif isinstance(node, ast.Assign | ast.AugAssign | ast.Raise) or (
        isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
    ):
        yield "pass"


def with_changed(node, **fields):
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return f"({ast.unparse(changed)})"


def difference(source, mutant):
    lines = difflib.unified_diff(source.splitlines(), mutant.splitlines(), n=0, lineterm="")
    return "\n".join("  " + line for line in list(lines)[3:])
