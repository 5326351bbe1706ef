"""`make broker` and `make revoke`: what they write, what they keep, what they refuse. A real mosquitto is asked in tests/system."""

import contextlib
import csv
import datetime
import json
import re
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from station.__main__ import COMMANDS, main
from station.broker import accounts, authority, enrol, rights, server, settings
from station.broker.accounts import Account
from station.broker.fleet import Member
from station.broker.rights import Place
from station.broker.site import Memory, Site
from tools import ROOT
from tools.settings import judge

NOW = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
COMMON = {
    "wifi": {"networks": [{"ssid": "home", "password": "wifi-Secret-1"}]},
    "mqtt": {"brokers": [{"host": "192.168.1.10", "user": "node", "password": "shared-Secret"}]},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout of two nodes."""
    monkeypatch.chdir(tmp_path)
    Path("nodes").mkdir()
    Path("config.json").write_text(json.dumps(COMMON))
    for name in ("attic", "cellar"):
        node(name)
    return tmp_path


def node(name, **patch):
    Path(f"nodes/{name}.json").write_text(json.dumps({"sensors": []} | patch))


@pytest.fixture
def call(capsys, monkeypatch):
    """Call a command as make does: (exit code, what it said). Nothing secret is ever said."""
    monkeypatch.setattr("tools.__main__.signal.signal", lambda *args: None)

    def call(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as e:
            code = e.code
        out, err = capsys.readouterr()
        for secret in secrets_in(Path()):
            assert secret not in out + err
        return code, out + err

    return call


@pytest.fixture
def broker(folder, call):
    """`make broker`, in order: what it said."""

    def broker(*words):
        code, said = call("broker", "--host", "192.168.1.10", *words)
        assert code == 0, said
        return said

    return broker


def secrets_in(place):
    """Every password and key below a folder."""
    found = []
    for path in place.rglob("*"):
        if path.suffix in (".json", ".key", ".csv") and path.is_file():
            text = path.read_text()
            found += re.findall(r'"password": "([^"]+)"', text)
            found += re.findall(r"-----\n([\w+/=\n]+)\n-----END PRIVATE", text)
    return found


def account_of(name):
    [entry] = json.loads(Path(f"nodes/{name}.json").read_text())["mqtt"]["brokers"]
    return Account(entry["user"], entry["password"])


def hashes():
    return accounts.parsed(Path("broker/passwords").read_text())


def everything():
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(Path().rglob("*"))
        if path.is_file()
    }


# ---- what is written


def test_each_node_gets_an_account_of_its_own(broker):
    said = broker()
    assert "nodes with an account: 2" in said
    attic, cellar = account_of("attic"), account_of("cellar")
    assert (attic.user, cellar.user) == ("attic", "cellar")
    assert attic.password != cellar.password
    for user, password in (attic, cellar):
        assert accounts.is_hash_of(hashes()[user], password)
    # the common config keeps the account that was for all: it is none of the broker's any more
    assert "node" not in hashes()
    assert json.loads(Path("config.json").read_text()) == COMMON


def test_what_a_node_is_told_is_a_config_that_it_takes(broker):
    broker()
    entry = json.loads(Path("nodes/attic.json").read_text())["mqtt"]["brokers"][0]
    assert entry["tls"] == {"ca": "broker/ca.pem", "server_name": "outpost-broker"}
    assert (entry["host"], "port" in entry) == ("192.168.1.10", False)
    raw = COMMON | {"sensors": [], "mqtt": {"brokers": [entry]}}
    assert judge.judge(raw, None)[1] == []
    from tools.settings.usable import for_use

    assert for_use(raw, None, Path("config.json"))[1] == []  # ca.pem is beside it


def test_a_broker_with_a_name_needs_no_other_in_its_certificate(folder, call):
    assert call("broker", "--host", "broker.lan,192.168.1.10")[0] == 0
    entry = json.loads(Path("nodes/attic.json").read_text())["mqtt"]["brokers"][0]
    assert (entry["host"], entry["tls"]) == ("broker.lan", {"ca": "broker/ca.pem"})


def test_without_tls(broker):
    broker("--plain", "1")
    entry = json.loads(Path("nodes/attic.json").read_text())["mqtt"]["brokers"][0]
    assert set(entry) == {"host", "user", "password"}
    conf = Path("broker/mosquitto.conf").read_text()
    assert "listener 1883\n" in conf and "listener 8883\n" in conf
    broker("--plain", "0")
    assert "listener 1883 127.0.0.1" in Path("broker/mosquitto.conf").read_text()
    assert "tls" in json.loads(Path("nodes/attic.json").read_text())["mqtt"]["brokers"][0]


def test_another_port_reaches_the_nodes(broker):
    broker("--port", "18883")
    assert json.loads(Path("nodes/attic.json").read_text())["mqtt"]["brokers"][0]["port"] == 18883


def test_a_second_broker_of_a_node_stays(broker):
    other = {"host": "10.0.0.1", "user": "x", "password": "other-Secret"}
    node("attic", mqtt={"brokers": [other, {"host": "192.168.1.10"}], "keepalive_s": 30})
    broker()
    mqtt = json.loads(Path("nodes/attic.json").read_text())["mqtt"]
    assert mqtt["brokers"][0] == other and mqtt["keepalive_s"] == 30
    assert mqtt["brokers"][1]["user"] == "attic"


def test_who_may_read_what(broker):
    broker("--accounts", "site-cabin")
    for path in [*Path("broker").rglob("*"), *Path("broker.private").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        public = path.name in ("ca.pem", "server.pem", "outpost-broker.service")
        if path.is_file():
            assert mode == (0o644 if public else 0o600), path
        elif path.name == "data":
            assert mode == 0o700
    assert stat.S_IMODE(Path("broker.private").stat().st_mode) == 0o700
    for name in ("attic", "cellar"):
        assert stat.S_IMODE(Path(f"nodes/{name}.json").stat().st_mode) == 0o600


def test_rights_that_somebody_loosened_are_put_right(broker):
    broker()
    Path("broker/passwords").chmod(0o644)
    assert "written: broker/passwords" in broker()
    assert stat.S_IMODE(Path("broker/passwords").stat().st_mode) == 0o600


def test_the_broker_has_no_secret_that_it_does_not_need(broker):
    broker()
    copied = b"".join(path.read_bytes() for path in Path("broker").rglob("*") if path.is_file())
    kept = Path("broker.private/ca.key").read_text().splitlines()[1]
    assert kept.encode() not in copied
    for name in ("attic", "cellar"):
        assert account_of(name).password.encode() not in copied


def test_git_ignores_all_of_it():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/broker/", "/broker.private/", "/broker-ca.pem", "/nodes/"} <= set(ignored)


# ---- a second run


def test_a_second_run_changes_nothing(broker):
    broker()
    before = everything()
    assert "nothing has changed" in broker()
    assert everything() == before


def test_what_was_said_once_need_not_be_said_again(folder, call):
    said = call("broker", "--host", "broker.lan", "--port", "18883", "--queue", "5")[1]
    assert "broker.lan, port 18883" in said
    before = everything()
    assert "nothing has changed" in call("broker")[1]
    assert everything() == before
    assert f"max_queued_bytes {5 * 1024 * 1024}\n" in Path("broker/mosquitto.conf").read_text()


def test_a_new_node_is_added_and_the_others_stay(broker):
    broker()
    before, secrets = hashes(), {name: account_of(name) for name in ("attic", "cellar")}
    key = Path("broker/server.key").read_text(), Path("broker.private/ca.key").read_text()
    node("porch")
    said = broker()
    assert "nodes with an account: 3" in said
    assert "written: nodes/porch.json" in said and "nodes/attic.json" not in said
    assert {user: line for user, line in hashes().items() if user != "porch"} == before
    assert {name: account_of(name) for name in secrets} == secrets
    assert key == (
        Path("broker/server.key").read_text(),
        Path("broker.private/ca.key").read_text(),
    )


def test_a_node_that_is_not_in_the_list_keeps_its_account(broker):
    broker()
    Path("nodes/cellar.json").unlink()
    assert "cellar keeps its account, and is not in nodes/: make revoke NODE=cellar" in broker()
    assert "cellar" in hashes() and "user cellar\n" in Path("broker/acl").read_text()


def test_an_account_that_a_node_has_stays(broker):
    own = {"host": "192.168.1.10", "user": "up there", "password": "chosen-Secret"}
    node("attic", mqtt={"brokers": [own]})
    broker()
    assert account_of("attic") == ("up there", "chosen-Secret")
    assert accounts.is_hash_of(hashes()["up there"], "chosen-Secret")


def test_a_password_that_somebody_changed_is_taken(broker):
    broker()
    text = (
        Path("nodes/attic.json").read_text().replace(account_of("attic").password, "another-one")
    )
    Path("nodes/attic.json").write_text(text)
    said = broker()
    assert (
        "written: broker/passwords" in said
        and "nodes/" not in said.partition("written")[2].partition("passwords:")[0]
    )
    assert accounts.is_hash_of(hashes()["attic"], "another-one")


def test_a_run_that_ended_half_way_is_finished_by_the_next(broker, monkeypatch):
    """The nodes' files are written first: they are where a password is that nobody else knows."""

    def full(self, path, *more):
        if path.name == "passwords":
            raise OSError(28, "No space left on device", str(path))
        return put(self, path, *more)

    put = Site.put
    with monkeypatch.context() as patch:
        patch.setattr(Site, "put", full)
        assert main(["broker", "--host", "192.168.1.10"]) == 1
    given = account_of("attic")
    broker()
    assert account_of("attic") == given
    assert accounts.is_hash_of(hashes()["attic"], given.password)


# ---- certificates


def server_certificate():
    return x509.load_pem_x509_certificate(Path("broker/server.pem").read_bytes())


def test_the_certificate_is_the_authoritys_and_names_the_broker(folder, call):
    call("broker", "--host", "192.168.1.10,broker.lan,fd00::1")
    made = server_certificate()
    ca = x509.load_pem_x509_certificate(Path("broker/ca.pem").read_bytes())
    made.verify_directly_issued_by(ca)
    assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)
    assert made.public_key().curve.name == "secp256r1"
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["outpost-broker", "localhost", "broker.lan"]
    addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "192.168.1.10", "fd00::1"]
    assert Path("broker.private/ca.pem").read_bytes() == Path("broker/ca.pem").read_bytes()


