"""``control.if`` and ``control.tryCatch``: into a branch, and out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from wfsync.bundle.model import JsonObject
from wfsync.expressions import MISSING
from wfsync.runtime.definition import IfStep, TryStep
from wfsync.runtime.envelope import scope_of
from wfsync.runtime.interpreter.frames import AtBlock, AtIf, AtTry, Strand
from wfsync.runtime.interpreter.reasons import operands
from wfsync.runtime.nodes.fields import kind
from wfsync.runtime.protocol import Pos, StepStatus
from wfsync.runtime.step_failure import invalid
from wfsync.runtime.template import evaluate, missing_result

if TYPE_CHECKING:
    from wfsync.runtime.interpreter.turn import Turn

__all__ = ["catch", "enter", "leave"]


def enter(turn: Turn, strand: Strand, step: IfStep | TryStep, pos: Pos) -> bool:
    """Into the branch that the condition says, or into ``try``. Raises `StepFailed`."""
    if isinstance(step, TryStep):
        strand.stack = (*strand.stack, AtTry(step, "try", None), AtBlock(step.attempt))
        turn.record(strand, pos, step, StepStatus.STARTED)
        return True
    scope = scope_of(strand.envelope, strand.local)
    value = evaluate(step.condition, scope, turn.at)
    if value is MISSING:
        raise missing_result(step.condition)
    if not isinstance(value, bool):
        raise invalid(f"the condition must be true or false, not {kind(value)}", code="CONDITION_NOT_BOOLEAN")
    branch: Literal["then", "else"] = "then" if value else "else"
    shown: JsonObject = {"condition": value}
    if values := operands(step.condition, scope):
        shown["values"] = values
    strand.stack = (*strand.stack, AtIf(step, shown, branch), AtBlock(step.then if value else step.otherwise))
    turn.record(strand, pos, step, StepStatus.STARTED, shown, {"branch": branch})
    return True


def catch(turn: Turn, strand: Strand, error: JsonObject) -> None:
    """From ``try``, the top of the stack, into ``catch``: ``error`` and the captured variable hold ``error``."""
    frame = cast("AtTry", strand.stack[-1])
    outer = strand.envelope.get("error")
    strand.stack = (*strand.stack[:-1], AtTry(frame.step, "catch", outer), AtBlock(frame.step.catch))
    turn.set_error(strand, error)
    if frame.step.capture is not None:
        turn.write(strand, ((frame.step.capture, error),))


def leave(turn: Turn, strand: Strand, frame: AtIf | AtTry) -> bool:
    """A branch has come to its end."""
    strand.stack = strand.stack[:-1]
    pos = Pos(frame.step.path, strand.iteration)
    if isinstance(frame, AtIf):
        turn.record(strand, pos, frame.step, StepStatus.SUCCEEDED, frame.shown, {"branch": frame.branch})
        return True
    if frame.phase == "catch":
        turn.set_error(strand, frame.outer_error)
    turn.record(strand, pos, frame.step, StepStatus.SUCCEEDED, None, {"caught": frame.phase == "catch"})
    return True
