"""Idempotency keys that are made of parts of an action's input, as ``registry.yaml`` and plugins name them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from wfsync.bundle.canonical import compact_bytes
from wfsync.bundle.model import Json

__all__ = ["InputKey"]


@dataclass(frozen=True, slots=True)
class InputKey:
    """An action's ``idempotency``: two calls are the same when these parts of their inputs are.

    ``pointers`` are JSON pointers; a part that is missing counts as null. The key is a hash, because an input may hold
    what must not be stored.
    """

    pointers: tuple[str, ...]

    def __call__(self, given: Json) -> str:
        """The key of a call with the input ``given``."""
        parts = [_part(given, pointer) for pointer in self.pointers]
        return sha256(compact_bytes(parts)).hexdigest()


def _part(value: Json, pointer: str) -> Json:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
