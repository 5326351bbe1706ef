"""What a story is about: swarm testing. Where every fault may happen at any time, those that need each other seldom meet.

So three stories in four have a theme: a few faults often, and the settings and the world in which they matter; the others are left out.
The rest, and each theme within its own bounds, draws which kinds of trouble there are at all.
"""

from prng import Random

KINDS = (
    "wifi", "wifi", "zombie", "kick", "broker", "broker", "silent", "slow", "cut", "cut",
    "mute", "refuses", "dns", "ntp", "read", "write", "full", "sensor", "leap", "pieces",
    "command", "trap",
)  # fmt: skip

_QUIET = {
    "two": 0, "ways": 0, "clean": 0, "latest": 0, "replaced": 0, "erased": 0, "config": 0, "spoil": 0, "read": 0,
    "broker_forgets": 0, "broker_restarts": 0, "old": 10, "small": 0,
}  # fmt: skip

# theme: (kinds of trouble, percent of what is drawn otherwise, lives, ends of a life, other settings)
THEMES = {
    # Brokers are away for lives on end, and most starts learn the time late.
    "outage": (
        ("sensor", "kick", "ntp"),
        {"ntp": 80, "config": 50, "small": 50},
        (6, 10),
        ("cut", "power", "restart", "power"),
        {"interval_s": (0.5, 1, 2, 2), "qos": (1, 2, 2), "length": (25_000,), "away": True},
    ),
    # Exchanges of QoS 2 are cut at a packet; brokers forget, fail over, boards are replaced.
    "exchange": (
        ("trap", "trap", "trap", "cut", "slow"),
        {"two": 60, "broker_forgets": 10, "replaced": 15},
        (5, 10),
        ("power", "power", "cut", "restart"),
        {"interval_s": (0.5, 1), "qos": (2,), "length": (25_000, 40_000), "named": True, "traps": 3, "steady": 60},
    ),
    # Time servers lie, strangers answer, the program looks late.
    "time": (
        ("ntp", "ntp", "ntp", "wifi"),
        {"ntp": 90},
        (4, 8),
        ("power", "power", "restart"),
        {"interval_s": (1, 2), "length": (30_000, 40_000)},
    ),
    # Memory ends while something is written.
    "heap": (
        ("wifi", "wifi", "broker"),
        {"ntp": 0},
        (5, 9),
        ("heap_of_files", "heap_of_files", "heap", "power"),
        {"interval_s": (0.5, 0.5, 1), "qos": (1, 1, 2), "length": (15_000, 25_000), "away": True},
    ),
    # The flash fails to read while the node starts.
    "read": (
        ("wifi", "broker", "cut", "read"),
        {"read": 80},
        (5, 9),
        ("power", "power", "restart"),
        {"interval_s": (0.5, 1), "qos": (1, 2), "length": (15_000, 25_000), "away": True},
    ),
    # Days pass in an outage.
    "old": (
        ("wifi", "wifi", "wifi", "zombie", "broker", "silent", "dns", "mute"),
        {"old": 100},
        (1, 2),
        ("power",),
        {"interval_s": (2, 5), "length": (3000, 8000), "ages": True},
    ),
    # Another board has the node's name.
    "rival": (
        ("cut", "wifi", "kick"),
        {"rival": 50},
        (2, 5),
        ("power", "restart"),
        {"interval_s": (1, 2), "length": (30_000, 40_000), "named": True},
    ),
    # A broker is not mosquitto.
    "limits": (
        ("cut", "wifi"),
        {"ways": 100, "two": 15},
        (2, 4),
        ("power", "restart"),
        {"interval_s": (1, 2), "length": (15_000, 40_000)},
    ),
    # People change settings, boards and files while readings wait.
    "people": (
        ("wifi", "broker", "cut"),
        {"config": 60, "replaced": 15, "erased": 20, "spoil": 12},
        (5, 9),
        ("power", "power", "restart", "cut"),
        {"interval_s": (0.5, 1, 2), "length": (25_000,), "away": True},
    ),
}  # fmt: skip
_NAMES = sorted(THEMES)
_NAMES.remove("people")  # it needs much of what happens without a theme

# What lasts for minutes, and is over: a theme of its own, in one story in eight. The others stay as they are without it.
ILLS = ("publish_close", "ack_silent", "ack_late", "ping_silent", "poison", "ntp_corrected")
_ILL = (
    ("cut", "wifi"),
    {"ntp": 0},
    (1, 2),
    ("power",),
    {
        "interval_s": (5, 20, 60, 60), "qos": (1, 1, 2), "length": (60_000, 300_000), "health_s": (20, 30),
        "ntp_s": 300, "named": True,
    },
)  # fmt: skip
_ILL_PERCENT = 12


class Swarm:
    def __init__(self, seed, without=()):
        random = Random(seed ^ 0x5EED)
        if random.chance(75):
            self.name = random.choice(_NAMES)
        else:
            self.name = "people" if random.chance(50) else None
        self.percent = {}  # fault → how often, in place of what it is else
        self.lives = 4, 12
        self.ends = ()
        self.settings = {}
        kinds = KINDS
        self.ills = [ill for ill in ILLS if ill not in without]
        if self.ills and Random(seed ^ 0x173).chance(_ILL_PERCENT):
            self.name = "ill"
        if self.name:
            theme = _ILL if self.name == "ill" else THEMES[self.name]
            kinds, percent, self.lives, self.ends, self.settings = theme
            self.percent.update(_QUIET)
            self.percent.update(percent)
        self.kinds = [kind for kind in kinds if random.chance(70)] or kinds

    def get(self, setting, default):
        return self.settings.get(setting, default)
