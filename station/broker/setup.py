"""Writes a broker's folder for the nodes there are, and what was asked for. A second run keeps what is there, and changes what has to be."""

import datetime
import socket
from pathlib import Path
from typing import Any, NamedTuple

from firmware.settings import kinds
from station.broker import accounts, authority, fleet, rights, server, settings
from station.broker.accounts import Account
from station.broker.enrol import Given, enrol
from station.broker.fleet import Fleet
from station.broker.rights import ROLES, Place
from station.broker.settings import EVERYWHERE, Bridge, Listeners
from station.broker.site import OPEN, Memory, Site, read
from tools import CommandError
from tools.jsontext import pretty
from tools.settings import judge, overlays
from tools.settings.judge import BadConfig


class Made(NamedTuple):
    """What a set-up has come to."""

    memory: Memory
    nodes: Fleet
    given: Given
    roles: dict[str, Account]
    base: str  # of the first node
    bridge: Bridge | None
    changed: list[Path]
    told: list[str]  # what a broker that runs was told, or has to be


def set_up(args, site: Site) -> Made:
    """Write the folder, and the accounts into the nodes' own files. CommandError: something is in the way; run it again then."""
    memory = _told(args, site.memory if site.exists() else None)
    nodes = fleet.find(args.config, args.csv, memory.hosts)
    site.make_folders()
    _certificates(site, memory)
    before = accounts.parsed(read(site.folder / "passwords") or "")
    given, memory = _enrolled(args, nodes, memory, before)
    places = [Place("", *each) for each in memory.bases]
    base = next((place.base for place in memory.nodes.values()), places[0].base)
    roles = _roles(site, memory, base)
    # The nodes' files first: if this ends half-way, the next run finds their passwords there.
    entry = _entry(args, site, memory)
    handed = nodes.hand_out({name: account for name, (account, _) in given.items()}, entry)
    site.remember(memory)
    everybody = [*(account for account, _ in given.values()), *roles.values()]
    kept = {user: before[user] for user in memory.nodes if user in before}
    hashes = kept | accounts.renewed(everybody, before)
    passwords = site.put(site.folder / "passwords", accounts.written(hashes))
    acl = site.put(site.folder / "acl", _acl(memory, places))
    bridge = bridge_of(site, args.bridge, places)
    conf = _settings(site, memory, bridge)
    told = []
    if server.running(site.folder):
        if passwords or acl or site.folder / "server.pem" in site.changed:
            told.append(server.tell(site.folder))
        if conf:
            told.append("it has to be started again: sudo systemctl restart outpost-broker")
    changed = list(dict.fromkeys([*site.changed, *handed]))
    return Made(memory, nodes, given, roles, base, bridge, changed, told)


def _enrolled(args, nodes: Fleet, memory: Memory, before: dict[str, str]) -> tuple[Given, Memory]:
    members = nodes.members()
    if args.node and args.node not in memory.revoked:
        raise CommandError(f"NODE={args.node} is not revoked: NODE= is for a node that was", 2)
    if args.node and args.node not in {place.node for place, _ in members}:
        raise CommandError(f"NODE={args.node} is not in {nodes.where}: put it there first", 2)
    given, memory = enrol(members, memory, before, args.node)
    # also with those that are not among these
    former = [place for places in memory.former.values() for place in places]
    faults = rights.overlaps([*memory.nodes.values(), *former])
    if faults:
        raise BadConfig(nodes.where, faults)
    # A base that was used stays the programs' to read: what waits for one is dropped where it may not read it any more.
    used = [[place.base, place.prefix] for place in memory.nodes.values()]
    bases = [*memory.bases]
    for each in used or [[*nodes.base_and_prefix()]]:
        if each not in bases:
            bases.append(each)
    return given, memory._replace(bases=bases)


def _told(args, before: Memory | None) -> Memory:
    """What is to be: what was said now, else what was said before."""
    memory = before or Memory(hosts=[])
    told: dict[str, Any] = {
        "config": str(args.config),
        "csv": str(args.csv or ""),
        "hosts": _names(args.host, "HOST") or memory.hosts or [own_address()],
        "more": _names(args.accounts, "ACCOUNTS") or memory.more,
        "port": args.port or memory.port,
        "local": args.local or memory.local,
        "plain": args.plain == "1" if args.plain else memory.plain,
        "queue_mb": args.queue or memory.queue_mb,
    }
    if told["port"] == told["local"]:
        raise CommandError(f"PORT= and LOCAL= are both {told['port']}: give two", 2)
    if _is_v6(told["hosts"][0]):
        raise CommandError("HOST= begins with an IPv6 address: nodes need a name or IPv4", 2)
    for host in told["hosts"]:
        wrong = kinds.wrong("host", host, None) if not _is_v6(host) else None
        if wrong:
            raise CommandError(f"HOST={host} {wrong}, give names or addresses without port", 2)
    for user in told["more"]:
        if not rights.is_more(user):
            roles = ", ".join([*ROLES, *rights.RARE])
            raise CommandError(f"ACCOUNTS={user}: give a role, - and a name; roles are {roles}", 2)
    return memory._replace(**told)


def _names(text, variable):
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text and not names:
        raise CommandError(f"{variable}={text} has no name in it", 2)
    return list(dict.fromkeys(names))


def _is_v6(host):
    return ":" in host and authority.is_address(host)