@pytest.mark.parametrize(
    ("days", "why"),
    [(0, None), (639, None), (641, "it ends on 2028-12-31"), (800, "it ends on 2028-12-31")],
)
def test_a_certificate_that_is_about_to_end_is_made_anew(days, why):
    ours = authority.new_authority("a", NOW)
    made = authority.issue(ours, ["a.lan"], NOW)
    later = NOW + datetime.timedelta(days=days)
    assert authority.why_renew(ours.certificate, made.certificate, ["a.lan"], later) == why


def test_a_certificate_for_others_is_made_anew():
    ours, theirs = (authority.new_authority(name, NOW) for name in "ab")
    made = authority.issue(ours, ["a.lan"], NOW).certificate
    assert "names" in authority.why_renew(ours.certificate, made, ["b.lan"], NOW)
    assert "authority" in authority.why_renew(theirs.certificate, made, ["a.lan"], NOW)
    assert "authority" in authority.why_renew(ours.certificate, "", ["a.lan"], NOW)
    assert "authority" in authority.why_renew(ours.certificate, made[:99], ["a.lan"], NOW)


def test_a_new_name_keeps_the_authority(folder, call):
    call("broker", "--host", "a.lan")
    ca, first = Path("broker/ca.pem").read_bytes(), server_certificate()
    call("broker", "--host", "b.lan")
    assert Path("broker/ca.pem").read_bytes() == ca
    assert server_certificate() != first


