"""Law 6 (architecture.md): nothing that wfsync did not create is deleted, except a key overwritten with ``--force``.

Two sources share a database that people write to, too. Whatever happens in whatever order, an apply with every consent
there is deletes only rows that an apply of the same source inserted, and rows that it overwrites. In-process, so that
many histories are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from databases import Databases, LayoutName
from rows import Session, session
from small_bundles import bundle, canonical, set_state
from wfsync.apply.actor import Actor
from wfsync.apply.execute import ApplyOptions
from wfsync.apply.record import Recording
from wfsync.bundle.load import LoadOptions
from wfsync.errors import Conflict, Refused
from wfsync.pipeline.applying import carry_out, require_consent
from wfsync.pipeline.options import PlanOptions
from wfsync.pipeline.planning import make_plan
from wfsync.plan.guard import Brakes, Consent
from wfsync.plan.limits import Limit
from wfsync.plan.model import TargetRef
from wfsync.state.desired import from_documents

KEYS: Final = ("a", "b", "c")
SOURCES: Final = ("example.org/one", "file:/two")
EVERYTHING: Final = Consent(force=True, allow_running=True)

key = st.sampled_from(KEYS)
source = st.sampled_from(SOURCES)
state = st.sampled_from(("X", "Y"))
apply = st.tuples(
    st.just("apply"),
    source,
    st.booleans(),
    st.sampled_from(("overwrite", "overwrite", "skip", "fail")),
    st.sampled_from(("replace", "update")),
)
write = st.tuples(st.just("write"), source, key, state)
step = st.one_of(
    apply,
    write,
    st.tuples(st.just("remove"), source, key),
    apply,
    write,
    st.tuples(st.just("remove"), source, key),
    apply,
    st.tuples(st.just("insert"), key, state),
    st.tuples(st.just("edit"), key),
    st.tuples(st.just("delete"), key),
    st.tuples(st.just("rename"), key, key),
)
histories = st.tuples(
    st.lists(write, min_size=4, max_size=8),
    st.lists(apply, min_size=1, max_size=3),
    st.lists(step, min_size=12, max_size=40),
)


class World:
    """Files of each source, one database, and whose insert each row is."""

    def __init__(self, opened: Session) -> None:
        self.opened = opened
        self.files: dict[str, dict[str, str]] = {name: {} for name in SOURCES}
        self.made_by: dict[str, str] = {}
        self.pruned = 0
        opened.rows("DELETE FROM workflow_definitions RETURNING 1")
        if opened.rows("SELECT to_regclass('wfsync.managed') IS NOT NULL")[0][0]:
            opened.rows("DELETE FROM wfsync.managed RETURNING 1")

    def ids(self) -> dict[str, str]:
        return dict(self.opened.rows("SELECT workflow_id::text, key FROM workflow_definitions"))

    def do(self, name: str, *arguments: Any) -> None:
        getattr(self, name)(*arguments)

    def write(self, source: str, key: str, state: str) -> None:
        self.files[source][key] = state

    def remove(self, source: str, key: str) -> None:
        self.files[source].pop(key, None)

    def insert(self, key: str, state: str) -> None:
        """Somebody imports a bundle: a row that no source created."""
        if key not in self.ids().values():
            self._apply({key: state}, PlanOptions("replace", EVERYTHING, details=False), manages=False)

    def edit(self, key: str) -> None:
        self.opened.rows(
            "UPDATE workflow_definitions SET description = gen_random_uuid() WHERE key = %s RETURNING 1", key
        )

    def delete(self, key: str) -> None:
        self.opened.rows("DELETE FROM workflow_definitions WHERE key = %s RETURNING 1", key)

    def rename(self, key: str, new: str) -> None:
        if new not in self.ids().values():
            self.opened.rows("UPDATE workflow_definitions SET key = %s WHERE key = %s RETURNING 1", new, key)

    def apply(self, source: str, force: bool, on_drift: Literal["fail", "overwrite", "skip"], mode: Any) -> None:
        if not self.files[source]:
            return  # an empty directory is an error
        brakes = Brakes(max_deletes=Limit(100, percent=True), on_drift=on_drift)
        consent = Consent(force=force, allow_running=True)
        options = PlanOptions(mode, consent, details=False, source=source, prune=True, brakes=brakes)
        before = self.ids()
        try:
            changes = self._apply(self.files[source], options, manages=True)
        except (Conflict, Refused):
            assert self.ids() == before
            return
        after = self.ids()
        gone = before.keys() - after.keys()
        overwritten = {c.workflow_id for c in changes if c.action == "overwrite"}
        for workflow_id in gone:
            if workflow_id in overwritten:
                assert force
            else:
                assert self.made_by.get(workflow_id) == source, f"{before[workflow_id]} was not made by {source}"
                assert before[workflow_id] not in self.files[source]
                self.pruned += 1
        for workflow_id in after.keys() - before.keys():
            self.made_by[workflow_id] = source

    def _apply(self, files: dict[str, str], options: PlanOptions, *, manages: bool) -> Any:
        s = self.opened
        documents = {f"{k}.json": canonical(bundle(k, [set_state(v)])) for k, v in files.items()}
        target = TargetRef("test", s.tenant.value if s.tenant else None, s.layout.name, "named")
        loaded = LoadOptions(many=True)
        planned = make_plan(s.conn, s.layout, s.tenant, lambda: from_documents(documents, loaded), target, options)
        require_consent(planned.plan)
        recording = Recording(Actor("test", "--actor"), options.source or "import", manages=manages)
        carry_out(s.conn, s.layout, s.tenant, planned, ApplyOptions(options.consent, 10, recording=recording))
        return planned.plan.changes


@contextmanager
def world(database: Databases, layout: LayoutName) -> Iterator[Session]:
    with session(database(layout)) as opened:
        yield opened


@pytest.mark.parametrize("layout", ["wfsync", "A"])
def test_nothing_is_deleted_that_the_source_did_not_create(database: Databases, layout: LayoutName) -> None:
    with world(database, layout) as opened:
        pruned = 0

        @settings(
            max_examples=50,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        )
        @given(histories)
        def live(parts: tuple[list[tuple[Any, ...]], ...]) -> None:
            nonlocal pruned
            lived = World(opened)
            for one in (one for part in parts for one in part):
                lived.do(*one)
            pruned += lived.pruned

        live()
        assert pruned > 0  # or the law was not put to the test
