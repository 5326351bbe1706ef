"""The page's server: what it answers, and to whom."""

import asyncio
import json
import re
import shutil
import socket
import sqlite3
import time
from contextlib import ExitStack, closing, suppress

import pytest
from pageserver import DAY, HOUR, MINUTE, now, reading, served, state, store

from station.messages import Bad
from station.page import hub, server
from station.page.app import _STATIC
from station.store.contract import Batch
from station.store.sqlite import SqliteStore
from tools import ROOT

EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "r.sqlite"


@pytest.fixture
def page(path):
    """A day of the attic, a reading a minute, with a gap of an hour, an hour that came late, and a failure."""
    begin = now() - DAY
    readings, errors = [], 0
    for minute in range(24 * 60):
        ts = begin + minute * MINUTE
        if 600 <= minute < 660:
            continue
        if minute == 300:
            readings.append(reading(minute + 1, ts, error="no answer on the bus"))
            errors += 1
            continue
        readings.append(reading(minute + 1, ts, late=700 <= minute < 760))
    readings.append(reading(5000, None))
    readings.append(reading(1, now() - 9 * HOUR, node="shed"))
    states = [
        state("attic", "status", "online"),
        state("attic", "info", {"version": "0.1.0"}),
        state("attic", "health", {"rssi": -57, "outbox": 0}),
        state("shed", "status", "offline"),
    ]
    store(path, readings, states)
    with served(path) as page:
        yield page


def series(page, begin, end, points=1440, node="attic", quantity="temperature"):
    return page.get(
        "series", node=node, channel="air", quantity=quantity, begin=begin, end=end, points=points
    )


def test_the_list_has_what_is_wrong_first(page):
    nodes = page.get("nodes")["nodes"]
    assert [each["node"] for each in nodes] == ["shed", "attic"]
    assert nodes[0]["faults"][0]["kind"] == "offline" and nodes[0]["faults"][0]["alarm"]
    assert (nodes[1]["rssi"], nodes[1]["state"]) == (-57, "online")


def test_a_node_has_its_channels(page):
    node = page.get("node", node="attic")
    (channel,) = node["channels"]
    assert channel["plots"] == ["temperature"]
    assert abs(channel["begin"] - (now() - DAY)) < HOUR
    assert node["health"]["rssi"] == -57 and node["log"] == []
    assert page.refusal("/api/node?node=nobody") == (404, "the store knows no node nobody")


def test_a_plot_has_gaps_late_readings_failures_and_nothing_that_was_not_measured(page):
    found = series(page, now() - DAY, now())
    (gap,) = found["gaps"]
    assert 59 * MINUTE <= gap[1] - gap[0] <= 62 * MINUTE
    broken = [point for point in found["points"] if point[2] is None]
    assert len(broken) == 1 and gap[0] < broken[0][0] < gap[1]
    assert sum(point[4] for point in found["points"]) == 60
    assert [count for _, count in found["errors"]] == [1]
    assert found["untimed"] == 1
    assert all(
        20 <= point[1] <= point[2] <= point[3] <= 24 for point in found["points"] if point[2]
    )
    coarse = series(page, now() - DAY, now(), points=48)
    assert len(coarse["points"]) <= 50
    assert any(point[1] < point[2] < point[3] for point in coarse["points"] if point[2])


