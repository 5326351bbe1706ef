"""The fields of the form, and how they get into config.json: the first network, the first broker, the node's name.

Everything else in config.json stays as it is; for a node without sensors the page offers those that answer. A stored secret never leaves
the node: an empty field keeps it, as long as it belongs to the same network, or to the same host, user and TLS of the broker, so that
nobody can have it sent elsewhere.
"""

from jsonpairs import loads
from micropython import const

from firmware.reading import whole

FIELDS = ("ssid", "other", "key", "host", "port", "user", "password", "tls", "name")
OURS = ("wifi", "mqtt", "node")
CA = "ca.pem"  # what a node that never had TLS looks for

_LONGEST = const(16384)  # bytes of a config.json, as in config.py
_MOST = const(8)  # networks

_PLACES = (  # where a fault is → the field it is shown at
    ("wifi.networks[0].ssid", "other"),
    ("wifi.networks[0].password", "key"),
    ("mqtt.brokers[0].host", "host"),
    ("mqtt.brokers[0].port", "port"),
    ("mqtt.brokers[0].user", "user"),
    ("mqtt.brokers[0].password", "password"),
    ("mqtt.brokers[0].tls", "tls"),
    ("node.name", "name"),
)


def stored(*paths):
    """Return the first of these files that holds a JSON object, parsed and unchecked, else {}."""
    for path in paths:
        try:
            data = whole(path, _LONGEST + 1)
            raw = loads(data) if data and len(data) <= _LONGEST else None
            if type(raw) is dict:
                return raw
        except (OSError, ValueError):
            pass
    return {}


def part(fault):
    """Return the part of config.json that a fault is in."""
    path = fault.split(":")[0]
    return path.split(".")[0].split("[")[0]


def without(raw, parts):
    """Return raw without these parts, except those that the form asks for."""
    return {key: raw[key] for key in raw if key not in parts or key in OURS}


def _object(raw, key):
    value = raw.get(key)
    return dict(value) if type(value) is dict else {}


def _objects(raw, key):
    value = raw.get(key)
    return [dict(each) for each in value if type(each) is dict] if type(value) is list else []


def _text(value):
    return value if type(value) is str else "" if value is None else str(value)


def _firsts(raw):
    networks = _objects(_object(raw, "wifi"), "networks")
    brokers = _objects(_object(raw, "mqtt"), "brokers")
    return networks[0] if networks else {}, brokers[0] if brokers else {}


def shown(raw):
    """Return {field: text} for the form. Of `key` and `password` only whether there is one."""
    network, broker = _firsts(raw)
    port = broker.get("port")
    return {
        "ssid": _text(network.get("ssid")),
        "other": "",
        "key": bool(network.get("password")),
        "host": _text(broker.get("host")),
        "port": _text(port) if port else "",
        "user": _text(broker.get("user")),
        "password": bool(broker.get("password")),
        "tls": bool(broker.get("tls")),
        "name": _text(_object(raw, "node").get("name")),
    }


def box(entry):
    """Return the name of the field that takes a sensor that was offered."""
    return entry["type"] + "-" + entry["address"]


def entered(form, offered):
    """Return {field: text} of what came from the phone, and as `sensors` which of those offered."""
    fields = {name: form.get(name) or "" for name in FIELDS}
    fields["sensors"] = [entry for entry in offered if form.get(box(entry))]
    for name in ("host", "port", "user", "name"):
        fields[name] = fields[name].strip()
    if not fields["ssid"]:
        fields["ssid"] = fields["other"]
    return fields


def clashes(entries):
    """Return the faults of sensors that were ticked: each of them alone is right."""
    addresses = [entry["address"] for entry in entries]
    if len(set(addresses)) == len(addresses):
        return []
    return ["sensors: two have one address, tick the one that is there"]


def merge(raw, fields, unprotected):
    """Return a config.json's content with these fields in it. unprotected: networks, in bytes, known to have no password."""
    network = _network(raw, fields, unprotected)
    wifi, mqtt, node = _object(raw, "wifi"), _object(raw, "mqtt"), _object(raw, "node")
    others = [each for each in _objects(wifi, "networks") if each.get("ssid") != network["ssid"]]
    wifi["networks"] = [network] + others[: _MOST - 1]
    mqtt["brokers"] = [_broker(raw, fields)] + _objects(mqtt, "brokers")[1:]
    node.pop("name", None)
    if fields["name"]:
        node["name"] = fields["name"]
    config = dict(raw)
    config["node"], config["wifi"], config["mqtt"] = node, wifi, mqtt
    if fields["sensors"]:
        config["sensors"] = fields["sensors"]
    return config


def _network(raw, fields, unprotected):
    ssid = fields["ssid"]
    for each in _objects(_object(raw, "wifi"), "networks"):
        if each.get("ssid") == ssid:
            break
    else:
        each = {"ssid": ssid}
    if fields["key"]:
        each["password"] = fields["key"]
    elif ssid.encode() in unprotected:
        each.pop("password", None)
    return each


def _same_broker(fields, was):
    return (
        fields["host"] == was["host"]
        and fields["user"] == was["user"]
        and bool(fields["tls"]) == was["tls"]
    )


def _broker(raw, fields):
    broker = _firsts(raw)[1]
    if not fields["user"] or not _same_broker(fields, shown(raw)):
        broker.pop("password", None)
    broker["host"] = fields["host"]
    for key in ("port", "user"):
        broker.pop(key, None)
        if fields[key]:
            broker[key] = fields[key]
    if fields["port"].isdigit():
        broker["port"] = int(fields["port"])
    if fields["password"]:
        broker["password"] = fields["password"]
        broker.setdefault("user", "")  # the check says that a password needs one
    if not fields["tls"]:
        broker.pop("tls", None)
    elif not broker.get("tls"):
        broker["tls"] = {"ca": CA}
    return broker


def recall(fields, draft):
    """Fill in the secrets of draft, an earlier try that failed: nobody wants to enter them again for a wrong port."""
    network, broker = _firsts(draft)
    was = shown(draft)
    if not fields["key"] and fields["ssid"] == was["ssid"]:
        fields["key"] = _text(network.get("password"))
    if not fields["password"] and _same_broker(fields, was):
        fields["password"] = _text(broker.get("password"))


def first_only(settings):
    """Return checked settings with only the first network and broker: the new ones are tried, not the older ones."""
    settings = dict(settings)
    for key, within in (("wifi", "networks"), ("mqtt", "brokers")):
        settings[key] = dict(settings[key])
        settings[key][within] = settings[key][within][:1]
    return settings


def placed(faults):
    """Return ({field: what is wrong}, the other faults)."""
    fields, others = {}, []
    for fault in faults:
        for path, field in _PLACES:
            if fault.startswith(path):
                fields.setdefault(field, fault[len(path) :].split(": ", 1)[-1])
                break
        else:
            others.append(fault)
    return fields, others
