"""What somebody most likely meant by what a check finds at fault: where a setting belongs, which type it is, what an object holds.

A board says what it knows, and no more: the tables that tell the rest are larger than it can hold at once. All of it is read from the
tables of settings and of sensor types; what stands in none of them is in `_WORDS` and `_ONE_LAST_DIGIT`.
"""

import re

from firmware.settings.partnames import SYNONYMS, every
from firmware.settings.tables import SETTINGS

_UNKNOWN = re.compile(r"(.*?)([^.]+): unknown, (.*)", re.S)
_LISTS = re.compile(r"((sensors\[\d+\]\.type): .*, (?:known: |give one of )).*")
_ENTRY = re.compile(r"(sensors|outputs)\[(\d+)\]\.type: ")
_OBJECT = re.compile(r"(.*): (is .*), give an object, { … }", re.S)
_LIST = re.compile(r"(.*): (.*), give a list of (\d+ to \d+), \[ … \]", re.S)
_FILE = re.compile(r"(?:.*\.)?(\w+): .*, give the name of a file on the board", re.S)
_NUMBER = re.compile(r"((.*?)(\w+): .*, give a whole number )from (-?\d+) to (\d+)", re.S)
_MOST = 3  # places or types that are worth naming
# Letters that are taken for a digit, and digits for a letter: of two names that differ in them alone one is misread.
_LOOKS_LIKE = str.maketrans("oilzsb", "011258")
# Of these no other chip is made whose name differs in the last digit. Of all others one is, or may be: a tmp116 is no tmp117.
_ONE_LAST_DIGIT = ("bme28", "bme68", "dht2", "ds18b2", "veml770")
# What people call it: its type, and if need be its kind.
_WORDS = {
    "analog": "adc",
    "anemometer": "pulse",
    "counter": "pulse",
    "dallas": "ds18b20",
    "door": "input reed",
    "flow": "pulse",
    "gpio": "input",
    "hcsr501": "input pir",
    "onewire": "ds18b20",
    "rain": "pulse",
    "thermistor": "ntc",
    "ultrasonic": "hcsr04",
    "window": "input reed",
}
# What other programs call a setting: its name here.
_SETTINGS = {
    "pass": "password",
    "passphrase": "password",
    "psk": "password",
    "pwd": "password",
    "ssl": "tls",
    "cafile": "ca",
    "certfile": "cert",
    "keyfile": "key",
}
# What looks like a setting and is another thing.
_NO_SETTING = {"bssid": "the Wi-Fi driver chooses the access point of a network: leave it out"}
_OUTPUTS = {
    "dimmer": "light",
    "fan": "switch",
    "lamp": "light",
    "led": "light",
    "pump": "switch",
    "relay": "switch",
    "valve": "switch",
}


def explained(raw, faults, types):
    """Return the faults of a check of raw, with what was meant where that can be told."""
    every_type = ", ".join(every(types))
    # path of the first fault that lists the types, once some of them have a better fault
    listed = None
    told = []
    for fault in faults:
        text = _type(raw, fault, types) or _place(fault, types) or _form(fault) or fault
        begin = _LISTS.fullmatch(text)
        if begin:
            text = begin[1] + (f"those at {listed}" if listed else every_type)
            listed = listed or begin[2]
        told.append(text)
    return told


# ---- settings


def places(types):
    """Yield (path, key) of every setting: path as ("mqtt", "brokers[]"), with <quantity> for the name of one."""
    yield from ((path, row[0]) for path, row in _settings(SETTINGS))
    for own in sorted({row[0] for _, _, rows, _ in types.values() for row in rows}):
        yield ("sensors[]",), own


def _settings(rows, path=()):
    """Yield (path, row) of every setting that is not of one type of sensor alone."""
    for row in rows:
        key, kind, _, limit, _ = row
        yield path, row
        if kind == "object":
            yield from _settings(limit, (*path, key))
        elif kind in ("list", "sensors"):
            yield from _settings(limit[2], (*path, key + "[]"))
        elif kind == "quantities" and limit[0] == "object":
            yield from _settings(limit[2], (*path, key, "<quantity>"))


def _place(fault, types):
    """Return the fault of an unknown setting with where it belongs, None: nobody knows."""
    found = _UNKNOWN.fullmatch(fault)
    if not found:
        return None
    inside, key, told = found.groups()
    if key.lower() in _NO_SETTING:
        return f"{inside}{key}: unknown, {_NO_SETTING[key.lower()]}"
    here = [part for part in inside.split(".") if part]
    ours = _SETTINGS.get(key.lower(), key)
    fit = sorted(
        {path for path, name in places(types) if name == ours},
        key=lambda path: (len(path), path),
    )
    if any(len(path) == len(here) == _common(here, path) for path in fit):
        # Of another type of sensor, or another name.
        return None if ours == key else f"{inside}{key}: unknown, did you mean {ours}?"
    below = [path for path in fit if _common(here, path) == len(here)]
    above = [path for path in fit if _common(here, path) == len(path)]
    where = " or ".join(_written(here, path) for path in (below or above or fit)[:_MOST])
    # A setting of that very name is meant rather than one here that adds a word to it: `qos` rather than `qos_max`.
    longer = fit and f"did you mean {key}_" in told
    if below or above or longer:
        renamed = "" if ours == key else f" as {ours}"
        return f"{inside}{key}: unknown, belongs {where}{renamed}"
    if not fit or "did you mean" in told:
        return None
    return f"{fault}; {key} belongs {where}"


