"""The machine of the model test: every rule does one thing to the site and to the model, and compares both."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, Literal

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from model_edits import SOURCES, Edit, Edits, file_edits, flows, keys, row_edits, sources
from model_effects import Recorded, carry_out, foresee_apply, foresee_import, foresee_rollback
from model_flows import Body, Digest, Flow
from model_site import Said, Site
from model_world import NOTHING, Ask, Deed, Forecast, Held, Row, World, stand

__all__ = ["Machine"]

overwrites: Any = st.sampled_from(("replace", "update"))
on_drifts: Any = st.sampled_from(("fail", "overwrite", "overwrite", "skip"))
often = st.sampled_from((True, True, True, False))
asks = st.builds(
    Ask,
    source=sources,
    overwrite=overwrites,
    force=often,
    allow_running=often,
    prune=st.booleans(),
    on_drift=on_drifts,
    select=st.one_of(st.none(), st.none(), st.frozensets(keys, min_size=1, max_size=2)),
)
Fault = Literal["trap", "lock", "moved"]
faults: Any = st.sampled_from((None, None, None, None, None, "trap", "lock", "moved"))


class Machine(Edits):
    """Set ``site`` (fresh) before it runs."""

    make_site: Callable[[], tuple[Site, Callable[[], None]]]
    can_move: ClassVar[bool] = True
    """Whether something can happen between plan and apply."""
    seen: ClassVar[Counter[str]] = Counter()
    """How often commands ended in which way: a history in which nothing happens proves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.site, self._leave = type(self).make_site()
        self.source: dict[str, str] = {}
        for name in SOURCES:
            self.source[name] = self.site.add_source(name, named=name != "weak")
        self.world = World({self.source[n]: {} for n in SOURCES}, {self.source[n]: True for n in SOURCES})
        for name, key in (("one", "a"), ("one", "b"), ("two", "c"), ("weak", "d")):
            self._write(name, key, Flow(key, name, False, 2, Body("S"), ((1, Body("S")),)))
        self.hexes: dict[Digest, str] = {}
        self.pins: list[tuple[str, Ask, bytes, Forecast, bool, list[bool]]] = []
        self.notes = 0
        self.made: dict[str, set[str]] = {source: set() for source in (*self.source.values(), "import")}

    def teardown(self) -> None:
        self._leave()

    @rule(name=sources, edit=file_edits)
    def edit_files(self, name: str, edit: Edit) -> None:
        what, flow, data = edit
        match what:
            case "write":
                self.write_file(name, data[0], flow)
            case "remove":
                self.remove_file(name, data[0])
            case "rename":
                self.rename_file(name, *data)
            case "break":
                self.break_file(name, data[0])
            case _:
                self.copy_row_to_file(name, data[0])

    @rule(edit=row_edits)
    def edit_rows(self, edit: Edit) -> None:
        what, flow, data = edit
        match what:
            case "edit":
                self.edit_row(data[0], flow.note)
            case "pause":
                self.pause_row(data[0], bool(flow.paused))
            case "delete":
                self.delete_row(data[0])
            case "insert":
                self.insert_row(data[0], flow)
            case "rename":
                self.rename_row(data[0], "z" if data[0] == data[1] else data[1])
            case "publish":
                self.publish_row(data[0])
            case "unpublish":
                self.unpublish_row(data[0])
            case _:
                self.run_row(data[0])

    @rule(what=st.sampled_from(("adopt", "adopt", "release", "release", "settings")), name=sources, key=keys)
    def change_ownership(self, what: str, name: str, key: str) -> None:
        match what:
            case "adopt":
                self.adopt(name, key)
            case "release":
                self.release(name, key)
            case _:
                self.settings(name)

    # -- commands ------------------------------------------------------------------------------------------------

    def _name(self, source: str) -> str:
        return next(name for name, its in self.source.items() if its == source)

    def _compare(self, ahead: Forecast, said: Said) -> None:
        """What was planned is what had to be."""
        if ahead.error:
            assert said.code == ahead.exit_code, said
            assert ahead.error <= said.codes, said
            return
        assert said.plan is not None, said
        steps = {(c.key, c.action, c.workflow_id, c.drift) for c in said.plan.changes}
        assert steps == {(s.key, s.action, s.workflow_id, s.drift) for s in ahead.steps}
        assert {k.key: k.why for k in said.plan.kept} == ahead.kept
        assert frozenset((b.code, b.key) for b in said.plan.blocks) == ahead.blocks
        for change in said.plan.changes:
            (step,) = [s for s in ahead.steps if (s.key, s.workflow_id) == (change.key, change.workflow_id)]
            self._same_digest(step.before, change.before_digest)
            self._same_digest(step.after, change.after_digest)

    def _same_digest(self, digest: Digest | None, text: str | None) -> None:
        if digest is None or text is None:
            assert (digest, text) == (None, None)
        else:
            assert self.hexes.setdefault(digest, text) == text

    def _settle(self, ahead: Forecast, said: Said, ask: Ask, as_: Recorded) -> None:
        """What was carried out is what had to be."""
        self._compare(ahead, said)
        assert said.code == ahead.exit_code, (said.error, ahead)
        if said.code:
            assert ahead.error or {code for code, _ in ahead.blocks} <= said.codes
            self.seen.update(f"{as_.command}: {code}" for code in ahead.error or {code for code, _ in ahead.blocks})
            return
        self.seen.update(f"{as_.command}: {step.action}" for step in ahead.steps)
        self.seen.update(f"{as_.command}: {why}" for why in ahead.kept.values())
        self.seen[f"{as_.command}: {'applied' if ahead.steps else 'nothing'}"] += 1
        assert said.outcome is not None
        dangling = self._dangling()
        if as_.command == "apply":
            gone = {step.workflow_id for step in ahead.steps if step.action == "delete"}
            assert gone <= self.made[as_.source], "law 6: only what an apply of this source made is ever deleted"
        ids = {a.key: a.workflow_id for a in said.outcome.applied if a.action != "relinked"}
        for step in ahead.steps:
            if step.action == "create" or (step.action == "overwrite" and ask.overwrite == "replace"):
                former = (as_.former or {}).get(step.key)
                assert ids[step.key] not in self.world.rows
                assert former in (None, ids[step.key])
            elif step.action == "overwrite":
                assert ids[step.key] == step.workflow_id
        carry_out(self.world, ahead, ask, as_, ids, said.outcome.apply_id)
        self.made[as_.source].update(self._made(ahead, ask, as_, ids))
        assert self._dangling() <= dangling, "calls of published versions lead somewhere"

    def _made(self, ahead: Forecast, ask: Ask, as_: Recorded, ids: Mapping[str, str]) -> Iterator[str]:
        """Rows that an apply of a source made, and those that it put in their place."""
        source = as_.source
        for step in ahead.steps:
            is_ours = step.workflow_id in self.made[source] and ask.overwrite == "replace"
            is_new = step.action == "create" and as_.manages and step.key not in as_.returned
            if is_new or (step.action == "overwrite" and is_ours):
                yield ids[step.key]

    def _dangling(self) -> set[tuple[str, int, str]]:
        """Calls of published versions that lead nowhere."""
        return {
            (row.key, number, self.world.name(body.callee))
            for row in self.world.rows.values()
            for number, body in row.flow.bodies()
            if number is not None and body.callee is not None
            if body.callee not in self.world.rows or body.version not in self.world.rows[body.callee].flow.versions
        }

    @contextmanager
    def _fault(self, fault: Fault | None, ahead: Forecast) -> Any:
        """A fault between plan and apply; yields what to call, and the code that must come of it."""
        if fault is None or ahead.exit_code or not ahead.steps or (fault == "moved" and not self.can_move):
            yield (lambda: None), None
        elif fault == "trap":
            self.site.sql("INSERT INTO trap VALUES (true) RETURNING 1")
            yield (lambda: None), 1
            self.site.sql("DELETE FROM trap RETURNING 1")
        elif fault == "lock":
            with self.site.database.connect() as other, other.transaction():
                other.execute("LOCK TABLE workflow_definitions IN SHARE MODE")
                yield (lambda: None), 5
        else:
            yield (lambda: self._move(ahead)), 3

    def _move(self, ahead: Forecast) -> None:
        """Somebody changes a row of the plan."""
        step = min(ahead.steps, key=lambda s: (s.key, s.workflow_id or ""))
        self.notes += 1
        note = f"meanwhile {self.notes}"
        if step.workflow_id is None:
            flow = Flow(step.key, note, False, 1, Body("S"))
            self.world.rows[self.site.insert(step.key, flow)] = Row(step.key, flow)
        else:
            self.site.sql(
                "UPDATE workflow_definitions SET description = %s WHERE workflow_id = %s RETURNING 1",
                note,
                step.workflow_id,
            )
            self._set(step.workflow_id, note=note)

    def _failed(self, said: Said, code: int, command: str, source: str) -> None:
        assert said.code == code, said
        self.seen[f"{command}: failed {code}"] += 1
        assert said.error is not None
        deed = self.site.deeds()[-1]
        self.world.ledger.append(Deed(deed[0], command, source, said.error.code))

    @rule(ask=asks, fault=faults)
    def apply(self, ask: Ask, fault: Fault | None) -> None:
        name, ask = ask.source, replace(ask, source=self.source[ask.source])
        ahead = foresee_apply(self.world, ask)
        with self._fault(fault, ahead) as (between, code):
            said = self.site.apply(name, ask, between)
        if code is not None:
            self._compare(ahead, said)
            self._failed(said, code, "apply", ask.source)
            return
        self._settle(ahead, said, ask, Recorded("apply", ask.source))
        if not said.code and ask.select is None and ask.on_drift != "fail":
            self._is_done(name, ask)

    def _is_done(self, name: str, ask: Ask) -> None:
        """Law 1: after an apply of everything nothing is to be done but what is left alone."""
        said = self.site.plan(name, ask)
        assert said.plan is not None
        assert (said.plan.changes, said.plan.blocks) == ((), ())

    @rule(mode=overwrites, prune=often, edits=st.lists(file_edits, min_size=1, max_size=3))
    def edit_and_apply(self, mode: Literal["replace", "update"], prune: bool, edits: list[Edit]) -> None:
        for edit in edits:
            self.edit_files("one", edit)
        self.apply(Ask("one", mode, prune=prune, on_drift="overwrite"), None)

    @rule(mode=overwrites, number=st.sampled_from((0, 0, 1, 2)), edits=st.lists(row_edits, max_size=1))
    def edit_and_roll_back(self, mode: Literal["replace", "update"], number: int, edits: list[Edit]) -> None:
        for edit in edits:
            self.edit_rows(edit)
        self.roll_back(number, Ask("one", mode, on_drift="overwrite"), None)

    @rule(number=st.integers(0, 3), ask=asks, fault=faults)
    def roll_back(self, number: int, ask: Ask, fault: Fault | None) -> None:
        """0 is what ``last`` means."""
        deeds = [d for d in reversed(self.world.ledger) if d.command not in ("adopt", "release")]
        if number == 0:
            deeds = [d for d in deeds if d.code is None]
        if number >= len(deeds):
            return
        deed = deeds[number]
        undoing = foresee_rollback(self.world, deed, ask)
        with self._fault(fault, undoing.ahead) as (between, code):
            said = self.site.roll_back("last" if number == 0 else deed.id, ask, between)
        if code is not None:
            self._compare(undoing.ahead, said)
            self._failed(said, code, "rollback", deed.source)
        else:
            self._settle(undoing.ahead, said, ask, undoing.as_)

    @rule(ask=asks, chosen=st.dictionaries(keys, flows, min_size=1, max_size=2))
    def import_files(self, ask: Ask, chosen: Mapping[str, Flow]) -> None:
        name = ask.source
        ask = replace(ask, source=self.source[name], on_drift="overwrite", prune=False, select=None)
        named = {key: replace(flow, name=key) for key, flow in chosen.items()}
        ahead = foresee_import(self.world, named, ask)
        said = self.site.import_(name, named, ask)
        self._settle(ahead, said, ask, Recorded("import", "import", manages=False))

    @rule(ask=asks)
    def pin(self, ask: Ask) -> None:
        name, ask = ask.source, replace(ask, source=self.source[ask.source])
        ahead = foresee_apply(self.world, ask)
        said, data = self.site.pin(name, ask)
        self._compare(ahead, said)
        if not ahead.error:
            self.pins.append((name, ask, data, ahead, self.world.owned[ask.source], [False]))

    @precondition(lambda self: self.pins)
    @rule(number=st.integers(0, 2), force=often)
    def apply_pinned(self, number: int, force: bool) -> None:
        name, ask, data, then, owned, used = self.pins[-1 - number % len(self.pins)]
        ask = replace(ask, force=force)
        said = self.site.apply_pinned(name, ask, data)
        keys = {s.key for s in then.steps}
        keys |= {k for _, k in then.blocks if k is not None}
        exactly = replace(ask, select=frozenset(keys), pinned=True)
        now = foresee_apply(self.world, exactly)
        stale = used[0] or self.world.owned[ask.source] != owned or now.error == {"MISSING_REFERENCE"}
        if stale or (not now.error and now.steps != then.steps):
            assert (said.code, said.error and said.error.code) == (3, "STALE_PLAN"), said
            self.seen["pinned: stale"] += 1
            return
        self.seen[f"pinned: {said.code}"] += 1
        self._settle(now, said, exactly, Recorded("apply", ask.source))
        used[0] = used[0] or bool(not said.code and now.steps)

    # -- whose a key is ------------------------------------------------------------------------------------------

    def adopt(self, name: str, key: str) -> None:
        source = self.source[name]
        its = stand(self.world, source, key)
        row, managed = self.world.only(key), self.world.managed.get(key)
        has_file = self.world.files[source].get(key) is not None
        said = self.site.adopt(name, key)
        if its is None or not has_file or (row is None and managed is None):
            assert said.code == 1
            assert said.codes & {"WORKFLOW_NOT_FOUND", "NOTHING_SELECTED"}
            return
        assert said.code == 0, said
        if managed is not None and managed.source == source:
            return
        owned = self.world.owned[source]
        if row is not None:
            digest = self.world.digest(self.world.rows[row], owned=owned)
            self.world.managed[key] = Held(source, "adopted", row, digest, owned)
        elif managed is not None:
            self.world.managed[key] = Held(source, "adopted", managed.workflow_id, managed.digest, owned)
        self._noted("adopt", source)

    def _noted(self, command: str, source: str) -> None:
        self.world.ledger.append(Deed(self.site.deeds()[-1][0], command, source))

    def release(self, name: str, key: str) -> None:
        managed = self.world.managed.get(key)
        said = self.site.release(name, key)
        if managed is None or managed.held is None or managed.source != self.source[name]:
            assert (said.code, said.error and said.error.code) == (1, "NOT_HELD")
        else:
            assert said.code == 0
            self.world.managed[key] = replace(managed, held=None, held_policy=None)
            self._noted("release", managed.source)

    # -- invariants ----------------------------------------------------------------------------------------------

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        assert self.site.rows() == self.world.rows

    @invariant()
    def what_is_managed_is_that_of_the_model(self) -> None:
        found = self.site.managed()
        assert found.keys() == self.world.managed.keys()
        policies: dict[bool | None, str] = {None: ""}
        for key, (source, origin, workflow_id, digest, policy, held, held_policy) in found.items():
            item = self.world.managed[key]
            assert (source, origin, workflow_id) == (item.source, item.origin, item.workflow_id)
            self._same_digest(item.digest, digest)
            assert policies.setdefault(item.policy, policy) == policy
            if item.held is None or held in (None, ""):
                assert (held, item.held) in ((None, None), ("", NOTHING))
            else:
                self._same_digest(item.held, held)
            if item.held_policy is None:
                assert held_policy is None
            else:
                assert policies.setdefault(item.held_policy, held_policy) == held_policy
        assert len(set(policies.values())) == len(policies)

    @invariant()
    def digests_mean_one_thing(self) -> None:
        assert len(set(self.hexes.values())) == len(self.hexes)

    @invariant()
    def the_ledger_is_that_of_the_model(self) -> None:
        deeds = [(d.id, d.command, d.source, d.code, "failed" if d.code else "applied") for d in self.world.ledger]
        assert self.site.deeds() == deeds
        for deed in self.world.ledger[-1:]:
            found = self.site.changes(deed.id)
            assert [row[:4] for row in found] == [(c.key, c.action, c.before_id, c.after_id) for c in deed.changes]
            for row, change in zip(found, deed.changes, strict=True):
                self._same_digest(change.before, row[4])
                self._same_digest(change.after, row[5])
                assert row[6] == (change.image is not None)

    @invariant()
    def status_is_that_of_the_model(self) -> None:
        name = SOURCES[random.randrange(len(SOURCES))]
        found = {item.key: (item.state, item.standing.drift) for item in self.site.status(name).items}
        keys = self.world.files[self.source[name]].keys() | self.world.stored_keys()
        stands = {key: its for key in keys if (its := stand(self.world, self.source[name], key)) is not None}
        assert found == {key: (its.state, its.drift) for key, its in stands.items()}

    @invariant()
    def the_plan_from_evidence_is_the_plan_from_everything(self) -> None:
        name = SOURCES[random.randrange(len(SOURCES))]
        ask = Ask(self.source[name], prune=True)
        known, everything = self.site.plan(name, ask), self.site.plan(name, ask, "all")
        assert known.plan == everything.plan
        self._compare(foresee_apply(self.world, ask), known)

    @invariant()
    def export_finds_what_differs(self) -> None:
        name = SOURCES[0]
        source = self.source[name]
        files, owned = self.world.files[source], self.world.owned[source]
        if any(len(self.world.ids_of(key)) > 1 for key in self.world.stored_keys()):
            return
        found = self.site.differs(name)
        for key, state in found.items():
            flow, row = files.get(key), self.world.digest_of(key, owned=owned)
            file = None if flow is None else (key, flow.neutral(owned=owned))
            wanted = "no_row" if row is None else "created" if file is None else "unchanged"
            assert state == (wanted if file is None or row in (None, file) else "updated")
        assert found.keys() == files.keys() | self.world.stored_keys()
