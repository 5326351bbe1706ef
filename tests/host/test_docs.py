"""The pages keep to what the code says: links lead somewhere, tables name what there is."""

import ast
import json
import re

import pytest

from tools import ROOT
from tools.simulate import scenarios

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def page(name):
    return (ROOT / "docs" / name).read_text()


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = path.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text()), target
    for target in re.findall(r"`(docs/[\w./-]+)`", text):
        assert (ROOT / target).exists(), target


def test_the_index_has_every_page():
    index = page("README.md")
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    assert listed == {path.name for path in PAGES[1:]} - {"README.md"}


def members(text, heading):
    section = text.partition(f"\n## `{heading}`\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.M)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def yielded(source, *functions):
    """Names of the pairs that functions of a device file yield."""
    for node in ast.walk(ast.parse((ROOT / source).read_text())):
        if isinstance(node, ast.FunctionDef) and node.name in functions:
            for part in ast.walk(node):
                if isinstance(part, ast.Yield) and isinstance(part.value, ast.Tuple):
                    yield part.value.elts[0].value


@pytest.mark.parametrize(
    ("document", "sources"),
    [
        ("health", {"health": ("report", "delivery")}),
        ("info", {"info": ("_info",), "slot": ("report",)}),
    ],
)
def test_every_member_of_a_document_has_a_row(document, sources):
    names = [
        name
        for module, functions in sources.items()
        for name in yielded(f"firmware/upkeep/{module}.py", *functions)
    ]
    assert sorted(members(page("topics.md"), document)) == sorted(names)


def test_every_event_of_a_scenario_has_a_row():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", page("scenarios.md"), re.M))
    calls = scenarios.calls()
    assert set(rows) == set(calls)
    for name, (arguments, _) in calls.items():
        if arguments is not None:
            assert re.findall(r"`(\w+)`", rows[name]) == arguments, name


def test_the_scenarios_that_are_shown_can_happen(tmp_path):
    shown = re.findall(r"```json\n(.*?)```", page("scenarios.md"), re.S)
    assert len(shown) >= 3
    for number, text in enumerate(shown):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(json.loads(text)))
        example = "docs/examples/twelve.json" if number == 0 else "config.json.example"
        sensors = json.loads((ROOT / example).read_text())["sensors"]
        assert scenarios.read(path, sensors, "esp32", "simulated")


def test_the_first_scenario_is_the_file_that_its_command_names():
    shown = re.search(r"```json\n(.*?)```", page("scenarios.md"), re.S)[1]
    assert json.loads(shown) == json.loads((ROOT / "docs/examples/unplug.json").read_text())


def test_a_scenario_page_lists_every_switch():
    row = re.search(r"^\| `switch` \|.*$", page("scenarios.md"), re.M)[0]
    for name, (_, right) in scenarios.SWITCHES.items():
        assert f"`{name}`" in row
        assert all(f"`{value}`" in row for value in re.findall(r'"(\w+)"', right)), name


def texts():
    """All that the node's own files have as text."""
    for folder in ("firmware", "lib"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


# Where the node puts a line together
JOINTS = re.compile(
    r"[…:;,]|\b[0-9a-f]{6}\b|\d+|will not have|answers no|attic|this one is|state/\w+|speaks|connection"
)


def test_what_the_troubleshooting_page_has_one_look_for_is_what_the_node_says():
    said = "\n".join(texts())
    cells = re.findall(r"^\| (.*?) \| ", page("troubleshooting.md"), re.M)
    found = [text for cell in cells if "log:" in cell for text in re.findall(r"`(.*?)`", cell)]
    assert len(found) > 25
    for text in found:
        for piece in JOINTS.split(text):
            assert piece.strip() in said, (text, piece)
