"""One turn of a run: from what was recorded to the next wait, or to the end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Final

from wfsync.errors import DatabaseError, LockTimeout
from wfsync.expressions import EvaluationAborted
from wfsync.runtime.definition import InvalidDefinition
from wfsync.runtime.engine.answers import event_of, id_of, wait_of
from wfsync.runtime.engine.calls import Call, Outcome, claim, make, not_made, outcome_of, prepared_call
from wfsync.runtime.engine.children import child_of
from wfsync.runtime.engine.journal import Journal, Superseded
from wfsync.runtime.engine.services import Services
from wfsync.runtime.envelope import new_envelope
from wfsync.runtime.history import event_from_json
from wfsync.runtime.interpreter import Machine, begin
from wfsync.runtime.protocol import (
    CallAction,
    CancelRequested,
    Event,
    Failed,
    Failure,
    Finish,
    Pos,
    RetryRequested,
    RunStatus,
    StartChild,
    Started,
)
from wfsync.runtime.redaction import redacted_envelope
from wfsync.runtime.step_failure import error_object
from wfsync.store.runtime import turns
from wfsync.store.runtime.ending import End
from wfsync.store.runtime.invocations import Before
from wfsync.store.runtime.pool import is_lost, undoable
from wfsync.store.runtime.turns import Found, LogRow

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = ["take_turn"]

_MOST_ABORTS: Final = 10
"""After so many turns in a row that came to nothing the run fails: somebody should look."""
_BUSY_SECONDS: Final = 0.5
"""How long to leave a call alone that another run makes under the same key."""


def take_turn(services: Services, run_id: str) -> bool:
    """Take the run as far as it goes; False when there was nothing to take: the run is gone, ended, or another's.

    Never raises for what a workflow does. Raises `DatabaseError` when the database stays away: nothing is lost, and
    somebody else takes the turn.
    """
    with services.pool.session() as conn:
        found = turns.begin(conn, services.place, run_id, services.worker_id)
    if found is None:
        return False
    turn = _Turn(services, found)
    try:
        turn.go()
    except Superseded:
        return False
    return True


class _Turn:
    """What `take_turn` holds while it works."""

    def __init__(self, services: Services, found: Found) -> None:
        self._services = services
        self._found = found
        self._run_id = found.begun.run_id
        self._journal = Journal(services.pool, found)
        self._machine: Machine | None = None
        self._open = set(found.open_waits)
        self._canceled = False
        self._flying: dict[Future[Outcome], Call] = {}
        self._postponed: set[Pos] = set()
        """Calls that another run makes right now under the same key."""
        self._behind: set[Pos] = set()
        """Calls whose key is that of another call of this run, until that one is back."""

    # -- from the beginning to the end ---------------------------------------------------------------------------

    def go(self) -> None:
        """Take the turn. Raises as `take_turn`, and `Superseded`."""
        try:
            self._go()
        except Superseded:
            raise
        except DatabaseError as error:
            if is_lost(error) or isinstance(error, LockTimeout):
                raise
            self._journal.discard()  # a statement of ours that the database refuses
            self._abort(Failure("ActionError", f"the step cannot be recorded: {error.message}", error.code))
        except InvalidDefinition as error:
            self._fail(Failure("ValidationError", error.message, error.code))
        except EvaluationAborted as error:
            self._abort(Failure("TimeoutError", f"an expression was evaluated for too long: {error}", "EVALUATION"))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not be tried again for ever
            self._abort(Failure("ActionError", f"wfsync itself failed: {type(error).__name__}: {error}", "INTERNAL"))

    def _go(self) -> None:
        machine = self._folded()
        if machine is None:
            return
        self._machine = machine
        self._hear(machine)
        while not machine.done:
            if self._services.stopping.is_set():
                self._hand_over(machine)
                return
            if self._open_waits(machine):
                continue
            calls = self._calls(machine)
            if calls:
                self._call(machine, calls)
            elif self._flying:
                self._land(machine)
            elif self._rest(machine):
                return
        self._finish(machine)

    def _folded(self) -> Machine | None:
        """The machine as the history leads to it; a new run begins here."""
        found = self._found
        definition = self._services.definition(found.definition_hash)
        if definition is None:
            self._fail(Failure("ValidationError", "the definition of this run is gone", "DEFINITION_GONE"))
            return None
        if not found.history:
            started = self._started()
            machine, _ = begin(definition, started, self._services.registry)
            self._journal.add(started, machine.steps)
            return machine
        events = [event_from_json(tree) for tree in found.history]
        first = events[0]
        if not isinstance(first, Started):
            raise TypeError("a history begins with Started")
        machine, _ = begin(definition, first, self._services.registry)
        for event in events[1:]:
            machine.send(event)
        self._journal.heard(events[-1].at)
        return machine

    def _started(self) -> Started:
        found = self._found
        return Started(found.started_at, self._run_id, found.workflow_label, found.version, found.payload)

    def _hear(self, machine: Machine) -> None:
        """What happened since the last turn."""
        if self._found.retry_requested:
            self._journal.batch.retried = True
            self._send(machine, RetryRequested(self._journal.now()))
        for entry in self._found.inbox:
            self._journal.batch.consumed.append(entry.wait_id)
            self._open.discard(entry.wait_id)
            self._send(machine, event_of(entry, self._journal.not_before(entry.resolved_at)))
        if self._found.cancel_requested:
            self._cancel(machine, self._found.cancel_reason)

    def _cancel(self, machine: Machine, reason: str) -> None:
        if not self._canceled and not machine.done:
            self._canceled = True
            self._send(machine, CancelRequested(self._journal.now(), reason))

    def _send(self, machine: Machine, event: Event) -> None:
        machine.send(event)
        self._journal.add(event, machine.steps)

    # -- waits ---------------------------------------------------------------------------------------------------

    def _open_waits(self, machine: Machine) -> bool:
        """Enter every wait that the run has come to; True when a child could not be started, and the run went on."""
        went_on = False
        for command in machine.pending:
            if isinstance(command, CallAction | Finish):
                continue
            identity = id_of(self._run_id, command, command.pos)
            if identity in self._open:
                continue
            self._open.add(identity)
            if isinstance(command, StartChild):
                child = child_of(self._services, self._found, command)
                if isinstance(child, Failure):
                    self._send(machine, Failed(self._journal.now(), command.pos, child))
                    went_on = True
                    continue
                self._journal.batch.waits.append(child)
            else:
                self._journal.batch.waits.append(wait_of(command))
        return went_on

    def _rest(self, machine: Machine) -> bool:
        """Record, and end the turn: the run waits. False when it was canceled meanwhile."""
        if self._postponed:
            self._journal.batch.again_in = _BUSY_SECONDS
        else:
            self._journal.batch.status = "WAITING"
        self._record()
        return not machine.done

    # -- calls ---------------------------------------------------------------------------------------------------

    def _calls(self, machine: Machine) -> list[CallAction]:
        """The calls that are yet to be made."""
        busy = {call.command.pos for call in self._flying.values()} | self._postponed | self._behind
        return [c for c in machine.pending if isinstance(c, CallAction) and c.pos not in busy]

    def _call(self, machine: Machine, commands: list[CallAction]) -> None:
        """Make calls: one here, many side by side; those with effects get their rows first, all in one transaction."""
        ready: list[Call] = []
        claimed: list[Call] = []
        for command in commands:
            call = prepared_call(self._services, self._run_id, command, self._journal)
            if isinstance(call, Outcome):
                self._take(machine, call)
            elif call.prepared.action.transactional:
                self._call_inside(machine, call)
            elif call.prepared.action.side_effects:
                claimed.append(call)
            else:
                ready.append(call)
            if machine.done:
                return
        if claimed:
            ready += self._claim(machine, claimed)
        if machine.done:
            self._journal.batch.invocations += [not_made(c) for c in ready if c.prepared.action.side_effects]
            return
        if len(ready) == 1 and not self._flying:
            self._take(machine, make(ready[0]), hears=True)
        else:
            for call in ready:
                self._flying[self._services.side_by_side.submit(make, call)] = call
        if self._journal.is_due and not machine.done:
            self._record()

    def _claim(self, machine: Machine, calls: list[Call]) -> list[Call]:
        """Write the rows of calls, with all that happened before them; those calls that are to be made."""
        before: dict[Pos, Before] = {}
        scopes = {call.scope for call in self._flying.values()}
        own: list[Call] = []
        for call in calls:
            if call.scope in scopes:
                self._behind.add(call.command.pos)
            else:
                scopes.add(call.scope)
                own.append(call)

        def write(conn: Connection) -> None:
            for call in own:
                before[call.command.pos] = claim(conn, self._services, self._found.begun, call)

        if own:
            self._record(write)
        made = []
        for call in own:
            known = before[call.command.pos]
            if machine.done:  # canceled, as we were told while the rows were written
                if known.state != "busy":
                    self._journal.batch.invocations.append(not_made(call))
                continue
            if known.state == "busy":
                self._postponed.add(call.command.pos)
                continue
            outcome = outcome_of(call, known)
            if outcome is None:
                made.append(call)
            else:
                self._take(machine, outcome)
        return made

    def _call_inside(self, machine: Machine, call: Call) -> None:
        """A call whose effect happens in the transaction that records its step: exactly once."""

        def work(conn: Connection) -> None:
            known = claim(conn, self._services, self._found.begun, call)
            outcome = outcome_of(call, known) if known.state != "unknown" else None
            if outcome is None:
                outcome = self._made_inside(conn, call)
            self._take(machine, outcome)

        self._record(work, more_events=1)

    @staticmethod
    def _made_inside(conn: Connection, call: Call) -> Outcome:
        """The outcome; what a call that failed has written is undone."""
        with undoable(conn) as (cursor, undo):
            call.context.transaction = cursor
            outcome = make(call)
            if outcome.failure is not None:
                undo()
        return outcome

    def _land(self, machine: Machine) -> None:
        """Take in the calls that have come back."""
        done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
        for future in done:
            del self._flying[future]
            outcome = future.result()
            if not machine.done:
                self._take(machine, outcome, hears=True)
            elif outcome.end is not None:
                self._journal.batch.invocations.append(outcome.end)
        self._postponed.clear()
        if self._journal.is_due and not machine.done:
            self._record()

    def _take(self, machine: Machine, outcome: Outcome, *, hears: bool = False) -> None:
        """The interpreter hears what came of a call. The outcome is kept even if it is then too slow to go on.

        Who was away for long ``hears`` first whether the run was canceled meanwhile: it may not end as if it were not.
        """
        self._behind.clear()
        if outcome.end is not None:
            self._journal.batch.invocations.append(outcome.end)
        if hears and self._journal.is_due:
            self._record()
        self._journal.batch.logs += outcome.lines
        if not machine.done:
            self._send(machine, outcome.event(self._journal))

    # -- ends ----------------------------------------------------------------------------------------------------

    def _record(self, inside: Callable[[Connection], None] | None = None, *, more_events: int = 0) -> None:
        """Write down what happened, and hear whether the run is to be canceled."""
        recorded = self._journal.record(inside, more_events=more_events)
        if recorded.cancel_requested and self._machine is not None:
            self._cancel(self._machine, recorded.cancel_reason)

    def _hand_over(self, machine: Machine) -> None:
        """This worker stops: finish what is flying, and let another one go on."""
        while self._flying:
            self._land(machine)
        if machine.done:
            self._finish(machine)
            return
        self._journal.batch.again_in = 0
        self._journal.record()

    def _finish(self, machine: Machine) -> None:
        """The run has ended."""
        while self._flying:  # calls that were under way when it did: their outcomes are kept
            self._land(machine)
        finish = machine.finish
        if finish is None:
            raise RuntimeError("a machine that is done has a finish")
        self._end(finish)

    def _end(self, finish: Finish) -> None:
        shown = redacted_envelope(finish.envelope)
        self._journal.batch.end = End(str(finish.status), finish.envelope, shown, finish.error)
        self._journal.batch.status = "RUNNING"
        self._journal.record()

    def _fail(self, failure: Failure) -> None:
        """The run cannot go on at all."""
        at = self._journal.now()
        envelope = new_envelope(self._started()) if self._machine is None else self._machine.envelope
        path = self._journal.batch.node_path or "root"
        self._end(Finish(RunStatus.FAILED, envelope, error_object(failure, path, at)))

    def _abort(self, failure: Failure) -> None:
        """This turn came to nothing; what is certain is recorded, and another one is tried, later each time."""
        aborts = self._found.aborted_turns + 1
        for future in self._flying:
            outcome = future.result()
            if outcome.end is not None:
                self._journal.batch.invocations.append(outcome.end)
        self._flying.clear()
        if aborts >= _MOST_ABORTS:
            self._fail(failure)
            return
        self._journal.batch.aborted = True
        self._journal.batch.logs.append(LogRow("", "ERROR", failure.message, {"turn": aborts}, self._journal.now()))
        self._journal.batch.again_in = min(0.25 * 2**aborts, 30.0)
        self._journal.record()
