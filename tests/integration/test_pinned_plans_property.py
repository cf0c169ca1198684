"""Law 3 of architecture.md for pinned plans: a plan whose base moved is refused, and one whose base stands is done.

A plain model says which of both must be: what the files and rows of the plan say, then and now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases import TENANT, Databases
from rows import Session, session
from servers import Server
from small_bundles import bundle, canonical
from wfsync.apply.execute import ApplyOptions
from wfsync.errors import Conflict
from wfsync.pipeline.applying import carry_out
from wfsync.pipeline.options import PlanOptions
from wfsync.pipeline.pinning import Opened, Setting, open_pinned, pin_plan, require_unmoved
from wfsync.pipeline.planning import Planned, make_plan
from wfsync.plan.guard import Consent
from wfsync.plan.model import Overwrite, TargetRef
from wfsync.plan.pinned_file import parse
from wfsync.state.desired import begin_loading
from wfsync.state.selection import Selection
from wfsync.wiring import open_workspace

KEYS: Final = ("a", "b", "c", "d")
FORCE: Final = Consent(force=True)
SETTING: Final = Setting({}, "wfsync.yaml")

Side = Literal["file", "row"]
State = Mapping[str, str]
"""Key → description."""

states = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["one", "two", "three"]), min_size=1)
edits = st.lists(
    st.tuples(st.sampled_from(["file", "row"]), st.sampled_from(KEYS), st.sampled_from(["one", "two", None])),
    max_size=2,
)


@dataclass(frozen=True)
class Site:
    """A folder and a tenant's rows, in which a workflow is its description."""

    folder: Path
    session: Session

    @property
    def target(self) -> TargetRef:
        return TargetRef("test", TENANT, self.session.layout.name, "named")

    def put(self, side: Side, key: str, description: str | None) -> None:
        if side == "file":
            path = self.folder / f"{key}.json"
            path.unlink(missing_ok=True)
            if description is not None:
                path.write_bytes(canonical(bundle(key, description=description)))
        elif description is None:
            self.session.rows("DELETE FROM workflow_definitions WHERE key = %s RETURNING 1", key)
        elif key in self.rows():
            self.session.rows(
                "UPDATE workflow_definitions SET description = %s WHERE key = %s RETURNING 1", description, key
            )
        else:
            path = self.folder / f"{key}.json"
            kept = path.read_bytes() if path.exists() else None
            path.write_bytes(canonical(bundle(key, description=description)))
            self.carry_out(self.plan(Selection((key,))))
            path.unlink() if kept is None else path.write_bytes(kept)

    def rows(self) -> dict[str, str]:
        return dict(self.session.rows("SELECT key, description FROM workflow_definitions"))

    def files(self) -> set[str]:
        return {path.stem for path in self.folder.iterdir()}

    def plan(self, selection: Selection, overwrite: Overwrite = "update") -> Planned:
        workspace = open_workspace(self.folder, rev=None, config_option=None, environ={})
        loading = begin_loading(workspace.source(), workspace.load_options())
        s = self.session
        options = PlanOptions(overwrite, FORCE, source="test", about=selection)
        return make_plan(s.conn, s.layout, s.tenant, lambda: loading.finish().selected(selection), self.target, options)

    def carry_out(self, planned: Planned) -> None:
        s = self.session
        carry_out(s.conn, s.layout, s.tenant, planned, ApplyOptions(FORCE, 10))


@pytest.fixture(scope="module")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    databases = Databases(server)
    with session(databases("wfsync"), TENANT) as opened:
        yield Site(tmp_path_factory.mktemp("site"), opened)
    databases.drop()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(files=states, rows=states, changes=edits, overwrite=st.sampled_from(["update", "replace"]))
def test_a_pinned_plan_is_done_if_and_only_if_its_base_stands(
    site: Site, files: State, rows: State, changes: list[tuple[Side, str, str | None]], overwrite: Overwrite
) -> None:
    for key in KEYS:
        site.put("file", key, None)
        site.put("row", key, None)
    for key, description in rows.items():
        site.put("row", key, description)
    for key, description in files.items():
        site.put("file", key, description)
    s = site.session
    planned = site.plan(Selection(), overwrite).plan
    about = {key for key in files if files[key] != rows.get(key)}
    assert {change.key for change in planned.changes} == about
    data = pin_plan(s.conn, planned, SETTING)

    now: dict[Side, dict[str, str]] = {"file": dict(files), "row": dict(rows)}
    touched = set()
    for side, key, value in changes:
        if side == "file" and value is None and set(now["file"]) <= {key}:
            continue  # an empty folder is an error of its own
        if side == "row" and now["row"].get(key) != value:
            touched |= {key} if key not in now["row"] or value is None else set()
        site.put(side, key, value)
        now[side].pop(key, None)
        if value is not None:
            now[side][key] = value
    before = site.rows()
    assert before == now["row"]

    opened = open_pinned(s.conn, parse(data, "plan"), site.target, s.tenant)
    again = site.plan(Selection(keys=opened.plan.keys), opened.plan.options.overwrite)
    stands = all(now["file"].get(k) == files.get(k) and now["row"].get(k) == rows.get(k) for k in about)
    recreated = bool(about & touched)  # a row with another id is another row
    refused = _refusal(opened, again)
    if refused is None:
        assert stands
        site.carry_out(again)
        assert site.rows() == before | {key: files[key] for key in about}
        return
    assert refused.code == "STALE_PLAN"
    assert not stands or recreated
    differs = {k for k in about if now["file"].get(k) != files.get(k) or now["row"].get(k) != rows.get(k)}
    assert {problem.key for problem in refused.problems} <= differs | touched
    assert site.rows() == before


def _refusal(opened: Opened, again: Planned) -> Conflict | None:
    try:
        require_unmoved(opened, SETTING, again)
    except Conflict as error:
        return error
    return None
