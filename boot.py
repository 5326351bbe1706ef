"""Starts joining Wi-Fi while the application loads. Never raises: after an error here main.py would not run.

Never updated over the air.
"""

import sys

if ".frozen" in sys.path:
    # ESP32 images freeze another umqtt; ours in /lib must come first.
    sys.path.remove(".frozen")
    sys.path.append(".frozen")


def boot():
    import json

    from firmware.board import Board
    from firmware.wifi import begin

    # Not checked here: main.py does that, and says what is wrong.
    with open("config.json") as f:
        settings = json.load(f)
    board = Board()
    name = settings.get("node", {}).get("name") or board.name
    begin(board.radio, settings["wifi"], name)


try:
    boot()
except Exception as e:
    print("boot: Wi-Fi is left to main.py: %r" % e)
