"""What Home Assistant takes in MQTT discovery, as tables, and what is wrong with a message: it ignores a misspelt key silently.

Sources: home-assistant.io, integrations mqtt, sensor.mqtt, binary_sensor.mqtt, switch.mqtt, button.mqtt, number.mqtt,
light.mqtt; home-assistant/core, components/mqtt/schemas.py, discovery.py, abbreviations.py; components/sensor/const.py
(DEVICE_CLASS_UNITS, DEVICE_CLASS_STATE_CLASSES); components/binary_sensor and button, their device classes.
Only what a node may want is here. Rows marked (*) are the classes' own documentation, not the tables in those files.
"""

import datetime
import json
import re

import jinja2

# Long names of the keys, by the short one.
SHORT = {
    "avty": "availability",
    "avty_mode": "availability_mode",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "bri_scl": "brightness_scale",
    "cmd_t": "command_topic",
    "cmd_tpl": "command_template",
    "cmps": "components",
    "dev": "device",
    "dev_cla": "device_class",
    "e": "encoding",
    "en": "enabled_by_default",
    "ent_cat": "entity_category",
    "exp_aft": "expire_after",
    "flsh_tlng": "flash_time_long",
    "flsh_tsht": "flash_time_short",
    "frc_upd": "force_update",
    "fx_list": "effect_list",
    "ic": "icon",
    "json_attr_t": "json_attributes_topic",
    "json_attr_tpl": "json_attributes_template",
    "lrst_val_tpl": "last_reset_value_template",
    "o": "origin",
    "off_dly": "off_delay",
    "ops": "options",
    "opt": "optimistic",
    "p": "platform",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off",
    "pl_on": "payload_on",
    "pl_prs": "payload_press",
    "pl_rst": "payload_reset",
    "ret": "retain",
    "stat_cla": "state_class",
    "stat_off": "state_off",
    "stat_on": "state_on",
    "stat_t": "state_topic",
    "sug_dsp_prc": "suggested_display_precision",
    "sup_clrm": "supported_color_modes",
    "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}
# Of `device`. Those that came later (model_id, serial_number) are left out: an older version refuses the message for them.
DEVICE_SHORT = {
    "cns": "connections",
    "cu": "configuration_url",
    "hw": "hw_version",
    "ids": "identifiers",
    "mdl": "model",
    "mf": "manufacturer",
    "name": "name",
    "sa": "suggested_area",
    "sw": "sw_version",
}
ORIGIN_SHORT = {"name": "name", "sw": "sw_version", "url": "support_url"}

_AVAILABILITY = (
    "availability availability_mode availability_template availability_topic payload_available"
    " payload_not_available"
)
SHARED = set(f"{_AVAILABILITY} state_topic command_topic qos encoding".split())
_COMMON = set(
    f"{_AVAILABILITY} unique_id name entity_category enabled_by_default icon qos encoding"
    " json_attributes_topic json_attributes_template device origin".split()
)
_STATE = " state_topic value_template"
_SENSOR = _STATE + " device_class expire_after force_update"
_NUMBERS = " state_class suggested_display_precision unit_of_measurement last_reset_value_template options"
_COMMAND = " command_template device_class retain"
_LIGHT = " brightness_scale effect effect_list flash flash_time_long flash_time_short supported_color_modes transition"
# Platform: keys that must be there, keys that may.
PLATFORMS = {
    "sensor": ("state_topic", _SENSOR + _NUMBERS),
    "binary_sensor": ("state_topic", _SENSOR + " off_delay payload_off payload_on"),
    "switch": (
        "command_topic",
        _COMMAND + _STATE + " optimistic payload_off payload_on state_off state_on",
    ),
    "button": ("command_topic", _COMMAND + " payload_press"),
    "number": (
        "command_topic",
        _COMMAND + _STATE + " max min mode optimistic payload_reset step unit_of_measurement",
    ),
    "light": (  # of the schema json
        "command_topic schema",
        _LIGHT + " brightness optimistic retain state_topic",
    ),
}
CATEGORIES = {"sensor": {"diagnostic"}, "binary_sensor": {"diagnostic"}}  # else also config

_M, _T, _I = "measurement", "total", "total_increasing"
STATE_CLASSES = {_M, _T, _I}
_ANY = STATE_CLASSES
_LENGTH = {"mm", "cm", "m", "km", "in", "ft", "yd", "mi"}
_PRESSURE = {"Pa", "hPa", "kPa", "bar", "cbar", "mbar", "mmHg", "inHg", "psi"}
_VOLUME = {"m³", "L", "mL", "ft³", "CCF", "gal", "fl. oz."}
# µ is U+00B5 here; newer versions have μ, U+03BC, in their tables and take the other for it. (*)
_PARTICLES = {"µg/m³"}
# Class of a sensor: units, state classes. None is no unit.
SENSOR_CLASSES = {
    "atmospheric_pressure": (_PRESSURE, {_M}),
    "battery": ({"%"}, {_M}),
    "carbon_dioxide": ({"ppm"}, {_M}),
    "current": ({"A", "mA"}, {_M}),
    "data_size": ({"B", "kB", "MB", "KiB", "MiB"}, _ANY),
    "distance": (_LENGTH, _ANY),
    "duration": ({"d", "h", "min", "s", "ms"}, _ANY),
    "energy": ({"Wh", "kWh", "MWh", "J", "kJ", "MJ"}, {_T, _I}),
    "enum": ({None}, set()),
    "frequency": ({"Hz", "kHz", "MHz", "GHz"}, {_M}),
    "humidity": ({"%"}, {_M}),
    "illuminance": ({"lx"}, {_M}),
    "moisture": ({"%"}, {_M}),
    "pm1": (_PARTICLES, {_M}),
    "pm10": (_PARTICLES, {_M}),
    "pm25": (_PARTICLES, {_M}),
    "power": ({"W", "kW"}, {_M}),
    "precipitation": ({"mm", "cm", "in"}, _ANY),
    "precipitation_intensity": ({"mm/h", "mm/d", "in/h", "in/d"}, {_M}),
    "pressure": (_PRESSURE, {_M}),
    "signal_strength": ({"dB", "dBm"}, {_M}),
    "speed": ({"m/s", "km/h", "mm/h", "mm/d", "ft/s", "mph", "kn"}, {_M}),
    "temperature": ({"°C", "°F", "K"}, {_M}),
    "timestamp": ({None}, set()),
    "volatile_organic_compounds_parts": ({"ppb", "ppm"}, {_M}),
    "voltage": ({"V", "mV"}, {_M}),
    "volume": (_VOLUME, {_T, _I}),
    "volume_flow_rate": ({"m³/h", "L/min", "ft³/min", "gal/min"}, {_M}),
    "water": ({"m³", "L", "ft³", "CCF", "gal"}, {_T, _I}),
    "weight": ({"kg", "g", "mg", "µg", "oz", "lb"}, _ANY),
    "wind_speed": ({"m/s", "km/h", "ft/s", "mph", "kn"}, {_M}),
}
_YES_OR_NO = """
    battery battery_charging cold connectivity door garage_door gas heat light lock moisture motion moving occupancy opening
    plug power presence problem running safety smoke sound tamper update vibration window
"""
OTHER_CLASSES = {
    "binary_sensor": set(_YES_OR_NO.split()),  # (*)
    "button": {"identify", "restart", "update"},
    "switch": {"outlet", "switch"},  # (*)
    "number": set(SENSOR_CLASSES) - {"enum", "timestamp"},
    "light": set(),
}

TOPIC = re.compile(r"([a-z_]+)/(?:([a-zA-Z0-9_-]+)/)?([a-zA-Z0-9_-]+)/config")


def faults(topic, payload, prefix="homeassistant"):
    """What is wrong with a discovery message (topic text, payload bytes), one text each."""
    match = topic.startswith(prefix + "/") and TOPIC.fullmatch(topic[len(prefix) + 1 :])
    if not match:
        return [f"{topic}: no discovery topic"]
    platform = match[1]
    message = json.loads(payload, object_pairs_hook=_no_doubles)
    root, found = _long(message, SHORT, "")
    found += _device(root)
    if platform != "device":
        return found + _entity(platform, root, "")
    extra = set(root) - SHARED - {"device", "origin", "components"}
    found += [f"{key}: not at the root" for key in extra] + _topics(root, "")
    found += [f"{key}: missing" for key in ("origin", "components") if key not in root]
    unique = set()
    for key, raw in root.get("components", {}).items():
        if not re.fullmatch("[a-zA-Z0-9_-]+", key):
            found.append(f"{key}: not a key")
        component, wrong = _long(raw, SHORT, key + ": ")
        found += wrong
        platform = component.pop("platform", None)
        if not component:  # a stub removes
            found += [] if platform in PLATFORMS else [f"{key}: platform {platform}"]
            continue
        for own in ("device", "origin"):
            if own in component:
                found.append(f"{key}: {own} is the root's")
        shared = {name: root[name] for name in SHARED & set(root)}
        found += _entity(platform, shared | component, key + ": ")
        if component.get("unique_id") in unique:
            found.append(f"{key}: unique_id is not unique")
        unique.add(component.get("unique_id"))
    return found


def state(entity, payload, before, now):
    """The state of an entity after a message. before: its state, None: unknown; now: Unix seconds.

    As components/mqtt has it: the template makes text of a payload; an empty one changes nothing, `None` is unknown.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    clock = datetime.datetime.fromtimestamp(now, datetime.UTC)
    value = json.loads(payload)
    text = environment.from_string(entity["val_tpl"]).render(
        now=lambda: clock, value=payload.decode(), value_json=value
    )
    return before if text == "" else None if text == "None" else text


def _no_doubles(pairs):
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError(f"a key twice in {pairs}")
    return dict(pairs)


def _long(members, short, where):
    """(members under their long names, faults)."""
    known = set(short.values()) | {
        key
        for required, optional in PLATFORMS.values()
        for key in (required + " " + optional).split()
    }
    known |= _COMMON
    found = [
        f"{where}{key}: unknown key" for key in members if key not in short and key not in known
    ]
    full = {}
    for key, value in members.items():
        name = short.get(key, key)
        if name in full:
            found.append(f"{where}{key}: twice, as {name} too")
        full[name] = value
    return full, found


def _device(root):
    found = []
    device = root.get("device", {})
    for what, keys in ((device, DEVICE_SHORT), (root.get("origin", {"name": ""}), ORIGIN_SHORT)):
        found += [
            f"{key}: unknown in device or origin"
            for key in what
            if key not in keys and key not in keys.values()
        ]
        found += [
            f"{key}: {value!r} is no text"
            for key, value in what.items()
            if key not in ("ids", "cns", "identifiers", "connections")
            and not (isinstance(value, str))
        ]
    device = {DEVICE_SHORT.get(key, key): value for key, value in device.items()}
    if not (device.get("identifiers") or device.get("connections")):
        found.append("device: without identifiers and connections")
    for pair in device.get("connections", []):
        if len(pair) != 2 or (
            pair[0] == "mac" and not re.fullmatch("([0-9a-f]{2}:){5}[0-9a-f]{2}", pair[1])
        ):
            found.append(f"device: connection {pair}")
    if "origin" in root and not root["origin"].get("name"):
        found.append("origin: without a name")
    return found


def _topics(entity, where):
    found = []
    for key in entity:
        if key.endswith("_topic"):
            topic = entity[key]
            if not topic or "~" in (topic[0], topic[-1]) or set("+#\0") & set(topic):
                found.append(f"{where}{key}: {topic!r} is no topic")
    return found


def _entity(platform, entity, where):
    if platform not in PLATFORMS:
        return [f"{where}platform {platform} is unknown"]
    required, optional = (set(keys.split()) for keys in PLATFORMS[platform])
    allowed = required | optional | _COMMON | SHARED
    found = [f"{where}{key}: unknown for a {platform}" for key in entity if key not in allowed]
    found += [
        f"{where}{key}: missing" for key in sorted(required | {"unique_id"}) if key not in entity
    ]
    found += _topics(entity, where)
    if entity.get("entity_category", "diagnostic") not in CATEGORIES.get(
        platform, {"diagnostic", "config"}
    ):
        found.append(f"{where}entity_category {entity['entity_category']} of a {platform}")
    if "availability" in entity and "availability_topic" in entity:
        found.append(f"{where}availability and availability_topic")
    if not isinstance(entity.get("name", ""), str | None):
        found.append(f"{where}name is no text")
    for key, least in (("expire_after", 1), ("suggested_display_precision", 0), ("qos", 0)):
        value = entity.get(key, least)
        if type(value) is not int or value < least:
            found.append(f"{where}{key}: {value!r}")
    if platform == "sensor":
        found += _sensor(entity, where)
    elif entity.get("device_class") not in OTHER_CLASSES[platform] | {None}:
        found.append(f"{where}device_class {entity['device_class']} of a {platform}")
    return found + _special(platform, entity, where)


def _special(platform, entity, where):
    found = []
    if platform == "number" and not entity.get("min", 1) < entity.get("max", 100):
        found.append(f"{where}min is not below max")
    if platform == "light":
        modes = entity.get("supported_color_modes", [])
        if entity.get("schema") != "json" or (
            {"onoff", "brightness"} & set(modes) and len(modes) > 1
        ):
            found.append(f"{where}schema or colour modes")
    return found


def _sensor(entity, where):
    kind, unit, state = (
        entity.get(key) for key in ("device_class", "unit_of_measurement", "state_class")
    )
    if state is not None and state not in STATE_CLASSES:
        return [f"{where}state_class {state}"]
    if unit == "":
        return [f"{where}an empty unit"]
    if kind is None:
        return []
    if kind not in SENSOR_CLASSES:
        return [f"{where}device_class {kind} is unknown"]
    units, states = SENSOR_CLASSES[kind]
    found = [] if unit in units else [f"{where}unit {unit} of a {kind}"]
    if state is not None and state not in states:
        found.append(f"{where}state_class {state} of a {kind}")
    return found
