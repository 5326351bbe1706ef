"""By what a node is known where names of one base are not enough: its MQTT client id, and in Home Assistant. Loaded for it, then let go of."""


def unique(topics):
    """Return the node's name; if the base has several levels, with them before it: each such base may have a node of that name.

    A name has no /, so no two nodes are one.
    """
    if "/" in topics.base:
        return topics.prefix
    return topics.prefix[len(topics.base) + 1 :]
