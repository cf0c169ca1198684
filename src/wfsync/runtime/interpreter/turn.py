"""One turn: an event taken in, and the steps that can be taken because of it.

A turn works on copies of the strands that it touches. Only when it has ended does the machine take them over: an
evaluation that was aborted leaves no trace, and the same event can be sent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.assignment import REMOVED, Write, writes
from wfsync.runtime.definition import CallStep, ForEachStep, IfStep, NodeStep, ReturnStep, Step, TryStep
from wfsync.runtime.envelope import scope_of
from wfsync.runtime.interpreter import blocks, children, items, routing
from wfsync.runtime.interpreter.frames import (
    ROOT,
    Asked,
    AtBlock,
    AtIf,
    AtItems,
    AtLoop,
    AtTry,
    Snapshot,
    Strand,
    Waiting,
)
from wfsync.runtime.nodes import Done, Parked, Standing
from wfsync.runtime.protocol import (
    CallAction,
    ChildEnded,
    Command,
    Event,
    Failed,
    Failure,
    Finish,
    Pos,
    RunStatus,
    StepRecord,
    StepStatus,
    WaitUntil,
)
from wfsync.runtime.redaction import mask_redactions
from wfsync.runtime.step_failure import StepFailed, error_object

__all__ = ["Turn"]


class Turn:
    """The state of a run while one event is taken in."""

    def __init__(
        self,
        run_id: str,
        at: datetime,
        newest: Callable[[str], int],
        strands: Mapping[str, Strand],
        pending: Mapping[Pos, str],
        steps_left: int | None = None,
    ) -> None:
        self.run_id = run_id
        self.at = at
        self.newest = newest
        self.strands = dict(strands)
        self.pending = dict(pending)
        self.steps_left = steps_left
        self.ready: deque[str] = deque()
        self.commands: list[Command] = []
        self.records: dict[Pos, StepRecord] = {}
        self.finish: Finish | None = None
        self.failed: Snapshot | None = None
        self._owned: set[str] = set()

    # ------------------------------------------------------------------------------------------------------- strands

    def own(self, key: str) -> Strand:
        """The strand ``key``, free to be changed."""
        strand = self.strands[key]
        if key not in self._owned:
            strand = strand.copy()
            self.add(strand)
        return strand

    def add(self, strand: Strand) -> None:
        """A strand that this turn made."""
        self.strands[strand.key] = strand
        self._owned.add(strand.key)

    def drop(self, strand: Strand) -> None:
        """A strand has ended."""
        del self.strands[strand.key]
        self._owned.discard(strand.key)

    def drain(self) -> None:
        """Take every step that can be taken, strand after strand, until all wait or the run ends."""
        while self.ready and self.finish is None:
            key = self.ready.popleft()
            if key in self.strands:
                strand = self.own(key)
                while self._advance(strand):
                    pass

    def _advance(self, strand: Strand) -> bool:
        """Take one step; False when the strand waits or is no more."""
        if self.finish is not None:
            return False
        frame = strand.stack[-1] if strand.stack else None
        match frame:
            case AtBlock(steps, index):
                if index < len(steps):
                    strand.stack = (*strand.stack[:-1], AtBlock(steps, index + 1))
                    return self.enter(strand, steps[index], 1, 1)
                strand.stack = strand.stack[:-1]
                return True
            case AtIf() | AtTry():
                return blocks.leave(self, strand, frame)
            case AtLoop():
                return items.next_item(self, strand, frame, failed=False)
            case AtItems():
                return False
            case None:
                return self._ended(strand)

    def _ended(self, strand: Strand) -> bool:
        if strand.parent is None:
            self.end(strand, RunStatus.SUCCEEDED)
        else:
            items.ended(self, strand)
        return False

    def end(self, root: Strand, status: RunStatus, error: JsonObject | None = None) -> None:
        """The run ends."""
        if error is not None:
            root.envelope = {**root.envelope, "error": error}
        self.finish = Finish(status, root.envelope, error)
        self.commands.append(self.finish)
        self.pending.clear()

    def fail_loop(self, strand: Strand, failure: Failure) -> bool:
        """The concurrent loop on top of ``strand`` failed by itself. True when ``strand`` goes on."""
        return routing.loop_failed(self, strand, failure)

    def cancel(self, strand: Strand) -> None:
        """An item that still runs is canceled, with all that it began."""
        routing.cancel(self, strand)

    # --------------------------------------------------------------------------------------------------------- steps

    def enter(self, strand: Strand, step: Step, attempt: int, first: int, call: CallAction | None = None) -> bool:
        """Begin an attempt of ``step``; ``first`` is the one its tries began with. True when the strand goes on.

        ``call`` is made again as it was: its key, and what was sent under it, may hang on the time of the first one.
        """
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                failure = Failure("ValidationError", "the run takes more steps than it may", "STEP_LIMIT")
                root = self.own(ROOT)
                self.end(root, RunStatus.FAILED, error_object(failure, step.path, self.at))
                return False
        pos = Pos(step.path, strand.iteration, attempt)
        if call is not None and isinstance(step, NodeStep):
            self.park(strand, step, replace(call, pos=pos), first, call.input)
            return False
        try:
            match step:
                case NodeStep():
                    result = step.node.enter(Standing(strand.envelope, strand.local, self.at, pos, self.newest))
                    if isinstance(result, Parked):
                        self.park(strand, step, result.command, first, result.input)
                        return False
                    return self._done(strand, step, pos, result, result.input)
                case IfStep() | TryStep():
                    return blocks.enter(self, strand, step, pos)
                case ForEachStep():
                    return items.enter(self, strand, step, pos)
                case CallStep():
                    command = children.ask(step, pos, scope_of(strand.envelope, strand.local), self.at)
                    self.park(strand, step, command, first, command.payload)
                    return False
                case ReturnStep():
                    self.record(strand, pos, step, StepStatus.SUCCEEDED)
                    routing.returned(self, strand)
                    return False
        except StepFailed as failed:
            return routing.failed(self, strand, step, pos, first, failed.failure)

    def park(self, strand: Strand, step: NodeStep | CallStep, command: Asked, first: int, shown: Json) -> None:
        """``strand`` waits for the answer to ``command``."""
        pos = command.pos
        strand.waiting = Waiting(step, command, shown, pos.attempt, first)
        self.pending[pos] = strand.key
        self.commands.append(command)
        self.record(strand, pos, step, StepStatus.STARTED, shown)

    def back_off(self, strand: Strand, waiting: Waiting) -> None:
        """``strand`` waits until a step is tried again."""
        command = waiting.command
        strand.waiting = waiting
        self.pending[command.pos] = strand.key
        self.commands.append(command)

    def resume(self, strand: Strand, event: Event) -> None:
        """``event`` answers what ``strand`` waits for."""
        waiting = cast("Waiting", strand.waiting)
        strand.waiting = None
        pos, step = waiting.command.pos, waiting.step
        del self.pending[pos]
        if isinstance(waiting.command, WaitUntil) and waiting.command.reason == "retry":
            goes_on = self.enter(strand, step, waiting.attempt, waiting.first, waiting.call)
        else:
            goes_on = self._answered(strand, waiting, pos, event)
        if goes_on:
            self.ready.append(strand.key)

    def _answered(self, strand: Strand, waiting: Waiting, pos: Pos, event: Event) -> bool:
        step = waiting.step
        if isinstance(event, Failed):
            return routing.failed(self, strand, step, pos, waiting.first, event.failure, waiting)
        try:
            if isinstance(step, CallStep):
                done = children.taken(step, cast("ChildEnded", event), scope_of(strand.envelope, strand.local), self.at)
            else:
                here = Standing(strand.envelope, strand.local, self.at, pos, self.newest)
                done = step.node.resume(here, waiting.command, event)
            return self._done(strand, step, pos, done, waiting.shown)
        except StepFailed as failed:
            return routing.failed(self, strand, step, pos, waiting.first, failed.failure, waiting)

    def _done(self, strand: Strand, step: Step, pos: Pos, done: Done, shown: Json) -> bool:
        self.write(strand, done.writes)
        self.record(strand, pos, step, StepStatus.SUCCEEDED, shown, done.output)
        return True

    # ------------------------------------------------------------------------------------------- envelope and records

    def write(self, strand: Strand, many: Iterable[Write]) -> None:
        """Assign in ``strand``: all of ``many``, or, where that raises `StepFailed`, none."""
        many = tuple(many)
        strand.envelope = writes(strand.envelope, many)
        if strand.parent is not None:
            for one in many:
                strand.journal = (strand.journal, one)

    def set_error(self, strand: Strand, error: Json) -> None:
        """``error`` of the envelope; None takes it away."""
        self.write(strand, ((("error",), REMOVED if error is None else error),))

    def record(
        self,
        strand: Strand,
        pos: Pos,
        step: Step,
        status: StepStatus,
        shown: Json = None,
        output: Json = None,
        error: JsonObject | None = None,
    ) -> None:
        """How ``step`` stands now, for whoever shows runs; what ``meta.redactions`` names is masked."""
        if strand.envelope["meta"].get("redactions"):
            shown, output, error = mask_redactions(strand.envelope, (shown, output, error))
        self.records[pos] = StepRecord(pos, step.id, step.type, status, self.at, shown, output, error)
