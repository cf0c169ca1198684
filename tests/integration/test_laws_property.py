"""The laws (design: architecture.md "Laws") on drawn repositories: references and cycles, hostile JSON, every syntax.

In-process through the pipeline, so that many examples are tried; `test_laws` goes through the command line.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from corpus_edits import JsonObject, steps_of
from databases import LAYOUTS, TENANT, Database, Databases
from rows import Session, session
from servers import Server
from strategies import repositories
from wfsync.apply.execute import ApplyOptions
from wfsync.apply.outcome import Outcome
from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.load import LoadOptions
from wfsync.bundle.yaml_write import write_yaml
from wfsync.errors import DatabaseError
from wfsync.export.report import ExportReport
from wfsync.pipeline.applying import carry_out, require_consent
from wfsync.pipeline.exporting import Destination, ExportRequest, export_bundle, export_files
from wfsync.pipeline.options import PlanOptions
from wfsync.pipeline.planning import Planned, make_plan
from wfsync.plan.guard import Consent
from wfsync.plan.model import Overwrite, TargetRef
from wfsync.state.desired import begin_loading, from_documents
from wfsync.wiring import open_workspace

Repository = dict[str, JsonObject]
Calls = dict[tuple[str, int | None, str], str]

FORCE: Final = Consent(force=True)
SPACE: Final = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
TABLES: Final = ("workflow_definitions", "workflow_definition_versions")
POISON: Final = (
    "CREATE TABLE poison (key text)",
    """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM poison JOIN workflow_definitions d USING (key) WHERE d.workflow_id = new.workflow_id) THEN
    RAISE EXCEPTION 'poisoned'; END IF; RETURN NULL; END $$""",
    *(
        f"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY IMMEDIATE"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
        for table in TABLES
    ),
)

few = settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True)
class Site:
    """A folder of files and one tenant's rows."""

    folder: Path
    session: Session

    def clear_files(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def clear(self) -> None:
        self.clear_files()
        for table in ("poison", "workflow_definitions"):
            self.session.rows(f"DELETE FROM {table} RETURNING 1")

    def plan(self, overwrite: Overwrite = "replace", consent: Consent = FORCE) -> Planned:
        workspace = open_workspace(self.folder, rev=None, config_option=None, environ={})
        loading = begin_loading(workspace.source(), workspace.load_options())
        return self._plan(loading.finish, overwrite, consent)

    def _plan(self, wanted: Any, overwrite: Overwrite, consent: Consent) -> Planned:
        s = self.session
        target = TargetRef("test", s.tenant.value if s.tenant else None, s.layout.name, "named")
        return make_plan(s.conn, s.layout, s.tenant, wanted, target, PlanOptions(overwrite, consent))

    def carry_out(self, planned: Planned, consent: Consent = FORCE) -> Outcome:
        s = self.session
        require_consent(planned.plan)
        return carry_out(s.conn, s.layout, s.tenant, planned, ApplyOptions(consent, 10))

    def apply(self, overwrite: Overwrite = "replace", consent: Consent = FORCE) -> Outcome:
        return self.carry_out(self.plan(overwrite, consent), consent)

    def load(self, documents: Mapping[str, bytes]) -> Outcome:
        """What `wfsync import` does."""
        consent = Consent(create_only=True)
        options = LoadOptions(definitions="warn", many=True, max_bytes=2**30)
        return self.carry_out(self._plan(lambda: from_documents(documents, options), "replace", consent), consent)

    def export(self, folder: Path | None = None) -> ExportReport:
        s = self.session
        if folder is not None:
            destination = Destination(str(folder), ".", None)
        else:
            workspace = open_workspace(self.folder, rev=None, config_option=None, environ={})
            loading = begin_loading(workspace.source(allow_empty=True), LoadOptions())
            destination = Destination(workspace.repository.root, workspace.directory, loading)
        return export_files(s.conn, s.layout, s.tenant, ExportRequest(()), destination)

    def bundle(self) -> bytes:
        s = self.session
        return export_bundle(s.conn, s.layout, s.tenant, ExportRequest(()))[0]

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def rows(self) -> list[list[tuple[Any, ...]]]:
        return [
            self.session.rows(f"SELECT t.*, t.xmin::text, t.ctid::text FROM {table} t ORDER BY t.ctid")
            for table in TABLES
        ]

    def calls(self) -> Calls:
        """Every stored call, by key, version and step id: the key that its id belongs to, else the text itself."""
        keys = dict(self.session.rows("SELECT workflow_id::text, key FROM workflow_definitions"))
        found: Calls = {}
        for key, version, tree in self.session.rows(
            "SELECT key, NULL, draft_definition FROM workflow_definitions UNION ALL"
            " SELECT d.key, v.version, v.definition_json FROM workflow_definitions d"
            " JOIN workflow_definition_versions v USING (workflow_id)"
        ):
            found |= {(key, version, step): keys.get(target, target) for step, target in _calls(tree)}
        return found


def _calls(definition: JsonObject) -> Iterator[tuple[str, str]]:
    for _, _, step in steps_of(definition["steps"]):
        if step["type"] == "control.callWorkflow":
            yield step["id"], step["workflowId"]


def calls_in(repository: Repository) -> Calls:
    """Every call that the files make, in the same form."""
    found: Calls = {}
    for key, bundle in repository.items():
        (workflow,) = bundle["workflows"]
        for version, holder in (
            (None, workflow["draft"]),
            *((p["version"], p) for p in workflow["publishedVersions"]),
        ):
            found |= {(key, version, step): target for step, target in _calls(holder["definition"])}
    return found


@contextmanager
def _site(database: Database, folder: Path) -> Iterator[Site]:
    database.execute(*POISON)
    with session(database, TENANT) as opened:
        yield Site(folder, opened)


@pytest.fixture(scope="module", params=LAYOUTS)
def sites(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two sites whose databases have one layout; tests clear them."""
    databases = Databases(server)
    folder = tmp_path_factory.mktemp("sites")
    first, second = databases(request.param), databases(request.param)
    with _site(first, folder / "one") as one, _site(second, folder / "two") as two:
        yield one, two
    databases.drop()


@st.composite
def written(draw: st.DrawFn, repository: Repository) -> dict[str, bytes]:
    """The files of a repository, each canonical or not, in JSON or YAML; their order of members may be any."""
    return {
        f"{key}.{'yaml' if form == 'yaml' else 'json'}": _text(bundle, form)
        for key, bundle in repository.items()
        for form in [draw(st.sampled_from(["canonical", "compact", "reversed", "yaml"]))]
    }


def _text(bundle: JsonObject, form: str) -> bytes:
    match form:
        case "canonical":
            return canonical_bytes(bundle)
        case "yaml":
            return write_yaml(bundle)
        case "reversed":
            return json.dumps(_reversed(bundle), indent=1).encode()
        case _:
            return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def _reversed(tree: Any) -> Any:
    match tree:
        case dict():
            return {name: _reversed(tree[name]) for name in reversed(tree)}
        case list():
            return [_reversed(item) for item in tree]
        case _:
            return tree


@st.composite
def foreign(draw: st.DrawFn, repository: Repository) -> Repository:
    """As another instance exported it: some workflows are called by their ids there, in any spelling."""
    moved = {key: str(uuid5(SPACE, key)) for key in repository if draw(st.booleans())}
    spellings = st.sampled_from([str.lower, str.upper, "{{{}}}".format, lambda text: text.replace("-", "")])
    result = deepcopy(repository)
    for key, bundle in result.items():
        (workflow,) = bundle["workflows"]
        for holder in (workflow["draft"], *workflow["publishedVersions"]):
            if key in moved:
                holder["definition"]["id"] = moved[key]
            for _, _, step in steps_of(holder["definition"]["steps"]):
                if step["type"] == "control.callWorkflow" and step["workflowId"] in moved:
                    step["workflowId"] = draw(spellings)(moved[step["workflowId"]])
    return result


def _put(site: Site, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (site.folder / name).write_bytes(data)


@few
@given(data=st.data())
def test_plan_after_apply_is_empty_and_export_changes_no_byte(sites: tuple[Site, Site], data: st.DataObject) -> None:
    site, _ = sites
    site.clear()
    repository = data.draw(repositories())
    files = data.draw(written(data.draw(foreign(repository))))
    _put(site, files)
    outcome = site.apply()
    assert [(a.key, a.action) for a in outcome.applied] == [(key, "created") for key in sorted(repository)]
    assert site.calls() == calls_in(repository)
    rows = site.rows()
    again = site.plan()
    assert (again.plan.changes, again.plan.unchanged, again.plan.blocks) == ((), len(repository), ())
    assert site.carry_out(again).applied == ()
    report = site.export()
    assert report.written == ()
    assert not report.differs
    assert site.files() == files
    assert site.rows() == rows


@few
@given(data=st.data(), overwrite=st.sampled_from(["replace", "update"]))
def test_an_overwrite_leaves_what_the_files_say(
    sites: tuple[Site, Site], data: st.DataObject, overwrite: Overwrite
) -> None:
    site, _ = sites
    site.clear()
    first = data.draw(repositories(min_size=2, max_size=3))
    _put(site, data.draw(written(first)))
    site.apply()
    ids = dict(site.session.rows("SELECT key, workflow_id FROM workflow_definitions"))
    # Some files change, some stay: what stays may call what is replaced
    second = data.draw(repositories(names=tuple(first)))
    mixed = second | {key: first[key] for key in first if data.draw(st.booleans())}
    second = mixed if _is_closed(mixed) else second
    site.clear_files()
    files = data.draw(written(second))
    _put(site, files)
    outcome = site.apply(overwrite)
    assert site.calls() == calls_in(second)
    now = dict(site.session.rows("SELECT key, workflow_id FROM workflow_definitions"))
    overwritten = {a.key for a in outcome.applied if a.action == "overwritten"}
    moved = overwritten if overwrite == "replace" else set()
    assert {key for key in now if now[key] != ids[key]} == moved
    assert sorted(map(str, outcome.deleted_ids)) == sorted(str(ids[key]) for key in moved)
    assert (site.plan().plan.changes, site.export().written) == ((), ())
    assert site.files() == files


def _is_closed(repository: Repository) -> bool:
    """Whether every version that is called is there."""
    workflows = {key: bundle["workflows"][0] for key, bundle in repository.items()}
    published = {key: {v["version"] for v in workflow["publishedVersions"]} for key, workflow in workflows.items()}
    return all(
        step["workflowVersion"] in published[step["workflowId"]]
        for workflow in workflows.values()
        for holder in (workflow["draft"], *workflow["publishedVersions"])
        for _, _, step in steps_of(holder["definition"]["steps"])
        if step["type"] == "control.callWorkflow"
    )


@few
@given(data=st.data())
def test_one_state_exports_one_set_of_bytes_here_and_elsewhere(sites: tuple[Site, Site], data: st.DataObject) -> None:
    one, two = sites
    one.clear()
    two.clear()
    repository = data.draw(repositories())
    _put(one, data.draw(written(repository)))
    one.apply()
    bundle = one.bundle()
    assert one.bundle() == bundle
    exported = one.folder / "exported"
    assert len(one.export(exported).written) == len(repository)
    texts = {path.name: path.read_bytes() for path in exported.iterdir()}
    # Law 7: import what was exported into an empty instance, as one bundle or as many files, and export it again
    two.load(data.draw(st.sampled_from([{"all.json": bundle}, texts])))
    assert _timeless(two.bundle()) == _timeless(bundle)
    two.export(two.folder / "exported")
    again = {path.name: path.read_bytes() for path in (two.folder / "exported").iterdir()}
    assert {name: _timeless(text) for name, text in again.items()} == {n: _timeless(t) for n, t in texts.items()}


def _timeless(data: bytes) -> bytes:
    text, count = re.subn(rb'\A\{\n  "exportedAt": "[^"]*",\n', b"", data)
    assert count == 1
    return text


@few
@given(data=st.data(), overwrite=st.sampled_from(["replace", "update"]))
def test_a_failing_change_leaves_every_row_as_it_was(
    sites: tuple[Site, Site], data: st.DataObject, overwrite: Overwrite
) -> None:
    site, _ = sites
    site.clear()
    first = data.draw(repositories(min_size=2, max_size=3))
    stored = data.draw(st.sets(st.sampled_from(sorted(first))))
    victim = data.draw(st.sampled_from(sorted(first)))
    _put(site, data.draw(written({key: _alone(first[key]) for key in stored})))
    if stored:
        site.apply()
    site.clear_files()
    for bundle in first.values():
        bundle["workflows"][0]["metadata"]["name"] = "Another name"
    _put(site, data.draw(written(first)))
    rows = site.rows()
    site.session.conn.execute("INSERT INTO poison VALUES (%s)", [victim])
    with pytest.raises(DatabaseError, match="poisoned"):
        site.apply(overwrite)
    assert site.rows() == rows
    site.session.conn.execute("DELETE FROM poison")
    assert len(site.apply(overwrite).applied) == len(first)


def _alone(bundle: JsonObject) -> JsonObject:
    """The workflow without its calls, so that it can be there before the others."""
    copy = deepcopy(bundle)
    (workflow,) = copy["workflows"]
    workflow["metadata"]["name"] = "A first name"
    for holder in (workflow["draft"], *workflow["publishedVersions"]):
        for block, _, step in reversed(list(steps_of(holder["definition"]["steps"]))):
            if step["type"] == "control.callWorkflow":
                block.remove(step)
    return copy
