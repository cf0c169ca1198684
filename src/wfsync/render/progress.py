"""A progress bar on stderr for work that takes longer than a second (spec: cli.md "Output")."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from wfsync.state.progress import Track, untracked

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["tracker"]

Item = TypeVar("Item")

_PATIENCE: Final = 1.0
"""Seconds of work before a bar appears."""
_INTERVAL: Final = 0.1


def tracker(*, quiet: bool, color: bool) -> Track:
    """What shows progress: a bar when stderr is a terminal and nobody wants quiet, else nothing at all."""
    if quiet or not sys.stderr.isatty():
        return untracked

    def track(items: Iterable[Item], what: str, total: int | None) -> Iterable[Item]:
        return _tracked(items, what, total, color=color)

    return track


def _tracked(items: Iterable[Item], what: str, total: int | None, *, color: bool) -> Iterator[Item]:
    begun = shown = time.monotonic()
    bar: Progress | None = None
    count = 0
    try:
        for item in items:
            now = time.monotonic()
            if now - shown >= _INTERVAL and now - begun >= _PATIENCE:
                shown = now
                if bar is None:
                    bar = _bar(color=color)
                    bar.start()
                    bar.add_task(what, total=total)
                bar.update(bar.task_ids[0], completed=count)
            yield item
            count += 1
    finally:
        if bar is not None:
            bar.stop()


def _bar(*, color: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True, no_color=not color), transient=True)