def _form(fault):
    """Return a fault that asks for an object, a file or a number with how it is written; None: there is no more to say."""
    found = _FILE.fullmatch(fault)
    if found:
        return f'{fault}, "{found[1]}": {_example(found[1], "path")}'
    found = _NUMBER.fullmatch(fault)
    if found:
        return _number(*found.groups())
    found = _LIST.fullmatch(fault)
    if found:
        inside = _needed(found[1] + "[0]")
        return inside and f"{found[1]}: {found[2]}, give a list of {found[3]}, [{inside}]"
    found = _OBJECT.fullmatch(fault)
    if not found:
        return None
    inside = _needed("" if found[1] == "config" else found[1])
    return inside and f"{found[1]}: {found[2]}, give an object, {inside}"


def _needed(place):
    """Return an object of what must be given at a place, as text; None: nothing must."""
    here = [part for part in place.split(".") if part]
    inside = [
        f'"{key}": {_example(key, kind)}'
        for path, (key, kind, default, _, _) in _settings(SETTINGS)
        if default is ... and len(path) == len(here) == _common(here, path)
    ]
    return f"{{{', '.join(inside)}}}" if inside else None


def _number(told, inside, key, least, most):
    """Return the fault of a number of which the least stands for the default, as 0 for a port: nobody has to give that."""
    here = [part for part in inside.split(".") if part]
    for path, (name, _, default, _, text) in _settings(SETTINGS):
        is_it = name == key and len(path) == len(here) == _common(here, path)
        if is_it and str(default) == least and text.startswith(f"{least}: "):
            return f"{told}from {int(least) + 1} to {most}, or leave it out"
    return None


def _example(key, kind):
    return f'"{key}.pem"' if kind == "path" else "…"


def _common(here, path):
    """How many parts two paths begin with alike."""
    count = 0
    for ours, theirs in zip(here, path, strict=False):
        if theirs not in (re.sub(r"\[\d+\]$", "[]", ours), "<quantity>"):
            break
        count += 1
    return count


def _written(here, path):
    """A path as a fault writes it: beside what is at fault, if it shares its entry, else the first of a list."""
    if not path:
        return "at the top level"
    count = _common(here, path)
    rest = [part.replace("[]", "[0]") for part in path[count:]]
    return "in " + ".".join([*here[:count], *rest])


# ---- types


def _type(raw, fault, types):
    """Return the fault of an entry's type with the one that was meant, None: nobody knows."""
    found = _ENTRY.match(fault)
    if not found or "did you mean" in fault:
        return None
    name = raw[found[1]][int(found[2])].get("type")
    if type(name) is not str:
        return None
    name = re.sub(r"[-_ /]", "", name.lower())
    if found[1] == "outputs":
        right = _of_an_output(name, types)
    else:
        right = _of_a_sensor(name, types)
    return right and found[0] + right


def _of_an_output(name, types):
    if name in _OUTPUTS:
        return f'unknown, did you mean "{_OUTPUTS[name]}"?'
    if name in every(types):
        return f'is a sensor, give it in "sensors": [{{"name": …, "type": "{name}", …}}]'
    return None


def _of_a_sensor(name, types):
    output = name if name in _output_types() else _OUTPUTS.get(name)
    if output:
        return f'is an output, give it in "outputs": [{{"name": …, "type": "{output}", "pin": …}}]'
    meant = _WORDS.get(name) or _kind(name, types)
    if meant:
        each, _, kind = meant.partition(" ")
        also = kind and f', "{types[each][3][0]}": "{kind}"'
        return f'unknown, did you mean "type": "{each}"{also}?'
    measured = [each for each, row in types.items() if name in _quantities(row[3])]
    if measured:
        return f"is what a sensor measures, give the sensor: {_listed(measured)}"
    near = _misread(name, types)
    return near and f"unknown, did you mean {_listed(near)}?"


def _kind(name, types):
    """Return the type, and the kind of it, that has this name or is the only one to measure it, as "input pir"; None: none does."""
    found = []
    for each, (_, _, _, quantities) in types.items():
        if not isinstance(quantities[-1], dict):
            found += [each] * (name in quantities)
            continue
        for kind, measured in quantities[-1].items():
            if name == kind or name in measured:
                found.append(f"{each} {kind}")
    return found[0] if len(found) == 1 else None


def _output_types():
    (outputs,) = (row[3][2] for row in SETTINGS if row[0] == "outputs")
    (choices,) = (row[3] for row in outputs if row[0] == "type")
    return choices


def _quantities(quantities):
    """Of a row of TYPES: the names of what is measured."""
    return (
        sum(quantities[-1].values(), ()) if isinstance(quantities[-1], dict) else tuple(quantities)
    )


def _misread(name, types):
    """Names of types that were misread, that have another last digit, or whose beginning this is."""
    known = every(types)
    alike = name.translate(_LOOKS_LIKE)
    near = [each for each in known if each.translate(_LOOKS_LIKE) == alike]
    if not near and name[:-1] in _ONE_LAST_DIGIT and name[-1].isdigit():
        near = [each for each in types if each[:-1] == name[:-1]]
    if not near and len(name) >= 3 and name.isalpha():
        near = [each for each in known if each.startswith(name) and each not in SYNONYMS]
    return near


def _listed(names):
    names = list(names)
    return " or ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
