"""Subjects to lose something: `shop` makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from command_line import CommandLine
from databases import Databases, LayoutName
from shop import Shop, Subject


@pytest.fixture(scope="session")
def _shop(_databases: Databases, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    return Shop(_databases, CommandLine(home, folder), folder)


@pytest.fixture
def shop(_shop: Shop, tmp_path: Path) -> Iterator[Callable[[LayoutName], Subject]]:
    """``shop("A")``: a database in that layout with something in it, and a repository that wants other things."""
    with ExitStack() as stack:
        yield lambda layout: stack.enter_context(_shop.subject(layout, tmp_path))


@pytest.fixture
def wanted(_shop: Shop) -> Callable[[LayoutName], dict[str, str]]:
    """``wanted("A")``: the values of all workflows after an apply that nobody disturbed."""
    return _shop.wanted
