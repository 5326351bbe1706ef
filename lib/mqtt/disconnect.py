"""The end of a connection that nothing is wrong with."""

import time

from mqtt.packets import ProtocolError


def disconnect(client, turn=None):
    """Send what is waiting, DISCONNECT, close. turn: what waits for the socket, and advances the client."""
    if client.connected:
        try:
            for packet in (b"", b"\xe0\0"):
                client._out.add(packet)
                while client._out.waiting():
                    if turn:
                        turn()
                    else:
                        client.step(time.ticks_ms())
                        time.sleep_ms(
                            client.poll_ms(time.ticks_ms()) if client._out.waiting() else 0
                        )
        except (OSError, ProtocolError):
            pass
    client.close()
