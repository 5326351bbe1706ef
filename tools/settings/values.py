"""The values of settings, found by their kind."""


def of_kind(kinds, raw):
    """Yield (setting, value) of each setting of one of these kinds that is text, and not empty.

    raw: settings, or parsed JSON, of which nothing is certain yet.
    """
    from firmware.settings.tables import SETTINGS

    def walk(rows, values, path):
        for key, kind, _, limit, _ in rows if isinstance(values, dict) else ():
            value = values.get(key)
            if kind in kinds:
                if value and isinstance(value, str):
                    yield path + key, value
            elif kind == "object":
                yield from walk(limit, value, f"{path}{key}.")
            elif kind == "list" and isinstance(value, list):
                for number, item in enumerate(value):
                    yield from walk(limit[2], item, f"{path}{key}[{number}].")

    return walk(SETTINGS, raw, "")
