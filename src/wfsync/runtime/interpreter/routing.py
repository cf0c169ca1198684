"""Where a failure goes, and how a run ends before its last step (spec: runtime.md "Semantics").

A failure goes to the step's retries, its ``onError: continue``, the nearest enclosing ``try``, a loop's
``onItemError: continue``, the run. Taken to the letter: a ``try`` around a loop comes before its ``onItemError``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from wfsync.bundle.model import JsonObject
from wfsync.runtime.backoff import delay_ms, wants_retry
from wfsync.runtime.definition import CallStep, NodeStep, Step
from wfsync.runtime.interpreter import blocks, items
from wfsync.runtime.interpreter.frames import (
    ROOT,
    AtBlock,
    AtIf,
    AtItems,
    AtLoop,
    AtTry,
    Frame,
    Snapshot,
    Strand,
    Waiting,
)
from wfsync.runtime.moments import delayed
from wfsync.runtime.protocol import CallAction, Failure, Pos, RunStatus, StepStatus, WaitUntil
from wfsync.runtime.step_failure import StepFailed, error_object

if TYPE_CHECKING:
    from wfsync.bundle.model import Json
    from wfsync.runtime.interpreter.turn import Turn

__all__ = ["cancel", "canceled", "failed", "go_on", "loop_failed", "returned"]

Handler = tuple[str, int]
"""A strand, and the frame in it that takes a failure."""


def failed(
    turn: Turn, strand: Strand, step: Step, pos: Pos, first: int, failure: Failure, waiting: Waiting | None = None
) -> bool:
    """An attempt of ``step``, which had been ``waiting``, failed. True when ``strand`` goes on."""
    shown, call = (None, None) if waiting is None else (waiting.shown, waiting.repeats)
    error = error_object(failure, step.path, turn.at)
    if isinstance(step, NodeStep | CallStep):
        tries = pos.attempt - first + 1
        if step.retry is not None and wants_retry(step.retry, failure, tries):
            turn.record(strand, pos, step, StepStatus.RETRY_SCHEDULED, shown, None, error)
            due = delayed(turn.at, delay_ms(step.retry, tries, turn.run_id, pos))
            again = Pos(pos.path, pos.iteration, pos.attempt + 1)
            turn.back_off(strand, Waiting(step, WaitUntil(again, due, "retry"), None, again.attempt, first, call))
            return False
        if step.on_error == "continue":
            turn.record(strand, pos, step, StepStatus.FAILED, shown, None, error)
            return True
    turn.record(strand, pos, step, StepStatus.FAILED, shown, None, error)
    return _route(turn, strand, step, pos, error, call)


def loop_failed(turn: Turn, strand: Strand, failure: Failure) -> bool:
    """The concurrent loop on top of ``strand`` failed by itself. True when ``strand`` goes on."""
    frame = cast("AtItems", strand.stack[-1])
    error = error_object(failure, frame.step.path, turn.at)
    pos = Pos(frame.step.path, strand.iteration)
    items.abandon(turn, strand, frame)
    turn.record(strand, pos, frame.step, StepStatus.FAILED, items.shown_of(frame.step, frame.items), None, error)
    return _route(turn, strand, frame.step, pos, error)


def _route(turn: Turn, strand: Strand, step: Step, pos: Pos, error: JsonObject, call: CallAction | None = None) -> bool:
    handler = _handler(turn, strand)
    if handler is None:
        strands = {key: one.copy() for key, one in turn.strands.items()}
        turn.failed = Snapshot(strands, strand.key, step, pos.attempt, call)
        root = _unwind(turn, strand, None, StepStatus.FAILED, error)
        turn.end(root, RunStatus.FAILED, error)
        return False
    taking = _unwind(turn, strand, handler, StepStatus.FAILED, error)
    frame = taking.stack[-1]
    match frame:
        case AtTry():
            goes_on = _caught(turn, taking, frame, error)
        case AtLoop():
            goes_on = items.next_item(turn, taking, frame, failed=True)
        case _:
            goes_on = items.fill(turn, taking)
    if taking is strand:
        return goes_on
    if goes_on:
        turn.ready.append(taking.key)
    return False


def _caught(turn: Turn, strand: Strand, frame: AtTry, error: JsonObject) -> bool:
    try:
        blocks.catch(turn, strand, error)
    except StepFailed as unwritable:  # the captured variable has no place: the tryCatch itself fails
        strand.stack = strand.stack[:-1]
        pos = Pos(frame.step.path, strand.iteration)
        return failed(turn, strand, frame.step, pos, 1, unwritable.failure)
    return True


def _handler(turn: Turn, strand: Strand) -> Handler | None:
    """The frame that takes a failure of ``strand``: the nearest ``try``, else the nearest loop that continues."""
    loop: Handler | None = None
    current: Strand | None = strand
    while current is not None:
        for depth in range(len(current.stack) - 1, -1, -1):
            frame = current.stack[depth]
            if isinstance(frame, AtTry) and frame.phase == "try":
                return current.key, depth
            if loop is None and isinstance(frame, AtLoop | AtItems) and frame.step.on_item_error == "continue":
                loop = (current.key, depth)
        current = None if current.parent is None else turn.strands[current.parent]
    return loop


def _unwind(
    turn: Turn, strand: Strand, until: Handler | None, status: StepStatus, error: JsonObject | None = None
) -> Strand:
    """Leave every block above the frame ``until`` (None: all of the run), which is then on top of the strand given."""
    while True:
        stop = until[1] if until is not None and until[0] == strand.key else -1
        while len(strand.stack) - 1 > stop:
            _leave(turn, strand, strand.stack[-1], status, error)
        if stop >= 0 or strand.parent is None:
            return strand
        parent = turn.own(strand.parent)
        turn.drop(strand)
        with suppress(StepFailed):  # what cannot be merged is left out: there is a graver failure
            items.take(parent, strand, failed=True)
        strand = parent


def _leave(turn: Turn, strand: Strand, frame: Frame, status: StepStatus, error: JsonObject | None) -> None:
    """Take ``frame``, the top, off the stack and restore what it changed."""
    match frame:
        case AtBlock():
            strand.stack = strand.stack[:-1]
            return
        case AtItems():
            items.abandon(turn, strand, frame)
        case AtLoop():
            strand.stack = strand.stack[:-1]
            strand.local, strand.iteration = frame.outer_local, frame.outer_iteration
        case AtTry():
            strand.stack = strand.stack[:-1]
            if frame.phase == "catch":
                turn.set_error(strand, frame.outer_error)
        case AtIf():
            strand.stack = strand.stack[:-1]
    shown, output = _shown(frame)
    turn.record(strand, Pos(frame.step.path, strand.iteration), frame.step, status, shown, output, error)


def _shown(frame: AtIf | AtTry | AtLoop | AtItems) -> tuple[Json, Json]:
    match frame:
        case AtIf():
            return frame.shown, {"branch": frame.branch}
        case AtTry():
            return None, {"caught": frame.phase == "catch"}
        case _:
            return items.shown_of(frame.step, frame.items), None


# ---------------------------------------------------------------------------------------------------------------- ends


def returned(turn: Turn, strand: Strand) -> None:
    """``control.return``: the run has succeeded, wherever it stands; items that still run are canceled."""
    turn.end(_unwind(turn, strand, None, StepStatus.SUCCEEDED), RunStatus.SUCCEEDED)


def canceled(turn: Turn) -> None:
    """The run is canceled."""
    root = turn.own(ROOT)
    _cancel_waiting(turn, root)
    turn.end(_unwind(turn, root, None, StepStatus.CANCELED), RunStatus.CANCELED)


def cancel(turn: Turn, strand: Strand) -> None:
    """An item that still runs is canceled, with all that it began."""
    _cancel_waiting(turn, strand)
    while strand.stack:
        _leave(turn, strand, strand.stack[-1], StepStatus.CANCELED, None)
    turn.drop(strand)


def _cancel_waiting(turn: Turn, strand: Strand) -> None:
    waiting = strand.waiting
    if waiting is not None:
        strand.waiting = None
        turn.pending.pop(waiting.command.pos, None)
        turn.record(strand, waiting.command.pos, waiting.step, StepStatus.CANCELED, waiting.shown)


def go_on(turn: Turn, snapshot: Snapshot) -> None:
    """``retry`` of a run that failed: its failed step is entered again, with tries of its own.

    Steps of other items that waited then were canceled as the run failed; they begin anew as well.
    """
    for strand in snapshot.strands.values():
        turn.add(strand.copy())
    for key in snapshot.strands:
        strand = turn.strands[key]
        _reopen(turn, strand)
    for key in snapshot.strands:
        if turn.finish is not None or key not in turn.strands:
            return
        strand = turn.strands[key]
        waiting = strand.waiting
        if key == snapshot.key:
            again = snapshot.attempt + 1 if isinstance(snapshot.step, NodeStep | CallStep) else 1
            goes_on = turn.enter(strand, snapshot.step, again, again, snapshot.call)
        elif waiting is not None:
            strand.waiting = None
            goes_on = turn.enter(strand, waiting.step, waiting.attempt + 1, waiting.first + 1, waiting.repeats)
        else:
            goes_on = not isinstance(strand.stack[-1], AtItems)
        if goes_on:
            turn.ready.append(key)


def _reopen(turn: Turn, strand: Strand) -> None:
    iteration = strand.iteration
    for frame in reversed(strand.stack):
        if isinstance(frame, AtBlock):
            continue
        if isinstance(frame, AtLoop):
            iteration = frame.outer_iteration
        shown, output = _shown(frame)
        turn.record(strand, Pos(frame.step.path, iteration), frame.step, StepStatus.STARTED, shown, output)
