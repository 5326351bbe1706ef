"""Which account each node gets: the one that it has, if that is its own, else a new one."""

from station.broker import accounts
from station.broker.accounts import Account
from station.broker.fleet import Member
from station.broker.rights import ROLES, SITE_USER, Place
from station.broker.site import Memory

Given = dict[str, tuple[Account, Place]]  # node → its account, and where it publishes


def enrol(members: list[Member], memory: Memory, again: str | None = None) -> tuple[Given, Memory]:
    """Return what the members are given, and the memory with them. Who was revoked gets nothing; `again`, a node, gets a new password.

    A node has an account of its own if its file has one, no other of them has that user, and no program and no node that is not among them.
    """
    users = [account.user for _, account in members if account]
    others = {*ROLES, *(SITE_USER + name for name in memory.sites)}
    known = dict(memory.nodes)
    revoked = {name: line for name, line in memory.revoked.items() if name != again}
    given: Given = {}
    for place, account in members:
        if place.node in revoked:
            continue
        own = account if account and users.count(account.user) == 1 else None
        if own and (not accounts.fits(own) or own.user in others):
            own = None
        if own and known.get(own.user, place).node != place.node:
            own = None
        if own and accounts.is_hash_of(memory.revoked.get(place.node, ""), own.password):
            own = own._replace(password="")  # somebody has it who must not come in
        theirs = {user for user, each in known.items() if each.node == place.node}
        free = others | set(users) | (set(known) - theirs)
        user = own.user if own else _free(place.node, free)
        for old in theirs - {user}:
            del known[old]
        known[user] = place
        password = (own.password if own else "") or accounts.new_password()
        given[place.node] = Account(user, password), place
    return given, memory._replace(nodes=known, revoked=revoked)


def _free(node: str, taken: set[str]) -> str:
    """A user name for a node that nobody has."""
    name = accounts.user_of(node)
    tries = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(each for each in tries if each not in taken)
