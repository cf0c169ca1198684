"""What `wfsync.bundle.rules.secrets` is told; apart from it, because its patterns take milliseconds to compile."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

__all__ = ["SecretPolicy"]


@dataclass(frozen=True, slots=True)
class SecretPolicy:
    """What a literal that looks like a secret is, and where it is known to be none.

    Each entry of ``allowed`` is a glob of keys, optionally with ``#`` and a glob of JSON pointers: ``demo.*``,
    ``billing.dunning#/workflows/0/draft/*/token``. In globs ``*`` stands for any text, ``/`` included.
    """

    severity: Literal["error", "warning"] = "warning"
    allowed: tuple[str, ...] = ()

    def allows(self, key: str, where: str) -> bool:
        """True when an entry names the value at the pointer ``where`` of the workflow ``key``."""
        for entry in self.allowed:
            keys, separator, pointers = entry.partition("#")
            if fnmatchcase(key, keys) and (not separator or where == pointers or fnmatchcase(where, pointers)):
                return True
        return False
