"""The machine: a fold over events (spec: runtime.md "The interpreter and the engine")."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from wfsync.bundle.model import JsonObject
from wfsync.runtime.definition import Definition, compile_definition
from wfsync.runtime.envelope import new_envelope
from wfsync.runtime.interpreter import routing
from wfsync.runtime.interpreter.frames import ROOT, AtBlock, AtItems, Snapshot, Strand, Waiting
from wfsync.runtime.interpreter.turn import Turn
from wfsync.runtime.protocol import (
    Answered,
    Arrived,
    CallAction,
    CancelRequested,
    ChildEnded,
    Command,
    Event,
    Failed,
    Finish,
    Fired,
    OpenTask,
    Pos,
    RetryRequested,
    RunStatus,
    StartChild,
    Started,
    StepRecord,
    Succeeded,
    WaitEvent,
    WaitUntil,
)
from wfsync.runtime.registry import Registry

__all__ = ["Machine", "begin", "fold"]

_EARLY: Final = timedelta(seconds=1)
"""How much two clocks may differ before a `Fired` is taken for that of an earlier wait."""

_ANSWERS: Final[dict[type, tuple[type, ...]]] = {
    CallAction: (Succeeded, Failed),
    WaitUntil: (Fired,),
    WaitEvent: (Arrived, Fired, Failed),
    OpenTask: (Answered, Failed),
    StartChild: (ChildEnded, Failed),
}


class Machine:
    """One run, as far as it has come. Not for two threads at once."""

    __slots__ = ("_definition", "_failed", "_finish", "_left", "_newest", "_pending", "_records", "_run_id", "_strands")

    def __init__(self, definition: Definition, run_id: str, newest: Callable[[str], int], left: int | None) -> None:
        """Used by `begin`."""
        self._definition = definition
        self._run_id = run_id
        self._newest = newest
        self._left = left
        self._strands: dict[str, Strand] = {}
        self._pending: dict[Pos, str] = {}
        self._records: tuple[StepRecord, ...] = ()
        self._finish: Finish | None = None
        self._failed: Snapshot | None = None

    # ---------------------------------------------------------------------------------------------------------- shows

    @property
    def definition(self) -> Definition:
        """What is executed."""
        return self._definition

    @property
    def envelope(self) -> JsonObject:
        """The envelope as it stands; nobody may change it. Of a concurrent loop: what could be merged so far."""
        root = self._strands[ROOT]
        top = root.stack[-1] if root.stack else None
        return top.envelope if isinstance(top, AtItems) else root.envelope

    @property
    def steps(self) -> tuple[StepRecord, ...]:
        """The records that the last event changed, one for each `Pos`, in the order in which they first did."""
        return self._records

    @property
    def done(self) -> bool:
        """True when the run has ended: only `RetryRequested` changes it now, and only if it failed."""
        return self._finish is not None

    @property
    def finish(self) -> Finish | None:
        """How the run ended; None while it has not."""
        return self._finish

    @property
    def pending(self) -> tuple[Command, ...]:
        """The commands that wait for their answers: what whoever takes a run over must see to."""
        found = []
        for key in self._pending.values():
            waiting = self._strands[key].waiting
            if waiting is not None:
                found.append(waiting.command)
        return tuple(found)

    @property
    def status(self) -> RunStatus:
        """RUNNING while an action is to be called, WAITING while only time, events, people or children are awaited."""
        if self._finish is not None:
            return self._finish.status
        busy = any(isinstance(command, CallAction) for command in self.pending)
        return RunStatus.RUNNING if busy else RunStatus.WAITING

    # ----------------------------------------------------------------------------------------------------------- moves

    def send(self, event: Event) -> tuple[Command, ...]:
        """Take ``event`` in and say what is to be done about it.

        An event that fits nothing (late, sent twice, for a step that does not wait any more) changes nothing. Raises
        `EvaluationAborted` where the machine was too slow, and has then changed nothing either: send it again.
        """
        turn = Turn(self._run_id, event.at, self._newest, self._strands, self._pending, self._left)
        if not self._apply(turn, event):
            self._records = ()
            return ()
        turn.drain()
        return self._take(turn)

    def _apply(self, turn: Turn, event: Event) -> bool:
        """False when ``event`` fits nothing."""
        match event:
            case Started():
                return False
            case CancelRequested():
                if self._finish is not None:
                    return False
                routing.canceled(turn)
            case RetryRequested():
                if self._failed is None:
                    return False
                routing.go_on(turn, self._failed)
            case _:
                key = self._pending.get(event.pos)
                if key is None or not _fits(self._strands[key].waiting, event):
                    return False
                turn.resume(turn.own(key), event)
        return True

    def _begin(self, started: Started) -> tuple[Command, ...]:
        turn = Turn(self._run_id, started.at, self._newest, {}, {}, self._left)
        root = Strand(ROOT, None, 0, (AtBlock(self._definition.steps),), new_envelope(started), {}, "")
        turn.add(root)
        turn.ready.append(ROOT)
        turn.drain()
        return self._take(turn)

    def _take(self, turn: Turn) -> tuple[Command, ...]:
        self._strands = turn.strands
        self._pending = turn.pending
        self._records = tuple(turn.records.values())
        self._finish = turn.finish
        self._failed = turn.failed
        self._left = turn.steps_left
        return tuple(turn.commands)


def _fits(waiting: Waiting | None, event: Event) -> bool:
    """True when ``event`` answers what is waited for."""
    if waiting is None:
        return False
    command = waiting.command
    if not isinstance(event, _ANSWERS[type(command)]):
        return False
    if isinstance(event, Fired):
        due = command.timeout if isinstance(command, WaitEvent) else command.due  # type: ignore[union-attr]
        # The back-off before this attempt had the same position: its Fired, sent twice, would end the wait at once.
        late = waiting.attempt == 1 or (isinstance(command, WaitUntil) and command.reason == "retry")
        return due is not None and (late or event.at + _EARLY >= due)
    return True


def begin(
    definition: JsonObject | Definition, started: Started, registry: Registry, *, max_steps: int | None = None
) -> tuple[Machine, tuple[Command, ...]]:
    """Start a run: the machine after its first turn, and what is to be done.

    ``max_steps`` ends a run that takes more as FAILED with code ``STEP_LIMIT``: simulations have no other end.
    Raises `InvalidDefinition` with every structural fault, and `EvaluationAborted` as `Machine.send` does.
    """
    compiled = definition if isinstance(definition, Definition) else compile_definition(definition)
    machine = Machine(compiled, started.run_id, lambda action: max(registry.versions(action), default=1), max_steps)
    return machine, machine._begin(started)  # noqa: SLF001 — a machine is born here


def fold(definition: JsonObject | Definition, history: Iterable[Event], registry: Registry) -> Machine:
    """The machine that ``history``, which begins with `Started`, leads to.

    Raises ValueError when it begins with something else, and what `begin` raises.
    """
    events = iter(history)
    started = next(events, None)
    if not isinstance(started, Started):
        raise ValueError("a history begins with Started")  # noqa: TRY004 — the type is right, the history is not
    machine, _ = begin(definition, started, registry)
    for event in events:
        machine.send(event)
    return machine
