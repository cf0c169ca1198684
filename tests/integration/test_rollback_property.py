"""The law of rollbacks on drawn repositories: apply, then roll back, is before; roll that back, and it is after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from corpus_edits import JsonObject
from databases import LAYOUTS, TENANT, Databases
from rows import Session, session
from servers import Server
from strategies import repositories
from wfsync.apply.actor import Actor
from wfsync.apply.execute import ApplyOptions
from wfsync.apply.outcome import Outcome
from wfsync.apply.record import Recording
from wfsync.bundle.canonical import canonical_bytes, parse_exact
from wfsync.bundle.field_policies import Policies
from wfsync.bundle.load import LoadOptions
from wfsync.pipeline.applying import carry_out, require_consent
from wfsync.pipeline.exporting import ExportRequest, export_bundle
from wfsync.pipeline.options import PlanOptions
from wfsync.pipeline.planning import Planned, make_plan
from wfsync.pipeline.rolling_back import RollbackOptions, plan_rollback
from wfsync.plan.guard import Brakes, Consent
from wfsync.plan.limits import Limit
from wfsync.plan.model import Overwrite, TargetRef
from wfsync.state.desired import from_documents

FORCE: Final = Consent(force=True)
NAMES: Final = ("a", "b.c", "d")
POLICIES: Final = (Policies(), Policies(database=("isPaused",)))


@dataclass(frozen=True)
class Instance:
    """One tenant's rows with their ledger."""

    session: Session
    policies: Policies

    @property
    def target(self) -> TargetRef:
        s = self.session
        return TargetRef("test", s.tenant.value if s.tenant else None, s.layout.name, "named")

    def plan(self, repository: Mapping[str, JsonObject], overwrite: Overwrite) -> Planned:
        documents = {f"{key}.json": canonical_bytes(bundle) for key, bundle in repository.items()}
        wanted = from_documents(documents, LoadOptions(definitions="warn", policies=self.policies))
        options = PlanOptions(
            overwrite,
            FORCE,
            policies=self.policies,
            source="acme/flows",
            prune=True,
            brakes=Brakes(max_deletes=Limit(100), on_drift="fail"),
        )
        s = self.session
        return make_plan(s.conn, s.layout, s.tenant, lambda: wanted, self.target, options)

    def apply(self, repository: Mapping[str, JsonObject], overwrite: Overwrite) -> Outcome:
        return self._carry_out(self.plan(repository, overwrite), Recording(Actor("me", "user"), "acme/flows"))

    def roll_back(self, apply_id: str, overwrite: Overwrite) -> Outcome:
        s = self.session
        options = RollbackOptions(overwrite, FORCE, Brakes(on_drift="fail"))
        found = plan_rollback(s.conn, s.layout, s.tenant, self.target, apply_id, options)
        return self._carry_out(found.planned, found.recorded(Recording(Actor("me", "user"), "")))

    def _carry_out(self, planned: Planned, recording: Recording) -> Outcome:
        require_consent(planned.plan)
        s = self.session
        return carry_out(s.conn, s.layout, s.tenant, planned, ApplyOptions(FORCE, 10, recording=recording))

    def content(self) -> Any:
        """All that an export says, in canonical bytes; but for when the rows were written."""
        s = self.session
        if not s.rows("SELECT 1 FROM workflow_definitions"):
            return None
        bundle: Any = parse_exact(export_bundle(s.conn, s.layout, s.tenant, ExportRequest(()))[0])
        return canonical_bytes(bundle | {"exportedAt": None})

    def held(self) -> set[str]:
        return {key for (key,) in self.session.rows("SELECT key FROM wfsync.managed WHERE held IS NOT NULL")}

    def clear(self) -> None:
        for table in ("workflow_definitions", "wfsync.managed", "wfsync.applies", "wfsync.apply_changes"):
            if self.session.rows("SELECT pg_catalog.to_regclass(%s)", table) != [(None,)]:
                self.session.rows(f"DELETE FROM {table} RETURNING 1")


@pytest.fixture(scope="module", params=LAYOUTS)
def opened(request: pytest.FixtureRequest, server: Server) -> Iterator[Session]:
    databases = Databases(server)
    with session(databases(request.param), TENANT) as found:
        yield found
    databases.drop()


@settings(
    max_examples=10,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    data=st.data(),
    policies=st.sampled_from(POLICIES),
    modes=st.tuples(*[st.sampled_from(["replace", "update"])] * 3),
)
def test_apply_then_roll_back_is_before_and_rolling_that_back_is_after(
    opened: Session, data: st.DataObject, policies: Policies, modes: tuple[Overwrite, Overwrite, Overwrite]
) -> None:
    instance = Instance(opened, policies)
    instance.clear()
    first = data.draw(_part())
    instance.apply(first, "replace")
    before = instance.content()
    second = data.draw(_part())
    outcome = instance.apply(second, modes[0])
    after = instance.content()
    if outcome.apply_id is None:  # nothing differed
        assert before == after
        return
    changed = {c.key for c in outcome.plan.changes if c.action != "relink"}

    undone = instance.roll_back(outcome.apply_id, modes[1])
    assert instance.content() == before
    assert instance.held() == changed
    assert instance.plan(second, modes[0]).plan.changes == ()  # what was rolled back waits for a change in git

    assert undone.apply_id is not None
    instance.roll_back(undone.apply_id, modes[2])
    assert instance.content() == after
    assert instance.held() == set()
    plan = instance.plan(second, modes[0]).plan
    assert (plan.changes, plan.kept, plan.unchanged) == ((), (), len(second))


@st.composite
def _part(draw: st.DrawFn) -> dict[str, JsonObject]:
    """Workflows of some of the names, which call one another."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    return draw(repositories(names=tuple(names)))
