"""Did the node keep its promise? What a subscriber received, against how the node's lives went.

    report = judge(messages, lives, qos={"least": 1, "once": 2}, ram_s=7)
    report.faults                    # texts; none: nothing lost, nothing twice, nothing invented

A reading that was in RAM only when the power failed may be lost: one taken in the last `ram_s` seconds of a life. Which
readings there were is known from `seq`, which counts them all; when a missing one was taken, from those around it.
"""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

VOLTS = (2.5, 4.5)  # what the simulated batteries have, and more than the ADC's noise beside it
_CLOCK_S = 1  # between the node's clock and ours
_START_S = 1.5  # from power-on to the first reading, and more


class Message(NamedTuple):
    topic: str  # below the node's own
    text: str
    qos: int


@dataclass
class Report:
    faults: list = field(default_factory=list)
    readings: dict = field(default_factory=dict)  # channel: how many different ones
    repeats: dict = field(default_factory=dict)  # channel: how many came again
    boots: int = 0
    stored: int = 0  # of them, in the collector's store
    forgiven: int = 0  # missing, but taken so late that they may be
    # seconds from a boot's last reading to its power cut
    tails: list = field(default_factory=list)


def judge(messages, lives, qos, ram_s):
    """messages: in the order of arrival, those of other topics too. lives: (began, ended) as Unix seconds; ended is None
    for one that goes on. qos: {channel: its QoS}."""
    report = Report(readings=dict.fromkeys(qos, 0), repeats=dict.fromkeys(qos, 0))
    boots = _receive(messages, qos, report)
    report.boots = len(boots)
    owners: dict[int, int] = {}  # life: boot
    for boot in sorted(boots):
        life = _life(boot, boots[boot], lives, report)
        if life is None:
            continue
        if life in owners:
            report.faults.append(f"boots {owners[life]} and {boot} are one life")
        owners[life] = boot
        began, ended = lives[life]
        _account(boot, boots[boot], began, ended, ram_s, report)
    for number, (began, ended) in enumerate(lives):
        if number not in owners and (ended is None or ended - began > ram_s + _START_S):
            lasted = "that goes on" if ended is None else f"of {ended - began:.1f} s"
            report.faults.append(f"life {number + 1}, {lasted}: no reading with a time arrived")
    return report


def published(messages, name, qos):
    """Readings as they are to be stored: {(node, boot, seq): (life, channel, ts in ms or None, values)}. name: of the node."""
    found = {}
    for message in messages:
        channel = channel_of(message.topic)
        if channel in qos:
            members = json.loads(message.text)
            key = name, members.pop("boot"), members.pop("seq")
            found[key] = (1, channel, members.pop("ts", None), members)
    return found


def compare(owed, rows, known):
    """Is each reading stored once, with its channel, time and values, and no other? Returns faults, texts.

    owed, known: of `published`; those that have to be stored, and those that may be: the node went on.
    """
    faults = []
    stored = {}
    for row in rows:
        if row[:3] in stored:
            faults.append(f"{row[:3]} is stored twice")
        stored[row[:3]] = (row.life, row.channel, row.ts, row.quantities)
    for key in sorted(owed.keys() | stored.keys()):
        if stored.get(key) != known.get(key):
            was, now = known.get(key, "nothing"), stored.get(key, "nothing")
            faults.append(f"{key}: (life, channel, ts, values) was {was}, and is stored as {now}")
    return faults


