"""Carries out the commands of machines, in time that moves by itself.

Everything that is going to happen stands in one agenda, by time and then in the order in which it was entered. When
nothing is due any more the world may send an event; else time moves on to the next entry. When there is none either,
the run waits for something that never comes: the driver says for what (`Driver.waits`, `Driver.unanswered`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from itertools import count
from typing import Final
from uuid import UUID, uuid5

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.filters import matches
from wfsync.runtime.in_process.world import CannotGoOn, ChildEnd, Program, RunInfo, World
from wfsync.runtime.interpreter import Machine, begin
from wfsync.runtime.moments import later
from wfsync.runtime.protocol import (
    Answered,
    Arrived,
    CallAction,
    CancelRequested,
    ChildEnded,
    Command,
    Event,
    Failed,
    Failure,
    Finish,
    Fired,
    OpenTask,
    Pos,
    StartChild,
    Started,
    StepRecord,
    Succeeded,
    WaitEvent,
    WaitUntil,
)
from wfsync.runtime.registry import Registry
from wfsync.runtime.step_failure import StepFailed

__all__ = ["Called", "Driver", "Opened", "Running", "StartedChild"]

MOST_EVENTS: Final = 20_000
"""Of all runs of one driver together: what needs more is taken for a loop that never ends."""
MOST_DEPTH: Final = 50
"""How many workflows may call one another."""

_RUNS: Final = UUID("5f0c3a7e-9f0e-4c65-8f0a-0d8a7d0c2b41")


@dataclass(frozen=True, slots=True)
class Called:
    """An action was called."""

    run: RunInfo
    pos: Pos
    action: str
    version: int
    input: Json
    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A task was opened."""

    run: RunInfo
    command: OpenTask
    at: datetime


@dataclass(frozen=True, slots=True)
class StartedChild:
    """A workflow was called."""

    run: RunInfo
    command: StartChild
    at: datetime


@dataclass(slots=True)
class Running:
    """One run."""

    info: RunInfo
    machine: Machine
    parent: tuple[Running, Pos] | None = None
    end: Finish | None = None
    ended_at: datetime | None = None
    steps: dict[Pos, StepRecord] = field(default_factory=dict)
    """The last record of each attempt, in the order in which attempts began."""


