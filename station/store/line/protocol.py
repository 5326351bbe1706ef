r"""A reading as a line: `reading,node=attic,channel=room temperature=21.37,boot=8.0,seq=3.0,late=0.0 1795887425104`.

Numbers are floats always, booleans 1.0 and 0.0: a field that changes its type is refused by InfluxDB, and `21` and `21.5` are two types there.
"""

import json
import re

from station.messages import Reading

_MEASUREMENT = "reading"
_SPECIAL = re.compile(r"([,= ])")
_CONTROL = re.compile(r"[\x00-\x1f]")


def line(reading: Reading) -> str:
    """A reading that has its time. ValueError: it cannot be said in a line, and why."""
    fields = {"boot": reading.boot, "seq": reading.seq, "late": reading.late}
    fields |= json.loads(reading.quantities)
    said = ",".join(f"{_name(name)}={_value(value)}" for name, value in fields.items())
    tags = f"node={_name(reading.node)},channel={_name(reading.channel)}"
    return f"{_MEASUREMENT},{tags} {said} {reading.ts}"


def _name(text: str) -> str:
    """A tag's value, or the key of a field. A backslash at its end would take the comma behind it along."""
    if not text or text.endswith("\\") or _CONTROL.search(text):
        raise ValueError(
            f"line protocol has no way to write the name {text!r}: without control characters and a backslash at its end it has"
        )
    return _SPECIAL.sub(r"\\\1", text)


def _value(value: object) -> str:
    if isinstance(value, (bool, int, float)):
        return repr(float(value))
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_CONTROL.sub(" ", text)}"'