def test_a_time_without_readings_is_a_gap_to_its_edges(page):
    begin = now() - DAY + 610 * MINUTE
    assert series(page, begin, begin + 20 * MINUTE)["gaps"] == [[begin, begin + 20 * MINUTE]]
    later = series(page, now() - HOUR, now() + HOUR)
    assert later["gaps"] == []  # the future is not missing
    assert series(page, now() - 9 * DAY, now() - 8 * DAY)["gaps"] == []  # there was no node yet


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("channel=air&quantity=t&begin=1&end=2", "node is missing"),
        ("node=a&channel=air&quantity=t&begin=2&end=1", "begin has to be before end"),
        ("node=a&channel=air&quantity=t&begin=-1&end=1", "begin: give a whole number from 0"),
        ("node=a&channel=air&quantity=t&begin=1&end=9e9", "end: give a whole number"),
        ("node=a&channel=air&quantity=t&begin=1&end=2&points=5000", "points: give a whole number from 2 to 2000"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(page, query, told):
    status, error = page.refusal(f"/api/series?{query}")
    assert status == 400 and error.startswith(told)


def test_new_readings_come_by_themselves(page, path):
    with page.events(node="attic") as following, closing(SqliteStore(path, "outpost")) as written:
        assert following()[0] == "hello"
        new = reading(9000, now(), temperature=3.25)
        other = reading(2, now(), node="shed", temperature=1.0)
        written.append(Batch(readings=[new, other]))
        _, content = following("readings")
        assert [each["quantities"] for each in content["readings"]] == [{"temperature": 3.25}]
        _, content = following("node")
        assert content["node"] == "attic" and content["info"] == {"version": "0.1.0"}


def test_the_list_changes_by_itself(page, path):
    with page.events() as following, closing(SqliteStore(path, "outpost")) as written:
        assert following()[0] == "hello"
        written.append(Batch(states=[state("shed", "status", "online")]))
        _, content = following("nodes")
        (changed,) = content["nodes"]
        assert (changed["node"], changed["state"]) == ("shed", "online")


def test_a_browser_that_takes_nothing_costs_no_memory():
    client = hub.Client(None)
    for number in range(1000):
        client.put(b"frame %d" % number)
    assert client.frames.qsize() == hub.MOST_FRAMES and client.missed
    stream = hub.Stream(hub.Hub(None, None), None)
    stream.client = client

    async def following():
        left = asyncio.get_running_loop().create_future()
        return await stream._next(left)

    assert asyncio.run(following()).startswith(b"event: again\n")
    assert client.frames.empty() and not client.missed


def test_a_browser_that_leaves_leaves_nothing(page):
    with page.events() as following:
        following()
        assert len(page.page.hub.clients) == 1
    deadline = time.monotonic() + 20
    while page.page.hub.clients:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_browsers_are_counted(page, monkeypatch):
    monkeypatch.setattr(hub, "MOST_CLIENTS", 1)
    with page.events() as following:
        following()
        assert page.refusal("/api/events")[0] == 503


def raw(page, sent):
    """A connection on which so much has been sent."""
    link = socket.create_connection(("127.0.0.1", page.port), timeout=20)
    link.sendall(sent)
    return link


def test_browsers_that_come_at_once_are_counted(page, monkeypatch):
    """All of them ask before the first has its place: the first look at the store takes its time."""
    look = page.page.source.mark
    monkeypatch.setattr(page.page.source, "mark", lambda: (time.sleep(0.2), look())[1])
    monkeypatch.setattr(hub, "MOST_CLIENTS", 3)
    ask = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        links = [stack.enter_context(raw(page, ask)) for _ in range(20)]
        answers = [link.recv(12) for link in links]
    assert sorted(answers) == [b"HTTP/1.1 200"] * 3 + [b"HTTP/1.1 503"] * 17


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: local",
        b"POST /api/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
        b"GET /api/about HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT",
    ],
)
def test_a_request_that_does_not_come_whole_ends(page, monkeypatch, capfd, sent):
    monkeypatch.setattr(server, "REQUEST_S", 0.5)
    with raw(page, sent) as link, page.events() as following:
        deadline = time.monotonic() + 20
        while link.recv(1000):
            with suppress(OSError):  # it drips, and that helps it nothing
                link.sendall(b"x" if sent else b"")
            assert time.monotonic() < deadline
        following("hello")
        time.sleep(0.6)
        assert len(page.page.hub.clients) == 1  # an answer may take as long as it wants
    assert "Traceback" not in capfd.readouterr().err


def test_connections_that_send_nothing_shut_nobody_out(page, monkeypatch):
    monkeypatch.setattr(server, "MOST", 20)
    with ExitStack() as stack, page.events() as following:
        following("hello")
        links = [stack.enter_context(raw(page, b"")) for _ in range(60)]
        assert page.ask("/api/about")[0] == 200
        assert links[0].recv(1) == b""  # who has waited longest
        assert len(page.page.hub.clients) == 1


def test_a_request_that_breaks_off_is_no_fault_of_ours(page, capfd):
    head = b"POST /api/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    with raw(page, head):
        time.sleep(0.1)
    assert page.ask("/api/about")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_store_that_is_gone_is_told_and_one_that_is_back_is_read(page, path, tmp_path):
    with page.events() as following:
        following("fault")
        away = tmp_path / "away"
        away.mkdir()
        for file in tmp_path.glob("r.sqlite*"):
            shutil.move(file, away)
        path.write_text("no store")
        assert "cannot be read" in following("fault")[1]["text"]
        status, error = page.refusal("/api/nodes")
        assert status == 503 and str(path) in error
        path.unlink()
        for file in away.glob("r.sqlite*"):
            shutil.move(file, tmp_path)
        assert following("fault")[1]["text"] == ""


def test_what_nodes_publish_is_json_whatever_it_is(path):
    """Half a surrogate pair is JSON, and no UTF-8."""
    node = EVIL
    text = '{"temperature":1.5,"note":"\\ud800","<b>":"</script>"}'
    evil = reading(1, now(), node=node, channel="<i>")._replace(quantities=text)
    states = [state(node, "info", '{"version":"\\udfff","crash":"<script>"}')]
    store(path, [evil], [state(node, "status", "on\u2028line"), *states])
    with served(path) as page:
        for path_ in ("/api/nodes", "/api/about"):
            assert page.ask(path_)[0] == 200
        found = page.get("node", node=node)
        assert found["channels"][0]["quantities"]["note"] == "\ud800"
        assert found["info"]["crash"] == "<script>"
        with page.events(node=node) as following:
            following("hello")


