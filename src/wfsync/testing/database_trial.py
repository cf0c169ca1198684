"""One test carried through on a database: what it wants is written, the worker works, time moves when nothing is left.

Calls come from threads of the worker, one at a time; everything else happens on the thread of the test.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.engine.context import CallContext
from wfsync.runtime.history import event_from_json
from wfsync.runtime.in_process.context import Context
from wfsync.runtime.in_process.driver import Called, Driver, Opened, Running
from wfsync.runtime.in_process.world import CannotGoOn, ChildEnd, Program, RunInfo
from wfsync.runtime.moments import later
from wfsync.runtime.protocol import OpenTask, StartChild, WaitEvent
from wfsync.runtime.registry import ActionFailed, Registry
from wfsync.testing.folding import folded
from wfsync.testing.model import Case
from wfsync.testing.outcome import Outcome
from wfsync.testing.secret_names import secrets_of
from wfsync.testing.starting import starting_payload
from wfsync.testing.substitutes import ACTION, substitute
from wfsync.testing.trial import outcome_of
from wfsync.testing.workflows import NotRunnable, Prepared, Workflows
from wfsync.testing.world import TestWorld

if TYPE_CHECKING:
    from wfsync.store.runtime.place import Place
    from wfsync.store.runtime.tasks import Task
    from wfsync.store.session import Connection

__all__ = ["Trial"]

_PATIENCE: Final = 30.0
"""Seconds that a worker may take until nothing is left to do."""
_PAUSE: Final = 0.01
SLACK: Final = timedelta(seconds=2)
"""How exact times are: calls and turns take real time."""


@dataclass(slots=True)
class Trial:
    """One test on its database."""

    conn: Connection
    place: Place
    registry: Registry
    workflows: Workflows
    case: Case
    prepared: Prepared
    world: TestWorld
    calls: list[Called] = field(default_factory=list)
    tasks: list[Opened] = field(default_factory=list)
    trouble: CannotGoOn | None = None
    now: datetime = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _infos: dict[str, RunInfo] = field(default_factory=dict)
    _agenda: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _entered: count[int] = field(default_factory=count)
    _seen_tasks: set[str] = field(default_factory=set)
    _slept: timedelta = timedelta()

    # -- from the beginning to the end ---------------------------------------------------------------------------

    def carry_through(self) -> Outcome:
        """Run the test. Raises `CannotGoOn` and `WfsyncError`."""
        from wfsync.store.runtime import trial

        payload = starting_payload(self.case, self.prepared, self.registry)
        if self.case.meta:
            raise CannotGoOn(
                "`meta` cannot be given to a run of an instance", "leave it out, or use --engine in-process"
            )
        trial.empty(self.conn, self.place)
        self.now = self.case.now
        trial.move_clock(self.conn, self.now)
        self._set_secrets()
        run_id = self._start(payload)
        for event in self.case.events:
            due = event.at if event.after is None else later(self.case.now, event.after)
            if due is not None:
                self._at(due, partial(self._send, event.name, event.correlation_key, event.payload))
        if self.case.cancel_after is not None:
            self._at(later(self.case.now, self.case.cancel_after), lambda: self._cancel(run_id))
        self._advance(run_id)
        return self._outcome(run_id)

    def _advance(self, run_id: str) -> None:
        from wfsync.store.runtime import trial

        while True:
            self._settle()
            if self.trouble is not None or self._status(run_id) not in {"QUEUED", "RUNNING", "WAITING"}:
                return
            waits = trial.open_waits(self.conn, self.place)
            if self._answer(waits):
                continue
            if self._agenda and self._agenda[0][0] <= self.now:
                heappop(self._agenda)[2]()
                continue
            found = [
                WaitEvent(_pos(wait), wait.event_name or "", wait.correlation_key)
                for wait in waits
                if wait.type == "event"
            ]
            event = self.world.event(found)
            if event is not None:
                self._send(*event)
                continue
            dues = [wait.due_at for wait in waits if wait.due_at is not None]
            times = [*dues, *(due for due, _, _ in self._agenda[:1])]
            if not times:
                return
            self.now = max(self.now, min(times))
            trial.move_clock(self.conn, self.now)
            late = {wait.run_id for wait in waits if wait.due_at is not None and wait.due_at <= self.now}
            trial.ask_for_turns(self.conn, self.place, [(run, f"test {uuid.uuid4()}") for run in late])

    def _settle(self) -> None:
        """Wait until the worker has nothing left to do at this moment."""
        from wfsync.store.runtime import trial

        began = time.monotonic()
        while trial.is_busy(self.conn, self.place) and self.trouble is None:
            if time.monotonic() - began > _PATIENCE:
                raise CannotGoOn(f"the worker was still busy after {_PATIENCE:g} s", "is the machine overloaded?")
            time.sleep(_PAUSE)
        if self._slept:
            with self._lock:
                self.now, self._slept = later(self.now, self._slept), timedelta()
            trial.move_clock(self.conn, self.now)

    def _start(self, payload: Json) -> str:
        from wfsync.store.runtime import catalogue, starting

        ids = {key: self._define(key, definitions) for key, definitions in self._needed().items()}
        key, program = self.prepared.program.key, self.prepared.program
        chosen = catalogue.Program(
            ids[key],
            key,
            is_paused=False,
            concurrency_limit=None,
            trigger=None,
            version=program.version,
            definition=self.prepared.definition,
            payload_schema=self.prepared.payload_schema,
        )
        with self.conn.transaction():
            run_id, _ = starting.create(self.conn, self.place, chosen, starting.NewRun(payload, "manual"))
        self._infos[run_id] = RunInfo(run_id, program)
        return run_id

    def _needed(self) -> dict[str, dict[int, tuple[JsonObject, Any]]]:
        """The workflows of the test: key → version → definition and payload schema; substitutes where it wants them."""
        needed: dict[str, dict[int, tuple[JsonObject, Any]]] = {self.prepared.program.key: {}}
        waiting = [self.prepared]
        while waiting:
            for _, step in waiting.pop().steps.values():
                if step["type"] != "control.callWorkflow":
                    continue
                key, version = step["workflowId"], step["workflowVersion"]
                if version in needed.setdefault(key, {}):
                    continue
                if key in self.case.children:
                    needed[key][version] = (substitute(key, version, self.case.children[key]), None)
                    continue
                with suppress(NotRunnable):
                    called = self.workflows.get(key, version)
                    needed[key][version] = (called.definition, called.payload_schema)
                    waiting.append(called)
        return needed

    def _define(self, key: str, definitions: Mapping[int, tuple[JsonObject, Any]]) -> str:
        from wfsync.store.layout import detect, resolve_tenant
        from wfsync.store.new_rows import NewVersion, NewWorkflow
        from wfsync.store.writer import insert

        workflow_id = str(uuid.uuid4())
        try:
            metadata = self.workflows.get(key).workflow.metadata
        except NotRunnable:
            metadata = self.prepared.workflow.metadata
        plain = {**metadata, "isPaused": False, "concurrencyLimit": None, "autoPauseOnFailure": False, "trigger": None}
        versions = tuple(
            NewVersion(version, canonical_bytes(tree), None if schema is None else canonical_bytes(schema))
            for version, (tree, schema) in definitions.items()
        )
        row = NewWorkflow(workflow_id, key, plain, 1, canonical_bytes(self.prepared.definition), versions)
        with self.conn.transaction():
            layout = detect(self.conn)
            insert(self.conn, layout, resolve_tenant(self.conn, layout, self.place.tenant, for_write=True), [row])
        return workflow_id

    def _set_secrets(self) -> None:
        """A worker finds secrets in the environment first."""
        for name in secrets_of(self.workflows, self.prepared, self.case):
            os.environ[f"WFSYNC_SECRET_{name}"] = self.case.secrets.get(name, f"made-up value of {name}")

    # -- what happens --------------------------------------------------------------------------------------------

    def _at(self, due: datetime, what: Callable[[], None]) -> None:
        heappush(self._agenda, (max(due, self.now), next(self._entered), what))

    def _send(self, name: str, key: str | None, payload: Json) -> None:
        from wfsync.runtime.filters import matches
        from wfsync.store.runtime import events

        with self.conn.transaction():
            events.resume(self.conn, self.place, name, key, payload, lambda filters, given: matches(given, filters))

    def _cancel(self, run_id: str) -> None:
        from wfsync.store.runtime.ending import request_cancel

        request_cancel(self.conn, self.place, run_id, "the test asks for it")

    def _answer(self, waits: Any) -> bool:
        """Enter the answers to tasks that were opened; whether there were new ones."""
        from wfsync.store.runtime import tasks

        new = False
        for task in tasks.tasks(self.conn, self.place):
            if task.id in self._seen_tasks:
                continue
            self._seen_tasks.add(task.id)
            new = True
            wait = next((wait for wait in waits if wait.id == task.id), None)
            if wait is None:
                continue
            command = OpenTask(_pos(wait), task.task_type, task.title, task.description, task.context)
            info = self._info(task.run_id)
            answer = self.world.task(info, command)
            self.tasks.append(Opened(info, command, self.now))
            if answer is not None:
                self._at(later(self.now, answer.after), partial(self._complete, task, answer.answer))
        return new

    def _complete(self, task: Task, answer: Json) -> None:
        from wfsync.store.runtime import tasks

        tasks.complete(self.conn, self.place, task, answer, "test")

    def call(self, given: Json, context: CallContext) -> Json:
        """A call of the worker, on one of its threads."""
        with self._lock:
            if self.trouble is not None:
                raise ActionFailed("the test is over")
            try:
                return self._call(given, context)
            except CannotGoOn as error:
                self.trouble = error
                raise ActionFailed(error.message) from None

    def _call(self, given: Json, context: CallContext) -> Json:
        command = context.command
        if command.action == ACTION:
            end = self.world.child(self._info(context.run_id), StartChild(command.pos, given["workflow"], 1, {}))
            if not isinstance(end, ChildEnd):
                raise CannotGoOn(f"nothing stands for {given['workflow']}")
            self._slept += end.after
            if end.failure is not None:
                failure = end.failure
                raise ActionFailed(
                    failure.message, category=failure.category, code=failure.code, details=failure.details
                )
            payload = self.case.children[given["workflow"]]
            output = dict(end.output or {})
            return output if any(reply.payload is not None for reply in payload) else {"vars": output.get("vars", {})}
        info = self._info(context.run_id)
        action = self.world.action(info, command)
        if not self.world.is_pure(action):
            self.calls.append(
                Called(
                    info, command.pos, command.action, command.version, command.input, context.idempotency_key, self.now
                )
            )
        own = Context(info, command, context.idempotency_key, context.now)
        try:
            return given if action.run is None else action.run(given, own)
        finally:
            self._slept += own.slept

    def _info(self, run_id: str) -> RunInfo:
        if run_id not in self._infos:
            from wfsync.store.runtime.pool import open_runtime_session
            from wfsync.store.runtime.trial import who

            conn = open_runtime_session(self.place)  # on a worker's thread, while the test's own is in use
            try:
                for found, key, version, depth, _ in who(conn, self.place):
                    if found not in self._infos:
                        self._infos[found] = RunInfo(found, self._program(key, version), depth)
            finally:
                conn.close()
        return self._infos[run_id]

    def _program(self, key: str, version: int) -> Program:
        if key in self.case.children:
            return replace(self.prepared.program, key=key, version=version, step_ids={})
        return self.workflows.get(key, version).program

    # -- what came of it -----------------------------------------------------------------------------------------

    def _status(self, run_id: str) -> str:
        from wfsync.store.runtime.trial import who

        return next((status for found, _, _, _, status in who(self.conn, self.place) if found == run_id), "")

    def _outcome(self, run_id: str) -> Outcome:
        """Folded out of the histories, by the driver's own values, so that it reads as any other."""
        from wfsync.store.runtime.reading import history
        from wfsync.store.runtime.trial import who

        driver = Driver(self.registry, self.world, self.now, calls=self.calls, tasks=self.tasks)
        main: Running | None = None
        for found, key, _, _, _ in list(who(self.conn, self.place)):
            if found != run_id and key in self.case.children:
                continue
            info = self._info(found)
            run = folded(info, [event_from_json(one) for one in history(self.conn, self.place, found)], driver)
            if run is not None:
                driver.runs.append(run)
                main = run if found == run_id else main
        if main is not None and self.trouble is not None:
            main.end = None  # it ends, sooner or later, because the test could not go on: that is no end of its own
        if main is not None and main.end is not None:
            # Where the clock stands: the delays of the last turn's calls are behind it, and no real time is in it
            main.ended_at = self.now
        for run in driver.runs:
            for command in run.machine.pending if run.end is None else ():
                if isinstance(command, WaitEvent):
                    driver.waits[run.info.id, command.pos] = (run, command)
                elif isinstance(command, OpenTask):
                    driver.unanswered[run.info.id, command.pos] = (run, command)
        outcome = outcome_of(driver, main, self.world, self.prepared, self.trouble)
        return replace(outcome, slack=SLACK)


def _pos(wait: Any) -> Any:
    from wfsync.runtime.protocol import Pos

    return Pos(wait.path, wait.iteration, wait.attempt)
