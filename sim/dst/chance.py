"""What a story draws: from its seed, in the bounds of its theme, without what is left out."""

from prng import Random
from swarm import Swarm


class Chance:
    """random: numbers; swarm: the theme; ill: is the story's theme what lasts for minutes?

    plain: does the node publish bare numbers, too? Drawn by a stream of its own: seeds play as they did before there were any.
    """

    def __init__(self, seed, without=()):
        """without: names of faults that are left out."""
        self.random = Random(seed)
        self.without = without
        self.swarm = Swarm(seed, without)
        self.plain = Random(seed * seed + 7).chance(14)
        self.ill = self.swarm.name == "ill"
        self.steady = False  # are there no faults after which readings may come twice?

    def strikes(self, fault, percent):
        """Draw whether something happens; what is left out draws the same numbers."""
        percent = self.swarm.percent.get(fault, percent)
        happens = self.random.chance(percent) and fault not in self.without
        return happens and not (self.steady and fault in ("replaced", "broker_forgets"))
