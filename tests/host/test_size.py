"""What `make size` prints."""

import pytest

from tools import mpy, tables
from tools.bench import size


def test_table_shows_what_changed():
    last = {"a.py": [100, 50], "gone.py": [10, 5], "main.py": [7, None]}
    report = {"a.py": [1090, 40], "new.py": [20, 8], "main.py": [7, None]}
    lines = [line.split() for line in tables.text(size.table(report, last)).splitlines()]
    assert lines == [
        ["flash", "heap"],
        ["a.py", "1,090", "+990", "40", "-10"],
        ["main.py", "7"],
        ["new.py", "20", "+20", "8", "+8"],
        ["gone.py", "gone", "-10", "-5"],
        ["all", "1,117", "+1,000", "48", "-7"],
    ]


def test_first_table_shows_no_changes():
    assert "+" not in tables.text(size.table({"a.py": [100, 50]}, {}))


@pytest.mark.slow
@pytest.mark.work
def test_measures_every_module():
    report = size.measure()
    assert set(report) == {str(source) for source in mpy.sources()}
    for name, (flash, heap) in report.items():
        assert flash > 0
        assert (heap is None) == (name in mpy.STARTED), name
        assert heap is None or 0 < heap < 25_000, name


@pytest.fixture
def small_firmware(tmp_path, monkeypatch):
    (tmp_path / "firmware").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "firmware" / "__init__.py").write_text("")
    (tmp_path / "sim").symlink_to(size.ROOT / "sim")
    monkeypatch.setattr(size, "ROOT", tmp_path)
    monkeypatch.setattr(mpy, "ROOT", tmp_path)
    return tmp_path


def test_a_module_does_not_pay_for_what_it_imports(small_firmware):
    (small_firmware / "lib" / "large.py").write_text("table = bytearray(8000)")
    (small_firmware / "firmware" / "alone.py").write_text("x = 1")
    (small_firmware / "firmware" / "and_large.py").write_text("import large")
    heap = {name: kept for name, (_, kept) in size.measure().items()}
    assert 8000 < heap["lib/large.py"] < 8600
    assert abs(heap["firmware/and_large.py"] - heap["firmware/alone.py"]) < 500


def test_what_a_module_of_a_package_imports(small_firmware):
    (small_firmware / "lib" / "pair").mkdir()
    (small_firmware / "lib" / "pair" / "all.py").write_text(
        "from . import one\nfrom .two import x"
    )
    (small_firmware / "lib" / "pair" / "one.py").write_text("")
    (small_firmware / "lib" / "pair" / "two.py").write_text("x = 1")
    assert size.imports()["pair.all"] == ["pair.one", "pair.two"]


def test_a_package_does_not_pay_for_its_modules_nor_they_for_it(small_firmware):
    sizes = {"__init__": 3000, "one": 5000, "two": 7000, "three": 9000}
    heads = {
        "__init__": "from pair.one import x\nfrom pair import two\n",
        "one": "import pair.three\n",
    }
    (small_firmware / "lib" / "pair").mkdir()
    for name, bytes_ in sizes.items():
        text = f"{heads.get(name, '')}x = bytearray({bytes_})"
        (small_firmware / "lib" / "pair" / f"{name}.py").write_text(text)
    heap = {name: kept for name, (_, kept) in size.measure().items()}
    for name, bytes_ in sizes.items():
        assert bytes_ < heap[f"lib/pair/{name}.py"] < bytes_ + 700, name


def test_a_module_that_does_not_import_is_told(small_firmware):
    (small_firmware / "firmware" / "broken.py").write_text("import nonsense")
    with pytest.raises(size.CommandError, match="nonsense"):
        size.measure()


def test_a_module_that_does_not_compile_is_told(small_firmware):
    (small_firmware / "firmware" / "broken.py").write_text("def f(:")
    with pytest.raises(size.CommandError, match=r"firmware/broken\.py does not compile"):
        size.measure()


def test_the_table_of_names_grows_at_nobodys_cost(small_firmware):
    for i in range(30):
        names = "".join(f"name_{i:02}_{j:02} = 1\n" for j in range(20))
        (small_firmware / "lib" / f"many{i:02}.py").write_text(names)
    heap = [kept for name, (_, kept) in size.measure().items() if "many" in name]
    assert len(heap) == 30
    assert max(heap) - min(heap) < 500
