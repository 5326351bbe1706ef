"""Which account each node gets: the one that it has, if that is its own, else a new one."""

from station.broker import accounts
from station.broker.accounts import Account
from station.broker.fleet import Member
from station.broker.rights import ROLES, Place
from station.broker.site import Memory

Given = dict[str, tuple[Account, Place]]  # node → its account, and where it publishes


FORMER = 3  # names of before that a node takes care of: firmware/link/ghosts.py


def enrol(
    members: list[Member], memory: Memory, before: dict[str, str], again: str | None = None
) -> tuple[Given, Memory]:
    """Return what the members are given, and the memory with them. before: {user: hash} of the password file.

    A node has an account of its own if its file has one, no other of them has that user, and no program and no node that is not among them.
    Who was revoked gets nothing; `again`, one of these, gets a new password.
    """
    users = [account.user for _, account in members if account]
    names = {place.node for place, _ in members}
    others = {*ROLES, *memory.more}
    known, former = dict(memory.nodes), dict(memory.former)
    revoked = {name: line for name, line in memory.revoked.items() if name != again}
    given: Given = {}
    for place, account in members:
        if place.node in revoked:
            continue
        own = account if account and users.count(account.user) == 1 else None
        if own and (not accounts.fits(own) or own.user in others):
            own = None
        if own and known.get(own.user, place).node != place.node:
            # Another node's user; or this node's, under a new name: then it knows the password.
            proved = accounts.is_hash_of(before.get(own.user, ""), own.password)
            own = own if proved and known[own.user].node not in names else None
        if own and accounts.is_hash_of(memory.revoked.get(place.node, ""), own.password):
            own = own._replace(password="")  # somebody has it who must not come in
        theirs = {user for user, each in known.items() if each.node == place.node}
        free = others | set(users) | (set(known) - theirs)
        user = own.user if own else _free(place.node, free)
        if known.get(user, place) != place:
            former[user] = [known[user], *former.get(user, ())][:FORMER]
        for old in theirs - {user}:
            del known[old]
        known[user] = place
        password = (own.password if own else "") or accounts.new_password()
        given[place.node] = Account(user, password), place
    now = set(known.values())
    former = {user: [each for each in former.get(user, ()) if each not in now] for user in known}
    former = {user: places for user, places in former.items() if places}
    return given, memory._replace(nodes=known, former=former, revoked=revoked)


def _free(node: str, taken: set[str]) -> str:
    """A user name for a node that nobody has."""
    name = accounts.user_of(node)
    tries = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(each for each in tries if each not in taken)
