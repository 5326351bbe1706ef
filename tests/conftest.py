import fcntl
import json
import os
import shutil
import signal

import pytest

# What a test compares is what make's user sees.
os.environ["OUTPOST_MAKE"] = "1"

# A shell that runs the tests in the background has SIGINT ignored, and so would have what the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--image", action="store_true", help="run the device tests from an image, in place"
    )
    parser.addoption(
        "--screenshots", action="store_true", help="keep the pictures of docs/provisioning.md"
    )


@pytest.fixture(scope="session")
def databases(tmp_path_factory):
    """The database servers of this process of tests, started when they are wanted."""
    from stores import Servers

    servers = Servers(tmp_path_factory.mktemp("databases"))
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """once(name, make) -> what make(folder) returned (JSON), and that folder: made by one of the processes that share this session."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "popen-gw" in base.name else base) / "once"
    shared.mkdir(exist_ok=True)

    def call(name, make):
        folder = shared / name
        result = folder / "result.json"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not result.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                result.write_text(json.dumps(make(folder)))
        return json.loads(result.read_text()), folder

    return call
