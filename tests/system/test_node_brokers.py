"""A node at brokers that cannot do all it asks for, and at two of them in turn. What is asserted is what subscribers received."""

import json

import pytest
from otherbrokers import Nats, RabbitMQ
from outside import NAME, ONLINE_S, settings, stream, until

# A reading at QoS 2 and one at QoS 1, five a second in all.
CHANNELS = (
    stream(qos=2, interval_s=0.4)[0],
    stream(qos=1, interval_s=0.4)[0] | {"name": "other", "pin": 33},
)


def numbers(*subscribers):
    """{channel: numbers of its readings, in the order they came}."""
    found = {"fast": [], "other": []}
    for seen in subscribers:
        for message in seen.messages:
            levels = message.topic.split("/")
            if levels[2] in ("reading", "history"):
                found[levels[3]].append(json.loads(message.text)["seq"])
    return found


def all_numbers(subscribers):
    return {seq for channel in numbers(*subscribers).values() for seq in channel}


def all_came(subscribers, count=60, timeout=25):
    """The first so many readings are all there."""
    wanted = set(range(1, count + 1))
    until(
        lambda: wanted <= all_numbers(subscribers),
        timeout,
        "every reading",
        lambda: f"missing: {sorted(wanted - all_numbers(subscribers))}",
    )


def stays_connected(seen):
    """It stays connected, and nothing is set aside."""
    count = len(seen.messages_of(f"{NAME}/health"))
    # the last one that came may be from before the limits were found
    before = json.loads(seen.wait_for(f"{NAME}/health", times=count + 1).text)
    seen.wait_for(f"{NAME}/health", times=count + 4)
    after = json.loads(seen.messages_of(f"{NAME}/health")[-1].text)
    assert after["connects"] == before["connects"] and after["set_aside"] == 0
    return after


def node_at(nodes, listen, server):
    seen = listen(server, user=server.user)
    user, password = server.user
    entry = {"host": "127.0.0.1", "port": server.port, "user": user, "password": password}
    node = nodes(settings([entry], sensors=list(CHANNELS)))
    node.start()
    return seen, node


def test_nats(nodes, listen, tmp_path):
    """2.9 closes at QoS 2; later ones have it. Both keep sessions, over their own restart, too, retained messages and the will."""
    with Nats(tmp_path / "nats") as server:
        seen, node = node_at(nodes, listen, server)
        all_came([seen])
        assert stays_connected(seen).get("broker_limits") == (
            None if server.has_qos_2 else "no QoS 2"
        )
        server.restart()
        seen.wait_for(f"{NAME}/status", "online", 60, times=2)
        all_came([seen], count=max(all_numbers([seen])) + 20)
        if server.has_qos_2:
            exact = numbers(seen)["fast"]
            assert len(exact) == len(set(exact)), "a reading of QoS 2 came twice"
        late = listen(server, user=server.user, name="late")
        assert late.wait_for(f"{NAME}/status", "online").retain
        node.board.kill()
        late.wait_for(f"{NAME}/status", "offline")


def test_rabbitmq(nodes, listen, tmp_path):
    """It answers QoS 2 with PUBACK. One reading came 23 times."""
    with RabbitMQ(tmp_path / "rabbitmq") as server:
        seen, _ = node_at(nodes, listen, server)
        all_came([seen])
        assert stays_connected(seen)["broker_limits"] == "no QoS 2"
        for channel in numbers(seen).values():
            assert len(channel) == len(set(channel)), "a reading came twice"


@pytest.mark.parametrize(
    ("setting", "limits"),
    [
        ("max_qos 1", "no QoS 2"),
        ("retain_available false", "nothing retained; no retained will"),
    ],
)
def test_mosquitto_that_has_not_all(brokers, nodes, listen, setting, limits):
    broker = brokers(settings=(setting,))
    seen = listen(broker)
    nodes(settings([broker.port], sensors=list(CHANNELS))).start()
    all_came([seen])

    def told():
        health = seen.messages_of(f"{NAME}/health")
        return health and json.loads(health[-1].text).get("broker_limits")

    # Readings go between the tries.
    until(lambda: told() == limits, 60, "what it will not have", told)
    assert stays_connected(seen)["broker_limits"] == limits


def test_a_pair_of_brokers_that_fail_in_turn(brokers, nodes, listen):
    """An exchange that one has begun is begun anew at the other: what came from there may come twice, and is never at neither."""
    pair = brokers(), brokers()
    subscribers = [listen(broker) for broker in pair]
    nodes(settings([broker.port for broker in pair], sensors=list(CHANNELS))).start()
    subscribers[0].wait_for(f"{NAME}/status", "online", ONLINE_S)
    for turn in range(4):
        here, there = pair[turn % 2], subscribers[1 - turn % 2]
        count = len(there.messages_of(f"{NAME}/status"))
        here.stop()
        until(
            lambda there=there, count=count: any(
                message.text == "online" for message in there.messages_of(f"{NAME}/status")[count:]
            ),
            60,
            "the other broker",
        )
        here.start()
    all_came(subscribers, count=max(all_numbers(subscribers)))
