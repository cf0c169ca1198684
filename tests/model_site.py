"""The real side of the model test: folders of files, one database, and wfsync called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import jsonschema_rs

from databases import Database
from model_flows import Flow, as_bundle, as_row, body_in
from model_world import Ask, Row
from rows import Session as Rows
from small_bundles import canonical
from wfsync.apply.actor import Actor
from wfsync.apply.execute import ApplyOptions
from wfsync.apply.outcome import Outcome
from wfsync.apply.record import Recording
from wfsync.cli import exit_codes
from wfsync.errors import InputError, WfsyncError
from wfsync.pipeline.adopting import Asker, adopt, release
from wfsync.pipeline.applying import carry_out, require_consent
from wfsync.pipeline.exporting import Destination, ExportRequest, export_files
from wfsync.pipeline.options import PlanOptions
from wfsync.pipeline.pinning import Setting, missing_meanwhile, open_pinned, pin_plan, require_unmoved
from wfsync.pipeline.planning import Planned, make_plan
from wfsync.pipeline.rolling_back import RollbackOptions, plan_rollback
from wfsync.pipeline.stock import Stock
from wfsync.plan.guard import Brakes, Consent
from wfsync.plan.model import Plan, SourceRef
from wfsync.plan.pinned_file import parse
from wfsync.policy import Wishes
from wfsync.reconciling import comparing, stocktaking
from wfsync.render.json import outcome_json, plan_json
from wfsync.render.standing import stock_json
from wfsync.state.desired import begin_loading, from_documents
from wfsync.state.live import Reading
from wfsync.state.selection import Selection
from wfsync.store.ledger.plans import PLAN_FILE
from wfsync.wiring import Session, Workspace, open_session, open_workspace

__all__ = ["SCHEMA", "Said", "Site", "begin", "empty", "open_database"]

SCHEMA: Final = jsonschema_rs.validator_for(
    json.loads((Path(__file__).parents[1] / "schemas" / "plan.v1.schema.json").read_text())
)
TRAPS: Final = (
    "CREATE TABLE trap (armed boolean)",
    """CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM trap) THEN RAISE EXCEPTION 'trapped'; END IF; RETURN NULL; END $$""",
    """CREATE TRIGGER spring AFTER INSERT OR UPDATE OR DELETE ON workflow_definitions
    FOR EACH STATEMENT EXECUTE FUNCTION spring()""",
)
"""Any write to workflows fails while the trap is armed."""


@dataclass
class Said:
    """What came of one command."""

    code: int
    codes: frozenset[str] = frozenset()
    """Of the error and of everything behind it."""
    blocks: frozenset[tuple[str, str | None]] = frozenset()
    plan: Plan | None = None
    outcome: Outcome | None = None
    error: WfsyncError | None = None


@dataclass
class Site:
    """Sources by name, each a folder, and the database that they share."""

    database: Database
    folder: Path
    session: Session
    sources: dict[str, Path] = field(default_factory=dict)

    @property
    def table_rows(self) -> Rows:
        return Rows(self.session.conn, self.session.layout, self.session.tenant)

    def sql(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        return self.session.conn.execute(sql, params).fetchall()

    # -- files ---------------------------------------------------------------------------------------------------

    def add_source(self, name: str, *, named: bool) -> str:
        """A repository; what the ledger calls it."""
        self.sources[name] = self.folder / name
        (self.sources[name] / "workflows").mkdir(parents=True)
        self.configure(name, named=named, owned=True)
        return self.workspace(name).identity

    def configure(self, name: str, *, named: bool, owned: bool) -> None:
        source = f"source: example.org/{name}\n" if named else ""
        fields = "" if owned else "fields: { database: [] }\n"
        (self.sources[name] / "wfsync.yaml").write_text(f"version: 1\ndirectory: workflows\n{source}{fields}")

    def write(self, name: str, key: str, flow: Flow | None) -> None:
        text = b"{ broken" if flow is None else canonical(as_bundle(key, flow))
        (self.sources[name] / "workflows" / f"{key}.json").write_bytes(text)

    def remove(self, name: str, key: str) -> None:
        (self.sources[name] / "workflows" / f"{key}.json").unlink()

    def workspace(self, name: str) -> Workspace:
        return open_workspace(self.sources[name], rev=None, config_option=None, environ={})

    # -- rows ----------------------------------------------------------------------------------------------------

    def insert(self, key: str, flow: Flow) -> str:
        identity = str(uuid4())
        self.table_rows.write(as_row(key, flow, identity))
        return identity

    def publish(self, workflow_id: str) -> None:
        """What the draft says becomes a version, and the next draft begins."""
        tenant = self.database.tenant_column
        column = f"{tenant}, " if tenant else ""
        self.sql(
            f"INSERT INTO workflow_definition_versions ({column}workflow_id, version, definition_json)"
            f" SELECT {column}workflow_id, draft_version, draft_definition FROM workflow_definitions"
            " WHERE workflow_id = %s RETURNING 1",
            workflow_id,
        )
        self.sql(
            "UPDATE workflow_definitions SET draft_version = draft_version + 1,"
            " draft_definition = jsonb_set(draft_definition, '{version}', to_jsonb(draft_version + 1))"
            " WHERE workflow_id = %s RETURNING 1",
            workflow_id,
        )

    def run(self, workflow_id: str) -> None:
        """Begin a run, which never ends."""
        tenant = self.database.tenant_column
        column = f"{tenant}, " if tenant else ""
        self.sql(
            f"INSERT INTO workflow_runs ({column}workflow_id, workflow_version, status)"
            f" SELECT {column}workflow_id, 1, 'RUNNING' FROM workflow_definitions WHERE workflow_id = %s RETURNING 1",
            workflow_id,
        )

    def rows(self) -> dict[str, Row]:
        """Every row as it stands there."""
        versions: dict[str, list[Any]] = {}
        for workflow_id, number, definition in self.sql(
            "SELECT workflow_id::text, version, definition_json FROM workflow_definition_versions ORDER BY version"
        ):
            versions.setdefault(workflow_id, []).append((number, body_in(definition)))
        running = {i for (i,) in self.sql("SELECT workflow_id::text FROM workflow_runs WHERE status = 'RUNNING'")}
        found = {}
        for workflow_id, key, name, note, paused, number, draft in self.sql(
            "SELECT workflow_id::text, key, name, description, is_paused, draft_version, draft_definition"
            " FROM workflow_definitions"
        ):
            published = tuple(versions.pop(workflow_id, ()))
            found[workflow_id] = Row(
                key, Flow(name, note, paused, number, body_in(draft), published), workflow_id in running
            )
        assert not versions
        return found

    def managed(self) -> dict[str, tuple[Any, ...]]:
        if not self.has_ledger():
            return {}
        rows = self.sql(
            "SELECT key, source, origin, workflow_id, digest, policy, held, held_policy FROM wfsync.managed"
        )
        return {key: rest for key, *rest in rows}  # type: ignore[misc]

    def has_ledger(self) -> bool:
        return bool(self.sql("SELECT to_regclass('wfsync.applies') IS NOT NULL")[0][0])

    def deeds(self) -> list[tuple[Any, ...]]:
        if not self.has_ledger():
            return []
        return self.sql("SELECT apply_id::text, command, source, error_code, outcome FROM wfsync.applies ORDER BY at")

    def changes(self, deed: str) -> list[tuple[Any, ...]]:
        return self.sql(
            "SELECT key, action, before_id, after_id, before_digest, after_digest, image IS NOT NULL"
            " FROM wfsync.apply_changes WHERE apply_id = %s ORDER BY position",
            deed,
        )

    # -- commands ------------------------------------------------------------------------------------------------

    @contextmanager
    def planned(self, name: str, ask: Ask, reading: Reading = "unproven") -> Iterator[tuple[Workspace, Planned]]:
        workspace = self.workspace(name)
        options = PlanOptions(
            ask.overwrite,
            Consent(ask.force, ask.allow_running),
            policies=workspace.policies("named"),
            reading=reading,
        )
        wishes = Wishes(ask.prune, ask.on_drift)
        opened = nullcontext(self.session)
        with comparing(workspace, _selection(ask), options, lambda _: opened, wishes=wishes) as (_, planned):
            SCHEMA.validate(json.loads(plan_json(planned.plan)))
            yield workspace, planned

    def plan(self, name: str, ask: Ask, reading: Reading = "unproven") -> Said:
        with _saying() as said, self.planned(name, ask, reading) as (_, planned):
            said.plan = planned.plan
        return said

    def apply(self, name: str, ask: Ask, between: Callable[[], None] = lambda: None) -> Said:
        """Plan and apply; something may happen in between."""
        with _saying() as said, self.planned(name, ask, "prove") as (workspace, planned):
            said.plan = planned.plan
            said.blocks = _blocks(planned.plan)
            require_consent(planned.plan)
            between()
            record = Recording(_WHO, workspace.identity)
            said.outcome = self._carry_out(planned, ask, record)
        return said

    def _carry_out(self, planned: Planned, ask: Ask, record: Recording) -> Outcome:
        s = self.session
        options = ApplyOptions(Consent(ask.force, ask.allow_running), 0.2, recording=record)
        outcome = carry_out(s.conn, s.layout, s.tenant, planned, options)
        SCHEMA.validate(json.loads(outcome_json(outcome)))
        return outcome

    def roll_back(self, reference: str, ask: Ask, between: Callable[[], None] = lambda: None) -> Said:
        s = self.session
        with _saying() as said:
            options = RollbackOptions(
                ask.overwrite,
                Consent(ask.force, ask.allow_running),
                Brakes(on_drift=ask.on_drift),
                Selection(tuple(sorted(ask.select))) if ask.select is not None else Selection(),
            )
            found = plan_rollback(s.conn, s.layout, s.tenant, s.reference(), reference, options)
            said.plan = found.planned.plan
            said.blocks = _blocks(said.plan)
            require_consent(found.planned.plan)
            between()
            said.outcome = self._carry_out(found.planned, ask, found.recorded(Recording(_WHO, "")))
        return said

    def import_(self, name: str, flows: Mapping[str, Flow], ask: Ask) -> Said:
        s = self.session
        with _saying() as said:
            workspace = self.workspace(name)
            policies = workspace.policies("named")
            documents = {f"{key}.json": canonical(as_bundle(key, flow)) for key, flow in flows.items()}
            desired = from_documents(documents, workspace.load_options(policies))
            consent = Consent(ask.force, ask.allow_running, create_only=True)
            options = PlanOptions(ask.overwrite, consent, policies=policies)
            planned = make_plan(s.conn, s.layout, s.tenant, lambda: desired, s.reference(), options)
            said.plan = planned.plan
            said.blocks = _blocks(said.plan)
            require_consent(planned.plan)
            said.outcome = self._carry_out(planned, ask, Recording(_WHO, "import", command="import", manages=False))
        return said

    def pin(self, name: str, ask: Ask) -> tuple[Said, bytes]:
        data = b""
        with _saying() as said, self.planned(name, ask) as (workspace, planned):
            said.plan = planned.plan
            data = pin_plan(self.session.conn, planned.plan, _setting(workspace, planned))
        return said, data

    def apply_pinned(self, name: str, ask: Ask, data: bytes) -> Said:
        """``ask`` as the plan file has it, with its own consent and without a selection."""
        s = self.session
        with _saying() as said, ExitStack() as stack:
            opened = open_pinned(s.conn, parse(data, "plan"), s.reference(), s.tenant)
            exactly = replace(ask, select=opened.plan.keys, pinned=True)
            try:
                workspace, planned = stack.enter_context(self.planned(name, exactly, "prove"))
            except InputError as error:
                conflict = missing_meanwhile(opened, error)
                raise (error if conflict is None else conflict) from error
            require_unmoved(opened, _setting(workspace, planned), planned)
            said.plan = planned.plan
            said.blocks = _blocks(planned.plan)
            require_consent(planned.plan)
            record = Recording(_WHO, workspace.identity, options={PLAN_FILE: opened.plan.id})
            said.outcome = self._carry_out(planned, ask, record)
        return said

    def status(self, name: str) -> Stock:
        workspace = self.workspace(name)
        options = PlanOptions("replace", policies=workspace.policies("named"))
        stock = stocktaking(workspace, options, lambda _: nullcontext(self.session))
        json.loads(stock_json(stock))
        return stock

    def adopt(self, name: str, key: str) -> Said:
        s = self.session
        with _saying() as said:
            workspace = self.workspace(name)
            policies = workspace.policies("named")
            about = Selection(keys=frozenset({key}))
            options = PlanOptions("replace", policies=policies, about=about)
            stock = stocktaking(workspace, options, lambda _: nullcontext(s))
            record = Recording(_WHO, workspace.identity, command="adopt")
            adopt(s.conn, s.layout, s.tenant, [key], stock, policies, ApplyOptions(Consent(), 5, recording=record))
        return said

    def release(self, name: str, key: str) -> Said:
        s = self.session
        with _saying() as said:
            workspace = self.workspace(name)
            record = Recording(_WHO, workspace.identity, command="release")
            asker = Asker(SourceRef(str(self.folder), "workflows"), workspace.identity, s.reference())
            release(s.conn, s.layout, s.tenant, [key], asker, ApplyOptions(Consent(), 5, recording=record))
        return said

    def differs(self, name: str) -> dict[str, str]:
        """``export --check``: the state of every key."""
        s = self.session
        workspace = self.workspace(name)
        policies = workspace.policies("named")
        loading = begin_loading(workspace.source(allow_empty=True), workspace.load_options(policies))
        to = Destination(workspace.repository.root, workspace.directory, loading)
        report = export_files(s.conn, s.layout, s.tenant, ExportRequest((), check=True), to)
        return {item.key: item.state for item in report.items}


_WHO: Final = Actor("me", "user")


def _selection(ask: Ask) -> Selection:
    if ask.select is None:
        return Selection()
    return Selection(keys=ask.select) if ask.pinned else Selection(tuple(sorted(ask.select)))


def _setting(workspace: Workspace, planned: Planned) -> Setting:
    return Setting(workspace.settings(), "c", source=workspace.identity, policies=planned.desired.policies)


def _blocks(plan: Plan) -> frozenset[tuple[str, str | None]]:
    return frozenset((block.code, block.key) for block in plan.blocks)


@contextmanager
def _saying() -> Iterator[Said]:
    """What a command does becomes what it says."""
    said = Said(exit_codes.OK)
    try:
        yield said
    except WfsyncError as error:
        said.error = error
        said.code = exit_codes.of(error)
        said.codes = frozenset({error.code, *(p.code for p in error.problems if p.is_error)})


def empty(session: Session) -> None:
    """Neither rows nor a ledger, as on the first day."""
    for statement in ("DROP SCHEMA IF EXISTS wfsync CASCADE", "DELETE FROM workflow_definitions", "DELETE FROM trap"):
        session.conn.execute(statement)


def begin(database: Database, folder: Path, session: Session) -> Site:
    """A site without sources, rows and ledger."""
    empty(session)
    return Site(database, folder, session)


@contextmanager
def open_database(database: Database) -> Iterator[Session]:
    """A session on a database with traps."""
    database.execute(*TRAPS)
    with open_session(database.target, database.tenant, lock_timeout=5, for_write=True) as session:
        yield session
