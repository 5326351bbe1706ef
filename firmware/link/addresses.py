"""The addresses at which brokers were last reached, kept over a restart: for a start without a name server. Loaded when it is needed."""

from firmware.files import read, write

_FILE = "state/addresses"  # a line a broker: its name, a space, its address
_MOST = 4


def _pairs():
    """Return the [name, address] that can be read, whatever is in the file."""
    pairs = [line.split(" ") for line in (read(_FILE) or "").split("\n")]
    return [pair for pair in pairs if len(pair) == 2]


def kept(host):
    """Return what was kept for a host, which may be anything, or None."""
    for name, address in _pairs():
        if name == host:
            return address
    return None


def keep(host, address):
    """Keep the address of a host, if it is new. OSError: the flash takes nothing."""
    if kept(host) == address:
        return
    pairs = [pair for pair in _pairs() if pair[0] != host][1 - _MOST :] + [(host, address)]
    write(_FILE, "\n".join([" ".join(pair) for pair in pairs]))
