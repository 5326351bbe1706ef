"""Which topic filter takes which topic [4.7]: for programs that sort what arrives."""

from mqtt.packets import as_bytes


def matches(pattern, topic):
    """Return whether a topic filter, `$share/<group>/` before it or not, takes a topic [4.7]."""
    pattern = as_bytes(pattern).split(b"/")
    topic = as_bytes(topic).split(b"/")
    if pattern[0] == b"$share" and len(pattern) > 2:
        pattern = pattern[2:]
    if topic[0][:1] == b"$" and pattern[0] in (b"+", b"#"):
        return False  # [MQTT-4.7.2-1]
    for i, level in enumerate(pattern):
        if level == b"#":
            return True  # the parent level, too: sport/# takes sport
        if i >= len(topic) or level not in (b"+", topic[i]):
            return False
    return len(pattern) == len(topic)
