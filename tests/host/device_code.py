"""The device's own Python files, for the tests that read them."""

from tools import ROOT, mpy

FOREIGN = "lib/umqtt"  # fetched, not ours to change


def module_name(path):
    """Name a device imports a file of the repository by: firmware/app.py -> firmware.app, lib/mqtt.py -> mqtt."""
    parts = list(path.with_suffix("").parts)
    if parts[0] == "lib":
        del parts[0]
    if parts[-1] == "__init__":
        del parts[-1]
    return ".".join(parts)


def files():
    """{path relative to the repository: source} of what is ours."""
    return {
        path: (ROOT / path).read_text()
        for path in mpy.sources()
        if not path.as_posix().startswith(FOREIGN)
    }
