"""One test on a real instance: a PostgreSQL that is thrown away, a worker with its engine, a clock that stands still.

The worker takes turns as it does everywhere. What stands for the world is the test's own (`TestWorld`); time is the
database's, and moves when nothing else is left to happen. What came of it is folded out of the histories of the runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from wfsync.bundle.model import Json
from wfsync.errors import WfsyncError
from wfsync.runtime.engine.context import CallContext
from wfsync.runtime.in_process.world import CannotGoOn
from wfsync.runtime.registry import Action, ActionContext, ActionFailed, Registry
from wfsync.testing.database_trial import Trial
from wfsync.testing.model import Case
from wfsync.testing.outcome import Outcome, Trouble
from wfsync.testing.substitutes import ACTION
from wfsync.testing.workflows import Prepared, Workflows
from wfsync.testing.world import TestWorld

if TYPE_CHECKING:
    from wfsync.store.runtime.place import Place
    from wfsync.store.session import Connection

__all__ = ["OnDatabase"]


@dataclass(slots=True)
class OnDatabase:
    """The engine of `wfsync test --engine dbos`. One in a process; `close` throws everything away."""

    workflows: Workflows
    registry: Registry
    stubs: Callable[[], Registry]
    _stack: ExitStack = field(default_factory=ExitStack)
    _conn: Connection | None = None
    _place: Place | None = None
    _trial: Trial | None = None

    def _open(self) -> tuple[Connection, Place]:
        """Start the server and the worker. Raises `WfsyncError`."""
        from wfsync.runtime.worker import Worker, install
        from wfsync.store.connection import connect
        from wfsync.store.embedded import EmbeddedServer
        from wfsync.store.instance import NIL_TENANT
        from wfsync.store.migrate import upgrade
        from wfsync.store.runtime.place import Place
        from wfsync.store.runtime.pool import open_runtime_session
        from wfsync.store.runtime.trial import freeze_clock, let_workers_live
        from wfsync.store.target import Target
        from wfsync.testing.model import NOW

        folder = Path(tempfile.mkdtemp(prefix="wfs-test-"))
        folder.chmod(0o755)  # the server may run under another account
        self._stack.callback(rmtree, folder, ignore_errors=True)
        server = EmbeddedServer(folder / ".wfsync")
        target = Target("embedded", server.start().conninfo())
        self._stack.callback(server.stop)
        conn = connect(target)
        try:
            freeze_clock(conn, NOW)
            upgrade(conn)
            let_workers_live(conn)
        finally:
            conn.close()
        place = Place(target, "public", NIL_TENANT)
        install(place)
        worker = Worker(place, self._dispatched(), concurrency=8)
        worker.start()
        self._stack.callback(worker.stop, 5.0)
        session = open_runtime_session(place)
        self._stack.callback(session.close)
        return session, place

    def close(self) -> None:
        """Stop everything and remove it."""
        self._stack.close()

    def run(self, case: Case, prepared: Prepared) -> Outcome:
        """Carry ``case`` through. Never raises for what a test or a workflow does wrong."""
        if self._conn is None or self._place is None:
            self._conn, self._place = self._open()
        world = TestWorld(case, self.registry, self.stubs(), self.workflows)
        self._trial = Trial(self._conn, self._place, self.registry, self.workflows, case, prepared, world)
        try:
            return self._trial.carry_through()
        except CannotGoOn as error:
            return Outcome("", trouble=Trouble(error.message, error.hint))
        except WfsyncError as error:
            return Outcome("", trouble=Trouble(f"the database refused: {error.message}", error.hint or ""))

    def _dispatched(self) -> Registry:
        """The registry of the worker: every action asks the test of the moment."""
        actions = {place: replace(action, run=self._call) for place, action in self.registry.actions.items()}
        actions[ACTION, 1] = Action(ACTION, 1, side_effects=False, run=self._call)
        return replace(self.registry, actions=actions)

    def _call(self, given: Json, context: ActionContext) -> Json:
        trial = self._trial
        if trial is None or not isinstance(context, CallContext):
            raise ActionFailed("no test is under way")
        return trial.call(given, context)
