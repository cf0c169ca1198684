"""Realistic edits of a bundle, and what stays derived after them.

Like `corpus`, this imports nothing of wfsync: `dependencies` is an oracle of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any, Final

__all__ = ["EDITS", "dependencies", "mutate", "steps_of"]

JsonObject = dict[str, Any]

EDITS: Final = ("text", "add_step", "move_step", "publish", "metadata")
"""The kinds of edit that `mutate` makes."""


def mutate(bundle: JsonObject, rng: Random, edit: str | None = None) -> JsonObject:
    """Return a copy of ``bundle`` (one workflow) with one realistic edit, dependencies derived again.

    ``edit`` is one of `EDITS`, else ``rng`` chooses. The result always differs from the argument in more than
    ``exportedAt`` and is as valid as the argument was.
    """
    changed = deepcopy(bundle)
    workflow = changed["workflows"][0]
    draft = workflow["draft"]["definition"]
    edit = edit or rng.choice(EDITS)
    if edit == "text":
        _edit_text(draft, rng)
    elif edit == "add_step":
        block, index, _ = rng.choice(list(steps_of(draft["steps"])))
        block.insert(index, _set_state(_fresh_id(draft, "mark"), f"CHECKED_{rng.randrange(10**6)}"))
    elif edit == "move_step":
        _move_step(draft, rng)
    elif edit == "publish":
        _publish(workflow)
    elif edit == "metadata":
        name = rng.choice(("isSystem", "isVisible", "autoPauseOnFailure"))
        workflow["metadata"][name] = not workflow["metadata"][name]
    else:
        raise ValueError(f"no such edit: {edit}")
    workflow["dependencies"] = dependencies(workflow)
    return changed


def dependencies(workflow: JsonObject) -> JsonObject:
    """Derive the ``dependencies`` object of a workflow (spec: bundle.md "Derived values")."""
    metadata = workflow["metadata"]
    actions: set[tuple[str, int]] = set()
    node_types: set[str] = set()
    refs = {metadata["payloadSchemaRef"], metadata["pinnedPayloadSchemaRef"], _source_ref(metadata["trigger"])}
    for holder in (workflow["draft"], *workflow["publishedVersions"]):
        definition = holder["definition"]
        refs |= {definition["payloadSchemaRef"], _source_ref(definition.get("trigger"))}
        for _, _, step in steps_of(definition["steps"]):
            if step["type"] == "action.call":
                actions.add((step["config"]["actionId"], step["config"]["version"]))
            if not step["type"].startswith("control."):
                node_types.add(step["type"])
    return {
        "actions": [{"actionId": action, "version": version} for action, version in sorted(actions)],
        "nodeTypes": sorted(node_types),
        "schemaRefs": sorted(ref for ref in refs if ref is not None),
    }


def steps_of(block: list[JsonObject]) -> Iterator[tuple[list[JsonObject], int, JsonObject]]:
    """Walk nested steps: (the list that holds the step, its index there, the step)."""
    for index, step in enumerate(block):
        yield block, index, step
        for name in ("then", "else", "body", "try", "catch"):
            if name in step:
                yield from steps_of(step[name])


def _edit_text(definition: JsonObject, rng: Random) -> None:
    calls = [step for _, _, step in steps_of(definition["steps"]) if step["type"] == "action.call"]
    if calls:
        config = rng.choice(calls)["config"]
        config["inputMapping"] = {**config.get("inputMapping", {}), "note": f"Edited: {rng.randrange(10**9)}"}
    else:
        definition["description"] = f"Edited: {rng.randrange(10**9)}"


def _move_step(definition: JsonObject, rng: Random) -> None:
    """Move a step without blocks of its own to another place, in its block or in another one."""
    places = list(steps_of(definition["steps"]))
    leaves = [place for place in places if not {"then", "body", "try"} & place[2].keys()]
    block, index, step = rng.choice(leaves)
    targets = [(b, i) for b, i, _ in places if not (b is block and i in (index, index + 1))]
    del block[index]
    if not targets:  # a single step: it gets a companion instead
        block.extend([_set_state(_fresh_id(definition, "mark"), "MOVED"), step])
        return
    target, position = rng.choice(targets)
    target.insert(position - 1 if target is block and position > index else position, step)


def _publish(workflow: JsonObject) -> None:
    """What `publish` does: the draft becomes the next version, and the draft goes one ahead."""
    draft, versions = workflow["draft"], workflow["publishedVersions"]
    version = 1 + max((v["version"] for v in versions), default=0)
    versions.append(
        {
            "version": version,
            "definition": {**deepcopy(draft["definition"]), "version": version},
            "payloadSchemaJson": None,
        }
    )
    draft["draftVersion"] = version + 1
    draft["definition"]["version"] = version + 1


def _fresh_id(definition: JsonObject, stem: str) -> str:
    taken = {step["id"] for _, _, step in steps_of(definition["steps"])}
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


def _source_ref(trigger: JsonObject | None) -> str | None:
    if trigger is None or trigger["type"] != "event":
        return None
    ref: str | None = trigger.get("sourcePayloadSchemaRef")
    return ref


def _set_state(step_id: str, state: str) -> JsonObject:
    return {"id": step_id, "type": "state.set", "config": {"state": state}}
