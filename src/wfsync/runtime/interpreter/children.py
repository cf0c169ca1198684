"""``control.callWorkflow``: what a child run is given, and what its parent takes from it.

``outputMapping`` sees the child's ``payload`` and ``vars`` under these names; everything else is the parent's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from wfsync.bundle.model import Json
from wfsync.runtime.assignment import InvalidPath, Write, parse_saved
from wfsync.runtime.definition import CallStep
from wfsync.runtime.nodes import Done
from wfsync.runtime.protocol import ChildEnded, Failure, Pos, RunStatus, StartChild
from wfsync.runtime.step_failure import StepFailed, invalid

__all__ = ["ask", "taken"]


def ask(step: CallStep, pos: Pos, scope: Mapping[str, Json], at: datetime) -> StartChild:
    """The child that ``step`` wants. Raises `StepFailed`."""
    return StartChild(pos, step.workflow_id, step.version, step.input.resolve(scope, at))


def taken(step: CallStep, event: ChildEnded, scope: Mapping[str, Json], at: datetime) -> Done:
    """What the end of the child means to ``step``. Raises `StepFailed`: the child's failure is the step's."""
    if event.status is not RunStatus.SUCCEEDED:
        raise StepFailed(event.failure or _unexplained(event))
    output = event.output if isinstance(event.output, dict) else {}
    theirs = {**scope, "payload": output.get("payload", {}), "vars": output.get("vars", {})}
    assigned: list[Write] = []
    for path, template in step.output:
        try:
            assigned.append((parse_saved(path), template.resolve(theirs, at)))
        except InvalidPath as wrong:
            raise invalid(str(wrong), code="INVALID_ASSIGN_PATH") from None
    return Done(tuple(assigned), output=event.output)


def _unexplained(event: ChildEnded) -> Failure:
    if event.status is RunStatus.CANCELED:
        return Failure("ActionError", "the called workflow was canceled", "CHILD_CANCELED")
    return Failure("ActionError", "the called workflow failed", "CHILD_FAILED")
