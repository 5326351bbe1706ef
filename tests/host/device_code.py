"""The device's own Python files, for the tests that read them."""

from tools import ROOT, mpy

FOREIGN = ("lib/umqtt", "lib/microdot")  # fetched, not ours to change


def files():
    """{path relative to the repository: source} of what is ours."""
    return {
        path: (ROOT / path).read_text()
        for path in mpy.sources()
        if not path.as_posix().startswith(FOREIGN)
    }
