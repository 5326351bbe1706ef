"""lib/mqtt's TLS with MicroPython's own mbedTLS, which is a Pico W's: the tests of tests/system, on a build of this machine."""

import subprocess

import pytest
from test_mqtt_tls import *  # noqa: F403

from emulator import unix_build
from tools import toolchain


@pytest.fixture(autouse=True)
def own_build(monkeypatch):
    unix_build.build()
    words = [
        str(unix_build.MICROPYTHON),
        "-X",
        "heapsize=320k",
    ]  # 64 bits: objects are twice as large
    monkeypatch.setattr(toolchain, "micropython", lambda heap="160k": words)
    return words


def test_it_reads_no_pem_by_itself(own_build, authority):
    """Else nothing is shown here that Debian's does not show."""
    program = f"""
import sys, tls
if sys.implementation.version[:2] >= (1, 29):
    print("reads PEM")
else:
    try:
        tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).load_verify_locations(open("{authority.ca}", "rb").read())
    except ValueError as e:
        print(e)
"""
    said = subprocess.run(
        [*own_build, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    if said == "reads PEM\n":
        pytest.skip("MicroPython 1.29 and later read PEM")
    assert said == "invalid cert\n"
