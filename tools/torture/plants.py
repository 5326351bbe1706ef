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
    more: tuple = ()  # (file, old, new) that belong to it


PLANTS = {
    # time
    "ticks_wifi": Plant(
        "firmware/link/wifi.py",
        "elapsed = uptime - self.since",
        "elapsed = " + WRAP.format("uptime - self.since"),
        5,
        "no reading for",
    ),
    "ticks_uplink": Plant(
        "firmware/link/uplink.py",
        "if online and uptime - self.since >= self.wait:",
        f"if online and {WRAP.format('uptime - self.since')} >= self.wait:",
        50,
        "no reading for",
    ),
    "sntp_20_years": Plant(
        "firmware/link/sntp.py",
        "if (at_once and not alone) or self._confirmed(server, offset, 2 if sure else _SAME):",
        "if True:",
        26,
        "ts is",
    ),
    "sntp_no_floor": Plant(
        "firmware/link/sntp.py",
        "if ahead < 0:",
        "if False:",
        52,
        "ts is",
    ),
    "sntp_any_answer": Plant("firmware/link/sntp.py", " or data[24:32] != nonce", "", 13, "ts is"),
    "sntp_anybody": Plant(
        "firmware/link/sntp.py", "if tuple(peer[:2]) == self._peer:", "if True:", 7, "ts is"
    ),
    "sntp_any_age": Plant(
        "firmware/link/sntp.py", "if age > _SLOW_MS << self._slow:", "if False:", 106, "ts is"
    ),
    "ticks_health": Plant(
        "firmware/app.py",
        "if uptime - self._health_since >= self.health_wait:",
        f"if {WRAP.format('uptime - self._health_since')} >= self.health_wait:",
        1,
        "no health",
    ),
    "times_of_four_boots": Plant(
        "firmware/readings/boots.py", "_LINES = const(128)", "_LINES = const(4)", 29, "has no time"
    ),
    "time_not_noted": Plant(
        "firmware/readings/earlier.py",
        "boots.note(boot, starts.origin, first)",
        "pass",
        14,
        "has no time",
    ),
    "first_time_stays": Plant(
        "firmware/readings/__init__.py",
        "if before is None or abs(before - origin) > _WRONG_MS + uptime // 10000:",
        "if before is None:",
        79,
        "ts is",
    ),
    "wrong_stamp_stays": Plant(
        "firmware/readings/__init__.py",
        "or abs(ts - origin - at) <= _WRONG_MS + at // 10000",
        "or True",
        79,
        "ts is",
    ),
    # identity
    "boot_from_1": Plant(
        "firmware/readings/bootcount.py",
        "boot = max(n, last) + 1 if n else _drawn(last)",
        "boot = max(n or 0, last) + 1",
        58,
        "stands for two",
    ),
    "renamed_records": Plant(
        "firmware/readings/boots.py",
        "prefix = name or prefix",
        "prefix = None",
        91,
        "under the name",
    ),
    "qos_of_the_day": Plant(
        "firmware/readings/__init__.py",
        "qos = record.qos if channel is None else channel.qos",
        "qos = record.qos",
        14,
        "a new exchange of QoS",
    ),
    "rival_unseen": Plant(
        "firmware/link/namesake.py",
        "        if self.other != other:",
        "        if False:",
        15,
        "two boards",
    ),
    # brokers
    "never_suspects": Plant(
        "firmware/link/culprit.py",
        "if brokers.ended < _ENDED and not (limits and limits.suspects):",
        "if True:",
        9,
        "no reading for",
    ),
    "never_lowers_qos": Plant(
        "firmware/limits/limits.py",
        "if qos == 2 and self.qos == 2 and lesser:",
        "if False:",
        9,
        "no reading for",
    ),
    "one_failure_proves": Plant(
        "firmware/limits/suspects.py",
        "_PROVEN = const(2)",
        "_PROVEN = const(1)",
        56,
        "an ill broker",
    ),
    "pubcomp_never_late": Plant(
        "firmware/limits/suspects.py",
        "self._releases += 1 if self.limits.answers.wait_longer(uptime) else _STRIKES",
        "self._releases += _STRIKES",
        69,
        "no QoS 2",
    ),
    "retained_before_status": Plant(
        "firmware/limits/retries.py",
        "elif not item and (each[0] != RETAIN or not self._is_barred()):",
        "elif not item:",
        762,
        "status is",
    ),
    "sets_aside_nowhere": Plant(
        "firmware/readings/aside.py",
        "if not delivery.aside.take(record, delivery.uplink.why, now):",
        "if False:",
        3000142,
        "lost",
    ),
    "released_at_another_broker": Plant(
        "firmware/link/connecting.py",
        "(uplink.identity, uplink.client.client_id, uplink.broker)",
        '(uplink.identity, uplink.client.client_id, "")',
        42,
        "lost",
    ),
    "inherited_exchanges": Plant(
        "firmware/link/connecting.py",
        "anew=not clean and uplink.session != _owner(uplink)",
        "anew=not clean and uplink.session not in (None, _owner(uplink))",
        3,
        "lost",
    ),
    "unrelease_forgotten": Plant(
        "firmware/readings/__init__.py",
        "done = self.outbox.unrelease(now)",
        "done = True",
        68,
        "lost",
    ),
    "earlier_start_and_live": Plant(
        "firmware/readings/__init__.py",
        "if boot != self.boot or uptime - at > self.live_ms:",
        "if uptime - at > self.live_ms:",
        23,
        "came live",
    ),
    "late_and_live": Plant(
        "firmware/readings/__init__.py",
        "if boot != self.boot or uptime - at > self.live_ms:",
        "if boot != self.boot:",
        4,
        "came live",
    ),
    "in_flight_stays_live": Plant(
        "firmware/readings/__init__.py",
        "withdraw.late(self, self.clock.uptime_ms(now), pids is None, forgotten)",
        "pass",
        149,
        "came live",
    ),
    "overtaken_and_live": Plant(
        "firmware/readings/__init__.py",
        "newest is not None and seq < newest",
        "False",
        32,
        "after a newer one",
    ),
    "number_of_an_old_reading": Plant(
        "firmware/readings/__init__.py",
        "        record.unload()  # the client has the message\n",
        "        if self.values and record.key in self._channels:\n"
        "            self.values.take(self._channels[record.key], payload.members(record))\n        record.unload()\n",
        4,
        "a newer one",
    ),
    "acknowledged_when_sent": Plant(
        "firmware/readings/__init__.py",
        "        self.outbox.take(record, now, 0 if late else qos)\n",
        "        self.outbox.take(record, now, 0 if late else qos)\n        self.outbox.drop(record, now)\n",
        31,
        "lost",
    ),
    "released_unwritten": Plant(
        "lib/outbox/__init__.py",
        "released.append(number)\n        return self._save(now)",
        "released.append(number)\n        return True",
        12,
        "twice",
    ),
    "pid_not_the_records": Plant(
        "firmware/readings/__init__.py",
        "pid = record.pid if qos == 2 else 0",
        "pid = 0",
        12,
        "twice",
    ),
    "kept_topic_ends_it": Plant(
        "lib/mqtt/incoming.py",
        "        named = self._is_named()\n",
        "        named = self._is_named()\n        if not named:\n            raise ProtocolError(self.topic)\n",
        59,
        "no health",
        (
            (
                "firmware/link/garbled.py",
                "if clean or n % _GARBLED_AGAIN != _GARBLED:",
                "if True:",
            ),
        ),
    ),
    # the loop
    "due_without_wifi": Plant(
        "firmware/app.py",
        "        if self.wifi.up:\n            wait = min(wait, self.clock.due(uptime), self.uplink.due(now, uptime))",
        "        wait = min(wait, self.clock.due(uptime), self.uplink.due(now, uptime))",
        2,
        "does not sleep",
    ),
    "leaves_without_sleep": Plant(
        "firmware/link/leaving.py",
        "            time.sleep_ms(10)\n",
        "",
        6,
        "the clock stands still",
    ),
    # memory and files
    "dropped_forgotten": Plant(
        "lib/outbox/__init__.py",
        "self.dropped = self.state.dropped",
        "self.dropped = 0",
        14,
        "lost,",
    ),
    "reading_in_hand": Plant(
        "firmware/app.py",
        "            try:\n                self._hand_over(channel, result, uptime)\n            except MemoryError:\n                self.delivery.lost()\n            raise",
        "            raise",
        322,
        "lost",
    ),
    "torn_tail_appended": Plant(
        "lib/outbox/log.py", "sealed = there != segment.size", "sealed = False", 4, "lost"
    ),
    "half_an_append_again": Plant(
        "lib/outbox/log.py",
        "        except OSError:\n            offset, done = segment.size, 0\n            raise\n",
        "        except (OSError, MemoryError):\n            offset, done = segment.size, 0\n            raise\n",
        3000092,
        "twice",
    ),
    "given_up_uncounted": Plant(
        "lib/outbox/__init__.py",
        "        counted = self._save(now)\n        self.backlog.remove(segment)\n        if not counted:",
        "        self.backlog.remove(segment)\n        if False:",
        14,
        "lost,",
    ),
    "opening_reads_once": Plant(
        "lib/flashfile.py", "_TRIES = const(3)", "_TRIES = const(1)", 4, "lost"
    ),
    "main_dies": Plant(
        "main.py",
        "            except Exception:\n                kept = False",
        "            except OSError:\n                kept = False",
        38,
        "prompt",
    ),
    "no_sync_at_the_end": Plant(
        "firmware/app.py",
        "        if not self.delivery.outbox.sync(time.ticks_ms()):\n            self.log.error(",
        "        if False:\n            self.log.error(",
        3000092,
        "lost",
    ),
    "crash_of_a_state_file": Plant(
        "firmware/readings/boots.py",
        "    except ValueError:\n        return None\n    prefix =",
        "    except KeyError:\n        return None\n    prefix =",
        109,
        "crashed",
    ),
    "flush_not_due": Plant(
        "lib/outbox/__init__.py",
        "if self._unsynced and (failed or self._left(self._unsynced_since(now), now) <= 0):",
        "if failed:",
        14,
        "lost",
    ),
}


def plant(name, device):
    """Change the compiled firmware in a folder."""
    if name not in PLANTS:
        raise CommandError(f"PLANT: one of {', '.join(PLANTS)}")
    planted = PLANTS[name]
    for file, old, new in (planted[:3], *planted.more):
        _change(name, device, file, old, new)


def _change(name, device, file, old, new):
    text = (ROOT / file).read_text()
    if text.count(old) != 1:
        raise CommandError(f"{name}: {file} has not once: {old!r}")
    changed = device / "planted.py"
    changed.write_text(text.replace(old, new))
    target = device / file
    if target.exists():  # boot.py, main.py
        shutil.move(changed, target)
        return
    words = [*toolchain.mpy_cross(), "-s", file, "-o", target.with_suffix(".mpy"), changed]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    changed.unlink()
    if done.returncode:
        raise CommandError(f"{name} does not compile: {(done.stderr or done.stdout).strip()}")
