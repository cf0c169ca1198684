"""The one walk over the nested steps of a definition (spec: bundle.md "Derived values", runtime.md "Definition").

Everything that looks at steps (dependencies, references, rules, diff) goes through `walk`, so that a block is known in
one place only. The walk never fails: what is not a step object is passed over, because drafts may be unfinished.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from wfsync.bundle.model import Json, JsonObject

__all__ = ["BLOCKS", "StepPath", "step_path_text", "walk"]

BLOCKS: Final = ("then", "else", "body", "try", "catch")
"""Names of the lists in which steps nest."""

StepPath = tuple[str | int, ...]
"""Where a step stands inside its definition: ``("steps", 3, "then", 0)``, usable as a path into the tree."""

_BLOCK_NAMES = frozenset(BLOCKS)


def walk(definition: JsonObject) -> Iterator[tuple[StepPath, JsonObject]]:
    """Yield every step of ``definition`` with its path, parents before children, in document order."""
    steps = definition.get("steps")
    if not isinstance(steps, list):
        return
    stack: list[tuple[StepPath, Json]] = [(("steps", index), steps[index]) for index in range(len(steps) - 1, -1, -1)]
    while stack:
        path, step = stack.pop()
        if not isinstance(step, dict):
            continue
        yield path, step
        if _BLOCK_NAMES.isdisjoint(step):
            continue
        for block in reversed(BLOCKS):
            nested = step.get(block)
            if isinstance(nested, list):
                stack.extend(((*path, block, index), nested[index]) for index in range(len(nested) - 1, -1, -1))


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
