"""Which secrets the runs of a test may ask for."""

from __future__ import annotations

from contextlib import suppress

from wfsync.bundle.model import Json
from wfsync.testing.model import Case
from wfsync.testing.workflows import NotRunnable, Prepared, Workflows

__all__ = ["secrets_of"]


def secrets_of(workflows: Workflows, prepared: Prepared, case: Case) -> set[str]:
    """Names in the tested definition, in those that it calls, directly or not, and in the test itself."""
    names = set(case.secrets)
    waiting, met = [prepared], set()
    while waiting:
        one = waiting.pop()
        names |= set(_names_in(one.definition))
        for _, step in one.steps.values():
            if step["type"] == "control.callWorkflow":
                called = (step["workflowId"], step["workflowVersion"])
                if called not in met:
                    met.add(called)
                    with suppress(NotRunnable):
                        waiting.append(workflows.get(*called))
    return names


def _names_in(value: Json) -> list[str]:
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(value.get("$secret"), str):
            return [value["$secret"]]
        return [name for member in value.values() for name in _names_in(member)]
    if isinstance(value, list):
        return [name for item in value for name in _names_in(item)]
    return []
