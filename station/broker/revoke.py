"""Take a node's account away: it is stolen, sold or broken. The broker that runs ends its connection at once."""

from pathlib import Path

from station.broker import accounts, rights, server
from station.broker.site import FOLDER, Site, read
from tools import CommandError


def add_arguments(parser):
    parser.add_argument("--node", required=True, metavar="NAME", help="whose account")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the broker is (%(default)s)"
    )


def run(args):
    site = Site(args.folder)
    memory = site.memory
    users = [user for user, place in memory.nodes.items() if place.node == args.node]
    if not users:
        raise CommandError(_unknown(args.node, memory), 2)
    path = site.folder / "passwords"
    hashes = accounts.parsed(read(path) or "")
    gone = {args.node: hashes.get(users[0], "")}
    memory = memory._replace(
        nodes={user: place for user, place in memory.nodes.items() if user not in users},
        revoked=memory.revoked | gone,
    )
    # First of all what lasts: whatever stops this, `make broker` will not bring the node back.
    site.remember(memory)
    site.put(path, accounts.written({u: h for u, h in hashes.items() if u not in users}))
    acl = site.folder / "acl"
    site.put(acl, rights.without(read(acl) or "", users))
    print(f"{args.node} has no account any more; {server.tell(site.folder)}")
    print(f"make broker NODE={args.node} lets it in again, with a new password")
    return 0


def _unknown(node, memory):
    if node in memory.revoked:
        return f"NODE= {node} is revoked already"
    names = ", ".join(sorted(place.node for place in memory.nodes.values()))
    return f"NODE= {node} has no account; there is {names or 'none at all'}"
