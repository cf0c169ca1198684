"""Plans to render: one that has everything, and parts of it."""

from __future__ import annotations

from typing import Any

from wfsync.errors import Place, Problem
from wfsync.plan.change import Blocked, CascadeCount, Change, FieldChange
from wfsync.plan.model import Plan, SourceRef, TargetRef

SOURCE = SourceRef("/repo", "workflows", "abcdef1234567890abcdef", "main", dirty=True)
TARGET = TargetRef("db.example.org:5432/app", "00000000-0000-0000-0000-000000000001", "A", "named")

OVERWRITE = Change(
    "greeting",
    "overwrite",
    "differs from the database",
    before_digest="b" * 64,
    after_digest="c" * 64,
    file="workflows/greeting.json",
    workflow_id="11111111-1111-1111-1111-111111111111",
    versions=(1, 2),
    paths=(
        FieldChange("change", "draft.steps[notify].config.inputMapping.body", "a", "b"),
        FieldChange("change", "metadata.name", "x" * 500, "x" * 250 + "y" + "x" * 249),
        FieldChange("change", "draft.steps[a].config.apiKey", "[SECRET:REDACTED]", "[SECRET:REDACTED]", masked=True),
        FieldChange(
            "move", "draft.steps[m]", "root.steps[1]", "root.steps[0]", note="moved from then of c to top level"
        ),
        FieldChange("add", "draft.steps[n]", new={"id": "n"}, note="action.call; at top level after m"),
        FieldChange("remove", "draft.steps[a].config.old", None),
    ),
    cascades=(
        CascadeCount("workflow_runs", "deleted", 3),
        CascadeCount("workflow_run_steps", "deleted", 1_000_000, capped=True),
        CascadeCount("audit", "detached", 2),
    ),
    active_runs={"RUNNING": 2, "WAITING": 1},
)
CREATE = Change("new", "create", "not in the database", after_digest="a" * 64)
RELINK = Change("zcaller", "relink", "calls greeting, which would get a new id", "d" * 64, "d" * 64)


def plan(*changes: Change, unchanged: int = 41, **rest: Any) -> Plan:
    return Plan(SOURCE, TARGET, "replace", changes or (CREATE, OVERWRITE, RELINK), unchanged, **rest)


FULL = plan(
    warnings=(
        Problem(
            code="NON_PORTABLE_REFERENCE",
            message="the id belongs to no workflow",
            severity="warning",
            place=Place("workflows/new.json", 3, 5, "/workflows/0"),
        ),
    ),
    blocks=(
        Blocked("WORKFLOW_KEY_CONFLICT", "exists and differs", "greeting", "consent with --force"),
        Blocked("ACTIVE_RUNS", "has runs", "greeting", "consent with --allow-running"),
    ),
)
HOSTILE = [
    "\x1b[2Jcleared",
    "::error::owned",
    "\n::set-env name=A::b",
    "##[set-env name=A]b",
    "a\u202eb\u2066c\u200bd\ufeffe\u2028f\x85g\x00h",
    "`` ` ```",
    "```\n<script>alert(1)</script>",
    "@everyone #1 <b> | a | **b** [x](y) <!-- -->",
    "</code></summary></details><img src=x>",
    "\U000e0041 tag \ud800 lone",
    "|\n| injected | row |",
    "--> out",
    "&lt; &#64;x",
]