def _receive(messages, qos, report):
    """Check each message by itself and against those before. Returns {boot: {seq: ts or None}}."""
    first: dict[tuple, tuple] = {}  # (boot, seq): (channel, text) of the first arrival
    newest: dict[tuple, int] = {}  # (topic, boot): seq
    boots: dict[int, dict] = {}
    for message in messages:
        channel = channel_of(message.topic)
        if channel not in qos:
            continue
        try:
            ts, *key = parse(message.text)
        except ValueError as e:
            report.faults.append(f"{message.topic}: {e}: {message.text[:200]}")
            continue
        key = tuple(key)
        name = "{} boot {} seq {}".format(channel, *key)
        if message.qos != qos[channel]:
            report.faults.append(f"{name}: came at QoS {message.qos}")
        if key in first:
            report.repeats[channel] += 1
            if qos[channel] == 2:
                report.faults.append(f"{name}: twice at QoS 2")
            if first[key] != (channel, message.text):
                was = " ".join(first[key])
                report.faults.append(f"{name}: was {was}, then {channel} {message.text}")
            continue
        first[key] = (channel, message.text)
        report.readings[channel] += 1
        boot, seq = key
        boots.setdefault(boot, {})[seq] = ts
        if seq < newest.get((message.topic, boot), 0):
            report.faults.append(f"{name}: first came after seq {newest[message.topic, boot]}")
        newest[message.topic, boot] = max(seq, newest.get((message.topic, boot), 0))
    return boots


def channel_of(topic):
    """Whose reading it is, of now or late; None: it is none."""
    branch, _, channel = topic.partition("/")
    return channel if branch in ("reading", "history") else None


def parse(text):
    """(ts in seconds or None, boot, seq) of a reading. ValueError: it is none."""
    reading = json.loads(text)
    if not isinstance(reading, dict) or reading.keys() - {"ts"} != {"boot", "seq", "voltage"}:
        raise ValueError("not a reading of these sensors")
    ts, boot, seq = reading.get("ts"), reading["boot"], reading["seq"]
    if any(
        type(number) is not int or number < 1 for number in (boot, seq, 1 if ts is None else ts)
    ):
        raise ValueError("ts, boot, seq are whole numbers from 1 on")
    volts = reading["voltage"]
    if not isinstance(volts, float) or not VOLTS[0] < volts < VOLTS[1]:
        raise ValueError("not what the sensor can have measured")
    return None if ts is None else ts / 1000, boot, seq


def _life(boot, seqs, lives, report):
    """Number of the life whose readings these are, by their times. None when none has a time: a very short life."""
    found: set[int] = set()
    for seq, ts in seqs.items():
        if ts is None:
            continue
        within = {
            number
            for number, (began, ended) in enumerate(lives)
            if began - _CLOCK_S < ts and (ended is None or ts < ended + _CLOCK_S)
        }
        if not within:
            report.faults.append(f"boot {boot} seq {seq}: taken at {ts:.1f}, when no node ran")
            return None
        found = found & within if found else within
        if not found:
            report.faults.append(f"boot {boot}: two lives have that number")
            return None
    # Lives follow each other closely; of two that both may be it, it is the one that most of it lies in.
    newest = max((ts for ts in seqs.values() if ts), default=0)
    return max(found, key=lambda number: (lives[number][0] <= newest, number), default=None)


def _account(boot, seqs, began, ended, ram_s, report):
    """What is missing of one boot, and whether it may be."""
    known = [(0, began), *sorted((seq, ts) for seq, ts in seqs.items() if ts is not None)]
    if ended is not None:
        tail_s = ended - known[-1][1]
        report.tails.append(tail_s)
        if tail_s > ram_s:
            report.faults.append(
                f"boot {boot}: nothing of its last {tail_s:.1f} s, after seq {known[-1][0]}"
            )
    for (before, then), (after, later) in pairwise(known):
        lost = [seq for seq in range(before + 1, after) if seq not in seqs]
        # Readings come at even distances.
        old = [
            seq
            for seq in lost
            if ended is None
            or then + (later - then) * (seq - before) / (after - before) < ended - ram_s
        ]
        report.forgiven += len(lost) - len(old)
        if old:
            when = "" if ended is None else f", {ended - then:.1f} s before the power failed"
            report.faults.append(
                f"boot {boot}: {len(old)} lost, seq {old[0]} to {old[-1]} between {before} and {after}{when}"
            )
