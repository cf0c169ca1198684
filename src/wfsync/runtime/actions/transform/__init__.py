"""``transform.*``: pure actions on text, JSON and lists. No clock, no randomness, no I/O, nothing outside the input."""

from __future__ import annotations

from typing import Final

from wfsync.runtime.actions.transform.regexes import REGEXES
from wfsync.runtime.actions.transform.structures import STRUCTURES
from wfsync.runtime.actions.transform.texts import TEXTS
from wfsync.runtime.actions.transform.trees import TREES
from wfsync.runtime.registry import Action

__all__ = ["TRANSFORMS"]

TRANSFORMS: Final[tuple[Action, ...]] = (*TREES, *REGEXES, *TEXTS, *STRUCTURES)
