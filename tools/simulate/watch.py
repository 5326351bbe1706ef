"""Subscribes with the broker and the credentials of a config.json, and shows what comes.

`make watch` does it itself, so that it needs no mosquitto; `make run`, which has one, starts mosquitto_sub.
"""

import os
import shlex
import ssl
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho

from tools import CommandError, processes, toolchain, unreadable
from tools.simulate import greeting, messages

PIPE = {"stdout": subprocess.PIPE, "encoding": "utf-8", "errors": "replace"}
_FILES = ("ca", "cert", "key")  # of `tls`
_KEEPALIVE_S = 60


def add_arguments(parser):
    parser.add_argument(
        "--config", default="config.json", help="the node's settings (%(default)s)"
    )
    parser.add_argument("--topic", help="topic filter (all nodes of the config's base)")
    messages.add_argument(parser)


def run(args):
    path = Path(args.config)
    settings = read(path)
    broker = reachable(settings["mqtt"]["brokers"], path.parent)
    topic = args.topic or settings["node"]["base"] + "/#"
    print(f"{topic} on {broker['host']}:{broker['port']}; Ctrl-C ends it", flush=True)
    shown = messages.Messages(settings["node"]["base"], sensors=settings["sensors"])
    show = _as_it_is if messages.wanted_raw(args) else shown.take
    with tempfile.TemporaryDirectory() as home:
        client = _client(broker, topic, show)
        if broker["tls"]:
            files = pem_files(broker["tls"], path.parent, Path(home))
            client.tls_set_context(greeting.context(broker, files))
        client.connect(broker["host"], broker["port"], _KEEPALIVE_S)
        client.loop_forever()
    return 0


def _as_it_is(topic, payload):
    sys.stdout.buffer.write(b"%s %s\n" % (topic.encode(), payload))
    sys.stdout.buffer.flush()


def _client(broker, topic, show):
    """A client that subscribes whenever it is connected, and hands on what comes. CommandError: there is no such topic filter."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    if broker["user"]:
        client.username_pw_set(broker["user"], broker["password"] or None)
    try:
        client.subscribe(topic)  # not connected: it is only looked at
    except ValueError:
        right = "`#` stands alone at the end, `+` for one whole level"
        raise CommandError(f"TOPIC={topic} is no topic filter: {right}") from None

    def connected(client, _, flags, code, properties):
        if code.is_failure:
            raise CommandError(f"the broker refuses the connection: {code}")
        client.subscribe(topic)

    def subscribed(client, _, number, codes, properties):
        if codes[0].is_failure:
            raise CommandError(f"the broker refuses the subscription to {topic}")

    client.on_connect, client.on_subscribe = connected, subscribed
    client.on_message = lambda client, _, message: show(message.topic, message.payload)
    return client


def read(path):
    from tools.settings.judge import BadConfig, parse
    from tools.settings.usable import for_use

    raw = parse(path)
    if isinstance(raw, dict):  # the files of `make broker` for programs have a broker and no more
        raw = {"wifi": {"networks": [{"ssid": "any"}]}, "sensors": []} | raw
    # The broker of the untouched example is somebody's
    settings, faults = for_use(raw, None)
    if faults:
        raise BadConfig(path, faults)
    return settings


def reachable(brokers, folder):
    """The first broker that welcomes us. CommandError: none does, and why."""
    said = []
    for broker in brokers:
        with tempfile.TemporaryDirectory() as home:
            files = pem_files(broker["tls"], folder, Path(home)) if broker["tls"] else {}
            wrong = greeting.fault(broker, files)
        if not wrong:
            return broker
        said.append(f"{broker['host']}:{broker['port']}: {wrong}")
    raise CommandError("no broker answers: " + "; ".join(said))


@contextmanager
def subscriber(broker, topic, form=messages.AS_THEY_ARE, **options):
    """A running `mosquitto_sub`. form: of what it prints.

    The password is handed over in a file only we can read: on a command line every user of the machine could.
    """
    with tempfile.TemporaryDirectory() as home:
        lines = [f"-h {broker['host']}", f"-p {broker['port']}"]
        if broker["user"]:
            lines += [f"-u {broker['user']}", f"-P {broker['password']}"]
        file = Path(home) / "mosquitto_sub"
        file.touch(mode=0o600)
        file.write_text("".join(f"{line}\n" for line in lines))
        words = [toolchain.mosquitto_sub(), *form, "-t", topic]
        environment = os.environ | {"XDG_CONFIG_HOME": home}
        process = processes.start(words, env=environment, **options)
        try:
            yield process
        finally:
            processes.stop(process)


def by_hand(broker, topic):
    """The command line of a subscriber, for people."""
    words = [toolchain.mosquitto_sub(), "-h", broker["host"], "-p", broker["port"]]
    if broker["user"]:
        words += ["-u", broker["user"], "-P", broker["password"]]
    return shlex.join(str(word) for word in [*words, "-v", "-t", topic])


def pem_files(settings, folder, home):
    """{key: path} of the files of a config's `tls` as PEM, which is all that OpenSSL takes; made in `home` of DER."""
    files = {}
    for key in _FILES:
        if settings[key]:
            path = (folder / settings[key].lstrip("/")).resolve()
            try:
                data = path.read_bytes()
            except OSError as e:
                raise CommandError(unreadable(path, e)) from None
            if b"-----BEGIN " not in data:
                path = home / key
                path.touch(mode=0o600)
                path.write_bytes(pem(key, data))
            files[key] = path
    return files


def pem(key, data):
    if key != "key":
        return ssl.DER_cert_to_PEM_cert(data).encode()
    from cryptography.hazmat.primitives import serialization as s

    private = s.load_der_private_key(data, None)
    return private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
