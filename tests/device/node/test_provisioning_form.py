"""What a phone enters, as it gets into config.json: nothing else is touched, no secret comes out or goes astray."""

import json

from firmware.provisioning import form
from firmware.sensors import TYPES
from firmware.settings import config

HEAP = "320k"  # the tables of the settings beside these tests

FULL = {
    "node": {"name": "attic", "base": "home"},
    "wifi": {
        "networks": [
            {"ssid": "one", "password": "secret-one"},
            {"ssid": "two", "password": "secret-two"},
        ],
        "country": "DE",
    },
    "mqtt": {
        "brokers": [
            {"host": "broker.test", "port": 1884, "user": "me", "password": "secret-me"},
            {"host": "other.test"},
        ],
        "keepalive_s": 30,
    },
    "sensors": [{"name": "door", "type": "input", "pin": 4}],
}


def fields(**given):
    return form.entered(given, ())


def same(**changed):
    """The form as it was shown, sent back with these changes."""
    got = {key: value for key, value in form.shown(FULL).items() if type(value) is str}
    got.update(changed)
    return form.entered(got, ())


def checked(raw):
    settings, faults = config.check(raw, TYPES, None)
    assert settings, faults
    return settings


def test_what_is_shown_has_no_secret():
    shown = form.shown(FULL)
    assert "secret" not in str(shown)
    assert shown["key"] is True and shown["password"] is True
    assert shown["ssid"] == "one" and shown["host"] == "broker.test" and shown["port"] == "1884"


def test_sent_back_as_it_was_nothing_changes():
    assert form.merge(FULL, same(), ()) == FULL


def test_the_least_config():
    raw = form.merge({}, fields(ssid="home", key="password", host="10.0.0.2"), ())
    assert raw == {
        "node": {},
        "wifi": {"networks": [{"ssid": "home", "password": "password"}]},
        "mqtt": {"brokers": [{"host": "10.0.0.2"}]},
    }
    assert checked(raw)["sensors"] == []


def test_everything_that_is_asked():
    got = fields(ssid="h", host="b", port="8883", user="u", password="p", tls="1", name="shed")
    raw = form.merge({}, got, ())
    broker = {"host": "b", "port": 8883, "user": "u", "password": "p", "tls": {"ca": "ca.pem"}}
    assert raw["mqtt"]["brokers"] == [broker] and raw["node"] == {"name": "shed"}
    checked(raw)


def test_a_hidden_network_is_typed():
    raw = form.merge({}, fields(ssid="", other="hidden", host="b"), ())
    assert raw["wifi"]["networks"] == [{"ssid": "hidden"}]


def test_a_new_network_comes_first_and_the_others_stay():
    raw = form.merge(FULL, same(ssid="new", key="password"), ())
    assert [each["ssid"] for each in raw["wifi"]["networks"]] == ["new", "one", "two"]
    raw = form.merge(FULL, same(ssid="two"), ())
    assert raw["wifi"]["networks"] == [FULL["wifi"]["networks"][1], FULL["wifi"]["networks"][0]]
    assert raw["wifi"]["country"] == "DE" and raw["sensors"] == FULL["sensors"]


def test_never_more_networks_than_allowed():
    many = {"wifi": {"networks": [{"ssid": "n%d" % i} for i in range(8)]}}
    raw = form.merge(many, fields(ssid="new", host="b"), ())
    assert len(raw["wifi"]["networks"]) == 8
    checked(raw)


def test_a_new_network_has_no_old_password():
    raw = form.merge(FULL, same(ssid="new"), ())
    assert raw["wifi"]["networks"][0] == {"ssid": "new"}


def test_secrets_that_were_entered_before_are_recalled():
    draft = form.merge(
        FULL, same(ssid="new", key="typed-key", host="b2", password="typed-pass"), ()
    )
    again = same(ssid="new", host="b2", port="99")
    form.recall(again, draft)
    assert again["key"] == "typed-key" and again["password"] == "typed-pass"
    for other in (same(ssid="newer", host="b3"), same(ssid="", host="b2", user="x")):
        form.recall(other, draft)
        assert other["key"] == "" and other["password"] == ""
    typed = same(ssid="new", key="typed-anew")
    form.recall(typed, draft)
    assert typed["key"] == "typed-anew"
    nothing = fields()
    form.recall(nothing, {})
    assert nothing["key"] == "" and nothing["password"] == ""


