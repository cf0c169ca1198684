"""Repositories that no setting of the machine touches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import ConfigLevel, Option

from git_repositories import GitRepository


@pytest.fixture(autouse=True)
def only_own_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home; libgit2 found the real one when it was loaded, so it is told."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    levels = [ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM]
    before = {level: pygit2.option(Option.GET_SEARCH_PATH, level) for level in levels}
    for level in levels:
        pygit2.option(Option.SET_SEARCH_PATH, level, str(home))
    yield home
    for level, path in before.items():
        pygit2.option(Option.SET_SEARCH_PATH, level, path)


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """A repository without commits."""
    return GitRepository.init(tmp_path / "repository")
