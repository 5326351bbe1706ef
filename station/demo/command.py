"""A simulated node whose Wi-Fi, broker and power are cut one after another, a collector and the page: a minute to look at, and a count at the end.

The board's flash is a real littlefs, the broker a real mosquitto. The node writes each reading to its flash before it sends it.
"""

import math
import secrets
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from sim.alone import alone, empty, short
from sim.broker import KEEP_ALL, Broker
from sim.ntp import TimeServer
from sim.simboard import SimBoard, make_board, until
from station.demo.verdict import INTERVAL_S, Row, Verdict, judge, rows
from tools import ROOT, CommandError, pins
from tools.numbers import seconds
from tools.simulate import inbrowser, simulate

LOST = 1  # exit code
NODE, BASE, CHANNEL = "attic", "outpost", "room"
_USER = "outpost"
_PATIENCE_S = 60  # until all is delivered
_LOOK_S = 0.2
_LEAST, _WAVE, _PERIOD_S = 19.0, 4.0, 40.0  # of the temperature, °C
_STEP_S = 0.2  # in which it changes
_SLACK_S = 1.5  # between when a chip had a value and the time of the reading
_STARTS_S = 10  # until the board takes the weather
_NOISE = 0.5  # of the chip, °C


def add_arguments(parser):
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=70,
        help="how long it is, beside start and end (%(default)s)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / ".sim" / "demo",
        help="where its files are (.sim/demo)",
    )
    parser.add_argument(
        "--stay",
        action="store_true",
        help="go on afterwards until Ctrl-C, for who still looks at the page",
    )


def run(args):
    folder = args.folder.resolve()
    with ExitStack() as stack:
        stack.enter_context(alone(folder))
        empty(folder)
        stage = Stage(folder, stack)
        print(f"page     {stage.page()}")
        print(
            "         open it beside this: what comes late fills the gap in another colour\n",
            flush=True,
        )
        stage.power_comes()
        if not until(stage.rows, _PATIENCE_S, _LOOK_S):
            raise CommandError(f"no reading arrives: {short(folder)} may say why")
        for share, words, begin, end in STORY:
            print(f"  {words}", flush=True)
            begin(stage)
            time.sleep(share * args.seconds)
            end(stage)
        found = stage.delivered()
        print(f"  all has come, {found.late} of it late\n\n{found}", flush=True)
        if args.stay:
            print("\nthe page stays; Ctrl-C ends it", flush=True)
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
        if not found.kept:
            print(f"files and logs: {short(folder)}")
            return LOST
    return 0


class Stage:
    """Broker, board, collector and page, and the temperature of a room."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        password = secrets.token_hex(8)
        self.broker: Broker = stack.enter_context(
            Broker(folder / "broker", users={_USER: password}, persistent=True, settings=KEEP_ALL)
        )
        clock = stack.enter_context(TimeServer())
        account = {
            "host": self.broker.host,
            "port": self.broker.port,
            "user": _USER,
            "password": password,
        }
        address = stack.enter_context(inbrowser.page(folder, account | {"tls": None}, BASE))
        self.page = lambda: f"{address().split()[0]}/node/{NODE}"
        sensor = {"name": CHANNEL, "type": "bme280", "interval_s": INTERVAL_S}
        config = {
            "node": {"name": NODE, "base": BASE},
            "wifi": {
                "networks": [{"ssid": simulate.WIFI["ssid"], "password": simulate.WIFI["key"]}]
            },
            "mqtt": {"brokers": [account], "keepalive_s": 5},
            "ntp": {"host": clock.host, "port": clock.port},
            "publish": {"live_s": 3, "health_s": 5},
            "outbox": {"sync_s": 0},
            "sensors": [sensor | pins.usual("esp32", "bme280", "i2c")],
        }
        simulate.make_flash(folder / "flash", config)
        self.board: SimBoard = make_board(folder, "esp32", config, stack)
        self._began = time.time()
        self._over = threading.Event()
        weather = threading.Thread(target=self._weather, daemon=True)
        weather.start()
        stack.callback(weather.join)
        stack.callback(self._over.set)

    def power_comes(self) -> None:
        self.board.prepare("set", **self._weather_now())
        self.board.start()

    def rows(self) -> list[Row]:
        return rows(self.folder / "readings.sqlite")

    def verdict(self) -> Verdict:
        lives = [tuple(life) for life in self.board.lives[:-1]]
        return judge(self.rows(), [*lives, (self.board.lives[-1][0], None)], self._had)

    def delivered(self) -> Verdict:
        """Wait until nothing is missing, and readings come as they are taken."""

        def current():
            last = max((row.ts for row in self.rows() if row.ts), default=0)
            return self.verdict().lost == 0 and time.time() - last / 1000 < 3 * INTERVAL_S

        until(current, _PATIENCE_S, _LOOK_S)  # else it is lost
        return self.verdict()

    def _temperature(self, at: float) -> float:
        """What the room has at a time, °C."""
        return _LEAST + _WAVE / 2 * (1 - math.cos(2 * math.pi * (at - self._began) / _PERIOD_S))

    def _had(self, at: float, temperature: float) -> bool:
        """Could the sensor have had it? Within what the room had about then, and the noise of the chip.

        The weather reaches a board that has just got power only when it runs: up to then it is as it was at power-on.
        """
        begin = max((began for began, _ in self.board.lives if began <= at), default=at)
        first = min(at - _SLACK_S, begin) if at - begin < _STARTS_S else at - _SLACK_S
        steps = math.ceil((at + _SLACK_S - first) / _STEP_S)
        near = [self._temperature(first + step * _STEP_S) for step in range(steps + 1)]
        return min(near) - _NOISE < temperature < max(near) + _NOISE

    def _weather_now(self) -> dict:
        return {"name": CHANNEL, "temperature": round(self._temperature(time.time()), 2)}

    def _weather(self) -> None:
        while not self._over.wait(_STEP_S):
            with suppress(RuntimeError):  # the board is off
                self.board.do("set", **self._weather_now())


def _nothing(stage: Stage) -> None:
    """All is well."""


# A table, one act a row; its share is of the whole time:
# fmt: off
STORY = (
    # share  what happens                                                    begins                             ends
    (0.15, "all is well",                                                    _nothing,                          _nothing),
    (0.20, "the Wi-Fi is gone: readings wait on the node's flash",           lambda s: s.board.do("wifi_off"),  lambda s: s.board.do("wifi_on")),
    (0.20, "it is back: they come late, each with its own time",             _nothing,                          _nothing),
    (0.15, "the broker is gone: the same",                                   lambda s: s.broker.stop(),         lambda s: s.broker.start()),
    (0.10, "it is back",                                                     _nothing,                          _nothing),
    (0.08, "the node has no power: nothing is measured, no line drawn",      lambda s: s.board.kill(),          Stage.power_comes),
    (0.12, "it starts again",                                                _nothing,                          _nothing),
)
# fmt: on