def test_the_page_may_do_nothing_but_show(page):
    """No inline script: what a node says could never be one."""
    for path in ("/", f"/node/{EVIL.replace(' ', '%20')}", "/api/nodes", "/static/app.js"):
        _, headers, _ = page.ask(path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
    _, _, shell = page.ask("/node/attic")
    assert not re.search(rb"<script(?![^>]*src=)|\son\w+=|style=|<style", shell)
    for file in _STATIC.glob("*.js"):
        if not file.name.startswith("uPlot"):
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", file.read_text()
            ), file


def test_an_address_of_no_node_is_not_found_and_shows_the_page_nevertheless(page):
    assert page.ask("/node/attic")[0] == 200
    status, headers, shell = page.ask("/node/nosuch")
    assert status == 404 and headers["Content-Type"].startswith("text/html") and b"app.js" in shell


def test_each_member_that_a_node_publishes_of_itself_has_words():
    """Those of docs/topics.md."""
    words = (_STATIC / "members.js").read_text()
    pages = (ROOT / "docs/topics.md").read_text()
    for title, table in (("health", "HEALTH"), ("info", "INFO")):
        rows = pages.partition(f"\n## `{title}`\n")[2].partition("\n## ")[0]
        told = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", rows, re.M)))
        ours = re.findall(r"^  (\w+): \[", words.partition(f"{table} = {{")[2].partition("};")[0], re.M)  # fmt: skip
        assert len(told) > 10 and set(told) - {"crash"} == set(ours)


def test_a_file_is_sent_again_only_when_it_has_changed(page):
    _, headers, _ = page.ask("/static/app.js")
    assert page.ask("/static/app.js", If_None_Match=headers["ETag"])[0] == 304
    assert page.refusal("/static/..%2fapp.py")[0] == 404


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8040", True),
        ("localhost:8040", True),
        ("[::1]:8040", True),
        ("192.168.1.10", True),
        (socket.gethostname(), True),
        (socket.gethostname() + ".local:8040", True),
        ("farm.example", True),
        ("FARM.example:80", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example:8040", False),
        ("localhost.evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_a_name_that_is_not_ours_is_refused(path, host, ours):
    """DNS rebinding: another page's name that leads here."""
    store(path)
    with served(path, names=["farm.example"]) as page:
        assert page.ask("/api/about", Host=host)[0] == (200 if ours else 421)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),  # a program; there is no such node
        ({"Sec_Fetch_Site": "same-origin", "Origin": "http://{host}"}, 404),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)  # fmt: skip
def test_another_page_cannot_command(page, headers, status):
    headers = {name: value.format(host=page.host) for name, value in headers.items()}
    body = {"node": "nobody", "command": "restart"}
    assert page.refusal("/api/command", body, **headers)[0] == status


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"[" * 10_000, 400, "this is no JSON"),
        (b"[]", 400, "send a JSON object"),
        (b'{"node":NaN}', 400, "this is no JSON"),
        (b" " * 20_000, 413, "more than"),
        ({"node": "attic", "command": "../x"}, 400, "command: give the name of one"),
        ({"node": "attic", "command": "read", "arguments": []}, 400, "arguments: give an object"),
        ({"node": "attic", "command": "read", "arguments": {"id": 1}}, 400, "arguments:"),
        ({"node": 7, "command": "read"}, 400, "node: give a text"),
        ({"node": "\ud800", "command": "read"}, 400, "node: this is no text"),
        ({"node": "+", "command": "read"}, 404, "there is no node +"),
        ({"node": "shed", "command": "read"}, 409, "shed is offline: nobody answers. Nothing was sent"),
        ({"node": "attic", "command": "read"}, 503, "there is no connection to a broker: start the page with"),
    ],
)  # fmt: skip
def test_what_cannot_be_commanded(page, body, status, told):
    found, error = page.refusal("/api/command", body)
    assert (found, error[: len(told)]) == (status, told)


def test_the_commands_of_the_page_are_those_of_a_node():
    device = (ROOT / "firmware/control/commands.py").read_text().partition("COMMANDS = {")[2]
    known = set(re.findall(r'^    "(\w+)":', device.partition("}")[0], re.M))
    ours = re.findall(r'this\.command\("(\w+)"', (_STATIC / "commands.js").read_text())
    assert set(ours) == known


def test_the_plotting_library_is_as_its_makers_published_it():
    import hashlib

    digests = {
        name: hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()
        for name in ("uPlot.iife.min.js", "uPlot.min.css")
    }
    licence = (_STATIC / "uPlot-license.txt").read_text()
    assert "MIT License" in licence
    told = dict(re.findall(r"^([\w.]+) ([0-9a-f]{64})$", licence, re.M))
    assert digests == told


