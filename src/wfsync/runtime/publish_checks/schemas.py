"""Parts of a JSON Schema, found by reference."""

from __future__ import annotations

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json

__all__ = ["referred"]


def referred(root: Schema, reference: Json) -> Schema:
    """The part of ``root`` that a local reference means; True, which allows all, for what is not found."""
    found: Json = root
    if not isinstance(reference, str) or not reference.startswith("#"):
        return True
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            return True
        found = found[name]
    return found if isinstance(found, dict | bool) else True
