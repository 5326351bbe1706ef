import signal

# A shell that runs the tests in the background has SIGINT ignored, and so would have what the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--mpy", action="store_true", help="run the device tests on compiled modules")
    parser.addoption(
        "--screenshots", action="store_true", help="keep the pictures of docs/provisioning.md"
    )
