"""Starts joining Wi-Fi while the application loads. Never raises: after an error here main.py would not run.

Never updated over the air.
"""

import sys

if ".frozen" in sys.path:
    # ESP32 images freeze another umqtt; ours in /lib must come first.
    sys.path.remove(".frozen")
    sys.path.append(".frozen")

_BOOT_S = 60  # it takes one


def boot():
    import json

    from firmware.hardware.guard import Guard

    guard = Guard()
    guard.begin(_BOOT_S)
    try:
        from firmware.hardware.board import Board
        from firmware.link.joining import begin

        # Not checked here: main.py does that, and says what is wrong.
        with open("config.json") as f:
            settings = json.load(f)
        board = Board(guard)
        name = settings.get("node", {}).get("name") or board.name
        begin(board.radio, settings["wifi"], name)
    finally:
        guard.end()  # after Ctrl-C, too, and when mpremote has come: a soft reset runs this file


try:
    boot()
except Exception as e:
    # In pieces: to make one text of them might take memory that is not there.
    print("boot: Wi-Fi is left to main.py:", type(e).__name__, e)
