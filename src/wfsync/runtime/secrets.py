"""Secrets of workflows: what they may be called, and where their values come from (spec: runtime.md "Expressions").

A definition says ``{"$secret": NAME}``. The value is looked up at the moment of a call: the environment variable
``WFSYNC_SECRET_<NAME>`` wins over the store in the database. Values are never in a message, a history or an output.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_secret_name"]

_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,127}", re.ASCII)


def is_secret_name(name: str) -> bool:
    """Whether ``name`` may be a secret's: capitals, digits and underscores, a capital first, at most 128."""
    return _NAME.fullmatch(name) is not None
