"""Key ⇄ path: which files are bundles and what their names say. Pure (spec: cli.md "Bundle files are every …").

Paths here are POSIX, relative to the repository's root; the empty path is the root itself.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from wfsync.errors import RepositoryError

__all__ = [
    "BUNDLE_SUFFIXES",
    "ancestors",
    "is_bundle",
    "is_under",
    "join",
    "key_of",
    "normal",
    "path_for",
    "printable",
    "reserved_keys",
    "syntax_of",
]

BUNDLE_SUFFIXES: Final = (".json", ".yaml", ".yml")

Syntax = Literal["json", "yaml"]


def key_of(path: str) -> str:
    """The key that a file must hold: its name without the bundle suffix."""
    name = path.rpartition("/")[2]
    for suffix in BUNDLE_SUFFIXES:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def syntax_of(path: str) -> Syntax:
    """How a file is written, by its suffix. Anything but YAML's suffixes is read as JSON."""
    return "yaml" if path.endswith((".yaml", ".yml")) else "json"


def path_for(directory: str, key: str, syntax: Syntax = "json") -> str:
    """Where `export` puts a key that has no file yet (spec: ``<directory>/<key>.json``)."""
    return join(directory, f"{key}.{syntax}")


def reserved_keys(files: Iterable[str]) -> frozenset[str]:
    """The keys whose file would be taken for one of the repository's own ``files`` (config, registry, overlays)."""
    return frozenset(key_of(path) for path in files if path.endswith(BUNDLE_SUFFIXES))


def is_bundle(path: str, directory: str) -> bool:
    """True when ``path`` lies under ``directory``, in no dot folder below it, and has a bundle's suffix.

    A dot *file* counts: the specification leaves out dot folders only, and a file that is silently passed over would be
    taken for one that is gone.
    """
    if not path.endswith(BUNDLE_SUFFIXES) or not is_under(path, directory):
        return False
    below = path[len(directory) + 1 :] if directory else path
    return not any(step.startswith(".") for step in below.split("/")[:-1])


def is_under(path: str, directory: str) -> bool:
    """True when ``path`` is ``directory`` or lies in it."""
    return not directory or path == directory or path.startswith(directory + "/")


def ancestors(path: str) -> Iterator[str]:
    """``path`` itself and every folder above it, up to the root (``""``)."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


def join(directory: str, path: str) -> str:
    """``path`` as seen from ``directory``, from the root; see `normal` for what is refused."""
    return normal(f"{directory}/{path}" if directory and not path.startswith("/") else path)


def normal(path: str) -> str:
    """``path`` without ``.`` and ``..``.

    Raises `RepositoryError` (``OUTSIDE_REPOSITORY``) for an absolute path and for one that leads above the root.
    """
    clean = posixpath.normpath(path) if path else "."
    if clean == ".":
        return ""
    if clean.startswith(("/", "../")) or clean == "..":
        raise RepositoryError(
            f"{printable(path)} leads out of the repository",
            code="OUTSIDE_REPOSITORY",
            hint="use a path inside it, relative to its root",
        )
    return clean


def printable(path: str) -> str:
    r"""``path`` as text that any terminal and any JSON writer takes: bytes that are not UTF-8 become ``\xff``."""
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
