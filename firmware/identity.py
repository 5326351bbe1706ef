"""By what a node is known where names of one base are not enough: its MQTT client id, and in Home Assistant. Loaded for it, then let go of."""


def unique(topics):
    """Return the node's name; if the base has several levels, with them before it: each such base may have a node of that name."""
    if "/" in topics.base:
        return topics.prefix.replace("/", "-")
    return topics.prefix[len(topics.base) + 1 :]
