"""The libraries of ``wfsync[runtime]`` that this room needs: whether they are there, loading them, and their stack."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Final, TypeVar

from wfsync.errors import RuntimeNotInstalled

__all__ = ["installed", "require", "with_frames"]

_T = TypeVar("_T")
_FRAMES: Final = 4000
"""Python frames that an expression may need: `limits.MAX_DEPTH` parts of a syntax tree within each other, times the
most frames that one takes, and room for the caller.
"""


@cache
def installed() -> bool:
    """True when expressions can be compiled: jsonata-python and google-re2 are installed. Imports neither."""
    return find_spec("jsonata") is not None and find_spec("re2") is not None


@cache
def require() -> None:
    """Load the libraries. Raises `RuntimeNotInstalled` when they are not there."""
    if not installed():
        raise RuntimeNotInstalled("expressions cannot be compiled, because JSONata is not installed")
    before = sys.getrecursionlimit()
    import jsonata  # noqa: F401 - which sets the limit of the whole process to more than some threads' stacks hold

    sys.setrecursionlimit(before)


def with_frames(work: Callable[[], _T]) -> _T:
    """What ``work`` gives. When the stack is too short for it, it is done again with one that is long enough for every
    expression that is allowed, so that the outcome does not depend on the caller. Raises `RecursionError`.
    """
    try:
        return work()
    except RecursionError:
        if sys.getrecursionlimit() >= _FRAMES:
            raise
    sys.setrecursionlimit(_FRAMES)
    return work()
