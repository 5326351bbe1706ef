"""`mqtt`: what is imported from it comes when it is asked for, and brings no more than that."""

import sys


def loaded(name):
    return name in sys.modules


def test_the_client_that_never_blocks_comes_without_umqtt():
    from mqtt.client import Client, ProtocolError, Refused

    assert issubclass(Refused, Exception) and issubclass(ProtocolError, Exception)
    assert Client("c", "broker").sock is None
    assert not loaded("mqtt.blocking") and not loaded("umqtt.simple") and not loaded("umqtt")


def test_the_package_alone_loads_nothing():
    import mqtt

    assert [name for name in sys.modules if name.startswith("mqtt")] == ["mqtt"]
    from mqtt import ProtocolError, Stream, matches

    assert not loaded("mqtt.client") and not loaded("mqtt.blocking")
    assert mqtt.ProtocolError is ProtocolError and mqtt.Stream is Stream and matches("a/+", "a/b")


def test_umqtts_client_is_imported_as_umqtts():
    from umqtt.robust import MQTTClient
    from umqtt.simple import MQTTException

    import mqtt
    from mqtt import Client, Refused

    assert issubclass(Client, MQTTClient) and issubclass(Refused, MQTTException)
    assert mqtt.Client is Client and mqtt.client.Client is not Client
    assert issubclass(Client, mqtt.client.Client)


def test_its_modules_are_imported_from_it_too():
    from mqtt import packets

    assert packets.packet(0xC0) == b"\xc0\0"
    try:
        from mqtt import nothing
    except ImportError:
        return
    raise AssertionError(nothing)
