"""Laws of `wfsync.plan.diff.compare`, on drawn workflows and drawn edits of them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from strategies import json_values, workflows
from wfsync.bundle.canonical import canonical_bytes
from wfsync.bundle.model import JsonObject, PublishedVersion, Workflow
from wfsync.bundle.steps import BLOCKS, walk
from wfsync.plan import place
from wfsync.plan.diff import compare
from wfsync.plan.place import StepLabel
from wfsync.plan.reduce import same


def from_bundle(bundle: JsonObject) -> Workflow:
    member = bundle["workflows"][0] if "workflows" in bundle else bundle
    versions = tuple(
        PublishedVersion(v["version"], v["definition"], v["payloadSchemaJson"])
        for v in sorted(member["publishedVersions"], key=lambda v: v["version"])
    )
    draft = member["draft"]
    return Workflow(member["key"], member["metadata"], draft["draftVersion"], draft["definition"], versions)


def text(workflow: Workflow) -> bytes:
    versions = [[v.version, v.definition, v.payload_schema] for v in workflow.versions]
    return canonical_bytes([dict(workflow.metadata), workflow.draft_version, workflow.draft, versions])


def containers(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)) and value:
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


@st.composite
def edits(draw: st.DrawFn, of: Any) -> Any:
    """A copy of ``of`` with one to three edits anywhere in it: set, removed, inserted, moved, swapped."""
    tree = copy.deepcopy(of)
    for _ in range(draw(st.integers(1, 3))):
        found = list(containers(tree))
        if not found:
            break
        box = draw(st.sampled_from(found))
        place_in = draw(st.sampled_from(sorted(box) if isinstance(box, dict) else range(len(box))))
        kind = draw(st.sampled_from(["set", "remove", "insert", "rotate", "move"]))
        if kind == "set":
            box[place_in] = draw(json_values())
        elif kind == "remove":
            del box[place_in]
        elif isinstance(box, dict):
            box[draw(st.text(max_size=3))] = draw(json_values())
        elif kind == "insert":
            box.insert(place_in, draw(json_values()))
        else:
            item = box.pop(place_in)
            lists = [c for c in containers(tree) if isinstance(c, list)] if kind == "move" else [box]
            goal = draw(st.sampled_from(lists or [box]))
            goal.insert(draw(st.integers(0, len(goal))), item)
    return tree


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Workflow, Workflow]:
    """A workflow, and an edit of its draft, its metadata or one of its versions."""
    before = from_bundle(draw(workflows()))
    metadata, draft, versions = dict(before.metadata), before.draft, list(before.versions)
    where = draw(st.sampled_from(["metadata", "draft", "versions"]))
    if where == "metadata":
        name = draw(st.sampled_from(sorted(metadata)))
        metadata[name] = draw(edits(metadata[name])) if isinstance(metadata[name], dict) else draw(json_values())
    elif where == "draft" or not versions:
        draft = draw(edits(draft))
    else:
        at = draw(st.integers(0, len(versions) - 1))
        versions[at] = PublishedVersion(
            versions[at].version, draw(edits(versions[at].definition)), draw(json_objects_or_none())
        )
    return before, Workflow(before.key, metadata, before.draft_version, draft, tuple(versions))


def json_objects_or_none() -> st.SearchStrategy[Any]:
    return st.none() | st.dictionaries(st.text(max_size=5), json_values(), max_size=3)


@given(workflows())
def test_a_workflow_does_not_differ_from_its_copy(bundle: JsonObject) -> None:
    assert compare(from_bundle(bundle), from_bundle(copy.deepcopy(bundle))) == ()


@given(pairs())
def test_there_is_a_difference_exactly_when_canonical_texts_differ(pair: tuple[Workflow, Workflow]) -> None:
    before, after = pair
    assert (compare(before, after) == ()) == (text(before) == text(after))


@given(pairs())
def test_every_place_is_named_once_for_each_op(pair: tuple[Workflow, Workflow]) -> None:
    said = [(change.op, change.path) for change in compare(*pair)]
    assert len(said) == len(set(said))


@given(pairs())
def test_what_is_not_hidden_is_the_value_itself(pair: tuple[Workflow, Workflow]) -> None:
    for change in compare(*pair):
        if change.op == "change" and not change.masked:
            assert not same(change.old, change.new)


@given(json_values(), json_values())
def test_same_means_the_same_canonical_text(old: Any, new: Any) -> None:
    assert same(old, new) == (canonical_bytes(old) == canonical_bytes(new))
    assert same(old, copy.deepcopy(old))


def own(step: JsonObject, names: tuple[str, ...]) -> JsonObject:
    return {n: v for n, v in step.items() if not (n in names and isinstance(v, list))}


def changed_leaves(old: Any, new: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() | new.keys():
            if name in old and name in new:
                yield from changed_leaves(old[name], new[name], (*at, name))
            else:
                yield (*at, name)
    elif canonical_bytes(old) != canonical_bytes(new):
        yield at


def sound(definition: Any) -> bool:
    """Every step has an id of its own, and blocks hold nothing but steps."""
    found = [step for _, step in walk(definition)]
    ids = [step.get("id") for step in found]
    blocks = [definition.get("steps"), *(step.get(b) for step in found for b in BLOCKS if b in step)]
    return (
        all(isinstance(i, str) for i in ids)
        and len(set(ids)) == len(ids)
        and all(isinstance(b, list) and all(isinstance(s, dict) for s in b) for b in blocks)
    )


@given(pairs())
def test_every_changed_leaf_is_covered_and_every_step_accounted_for(pair: tuple[Workflow, Workflow]) -> None:
    old, new = pair[0].draft, pair[1].draft
    assume(sound(old) and sound(new))
    changes = [change for change in compare(*pair) if change.path.startswith("draft")]
    said = [change.path for change in changes]

    def covered(leaf: str) -> bool:
        return any(leaf.startswith(path) or path.startswith(leaf) for path in said)

    before, after = ({step["id"]: (path, step) for path, step in walk(side)} for side in (old, new))
    for leaf in changed_leaves(own(old, ("steps",)), own(new, ("steps",))):
        assert covered(place.child(place.DRAFT, leaf))
    for name in before.keys() | after.keys():
        where = place.step(place.DRAFT, StepLabel(name, 1))
        ops = {change.op for change in changes if change.path == where}
        assert ("add" in ops) == (name not in before)
        assert ("remove" in ops) == (name not in after)
        if name in before and name in after:
            for leaf in changed_leaves(own(before[name][1], BLOCKS), own(after[name][1], BLOCKS)):
                assert covered(place.child(where, leaf))
            owners = [parent_of(side, name) for side in (old, new)]
            if owners[0] != owners[1]:
                assert "move" in ops


def parent_of(definition: JsonObject, name: str) -> tuple[str | None, str]:
    ids = {path: step["id"] for path, step in walk(definition)}
    [path] = [path for path, found in ids.items() if found == name]
    return ids.get(path[:-2]), str(path[-2])


@given(workflows(), st.data())
def test_steps_put_into_another_order_are_only_moves_and_as_few_as_can_be(
    bundle: JsonObject, data: st.DataObject
) -> None:
    before = from_bundle(bundle)
    order = data.draw(st.permutations(range(len(before.draft["steps"]))))
    draft = {**before.draft, "steps": [before.draft["steps"][i] for i in order]}
    after = Workflow(before.key, before.metadata, before.draft_version, draft, before.versions)
    changes = compare(before, after)
    assert {change.op for change in changes} <= {"move"}
    if len(order) <= 7:
        longest = max(
            size
            for size in range(len(order) + 1)
            if any(list(c) == sorted(c) for c in itertools.combinations(order, size))
        )
        assert len(changes) == len(order) - longest


MIRROR = {"add": "remove", "remove": "add", "change": "change"}


@given(pairs())
def test_the_way_back_is_the_mirror(pair: tuple[Workflow, Workflow]) -> None:
    before, after = pair
    there, back = compare(before, after), compare(after, before)
    # Lists may be aligned and moves chosen differently each way; everything else is the same, turned around.
    paths = {c.path for c in there} | {c.path for c in back}
    if any(c.op == "move" for c in there) or any("[" in p.split("]")[-1] or p.endswith("]") for p in paths):
        return
    assert sorted((MIRROR[c.op], c.path, repr(c.new), repr(c.old)) for c in there) == sorted(
        (c.op, c.path, repr(c.old), repr(c.new)) for c in back
    )