def test_without_its_key_the_authority_is_still_good_for_nodes(folder, call):
    """It may be kept elsewhere, and is needed for a new certificate only."""
    call("broker", "--host", "a.lan")
    Path("broker.private/ca.key").unlink()
    node("porch")
    assert call("broker")[0] == 0
    code, said = call("broker", "--host", "b.lan")
    assert code == 1 and "broker.private/ca.key is not here: put it back meanwhile" in said


def test_a_lost_authority_is_not_replaced_in_silence(folder, call):
    """Every node would refuse the broker."""
    call("broker", "--host", "a.lan")
    Path("broker/ca.pem").unlink()
    code, said = call("broker")
    assert code == 1 and "put back broker.private/ca.pem" in said


# ---- the CSV of make provision


def rows(text, *words, name="nodes.csv"):
    Path(name).write_bytes(text.encode())
    assert main(["broker", "--host", "192.168.1.10", "--csv", name, *words]) == 0
    return Path(name).read_bytes().decode()


def test_a_csv_gets_an_account_in_each_row(folder, call):
    text = rows("name,ssid,password,board\nattic,home,wifi,e661\ncellar,home,wifi,\n")
    table = list(csv.DictReader(text.splitlines()))
    assert list(table[0]) == [
        "name",
        "ssid",
        "password",
        "board",
        "host",
        "user",
        "broker_password",
    ]
    for row in table:
        assert (row["host"], row["user"], row["password"]) == ("192.168.1.10", row["name"], "wifi")
        assert accounts.is_hash_of(hashes()[row["user"]], row["broker_password"])
    assert table[0]["board"] == "e661"
    assert stat.S_IMODE(Path("nodes.csv").stat().st_mode) == 0o600
    assert rows(text) == text
    from tools.boards.roster import Roster

    assert Roster(Path("nodes.csv")).take("e661", None)["user"] == "attic"


