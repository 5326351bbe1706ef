"""Two boards with one name at one broker: what a reading is called, it alone is called."""

import json

from outside import NAME, NODE, READER, complete, settings, stream, until


def renamed(seen):
    """The other name that a board has taken, once it has introduced itself under it."""
    found = [m.topic.split("/")[1] for m in seen.messages if m.topic.endswith("/info")]
    return next((name for name in found if name != NAME), None)


def test_two_boards_of_one_name_share_no_reading(brokers, nodes, listen):
    broker = brokers(acl={NODE[0]: ("readwrite #",), READER[0]: ("read #",)})
    seen = listen(broker)
    config = settings([broker.port], sensors=stream())
    first, second = nodes(config), nodes(config)
    first.start()
    holder = json.loads(seen.wait_for(f"{NAME}/info").text)
    seen.wait_live("fast")
    second.start()
    until(lambda: renamed(seen), 30, "a name of its own", seen.last_messages)
    name = renamed(seen)
    info = json.loads(seen.wait_for(f"{name}/info").text)
    assert name == f"{NAME}-{info['id'][-6:]}" and info["id"] != holder["id"]
    assert info["name_taken"] == f"{NAME} is board {holder['id']}"
    second.wait_for(f"{NAME} is board {holder['id']}, too: this one is {name}")
    second.wait_for(f"board {holder['id']} is called {NAME}, too: give one of them another")
    health = json.loads(seen.wait_for(f"{name}/health").text)
    assert health["name_taken"] == info["name_taken"]
    # What the second board took before waits for it under the old name, and is no reading of the first.
    seen.wait_live("fast", name=name)
    seen.wait_live("fast")
    until(lambda: len(seen.boots("fast")) == 2, 20, "what was taken before", seen.last_messages)
    seen.wait_whole("fast", name=name)
    assert seen.texts(f"{NAME}/status")[-1] == seen.texts(f"{name}/status")[-1] == "online"
    first.stop()
    second.stop()
    mine = [r for r in seen.readings("fast") if r["boot"] == holder["boot"]]
    before = [r for r in seen.readings("fast") if r["boot"] == info["boot"] - 1]
    assert len(mine) + len(before) == len(seen.readings("fast")) and before
    assert all(reading.late for reading in before), "the live topic is the first board's"
    for readings in (mine, before, seen.readings("fast", name)):
        complete(readings, first=1)


def test_two_bases_may_each_have_a_node_of_one_name(brokers, nodes, listen):
    broker = brokers(acl={NODE[0]: ("readwrite #",), READER[0]: ("read #",)})
    seen = listen(broker)
    bases = ("home/ground", "home/first")
    for base in bases:
        node = {"name": NAME, "base": base}
        nodes(settings([broker.port], sensors=stream(), node=node)).start()

    def readings(base):
        topic = f"{base}/{NAME}/reading/fast"
        return [m for m in list(seen.messages) if m.topic == topic]

    until(lambda: all(map(readings, bases)), 30, "both online", seen.last_messages)
    counts = {base: len(readings(base)) + 20 for base in bases}

    def both_go_on():
        return all(len(readings(base)) >= count for base, count in counts.items())

    until(both_go_on, 20, "readings of both", seen.last_messages)
    told = {(m.topic, m.text) for m in list(seen.messages) if m.topic.endswith("/status")}
    assert told == {(f"{base}/{NAME}/status", "online") for base in bases}, (
        "neither was thrown out"
    )
