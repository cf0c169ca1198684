"""A place to push to and a database to keep in sync with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command_line import CommandLine
from databases import Databases, LayoutName
from watching import Place


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """``place("A")``: a bare repository and a database in a layout."""
    made: list[Place] = []

    def at(layout: LayoutName = "wfsync") -> Place:
        made.append(Place(cli, database(layout), tmp_path))
        return made[-1]

    yield at
    for one in made:
        one.end()
