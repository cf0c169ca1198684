"""The plain model, second half: what is there after a command, and what a rollback goes back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from model_flows import Digest, Flow
from model_world import NOTHING, Ask, Change, Deed, Forecast, Held, Row, Stand, Step, World, foresee, stand

Hold: TypeAlias = tuple[Digest, bool | None]
"""What a file was, and whether the database owned the field then; None: nobody knows."""

__all__ = ["Recorded", "Undoing", "carry_out", "foresee_apply", "foresee_import", "foresee_rollback"]


@dataclass(frozen=True)
class Recorded:
    """What an apply is called in the ledger, and whom it manages for."""

    command: str
    source: str
    manages: bool = True
    holds: Mapping[str, Hold] | None = None
    policies: Mapping[str, bool | None] | None = None
    """Of keys that a rollback writes, where it is not the source's."""
    returned: frozenset[str] = frozenset()
    """Keys that a rollback brings back and that nobody says we made."""
    former: Mapping[str, str] | None = None
    """Ids that a rollback gives back."""


def foresee_apply(world: World, ask: Ask) -> Forecast:
    """What `plan` and `apply` of one source must come to."""
    files = world.files[ask.source]
    if any(flow is None for flow in files.values()):
        return Forecast(frozenset({"INVALID_BUNDLE"}))
    chosen = {key: flow for key, flow in files.items() if flow is not None and ask.chooses(key)}
    ours = {key for key, item in world.managed.items() if item.source == ask.source}
    if not chosen and not ask.pinned and not (ask.prune and any(map(ask.chooses, ours))):
        return Forecast(frozenset({"NOTHING_SELECTED"}))
    about = {key for key in files.keys() | world.stored_keys() if ask.chooses(key)}
    stands = {key: its for key in sorted(about) if (its := stand(world, ask.source, key)) is not None}
    managed = sum(1 for key in ours if world.only(key) is not None)
    ahead = foresee(world, chosen, stands, ask, owned=world.owned[ask.source], managed=managed)
    if ask.prune and not ahead.error:
        ahead.blocks |= {
            ("AMBIGUOUS_KEY", key) for key in ours - files.keys() if ask.chooses(key) and _doubtful(world, key)
        }
    return ahead


def _doubtful(world: World, key: str) -> bool:
    """Whether the row that we created is one of several: which of them is a prune to delete?"""
    item, ids = world.managed[key], world.ids_of(key)
    return len(ids) > 1 and item.workflow_id in ids and item.origin == "created" and item.held != NOTHING


def foresee_import(world: World, flows: Mapping[str, Flow], ask: Ask) -> Forecast:
    """What `import` of bundles must come to."""
    return foresee(world, flows, {}, ask, owned=world.owned[ask.source], import_only=True)


def carry_out(world: World, ahead: Forecast, ask: Ask, as_: Recorded, ids: Mapping[str, str], deed: str | None) -> None:
    """Make ``world`` what it is after the apply; ``ids`` are those that keys have now, ``deed`` the ledger's id."""
    owned = ahead.owned
    changes = {step.key: step for step in ahead.steps if step.action != "relink"}
    replaced = {s.workflow_id: ids[s.key] for s in changes.values() if s.action == "overwrite" and s.workflow_id}
    equal = {
        key: digest
        for key, flow in ahead.wanted.items()
        if key not in changes and (digest := (key, flow.neutral(owned=owned))) == world.digest_of(key, owned=owned)
    }
    if ahead.steps:
        done = [
            Change(
                step.key,
                step.action,
                step.before,
                step.after,
                step.workflow_id,
                _after_id(step.key, step.action, step.workflow_id, ids),
                None if step.workflow_id is None else world.rows[step.workflow_id].flow,
            )
            for step in sorted(ahead.steps, key=lambda s: (s.key, s.workflow_id or ""))
        ]
        assert deed is not None
        world.ledger.append(Deed(deed, as_.command, as_.source, None, owned, tuple(done)))
    elif deed is not None:
        raise AssertionError("an apply without changes leaves no row in the ledger")
    rows = dict(world.rows)
    now = {key: (found[0] if len(found) == 1 else key) for key in world.stored_keys() if (found := world.ids_of(key))}
    now |= {key: ids[key] for key, step in changes.items() if step.action != "delete"}
    for key, step in changes.items():
        old = rows.pop(step.workflow_id) if step.workflow_id is not None else None
        if step.action == "delete":
            continue
        flow = ahead.wanted[key].naming(lambda name: now.get(name, name))
        if old is not None and owned:
            flow = replace(flow, paused=old.flow.paused)
        running = old is not None and old.running and ask.overwrite == "update"
        rows[ids[key]] = Row(key, flow, running)
    there = {key: ids[key] for key in changes if changes[key].action != "delete"}
    there |= {key: alone for key in world.stored_keys() - changes.keys() if (alone := world.only(key)) is not None}
    for step in ahead.steps:
        if step.action == "relink" and step.workflow_id is not None:
            row = rows[step.workflow_id]
            rows[step.workflow_id] = replace(
                row, flow=row.flow.naming(lambda name: replaced.get(name, there.get(name, name)))
            )
    world.rows = rows
    if as_.manages:
        _manage(world, ahead, as_, ids, equal)


