"""What the page keeps of what nodes say, whatever they say."""

from station.page import kept
from station.page.kept import Kept


def line(text, at=1):
    return {"at": at, "text": text}


def test_the_newest_lines_the_status_and_the_outputs():
    found = Kept()
    for number in range(kept.LINES + 50):
        found.line("attic", line(f"{number} info"))
    found.status("attic", "online")
    found.output("attic", "pump", {"state": "ON"}, 14)
    found.output("attic", "lamp", {"state": "ON"}, 14)
    found.output("attic", "lamp", None, 0)
    has = found.of("attic")
    assert len(has["log"]) == kept.LINES and has["log"][-1]["text"] == "249 info"
    assert (has["status"], has["outputs"]) == ("online", {"pump": {"state": "ON"}})
    assert found.of("nobody") == {"status": None, "log": [], "outputs": {}}


def test_a_flood_is_bounded_and_what_is_counted_is_what_is_there(monkeypatch):
    monkeypatch.setattr(kept, "_MOST_BYTES", 100_000)
    found = Kept()
    for number in range(3000):
        node = f"node-{number % 700}"
        found.line(node, line("x" * (number % 1000)))
        found.output(node, f"out-{number % 90}", {"value": 1}, number % 4000)
        assert found.bytes < 100_000 + 10_000
    assert 10 < len(found) < 100
    assert found.of("node-199")["log"]  # the newest: 2999 % 700
    assert found.bytes == sum(each.bytes for each in found._nodes.values())
    for each in found._nodes.values():
        texts = [len(one["text"]) for one in each.log] + [
            size for _, size in each.outputs.values()
        ]
        assert each.bytes == 1000 + 200 * len(texts) + sum(texts)


def test_one_node_has_so_many_outputs():
    found = Kept()
    for number in range(1000):
        found.output("attic", f"out-{number}", {"value": number}, 10)
    assert len(found.of("attic")["outputs"]) == 64
