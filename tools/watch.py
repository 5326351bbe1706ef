"""mosquitto_sub with the broker and the credentials of a config.json.

The password is handed over in a file only we can read: on a command line every user of the machine could.
"""

import os
import shlex
import socket
import ssl
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tools import CommandError, processes, toolchain, unreadable

PATIENCE = 5  # seconds for a broker to accept


def add_arguments(parser):
    parser.add_argument(
        "--config", default="config.json", help="the node's settings (%(default)s)"
    )
    parser.add_argument("--topic", help="topic filter (all nodes of the config's base)")


def run(args):
    path = Path(args.config)
    settings = read(path)
    broker = reachable(settings["mqtt"]["brokers"])
    topic = args.topic or settings["node"]["base"] + "/#"
    print(f"{topic} on {broker['host']}:{broker['port']}; Ctrl-C ends it", flush=True)
    with subscriber(broker, topic, path.parent) as process:
        return process.wait()


def read(path):
    from tools.check_config import BadConfig, for_use, parse

    # The broker of the untouched example is somebody's
    settings, faults = for_use(parse(path), None)
    if faults:
        raise BadConfig(path, faults)
    return settings


def reachable(brokers):
    """The first broker that accepts a connection."""
    said = []
    for broker in brokers:
        try:
            socket.create_connection((broker["host"], broker["port"]), PATIENCE).close()
        except OSError as e:
            said.append(f"{broker['host']}:{broker['port']}: {e.strerror or e}")
        else:
            return broker
    raise CommandError("no broker answers: " + "; ".join(said))


@contextmanager
def subscriber(broker, topic, folder=Path(), **options):
    """A running `mosquitto_sub -v` of one of the config's brokers; files it names are in `folder`."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        lines = [f"-h {broker['host']}", f"-p {broker['port']}"]
        if broker["user"]:
            lines += [f"-u {broker['user']}", f"-P {broker['password']}"]
        if broker["tls"]:
            lines += tls(broker["tls"], folder, home)
        file = home / "mosquitto_sub"
        file.touch(mode=0o600)
        file.write_text("".join(f"{line}\n" for line in lines))
        words = [toolchain.mosquitto_sub(), "-v", "-t", topic]
        environment = os.environ | {"XDG_CONFIG_HOME": str(home)}
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


def tls(settings, folder, home):
    """mosquitto_sub's options for a config's `tls`; it takes PEM, where a board takes DER too."""
    lines = []
    for key, option in (("ca", "--cafile"), ("cert", "--cert"), ("key", "--key")):
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
            lines.append(f"{option} {path}")
    return lines


def pem(key, data):
    if key != "key":
        return ssl.DER_cert_to_PEM_cert(data).encode()
    from cryptography.hazmat.primitives import serialization as s

    private = s.load_der_private_key(data, None)
    return private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
