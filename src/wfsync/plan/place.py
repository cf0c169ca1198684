"""How a place inside a workflow is written: one text for one place, readable first (grammar: `wfsync.plan.change`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ["DRAFT", "DRAFT_VERSION", "METADATA", "PAYLOAD_SCHEMA", "StepLabel", "child", "step", "version"]

METADATA: Final = "metadata"
DRAFT: Final = "draft"
DRAFT_VERSION: Final = "draftVersion"
PAYLOAD_SCHEMA: Final = "payloadSchemaJson"

_PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_PLAIN_ID = re.compile(r"(?=.*[^0-9])[A-Za-z0-9_.$-]+")


class StepLabel(NamedTuple):
    """What names a step in its definition: its id and which one of that id it is, counted from 1 in document order.

    ``id`` is None for a step without a text as its id, which only an unfinished draft can hold.
    """

    id: str | None
    occurrence: int

    def __str__(self) -> str:
        """``notify``, ``notify#2``, ``"an odd id"``, ``#3`` (the third without an id)."""
        if self.id is None:
            return f"#{self.occurrence}"
        text = self.id if _PLAIN_ID.fullmatch(self.id) else _quoted(self.id)
        return text if self.occurrence == 1 else f"{text}#{self.occurrence}"


def version(number: int) -> str:
    """The place of a published version."""
    return f"versions[{number}]"


def step(base: str, label: StepLabel) -> str:
    """The place of a step in the definition at ``base``, however deep it is nested."""
    return f"{base}.steps[{label}]"


def child(base: str, names: Iterable[str | int], reserved: str | None = None) -> str:
    """The place below ``base``: names by dot, or quoted in brackets where a dot would mislead; items by number.

    ``reserved`` is a first name that means something else at ``base`` and is therefore quoted.
    """
    text = base
    for name in names:
        if isinstance(name, int):
            text += f"[{name}]"
        elif _PLAIN_NAME.fullmatch(name) and name != reserved:
            text += f".{name}"
        else:
            text += f"[{_quoted(name)}]"
        reserved = None
    return text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
