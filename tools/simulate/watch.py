"""mosquitto_sub with the broker and the credentials of a config.json.

The password is handed over in a file only we can read: on a command line every user of the machine could.
"""

import os
import shlex
import ssl
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tools import CommandError, processes, toolchain, unreadable
from tools.simulate import greeting, messages

PIPE = {"stdout": subprocess.PIPE, "encoding": "utf-8", "errors": "replace"}
_OPTIONS = {"ca": "--cafile", "cert": "--cert", "key": "--key"}  # mosquitto_sub's for `tls`


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
    if messages.wanted_raw(args):
        with subscriber(broker, topic, path.parent) as process:
            return ended(process.wait())
    shown = messages.Messages(settings["node"]["base"], sensors=settings["sensors"])
    with subscriber(broker, topic, path.parent, messages.TO_BE_SHOWN, **PIPE) as process:
        for line in process.stdout:
            shown.show(line)
        return ended(process.wait())


def ended(code):
    """Return an exit code as shells have it: of who was ended by a signal, such as SIGPIPE when no one reads any more, 128 and its number."""
    return code if code >= 0 else 128 - code


def read(path):
    from tools.settings.judge import BadConfig, parse
    from tools.settings.usable import for_use

    # The broker of the untouched example is somebody's
    settings, faults = for_use(parse(path), None)
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
def subscriber(broker, topic, folder=Path(), form=messages.AS_THEY_ARE, **options):
    """A running `mosquitto_sub` of one of the config's brokers; files it names are in `folder`. form: of what it prints."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        lines = [f"-h {broker['host']}", f"-p {broker['port']}"]
        if broker["user"]:
            lines += [f"-u {broker['user']}", f"-P {broker['password']}"]
        if broker["tls"]:
            files = pem_files(broker["tls"], folder, home)
            lines += [f"{_OPTIONS[key]} {path}" for key, path in files.items()]
        file = home / "mosquitto_sub"
        file.touch(mode=0o600)
        file.write_text("".join(f"{line}\n" for line in lines))
        words = [toolchain.mosquitto_sub(), *form, "-t", topic]
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


def pem_files(settings, folder, home):
    """{key: path} of the files of a config's `tls` as PEM, which is all that OpenSSL's programs take; made in `home` of DER."""
    files = {}
    for key in _OPTIONS:
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
