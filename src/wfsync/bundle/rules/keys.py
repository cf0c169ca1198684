"""The key: no UUID, no reserved file name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from wfsync.bundle.model import JsonObject
from wfsync.bundle.references import is_uuid
from wfsync.bundle.rules.fault import Fault

__all__ = ["check", "key_fault"]

_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"} | {f"com{n}" for n in range(10)} | {f"lpt{n}" for n in range(10)}
)


def check(workflow: JsonObject, reserved: Collection[str]) -> Iterator[Fault]:
    """Faults of ``key``; ``reserved`` are the names of the repository's own files, without suffix."""
    message = key_fault(workflow["key"], reserved)
    if message is not None:
        yield Fault(code="INVALID_VALUE", path=("key",), message=message, hint="choose another key and rename the file")


def key_fault(key: str, reserved: Collection[str]) -> str | None:
    """Why ``key`` (which matches the schema's pattern) may not be used, or None."""
    if is_uuid(key):
        return f"key {key!r} reads as a UUID, so a call of it could not be told from a database id"
    # Windows reserves a device's name with any suffix: con.json, con.orders.json
    if key.split(".", 1)[0] in _DEVICES:
        return f"key {key!r} is a reserved file name on Windows"
    if key in reserved:
        return f"key {key!r} is the name of one of the repository's own files"
    return None
