"""What happens in one story, drawn from its seed: how often the board is switched on, what becomes of it in each life, how that ends.

A story is a board that is switched on again and again, and in the end is left alone in a world without faults until all that
it owes has arrived. Its other parts are drawn by the classes that it is made of.
"""

import json

import agenda
import stage
from chance import Chance
from chipset import World
from events import Life
from ills import Ills
from norram import HOW
from ownboard import Board
from people import People
from surroundings import DAY_MS, Surroundings
from troubles import Troubles
from truth import Truth

import sim

# Ends of a life, each with the number out of a hundred below which it is drawn; the last is a theme's only (swarm.py).
ENDS = (
    ("cut", 30),
    ("restart", 42),
    ("heap", 54),
    ("hang", 60),
    ("power", 100),
    ("heap_of_files", 100),
)


class Story:
    def __init__(self, seed, without=()):
        """without: names of faults that are left out."""
        self.chance = chance = Chance(seed, without)
        self.truth = truth = Truth()
        self.board = Board(chance.random, truth)
        self.world = World(truth.measured)
        self.board.draw_mac()
        self.lives = 0
        self.planned = chance.random.between(*chance.swarm.lives)
        self.away = None  # are brokers in all lives: not there (0), silent (1), as it comes (None)
        sim.seed(chance.random(1 << 20))
        self.surroundings = Surroundings(chance, truth)
        self.people = People(chance, self.surroundings, self.board, truth)
        self.troubles = Troubles(chance, self.surroundings, self.board, truth)
        self.ills = Ills(chance, self.surroundings, self.troubles, truth)

    def begin_life(self, last, cold):
        """Draw what happens to the board from its power-on; last: nothing, any more; cold: its clock has stopped."""
        chance, random, swarm = self.chance, self.chance.random, self.chance.swarm
        board, troubles = self.board, self.troubles
        self.lives += 1
        config = self.people.config
        node = config["node"]["name"] or board.name()
        life = Life(self.lives, json.loads(json.dumps(config)), node)
        life.cold = cold
        self.truth.begin(life)
        if board.flash.filled:
            life.flash_at, life.flash_until = sim.now(), 1 << 60
        board.first_tick = random.choice((0, 0, 0, (1 << 29) - 20_000, (1 << 30) - 30_000))
        board.names.add(node)
        stage.tell("board", "power on, life %d, node %s" % (self.lives, node))
        board.sick_reads = 0
        if last:
            self._draw_last(life)
            return
        if chance.strikes("ntp", 10):
            how, n = random(8), random(400)
            ms = 30_000
            if swarm.name == "outage":
                how, ms = 0, random.choice((4000, 8000, 12_000))
            broker = self.surroundings.brokers[0]
            agenda.plan(1, lambda: troubles.begin(life, "ntp", ms, broker, n, how))
        if chance.strikes("rival", 0) and not self.surroundings.rival:
            agenda.plan(random(20_000), self.surroundings.begin_rival)
        if chance.strikes("read", 8):
            board.sick_reads = random.between(1, 80)
        if swarm.get("away", False):
            self._draw_outage()
        length = random.choice(swarm.get("length", (300, 3000, 8000, 15_000, 25_000, 40_000)))
        length = random.between(length // 3, length)
        if chance.ill and random.chance(50):
            self.ills.draw(random(length))
        for _ in range(swarm.get("traps", 0)):
            agenda.plan(random(length), troubles.draw_of(life, "trap"))
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            agenda.plan(random(length), troubles.draw(life))
        self._draw_end(life, length)

    def _draw_last(self, life):
        """In every other story the last life has troubles first, in its old age: it has to recover without a restart."""
        chance, random, troubles = self.chance, self.chance.random, self.troubles
        if chance.ill and not troubles.healed:
            self.ills.draw_all()
            return
        if troubles.healed or not chance.strikes("old", 50):
            troubles.heal()
            return
        age, first = random(8), 8000
        if chance.swarm.get("ages", False):  # in an outage
            age, first = random.between(3, 7), random.choice((8000, 16_000, 20_000))
            kind = random.choice(chance.swarm.kinds)
            agenda.plan(first, troubles.draw_of(life, kind, 30_000))
        for i in range(age):
            agenda.plan(first + 1000 + 1500 * i, lambda: self.surroundings.jump(19 * DAY_MS // 10))
        at = first + 1000 + 1500 * age
        for _ in range(random.between(1, 3)):
            at += random(3000)
            agenda.plan(at, troubles.draw(life))
        agenda.plan(at + random(20_000), troubles.heal)

    def _draw_outage(self):
        """Brokers go away for this life, come back in it, or are there."""
        random = self.chance.random
        brokers = self.surroundings.brokers
        how = random(4)
        if self.lives == 1:
            self.away = random.choice((None, None, 0, 1))  # the same in all lives
        how = how if self.away is None else self.away
        for broker in brokers:
            if how < 3:
                broker.stop("silent" if how == 1 else "down")
            else:
                broker.start()
        if how == 2:
            agenda.plan(random(15_000), lambda: [broker.start() for broker in brokers])

    def _draw_end(self, life, length):
        chance, random = self.chance, self.chance.random
        kind = random(100)
        agenda.plan(length, lambda: stage.die("power"))
        end = next(name for name, below in ENDS if kind < below)
        if chance.swarm.ends:
            end = random.choice(chance.swarm.ends)
        if end in chance.without:
            return
        at = random(length)
        if end == "cut":
            operations, how = random.between(1, 40), random.choice(HOW)
            agenda.plan(at, lambda: self.board.flash.fail(operations, how))
        elif end == "restart":
            agenda.plan(at, self._restart)
        elif end == "heap":
            after, times = random.between(1, 60), random.choice((1, 1, 2, 5))
            agenda.plan(at, lambda: self._heap(life, after, times, None))
        elif end == "heap_of_files":
            after = random.between(1, 24)
            agenda.plan(at, lambda: self._heap(life, after, 1, "file"))
        elif end == "hang":
            agenda.plan(at, lambda: self.troubles.hang(life, 60_000))

    def _restart(self):
        topic = "outpost/%s/cmd/restart" % self.truth.life.node
        for broker in self.surroundings.brokers:
            broker.route(topic, b"{}", 1)

    def _heap(self, life, after, times, where):
        life.heap_at = sim.now()
        self.truth.heap_faults = True
        stage.heap_full(after, times, where)
