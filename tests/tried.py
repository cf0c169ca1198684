"""Workflows in a folder and tests of them, run in this process: what tests of `wfsync.testing` begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from small_bundles import bundle, canonical
from wfsync.bundle.declared import parse_declared
from wfsync.bundle.load import LoadOptions
from wfsync.repo.opening import open_repository
from wfsync.testing.assembling import assemble
from wfsync.testing.outcome import Verdict
from wfsync.testing.read import read_tests
from wfsync.testing.running import Suite

__all__ = ["REGISTRY", "Step", "action", "assign", "expr", "suite_of", "tried", "verdicts"]

Step = dict[str, Any]

REGISTRY = """\
version: 1
actions:
  - {id: mail.send, version: 1}
  - {id: mail.read, version: 1, sideEffects: false, stub: {output: {unread: 3}}}
  - id: shop.order
    version: 1
    input: {type: object, required: [sku], properties: {sku: {type: string}}}
    stub: [{fail: {category: TransientError, message: busy}}, {output: {id: o-1}}]
nodeTypes: [action.call, event.wait, human.task, state.set, time.wait, transform.assign]
schemas: [{ref: payload.Ticket.v1, schema: {type: object}}]
"""


def expr(text: str) -> dict[str, str]:
    return {"$expr": text}


def action(step: str, name: str = "mail.send", *, step_fields: Step | None = None, **config: Any) -> Step:
    full = {"actionId": name, "version": 1, **config}
    return {"id": step, "type": "action.call", "config": full, **(step_fields or {})}


def assign(step: str, **values: Any) -> Step:
    return {"id": step, "type": "transform.assign", "config": {"assign": {f"vars.{n}": v for n, v in values.items()}}}


def suite_of(folder: Path, workflows: Mapping[str, Sequence[Step]], tests: str, registry: str = REGISTRY) -> Suite:
    """The suite of ``tests`` (YAML) about ``workflows``, each with one published version of these steps."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, steps in workflows.items():
        (folder / f"{key}.json").write_bytes(canonical(bundle(key, list(steps))))
    source = open_repository(folder).source(".")
    cases = read_tests(tests.encode(), "yaml", "tests/t.yaml").cases
    return assemble(cases, source, LoadOptions(), parse_declared(registry.encode(), "registry.yaml"))


def verdicts(
    folder: Path, workflows: Mapping[str, Sequence[Step]], tests: str, registry: str = REGISTRY
) -> list[Verdict]:
    """Those of all tests, in order."""
    return list(suite_of(folder, workflows, tests, registry).verdicts(jobs=1))


def tried(folder: Path, steps: Sequence[Step], test: str) -> Verdict:
    """The verdict of one test of a workflow ``w``; ``test`` are the members of it, as a YAML flow or block."""
    text = f"version: 1\nworkflow: w\ntests:\n  - name: it\n{_indented(test)}"
    [verdict] = verdicts(folder, {"w": steps}, text)
    return verdict


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.strip("\n").splitlines())
