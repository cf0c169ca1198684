"""Where a value is assigned: paths into the envelope, and writing at them (spec: runtime.md "Node types").

Nothing here changes a value in place: `write` gives a new envelope that shares what did not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.step_failure import invalid

__all__ = [
    "REMOVED",
    "ROOTS",
    "InvalidPath",
    "Path",
    "Write",
    "in_order",
    "parse_path",
    "parse_saved",
    "path_text",
    "write",
    "writes",
]

ROOTS: Final = ("payload", "vars", "meta", "error")
REFUSED: Final = frozenset({"__proto__", "prototype", "constructor"})
MAX_SEGMENTS: Final = 100

Path = tuple[str, ...]
"""The root and what is below it; ``("vars", "order", "0")``. Digits are an index where a list stands."""


class _Removed:
    __slots__ = ()

    def __repr__(self) -> str:
        return "REMOVED"


REMOVED: Final = _Removed()
"""Written instead of a value, it takes the member away."""

Write = tuple[Path, Json]

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_SEGMENT: Final = re.compile(r"([^.\[\]]+)((?:\[(?:0|[1-9][0-9]{0,8})\])*)", re.ASCII)


class InvalidPath(ValueError):
    """The text is no assignment path; the message says why."""


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """An assignment path: ``payload.``, ``vars.``, ``meta.`` or ``error.`` and names, or a JSON pointer into the
    payload.

    Lists are reached with ``[2]`` or ``.2``. Raises `InvalidPath`.
    """
    path = ("payload", *_pointer(text)) if text.startswith("/") else _dotted(text)
    for segment in path:
        if segment in REFUSED:
            raise InvalidPath(f"{text!r}: the name {segment} is refused")
    if len(path) > MAX_SEGMENTS:
        raise InvalidPath(f"{text[:60]!r}… has more than {MAX_SEGMENTS} parts")
    return path


@lru_cache(maxsize=4096)
def parse_saved(text: str) -> Path:
    """The path of a ``saveAs`` or ``captureErrorAs``: as `parse_path`, or a bare name, which means ``vars.<name>``."""
    if "." not in text and "/" not in text and "[" not in text:
        text = f"vars.{text}"
    return parse_path(text)


def in_order(text: str) -> tuple[str, ...]:
    """What assignment paths are sorted by: stored JSON has no order, so one is made. Outer paths come before inner
    ones, and indexes by their number.
    """
    names = text.replace("[", "/").replace("]", "").replace(".", "/").split("/")
    return tuple(name.zfill(9) if _INDEX.fullmatch(name) else name for name in names)


def path_text(path: Path) -> str:
    """``vars.order.0`` for ``("vars", "order", "0")``."""
    return ".".join(path)


def _pointer(text: str) -> Iterable[str]:
    for part in text[1:].split("/"):
        if re.search(r"~(?![01])", part):
            raise InvalidPath(f"{text!r} is no JSON pointer: ~ stands only in ~0 and ~1")
        yield part.replace("~1", "/").replace("~0", "~")


def _dotted(text: str) -> Path:
    segments: list[str] = []
    for part in text.split("."):
        match = _SEGMENT.fullmatch(part)
        if match is None:
            raise InvalidPath(f"{text!r} has an empty or malformed part")
        segments.append(match[1])
        segments += re.findall(r"\d+", match[2])
    if segments[0] not in ROOTS:
        raise InvalidPath(f"{text!r} must start with {', '.join(f'{root}.' for root in ROOTS)} or /")
    if len(segments) == 1:
        raise InvalidPath(f"{text!r} names a whole root; name something inside it, such as {segments[0]}.name")
    return tuple(segments)


def write(envelope: JsonObject, path: Path, value: Json) -> JsonObject:
    """``envelope`` with ``value`` at ``path``; objects on the way are made where nothing is.

    Raises `StepFailed` (``ValidationError``) where something on the way is neither an object nor a list, or an index is
    beyond a list's end (its end itself appends).
    """
    changed: JsonObject = _write(envelope, path, 0, value)
    return changed


def writes(envelope: JsonObject, many: Iterable[Write]) -> JsonObject:
    """`write` for each of ``many``, in order."""
    for path, value in many:
        envelope = _write(envelope, path, 0, value)
    return envelope


def _write(within: Json, path: Path, depth: int, value: Json) -> Json:
    name = path[depth]
    last = depth + 1 == len(path)
    if isinstance(within, dict):
        changed = within.copy()
        if last:
            if value is REMOVED:
                changed.pop(name, None)
            else:
                changed[name] = value
        else:
            changed[name] = _write(within.get(name, {}), path, depth + 1, value)
        return changed
    if isinstance(within, list):
        if not _INDEX.fullmatch(name) and name != "-":
            raise invalid(
                f"cannot assign to {path_text(path)}: {path_text(path[:depth])} is a list, and {name} no index"
            )
        index = len(within) if name == "-" else int(name)
        if index > len(within):
            raise invalid(
                f"cannot assign to {path_text(path)}: the list {path_text(path[:depth])} has {len(within)} items"
            )
        items = within.copy()
        inner = value if last else _write(items[index] if index < len(items) else {}, path, depth + 1, value)
        items[index : index + 1] = [inner]
        return items
    raise invalid(f"cannot assign to {path_text(path)}: {path_text(path[:depth])} is neither an object nor a list")
