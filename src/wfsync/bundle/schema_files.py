"""The JSON Schemas that ship with wfsync, as bytes.

Git holds one copy, in ``schemas/`` at the top of the repository. A wheel carries them inside the package; an editable
install runs from the repository and reads them there. This is the one place that knows both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["SUFFIX", "schema_bytes", "schema_folder", "schema_names"]

SUFFIX: Final = ".schema.json"

_PACKAGE: Final = Path(__file__).resolve().parent.parent


def schema_folder() -> Path:
    """The folder with the schemas: the installed package's own, else that of the repository around ``src/``."""
    shipped = _PACKAGE / "schemas"
    return shipped if shipped.is_dir() else _PACKAGE.parent.parent / "schemas"


def schema_names() -> tuple[str, ...]:
    """Names of all schemas (``registry.v1``), sorted."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in schema_folder().glob(f"*{SUFFIX}")))


def schema_bytes(name: str) -> bytes:
    """The text of the schema ``name``, with or without its suffix (``registry.v1``, ``registry.v1.schema.json``).

    Raises `LookupError` for a name that wfsync does not ship: a programmer's mistake, not a user's.
    """
    path = schema_folder() / (name.removesuffix(SUFFIX) + SUFFIX)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise LookupError(f"no schema {name!r}; there are: {', '.join(schema_names())}") from None
