"""Calls of actions: the row before, the call outside of any transaction, and its outcome (runtime.md "Idempotency")."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wfsync.bundle.model import Json
from wfsync.runtime.calling import PreparedCall, perform, prepare
from wfsync.runtime.engine.context import CallContext
from wfsync.runtime.engine.journal import Journal
from wfsync.runtime.engine.services import Services
from wfsync.runtime.engine.storable import storable
from wfsync.runtime.history import failure_to_json
from wfsync.runtime.protocol import CallAction, Failed, Failure, Pos, Succeeded
from wfsync.runtime.step_failure import StepFailed
from wfsync.store.runtime.invocations import Before, Calling, InvocationEnd, start_invocation
from wfsync.store.runtime.turns import Begun, LogRow

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["Call", "Outcome", "claim", "make", "not_made", "outcome_of", "prepared_call"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: an event for the interpreter once it has a time, and rows."""

    pos: Pos
    output: Json = None
    failure: Failure | None = None
    end: InvocationEnd | None = None
    """Of the call's row; None where it has none, or where the row is not ours to end."""
    lines: tuple[LogRow, ...] = ()

    def event(self, journal: Journal) -> Succeeded | Failed:
        """What the interpreter hears."""
        at = journal.now()
        if self.failure is not None:
            return Failed(at, self.pos, self.failure)
        return Succeeded(at, self.pos, self.output)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may be made."""

    command: CallAction
    prepared: PreparedCall
    context: CallContext = field(repr=False)

    @property
    def scope(self) -> tuple[str, int, str]:
        """Within which nothing is done twice: action, version, key."""
        return self.command.action, self.command.version, self.prepared.key


def prepared_call(services: Services, run_id: str, command: CallAction, journal: Journal) -> Call | Outcome:
    """The call, ready to be made; or what came of it because it cannot be made."""
    try:
        prepared = prepare(command, run_id, services.registry, services.secrets)
    except StepFailed as error:
        return Outcome(command.pos, failure=error.failure)
    context = CallContext(run_id, command, prepared.key, journal.now(), services.environ)
    return Call(command, prepared, context)


def claim(conn: Connection, services: Services, begun: Begun, call: Call) -> Before:
    """Write the call's row, inside the transaction that holds the run."""
    pos = call.command.pos
    # The input as the history has it: references to secrets, never their values.
    calling = Calling(*call.scope, pos.path, pos.iteration, pos.attempt, call.command.input)
    return start_invocation(conn, services.place, begun, calling)


def outcome_of(call: Call, before: Before) -> Outcome | None:
    """What is known of a call from before; None: it is to be made.

    A call whose outcome nobody knows is made again with the same key, unless its action forbids that.
    """
    if before.state == "succeeded":
        return Outcome(call.command.pos, before.output)
    if before.state == "unknown" and call.prepared.action.ambiguous == "fail":
        action = call.prepared.action
        failure = Failure(
            "ActionError",
            f"{action.id} was called before, and nobody knows what came of it; it must not be called again",
            "AMBIGUOUS_OUTCOME",
        )
        return Outcome(
            call.command.pos, failure=failure, end=InvocationEnd(*call.scope, error=failure_to_json(failure))
        )
    return None


def not_made(call: Call) -> InvocationEnd:
    """The outcome of a call whose row was written and which was not made after all."""
    failure = Failure("ActionError", "the run was canceled before the call was made", "NOT_MADE")
    return InvocationEnd(*call.scope, error=failure_to_json(failure))


def make(call: Call) -> Outcome:
    """Call, and say what came of it. Raises nothing that an action may raise."""
    recorded = call.prepared.action.side_effects or call.prepared.action.transactional
    redactor = call.prepared.redactor
    output: Json = None
    failure: Failure | None = None
    try:
        output = storable(perform(call.prepared, call.context))
    except StepFailed as error:
        kept = error.failure
        failure = Failure(kept.category, kept.message, kept.code, storable(kept.details), kept.retryable)
    end = InvocationEnd(*call.scope, output, failure and failure_to_json(failure)) if recorded else None
    lines = tuple(
        LogRow(line.path, line.level, redactor.text(line.message), redactor.value(line.context), line.at)
        for line in call.context.lines
    )
    return Outcome(call.command.pos, output, failure, end, lines)
