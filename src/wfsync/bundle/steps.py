"""The one walk over the nested steps of a definition (spec: bundle.md "Derived values", runtime.md "Definition").

Everything that looks at steps (dependencies, references, rules, diff) goes through `walk`, or through `steps_of` where
no paths are wanted, so that a block is known in one place only. Neither ever fails: what is not a step object is passed
over, because drafts may be unfinished.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wfsync.bundle.model import Json, JsonObject

__all__ = ["BLOCKS", "StepPath", "Steps", "Walked", "step_path_text", "steps_of", "walk"]

BLOCKS: Final = ("then", "else", "body", "try", "catch")
"""Names of the lists in which steps nest."""

StepPath = tuple[str | int, ...]
"""Where a step stands inside its definition: ``("steps", 3, "then", 0)``, usable as a path into the tree."""

Walked = list[tuple[StepPath, JsonObject]]
"""Every step of one definition with its path."""

Steps = list[JsonObject]
"""Every step of one definition. Built once and handed to all who look at steps."""

_BLOCK_NAMES = frozenset(BLOCKS)


def walk(definition: JsonObject) -> Walked:
    """Every step of ``definition`` with its path, parents before children, in document order."""
    walked: Walked = []
    steps = definition.get("steps")
    if isinstance(steps, list):
        _collect(steps, ("steps",), walked)
    return walked


def _collect(steps: list[Json], path: StepPath, walked: Walked) -> None:
    for index, step in enumerate(steps):
        if type(step) is dict:
            here = (*path, index)
            walked.append((here, step))
            if not _BLOCK_NAMES.isdisjoint(step):
                for block in BLOCKS:
                    nested = step.get(block)
                    if type(nested) is list:
                        _collect(nested, (*here, block), walked)


def steps_of(definition: JsonObject) -> Steps:
    """The steps that `walk` finds, without their paths and in any order: a third as dear."""
    found: Steps = []
    lists = [definition.get("steps")]
    for steps in lists:  # which grows
        if type(steps) is list:
            for step in steps:
                if type(step) is dict:
                    found.append(step)
                    if not _BLOCK_NAMES.isdisjoint(step):
                        lists += [step[block] for block in BLOCKS if block in step]
    return found


def step_path_text(path: Sequence[str | int]) -> str:
    """The spelling of runtime.md: ``root.steps[3].then.steps[0]`` for ``("steps", 3, "then", 0)``."""
    text = "root"
    for depth, part in enumerate(path):
        if isinstance(part, int):
            text += f"[{part}]"
        elif depth == 0:
            text += f".{part}"
        else:
            text += f".{part}.steps"
    return text
