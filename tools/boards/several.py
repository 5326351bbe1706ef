"""One command for several boards at once: each in a thread of its own, each with its own result.

A board that fails stops no other. Ctrl-C ends the work on all of them, and each starts its node again.
"""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tools import CommandError, tables
from tools.boards.progress import Show

_MOST = 64  # boards at once
_GLANCE_S = 0.05
EXIT_CODE = "  With several boards: the code of the first one in the table that failed.\n"


def names(ports):
    """{port: what it is called}: without its folder, where that tells them apart."""
    short = [os.path.basename(port) if port.startswith("/") else port for port in ports]
    return {
        port: name if short.count(name) == 1 else port
        for port, name in zip(ports, short, strict=True)
    }


def run(ports, work):
    """Call work(port, line, stopped) for each port. Returns the exit code.

    work returns (name of the node, result in words), and raises CommandError. `line`: see progress.py; `stopped`: an Event that
    ends the work. One board alone is worked on in this thread, and its error is the caller's.
    """
    if len(ports) == 1:
        with Show() as show:
            work(ports[0], show.line(ports[0]), None)
        return 0
    with Show(several=True) as show:
        crew = Crew(show, work)
        try:
            for port, name in names(ports).items():
                crew.start(port, name)
            crew.join()
        except BaseException:
            crew.stop()
            raise
        finally:
            crew.end()
    return crew.code()


class Crew:
    """The threads, and what came of them."""

    def __init__(self, show, work):
        self.show = show
        self.work = work
        self.stopped = threading.Event()
        self.pool = ThreadPoolExecutor(_MOST)
        self.rows = []  # [name, Future] of each board

    def start(self, port, name):
        row = [name, None]  # a Ctrl-C may come before there is a Future
        self.rows.append(row)
        row[1] = self.pool.submit(self._serve, port, self.show.line(name))

    def _serve(self, port, line):
        try:
            return self.work(port, line, self.stopped)
        except CommandError as e:
            line.say(f"error: {e}")
            raise

    def busy(self):
        return any(job and not job.done() for _, job in self.rows)

    def join(self):
        # Not wait() of concurrent.futures: a Ctrl-C that comes while it takes the locks of the jobs leaves them locked.
        while self.busy():
            time.sleep(_GLANCE_S)

    def stop(self):
        """End the work; each board is restarted. A second Ctrl-C does not wait for that."""
        try:
            self.show.print("\nstopping; the nodes restart. Run it again to go on")
            self.stopped.set()
            self.join()
        except (KeyboardInterrupt, SystemExit) as e:
            self.end()
            os._exit(getattr(e, "code", 128 + signal.SIGINT))  # else Python waits for the threads

    def end(self):
        """Show the table of results."""
        self.pool.shutdown(wait=False)
        self.show.end()
        rows = [(name, *result(job)[:2]) for name, job in self.rows]
        self.show.print("")
        tables.show(tables.table(("board", "node", "result"), rows), self.show.console)

    def code(self):
        """Exit code of them all. A bug of ours in one of them is raised."""
        codes = [result(job)[2] for _, job in self.rows]
        for code in codes:
            if isinstance(code, BaseException):
                raise code
        return next((code for code in codes if code), 0)


def result(job):
    """Return (name of the node, result in words, exit code, or the exception that is a bug) of a board's Future."""
    error = job.exception() if job and job.done() else KeyboardInterrupt()
    if error is None:
        return (*job.result(), 0)
    if isinstance(error, CommandError):
        return "-", str(error).splitlines()[0], error.code
    if isinstance(error, KeyboardInterrupt):  # it has restarted its board
        return "-", "stopped", 0
    return "-", repr(error), error  # the others go on, then it is shown
