"""Load, connect, compare: what every command does that looks at a repository and a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from wfsync.errors import ConfigError
from wfsync.policy import NO_WISHES, Wishes
from wfsync.wiring.sessions import Session
from wfsync.wiring.workspace import Workspace

if TYPE_CHECKING:
    from wfsync.pipeline.planning import Planned, PlanOptions
    from wfsync.pipeline.standing import Stock
    from wfsync.state.desired import Loading, Selection

__all__ = ["comparing", "owning", "stocktaking"]
