"""A fingerprint of everything that decides what a run finds, apart from files and rows: settings, and our own code.

What an earlier run remembers holds only under the same rules.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256

import wfsync
from wfsync import __version__

__all__ = ["fingerprint_of_rules", "stable_text"]


def fingerprint_of_rules(*settings: object) -> str:
    """SHA-256 (hex) of ``settings`` (values as `stable_text` takes them) and of this program."""
    return sha256("\0".join((__version__, _code(), *map(stable_text, settings))).encode()).hexdigest()


def stable_text(value: object) -> str:
    """``value`` as text that is the same in every process: sets have an order of their own in each.

    For plain values, dataclasses, mappings, sequences and sets of them. Whatever else there is must have a `repr` that
    says all of it; one with an address in it is another one each time, and then nothing is remembered.
    """
    if is_dataclass(value) and not isinstance(value, type):
        inner = (f"{field.name}={stable_text(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__name__}({', '.join(inner)})"
    if isinstance(value, Mapping):
        items = value.items()
        return f"{{{', '.join(sorted(f'{stable_text(key)}: {stable_text(its)}' for key, its in items))}}}"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(stable_text, value)))}}}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(stable_text, value))},)"
    return repr(value)


@cache
def _code() -> str:
    """Changes whenever our code or a schema does, also between releases."""
    from wfsync.bundle.schema_files import schema_folder

    return repr([sorted(_times(folder)) for folder in (*wfsync.__path__, str(schema_folder()))])


def _times(folder: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as listing:
        for child in listing:
            if child.name.endswith((".py", ".json", ".sql")):
                yield child.path, child.stat().st_mtime_ns
            elif "." not in child.name and child.name != "__pycache__" and child.is_dir():
                yield from _times(child.path)
