"""One command for several boards at once: each in a thread of its own, each with its own result.

A board that fails stops no other. Ctrl-C ends the work on all of them, and each starts its node again.
"""

import os
import threading

from tools import CommandError
from tools.boards.progress import Show

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
        self.threads = []
        self.results = []  # [name of the board, node, result, exit code]: a row a board

    def start(self, port, name):
        row = [name, "-", "stopped", 0]
        self.results.append(row)
        thread = threading.Thread(target=self._one, args=(port, row), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _one(self, port, row):
        line = self.show.line(row[0])
        try:
            row[1], row[2] = self.work(port, line, self.stopped)
        except CommandError as e:
            row[2], row[3] = str(e).splitlines()[0], e.code
            line.say(f"error: {e}")
        except KeyboardInterrupt:  # it has restarted its board
            pass
        except BaseException as e:  # a bug: the others go on, then it is shown
            row[2], row[3] = repr(e), e

    def busy(self):
        return any(thread.is_alive() for thread in self.threads)

    def join(self):
        for thread in self.threads:
            while thread.is_alive():
                thread.join(0.2)  # in pieces: a Ctrl-C is seen between them

    def stop(self):
        """End the work; each board is restarted. A second Ctrl-C does not wait for that."""
        self.show.print("\nstopping; the nodes restart. Run it again to go on")
        self.stopped.set()
        self.join()

    def end(self):
        """Show the table of results."""
        self.show.end()
        head = ["board", "node", "result"]
        rows = [head] + [row[:3] for row in self.results]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        table = [
            f"{board:{widths[0]}}  {node:{widths[1]}}  {result}" for board, node, result in rows
        ]
        self.show.print("\n" + "\n".join(table))

    def code(self):
        """Exit code of them all. A bug of ours in one of them is raised."""
        for _, _, _, code in self.results:
            if isinstance(code, BaseException):
                raise code
        return next((code for _, _, _, code in self.results if code), 0)
