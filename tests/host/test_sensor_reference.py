"""docs/sensors.md is what the tables and the drivers say; each row of the tables has its driver."""

import ast
import re

from tools import ROOT, reference

TEXT = reference.generate()["docs/sensors.md"]

from firmware.sensors import _DERIVED, _NOT_THE_DRIVERS, QUANTITIES, TYPES  # noqa: E402  (generate() has made them known)


def test_every_type_and_quantity_is_there():
    assert sorted(re.findall("^`(.*)` publishes:$", TEXT, re.MULTILINE)) == sorted(TYPES)
    for quantity in QUANTITIES:
        assert f"| `{quantity}`" in TEXT, quantity


def test_every_text_of_a_failure_is_explained():
    """What the drivers raise is either in the table or made of parts that are."""
    for path in (ROOT / "lib" / "drivers").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                for text in node.exc.args:
                    if isinstance(text, ast.Constant) and isinstance(text.value, str):
                        assert f"`{text.value.partition(' (')[0]}" in TEXT, text.value


def test_every_row_has_its_driver_with_those_settings():
    for name, (driver, bus, rows, _) in TYPES.items():
        module, cls = driver.split(".")
        tree = ast.parse((ROOT / "lib" / "drivers" / f"{module}.py").read_text())
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        parameters = set()
        while cls in classes and not parameters:
            for method in classes[cls].body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    parameters = {argument.arg for argument in method.args.args[2:]}
            bases = classes[cls].bases
            cls = bases[0].id if bases else None
        # `keep` becomes the path of a file.
        settings = {"path" if row[0] == "keep" else row[0] for row in rows}
        assert settings - {*_NOT_THE_DRIVERS, *_DERIVED} == parameters, (name, bus)


def test_every_driver_is_in_a_row():
    modules = {path.stem for path in (ROOT / "lib" / "drivers").glob("*.py")}
    assert {driver.split(".")[0] for driver, _, _, _ in TYPES.values()} == modules