@dataclass(slots=True)
class Driver:
    """Runs one workflow, and those that it calls. What happened is kept in the lists."""

    registry: Registry
    world: World
    now: datetime
    max_steps: int | None = None
    """How many steps each run may take; None: any number."""
    runs: list[Running] = field(default_factory=list)
    calls: list[Called] = field(default_factory=list)
    tasks: list[Opened] = field(default_factory=list)
    children: list[StartedChild] = field(default_factory=list)
    waits: dict[tuple[str, Pos], tuple[Running, WaitEvent]] = field(default_factory=dict)
    """Who waits for events."""
    unanswered: dict[tuple[str, Pos], tuple[Running, OpenTask]] = field(default_factory=dict)
    """Tasks that nobody will answer."""
    _agenda: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _entered: count[int] = field(default_factory=count)
    _sent: int = 0
    _outputs: dict[tuple[str, int, str], Json] = field(default_factory=dict)
    """Of calls that succeeded under their keys: they are not made again."""
    _flying: dict[tuple[str, int, str], list[Callable[[], None]]] = field(default_factory=dict)
    """Calls under way, and who waits for their outcome because it wants to call under the same key."""

    def start(self, program: Program, payload: Json, meta: JsonObject, run_id: str) -> Running:
        """Begin a run; `advance` carries it on."""
        return self._start(RunInfo(run_id, program), payload, meta, None)

    def at(self, due: datetime, what: Callable[[], None]) -> None:
        """Enter ``what`` into the agenda: it happens at ``due``, or now when that is past."""
        heappush(self._agenda, (max(due, self.now), next(self._entered), what))

    def advance(self, run: Running) -> bool:
        """Go on until ``run`` has ended: True; False when it waits for something that never comes.

        Raises `CannotGoOn` when the world has no answer, or when it takes too long.
        """
        while run.end is None:
            if self._agenda and self._agenda[0][0] <= self.now:
                heappop(self._agenda)[2]()
                continue
            event = self.world.event([wait for _, wait in self.waits.values()])
            if event is not None:
                self.send_event(*event)
            elif self._agenda:
                self.now = self._agenda[0][0]
            else:
                return False
        return True

    def send_event(self, name: str, correlation_key: str | None, payload: Json) -> int:
        """Resume every run that waits for such an event; how many those are."""
        met = [
            (place, run)
            for place, (run, wait) in self.waits.items()
            if wait.name == name
            and correlation_key is not None
            and wait.correlation_key == correlation_key
            and matches(payload, wait.filters)
        ]
        for place, run in met:
            del self.waits[place]
            self._send(run, Arrived(self.now, place[1], name, payload))
        return len(met)

    def cancel(self, run: Running, reason: str = "") -> None:
        """Ask ``run`` to end."""
        self._send(run, CancelRequested(self.now, reason))

    # -- machines ------------------------------------------------------------------------------------------------

    def _start(self, info: RunInfo, payload: Json, meta: JsonObject, parent: tuple[Running, Pos] | None) -> Running:
        program = info.program
        started = Started(self.now, info.id, program.key, program.version, payload, meta)
        machine, commands = begin(program.definition, started, self.registry, max_steps=self.max_steps)
        run = Running(info, machine, parent)
        self.runs.append(run)
        self._after(run, commands)
        return run

    def _send(self, run: Running, event: Event) -> None:
        if run.end is not None:
            return
        self._sent += 1
        if self._sent > MOST_EVENTS:
            raise CannotGoOn(
                f"more than {MOST_EVENTS} things happened and the run has not ended",
                "does it call itself or loop without end?",
            )
        self._after(run, run.machine.send(event))

    def _after(self, run: Running, commands: Iterable[Command]) -> None:
        for record in run.machine.steps:
            run.steps[record.pos] = record
        for command in commands:
            self._carry_out(run, command)

    def _carry_out(self, run: Running, command: Command) -> None:
        match command:
            case CallAction():
                self._call(run, command)
            case WaitUntil(pos, due):
                self.at(due, lambda: self._send(run, Fired(self.now, pos)))
            case WaitEvent(pos):
                self.waits[run.info.id, pos] = (run, command)
                if command.timeout is not None:
                    self.at(command.timeout, lambda: self._time_out(run, pos))
            case OpenTask():
                self._open(run, command)
            case StartChild():
                self._start_child(run, command)
            case Finish():
                self._finish(run, command)

    def _time_out(self, run: Running, pos: Pos) -> None:
        if self.waits.pop((run.info.id, pos), None) is not None:
            self._send(run, Fired(self.now, pos))

    def _finish(self, run: Running, command: Finish) -> None:
        run.end, run.ended_at = command, self.now
        for waiting in (self.waits, self.unanswered):
            for place in [place for place in waiting if place[0] == run.info.id]:
                del waiting[place]
        for child in self.runs:
            if child.parent is not None and child.parent[0] is run and child.end is None:
                self.cancel(child, "the run that called it has ended")
        if run.parent is not None:
            parent, pos = run.parent
            output = {name: command.envelope.get(name) for name in ("payload", "vars")}
            event = ChildEnded(self.now, pos, command.status, output, _failure(command.error))
            self.at(self.now, lambda: self._send(parent, event))

    # -- what is asked of the world ------------------------------------------------------------------------------

    def _call(self, run: Running, command: CallAction) -> None:
        """As the engine does: checked first, then not made again under a key that has succeeded."""
        pos = command.pos
        try:
            prepared = self.world.prepare(run.info, command)
        except StepFailed as error:
            failure = error.failure
            self.at(self.now, lambda: self._send(run, Failed(self.now, pos, failure)))
            return
        scope = (command.action, command.version, prepared.key)
        recorded = prepared.action.side_effects or prepared.action.transactional
        if recorded and scope in self._outputs:
            output = self._outputs[scope]
            self.at(self.now, lambda: self._send(run, Succeeded(self.now, pos, output)))
            return
        if recorded and scope in self._flying:
            self._flying[scope].append(lambda: self._call(run, command))
            return
        reply = self.world.call(run.info, command, prepared, self.now)
        if reply.made:
            key = prepared.key
            self.calls.append(Called(run.info, pos, command.action, command.version, command.input, key, self.now))
        if recorded:
            self._flying[scope] = []

        def answer() -> None:
            waiting = self._flying.pop(scope, [])
            if reply.failure is None and recorded:
                self._outputs[scope] = reply.output
            if run.end is None:
                failed = reply.failure
                self._send(
                    run, Succeeded(self.now, pos, reply.output) if failed is None else Failed(self.now, pos, failed)
                )
            for call_again in waiting:
                call_again()

        self.at(later(self.now, reply.after), answer)

    def _open(self, run: Running, command: OpenTask) -> None:
        answer = self.world.task(run.info, command)
        self.tasks.append(Opened(run.info, command, self.now))
        if answer is None:
            self.unanswered[run.info.id, command.pos] = (run, command)
        else:
            due = later(self.now, answer.after)
            self.at(due, lambda: self._send(run, Answered(self.now, command.pos, answer.answer)))

    def _start_child(self, run: Running, command: StartChild) -> None:
        pos = command.pos
        found = self.world.child(run.info, command)
        self.children.append(StartedChild(run.info, command, self.now))
        if isinstance(found, Program) and run.info.depth >= MOST_DEPTH:
            message = f"more than {MOST_DEPTH} workflows call one another, the last is {found.key}"
            found = Failure("ValidationError", message, "DEPTH")  # as the engine says it
        match found:
            case Failure():
                self.at(self.now, lambda: self._send(run, Failed(self.now, pos, found)))
            case ChildEnd():
                self.at(
                    later(self.now, found.after),
                    lambda: self._send(run, ChildEnded(self.now, pos, found.status, found.output, found.failure)),
                )
            case Program():
                run_id = str(uuid5(_RUNS, f"{run.info.id}/{pos.path}/{pos.iteration}/{pos.attempt}"))
                info = RunInfo(run_id, found, run.info.depth + 1)
                self.at(self.now, lambda: self._begin_child(info, command, run))

    def _begin_child(self, info: RunInfo, command: StartChild, parent: Running) -> None:
        if parent.end is None:
            self._start(info, command.payload, {}, (parent, command.pos))


def _failure(error: Mapping[str, Json] | None) -> Failure | None:
    if error is None:
        return None
    return Failure(
        error.get("category", "ActionError"), error.get("message", ""), error.get("code"), error.get("details")
    )