def test_what_no_row_can_say_goes_into_the_common_config(folder):
    rows("name\nattic\n")
    [entry] = json.loads(Path("config.json").read_text())["mqtt"]["brokers"]
    assert entry["tls"] == {"ca": "broker/ca.pem", "server_name": "outpost-broker"}


def test_a_csv_of_a_spreadsheet_stays_one(folder):
    text = rows("\ufeffname;host;user;broker_password\r\nattic;192.168.1.10;;\r\n")
    head, row, end = text.split("\r\n")
    assert (head, end) == ("\ufeffname;host;user;broker_password", "")
    assert re.fullmatch("attic;192[.]168[.]1[.]10;attic;[^;]{24}", row)


def test_an_account_that_all_rows_share_is_none_of_their_own(folder):
    shared = "user,broker_password\n{0},node,shared\n{1},node,shared\n"
    text = rows("name," + shared.format("attic", "cellar"))
    assert [row["user"] for row in csv.DictReader(text.splitlines())] == ["attic", "cellar"]
    assert "node" not in hashes()
    kept = rows("name,user,broker_password\nporch,her,own\n", name="more.csv")
    assert "porch,her,own" in kept


def test_a_csv_that_is_none(folder, call):
    Path("nodes.csv").write_text("name,nonsense\nattic,1\n")
    code, said = call("broker", "--host", "a.lan", "--csv", "nodes.csv")
    assert code == 7 and "nonsense: unknown" in said
    assert not Path("broker").exists()


