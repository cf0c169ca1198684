"""How far long work has come, for whoever wants to show it: a wrapper around what is iterated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

__all__ = ["Track", "untracked"]

Item = TypeVar("Item")


class Track(Protocol):
    """Passes ``items`` on, in order, and notices them. ``total`` is their number, None when nobody knows."""

    def __call__(self, items: Iterable[Item], what: str, total: int | None) -> Iterable[Item]:
        """``items``, unchanged; ``what`` says in a word or two what is being done."""
        ...


def untracked(items: Iterable[Item], what: str, total: int | None) -> Iterable[Item]:
    """A `Track` that notices nothing."""
    del what, total
    return items
