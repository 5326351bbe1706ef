"""One board on its way to being a node: looked at, brought the firmware, its settings tried there and then kept."""

import time

from firmware import VERSION
from tools import CommandError
from tools.boards import answers, boardtrial, deploy, online
from tools.boards.ports import LOST
from tools.image import image
from tools.settings import judge, nodeconfig
from tools.settings.judge import BAD_CONFIG, BadConfig

UNTRIED = 11  # exit code, beside those of deploy

_BOOT_S = 1.5  # from a reset until MicroPython listens


def refused(fault):
    """The error of settings that did not work and are not kept."""
    return CommandError(f"{fault}\nthe board's settings are as they were", UNTRIED)


class NewNode:
    def __init__(self, link, line, firmware, args):
        """args: `config` (file of all other settings, or None), `keep_anyway`, `wait` (s)."""
        self.link = link
        self.line = line
        self.firmware = firmware
        self.args = args
        self.settings = None
        self.brought = deploy.Brought()

    def look(self, scan=False):
        """See what the board is and what is on it; with `scan`, which networks it sees."""
        deploy.persist(self.link, self.line, lambda: self._look(scan))

    def _look(self, scan):
        self.model, self.id = deploy.identify(self.link, self.line, self.firmware)
        self.raw, source = self._base(nodeconfig.on_board(self.link))
        self.line.say(f"settings to begin with: {source}")
        self.version = boardtrial.version(self.link)
        self.name = f"{(self.model or 'node').replace('_', '')}-{self.id[-6:]}"
        self.networks = boardtrial.scan(self.link) if scan else []

    def _base(self, data):
        """(raw config, where it is from): what the answers are put into."""
        # the files it names are beside it; those of the board's own are on the board
        self.common = self.args.config
        if not self.common and data:
            try:
                raw = judge.parse_bytes(data, "the board's config.json")
                if isinstance(raw, dict):
                    return raw, "those on the board"
            except BadConfig:
                pass
            self.line.say("the config.json on the board is broken, and is replaced")
        if not self.common and nodeconfig.DEFAULT.exists():
            self.common = nodeconfig.DEFAULT
        if self.common:
            return judge.parse(self.common), str(self.common)
        return {}, "none, the node has no sensors yet"

    def judge(self, given):
        """Return (config with the answers in it, its settings). BadConfig: the node could not use it."""
        raw = answers.apply(self.raw, given)
        settings, faults = judge.judge(raw, self.model)
        if faults:
            raise BadConfig("the config with these answers", faults)
        return raw, settings

    def attempt(self, given):
        """Bring firmware and candidate to the board, and try it there. Returns what failed in a sentence, or None."""
        raw, self.settings = self.judge(given)
        files = self._files()
        if not _newer(self.version):
            deploy.persist(self.link, self.line, lambda: self._bring(files))
            copied = self.brought.copied
            self.line.say(f"copied {self.brought}" if copied else "the firmware is there")
        else:
            self.line.say(f"the firmware on the board, {self.version}, is newer: it stays")
        self.link.reset()  # without a watchdog, which would bite while a name is looked up
        time.sleep(_BOOT_S)
        if not self.link.awaited():
            raise CommandError(f"the board on {self.link.port} did not come back", LOST)
        return deploy.persist(self.link, self.line, lambda: self._try(raw))

    def _files(self):
        """{path: bytes} of what the settings name. BadConfig: the board has newer firmware than ours, and we cannot bring them."""
        files = {}
        if self.common:
            files = nodeconfig.files(self.common, self.settings, str(self.common))
        if files and _newer(self.version):
            raise CommandError(
                f"the board's firmware, {self.version}, is newer than this one, {VERSION}, which cannot bring it "
                f"the files that {self.common} names: update this checkout",
                BAD_CONFIG,
            )
        return files

    def _bring(self, files):
        # Without a trial: each attempt takes starts, of which a trial has three, and whoever provisions sees what happens.
        rest = deploy.started(self.firmware) | files
        deploy.install(
            self.link, self.line, image.of(self.firmware), rest, self.brought, without_trial=True
        )

    def _try(self, raw):
        boardtrial.stage(self.link, answers.dumped(raw))
        self.line.say("trying it from the board; config.json there stays as it is meanwhile")
        return boardtrial.run(self.link, self.settings, self.line)

    def become(self, given):
        """Bring, try and keep. Returns the result in words. CommandError: it did not work, and the board's settings are as they were."""
        fault = self.attempt(given)
        if fault and not self.args.keep_anyway:
            boardtrial.forget(self.link)
            raise refused(fault)
        return self.keep(fault)

    def keep(self, fault=None):
        """Make the candidate the node's config, and wait until it is online. Returns the result in words."""
        boardtrial.keep(self.link)
        self.line.say("kept, though it did not work" if fault else "kept")
        self.link.reset()
        if fault:
            return f"kept, though: {fault}"
        if not self.args.wait or not online.says_so(self.settings):
            return "kept"
        topic = online.wait(self.link, self.args.wait, self.settings, self.line)
        if self.brought.slot:
            deploy.end_trial(self.link, self.line, self.brought.slot)
        see = online.how_to_watch(topic, self.settings, self.common)
        self.line.say(f"{topic} is online. See what it publishes: {see}")
        return "online"


def _newer(there):
    """Whether the firmware on a board is newer than ours."""
    return bool(there) and _numbers(there) > _numbers(VERSION)


def _numbers(version):
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]
