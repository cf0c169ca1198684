"""Pairs the steps of two definitions over the whole tree and finds out which of them moved (spec: cli.md "Output")."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.steps import BLOCKS, StepPath, walk
from wfsync.plan.place import StepLabel

__all__ = ["Block", "Outline", "Stage", "moved", "outline", "paired_fields"]


class Block(NamedTuple):
    """A list of steps: the step that owns it (None for the definition itself) and its name there."""

    owner: StepLabel | None
    name: str

    def __str__(self) -> str:
        """In a person's words: ``top level``, ``then of check``."""
        return "top level" if self.owner is None else f"{self.name} of {self.owner}"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step where it stands."""

    label: StepLabel
    step: JsonObject
    path: StepPath
    block: Block
    previous: StepLabel | None
    """The step just before it in its block."""

    def where(self) -> str:
        """In a person's words: ``then of check after start``, ``top level, first``."""
        return f"{self.block}, first" if self.previous is None else f"{self.block} after {self.previous}"


@dataclass(frozen=True, slots=True)
class Outline:
    """The steps of one definition by label, in document order, and the labels in each block that has any."""

    stages: Mapping[StepLabel, Stage]
    blocks: Mapping[Block, Sequence[StepLabel]]
    labels: Mapping[StepPath, StepLabel] = field(repr=False)

    def own_fields(self, value: JsonObject, path: StepPath) -> dict[str, Json]:
        """What a step (``path`` not empty) or the definition says itself: without the lists of steps in it.

        A list that is empty stays, so that its coming and going can be seen. One that holds anything but objects, as an
        unfinished draft may, stays as well, each of its steps reduced to a name.
        """
        fields = dict(value)
        for name in _block_names(path):
            items = fields.get(name)
            if _is_block(items) and items:
                del fields[name]
            elif isinstance(items, list):
                fields[name] = self.outlined(items, (*path, name))
        return fields

    def outlined(self, items: list[Json], path: StepPath) -> list[Json]:
        """``items`` with every step in it reduced to its name."""
        return [
            {"step": str(self.labels[(*path, index)])} if isinstance(item, dict) else item
            for index, item in enumerate(items)
        ]


def paired_fields(
    before: Outline, after: Outline, old: JsonObject, new: JsonObject, old_path: StepPath, new_path: StepPath
) -> tuple[dict[str, Json], dict[str, Json]]:
    """The own fields of the two sides of a pair, as `Outline.own_fields`, except that lists of steps are left out where
    the steps in them say everything: on both sides, or on one where the other has none.
    """
    old_fields, new_fields = before.own_fields(old, old_path), after.own_fields(new, new_path)
    for name in _block_names(old_path):
        if name not in old or name not in new:
            continue
        was, becomes = old[name], new[name]
        if _is_block(was) and _is_block(becomes):
            old_fields.pop(name, None)
            new_fields.pop(name, None)
        elif isinstance(was, list) and isinstance(becomes, list):
            old_fields[name] = before.outlined(was, (*old_path, name))
            new_fields[name] = after.outlined(becomes, (*new_path, name))
        elif _is_block(was):
            old_fields[name] = []
        elif _is_block(becomes):
            new_fields[name] = []
    return old_fields, new_fields


def _block_names(path: StepPath) -> tuple[str, ...]:
    """Where steps nest: in a step (``path`` not empty), or in the definition."""
    return BLOCKS if path else ("steps",)


def _is_block(items: Json) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def outline(definition: JsonObject) -> Outline:
    """Name every step of ``definition`` by its id and occurrence. Never fails; drafts may be unfinished."""
    seen: dict[str | None, int] = {}
    labels: dict[StepPath, StepLabel] = {}
    stages: dict[StepLabel, Stage] = {}
    blocks: dict[Block, list[StepLabel]] = {}
    for path, step in walk(definition):
        name = step.get("id")
        identity = name if isinstance(name, str) else None
        seen[identity] = seen.get(identity, 0) + 1
        label = StepLabel(identity, seen[identity])
        block = Block(labels.get(path[:-2]), str(path[-2]))
        members = blocks.setdefault(block, [])
        stages[label] = Stage(label, step, path, block, members[-1] if members else None)
        labels[path] = label
        members.append(label)
    return Outline(stages, blocks, labels)


def moved(before: Outline, after: Outline) -> frozenset[StepLabel]:
    """The steps of both sides whose block changed, or that lie outside the longest increasing subsequence of theirs."""
    result: set[StepLabel] = set()
    for block, members in after.blocks.items():
        earlier = {label: position for position, label in enumerate(before.blocks.get(block, ()))}
        result.update(label for label in members if label not in earlier and label in before.stages)
        stayed = [label for label in members if label in earlier]
        kept = _longest_increasing([earlier[label] for label in stayed])
        result.update(label for position, label in enumerate(stayed) if position not in kept)
    return frozenset(result)


def _longest_increasing(numbers: Iterable[int]) -> set[int]:
    """The positions of a longest increasing subsequence of different ``numbers`` (patience sorting, O(n log n))."""
    tops: list[int] = []
    top_positions: list[int] = []
    before: list[int | None] = []
    for position, number in enumerate(numbers):
        pile = bisect_left(tops, number)
        before.append(top_positions[pile - 1] if pile else None)
        if pile == len(tops):
            tops.append(number)
            top_positions.append(position)
        else:
            tops[pile] = number
            top_positions[pile] = position
    kept: set[int] = set()
    position_or_end = top_positions[-1] if top_positions else None
    while position_or_end is not None:
        kept.add(position_or_end)
        position_or_end = before[position_or_end]
    return kept
