"""Plans and failures as one JSON document (spec: cli.md "Output"; the members: `wfsync.plan.codec`)."""

from __future__ import annotations

from collections.abc import Iterable

from wfsync.errors import Problem, WfsyncError
from wfsync.plan.codec import failure_to_value, plan_to_value
from wfsync.plan.model import Plan
from wfsync.render.escape import json_document

__all__ = ["failure_json", "plan_json"]


def plan_json(plan: Plan) -> str:
    """``plan`` as a document that ends with one newline."""
    return json_document(plan_to_value(plan))


def failure_json(error: WfsyncError, warnings: Iterable[Problem] = ()) -> str:
    """The document of a plan that could not be made: the same members, every fault in ``errors``."""
    return json_document(failure_to_value(error, warnings))
