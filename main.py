"""Runs the node. Whatever was not foreseen is recorded and ends in a reset: a dead node helps nobody.

Never updated over the air.
"""

import time

from firmware.board import Board


def main():
    board = Board()
    started = time.ticks_ms()
    try:
        from firmware.start import run

        run(board)
    except Exception as e:
        from firmware.crash import record_crash

        record_crash(e, time.ticks_diff(time.ticks_ms(), started) // 1000)
        time.sleep(5)  # so that a node in a crash loop can still be reached with Ctrl-C
        board.reset()


main()
