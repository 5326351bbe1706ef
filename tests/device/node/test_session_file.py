"""state/session: whose the exchanges are that have come to PUBREC. What is wrong there loses a reading after a power cut."""

import json
import os

import power
import vfs
from test_limits import Channel, Rig
from unreadable import unreadable

from firmware import files
from firmware.link import uplink

HEAP = "1m"
TIMEOUT = 60
SESSION = "state/session"


class Fails:
    """So many writes of state/session fail, and so many removals."""

    def __init__(self, writes=0, removals=0):
        self.writes, self.removals = writes, removals
        self.write, self.os = files.write, uplink.os
        files.write, uplink.os = self._write, self

    def _write(self, path, text):
        if path == SESSION and self.writes:
            self.writes -= 1
            raise OSError(5)
        return self.write(path, text)

    def remove(self, path):
        if path == SESSION and self.removals:
            self.removals -= 1
            raise OSError(5)
        self.os.remove(path)

    def end(self):
        files.write, uplink.os = self.write, self.os


class Session:
    session = None


def restart(rig, **options):
    """The power is cut: another node on the same flash, with the brokers as they are."""
    for host in rig.hosts.values():
        host.hear = None
    channels = [Channel(each.name, each.qos) for each in rig.channels]
    after = Rig(*channels, brokers=len(rig.hosts), **options)
    after.hosts.update(rig.hosts)
    after.broker = rig.broker
    return after


def arrived(rig, boot):
    """Return the numbers of the readings of a start that any broker has handed on."""
    found = set()
    for host in rig.hosts.values():
        for topic, payload in host.seen:
            if b"/one" in topic:
                reading = json.loads(payload)
                if reading["boot"] == boot:
                    found.add(reading["seq"])
    return found


def fail_over(**fails):
    """The node goes from one broker to the other; there PUBREC comes; the power is cut; the first one is back."""
    rig = Rig(Channel("one", 2), brokers=2)
    first, second = rig.hosts["192.0.2.1"], rig.hosts["192.0.2.2"]
    rig.run(12)
    assert files.read(SESSION)
    flash = Fails(**fails)
    first.cut()
    second.refuses = lambda kind, body, message: kind == 0x62
    rig.run(40, lambda: any(kind == 0x62 for kind, _ in second.log))
    assert rig.node.uplink.client.released and not (flash.writes or flash.removals)
    flash.end()
    boot, taken = rig.node.delivery.boot, rig.node.seq
    rig.node.delivery.outbox.sync(rig.now)
    first.mute, second.mute = False, True
    after = restart(rig)
    after.run(60)
    second.mute, second.refuses = False, None
    assert arrived(after, boot) >= set(range(1, taken + 1))


def test_a_name_that_could_not_be_written_loses_no_reading():
    # The broker before answered PUBREL of an exchange that it had never seen.
    fail_over(writes=1)


def test_nor_does_one_that_could_not_be_removed():
    fail_over(removals=2)


def test_without_a_fault():
    fail_over()


def unread(seconds, error, **options):
    """The broker has a reading, and PUBCOMP is lost; the power is cut; the next start cannot read the file for so long.

    Return (was the node connected then, how many readings came twice, lines about the file).
    """
    rig = Rig(Channel("one", 2), **options)
    rig.run(7)
    rig.broker.hear = lambda first, pid, answer: [] if first == 0x62 else answer
    rig.run(10)
    assert rig.node.uplink.client.released
    rig.node.delivery.outbox.sync(rig.now)
    boot, taken = rig.node.delivery.boot, rig.node.seq
    flash = unreadable(SESSION, error)
    after = restart(rig, **options)
    after.run(seconds)
    flash.end()
    uplink = after.node.uplink
    connected = uplink.connected
    after.run(60)
    assert arrived(after, boot) == set(range(1, taken + 1)) and not uplink.failures
    assert files.read(SESSION) == uplink.session != ""
    found = [payload for topic, payload in rig.broker.seen if b"/one" in topic]
    lines = [payload for topic, payload in rig.broker.seen if topic.endswith(b"/log")]
    told = [line for line in lines if b"state/session" in line]
    return connected, len(found) - len(set(found)), told


def test_one_that_cannot_be_read_for_seconds_doubles_no_reading():
    """It was taken for none: the exchanges began anew."""
    for error in (OSError(5), OSError(12), MemoryError()):
        assert unread(4, error) == (False, 0, []), error


def test_one_that_never_can_be_read_keeps_the_node_from_its_broker_for_ten_seconds():
    connected, doubles, lines = unread(30, OSError(5))
    assert (connected, doubles, len(lines)) == (True, 1, 1)
    assert b"state/session cannot be read: EIO; readings of QoS 2 may come twice" in lines[0]


def test_a_clean_session_does_not_wait_for_it():
    connected, _, lines = unread(4, OSError(5), clean_session=True)
    assert connected and lines == []


def test_a_session_that_is_to_begin_anew_is_not_there_any_more():
    """One failing read makes littlefs say that there is no such file."""
    for first in range(1, 8):
        chip = power.FailingChip()
        vfs.VfsLfs2.mkfs(chip, progsize=power.PROG)
        power.mount(chip)
        os.chdir("/flash")
        os.mkdir("state")
        for i in range(30):
            files.write("state/boot", str(i))
            files.write(SESSION, "board attic 192.0.2.1:1883")
        chip.fail(first, 1)
        while not uplink.Uplink.begin_anew(Session()):
            pass
        chip.fail(0, 0)
        os.chdir("/")
        vfs.umount("/flash")
        power.mount(chip)
        assert "session" not in os.listdir("/flash/state"), first
        vfs.umount("/flash")
