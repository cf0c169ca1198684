"""A run out of its history: what happened, as the driver of `wfsync.runtime.in_process` would have noted it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime

from wfsync.expressions import EvaluationAborted
from wfsync.runtime.in_process.driver import Driver, Running, StartedChild
from wfsync.runtime.in_process.world import RunInfo
from wfsync.runtime.interpreter import begin
from wfsync.runtime.protocol import Command, Event, StartChild, Started

__all__ = ["folded"]


def folded(info: RunInfo, events: Sequence[Event], driver: Driver) -> Running | None:
    """The run with its steps; children that it called are added to ``driver``. None where nothing happened yet."""
    if not events or not isinstance(events[0], Started):
        return None
    while True:
        with suppress(EvaluationAborted):
            machine, commands = begin(info.program.definition, events[0], driver.registry)
            run = Running(info, machine)
            _noted(run, commands, events[0].at, driver)
            for event in events[1:]:
                _noted(run, machine.send(event), event.at, driver)
            return run


def _noted(run: Running, commands: Iterable[Command], at: datetime, driver: Driver) -> None:
    for record in run.machine.steps:
        run.steps[record.pos] = record
    for command in commands:
        if isinstance(command, StartChild):
            driver.children.append(StartedChild(run.info, command, at))
    if run.machine.finish is not None and run.end is None:
        run.end, run.ended_at = run.machine.finish, at
