"""Small valid bundles to break."""

from __future__ import annotations

import copy
from typing import Any

Tree = dict[str, Any]


def definition(*steps: Tree, **rest: Any) -> Tree:
    return {"version": 1, "name": "N", "payloadSchemaRef": "payload.X.v1", "steps": list(steps), **rest}


def step(step_id: str, kind: str = "state.set", **rest: Any) -> Tree:
    return {"id": step_id, "type": kind, **rest}


def call(step_id: str, target: str, version: int = 1) -> Tree:
    return step(step_id, "control.callWorkflow", workflowId=target, workflowVersion=version)


def workflow(key: str = "a.b", **changes: Any) -> Tree:
    tree: Tree = {
        "key": key,
        "metadata": {
            "name": "A workflow",
            "description": None,
            "payloadSchemaRef": "payload.X.v1",
            "payloadSchemaMode": "pinned",
            "pinnedPayloadSchemaRef": None,
            "trigger": None,
            "isSystem": False,
            "isVisible": True,
            "isPaused": False,
            "concurrencyLimit": None,
            "autoPauseOnFailure": False,
            "failureRateThreshold": 0.5,
            "failureRateMinRuns": 10,
            "retentionPolicyOverride": None,
        },
        "dependencies": {"actions": [], "nodeTypes": ["state.set"], "schemaRefs": ["payload.X.v1"]},
        "draft": {"draftVersion": 1, "definition": definition(step("one"))},
        "publishedVersions": [{"version": 1, "definition": definition(step("one")), "payloadSchemaJson": None}],
    }
    tree.update(copy.deepcopy(changes))
    return tree


def bundle(*workflows: Tree) -> Tree:
    return {
        "format": "alga-psa.workflow-bundle",
        "formatVersion": 1,
        "exportedAt": "2026-01-25T00:00:00.000Z",
        "workflows": list(workflows) or [workflow()],
    }
