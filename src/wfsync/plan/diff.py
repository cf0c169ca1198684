"""What differs between two workflows, place by place (spec: cli.md "Output"; issue 2, section 5).

The only module that imports deepdiff, and inside the function that uses it: neither ``wfsync --help`` nor a plan
without overwrites pays for it. Versions are paired by number, steps over the whole tree by id and occurrence; a
definition is looked into only when its canonical text differs, and deepdiff sees only what differs
(`wfsync.plan.reduce`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from wfsync.bundle.model import METADATA_FIELDS, Json, JsonObject, PublishedVersion, Workflow
from wfsync.bundle.steps import step_path_text, walk
from wfsync.plan import place
from wfsync.plan.change import MISSING, FieldChange, FieldOp, Missing
from wfsync.plan.reduce import Item, Reduced, reduce_pair, same
from wfsync.plan.secrets import hide, hide_text, is_reference, is_secret_below
from wfsync.plan.steps import Outline, Stage, moved, outline, paired_fields

__all__ = ["compare"]

_CHUNK: Final = 500
"""Members given to deepdiff at once: it grows faster than its input."""


def compare(before: Workflow, after: Workflow) -> tuple[FieldChange, ...]:
    """Everything that differs, in the order of a file: metadata, draft, versions ascending. Empty only for equal ones.

    Keys are not compared: the pair is the caller's choice. Values that look like secrets are hidden already; a change
    between two hidden values is still a change.
    """
    changes = [*_metadata(before, after)]
    if before.draft_version != after.draft_version:
        changes.append(FieldChange("change", place.DRAFT_VERSION, before.draft_version, after.draft_version))
    changes += _definition(place.DRAFT, before.draft, after.draft)
    old = {version.version: version for version in before.versions}
    new = {version.version: version for version in after.versions}
    for number in sorted(old.keys() | new.keys()):
        changes += _version(place.version(number), old.get(number), new.get(number))
    return tuple(changes)


def _metadata(before: Workflow, after: Workflow) -> Iterator[FieldChange]:
    old, new = dict(before.metadata), dict(after.metadata)
    order = {field.name: position for position, field in enumerate(METADATA_FIELDS)}
    differences = _differences(old, new)
    differences.sort(key=lambda steps: order.get(str(steps[0]), len(order)))
    for steps in differences:
        yield _field_change(place.METADATA, old, new, steps)


def _version(base: str, old: PublishedVersion | None, new: PublishedVersion | None) -> Iterator[FieldChange]:
    if old is None or new is None:
        if new is not None:
            yield FieldChange("add", base, new=_version_summary(new), note=_version_note(new))
        if old is not None:
            yield FieldChange("remove", base, old=_version_summary(old), note=_version_note(old))
        return
    yield from _definition(base, old.definition, new.definition, reserved=place.PAYLOAD_SCHEMA)
    if not same(old.payload_schema, new.payload_schema):
        was, becomes = {place.PAYLOAD_SCHEMA: old.payload_schema}, {place.PAYLOAD_SCHEMA: new.payload_schema}
        for steps in _differences(was, becomes):
            yield _field_change(base, was, becomes, steps, schema=True)


def _version_summary(version: PublishedVersion) -> JsonObject:
    """What stands for a whole version: enough to know it by, without its content."""
    name = version.definition.get("name")
    return {
        "name": hide_text(name) if isinstance(name, str) else None,
        "steps": sum(1 for _ in walk(version.definition)),
    }


def _version_note(version: PublishedVersion) -> str:
    steps = sum(1 for _ in walk(version.definition))
    return f"published version {version.version} with {steps} step{'' if steps == 1 else 's'}"


def _definition(base: str, old: JsonObject, new: JsonObject, *, reserved: str | None = None) -> Iterator[FieldChange]:
    if same(old, new):
        return
    before, after = outline(old), outline(new)
    old_fields, new_fields = paired_fields(before, after, old, new, (), ())
    for steps in _differences(old_fields, new_fields):
        yield _field_change(base, old_fields, new_fields, steps, reserved=reserved)
    movers = moved(before, after)
    for label, stage in after.stages.items():
        where = place.step(base, label)
        was = before.stages.get(label)
        if was is None:
            yield _whole_step("add", where, after, stage)
            continue
        if label in movers:
            yield _move(hide_text(where), was, stage)
        old_fields, new_fields = paired_fields(before, after, was.step, stage.step, was.path, stage.path)
        if not same(old_fields, new_fields):
            for steps in _differences(old_fields, new_fields):
                yield _field_change(where, old_fields, new_fields, steps)
    for label, stage in before.stages.items():
        if label not in after.stages:
            yield _whole_step("remove", place.step(base, label), before, stage)


def _move(where: str, old: Stage, new: Stage) -> FieldChange:
    came_from = old.where() if old.block == new.block else str(old.block)
    note = f"moved from {came_from} to {new.where()}"
    return FieldChange(
        "move", hide_text(where), step_path_text(old.path), step_path_text(new.path), note=hide_text(note)
    )


def _whole_step(op: FieldOp, where: str, side: Outline, stage: Stage) -> FieldChange:
    value, masked = hide(side.own_fields(stage.step, stage.path), secret=False)
    words = [str(stage.step[name]) for name in ("type", "name") if isinstance(stage.step.get(name), str)]
    kind = ", ".join(words) or "a step without a type"
    note = hide_text(f"{kind}; {'' if op == 'add' else 'was '}{'in' if stage.block.owner else 'at'} {stage.where()}")
    old, new = (MISSING, value) if op == "add" else (value, MISSING)
    return FieldChange(op, hide_text(where), old, new, masked, note)


def _differences(old: JsonObject, new: JsonObject) -> list[tuple[str | Item, ...]]:
    """The places of all differences below two objects, in order of name and index."""
    left, right = reduce_pair(old, new)
    names = sorted(left.keys() | right.keys())
    found: list[tuple[str | Item, ...]] = []
    for start in range(0, len(names), _CHUNK):
        chunk = names[start : start + _CHUNK]
        found += _deepdiff({n: left[n] for n in chunk if n in left}, {n: right[n] for n in chunk if n in right})
    found.sort(key=_order)
    return found


def _deepdiff(old: Reduced, new: Reduced) -> Iterator[tuple[str | Item, ...]]:
    from deepdiff import DeepDiff  # 60 ms that only a shown difference is worth

    # Its defaults leave out names that begin with "__" and report an object whole when few of its names stay.
    tree: Any = DeepDiff(old, new, view="tree", ignore_private_variables=False, threshold_to_diff_deeper=0)
    for levels in tree.values():
        for level in levels:
            yield tuple(level.path(output_format="list"))


def _order(steps: Sequence[str | Item]) -> list[tuple[int, int, int, str]]:
    """Sorts names by code point, items by their index, a removed item before the one that took its place."""
    keys: list[tuple[int, int, int, str]] = []
    for step in steps:
        if isinstance(step, Item):
            keys.append((0, _index(step), 0 if step.new is None else 1, ""))
        else:
            keys.append((1, 0, 0, step))
    return keys


def _index(item: Item) -> int:
    """The number that a path shows: where the item is now, or where it was when it is gone."""
    index = item.old if item.new is None else item.new
    assert index is not None  # noqa: S101 - an item has at least one side
    return index


def _field_change(
    base: str,
    old: JsonObject,
    new: JsonObject,
    steps: Sequence[str | Item],
    *,
    schema: bool = False,
    reserved: str | None = None,
) -> FieldChange:
    was, was_hidden = _read(old, [s.old if isinstance(s, Item) else s for s in steps], schema=schema)
    becomes, becomes_hidden = _read(new, [s.new if isinstance(s, Item) else s for s in steps], schema=schema)
    op: FieldOp = "add" if was is MISSING else "remove" if becomes is MISSING else "change"
    names = [_index(s) if isinstance(s, Item) else s for s in steps]
    path = hide_text(place.child(base, names, reserved))
    return FieldChange(op, path, was, becomes, was_hidden or becomes_hidden)


def _read(tree: Json, steps: Sequence[str | int | None], *, schema: bool) -> tuple[Json | Missing, bool]:
    """The value at ``steps`` with secrets hidden, and whether any was; MISSING where this side has nothing."""
    secret = False
    value = tree
    for step in steps:
        if step is None:
            return MISSING, False
        if isinstance(step, str):
            if step not in value:
                return MISSING, False
            secret = not is_reference(value) and is_secret_below(value, step, secret=secret, schema=schema)
        value = value[step]
    return hide(value, secret=secret, schema=schema)
