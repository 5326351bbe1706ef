"""The client over the umqtt that is frozen in an image: other versions have other constructors and calls."""

import sys


class Module:
    pass


def put_in_place(init):
    """Stand `umqtt.simple` and `umqtt.robust` where a version whose constructor is `init` would be."""

    class Exception_(Exception):
        pass

    class Simple:
        __init__ = init

        def connect(self, clean_session=True, timeout=None):
            raise RuntimeError("umqtt's own calls are not used")

        publish = subscribe = wait_msg = check_msg = ping = disconnect = connect

    class Robust(Simple):
        DELAY = 2

        def delay(self, i):
            raise RuntimeError("no need to wait")

        def log(self, in_reconnect, e):
            pass

    package, simple, robust = Module(), Module(), Module()
    simple.MQTTClient, simple.MQTTException = Simple, Exception_
    robust.MQTTClient = Robust
    package.simple, package.robust = simple, robust
    sys.modules.update(
        {"umqtt": package, "umqtt.simple": simple, "umqtt.robust": robust},
    )


def attributes(self, client_id, server, port, user, password, keepalive, ssl):
    self.client_id, self.server, self.port = client_id, server, port or (8883 if ssl else 1883)
    self.user, self.pswd, self.keepalive, self.ssl = user, password, keepalive, ssl
    self.sock = self.cb = self.lw_topic = self.lw_msg = None
    self.pid = self.lw_qos = 0
    self.lw_retain = False


def works(ssl=None):
    from mqtt_peer import Broker, Net

    from mqtt import Client

    net = Net(Broker())
    client = Client("c", "broker", 0, "u", "p", 30, ssl, {"ca": "x"}, net=net)
    assert client.ssl_params == {"ca": "x"} and client.port == (8883 if ssl else 1883)
    got = []
    client.set_callback(lambda topic, msg: got.append(msg))
    client.connect(True, timeout=5)
    client.subscribe(b"t", 1)
    client.publish(b"t", b"1", qos=2)
    net.broker.give(b"t", b"2", 1, 3)
    client.wait_msg()
    client.unsubscribe(b"t")
    client.disconnect()
    assert got == [b"2"] and net.broker.seen == [(b"t", b"1")] and net.open() == 0
    return net


def test_1_4_has_no_ssl_params():
    def init(self, client_id, server, port=0, user=None, password=None, keepalive=0, ssl=None):
        attributes(self, client_id, server, port, user, password, keepalive, ssl)

    put_in_place(init)
    works()


def test_1_6_and_later():
    def init(self, *args, ssl_params={}):
        attributes(self, *args[:7])
        self.ssl_params = ssl_params

    put_in_place(init)

    class Context:
        """An SSLContext, as the newer ones take it."""

        asked = None

        def wrap_socket(self, sock, server_hostname, do_handshake_on_connect):
            self.asked = server_hostname, do_handshake_on_connect, sock.blocking
            return sock

    context = Context()
    works(context)
    assert context.asked == ("broker", False, False)
