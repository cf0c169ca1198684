"""Plans, outcomes and failures as one JSON document (spec: cli.md "Output"; the members: `wfsync.plan.codec`)."""

from __future__ import annotations

from collections.abc import Iterable

from wfsync.apply.outcome import Outcome
from wfsync.bundle.model import JsonObject
from wfsync.errors import Problem, WfsyncError
from wfsync.plan.codec import failure_to_value, plan_to_value, problem_value
from wfsync.plan.model import Plan
from wfsync.render.escape import json_document

__all__ = ["failure_json", "outcome_json", "outcome_value", "plan_json"]


def plan_json(plan: Plan, error: WfsyncError | None = None) -> str:
    """``plan`` as a document that ends with one newline; ``error`` is why apply did not do it."""
    return json_document(plan_to_value(plan, error))


def outcome_json(outcome: Outcome) -> str:
    """`outcome_value` as a document that ends with one newline."""
    return json_document(outcome_value(outcome))


def outcome_value(outcome: Outcome) -> JsonObject:
    """The plan's document with one member more, ``outcome``: what was written."""
    document = plan_to_value(outcome.plan)
    document["warnings"] += [problem_value(note) for note in outcome.notes]
    return {**document, "outcome": _outcome_value(outcome)}


def failure_json(error: WfsyncError, warnings: Iterable[Problem] = ()) -> str:
    """The document of a plan that could not be made: the same members, every fault in ``errors``."""
    return json_document(failure_to_value(error, warnings))


def _outcome_value(outcome: Outcome) -> JsonObject:
    totals = outcome.plan.summary()
    return {
        "summary": {
            "created": outcome.count("created"),
            "overwritten": outcome.count("overwritten"),
            "deleted": outcome.count("deleted"),
            "relinked": outcome.count("relinked"),
            "unchanged": totals.unchanged,
        },
        "applied": [
            {
                "key": applied.key,
                "action": applied.action,
                "workflow_id": applied.workflow_id,
                "previous_id": applied.previous_id,
                "versions": list(applied.versions),
            }
            for applied in outcome.applied
        ],
        "deleted_ids": list(outcome.deleted_ids),
        "versions_written": outcome.versions_written,
        "seconds": round(outcome.seconds, 3),
        "apply_id": outcome.apply_id,
    }
