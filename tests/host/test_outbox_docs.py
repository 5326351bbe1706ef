"""docs/outbox.md: what it prints runs, its bytes are those of the outbox, and a reader made by its words reads them."""

import ast
import re
import subprocess
import time
from binascii import crc32
from struct import unpack_from

import paho.mqtt.client as paho
import pytest

from sim.broker import Broker
from tools import ROOT, toolchain

PAGE = (ROOT / "docs" / "outbox.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
# The current folder first, as on a board: a folder of the program's is not to hide a library.
HEAD = f"import sys\nsys.path[:] = ['', {str(ROOT / 'lib')!r}, '.frozen']\n"


def micropython(program, folder):
    return subprocess.Popen(
        [*toolchain.micropython(), "-c", HEAD + program],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def output(program, folder):
    process = micropython(program, folder)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 0, said
    return said


def test_the_short_example_runs_as_printed(tmp_path):
    send = "def send(key, data):\n    print(key, data)\n    return {}\n\n\n"
    assert output(send.format(False) + PROGRAMS[0], tmp_path) == "b'attic' b'21.3'\n"
    assert (tmp_path / "queue" / "00000001").exists()  # for later
    assert output(send.format(True) + PROGRAMS[0], tmp_path) == 2 * "b'attic' b'21.3'\n"
    assert not (tmp_path / "queue" / "00000001").exists()


def until(condition):
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)


class Subscriber:
    """Has a session at the broker, which keeps what comes for it."""

    def __init__(self, port):
        self.got = []
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False
        )
        self.client.username_pw_set("me", "secret")
        self.client.on_message = lambda client, data, message: self.got.append(message.payload)
        self.client.on_connect = lambda client, *rest: client.subscribe("attic/#", 2)
        self.client.reconnect_delay_set(0.1, 0.2)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def until(self, n):
        until(lambda: len(self.got) >= n)
        assert len(self.got) >= n, self.got


@pytest.mark.system
def test_the_long_example_delivers_each_reading_once(tmp_path):
    """Changed: the broker's address, a reading every 50 ms instead of 10 s, and its value is its number.

    It is killed between two passes: in the middle of a write this machine's file system leaves half a file, where littlefs does
    not. Cuts at every write are in tests/device/outbox/test_cuts.py.
    """
    program = PROGRAMS[1]
    for old, new, times in (
        ('"192.168.1.2"', '"127.0.0.1", {port}', 1),
        ('b"21.3"', "count()", 1),
        ("10_000", "50", 1),
        ("sleep_ms(2000)", "sleep_ms(100)", 1),
        ("sleep_ms(20)", "pause()", 1),
    ):
        assert program.count(old) == times, old
        program = program.replace(old, new)
    count = (
        "import os\n\n\n"
        "def count():\n"
        "    try:\n        with open('count') as f:\n            n = int(f.read()) + 1\n"
        "    except OSError:\n        n = 1\n"
        "    with open('count', 'w') as f:\n        f.write(str(n))\n"
        "    return b'%d' % n\n\n\n"
        "def pause():\n"
        "    if 'halt' in os.listdir():\n        os.rename('halt', 'halted')\n"
        "    while 'halted' in os.listdir():\n        sleep_ms(20)\n"
        "    sleep_ms(20)\n\n\n"
    )

    def cut(process):
        (tmp_path / "halt").touch()
        until(lambda: (tmp_path / "halted").exists() or process.poll() is not None)
        process.kill()
        said, _ = process.communicate()
        assert (tmp_path / "halted").exists(), said
        (tmp_path / "halted").unlink()

    with Broker(tmp_path / "broker", users={"me": "secret"}, persistent=True) as broker:
        program = count + program.replace("{port}", str(broker.port))
        subscriber = Subscriber(broker.port)
        try:
            for round_ in range(3):
                process = micropython(program, tmp_path)
                subscriber.until(len(subscriber.got) + 20)
                if round_ == 1:
                    broker.stop()
                    time.sleep(1)
                    broker.start()
                    subscriber.until(len(subscriber.got) + 20)
                cut(process)
            broker.restart()
            process = micropython(program, tmp_path)
            subscriber.until(len(subscriber.got) + 20)
            cut(process)
        finally:
            subscriber.client.loop_stop()
    numbers = [int(payload) for payload in subscriber.got]
    assert numbers == sorted(set(numbers))  # each once, in order
    # what was in RAM only when the process was killed was never handed out
    assert len(numbers) >= max(numbers) - 4


def dumps():
    """The page's hexadecimal dumps, in order."""
    for block in re.findall(r"```\n(0000  .*?)```", PAGE, re.DOTALL):
        yield bytes.fromhex("".join(line[6:] for line in block.splitlines()))


EXAMPLE = """
from outbox import Outbox

outbox = Outbox("queue")
outbox.append(b"attic", b"21.3", 0)
outbox.append(b"door", b"open", 0, qos=2)
outbox.append(b"lamp", b"on", 0, latest=True)
outbox.sync(0)
first = outbox.peek(0)
outbox.take(first, 0)
second = outbox.peek(0)
outbox.take(second, 0)
outbox.release([second], 0)
outbox.drop(first, 0)
outbox.sync(0)
print(hex(second.pid))
"""


