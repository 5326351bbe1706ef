"""Is the node online? Read along after its restart, until it says that a broker accepted it."""

import re
import shlex
from collections import deque

from tools import CommandError, said
from tools.boards.serialboard import LinkLost
from tools.settings.nodeconfig import DEFAULT
from tools.settings.values import of_kind

OFFLINE = 10  # exit code

# The node logs it when the broker has acknowledged what introduces the node.
ONLINE = re.compile(r"(\S+)/status online\b")
# What a node without settings prints when its page for a phone is open.
_PAGE = re.compile(r"provisioning: (join the Wi-Fi network .+)")

_LAST_LINES = 15


def says_so(settings):
    """False: with that log level the node does not say when it is online."""
    return settings["log"]["level"] not in ("warning", "error")


def masked(text, settings):
    """A line of the board's without the secrets of its settings: the node logs none, its crash or another program might."""
    for _, secret in of_kind(("secret",), settings):
        text = text.replace(secret, "***")
    return text


def wait(link, seconds, settings, line):
    """Return the node's topic once it is online. CommandError: it is not, and why that may be."""
    found, last, stopped = _read_along(link, seconds, line, "the node to be online", ONLINE)
    if found:
        return found
    last = [masked(said, settings) for said in last]
    raise CommandError(_why_offline(link.port, last, seconds, stopped, settings), OFFLINE)


def wait_for_page(link, seconds, line):
    """Return what a phone has to join, once a node without settings has opened its page. CommandError: it has not."""
    found, last, _ = _read_along(link, seconds, line, "the page for a phone to open", _PAGE)
    if found:
        return found
    raise CommandError(
        f"everything was copied, but the page for a phone is not open after {seconds:.0f} s. The board's last lines:\n"
        f"{_indented(last)}\nsee more with `make logs PORT={link.port}`",
        OFFLINE,
    )


def _read_along(link, seconds, line, event, pattern):
    """Return (what the pattern's group has of a line, or None; the last lines; True: the program ended)."""
    line.say(f"restarted, waiting for {event} (at most {seconds:.0f} s)")
    line.doing(f"waiting for {event}")
    last: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        for said in link.lines(seconds):
            found = pattern.search(said)
            if found:
                return found[1], last, False
            if said:
                last.append(said)
            if said.startswith(">>> "):
                return None, last, True
    except LinkLost as e:
        raise LinkLost(f"everything was copied, but {e}") from None
    finally:
        line.doing("")
    return None, last, False


def how_to_watch(topic, settings, path):
    """How to see what a node publishes. path: the config file here that names its broker, None if there is none."""
    broker = settings["mqtt"]["brokers"][0]
    words = ["mosquitto_sub", "-h", broker["host"], "-p", str(broker["port"])]
    if broker["user"]:
        words += ["-u", broker["user"], "-P", "PASSWORD"]
    if broker["tls"]:
        words += ["--cafile", broker["tls"]["ca"]]
    by_hand = shlex.join([*words, "-v", "-t", f"{topic}/#"])
    if path is None or not path.exists():
        return by_hand
    given = "" if path == DEFAULT else f" CONFIG={shlex.quote(str(path))}"
    return said(f"make watch{given}") + f"\nor: {by_hand}"


def _why_offline(port, last, seconds, stopped, settings):
    if stopped:
        return f"everything was copied, but the node stopped. The board's last lines:\n{_indented(last)}"
    networks = ", ".join(network["ssid"] for network in settings["wifi"]["networks"])
    brokers = ", ".join(
        f"{broker['host']}:{broker['port']}" for broker in settings["mqtt"]["brokers"]
    )
    return f"""everything was copied, but the node is not online after {seconds:.0f} s. Its last lines:
{_indented(last)}
check  wifi.networks ({networks}): name and password right? a 2.4 GHz network?
       mqtt.brokers ({brokers}): can the board reach it ("localhost" would be the board itself)?
       user and password accepted? the broker's log tells
and see more with `make logs PORT={port}`"""


def _indented(lines):
    return "\n".join("    " + line for line in lines) or "    (nothing)"
