"""The plain model: files, rows, what is managed and what was done, and what each command must make of them.

Written from the specification with dictionaries and without a thought for speed. Digests are what they stand for, so
that nothing of the product's comparing is used here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from model_flows import Digest, Flow

__all__ = ["Ask", "Change", "Deed", "Forecast", "Held", "Row", "Stand", "Step", "World", "foresee", "stand"]

Action = Literal["create", "overwrite", "delete", "relink"]
NOTHING: Digest = ("", Flow("", "", None, 0, None))  # type: ignore[arg-type]  # a hold of a key that had no file


@dataclass(frozen=True)
class Row:
    """One workflow of the database; calls name ids."""

    key: str
    flow: Flow
    running: bool = False


@dataclass(frozen=True)
class Held:
    """One managed key."""

    source: str
    origin: Literal["created", "adopted"]
    workflow_id: str
    digest: Digest
    policy: bool | None
    """Whether the database owned the field; None: nobody knows."""
    held: Digest | None = None
    held_policy: bool | None = None
    """Likewise, of ``held``."""

    def holds(self, file: Digest | None, *, owned: bool) -> bool:
        """Whether a rollback went behind this file, or behind one that nobody can compare with it."""
        if self.held is None or file is None or self.held == NOTHING:
            return self.held == (file or NOTHING)
        return self.held == file or self.held_policy not in (None, owned)


@dataclass(frozen=True)
class Change:
    """One changed workflow of an apply."""

    key: str
    action: Action
    before: Digest | None
    after: Digest | None
    before_id: str | None
    after_id: str | None
    image: Flow | None
    """The row before, as it stood there."""


@dataclass(frozen=True)
class Deed:
    """One row of the ledger."""

    id: str
    command: str
    source: str
    code: str | None = None
    """Of the error that ended it."""
    owned: bool = True
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Ask:
    """The options of one command."""

    source: str
    overwrite: Literal["replace", "update"] = "replace"
    force: bool = True
    allow_running: bool = True
    prune: bool = False
    on_drift: Literal["fail", "overwrite", "skip"] = "fail"
    select: frozenset[str] | None = None
    """Keys; None: all."""
    pinned: bool = False
    """``select`` are the keys of a plan file."""

    def chooses(self, key: str) -> bool:
        return self.select is None or key in self.select


@dataclass(frozen=True)
class Stand:
    """How a key stands."""

    state: str
    drift: bool = False
    other: str | None = None
    prunable: bool = False


@dataclass(frozen=True)
class Step:
    """One change that an apply would make."""

    key: str
    action: Action
    workflow_id: str | None
    before: Digest | None
    after: Digest | None
    drift: bool = False


@dataclass
class Forecast:
    """What a command must say and do."""

    error: frozenset[str] = frozenset()
    """Codes, one of which no plan can be made with; empty: there is one."""
    steps: frozenset[Step] = frozenset()
    kept: dict[str, str] = field(default_factory=dict)
    blocks: frozenset[tuple[str, str | None]] = frozenset()
    wanted: dict[str, Flow] = field(default_factory=dict)
    """What will be written or is there, callees as keys; without what is left alone."""
    owned: bool = True

    @property
    def exit_code(self) -> int:
        """Of an apply that nothing else goes wrong with."""
        codes = {code for code, _ in self.blocks}
        if self.error:
            return 1
        if codes & {"WORKFLOW_KEY_CONFLICT", "AMBIGUOUS_KEY", "DRIFT"}:
            return 3
        return 4 if codes else 0


@dataclass
class World:
    """Everything that there is."""

    files: dict[str, dict[str, Flow | None]]
    """By source and key; None: a file that nobody can read."""
    owned: dict[str, bool]
    """By source: whether its settings leave ``metadata.isPaused`` to the database."""
    rows: dict[str, Row] = field(default_factory=dict)
    managed: dict[str, Held] = field(default_factory=dict)
    ledger: list[Deed] = field(default_factory=list)

    def name(self, target: str) -> str:
        """What a call in a row means."""
        return self.rows[target].key if target in self.rows else target

    def digest(self, row: Row, *, owned: bool) -> Digest:
        return row.key, row.flow.naming(self.name).neutral(owned=owned)

    def ids_of(self, key: str) -> list[str]:
        return sorted(workflow_id for workflow_id, row in self.rows.items() if row.key == key)

    def only(self, key: str) -> str | None:
        """The id of the row that has the key alone."""
        ids = self.ids_of(key)
        return ids[0] if len(ids) == 1 else None

    def stored_keys(self) -> set[str]:
        return {row.key for row in self.rows.values()}

    def digest_of(self, key: str, *, owned: bool) -> Digest | None:
        found = self.only(key)
        return None if found is None else self.digest(self.rows[found], owned=owned)


def stand(world: World, source: str, key: str) -> Stand | None:
    """The table of cli.md, ``status``; None for what has no state."""
    owned = world.owned[source]
    flow = world.files[source].get(key)
    file = None if flow is None else (key, flow.neutral(owned=owned))
    ids = world.ids_of(key)
    if len(ids) > 1 or (file is None and not ids):
        return None
    row = world.digest_of(key, owned=owned)
    managed = world.managed.get(key)
    ours = managed if managed is not None and managed.source == source else None
    other = managed.source if managed is not None and ours is None else None
    if file is not None and file == row:
        return Stand("in_sync", other=other)
    if ours is not None and ours.holds(file, owned=owned):
        return Stand("held")
    if row is None:
        return Stand("git_only" if ours is None else "database_deleted", other=other)
    base = ours.digest if ours is not None and ours.policy == owned else None
    if file is None:
        if ours is None:
            return Stand("database_only_unmanaged", other=other)
        prunable = ours.origin == "created" and [ours.workflow_id] == ids
        return Stand("database_only_managed", base is not None and row != base, None, prunable)
    if ours is None:
        return Stand("unmanaged_differs", other=other)
    if base is None or row == base:
        return Stand("git_changed")
    return Stand("database_changed" if file == base else "both_changed", drift=True)


def foresee(
    world: World,
    wanted: Mapping[str, Flow],
    stands: Mapping[str, Stand],
    ask: Ask,
    *,
    owned: bool,
    managed: int = 0,
    limit: int | None = None,
    import_only: bool = False,
) -> Forecast:
    """The plan that must come out for ``wanted`` (callees as keys), where keys stand as ``stands`` says.

    ``managed`` is how many workflows of the database the source manages, ``limit`` another brake on deletes than the
    default.
    """
    steps: list[Step] = []
    kept: dict[str, str] = {}
    equal: set[str] = set()
    for key, flow in wanted.items():
        after = key, flow.neutral(owned=owned)
        ids = world.ids_of(key)
        before = world.digest_of(key, owned=owned)
        if len(ids) > 1:
            continue
        if before == after:
            equal.add(key)
        elif (why := _left(stands.get(key), ask)) is not None:
            kept[key] = why
        else:
            action: Action = "overwrite" if ids else "create"
            drift = key in stands and stands[key].drift
            steps.append(Step(key, action, ids[0] if ids else None, before, after, drift))
    for key, its in stands.items():
        row = world.only(key)
        if key in wanted or row is None or not (its.state == "held" or (ask.prune and its.prunable)):
            continue
        if (why := _left(its, ask)) is not None:
            kept[key] = why
        else:
            steps.append(Step(key, "delete", row, world.digest_of(key, owned=owned), None, its.drift))
    rest = {key: flow for key, flow in wanted.items() if key not in kept}
    if _leads_nowhere(world, rest, steps):
        return Forecast(frozenset({"MISSING_REFERENCE"}))
    blocks = set(_blocks(world, wanted, steps, stands, ask, managed, limit))
    if import_only and not ask.force:
        blocks |= {("WORKFLOW_KEY_CONFLICT", key) for key in equal}
    steps += _relinks(world, steps, equal, owned=owned, replaces=ask.overwrite == "replace")
    return Forecast(frozenset(), frozenset(steps), kept, frozenset(blocks), rest, owned)


def _left(its: Stand | None, ask: Ask) -> str | None:
    """Why a workflow that differs is left alone."""
    if its is not None and its.state == "held":
        return "held"
    return "skipped" if its is not None and its.drift and ask.on_drift == "skip" else None


def _leads_nowhere(world: World, wanted: Mapping[str, Flow], steps: Collection[Step]) -> bool:
    """Whether a published version calls what is not there, or would lose what it calls."""
    for flow in wanted.values():
        for number, body in flow.bodies():
            key = body.callee
            if number is None or key is None or _is_id(key):
                continue
            ids = world.ids_of(key)
            versions = wanted[key].versions if key in wanted else ()
            if key not in wanted and len(ids) == 1:
                versions = world.rows[ids[0]].flow.versions
            if body.version not in versions and (key in wanted or len(ids) <= 1):
                return True
    overwritten = {i: step.key for step in steps if step.action == "overwrite" and (i := step.workflow_id)}
    deleted = {step.workflow_id for step in steps if step.action == "delete"}
    for workflow_id, row in world.rows.items():
        if row.key in wanted or workflow_id in deleted:
            continue
        for number, body in row.flow.bodies():
            if number is not None and body.callee in overwritten:
                had = world.rows[body.callee].flow.versions
                if body.version in had and body.version not in wanted[overwritten[body.callee]].versions:
                    return True
    return False


def _is_id(text: str) -> bool:
    return len(text) == 36


def _blocks(
    world: World,
    wanted: Mapping[str, Flow],
    steps: Collection[Step],
    stands: Mapping[str, Stand],
    ask: Ask,
    managed: int,
    limit: int | None,
) -> Iterable[tuple[str, str | None]]:
    called = {key for step in steps if step.action != "delete" for key in wanted[step.key].callees()}
    for key in {*wanted, *called}:
        if len(world.ids_of(key)) > 1:
            yield "AMBIGUOUS_KEY", key
    deleted = {step.workflow_id: step.key for step in steps if step.action == "delete"}
    changing = {step.key for step in steps}
    for step in steps:
        if step.action == "overwrite" and not ask.force:
            yield "WORKFLOW_KEY_CONFLICT", step.key
        if step.workflow_id is not None and world.rows[step.workflow_id].running and not ask.allow_running:
            yield "ACTIVE_RUNS", step.key
        if step.drift and ask.on_drift == "fail":
            yield "DRIFT", step.key
        other = stands[step.key].other if step.key in stands else None
        if other is not None and not (ask.force and other.startswith("file:")):
            yield "MANAGED_ELSEWHERE", step.key
        if step.action == "delete":
            stays = {i for i, row in world.rows.items() if i not in deleted and row.key not in changing}
            stays |= {i for i, r in world.rows.items() if i not in deleted and len(world.ids_of(r.key)) > 1}
            if step.key in called or any(step.workflow_id in world.rows[i].flow.callees() for i in stays):
                yield "STILL_CALLED", step.key
    if len(deleted) > (max(3, managed * 30 // 100) if limit is None else limit):
        yield "MAX_DELETES", None


def _relinks(
    world: World, steps: Collection[Step], equal: Collection[str], *, owned: bool, replaces: bool
) -> list[Step]:
    replaced = {step.workflow_id for step in steps if step.action == "overwrite"} if replaces else set()
    written = {step.workflow_id for step in steps}
    created = {step.key for step in steps if step.action == "create"}
    there = {key for key in world.stored_keys() if world.only(key)}
    there -= {step.key for step in steps if step.action == "delete"}
    found = []
    for workflow_id, row in world.rows.items():
        callees = row.flow.callees()
        named = callees & (created | there if row.key in equal else created) if world.only(row.key) else set()
        if workflow_id not in written and (callees & replaced or named):
            digest = world.digest(row, owned=owned)
            found.append(Step(row.key, "relink", workflow_id, digest, digest))
    return found
