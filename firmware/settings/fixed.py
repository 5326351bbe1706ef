"""Checks a fixed address of the node in its network. Imported for one, and let go of with the other checks."""

from firmware.settings.kinds import address as number


def fault(static):
    """Return (key, what is wrong, what would be right) of complete settings, or None."""
    address, mask, gateway, dns = [
        number(static[key]) for key in ("address", "netmask", "gateway", "dns")
    ]
    hosts = mask ^ 0xFFFFFFFF  # the bits that tell the hosts of the network apart
    if hosts & (hosts + 1) or not 2 < hosts < 0xFFFFFFFF:
        return "netmask", "is that of no network", "give that of your router, as 255.255.255.0"
    wrong = _of_no_host(address, address, hosts)
    if wrong:
        return "address", wrong, "give a free one in the network of your router"
    right = "give the address of your router"
    wrong = _of_no_host(gateway, address, hosts)
    if wrong or gateway == address:
        return "gateway", wrong or "is the node's own address", right
    if (address ^ gateway) & mask:
        return (
            "gateway",
            "cannot be reached from address",
            "give the address of a router within address and netmask",
        )
    wrong = _of_no_host(dns, address, hosts)
    if wrong or dns == address:
        right = "give that of a name server, mostly the router's"
        return "dns", wrong or "is the node's own address", right
    return None


def _of_no_host(number, ours, hosts):
    """Return why nobody has this address, or None. ours: one in the network of the node; hosts: its bits for them."""
    first = number >> 24
    if first in (0, 127):
        return "is the node itself to every program"  # RFC 1122, 3.2.1.3
    if first >= 224:
        return "is no address of one computer"
    if number | hosts == ours | hosts:
        if number & hosts == hosts:
            return "is the broadcast address of the network"
        if number & hosts == 0:
            return "is the address of the network itself"
    return None
