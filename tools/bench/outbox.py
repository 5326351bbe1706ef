"""`make bench-outbox`: what lib/outbox writes, keeps and takes, on a real littlefs of both boards' geometry.

Prints the tables of docs/performance.md. outbox_probe.py is what MicroPython runs. All but the times is counted, and the
same on every machine.
"""

import datetime
import subprocess
import tempfile
from pathlib import Path

from tools import CommandError, mpy, toolchain
from tools.bench import size

PROBE = "outbox_probe"
BOARDS = {"esp32": "ESP32", "pico_w": "Pico W"}
BLOCKS = {"esp32": 512, "pico_w": 212}  # of 4 KiB: the file system
CYCLES = 100_000  # erases a sector of NOR flash stands, by its data sheet
ROWS = (
    # measure of the probe, title
    ("online", "online, QoS 1"),
    ("online-0", "online, QoS 1, `sync_ms=0`"),
    ("online-2", "online, QoS 2"),
    ("online-2-long", "online, QoS 2, data of 150 B"),
    ("offline", "offline, 1 a second"),
    ("offline-60", "offline, 1 a second, `sync_ms=60000`, `ram=20000`"),
    ("offline-8-at-once", "offline, 8 a minute, all at once"),
    ("offline-8", "offline, 8 a minute, each by itself"),
    ("offline-0", "offline, `sync_ms=0`"),
    ("drain", "a backlog of 1,000 delivered in 2 s, QoS 1"),
    ("drain-2", "the same, QoS 2, PUBRECs by twenties"),
)
LIVES = (
    # measure, readings a day, title
    ("offline", 86_400, "1 a second"),
    ("offline-60", 86_400, "1 a second, `sync_ms=60000`, `ram=20000`"),
    ("offline-8", 11_520, "8 a minute, each by itself"),
    ("offline-8-at-once", 11_520, "8 a minute, all at once"),
    ("offline-8", 1_440, "1 a minute"),
)


def add_arguments(parser):
    pass


def run(args):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mpy.compile_tree(folder)
        mpy.compile_file(
            Path("tools/bench", PROBE).with_suffix(".py"), folder / "lib" / (PROBE + ".mpy")
        )
        counts = {
            (board, measure): probe(folder, board, measure)
            for board in BOARDS
            for measure, _ in ROWS
        }
        print(circumstances(), end="\n\n")
        head = [
            f"{board} {what}" for board in BOARDS.values() for what in ("erases", "writes", "B")
        ]
        print_table(["a reading", *head], [[title, *costs(counts, m)] for m, title in ROWS])
        print_table(["years, offline for ever", *BOARDS.values()], list(lives(counts)))
        print_table(["", *BOARDS.values()], [*memory(folder), *starts(folder)])
    return 0


def circumstances():
    version = "import sys; print('MicroPython %d.%d.%d' % sys.implementation[1][:3])"
    words = [*toolchain.micropython(), "-c", version]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    today = datetime.date.today()
    return f"{today.day} {today:%B %Y}, {told} ({toolchain.bits()}-bit unix port)"


def probe(folder, board, measure):
    """Run the probe. Return the numbers it printed."""
    done = subprocess.run(
        [*toolchain.micropython("8m"), "-m", PROBE, board, measure],
        env={"MICROPYPATH": f"{folder / 'lib'}:.frozen"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise CommandError(f"{measure} on {board}: {(done.stderr or done.stdout).strip()}")
    return [int(word) for word in done.stdout.split()]


def costs(counts, measure):
    """Erases, write calls and bytes of one reading, for each board."""
    for board in BOARDS:
        writes, written, erases, readings = counts[board, measure]
        yield shown(erases / readings)
        yield shown(writes / readings)
        yield f"{round(written / readings):,}"


def lives(counts):
    for measure, a_day, title in LIVES:
        row = [title]
        for board, blocks in BLOCKS.items():
            _, _, erases, readings = counts[board, measure]
            row.append(f"{years(blocks, erases / readings, a_day):,.0f}")
        yield row


def years(blocks, erases, a_day):
    """How long the free half of a file system lasts, to whose blocks littlefs spreads the erases of a reading."""
    return blocks / 2 * CYCLES / (erases * a_day * 365)


def memory(folder):
    heap = size.kept(folder)
    files = sorted((folder / "lib" / "outbox").glob("*.mpy"))
    names = [mpy.module_name(path.relative_to(folder)) for path in files]
    kept = sum(heap[name] for name in names)
    yield ["modules: heap, B", *[f"{kept:,}"] * 2]
    yield ["modules: flash, .mpy, B", *[f"{sum(p.stat().st_size for p in files):,}"] * 2]
    numbers = [probe(folder, board, "ram") for board in BOARDS]
    titles = (
        "an open outbox: heap, B",
        "the same, full to 128 KiB: heap, B",
        "a record in RAM, of 102 B: heap, B",
    )
    for title, row in zip(titles, zip(*numbers, strict=True), strict=True):
        yield [title, *[f"{number:,}" for number in row]]


def starts(folder):
    for measure, title in (("start-128", "128 KiB"), ("start-1024", "1 MiB")):
        runs = {}
        for board, blocks in BLOCKS.items():
            if blocks > 256 or measure == "start-128":
                # the quickest of three: another process may have been in the way
                runs[board] = min((probe(folder, board, measure) for _ in range(3)), key=second)
        for what, of in (
            ("records", lambda n: f"{n[0]:,}"),
            ("time to open it, beside reading its files", lambda n: f"{n[1] / n[4]:.1f} times"),
            ("time to open it on this PC, ms", lambda n: f"{n[1] / 1000:.0f}"),
            ("read calls to open it, beside reading its files", lambda n: f"{n[2]:,} / {n[5]:,}"),
            (
                "KiB read to open it, beside reading its files",
                lambda n: f"{n[3] >> 10:,} / {n[6] >> 10:,}",
            ),
        ):
            cells = [of(runs[board]) if board in runs else "–" for board in BLOCKS]  # noqa: RUF001
            yield [f"full to {title}: {what}", *cells]


def second(numbers):
    return numbers[1]


def shown(number):
    return "0" if not number else f"{number:.2f}" if number >= 0.1 else f"{number:.3f}"


def print_table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()