def test_one_node_in_its_config(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    Path("config.json").write_text(json.dumps(COMMON | {"node": {"name": "attic"}}))
    code, said = call("broker", "--host", "192.168.1.10")
    assert code == 0 and "written: config.json" in said
    [entry] = json.loads(Path("config.json").read_text())["mqtt"]["brokers"]
    # there is no other node that could share it
    assert (entry["user"], entry["password"]) == ("node", "shared-Secret")


def test_no_node_yet(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    code, said = call("broker", "--host", "192.168.1.10")
    assert code == 0 and "warning: no node has an account: give nodes/<name>.json" in said
    assert set(hashes()) == set(rights.ROLES)


# ---- whom it lets in


@pytest.mark.parametrize("name", ["attic", "Dachboden Süd", "%u", "-r", "it's", "{base}"])
def test_a_user_is_called_as_its_node(name):
    assert accounts.user_of(name) == name


@pytest.mark.parametrize(
    ("name", "begins"), [("a:b", "a_b_"), ("two  blanks", "two__blanks_"), (" attic", "_attic_")]
)
def test_a_user_has_no_name_that_mosquittos_files_cannot_have(name, begins):
    user = accounts.user_of(name)
    assert re.fullmatch(re.escape(begins) + "[0-9a-f]{8}", user)
    assert accounts.fits(Account(user, "")) and user != accounts.user_of(name + "b")


def given(*members, **memory):
    made, after = enrol.enrol(
        [Member(Place(name, "outpost", "ha"), account) for name, account in members],
        Memory(hosts=["a"], **memory),
        {user: accounts.hashed(f"{user}-Secret") for user in memory.get("nodes", ())},
    )
    return {name: account for name, (account, _) in made.items()}, after


def test_no_two_nodes_get_one_account():
    both, after = given(("a", Account("x", "1")), ("b", Account("x", "2")))
    assert {both["a"].user, both["b"].user} == {"a", "b"}
    assert set(after.nodes) == {"a", "b"}


def test_no_node_gets_the_account_of_a_program_or_of_another_node():
    made, _ = given(
        ("a", Account("operator", "1")), ("b", Account("site-x", "2")), more=["site-x"]
    )
    assert (made["a"].user, made["b"].user) == ("a", "b")
    # `attic` of another list has the user `a`
    known = {"a": Place("attic", "outpost", "ha")}
    made, after = given(("a", None), ("b", Account("a", "stolen")), nodes=known)
    assert made["a"].user == "a-2" and made["b"].user == "b"
    assert after.nodes["a"].node == "attic"


def test_a_new_name_for_who_has_an_account_is_not_anothers():
    """`b` would be called as what `a` is called already."""
    made, _ = given(("b", None), ("a", Account("b", "1")))
    assert (made["a"].user, made["b"].user) == ("b", "b-2")


def test_a_node_with_a_new_name_keeps_its_account_and_what_it_had_taken_under_the_old_one(broker):
    """It delivers readings under the name that they were taken under: docs/promise.md."""
    broker()
    first = account_of("attic")
    Path("nodes/attic.json").rename("nodes/loft.json")
    broker()
    assert account_of("loft") == first
    acl = Path("broker/acl").read_text()
    [rules] = re.findall(r"user attic\n((?:topic .*\n)*)", acl)
    assert "topic readwrite outpost/loft/#" in rules and "topic readwrite outpost/attic/#" in rules
    node(
        "loft", node={"base": "home"}, mqtt=json.loads(Path("nodes/loft.json").read_text())["mqtt"]
    )
    broker()
    acl = Path("broker/acl").read_text()
    for place in ("home/loft", "outpost/loft", "outpost/attic"):
        assert f"topic readwrite {place}/#" in acl
    # a new node has the old name: from now on that is its alone
    node("attic")
    broker()
    assert account_of("attic").user == "attic-2"
    [rules] = re.findall(r"user attic\n((?:topic .*\n)*)", Path("broker/acl").read_text())
    assert "outpost/attic/" not in rules and "outpost/loft/" in rules


def test_who_does_not_know_the_password_is_no_renamed_node():
    known = {"attic": Place("attic", "outpost", "ha")}
    made, after = given(("loft", Account("attic", "guessed")), nodes=known)
    assert made["loft"].user == "loft" and after.nodes["attic"].node == "attic"
    made, after = given(("loft", Account("attic", "attic-Secret")), nodes=known)
    assert made["loft"].user == "attic" and after.former == {"attic": [known["attic"]]}


@pytest.mark.parametrize("name", ["collector", "page", "operator", "releaser", "release", "all"])
def test_a_name_that_is_somebody_elses_is_refused(name, folder, call):
    node(name)
    code, said = call("broker", "--host", "a.lan")
    assert code == 7 and name in said
    assert not Path("broker").exists()


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"node": {"base": "outpost/attic"}}, "outpost/attic: is below outpost/attic"),
        ({"node": {"base": "outpost/all/x"}}, "is below outpost/all"),
        ({"node": {"base": "outpost/release"}}, "is below outpost/release"),
        ({"discovery": {"prefix": "outpost"}}, "discovery.prefix outpost: overlaps"),
        ({"node": {"base": "a/#"}}, "its node.base has one of + # $"),
    ],
)
def test_places_of_which_one_could_publish_as_another_are_refused(patch, said, folder, call):
    node("cellar", **patch)
    code, told = call("broker", "--host", "a.lan")
    assert code == 7 and said in told


