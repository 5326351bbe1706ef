"""What was heard of the nodes since the page was started: their log lines, outputs and status. Within bounds, whatever they publish:
the nodes that were heard longest ago are forgotten first.
"""

import threading
from collections import OrderedDict, deque
from typing import Any

LINES = 200  # of a node's log
MOST_LINE = 1_000  # characters
_MOST_OUTPUTS = 64  # of a node
_MOST_BYTES = 32 * 1024 * 1024  # of all of them, about
_FIXED_BYTES = 1_000  # of a node, and of a line or an output besides its text
_EACH_BYTES = 200


class _Node:
    def __init__(self) -> None:
        self.status: str | None = None
        self.log: deque[dict[str, Any]] = deque()
        self.outputs: dict[str, tuple[Any, int]] = {}  # state, and its length as text
        self.bytes = _FIXED_BYTES


class Kept:
    """Any thread may call it."""

    def __init__(self) -> None:
        self.bytes = 0
        self._nodes: OrderedDict[str, _Node] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._nodes)

    def of(self, node: str) -> dict[str, Any]:
        """Return {"status", "log": lines, "outputs": {name: state}}."""
        with self._lock:
            found = self._nodes.get(node) or _Node()
            outputs = {name: state for name, (state, _) in found.outputs.items()}
            return {"status": found.status, "log": list(found.log), "outputs": outputs}

    def status(self, node: str, status: str) -> None:
        with self._lock:
            self._heard(node, 0).status = status

    def line(self, node: str, line: dict[str, Any]) -> None:
        """line: {"at": Unix ms, "text"}."""
        with self._lock:
            found = self._heard(node, _EACH_BYTES + len(line["text"]))
            found.log.append(line)
            if len(found.log) > LINES:
                self._count(found, -_EACH_BYTES - len(found.log.popleft()["text"]))

    def output(self, node: str, name: str, state: Any, length: int) -> None:
        """state: None: the node has it no more; length: of what it published, bytes."""
        with self._lock:
            found = self._heard(node, 0)
            if name in found.outputs:
                self._count(found, -_EACH_BYTES - found.outputs.pop(name)[1])
            if state is not None and len(found.outputs) < _MOST_OUTPUTS:
                found.outputs[name] = state, length
                self._count(found, _EACH_BYTES + length)

    def _heard(self, node: str, more: int) -> _Node:
        """The node of whom something has come, now the last to be forgotten."""
        found = self._nodes.get(node)
        if found is None:
            found = self._nodes[node] = _Node()
            self.bytes += found.bytes
        self._nodes.move_to_end(node)
        self._count(found, more)
        while self.bytes > _MOST_BYTES and len(self._nodes) > 1:
            self.bytes -= self._nodes.popitem(last=False)[1].bytes
        return found

    def _count(self, node: _Node, more: int) -> None:
        node.bytes += more
        self.bytes += more
