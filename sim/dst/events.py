"""What the checker knows of: conversions that went over the bus, and lives of the board."""

import sim


class Event:
    def __init__(self, at, life, sensor, quantity, text):
        self.at = at
        self.life = life
        self.sensor = sensor
        self.quantity = quantity
        self.text = text
        self.key = None  # (node, boot, seq) it arrived under
        self.ts = None
        self.came = []  # (ms, broker, topic) of each arrival
        self.gone = None  # why it may be missing

    def __str__(self):
        return "%s %s=%s of %.3f s, life %d" % (
            self.sensor["name"],
            self.quantity,
            self.text,
            self.at / 1000,
            self.life.number,
        )


class Life:
    """One life of a board: its settings, and what becomes of it."""

    def __init__(self, number, config, node):
        self.number = number
        self.config = config
        self.node = node  # its name in topics
        self.began = sim.now()
        self.end = None  # how it ended
        self.ended = None
        self.last_pass = None
        self.sync_ms = int(config["outbox"]["sync_s"] * 1000)
        self.flash_at = None  # since when the flash refused writes, ms
        self.flash_until = 0
        self.put_off = None  # (first, until) ms between which a flush may have been put off
        self.kept = True  # unless it said that the last readings are not written
        self.heap_at = None  # when there was no memory
        self.heap_times = 0
        self.interrupted = False  # has a sensor been unplugged, or the program hung?
        self.may_bite = False  # is there a reason for the watchdog?
        self.boots = set()
        self.misled = False  # was the only time server wrong for long?
        self.cold = True  # had the clock stopped?
        self.clock_at = None  # when it learnt the time,
        self.corrected_at = None  # and when it learnt that this was wrong
