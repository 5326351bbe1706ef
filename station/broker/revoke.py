"""Take a node's account away: it is stolen, sold or broken. The broker that runs ends its connection at once."""

import time
from pathlib import Path

import paho.mqtt.client as paho

from station.broker import accounts, rights, server
from station.broker.rights import Place
from station.broker.settings import LOOPBACK
from station.broker.site import FOLDER, Memory, Site, read
from tools import CommandError
from tools.settings import judge

_ENDED_S = (
    1  # for the broker to end the connection: mosquitto looks for signals ten times a second
)
_PATIENCE_S = 5


def add_arguments(parser):
    parser.add_argument(
        "--node", required=True, metavar="NAME", help="whose account; a node, or one of ACCOUNTS="
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the broker is (%(default)s)"
    )


def run(args):
    site = Site(args.folder)
    memory = site.memory
    users = [user for user, place in memory.nodes.items() if place.node == args.node]
    place = memory.nodes[users[0]] if users else None
    hashes = accounts.parsed(read(site.folder / "passwords") or "")
    was = "has no account any more"
    if place:
        memory = _without_node(memory, place.node, users, hashes)
    elif args.node in memory.more:
        users = [args.node]
        memory = memory._replace(more=[user for user in memory.more if user != args.node])
    elif args.node in memory.revoked or rights.is_more(args.node):
        # A call before this one may have been cut: what it left is done now.
        users = _left(args.node, memory, hashes)
        was = "is revoked already, and it holds"
    else:
        raise CommandError(_unknown(args.node, memory), 2)
    _write(site, memory, users, hashes)
    print(f"{args.node} {was}; {server.tell(site.folder)}")
    if place:
        if server.running(site.folder) and not _offline(site, memory, place):
            print("its `status` at the broker stays as it was")
        again = site.call("broker", memory, NODE=args.node)
        print(f"{again} lets it in again, with a new password")
    return 0


def _write(site: Site, memory: Memory, users: list[str], hashes: dict[str, str]) -> None:
    """Write what takes rights away first. Where this is cut, nobody has more rights than before, and a second call goes on."""
    # 1. Without rules an account may do nothing. Its hash is still there, for 2. to keep.
    acl = site.folder / "acl"
    site.put(acl, rights.without(read(acl) or "", users))
    # 2. From here on `make broker` leaves it out.
    site.remember(memory)
    # 3. It cannot log in.
    kept = {user: line for user, line in hashes.items() if user not in users}
    site.put(site.folder / "passwords", accounts.written(kept))
    for user in users:
        if rights.is_more(user):
            (site.private / f"{user}.json").unlink(missing_ok=True)


def _left(name: str, memory: Memory, hashes: dict[str, str]) -> list[str]:
    """The accounts that a revoked node, or a program, still has."""
    theirs = memory.revoked.get(name)
    return [user for user, line in hashes.items() if line == theirs] if theirs else [name]


def _without_node(memory: Memory, node: str, users: list[str], hashes: dict[str, str]) -> Memory:
    return memory._replace(
        nodes={user: place for user, place in memory.nodes.items() if user not in users},
        former={user: each for user, each in memory.former.items() if user not in users},
        revoked=memory.revoked | {node: hashes.get(users[0], "")},
    )


def _unknown(node, memory):
    names = ", ".join(sorted(place.node for place in memory.nodes.values()))
    return f"NODE={node} has no account; there is {names or 'none at all'}"


def _offline(site: Site, memory: Memory, place: Place) -> bool:
    """Publish that the node is offline, as the operator: mosquitto publishes no last will of who is thrown out. Returns whether that is done."""
    time.sleep(_ENDED_S)
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "", reconnect_on_failure=False)
    try:
        entry = judge.parse_file(site.private / "operator.json")["mqtt"]["brokers"][0]
        client.username_pw_set(entry["user"], entry["password"])
        client.connect(LOOPBACK, memory.local)
        client.loop_start()
        said = client.publish(f"{place.base}/{place.node}/status", "offline", 1, retain=True)
        said.wait_for_publish(_PATIENCE_S)
        return said.is_published()
    except (CommandError, OSError, LookupError, TypeError, ValueError, RuntimeError):
        return False
    finally:
        client.disconnect()
        client.loop_stop()
