"""What evaluation passes around: nodes that are compiled, and frames that bind names to values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from wfsync.expressions.limits import Run
from wfsync.expressions.syntax import Symbol

__all__ = ["Compile", "Frame", "Node"]


class Frame:
    """Names of one scope and their values; one of its own for every evaluation, block and tuple."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Frame | None, names: dict[str, Any] | None = None) -> None:
        self.parent = parent
        self.names: dict[str, Any] = {} if names is None else names

    def lookup(self, name: str) -> Any:
        """The value of ``name``; None when nothing is bound to it."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names:
                return frame.names[name]
            frame = frame.parent
        return None


Node: TypeAlias = Callable[[Run, Any, Frame], Any]
"""A part of a syntax tree, compiled: (run, context value, names) → its value, None when that is missing."""

Compile: TypeAlias = Callable[[Symbol], Node]
"""`nodes.compile_node`, handed to those who compile parts of one node."""
