"""Files that were named one by one on the command line, for `wfsync import`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from wfsync.errors import InputError, Place, Problem
from wfsync.repo.layout import printable

__all__ = ["STDIN", "read_bundles"]

STDIN: Final = "-"
_STDIN_LABEL: Final = "<stdin>"


def read_bundles(files: Iterable[str], stdin: BinaryIO, limit: int) -> dict[str, bytes]:
    """The bytes of each file (``-``: all of ``stdin``) by the name that messages give it.

    Raises `InputError` that names every file which cannot be read, stands twice, or is larger than ``limit`` bytes
    (found out before it is loaded).
    """
    documents: dict[str, bytes] = {}
    problems: list[Problem] = []
    for name in files:
        label = _STDIN_LABEL if name == STDIN else printable(name)
        if label in documents:
            problems.append(_fault(label, "is named twice"))
            continue
        try:
            documents[label] = _read(name, stdin, limit)
        except ValueError:
            problems.append(_fault(label, f"is larger than {limit // 2**20} MiB", "raise --max-size if that is meant"))
        except OSError as error:
            problems.append(_fault(label, f"cannot be read: {error.strerror or error}"))
    if problems:
        raise InputError("not every file can be read", code="FILE_UNREADABLE", problems=problems)
    return documents


def _read(name: str, stdin: BinaryIO, limit: int) -> bytes:
    if name == STDIN:
        data = stdin.read(limit + 1)
    else:
        with Path(name).open("rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise ValueError(name)
            data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(name)
    return data


def _fault(label: str, message: str, hint: str = "check the name") -> Problem:
    return Problem(code="FILE_UNREADABLE", message=message, place=Place(label), hint=hint)
