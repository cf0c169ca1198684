"""Whether the libraries of ``wfsync[runtime]`` that this room needs are there."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from wfsync.errors import RuntimeNotInstalled

__all__ = ["installed", "require"]


@cache
def installed() -> bool:
    """True when expressions can be compiled: jsonata-python and google-re2 are installed. Imports neither."""
    return find_spec("jsonata") is not None and find_spec("re2") is not None


def require() -> None:
    """Raise `RuntimeNotInstalled` when they are not."""
    if not installed():
        raise RuntimeNotInstalled("expressions cannot be compiled: JSONata is not installed")
