"""JSON as a person writes it."""

import json
from typing import Any


def pretty(value: Any, indent: str = "") -> str:
    """JSON as a person writes it: what fits on a line is on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)):
        return flat
    if len(indent + flat) <= 99 and not (indent == "" and isinstance(value, dict)):
        return flat
    deeper = indent + "  "
    if isinstance(value, dict):
        lines = [
            f"{deeper}{json.dumps(key)}: {pretty(item, deeper)}" for key, item in value.items()
        ]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + pretty(item, deeper) for item in value) + f"\n{indent}]"
