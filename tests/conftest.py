def pytest_addoption(parser):
    parser.addoption("--mpy", action="store_true", help="run the device tests on compiled modules")