@pytest.mark.slow
def test_a_thousand_nodes_and_a_year_cost_a_bounded_amount(path):
    """Not seconds, which a busy machine has its own of: steps of SQLite's machine, and bytes."""
    nodes = [f"node-{number:04}" for number in range(1000)]
    recent = [
        reading(seq, now() - (20 - seq) * MINUTE, node=node) for node in nodes for seq in range(20)
    ]
    states = [state(node, "status", "online") for node in nodes]
    states += [state(node, "info", {"version": "0.1.0"}) for node in nodes]
    store(path, recent, states)
    begin = (now() - 365 * DAY) // HOUR * HOUR
    with closing(sqlite3.connect(path)) as db, db:
        rows = (
            (
                "big",
                1,
                n + 1,
                1,
                "air",
                f'{{"temperature":{n % 50}.5}}',
                begin + n * MINUTE,
                now(),
                0,
            )
            for n in range(365 * 24 * 60)
        )
        db.executemany("insert into reading values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute(
            "insert into node (node, status, reading_at) values ('big', 'online', ?)", (now(),)
        )
        db.execute(
            "insert into hourly (node, channel, hour, quantity, removed, count, late, least, mean, most)"
            " select node, channel, ts / 3600000, 'temperature', 0, count(*), 0, 0.5, 25.0, 49.5"
            " from reading where node = 'big' group by ts / 3600000"
        )
    with served(path) as page:
        spent = count_steps(page)
        assert len(page.get("nodes")["nodes"]) == 1001
        first = spent()
        assert first < 3_000_000
        size = len(page.ask("/api/nodes")[2])
        assert size < 600 * 1001
        assert spent() < first / 5  # nothing is looked up again that has not changed
        for days in (1, 7, 365, 3650):
            found = series(page, now() - days * DAY, now(), points=800, node="big")
            steps = spent()
            assert steps < 1_500_000, (days, steps)
            assert 400 < len(found["points"]) <= 801 or days in (7, 3650)
            assert len(json.dumps(found)) < 80_000
        page.get("node", node="big")
        assert spent() < 500_000


def count_steps(page):
    """Return a function that returns the steps of SQLite's machine since the last call, in thousands."""
    page.get("about")
    page.page.source.mark()
    counted = [0]

    def step():
        counted[0] += 1000

    page.page.source._store._channels.clear()  # as if nobody had looked yet
    page.page.source._store._db.set_progress_handler(step, 1000)

    def spent():
        found, counted[0] = counted[0], 0
        return found

    return spent


def test_bad_messages_are_no_nodes(path):
    store(path)
    with closing(SqliteStore(path, "outpost")) as written:
        written.append(Batch(bad=[Bad("outpost/x", b"", "nonsense", now())]))
    with served(path) as page:
        assert page.get("nodes")["nodes"] == []


def test_the_docs_have_each_address(page):
    text = (ROOT / "docs/page.md").read_text()
    told = {path.partition("?")[0] for path in re.findall(r"`(?:GET|POST) (/api/[^`]+)`", text)}
    assert told == {route.path for route in page.page.app.routes if route.path.startswith("/api/")}


def test_one_look_takes_so_much_and_the_newest_of_it(path):
    text = '{"note":"' + "x" * 60_000 + '"}'
    store(path, [reading(1, now())])
    with served(path) as page:
        mark = page.page.source.mark()
        with closing(SqliteStore(path, "outpost")) as written:
            many = [reading(seq, now())._replace(quantities=text) for seq in range(2, 40)]
            written.append(Batch(readings=[*many, reading(40, now(), temperature=4.0)]))
        mark, found = page.page.source.since(mark, {"attic"})
        assert len(found) == 9 and found[-1]["quantities"] == {"temperature": 4.0}
        assert page.page.source.since(mark, {"attic"}) == (mark, [])


@pytest.mark.slow
def test_a_browser_that_never_reads_is_let_go(page, monkeypatch, path):
    monkeypatch.setattr(hub, "_PATIENCE_S", 1)
    text = '{"note":"' + "x" * 60_000 + '"}'
    with socket.socket() as mute, closing(SqliteStore(path, "outpost")) as written:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.connect(("127.0.0.1", page.port))
        mute.sendall(b"GET /api/events?node=attic HTTP/1.1\r\nHost: localhost\r\n\r\n")
        clients = page.page.hub.clients
        deadline = time.monotonic() + 60
        while not clients:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        seq = 10_000
        while clients:
            assert time.monotonic() < deadline
            written.append(
                Batch(
                    readings=[reading(seq + n, now())._replace(quantities=text) for n in range(8)]
                )
            )
            seq += 8
            time.sleep(0.2)
