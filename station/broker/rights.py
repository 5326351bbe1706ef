"""Who may do what at the broker: ROLES, and what each node may. From them comes mosquitto's access list.

Rules are written out for each user, by the pattern of its kind. mosquitto's own `pattern` lines would be shorter, but hold for every user,
so that a program's account could publish as a node of its name; and they know one base, while nodes may have several.
A user that has no rule for something may not do it: mosquitto then takes a message and drops it, and delivers nothing.
"""

from typing import NamedTuple

from firmware.discovery.payload import safe
from firmware.identity import unique
from firmware.topics import Topics

# What a rule is about, in mosquitto's words.
READ, WRITE, BOTH = "read", "write", "readwrite"

# A table, one role a row: (access, topic). {base} is each base of the fleet, {prefix} each discovery prefix.
# fmt: off
ROLES: dict[str, tuple[tuple[str, str], ...]] = {
    # Stores readings. It writes nothing but its probe, by which it finds out whether the broker really delivers.
    "collector": (
        (READ,  "{base}/+/reading/#"),
        (READ,  "{base}/+/history/#"),
        (READ,  "{base}/+/status"),
        (READ,  "{base}/+/info"),
        (READ,  "{base}/+/health"),
        (READ,  "{base}/+/log"),
        (READ,  "{base}/+/output/+"),
        (READ,  "{base}/+/reply"),
        (BOTH,  "{base}/collector/probe/#"),
        (READ,  "$SYS/broker/#"),
    ),
    # Shows everything, and sends commands.
    "page": (
        (READ,  "{base}/#"),
        (WRITE, "{base}/+/cmd/+"),
        (WRITE, "{base}/+/output/+/set"),
        (READ,  "$SYS/broker/#"),
    ),
    # A person at a terminal: what the page may, and removing what a node that is gone has left at the broker. No readings.
    "operator": (
        (READ,  "{base}/#"),
        (WRITE, "{base}/+/cmd/+"),
        (WRITE, "{base}/+/output/+/set"),
        (WRITE, "{base}/+/status"),
        (WRITE, "{base}/+/info"),
        (WRITE, "{base}/+/output/+"),
        (WRITE, "{base}/+/value/#"),
        (BOTH,  "{prefix}/#"),
        (READ,  "$SYS/#"),
    ),
    # Offers new versions, and sees what becomes of them.
    "releaser": (
        (BOTH,  "{base}/release/#"),
        (BOTH,  "{base}/+/update"),
        (READ,  "{base}/+/status"),
        (READ,  "{base}/+/info"),
        (READ,  "{base}/+/reply"),
        (WRITE, "{base}/+/cmd/update"),
    ),
    # Shows what nodes describe themselves as, and operates their outputs and buttons.
    "homeassistant": (
        (READ,  "{base}/#"),
        (WRITE, "{base}/+/cmd/+"),
        (WRITE, "{base}/+/output/+/set"),
        (BOTH,  "{prefix}/#"),
    ),
}
# fmt: on

# Roles that nobody has unless it is asked for. The broker of another site passes on what its nodes publish, and what is published for them.
RARE: dict[str, tuple[tuple[str, str], ...]] = {
    "site": ((BOTH, "{base}/#"), (BOTH, "{prefix}/#")),
}

# Levels where a node's name would stand, and that are somebody else's.
TAKEN = ("all", "release", *ROLES)


class Place(NamedTuple):
    """Where a node publishes: the settings `node.name`, `node.base` and `discovery.prefix`."""

    node: str
    base: str
    prefix: str


def overlaps(places: list[Place]) -> list[str]:
    """Return what is wrong with places of which one could publish as another: below a node, or among Home Assistant's topics."""
    faults: dict[str, None] = {}
    bases = {place.base for place in places}
    taken = [f"{base}/{name}" for base in bases for name in TAKEN]
    nodes = [f"{place.base}/{place.node}" for place in places]
    for base in bases:
        for other in (*nodes, *taken):
            if _within(base, other):
                faults[f"node.base {base}: is below {other}, which is not a base"] = None
        for prefix in {place.prefix for place in places}:
            if _within(base, prefix) or _within(prefix, base):
                faults[f"discovery.prefix {prefix}: overlaps node.base {base}"] = None
    return list(faults)


def _within(topic: str, other: str) -> bool:
    return f"{topic}/".startswith(f"{other}/")


def of_node(place: Place) -> list[str]:
    """Return the rules of a node: its own topics, the commands for all, releases, and how it describes itself to Home Assistant."""
    topics = Topics(place.base, place.node)
    return [
        f"{BOTH} {topics.prefix}/#",
        f"{READ} {place.base}/all/cmd/#",
        f"{READ} {place.base}/release/#",
        f"{WRITE} {place.prefix}/+/{safe(unique(topics))}/#",
        f"{READ} {place.prefix}/status",
    ]


def is_more(user: str) -> bool:
    """Is this a further account of a role, such as `collector-2` or `site-cabin`?"""
    role, _, name = user.partition("-")
    return role in ROLES | RARE and bool(name) and safe(user) == user


def of_program(user: str, places: list[Place]) -> list[str]:
    """Return the rules of a program, those of its role, for all bases and discovery prefixes of the fleet."""
    found: dict[str, None] = {}
    for access, topic in (ROLES | RARE)[user.partition("-")[0]]:
        for place in places:
            text = topic.replace("{base}", place.base).replace("{prefix}", place.prefix)
            found[f"{access} {text}"] = None
    return list(found)


def acl(rules: dict[str, list[str]]) -> str:
    """Return mosquitto's access list of {user: rules}."""
    blocks = (
        "\n".join([f"user {user}", *(f"topic {rule}" for rule in rows)])
        for user, rows in rules.items()
    )
    head = (
        "# Written by `make broker`. Who is not here, or has no rule for a topic, may do nothing."
    )
    return "\n\n".join([head, *blocks]) + "\n"


def without(text: str, users: list[str]) -> str:
    """Return an access list without the rules of some users."""
    blocks = text.rstrip("\n").split("\n\n")
    kept = [block for block in blocks if block.split("\n")[0] not in {f"user {u}" for u in users}]
    return "\n\n".join(kept) + "\n"