def _after_id(key: str, action: str, workflow_id: str | None, ids: Mapping[str, str]) -> str | None:
    return {"delete": None, "relink": workflow_id}.get(action, ids.get(key))


def _manage(world: World, ahead: Forecast, as_: Recorded, ids: Mapping[str, str], equal: Mapping[str, Digest]) -> None:
    holds = as_.holds or {}

    def policy(key: str) -> bool | None:
        return ahead.owned if as_.policies is None else as_.policies.get(key)

    managed = dict(world.managed)
    for step in ahead.steps:
        base = world.managed.get(step.key)
        if step.action in ("create", "overwrite") and step.after is not None:
            origin = _origin(step, base if base is not None and base.source == as_.source else None, as_)
            managed[step.key] = Held(
                as_.source, origin, ids[step.key], step.after, policy(step.key), *holds.get(step.key, (None, None))
            )
    for key, digest in equal.items():
        base = world.managed.get(key)
        (workflow_id,) = world.ids_of(key)
        if base is None or base.source == as_.source:
            origin = base.origin if base is not None and base.workflow_id == workflow_id else "adopted"
            managed[key] = Held(as_.source, origin, workflow_id, digest, policy(key), *holds.get(key, (None, None)))
    for key, (digest, owned) in holds.items():
        base = world.managed.get(key)
        if key not in ahead.wanted:
            if base is None:
                managed[key] = Held(as_.source, "created", "", digest, policy(key), digest, owned)
            elif base.source == as_.source and base.held != digest:
                managed[key] = replace(base, held=digest, held_policy=owned)
    managed |= _held_still(world, ahead, as_)
    _end_holds(world, as_, managed)
    for step in ahead.steps:
        if step.action == "delete" and step.key not in holds:
            managed.pop(step.key, None)
    world.managed = managed


def _held_still(world: World, ahead: Forecast, as_: Recorded) -> dict[str, Held]:
    """Keys that stay held, behind their files as an apply finds them under other policies."""
    found = {}
    for key, why in ahead.kept.items() if as_.command == "apply" else ():
        base, flow = world.managed.get(key), world.files[as_.source].get(key)
        if why == "held" and base is not None and flow is not None and base.held_policy != ahead.owned:
            found[key] = replace(base, held=(key, flow.neutral(owned=ahead.owned)), held_policy=ahead.owned)
    return found


def _end_holds(world: World, as_: Recorded, managed: dict[str, Held]) -> None:
    """An apply ends the holds of keys of which the files are gone that rollbacks went behind."""
    for key, item in world.managed.items() if as_.command == "apply" else ():
        is_held = item.source == as_.source and item.held not in (None, NOTHING)
        if not is_held or key in world.files[as_.source]:
            continue
        if world.ids_of(key):
            managed[key] = replace(managed[key], held=None, held_policy=None)
        else:
            del managed[key]


