"""May this node publish, and does it hear? Loaded when a connection has held for a while.

MQTT 3.1.1 does not tell: the broker acknowledges and drops a forbidden PUBLISH; it mostly grants a forbidden SUBSCRIBE and sends
nothing. So the node listens to its own `status`: one message a connection, which shows both. If it does not come, it is published once
more: the first may have gone before the subscription, where subscriptions go one at a time.
"""

from time import ticks_add

from micropython import const

_AGAIN_MS = const(10000)


def check(control, now):
    """Return what the broker forbids a node, None: nothing. Logs a change."""
    topic = control.topics.status
    refused = control.client.refused
    limits = control.uplink.brokers.limits
    fault = None
    if limits and topic in limits.filters:
        # It says by closing what it forbids: a board with a name of its own need not wait for more.
        control.heard = True
    if refused:
        fault = "the broker refuses a subscription: " + b", ".join(refused).decode()
    elif control.heard is False:
        control.heard = None
        control.uplink.introduce(topic, b"online")
        control.check_at = ticks_add(now, _AGAIN_MS)
        return control.fault
    elif not control.heard:
        fault = "what this node publishes does not come back: " + topic.decode()
    if fault and fault != control.fault:
        control.log.error(
            "mqtt: %s; at the broker, let this node write and read its own topics" % fault
        )
    elif control.fault and not fault:
        control.log.info("mqtt: the broker lets this node write and read its own topics again")
    return fault