def test_a_network_that_became_open():
    raw = form.merge(FULL, same(), (b"one",))
    assert raw["wifi"]["networks"][0] == {"ssid": "one"}


def test_the_broker_s_password_goes_nowhere_else():
    for change in ({"host": "evil.test"}, {"user": "other"}, {"user": ""}, {"tls": "1"}):
        broker = form.merge(FULL, same(**change), ())["mqtt"]["brokers"][0]
        assert "password" not in broker, change
    broker = form.merge(FULL, same(port="1885"), ())["mqtt"]["brokers"][0]
    assert broker["password"] == "secret-me" and broker["port"] == 1885


def test_tls_that_is_there_is_kept_or_dropped():
    tls = {"ca": "my.pem", "cert": "c", "key": "k"}
    raw = {"mqtt": {"brokers": [{"host": "b", "tls": tls}]}}
    assert (
        form.merge(raw, fields(ssid="h", host="b", tls="1"), ())["mqtt"]["brokers"][0]["tls"]
        == tls
    )
    assert "tls" not in form.merge(raw, fields(ssid="h", host="b"), ())["mqtt"]["brokers"][0]


def test_the_original_is_left_alone():
    before = json.dumps(FULL)
    form.merge(FULL, same(ssid="new", host="x", user="", name="", tls="1"), (b"one",))
    assert json.dumps(FULL) == before


def test_whatever_stands_in_the_file():
    for raw in (
        {"wifi": 5, "mqtt": [], "node": None},
        {"wifi": {"networks": "x"}, "mqtt": {"brokers": [1, None]}},
        {
            "wifi": {"networks": [{"ssid": 7, "password": []}]},
            "mqtt": {"brokers": [{"port": "x"}]},
        },
        {"node": {"name": {"a": 1}}},
    ):
        form.shown(raw)
        merged = form.merge(raw, fields(ssid="home", host="b"), ())
        assert merged["wifi"]["networks"][0] == {"ssid": "home"}
        assert merged["mqtt"]["brokers"][0]["host"] == "b"


def test_faults_stand_at_their_fields():
    raw = form.merge(
        {"sensors": [{}]}, fields(ssid="", key="short", host="a b", port="x", name="a/b"), ()
    )
    raw["log"] = {"level": "loud"}
    _, faults = config.check(raw, TYPES, None)
    at, others = form.placed(faults)
    assert sorted(at) == ["host", "key", "name", "other", "port"], at
    assert at["other"] == "is empty, give text of 1 to 32 bytes"
    assert at["key"] == "is too short or too long, give 8 to 63 characters"
    assert [form.part(fault) for fault in others] == ["sensors", "log"], others


def test_a_password_needs_a_user():
    raw = form.merge({}, fields(ssid="h", host="b", password="p"), ())
    at, _ = form.placed(config.check(raw, TYPES, None)[1])
    assert at == {"user": "is empty beside a password, give both"}


def test_parts_that_cannot_be_used():
    assert form.without(FULL, {"sensors", "wifi"}) == {
        key: FULL[key] for key in ("node", "wifi", "mqtt")
    }


def test_the_first_file_that_can_be_read():
    for name, text in (("a", "nothing"), ("b", "[1]"), ("c", '{"x": 1}'), ("d", '{"x": 2}')):
        with open(name, "w") as f:
            f.write(text)
    with open("e", "w") as f:
        f.write('{"x": "%s"}' % ("y" * 17000))
    assert form.stored("none", "a", "b", "e", "c", "d") == {"x": 1}
    assert form.stored("none") == {}
    with open("f", "w") as f:
        # MicroPython's json makes of it what it cannot write again.
        f.write('{"ssid": "\\ud83c\\udfe0"}')
    assert form.stored("f") == {"ssid": "\U0001f3e0"}


def test_only_the_new_ones_are_tried():
    settings = form.first_only(checked(FULL))
    assert [each["ssid"] for each in settings["wifi"]["networks"]] == ["one"]
    assert [each["host"] for each in settings["mqtt"]["brokers"]] == ["broker.test"]
