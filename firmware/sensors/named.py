"""Of the sensor types those that settings name: for the check of config.json, beside which all of them are 20 KB. Loaded for it."""

from firmware import forget


def types(raw):
    """Return {type: its row of TYPES, None if raw has no sensor of it}. raw: parsed config.json, whatever that is."""
    from firmware.sensors.types import TYPES

    listed = raw.get("sensors") if type(raw) is dict else None
    kinds = [
        entry["type"]
        for entry in (listed if type(listed) is list else ())
        if type(entry) is dict and type(entry.get("type")) is str
    ]
    if not all(kind in TYPES for kind in kinds):
        from firmware.settings.partnames import SYNONYMS

        kinds += [SYNONYMS.get(kind) for kind in kinds]
    found = {kind: TYPES[kind] if kind in kinds else None for kind in TYPES}
    # The rows that are not needed go with them.
    forget("sensors", "types", "options")
    forget("settings", "partnames")
    return found