def own_address() -> str:
    """The address of this computer in its network. CommandError: it has none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as looked:
        try:
            # An address of the documentation's network: only the route there is looked up.
            looked.connect(("192.0.2.1", 9))
            return looked.getsockname()[0]
        except OSError:
            raise CommandError(
                "this computer has no network: give HOST=, its name or address", 2
            ) from None


def _certificates(site: Site, memory: Memory) -> None:
    now = datetime.datetime.now(datetime.UTC)
    certificate, key = read(site.folder / "ca.pem"), read(site.private / "ca.key")
    if not certificate and not key:
        ours = authority.new_authority(f"Outpost broker {memory.hosts[0]}"[:64], now)
        site.put(site.private / "ca.key", ours.key)
        site.put(site.folder / "ca.pem", ours.certificate, OPEN)
    elif not certificate:
        raise CommandError(
            f"{site.folder}/ca.pem is gone, and nodes know the broker by it: put back {site.private}/ca.pem"
        )
    else:
        ours = authority.Pair(certificate, key or "")
    site.put(site.private / "ca.pem", ours.certificate, OPEN)
    why = (
        authority.why_renew(
            ours.certificate, read(site.folder / "server.pem") or "", memory.hosts, now
        )
        if read(site.folder / "server.key")
        else "it has no key"
    )
    if why:
        if not ours.key:
            raise CommandError(
                f"the broker needs a new certificate ({why}), and {site.private}/ca.key is not here: put it back meanwhile"
            )
        try:
            made = authority.issue(ours, memory.hosts, now)
        except ValueError as e:
            raise CommandError(f"{site.private}/ca.key cannot be used: {e}") from None
        site.put(site.folder / "server.key", made.key)
        site.put(site.folder / "server.pem", made.certificate, OPEN)


def _roles(site: Site, memory: Memory, base: str) -> dict[str, Account]:
    """Return {role: account}, and write a file for each: settings that `make watch CONFIG=` takes."""
    found = {}
    for user in (*ROLES, *memory.more):
        path = site.private / f"{user}.json"
        try:
            password = judge.parse_file(path)["mqtt"]["brokers"][0]["password"]
        except (CommandError, LookupError, TypeError):
            password = accounts.new_password()
        entry = {"host": memory.hosts[0], "port": memory.port, "user": user, "password": password}
        tls = {"ca": "ca.pem"} | _server_name(memory)
        raw = {"node": {"base": base}, "mqtt": {"brokers": [entry | {"tls": tls}]}}
        site.put(path, pretty(raw) + "\n")
        found[user] = Account(user, password)
    return found


def _acl(memory: Memory, places: list[Place]) -> str:
    rules = {user: rights.of_program(user, places) for user in (*ROLES, *memory.more)}
    for user, place in sorted(memory.nodes.items()):
        # A reading that was taken under a former name is delivered under it.
        own = [rights.of_node(each) for each in (place, *memory.former.get(user, ()))]
        rules[user] = list(dict.fromkeys(rule for rows in own for rule in rows))
    return rights.acl(rules)


def _settings(site: Site, memory: Memory, bridge: Bridge | None) -> bool:
    """Write mosquitto.conf and the unit. Returns whether a broker that runs must be started again."""
    listeners = Listeners(EVERYWHERE, memory.port, memory.local, memory.plain)
    changed = site.put(
        site.folder / "mosquitto.conf", settings.conf(listeners, memory.queue_mb, bridge)
    )
    unit = settings.unit(
        site.folder.resolve(),
        site.owner(),
        server.on_this_system() or "/usr/sbin/mosquitto",
    )
    site.put(site.folder / settings.UNIT_NAME, unit, OPEN)
    return changed


def bridge_of(site: Site, given: Path | None, places: list[Place]) -> Bridge | None:
    """The bridge that was asked for now or before, None: there is none."""
    kept = site.private / "bridge.json"
    path = given or (kept if kept.exists() else None)
    if path is None:
        return None
    raw = judge.parse(path)
    try:
        entry = raw["mqtt"]["brokers"][0]
        host, user, password = (entry[key] for key in ("host", "user", "password"))
        ca = (entry.get("tls") or {}).get("ca")
        port = int(entry.get("port", settings.TLS_PORT if ca else settings.PLAIN_PORT))
        if not all(
            isinstance(each, str) and each.isprintable() for each in (host, user, password)
        ):
            raise ValueError
    except (LookupError, TypeError, ValueError, AttributeError):
        raise CommandError(
            f"{path} is no file of another site: there, make broker ACCOUNTS=site-here makes broker.private/site-here.json"
        ) from None
    if ca and given:
        certificate = read(path.parent / ca)
        if certificate is None:
            raise CommandError(f"there is no {path.parent / ca}: bring it along with {path.name}")
        site.put(site.folder / "bridge-ca.pem", certificate, OPEN)
    site.put(kept, pretty(raw) + "\n")
    filters = {f"{each}/#": None for place in places for each in (place.base, place.prefix)}
    return Bridge(host, port, user, password, bool(ca), tuple(filters))


def _server_name(memory: Memory) -> dict:
    return {"server_name": authority.NAME} if authority.is_address(memory.hosts[0]) else {}


def _entry(args, site: Site, memory: Memory) -> dict:
    """How a node reaches the broker: an entry of its `mqtt.brokers`, without the account."""
    entry: dict = {"host": memory.hosts[0]}
    port, usual = (
        (memory.local, settings.PLAIN_PORT) if memory.plain else (memory.port, settings.TLS_PORT)
    )
    if port != usual:
        entry["port"] = port
    if not memory.plain:
        entry["tls"] = {"ca": _beside(args.config, site)} | _server_name(memory)
    return entry


def _beside(config: Path, site: Site) -> str:
    """The name of ca.pem for a config: files that it names are beside it."""
    here, there = site.folder.resolve() / "ca.pem", config.resolve().parent
    if here.is_relative_to(there):
        return here.relative_to(there).as_posix()
    copy = config.parent / "broker-ca.pem"
    if overlays.folder(config).exists() or config.exists():
        site.put(copy, read(here) or "", OPEN)
    return copy.name