# ---- rights


def test_the_page_gives_a_node_the_same_rights():
    """docs/broker.md has the rules that were tried by hand; and releases are for all."""
    page = (ROOT / "docs" / "broker.md").read_text()
    [shown] = re.findall(r"```text\nuser attic\n(.*?)```", page, re.DOTALL)
    made = {f"topic {rule}" for rule in rights.of_node(Place("attic", "outpost", "homeassistant"))}
    assert made - set(shown.splitlines()) == {"topic read outpost/release/#"}
    assert set(shown.splitlines()) <= made


def test_home_assistants_topics_of_a_base_of_several_levels():
    rules = rights.of_node(Place("attic", "home/ground", "homeassistant"))
    assert "write homeassistant/+/home_ground_attic_ad9ee25b/#" in rules


def test_who_is_taken_out_of_the_list():
    rules = {name: [f"read {name}/#"] for name in ("at", "attic", "tic")}
    del rules["attic"]
    text = rights.acl(rules | {"attic": ["read attic/#"]})
    assert rights.without(text, ["attic"]) == rights.acl(rules)


# ---- passwords


def test_a_hash_is_of_its_password_alone():
    line = accounts.hashed("secret")
    assert re.fullmatch(r"\$7\$1000\$[\w+/]{16}\$[\w+/]{86}==", line)
    assert accounts.is_hash_of(line, "secret")
    assert not accounts.is_hash_of(line, "Secret")
    for other in ("", "secret", line[:-1], line.replace("$7$", "$6$"), line.replace("1000", "0")):
        assert not accounts.is_hash_of(other, "secret")
    assert accounts.hashed("secret") != line


def test_passwords_cannot_be_guessed():
    made = {accounts.new_password() for _ in range(100)}
    assert len(made) == 100 and {len(each) for each in made} == {24}


# ---- revoke


def test_who_is_revoked_stays_out(broker, call):
    broker()
    stolen = account_of("attic").password
    code, said = call("revoke", "--node", "attic")
    assert code == 0 and said.startswith("attic has no account any more; no broker runs here")
    assert "attic" not in hashes() and "user attic\n" not in Path("broker/acl").read_text()
    assert "user cellar\n" in Path("broker/acl").read_text() and "cellar" in hashes()
    said = broker()
    assert "attic is revoked and left out: make broker NODE=attic lets it in again" in said
    assert "attic" not in hashes()
    assert "nodes with an account: 2" in broker("--node", "attic")
    assert account_of("attic").password != stolen
    assert accounts.is_hash_of(hashes()["attic"], account_of("attic").password)
    assert "nothing has changed" in broker()


def test_programs_may_still_read_what_a_revoked_node_had_sent(broker, call):
    """The only node of a base: what waits for the collector is checked when it is delivered."""
    node("cellar", node={"base": "home"})
    broker()
    call("revoke", "--node", "cellar")
    broker()
    assert "topic read home/+/reading/#" in Path("broker/acl").read_text()


