"""``INVALID_WORKFLOW_DEFINITION`` and ``DUPLICATE_STEP_ID``: the shape that every definition has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wfsync.bundle import schema
from wfsync.bundle.steps import step_path_text
from wfsync.runtime.publish_checks.finding import Finding, finding_at, step_of
from wfsync.runtime.publish_checks.subject import Subject

__all__ = ["check_step_ids", "check_structure"]

_ROOTS: Final = frozenset({"payload", "vars", "meta", "error", "index"})
"""Names that expressions know in a loop without the item's (runtime.md "Expressions")."""


def check_structure(subject: Subject) -> Iterator[Finding]:
    """Every place that breaks the schema of definitions, and loops whose variable hides what expressions need.

    An unknown type of step is `nodes`' to name, which knows what there is.
    """
    for fault in schema.explain("workflow-definition.v1", subject.definition):
        if fault.keyword == "enum" and fault.path[-1:] == ("type",) and step_of(fault.path):
            continue
        message, found, suggestion = fault.message.partition("; did you mean ")
        where = _named(fault.path)
        yield finding_at(
            subject.definition,
            fault.path,
            "INVALID_WORKFLOW_DEFINITION",
            f"{where}: {message}" if where else message,
            f"did you mean {suggestion}" if found else None,
            member=fault.member,
        )
    for path, step in subject.steps:
        name = step.get("itemVar")
        if step.get("type") == "control.forEach" and name in _ROOTS:
            yield finding_at(
                subject.definition,
                (*path, "itemVar"),
                "INVALID_WORKFLOW_DEFINITION",
                f"itemVar: an item called {name} hides the {name} of every expression in the loop",
                "give it a name of its own, such as item",
            )


def check_step_ids(subject: Subject) -> Iterator[Finding]:
    """Every id that stands in the tree before."""
    first: dict[str, str] = {}
    for path, step in subject.steps:
        step_id = step.get("id")
        if not isinstance(step_id, str):
            continue
        here = step_path_text(path)
        known = first.setdefault(step_id, here)
        if known != here:
            yield finding_at(
                subject.definition,
                (*path, "id"),
                "DUPLICATE_STEP_ID",
                f"the step id {step_id!r} stands at {known} already; ids are unique in the whole tree",
                f"rename one of them, such as {_free(step_id, subject)!r}",
            )


def _free(step_id: str, subject: Subject) -> str:
    taken = {step.get("id") for _, step in subject.steps}
    return next(name for n in range(2, len(taken) + 3) if (name := f"{step_id}-{n}") not in taken)


def _named(path: tuple[str | int, ...]) -> str:
    """The place inside its step, or inside the definition."""
    inside = path[len(step_of(path)) :]
    text = ""
    for part in inside:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
