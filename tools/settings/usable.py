"""May a node be given this config? What the node's own check says, and besides: the example's words, files that are not there,
what will only go wrong on the way to the broker.
"""

import os

from tools.settings import tlsfiles
from tools.settings.judge import judge
from tools.settings.namedfiles import file_faults
from tools.settings.values import of_kind

# What config.json.example says where you are to say something else.
PLACEHOLDERS = ("your network", "your password")
PLAIN, TLS = 1883, 8883  # the ports that brokers have, and that settings without one stand for
LOCAL = ("localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback")
TLS_ON = '"tls": {"ca": "ca.pem"}'


def for_use(raw, model, path=None):
    """Return (settings or None, faults) of parsed JSON that a node is to use: a check, whether the example's words are still there,
    and whether the files that it names are beside path (None: nobody wants them). Faults come all at once.
    """
    settings, faults = judge(raw, model)
    told = {fault.partition(":")[0] for fault in faults}
    more = [*_unchanged(raw), *(file_faults(path, raw) if path else ())]
    faults = faults + [fault for fault in more if fault.partition(":")[0] not in told]
    return (None if faults else settings), faults


def _unchanged(raw):
    """The example's words, with which no node can join a network."""
    for setting, value in of_kind(("text", "secret"), raw):
        if setting.startswith("wifi.networks") and value in PLACEHOLDERS:
            yield f'{setting}: is still the example\'s "{value}", put in that of your network'


def warnings(raw, folder):
    """What will only go wrong on the way to the broker: an address, a port, a certificate beside the config; and what is of little use.

    raw: parsed JSON, or settings. Faults are the check's business. A warning of several settings comes once.
    """
    told: dict[str, list[str]] = {}
    for setting, wrong in _warnings(raw, folder):
        told.setdefault(wrong, []).append(setting)
    return [f"{', '.join(settings)}: {wrong}" for wrong, settings in told.items()]


def _warnings(raw, folder):
    """Yield (setting, what is wrong with it)."""
    if isinstance(raw, dict) and not (raw.get("sensors") or raw.get("outputs")):
        yield "sensors", "there are none: the node publishes only its own state"
    for setting, host in of_kind(("host",), raw):
        if not setting.endswith(".host"):
            continue  # a name in a certificate
        if _is_itself(host):
            right = "give the address in your network (only an emulated board reaches this computer by it)"
            yield setting, f"{host} is the board itself, {right}"
        elif _is_many(host):
            yield setting, f"{host} is no address of one computer, give that of yours"
    for setting, port, tls in _brokers(raw):
        if port == (PLAIN if tls else TLS):
            usual = f"with tls, mostly {TLS}" if tls else f"without tls, mostly {PLAIN}"
            right = f'{TLS}, or leave "tls" out' if tls else f"{PLAIN}, or {TLS_ON}, too"
            yield setting, f"is {port}; {usual}: give {right}"
    for setting, name in of_kind(("path",), raw):
        file = folder / name.lstrip("/")
        wrong = not setting.endswith(".key") and os.path.isfile(file) and tlsfiles.expired(file)
        if wrong:
            yield setting, wrong


def _brokers(raw):
    """Yield (setting, port, tls) of each broker that has a port."""
    section = raw.get("mqtt") if isinstance(raw, dict) else None
    brokers = section.get("brokers") if isinstance(section, dict) else None
    for i, broker in enumerate(brokers if isinstance(brokers, list) else ()):
        if isinstance(broker, dict) and "port" in broker:
            yield f"mqtt.brokers[{i}].port", broker["port"], broker.get("tls")


def _is_itself(host):
    name = host.lower().rstrip(".")
    # RFC 6761, 6.3; the others are in the hosts files of Linux distributions.
    by_name = name.split(".")[0] in LOCAL or name.endswith(".localhost") or name == "::1"
    return by_name or _first(name) in (0, 127)


def _is_many(host):
    """Broadcast, multicast, or reserved."""
    return _first(host) >= 224


def _first(host):
    """The first number of an IPv4 address, -1: it is none."""
    from firmware.settings import kinds

    address = kinds.address(host)
    return -1 if address is None else address >> 24
