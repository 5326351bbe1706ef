"""JSON for the browser: as an answer, and as a server-sent event.

Whatever a node has published is in it, so it is written in ASCII: half of a surrogate pair, which JSON can say and UTF-8 cannot,
would end the answer.
"""

import json
import time
from typing import Any

from starlette.responses import Response

COMMENT = b": nothing new\n\n"


def text(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def event(kind: str, content: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + text(content) + b"\n\n"


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return text(content)


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000
