"""What people do to files and rows in the model test: each edit is made on the site and in the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from model_effects import foresee_apply
from model_flows import Body, Flow
from model_site import Site
from model_world import Ask, Row, World

__all__ = ["KEYS", "SOURCES", "Edit", "Edits", "file_edits", "flows", "keys", "row_edits", "sources"]

KEYS: Final = ("a", "b", "c", "d")
SOURCES: Final = ("one", "two", "weak")

keys = st.sampled_from(KEYS)
sources = st.sampled_from(("one",) * 7 + ("two", "weak"))
bodies = st.builds(Body, state=st.sampled_from(("S", "T")), callee=st.one_of(st.none(), st.none(), keys))


def flow_of(name: str, note: str, paused: bool, draft: Body, versions: int, published_calls: bool) -> Flow:
    body = draft if published_calls else Body(draft.state)
    return Flow(name, note, paused, versions + 1, draft, tuple((number, body) for number in range(1, versions + 1)))


flows = st.builds(
    flow_of,
    name=st.just(""),
    note=st.sampled_from(("x", "y", "z")),
    paused=st.booleans(),
    draft=bodies,
    versions=st.sampled_from((0, 1, 1, 1, 2)),
    published_calls=st.booleans(),
)
Edit: TypeAlias = tuple[str, Flow, tuple[str, str]]
file_edits = st.tuples(
    st.sampled_from(("write", "write", "write", "remove", "remove", "rename", "break", "copy")),
    flows,
    st.tuples(keys, keys),
)
row_edits = st.tuples(
    st.sampled_from(("edit", "edit", "pause", "delete", "insert", "rename", "publish", "unpublish", "run")),
    flows,
    st.tuples(keys, keys),
)


class Edits(RuleBasedStateMachine):
    """Rules that edit; the machine adds commands."""

    site: Site
    source: dict[str, str]
    """What the ledger calls each source."""
    world: World

    # -- files ---------------------------------------------------------------------------------------------------

    def _write(self, name: str, key: str, flow: Flow | None) -> None:
        self.site.write(name, key, flow)
        self.world.files[self.source[name]][key] = flow

    def write_file(self, name: str, key: str, flow: Flow) -> None:
        self._write(name, key, replace(flow, name=key))

    def remove_file(self, name: str, key: str) -> None:
        files = self.world.files[self.source[name]]
        if key in files and len(files) > 1:
            del files[key]
            self.site.remove(name, key)

    def rename_file(self, name: str, old: str, new: str) -> None:
        files = self.world.files[self.source[name]]
        flow = files.get(old)
        if flow is not None and new not in files:
            self._write(name, new, replace(flow, name=new))
            del files[old]
            self.site.remove(name, old)

    def break_file(self, name: str, key: str) -> None:
        if key not in self.world.files[self.source[name]]:
            self._write(name, key, None)
            ahead = foresee_apply(self.world, Ask(self.source[name]))
            said = self.site.apply(name, Ask(self.source[name], prune=True))
            assert said.code == ahead.exit_code == 1
            del self.world.files[self.source[name]][key]
            self.site.remove(name, key)

    def copy_row_to_file(self, name: str, key: str) -> None:
        """Somebody takes into git what the database holds."""
        found = self.world.only(key)
        if found is not None:
            flow = self.world.rows[found].flow.naming(self.world.name)
            if all(body.callee in (None, *KEYS) for _, body in flow.bodies()):
                self._write(name, key, flow)

    def settings(self, name: str) -> None:
        """The settings change: whose a field is."""
        owned = not self.world.owned[self.source[name]]
        self.site.configure(name, named=name != "weak", owned=owned)
        self.world.owned[self.source[name]] = owned

    # -- rows ----------------------------------------------------------------------------------------------------

    def _set(self, workflow_id: str, **changes: Any) -> None:
        row = self.world.rows[workflow_id]
        self.world.rows[workflow_id] = replace(row, flow=replace(row.flow, **changes))

    def edit_row(self, key: str, note: str) -> None:
        for workflow_id in self.world.ids_of(key):
            self.site.sql(
                "UPDATE workflow_definitions SET description = %s WHERE workflow_id = %s RETURNING 1", note, workflow_id
            )
            self._set(workflow_id, note=note)

    def pause_row(self, key: str, paused: bool) -> None:
        for workflow_id in self.world.ids_of(key):
            self.site.sql(
                "UPDATE workflow_definitions SET is_paused = %s WHERE workflow_id = %s RETURNING 1", paused, workflow_id
            )
            self._set(workflow_id, paused=paused)

    def delete_row(self, key: str) -> None:
        for workflow_id in self.world.ids_of(key):
            self.site.sql("DELETE FROM workflow_definitions WHERE workflow_id = %s RETURNING 1", workflow_id)
            del self.world.rows[workflow_id]

    def insert_row(self, key: str, flow: Flow) -> None:
        if not self.world.ids_of(key) or (not self.site.session.layout.key_is_unique and flow.note == "z"):
            stored = replace(flow, name=key).naming(lambda name: self.world.only(name) or name)
            self.world.rows[self.site.insert(key, stored)] = Row(key, stored)

    def rename_row(self, old: str, new: str) -> None:
        found = self.world.only(old)
        if found is not None and not self.world.ids_of(new):
            self.site.sql("UPDATE workflow_definitions SET key = %s WHERE workflow_id = %s RETURNING 1", new, found)
            self.world.rows[found] = replace(self.world.rows[found], key=new)

    def publish_row(self, key: str) -> None:
        found = self.world.only(key)
        if found is not None:
            row = self.world.rows[found]
            number = row.flow.draft_version
            if number in row.flow.versions:
                return
            self.site.publish(found)
            published = (*row.flow.published, (number, row.flow.draft))
            self._set(found, published=tuple(sorted(published)), draft_version=number + 1)

    def unpublish_row(self, key: str) -> None:
        found = self.world.only(key)
        if found is not None and self.world.rows[found].flow.published:
            self.site.sql(
                "DELETE FROM workflow_definition_versions WHERE workflow_id = %s AND version = %s RETURNING 1",
                found,
                self.world.rows[found].flow.versions[-1],
            )
            self._set(found, published=self.world.rows[found].flow.published[:-1])

    def run_row(self, key: str) -> None:
        found = self.world.only(key)
        if found is not None and not self.world.rows[found].running:
            self.site.run(found)
            self.world.rows[found] = replace(self.world.rows[found], running=True)
