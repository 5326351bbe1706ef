"""The hosts of the settings and their addresses: looked up without blocking, and kept while they serve."""

from errno import ENOMEM

from micropython import const

from firmware import forget

_USES = const(3)  # uses of an address that does not serve, before its name is looked up again


def is_address(host):
    """Is it an IPv4 address, so that it needs no look-up?"""
    return len(host.split(".")) == 4 and host.replace(".", "").isdigit()


class Names:
    def __init__(self, radio):
        self.radio = radio
        self._known = {}  # host: [address, uses since it last served, is it kept on flash?]
        self._lookups = {}  # host: Lookup

    def gateway(self):
        """Return the router's address, or None."""
        try:
            router = self.radio.servers()[0]
        except OSError:
            return None
        return None if router in ("", "0.0.0.0") else router

    def find(self, host, uptime):
        """Return the address of a host, or None: it is being looked up, ask again. OSError: there is none to be had."""
        if is_address(host):
            return host
        known = self._known.get(host)
        if known and known[1] < _USES:
            known[1] += 1
            return known[0]
        try:
            address = self._look_up(host, uptime)
        except OSError:
            # No name server is no reason not to try.
            address = known[0] if known else self._kept(host)
            if not address:
                raise
        if address and not (known and known[0] == address):
            self._known[host] = [address, 1, False]
        return address

    def served(self, host):
        """Keep the address of a host, which is good, over a restart, too."""
        known = self._known.get(host)
        if not known:
            return
        known[1] = 0
        if not known[2]:
            known[2] = True
            try:
                from firmware.link.addresses import keep

                keep(host, known[0])
            except (OSError, MemoryError):
                pass  # it only helps a start without a name server
            forget("link", "addresses")

    def _kept(self, host):
        try:
            from firmware.link.addresses import kept

            address = kept(host)
        except MemoryError:
            address = None
        forget("link", "addresses")
        return address if address and is_address(address) else None

    def _look_up(self, host, uptime):
        try:
            from firmware.link.lookup import look_up

            return look_up(self._lookups, host, self.radio, uptime)
        except MemoryError:
            raise OSError(ENOMEM, "not enough memory") from None
        finally:
            if not self._lookups:
                forget("link", "lookup")
