"""What an action may know and use besides its input, in the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from wfsync.bundle.model import Json
from wfsync.runtime.protocol import CallAction
from wfsync.store.runtime.turns import LogRow

__all__ = ["CallContext"]

_MOST_LINES: Final = 1000


@dataclass(slots=True)
class CallContext:
    """One call's; see `wfsync.runtime.registry.ActionContext`."""

    run_id: str
    command: CallAction = field(repr=False)
    idempotency_key: str
    now: datetime
    environ: Mapping[str, str] = field(repr=False)
    transaction: Any = None
    lines: list[LogRow] = field(default_factory=list)

    @property
    def step_path(self) -> str:
        """The step that calls."""
        return self.command.pos.path

    @property
    def attempt(self) -> int:
        """Which attempt of the step this is."""
        return self.command.pos.attempt

    def log(self, level: Literal["DEBUG", "INFO", "WARN", "ERROR"], message: str, context: Json = None) -> None:
        """Keep a line for the run's log: it is written with the step. More than a thousand of one call are dropped."""
        if len(self.lines) < _MOST_LINES:
            self.lines.append(LogRow(self.step_path, level, message, context, datetime.now(UTC)))

    def setting(self, name: str) -> str | None:
        """The environment variable ``name``; never one that holds a secret of wfsync's own."""
        if name.startswith(("WFSYNC_SECRET", "WFSYNC_DATABASE")):
            return None
        return self.environ.get(name) or None
