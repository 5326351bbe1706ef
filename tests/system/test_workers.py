"""Several collectors that share the readings of one store, and brokers that only say that they let them."""

import re
import signal
import subprocess
import time

import pytest
from collecting import COLLECTOR, NODE, Publisher, check
from otherbrokers import Nats, RabbitMQ
from outside import until

from sim.broker import Broker
from station import collect
from station.access import PASSWORD
from station.broker import rights
from tools import ROOT


@pytest.fixture
def address(databases, tmp_path):
    return databases.address("postgresql", tmp_path)


@pytest.fixture
def workers(collectors, address):
    def make(broker, number, *words, **environment):
        made = collectors(broker, "--worker", str(number), *words, store=address, **environment)
        made.log = made.log.with_name(f"worker-{number}.log")
        return made

    return make


def test_workers_share_the_readings_and_one_that_dies_keeps_its_own(workers, mosquitto, publisher):
    """What mosquitto has reserved for a dead one comes when it is back, and to nobody else."""
    first, second = workers(mosquitto, 1).start(), workers(mosquitto, 2).start()
    publisher.publish("attic/status", "online", retain=True)
    for seq in range(1, 201):
        publisher.reading(seq)
    first.wait_rows(200)
    first.end(signal.SIGKILL)
    for seq in range(201, 401):
        publisher.reading(seq)
    publisher.done()
    time.sleep(1)
    assert len(second.rows()) < 400
    first.start(wait=False)
    first.wait_rows(400)
    check(first, publisher)
    assert first.rows("status", "node") == [("online",)]
    for each in (first, second):
        assert each.end() == 0
        stored = int(each.said().splitlines()[-1].split()[1])
        assert 0 < stored < 400


def test_a_worker_that_retires_takes_what_is_reserved_for_it_along(workers, mosquitto, publisher):
    first, second = workers(mosquitto, 1).start(), workers(mosquitto, 2).start()
    first.end(signal.SIGKILL)
    for seq in range(1, 101):
        publisher.reading(seq)
    publisher.done()
    time.sleep(1)
    assert len(second.rows()) < 100
    said = subprocess.check_output([*first.words, "--retire"], cwd=ROOT, text=True, timeout=60)
    assert "keeps nothing more for collector-" in said.splitlines()[-1]
    assert len(second.rows()) == 100
    for seq in range(101, 201):
        publisher.reading(seq)
    second.wait_rows(200)
    check(second, publisher)


def test_the_rights_of_a_collector_suffice(workers, tmp_path):
    rules = rights.of_program("collector", [rights.Place("attic", "outpost", "homeassistant")])
    acl = {NODE[0]: ("write #",), COLLECTOR[0]: rules}
    words, secret = ("--account", COLLECTOR[0]), {PASSWORD: COLLECTOR[1]}
    with Broker(tmp_path / "broker", dict((COLLECTOR, NODE)), acl, persistent=True) as broker:
        worker = workers(broker, 1, *words, **secret).start()
        publisher = Publisher(broker, NODE)
        publisher.reading(1)
        worker.wait_rows(1)
        publisher.stop()


@pytest.mark.parametrize("kind", [Nats, RabbitMQ])
def test_a_broker_that_grants_and_does_not_deliver_is_found_out(kind, workers, tmp_path):
    with kind(tmp_path / "broker") as broker:
        user, password = broker.user
        worker = workers(broker, 1, "--account", user, **{PASSWORD: password})
        worker.start(wait=False)
        assert worker.process.wait(60) == collect.REFUSED
        assert "a probe through $share did not come: this broker grants that" in worker.said()
        assert re.search("without (WORKER=|--worker) one collector gets everything", worker.said())


def test_a_file_is_for_one_collector(collectors, mosquitto):
    collector = collectors(mosquitto, "--worker", "1")
    collector.start(wait=False)
    until(lambda: collector.process.poll() is not None, 20, "its end")
    assert "needs a store that several collectors may write at once" in collector.said()
