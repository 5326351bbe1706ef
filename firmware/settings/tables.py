"""SETTINGS: every setting of a node, in one table.

Defaults, checks, redaction, `config.json.example`, the JSON Schema and `docs/config.md` all come
from here; `firmware/settings/config.py` reads it. Under MicroPython and CPython alike; the node drops it
from memory once its settings are read, help texts and all.

A row is `(key, kind, default, limit, help)`. A default of `...` means the setting must be given,
of `None` that it may be left out or `null`; `()` is the empty list or object (a constant tuple
costs no code on a board). Kinds, with their limit:

    "bool"      -
    "int"       (lowest, highest)
    "number"    (lowest, highest): a whole number or a decimal one
    "choice"    (value, value, …): texts or whole numbers, None for null
    "text"      (shortest, longest) in bytes of UTF-8, no control characters
    "secret"    the same, and never shown
    "level"     names not allowed: one level of an MQTT topic, 1 to 64 bytes without + # / $
                (empty only if the default is empty)
    "levels"    - : such levels with / between them, 1 to 64 bytes in all
    "host"      - : a name or an IPv4 address, without scheme and port
    "ipv4"      -
    "path"      - : a file on the board
    "rom"       - : a 1-Wire address as 16 hexadecimal digits, or empty
    "pin"       what for: "input", "adc", "output" (one wire driven both ways counts as output),
                or of a bus that sensors may share: "sda", "scl", "onewire"
    "object"    rows; if the first is `enabled`, true and false are short for an object with that
    "list"      (fewest, most, rows)
    "quantities" (kind, default, limit): of each quantity of the sensor's type
    "sensors"   (fewest, most, rows): each has the rows, then those of its own type

A sensor type's own settings are rows of the same form. One whose key is a common one replaces it:
`("interval_s", "number", 60, (2, 86400), …)` says that this type cannot be read more often than
every 2 s. Keys with a meaning: `address` tells sensors on one bus apart; `freq` must be the same
for all sensors on one I2C bus; `pull` needs a pin that has a pull resistor.
"""

from firmware.settings.entries import BROKER, NETWORK, OUTPUT, SENSOR

# A table, one setting a row:
# fmt: off
SETTINGS = (
    ("$schema", "text",    "", (0, 256),        "for editors: where the JSON Schema is, `./docs/config.schema.json`"),
    ("node", "object", (), (
        ("name", "level",  "",        "all",    "name in all topics; empty: from the hardware, as esp32-a1b2c3"),
        ("base", "levels", "outpost", None,     "first level of all topics, or several"),
        ("led",  "pin",    None,      "output", "a LED that blinks to identify the node; left out: that of a Pico"),
    ), "the node"),
    ("wifi", "object", ..., (
        ("networks",   "list",     ...,   (1, 8, NETWORK), "in order of preference"),
        ("hostname",   "hostname", "",    None,            "name the router sees; empty: the node's"),
        ("country",    "country",  "",    None,            "opens the channels allowed there (Pico only)"),
        ("power_save", "bool",     False, None,            "less current, slower and less reliable answers"),
    ), "the way to the network"),
    ("mqtt", "object", ..., (
        ("brokers",       "list",   ...,   (1, 8, BROKER), "in order; the next one when one fails"),
        ("client_id",     "text",   "",    (0, 64),        "must be unique at the broker; empty: the node's name, with a base of several levels before it"),
        ("keepalive_s",   "int",    60,    (5, 1200),      "the broker reports the node offline 1.5 times this long after it falls silent"),
        ("clean_session", "bool",   False, None,           "true: the broker forgets the node when it goes"),
        ("window",        "int",    32,    (1, 64),        "QoS 1 and 2 messages sent and not yet acknowledged"),
        ("window2",       "int",    1,     (1, 64),        "QoS 2 messages of them; above the broker's limit (max_inflight_messages) readings are lost"),
        ("qos_max",       "choice", 2,     (1, 2),         "1: the broker has no QoS 2; the node finds out by itself, at the cost of some connections"),
        ("retain",        "bool",   True,  None,           "false: the broker keeps no messages for later subscribers; found out like `qos_max`"),
        ("rate",          "int",    None,  (1, 1000),      "readings a second at most; left out: as fast as it goes (AWS IoT: 60, it drops above 100 messages)"),
    ), "the way to the broker"),
    ("publish", "object", (), (
        ("qos",      "choice", 1,     (0, 1, 2),  "0: sent once; 1: until acknowledged; 2: arrives exactly once"),
        ("live_s",   "int",    30,    (1, 86400), "a reading delivered later goes to `history/…`"),
        ("health_s", "int",    60,    (5, 86400), "time from one health report to the next"),
        ("plain",    "bool",   False, None,       "publish each quantity also as a bare number, on `value/…`, for programs that read no JSON"),
    ), "what is published"),
    ("outbox", "object", (), (
        ("bytes",     "int",    131072,        (8192, 1048576),                "flash for readings that wait for the broker"),
        ("sync_s",    "number", 5,             (0, 3600),                      "a reading is on flash or acknowledged within this time; 0: on flash before it is sent"),
        ("when_full", "choice", "drop-oldest", ("drop-oldest", "drop-newest"), "which readings go when it is full"),
        ("ram_bytes", "int",    4096,          (2048, 65536),                  "memory for readings on their way to flash"),
    ), "what waits"),
    ("ntp", "object", (), (
        ("host",       "host", "pool.ntp.org", None,         "time server; the router and the broker are asked too, before it if it is a name"),
        ("port",       "int",  123,            (1, 65535),   "its UDP port"),
        ("interval_s", "int",  21600,          (60, 604800), "time from one synchronisation to the next"),
    ), "the clock"),
    ("sensors", "sensors", (), (0, 32, SENSOR), "what is read"),
    ("outputs", "list",    (), (0, 16, OUTPUT), "what is switched"),
    ("discovery", "object", (), (
        ("enabled",    "bool",  True,            None, 'Home Assistant shows the node by itself; "discovery": false is short for it'),
        ("prefix",     "level", "homeassistant", "",   "as in Home Assistant's MQTT settings"),
        ("per_entity", "bool",  False,           None, "a message for each entity: Home Assistant before 2024.11"),
        ("retain",     "bool",  True,            None, "whether the broker keeps it for a Home Assistant that starts later"),
    ), "Home Assistant"),
    ("watchdog", "object", (), (
        ("enabled",     "bool", True, None,     "reset the board when the node hangs"),
        ("timeout_s",   "int",  None, (2, 60),  "hanging for this long; left out: 30, on a Pico 8, the most it takes"),
        ("arm_after_s", "int",  20,   (0, 600), "time after start in which mpremote can break in"),
    ), "against hanging"),
    ("provisioning", "object", (), (
        ("button",  "pin",    None, "input",  "pin of a button; held while the node is switched on, it opens the page for a phone"),
        ("level",   "choice", 0,    (0, 1),   "of that pin while it is held"),
        ("minutes", "int",    10,   (1, 120), "without a visitor, after which the page closes"),
    ), "settings from a phone"),
    ("log", "object", (), (
        ("level", "choice", "info", ("debug", "info", "warning", "error"), "the least severe lines that are shown and published"),
    ), "the log"),
)