def test_what_cannot_be_revoked(broker, call):
    assert call("revoke", "--node", "attic") == (
        2,
        "error: there is no broker in broker: make broker makes one\n",
    )
    broker()
    code, said = call("revoke", "--node", "attik")
    assert code == 2 and "NODE=attik has no account; there is attic, cellar" in said
    call("revoke", "--node", "attic")
    code, said = call("revoke", "--node", "attic")
    assert code == 0 and said.startswith("attic is revoked already, and it holds")
    assert "NODE=cellar is not revoked" in call("broker", "--node", "cellar")[1]


class Cut(BaseException):
    """The power fails: nothing after it is done."""


def cut_at(monkeypatch, number, *words):
    """Call a command whose write of this number is the last that is done; 0: none is. Returns whether it was cut."""
    put, done = Site.put, []

    def cut(self, path, *more):
        if len(done) == number:
            raise Cut
        done.append(path)
        return put(self, path, *more)

    with monkeypatch.context() as patch, contextlib.suppress(Cut):
        patch.setattr(Site, "put", cut)
        main([*words])
        return False
    return True


@pytest.mark.parametrize("name", ["attic", "site-cabin"])
def test_a_revoke_that_is_cut_at_any_write_has_taken_rights_away_and_is_finished_by_a_second(
    name, broker, call, monkeypatch
):
    words, cuts = ("revoke", "--node", name), 0
    while True:
        broker("--accounts", "site-cabin,site-barn", *(["--node", name] if again(name) else []))
        stolen = hashes()[name]
        cut = cut_at(monkeypatch, cuts, *words)
        rights_left = f"user {name}\n" in Path("broker/acl").read_text()
        assert rights_left == (cuts == 0)  # nothing that lasts comes before this
        if cut and cuts >= 2:  # it is remembered
            assert call(*words)[1].startswith(f"{name} is revoked already, and it holds")
        code, said = call(*words)
        assert code == 0, said
        assert name not in hashes() and {"cellar", "site-barn"} <= set(hashes())
        assert f"user {name}\n" not in Path("broker/acl").read_text()
        assert not Path(f"broker.private/{name}.json").exists()
        if name == "attic":
            # the hash of a stolen password is known, wherever it was cut
            assert json.loads(Path("broker.private/site.json").read_text())["revoked"] == {
                name: stolen
            }
        if not cut:
            break
        cuts += 1
    assert cuts == 3


def again(name):
    site = Path("broker.private/site.json")
    return site.exists() and name in json.loads(site.read_text())["revoked"]


def test_the_commands_that_are_printed_are_whole(folder, call):
    """Else the next one makes another broker, in the usual folder."""
    Path("my nodes.csv").write_text("name\nattic\ncellar\n")
    Path("other.json").write_text(json.dumps(COMMON))
    where = ("--folder", "a b", "--config", "other.json", "--csv", "my nodes.csv")
    code, said = call("broker", "--host", "192.168.1.10", *where)
    assert code == 0, said
    whole = "make broker FOLDER='a b' CONFIG=other.json CSV='my nodes.csv'"
    assert f"try it: {whole} RUN=1\n" in said
    assert f"systemctl enable --now '{Path('a b').resolve()}/outpost-broker.service'\n" in said
    said = call("revoke", "--node", "attic", "--folder", "a b")[1]
    assert f"{whole} NODE=attic lets it in again" in said
    Path("my nodes.csv").write_text("name\nbarn\n")
    said = call("broker", *where)[1]
    assert f"{whole} NODE=attic lets it in again" in said
    assert "make revoke FOLDER='a b' NODE=cellar ends that" in said