def test_the_example_has_the_bytes_of_the_page(tmp_path):
    assert output(EXAMPLE, tmp_path) == "0x8002\n"
    segment, state = dumps()
    assert (tmp_path / "queue" / "00000001").read_bytes() == segment
    assert (tmp_path / "queue" / "state").read_bytes() == state
    (_, crc, *_), (_, crc2, *_) = frames(segment)
    assert f"{crc:#x}" in PAGE and f"{crc2:#x}" in PAGE
    assert f"{unpack_from('<I', state)[0]:#x} of the {len(state) - 4} bytes" in PAGE


def frames(data, at=0):
    """By the page's words: yield (offset, CRC, flags, number, key, data) of every sound frame."""
    while at < len(data):
        if data[at] == 0xB5 and at + 12 <= len(data):
            flags, length, number, crc = unpack_from("<xBHII", data, at)
            body = data[at + 12 : at + 12 + length]
            if len(body) == length and crc32(body, crc32(data[at : at + 8], at)) == crc:
                yield at, crc, flags, number, body[1 : 1 + body[0]], body[1 + body[0] :]
                at += 12 + length
                continue
        at += 1


def queue(folder):
    """By the page's words: what an undamaged outbox holds, as (key, data, QoS, packet id, released)."""
    try:
        state = (folder / "state").read_bytes()
    except FileNotFoundError:
        state = b""
    done, released, newest = [], set(), []
    if state:
        crc, length, version, ranges, count, _, _ = unpack_from("<IHHHHII", state)
        assert version == 2 and crc32(state[4:length]) == crc
        done = [unpack_from("<II", state, 24 + 8 * i) for i in range(ranges)]
        at = 24 + 8 * ranges
        released = {unpack_from("<I", state, at + 4 * i)[0] for i in range(count)}
        newest = list(frames(state[:length], at + 4 * count))
    found = []
    for path in sorted(folder.glob("[0-9a-f]" * 8)):
        for _, _, flags, number, key, data in frames(path.read_bytes()):
            if not any(first <= number <= last for first, last in done):
                pid = 0x8000 | number & 0x3FFF
                found.append((key, data, flags & 3, pid, number in released))
    for _, _, flags, number, key, data in newest:
        found.append((key, data, flags & 3, 0xC000 | number & 0x3FFF, bool(flags & 8)))
    return found


LIFE = """
from outbox import Outbox

outbox = Outbox("queue", limit=8192)
for i in range({n}):
    outbox.append(b"k%d" % (i % 7), b"%d" % i * (i % 30), 0, qos=1 + (i % 3 == 0), latest=i % 5 == 0)
    if i % 4 == 0:
        record = outbox.peek(0)
        outbox.take(record, 0)
        if record.qos == 2:
            outbox.release([record], 0)
        if i % 12:
            outbox.drop(record, 0)
outbox.sync(0)
for r in Outbox("queue", limit=8192):
    print((r.key, r.data, r.qos, r.pid, r.released or r.number in outbox.state.released and not r.latest))
"""


@pytest.mark.parametrize("n", [0, 3, 30, 400])
def test_a_reader_made_by_the_page_reads_what_the_outbox_does(tmp_path, n):
    said = output(LIFE.format(n=n), tmp_path)
    assert queue(tmp_path / "queue") == [ast.literal_eval(line) for line in said.splitlines()]


def public_names():
    """Methods, attributes and arguments of Outbox, and of Record."""
    for file, name in (("__init__.py", "Outbox"), ("log.py", "Record")):
        tree = ast.parse((ROOT / "lib" / "outbox" / file).read_text())
        (made,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
        for node in made.body:
            if isinstance(node, ast.FunctionDef):
                yield node.name
                if node.name in ("__init__", "append") and name == "Outbox":
                    yield from (a.arg for a in node.args.args)
        for node in ast.walk(made):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield node.attr
            # what __getattr__ knows
            if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name):
                yield from (n.value for n in node.comparators if isinstance(n, ast.Constant))


def test_all_of_the_outbox_is_described():
    names = {str(name) for name in public_names()}
    names = {name for name in names if name.isidentifier() and not name.startswith("_")}
    assert {"append", "peek", "unrelease", "sync_ms", "superseded", "released"} <= names
    # of objects within
    inner = {"self", "log", "state", "backlog", "recent", "body", "flags", "number", "at", "next"}
    inner |= {"frame_bytes", "next_slot"}
    code = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", PAGE))))
    assert names - inner <= code, sorted(names - inner - code)


def test_every_file_is_named():
    section = PAGE.partition("## The files")[2]
    named = set(re.findall(r"`(\w+\.py)`", section))
    assert named == {path.name for path in (ROOT / "lib" / "outbox").glob("*.py")}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
