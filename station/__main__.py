"""Entry of the station's commands. A command is one row here and one module, imported only when it is called."""

import sys

from tools.__main__ import answer

# A table, one command a row:
# fmt: off
COMMANDS = {
    # name        module                      what it does
    "broker":    ("station.broker.command",   "set up a broker that lets each node do what it must, and nobody more; start it"),
    "revoke":    ("station.broker.revoke",    "take a node's account away, and end its connection"),
    "collect":   ("station.collect",          "store every reading that nodes publish, and acknowledge it only then"),
    "gaps":      ("station.gaps",             "list the readings that a store lacks"),
    "fleet":     ("station.fleet.command",    "list the nodes and what is wrong with them, the worst first"),
    "alarms":    ("station.fleet.tell",       "tell somebody when something goes wrong with a node, and when it is over"),
    "export":    ("station.export",           "write readings or hourly means as CSV or Parquet"),
    "tidy":      ("station.tidy",             "remove old readings; their hourly means stay"),
    "fleet-sim": ("station.fleetsim.command", "many nodes with a real broker, collector and store: what these hold"),
    "bench":     ("station.bench",            "how many readings a second the collector stores, beside plain inserts"),
}
# fmt: on


def main(argv=None):
    return answer(
        "python -m station", "Outpost's programs at home or on a server.", COMMANDS, argv
    )


if __name__ == "__main__":
    sys.exit(main())
