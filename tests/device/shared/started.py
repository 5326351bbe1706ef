"""boot.py and main.py: a board starts them by name, nothing imports them."""

import os

_FOLDER = os.getcwd() + "/../repo/"  # conftest.py


def source(name):
    with open(_FOLDER + name) as f:
        return f.read()
