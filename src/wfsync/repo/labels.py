"""How messages name a file: so that a click on it in a terminal opens it."""

from __future__ import annotations

import os.path  # pure text functions only
from dataclasses import dataclass

from wfsync.repo.layout import printable

__all__ = ["Labels"]


@dataclass(frozen=True, slots=True)
class Labels:
    """Maps paths of a repository to names relative to the working directory; outside of it they are absolute."""

    prefix: str = ""
    """Put before the path: where the root lies below the working directory, or is somewhere else."""
    inside: str = ""
    """Taken off the path (else ``up`` is put before it): where the working directory lies below the root."""

    @classmethod
    def of(cls, root: str, cwd: str | None) -> Labels:
        """The labels of a repository at ``root`` for somebody in ``cwd``; both are absolute, without links."""
        if cwd is None:
            return cls(prefix=f"{root.rstrip('/')}/")
        relative = os.path.relpath(root, cwd)
        if relative == ".":
            return cls()
        if set(relative.split("/")) == {".."}:
            return cls(inside=os.path.relpath(cwd, root))
        return cls(prefix=f"{root.rstrip('/')}/" if relative.startswith("../") else f"{relative}/")

    def __call__(self, path: str) -> str:
        """The name of ``path``; the root itself is ``"."`` when it is the working directory."""
        if self.inside:
            inside = self.inside + "/"
            path = path[len(inside) :] if path.startswith(inside) else os.path.relpath(path or ".", self.inside)
        elif self.prefix:
            path = (self.prefix + path).rstrip("/") or "/"
        return printable(path or ".")
