"""A CSV of nodes, one row a node, and which board got which row.

A board gets the row with its id (`board`), else the one it got before, else the one with the name of the node that is on it, else the
next that no board has. The results are a CSV beside it, without secrets, written anew after each board; it is read the next time.
"""

import csv
import io
import threading
from pathlib import Path

from tools import CommandError, unreadable, wholefile
from tools.boards import answers
from tools.settings import overlays
from tools.settings.judge import BadConfig

_COLUMNS = ("board", *answers.FIELDS)
_RESULTS = ("name", "board", "port", "result")
GOOD, KEPT = "good", "kept"  # a result that begins so: the row is that board's


def _settled(row):
    return row["result"].startswith((GOOD, KEPT))


class Roster:
    def __init__(self, path, results=None):
        """BadConfig: it is no such CSV."""
        self.path = path
        self.results = results or path.with_name(path.stem + "-results.csv")
        self._lock = threading.Lock()
        self.rows = {}  # name → answers, in the order of the file
        self.pinned = {}  # id of a board → name, by the file
        self.told = {}  # name → its row of the results
        self._taken = {}  # name → id of the board that has it now
        self._read()
        self._read_results()

    def _read(self):
        faults = []
        for number, read in enumerate(_rows(self.path), 2):
            if None in read:
                faults.append(
                    f"line {number}: more cells than columns, put what has a comma in quotes"
                )
                break
            row = {key.strip(): value or "" for key, value in read.items()}
            if number == 2:
                unknown = [key for key in row if key not in _COLUMNS]
                faults += [
                    f"column {key}: unknown, there is {', '.join(_COLUMNS)}" for key in unknown
                ]
            if faults:
                break
            name, board = row.get("name", "").strip(), overlays.plain(row.pop("board", "").strip())
            if not name:
                faults.append(f"line {number}: name: missing, each node has its own")
            elif name in self.rows:
                faults.append(f"line {number}: name: {name} is there twice")
            elif board and board in self.pinned:
                faults.append(f"line {number}: board: {board} is there twice")
            self.rows[name] = answers.checked(row, self.path)
            if board:
                self.pinned[board] = name
        if not (faults or self.rows):
            faults.append(f"no rows; the first line names the columns: {', '.join(_COLUMNS)}")
        if faults:
            raise BadConfig(self.path, faults)

    def _read_results(self):
        if self.results.exists():
            for row in _rows(self.results):
                if row.get("name") in self.rows:
                    self.told[row["name"]] = {key: row.get(key) or "" for key in _RESULTS}

    def take(self, board, name_on_board):
        """Return the answers for a board. CommandError: no row is left."""
        with self._lock:
            free = [name for name in self.rows if name not in self.pinned.values()]
            free = [name for name in free if self._taken.get(name, board) == board]
            had = [name for name in free if self.told.get(name, {}).get("board") == board]
            unused = [
                name for name in free if name not in self.told or not _settled(self.told[name])
            ]
            named = [name for name in unused if name == name_on_board]
            pinned = [self.pinned[board]] if board in self.pinned else []
            wishes = pinned + had + named + unused
            if not wishes:
                raise CommandError(f"{self.path}: no row is left for board {board}")
            self._taken[wishes[0]] = board
            return self.rows[wishes[0]]

    def tell(self, name, board, port, result):
        """Note how it went, and write the results. A row that did not get to a board may be another's."""
        with self._lock:
            self.told[name] = dict(zip(_RESULTS, (name, board, port, result), strict=True))
            if not _settled(self.told[name]):
                self._taken.pop(name, None)
            file = io.StringIO(newline="")
            writer = csv.DictWriter(file, _RESULTS)
            writer.writeheader()
            writer.writerows(self.told[name] for name in self.rows if name in self.told)
            wholefile.write(self.results, file.getvalue())

    def left(self):
        """Names of the nodes that no board became yet."""
        with self._lock:
            return [
                name
                for name in self.rows
                if name not in self.told or not _settled(self.told[name])
            ]


def _rows(path):
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            file.seek(0)
            # spreadsheets of countries that write 1,5 separate by semicolons
            yield from csv.DictReader(
                file, delimiter=";" if head.count(";") > head.count(",") else ","
            )
    except OSError as e:
        raise CommandError(unreadable(path, e)) from None
    except (UnicodeError, csv.Error):
        raise BadConfig(path, ["is no CSV in UTF-8"]) from None
