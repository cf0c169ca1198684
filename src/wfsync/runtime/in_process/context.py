"""What an action may know and use besides its input, in a run that is carried out here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from wfsync.bundle.model import Json
from wfsync.runtime.in_process.world import RunInfo
from wfsync.runtime.protocol import CallAction

__all__ = ["Context", "LogLine"]

LogLine = tuple[str, str, Json]
"""Level, message and context."""


@dataclass(slots=True)
class Context:
    """One call's; see `wfsync.runtime.registry.ActionContext`. Its time moves by itself
    (`wfsync.runtime.stubs.Sleeper`).
    """

    run: RunInfo
    command: CallAction = field(repr=False)
    idempotency_key: str
    now: datetime
    slept: timedelta = timedelta()
    lines: list[LogLine] = field(default_factory=list)
    transaction: Any = None

    @property
    def run_id(self) -> str:
        """The run that calls."""
        return self.run.id

    @property
    def step_path(self) -> str:
        """The step that calls."""
        return self.command.pos.path

    @property
    def attempt(self) -> int:
        """Which attempt of the step this is."""
        return self.command.pos.attempt

    def log(self, level: Literal["DEBUG", "INFO", "WARN", "ERROR"], message: str, context: Json = None) -> None:
        """Keep the line."""
        self.lines.append((level, message, context))

    def setting(self, name: str) -> str | None:  # noqa: ARG002 - the protocol's
        """Nothing is set: a run must not depend on the machine."""
        return None

    def sleep(self, seconds: float) -> None:
        """Let so much of the run's time pass."""
        self.slept += timedelta(seconds=seconds)
