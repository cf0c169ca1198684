"""Which keys a command is about."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which keys a command is about: glob patterns."""

    select: tuple[str, ...] = ()
    """None: all."""
    exclude: tuple[str, ...] = ()
    keys: frozenset[str] | None = None
    """Exactly these, whatever the patterns: those of a plan that was made before. It may be that none has a file."""

    def __contains__(self, key: str) -> bool:
        if self.keys is not None:
            return key in self.keys
        if any(fnmatchcase(key, pattern) for pattern in self.exclude):
            return False
        return not self.select or any(fnmatchcase(key, pattern) for pattern in self.select)