def test_another_site_is_revoked_like_a_node(broker, call):
    broker("--accounts", "site-cabin,site-barn")
    first = Path("broker.private/site-cabin.json").read_text()
    assert call("revoke", "--node", "site-cabin")[0] == 0
    assert "site-cabin" not in hashes() and "site-barn" in hashes()
    assert "user site-cabin\n" not in Path("broker/acl").read_text()
    broker()
    assert not Path("broker.private/site-cabin.json").exists()
    broker("--accounts", "site-cabin")
    assert Path("broker.private/site-cabin.json").read_text() != first


# ---- settings


def test_what_mosquitto_is_told():
    """Each of these was seen to lose readings, or to end connections, at another value: see settings.py."""
    conf = settings.conf(settings.Listeners(settings.EVERYWHERE, 8883, 1883), 64)
    assert "\nkeyfile server.key\ntls_version tlsv1.2\nuse_username_as_clientid true\n" in conf
    assert conf.count("use_username_as_clientid") == 1
    open_too = settings.conf(settings.Listeners(settings.EVERYWHERE, 8883, 1883, True), 64)
    assert open_too.count("use_username_as_clientid true") == 2
    for line in (
        "allow_anonymous false",
        "persistence true",
        "autosave_interval 10",
        "max_queued_messages 1000000000",
        "max_queued_bytes 67108864",
        "max_inflight_messages 1000",
        "listener 8883",
        "listener 1883 127.0.0.1",
    ):
        assert f"\n{line}\n" in conf
    assert " /" not in conf.replace("read ", "")  # relative: the folder may be copied


def test_a_unit_for_any_folder():
    unit = settings.unit(Path("/srv/100 %/broker"), "mosquitto", "/usr/sbin/mosquitto")
    assert "WorkingDirectory=/srv/100 %%/broker\n" in unit
    assert 'ReadWritePaths="/srv/100 %%/broker/data"\n' in unit


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ((1, 6, 12), "2.0 or newer is needed"),
        ((2, 0, 11), "CVE-2024-8376"),
        ((2, 0, 19), None),
        ((2, 1), None),
        (None, "does not say"),
    ],
)
def test_versions(number, said, monkeypatch):
    monkeypatch.setattr(server, "version", lambda path: number)
    told = server.doubts("mosquitto")
    assert said in told if said else told is None


# ---- what is typed wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "mqtt://a.lan"], "HOST=mqtt://a.lan"),
        (["--host", "fd00::1"], "HOST= begins with an IPv6 address"),
        (["--host", ","], "HOST=, has no name in it"),
        (["--port", "0"], "PORT= give a whole number from 1 to 65535"),
        (["--port", "1883"], "PORT= and LOCAL= are both 1883"),
        (["--queue", "4096"], "QUEUE= give a whole number from 1 to 2047"),
        (["--listen", "0.0.0.0"], "LISTEN= and SECONDS= are for RUN=1"),
        (["--accounts", "cabin"], "ACCOUNTS=cabin: give a role, - and a name"),
        (["--bridge", "config.json"], "config.json is no file of another site"),
        (["--csv", "none.csv"], "there is no none.csv"),
        (["--folder", "config.json"], "is a file: give FOLDER= another name"),
    ],
)
def test_a_wrong_word_is_one_line_that_says_what_is_right(words, said, folder, call):
    Path("config.json").write_text('{"mqtt": {"brokers": [{"host": "a"}]}}')
    host = [] if words[0] == "--host" else ["--host", "a.lan"]
    code, told = call("broker", *host, *words)
    assert code in (1, 2) and said in told and told.count("\n") == 1


def test_site_json_that_is_damaged(broker, call):
    broker()
    for text in ("", "[]", '{"hosts": ["a"], "nodes": {"a": 1}}', '{"nodes": {}, "x": 1}'):
        Path("broker.private/site.json").write_text(text)
        code, said = call("broker")
        assert code == 1 and "site.json is damaged" in said


def test_the_table_of_commands(capsys):
    for name, (_, text) in COMMANDS.items():
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0
        said = "".join(capsys.readouterr().out.split()).lower()
        assert "".join(text.split()).lower() in said
