"""May this node publish, and does it hear? Loaded a minute after a connection came up.

MQTT 3.1.1 has no word for it: a forbidden PUBLISH is acknowledged and dropped, a forbidden SUBSCRIBE mostly granted, and silent. So
the node listens to its own `status`: one message a connection, which shows both.
"""


def check(control):
    """Return what the broker does not let a node do, None: nothing. What changed is in the log."""
    topic = control.topics.status
    refused = control.client.refused
    limits = control.uplink.brokers.limits
    fault = None
    if refused:
        fault = "the broker refuses a subscription: " + b", ".join(refused).decode()
    elif not control.heard and not (limits and topic in limits.filters):
        fault = "what this node publishes does not come back: " + topic.decode()
    if fault and fault != control.fault:
        control.log.error(
            "mqtt: %s; at the broker, let this node write and read its own topics" % fault
        )
    elif control.fault and not fault:
        control.log.info("mqtt: the broker lets this node write and read its own topics again")
    return fault
