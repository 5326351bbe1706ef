"""SETTINGS: every setting of a node, in one table.

Defaults, checks, redaction, `config.json.example`, the JSON Schema and `docs/config.md` all come
from here; `firmware/config.py` reads it. Under MicroPython and CPython alike; the node drops it
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
    "host"      - : a name or an IPv4 address, without scheme and port
    "ipv4"      -
    "path"      - : a file on the board
    "rom"       - : a 1-Wire address as 16 hexadecimal digits, or empty
    "pin"       what for: "input", "adc", "output" (one wire driven both ways counts as output),
                or of a bus that sensors may share: "sda", "scl", "onewire"
    "object"    rows
    "list"      (fewest, most, rows)
    "sensors"   (fewest, most, rows): each has the rows, then those of its own type

A sensor type's own settings are rows of the same form. One whose key is a common one replaces it:
`("interval_s", "number", 60, (2, 86400), …)` says that this type cannot be read more often than
every 2 s. Keys with a meaning: `address` tells sensors on one bus apart; `freq` must be the same
for all sensors on one I2C bus; `pull` needs a pin that has a pull resistor.
"""