def _origin(step: Step, ours: Held | None, as_: Recorded) -> Literal["created", "adopted"]:
    if step.action == "create":
        return "created" if step.key not in as_.returned or (ours and ours.origin == "created") else "adopted"
    return ours.origin if ours is not None and ours.workflow_id == step.workflow_id else "adopted"


@dataclass
class Undoing:
    """A rollback that is foreseen."""

    ahead: Forecast
    as_: Recorded


def foresee_rollback(world: World, deed: Deed, ask: Ask) -> Undoing:
    """What undoing ``deed`` must come to; the source of ``ask`` does not matter."""
    nothing = Recorded("rollback", deed.source)
    if deed.code is not None or not any(change.action != "relink" for change in deed.changes):
        return Undoing(Forecast(frozenset({"NOTHING_TO_ROLL_BACK"})), nothing)
    pasts = {c.key: c for c in deed.changes if c.action != "relink" and ask.chooses(c.key)}
    if not pasts:
        return Undoing(Forecast(frozenset({"NOTHING_SELECTED"})), nothing)
    manages = deed.source != "import"
    wanted = {
        key: change.image.naming(lambda target: _meant(world, target))
        for key, change in pasts.items()
        if change.image is not None and change.action != "create"
    }
    stands = {key: its for key, c in pasts.items() if (its := _past_stand(world, c, deed, manages)) is not None}
    ask = replace(ask, prune=True)
    managed = {key for key, item in world.managed.items() if item.source == deed.source}
    ahead = foresee(world, wanted, stands, ask, owned=deed.owned, managed=len(managed), limit=len(pasts))
    more = {("WORKFLOW_KEY_CONFLICT", s.key) for s in ahead.steps if s.action == "delete" and not ask.force}
    more |= {("AMBIGUOUS_KEY", k) for k, c in pasts.items() if c.action == "create" and len(world.ids_of(k)) > 1}
    if not ahead.error:
        ahead.blocks |= more
    digests = {key: (key, flow.neutral(owned=deed.owned)) for key, flow in ahead.wanted.items()}
    files = {k: _file(world, deed, c) for k, c in pasts.items() if k not in ahead.kept}
    holds = {key: hold for key, hold in files.items() if hold[0] != digests.get(key, NOTHING)}
    policies: dict[str, bool | None] = dict.fromkeys((*digests, *holds), deed.owned)
    former = {c.key: c.before_id for c in pasts.values() if c.before_id is not None and c.before_id not in world.rows}
    returned = frozenset(key for key, change in pasts.items() if change.action == "overwrite")
    if not manages:
        holds = {}
    return Undoing(ahead, Recorded("rollback", deed.source, manages, holds, policies, returned, former))


def _past_stand(world: World, change: Change, deed: Deed, manages: bool) -> Stand | None:
    managed = world.managed.get(change.key)
    other = managed.source if managed is not None and manages and managed.source != deed.source else None
    workflow_id = world.only(change.key)
    if workflow_id is None:
        return None if change.action == "create" else Stand("git_only", other=other)
    moved = world.digest(world.rows[workflow_id], owned=deed.owned) != change.after
    if change.action == "create":
        as_created = workflow_id == change.after_id
        as_replaced = managed is not None and (managed.origin, managed.workflow_id) == ("created", workflow_id)
        is_ours = as_created or as_replaced
        return Stand("database_only_managed", moved or not as_created, other, prunable=is_ours)
    return Stand("both_changed" if moved else "git_changed", moved, other)


def _meant(world: World, target: str) -> str:
    """The key that an id in an old row means now."""
    if target in world.rows:
        return world.rows[target].key
    for deed in reversed(world.ledger):
        for change in deed.changes:
            if target in (change.before_id, change.after_id):
                return change.key
    return target


def _file(world: World, deed: Deed, change: Change) -> Hold:
    """What the ledger believes the key's file to say."""
    managed = world.managed.get(change.key)
    if managed is not None and managed.source == deed.source:
        if managed.held is None:
            return managed.digest, managed.policy
        return managed.held, managed.held_policy
    after = change.after
    for later in world.ledger[world.ledger.index(deed) + 1 :]:
        for its in later.changes:
            if its.key == change.key and its.action != "relink":
                after = its.after
    return after or NOTHING, None
