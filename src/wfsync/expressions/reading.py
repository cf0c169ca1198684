"""Text → a syntax tree that is known to be allowed, and what it says without any data."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wfsync.expressions.checking import Checked, check
from wfsync.expressions.faults import ExpressionFault
from wfsync.expressions.library import with_frames
from wfsync.expressions.limits import MAX_EXPRESSION
from wfsync.expressions.spelling import Respelled, respell
from wfsync.expressions.syntax import Symbol, parse, too_deep

__all__ = ["Reading", "read"]


class Reading(NamedTuple):
    """What was read."""

    tree: Symbol
    checked: Checked
    original: Callable[[int], int]
    """The position in the text of a position in the tree."""


def read(text: str) -> Reading:
    """Parse and check ``text``. Raises `ExpressionFault`, with positions of ``text``."""
    if len(text) > MAX_EXPRESSION:
        raise ExpressionFault(f"the expression is longer than {MAX_EXPRESSION} characters", "TOO_LONG")
    spelled = respell(text)
    try:
        return with_frames(lambda: _read(spelled))
    except RecursionError:
        raise too_deep() from None
    except ExpressionFault as fault:
        if fault.offset is not None:
            fault.offset = spelled.original(fault.offset)
        raise


def _read(spelled: Respelled) -> Reading:
    tree = parse(spelled.text)
    return Reading(tree, check(tree), spelled.original)
