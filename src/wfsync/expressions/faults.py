"""What can be wrong with an expression, and when: as text, as it is evaluated, or with the machine just then."""

from __future__ import annotations

from typing import Final

__all__ = ["MISSING", "EvaluationAborted", "EvaluationFailed", "ExpressionFault", "Missing"]


class Missing:
    """The type of `MISSING`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""What an expression gives when there is nothing where it looks; never the same as null."""


class ExpressionFault(Exception):
    """The text is no expression, or one that is not allowed. Found without any data."""

    def __init__(self, message: str, code: str, *, offset: int | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        """Stable: ``SYNTAX``, ``FORBIDDEN``, ``UNKNOWN_NAME``, ``REGEX``, ``TOO_LONG``, ``TOO_DEEP``."""
        self.offset = offset
        """In characters of the text, from 0; None where no place is to blame."""
        self.hint = hint
        """What to do about it, as a sentence."""


class EvaluationFailed(Exception):
    """The expression cannot be evaluated on these data: it would fail again, on every machine, in the same way."""

    def __init__(self, message: str, code: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        """Stable: one of wfsync's own (`wfsync.expressions.limits`, ``NOT_JSON``) or JSONata's (``T2001``)."""
        self.offset = offset


class EvaluationAborted(Exception):
    """The machine was too busy to finish within the wall clock. Says nothing about the expression: try again, and
    never record it.
    """
