"""mosquitto.conf and the unit of systemd. Paths in them are relative to their folder, so that it can be copied to the broker's computer."""

from pathlib import Path
from typing import NamedTuple

TLS_PORT, PLAIN_PORT = 8883, 1883
QUEUE_MB = 64
LOOPBACK = "127.0.0.1"
EVERYWHERE = ""  # each address of this computer, of both kinds

# Unlimited. Not 0, which the manual has for it: with 0 mosquitto 2.0.11 and 2.0.21 end the connection of whoever publishes what the access list
# forbids (eclipse-mosquitto/mosquitto issue 3244, mended in 2.0.22), and 2.0.16 drops everything (issue 2879).
_NO_LIMIT = 1_000_000_000

# Readings that a collector may have before it acknowledges one. mosquitto's 20 makes it commit one at a time: 956 rows a second in place of 7,359.
# Not 0: that would put a whole queue on the wire at once.
_IN_FLIGHT = 1000

# Seconds between two writes of all that is kept, which is what a power cut of the broker's computer may lose; mosquitto's own is 1800.
_SAVE_S = 10

_LARGEST = 1_048_576  # bytes of a packet: a picture, a part of an update

_CONF = """\
# Written by `make broker`, which writes it again. Settings of your own go into a file conf.d/….conf.

# ---- who may come in, and do what
allow_anonymous false
password_file passwords
acl_file acl

# ---- what is kept over restarts: sessions, what waits for them, retained messages
persistence true
persistence_location data/
autosave_interval {save}

# ---- a program that is away loses nothing: as many messages wait for it as there are, up to these bytes of payload.
# Beyond them they are lost, though the node was told otherwise: watch $SYS/broker/publish/messages/dropped.
max_queued_messages {no_limit}
max_queued_bytes {queue}
max_inflight_messages {in_flight}

# ---- limits for whoever misbehaves
max_packet_size {largest}

# ---- an answer at once, rather than after the next acknowledgement
set_tcp_nodelay true

# ---- what it says goes to the journal
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
log_timestamp_format %Y-%m-%dT%H:%M:%S
connection_messages true
pid_file data/mosquitto.pid
{bridge}{more}
# ---- where it listens
{listeners}
include_dir conf.d
"""

# From the network an account has one session, its own, whatever client id is said: else who has the account of a stolen node could come with
# the client id of the collector, and mosquitto would give away what waits there, or forget it (tried with 2.0.11 and 2.0.21).
_OWN_SESSION = "use_username_as_clientid true\n"

_TLS = """\
listener {port}{address}
certfile server.pem
keyfile server.key
tls_version tlsv1.2
"""

_BRIDGE = """
# ---- another site: what is published here is published there, and the other way round; an outage between them loses nothing
connection to-{name}
address {host}:{port}
remote_username {user}
remote_password {password}
remote_clientid {user}
cleansession false
notifications false
try_private true
bridge_attempt_unsubscribe false
restart_timeout 1 60
"""


class Listeners(NamedTuple):
    """Where a broker listens. A port of 0: not at all."""

    address: str  # of the port with TLS, and of the plain one if that is open to the network
    port: int  # with TLS
    local: int  # without
    plain: bool = False  # the one without is open to the network, too

    def each(self) -> list[tuple[str, int]]:
        listed = [(self.address, self.port)] if self.port else []
        if self.local:
            listed.append((self.address if self.plain else LOOPBACK, self.local))
        return listed


class Bridge(NamedTuple):
    """A broker at another site: what a program's file from there has of it, and the filters that pass."""

    host: str
    port: int
    user: str
    password: str
    ca: bool  # its authority's certificate is bridge-ca.pem
    filters: tuple[str, ...]


def conf(listeners: Listeners, queue_mb: int, bridge: Bridge | None = None, more: str = "") -> str:
    """Return mosquitto.conf. more: further lines, for one that is not the service."""
    return _CONF.format(
        save=_SAVE_S,
        no_limit=_NO_LIMIT,
        queue=queue_mb * 1024 * 1024,
        in_flight=_IN_FLIGHT,
        largest=_LARGEST,
        bridge=_bridge(bridge) if bridge else "",
        more=f"\n{more}" if more else "",
        listeners=_listeners(listeners),
    )


def _listeners(listeners: Listeners) -> str:
    parts = []
    for address, port in listeners.each():
        at = f" {address}" if address else ""
        if port == listeners.port:
            parts.append(_TLS.format(port=port, address=at) + _OWN_SESSION)
        else:
            own = _OWN_SESSION if listeners.plain else ""
            parts.append(f"# without TLS\nlistener {port}{at}\n{own}")
    return "\n".join(parts)


def _bridge(bridge: Bridge) -> str:
    lines = _BRIDGE.format(name=bridge.host, **bridge._asdict())
    if bridge.ca:
        lines += "bridge_cafile bridge-ca.pem\n"
    return lines + "".join(f"topic {each} both 2\n" for each in bridge.filters)


_UNIT = """\
# Written by `make broker`. {enable}
[Unit]
Description=MQTT broker of the Outpost nodes
Wants=network-online.target
After=network-online.target

[Service]
User={user}
WorkingDirectory={folder}
ExecStart={program} -c mosquitto.conf
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
# each node is a connection
LimitNOFILE=65536
# it has time to write down what waits
TimeoutStopSec=90
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths="{folder}/data"
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX

[Install]
WantedBy=multi-user.target
"""


def unit(folder: Path, user: str, program: str) -> str:
    """Return the unit of a broker that runs in a folder, as a user."""
    place = str(folder).replace("%", "%%")
    enable = f"sudo systemctl enable --now {folder / UNIT_NAME}"
    return _UNIT.format(folder=place, user=user, program=program, enable=enable)


UNIT_NAME = "outpost-broker.service"
