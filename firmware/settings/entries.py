"""The settings of networks, brokers, sensors and outputs, of which there may be several. Rows as in `tables.py`."""

# Tables, one setting a row:
# fmt: off
# The limits catch a misspelt value; they do not refuse an odd one that is meant.

_TLS = (
    ("ca",          "path", ..., None, "certificate of the authority that signed the broker's (PEM or DER)"),
    ("cert",        "path", "",  None, "the node's own certificate, if the broker asks for one"),
    ("key",         "path", "",  None, "the private key of `cert`, not encrypted"),
    ("server_name", "host", "",  None, "name in the broker's certificate; empty: `host`"),
)

_STATIC = (
    ("address", "ipv4", ...,             None, "the node's address"),
    ("netmask", "ipv4", "255.255.255.0", None, "which addresses are near"),
    ("gateway", "ipv4", ...,             None, "the router"),
    ("dns",     "ipv4", ...,             None, "the name server, often the router too"),
)

NETWORK = (
    ("ssid",     "text",   ...,  (1, 32), "name of the network"),
    ("password", "secret", "",   (0, 64), "8 to 63 characters; empty: an open network"),
    ("static",   "object", None, _STATIC, "a fixed address; left out: DHCP"),
)

BROKER = (
    ("host",     "host",   ...,  None,       "name or address; an address saves the look-up"),
    ("port",     "int",    0,    (0, 65535), "0: 1883, or 8883 with TLS"),
    ("user",     "text",   "",   (0, 128),   "user name; empty: none"),
    ("password", "secret", "",   (0, 256),   "its password"),
    ("tls",      "object", None, _TLS,       'as {"ca": "ca.pem"}, always verified; left out: not encrypted'),
)

_BEYOND = 1000000000

_POINT = (
    ("reads", "number", ..., (-_BEYOND, _BEYOND), "what the sensor says, rising from point to point"),
    ("is",    "number", ..., (-_BEYOND, _BEYOND), "what is true then"),
)

_CALIBRATE = (
    ("points", "list",   (), (0, 16, _POINT),     "two or more: straight lines between them, and beyond"),
    ("scale",  "number", 1,  (-1000000, 1000000), "the reading times this"),
    ("offset", "number", 0,  (-_BEYOND, _BEYOND), "and this added"),
)

_FILTER = (
    ("median",  "int",    1,    (1, 25),             "the middle one of so many readings: no outliers"),
    ("average", "int",    1,    (1, 25),             "the mean of so many of those: less noise"),
    ("min",     "number", None, (-_BEYOND, _BEYOND), "what is below becomes this"),
    ("max",     "number", None, (-_BEYOND, _BEYOND), "what is above becomes this"),
)

SENSOR = (
    ("name",        "level",      ...,   "",                           "last level of its topics; what it measures or where"),
    ("type",        "text",       ...,   (1, 32),                      "what it is, see below"),
    ("interval_s",  "number",     60,    (0.05, 86400),                "time from one reading to the next"),
    ("qos",         "choice",     None,  (0, 1, 2),                    "QoS of its readings; left out: `publish.qos`"),
    ("retain",      "bool",       False, None,                         "whether the broker keeps the last reading for new subscribers"),
    ("delivery",    "choice",     "all", ("all", "latest", "change"),  "after an outage all readings or the latest; change: only those that differ from the one before"),
    ("deadband",    "quantities", None,  ("number", 0, (0, 1000000)),  'for `change`: by how much each quantity must differ, as {"temperature": 0.2}; left out: at all'),
    ("heartbeat_s", "int",        3600,  (1, 86400),                   "for `change`: one reading this often in any case"),
    ("calibrate",   "quantities", None,  ("object", None, _CALIBRATE), "what its readings mean, by quantity"),
    ("filter",      "quantities", None,  ("object", None, _FILTER),    "against outliers and noise, by quantity, after `calibrate`"),
)

OUTPUTS = ("switch", "light", "number")

OUTPUT = (
    ("name",   "level",  ...,      "",          "last level of its topic: what it switches"),
    ("type",   "choice", "switch", OUTPUTS,     "switch: on or off; light: dimmed; number: 0 to 100 %"),
    ("pin",    "pin",    ...,      "output",    "pin of the relay or LED"),
    ("invert", "bool",   False,    None,        "it is on when the pin is low, as many relay modules"),
    ("freq",   "int",    1000,     (10, 40000), "Hz, of a light or number: how fast the pin is switched"),
    ("safe",   "int",    0,        (0, 100),    "per cent, 0: off; at start, and when nobody can control it"),
    ("loss_s", "int",    300,      (0, 86400),  "without a broker for so long it becomes `safe`; 0: never"),
    ("button", "text",   "",       (0, 64),     "name of a sensor of type input that switches it, with a network or without"),
)
