"""Which files are tests, and which are bundles, where both may lie in one folder (docs/testing.md "Where tests are").

Tests are in ``tests/`` beside ``wfsync.yaml``. Where bundles are read from a folder around it, or from a part of it, a
file tells by itself: one that says ``tests:`` at its top is a test, every other one is a bundle. So no bundle is ever
passed over, and a bundle that was written wrongly is still a fault.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import orjson

from wfsync.repo.layout import is_under, normal, syntax_of
from wfsync.repo.source import Repository, Source

__all__ = ["FOLDER", "are_mixed", "find_tests", "says_tests", "tests_among_bundles"]

FOLDER: Final = "tests"

_YAML: Final = re.compile(rb"""^["']?tests["']?[ \t]*:""", re.MULTILINE)
_BYTES: Final = b'"tests"'


def says_tests(path: str, data: bytes) -> bool:
    """Whether a file has ``tests`` at its top."""
    if syntax_of(path) == "yaml" and not data.lstrip().startswith(b"{"):
        return _YAML.search(data) is not None
    if _BYTES not in data:
        return False
    try:
        tree = orjson.loads(data)
    except ValueError:
        return False
    return isinstance(tree, dict) and "tests" in tree


def find_tests(repository: Repository, folder: str, directory: str, within: str | None = None) -> Source:
    """The files of tests in ``folder``, or in the part ``within`` of it; bundles are those of ``directory``.

    Raises `RepositoryError` where the folder cannot be read; one that is not there has none.
    """
    source = repository.source(folder if within is None else within, allow_empty=True)
    if not are_mixed(folder, directory):
        return source
    tests = tuple(entry for entry in source.entries if says_tests(entry.path, source.read(entry)))
    return replace(source, entries=tests, problems=())


def tests_among_bundles(repository: Repository, folder: str, directory: str) -> frozenset[str]:
    """The paths of files in ``directory`` that are tests and no bundles."""
    if not are_mixed(folder, directory):
        return frozenset()
    return frozenset(entry.path for entry in find_tests(repository, folder, directory).entries)


def are_mixed(folder: str, directory: str) -> bool:
    """Whether one of the two folders lies in the other."""
    folder, directory = normal(folder), normal(directory)
    return is_under(folder, directory) or is_under(directory, folder)
