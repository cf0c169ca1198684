"""A simulation for people, machines and Mermaid, without tokens: ids and the literals of conditions may be some."""

from __future__ import annotations

from wfsync.bundle.model import JsonObject
from wfsync.plan.codec import PLAN_FORMAT_VERSION
from wfsync.plan.secrets import hide_text, hide_tokens
from wfsync.render.escape import json_document, plain
from wfsync.render.mermaid import run_mermaid
from wfsync.runtime.simulation import Simulation, TraceStep

__all__ = ["simulation_json", "simulation_mermaid", "simulation_text"]

_SIGNS = {"SUCCEEDED": "+", "FAILED": "!", "RETRY_SCHEDULED": "~", "CANCELED": "-", "STARTED": "…"}


def simulation_text(found: Simulation) -> str:
    """The steps as they are taken, each with its reason, and one line that says how it ends."""
    lines = [_line(step) for step in found.steps]
    name = f"{plain(found.workflow)} v{found.version}"
    if found.error is not None:
        error = found.error
        lines.append(f"{plain(error['nodePath'])}: {plain(error['category'])}: {plain(error['message'])}")
    ends = "does not end" if found.status is None else f"ends as {found.status}"
    why = f": {plain(found.stopped)}" if found.stopped else ""
    lines.append(f"Simulated {name}: it {ends} after {len(found.steps)} step{'s' * (len(found.steps) != 1)}{why}.")
    return "\n".join(map(hide_text, lines)) + "\n"


def _line(step: TraceStep) -> str:
    record = step.record
    indent = "  " * (step.depth + record.pos.path.count(".steps["))
    where = f" [{record.pos.iteration}]" if record.pos.iteration else ""
    again = f" (attempt {record.pos.attempt})" if record.pos.attempt > 1 else ""
    reason = f": {plain(step.reason)}" if step.reason else ""
    sign = _SIGNS.get(str(record.status), " ")
    return f"{indent[2:]}{sign} {plain(record.step_id)}{where}{again} {plain(record.step_type)}{reason}"


def simulation_json(found: Simulation) -> str:
    """One document."""
    return json_document(hide_tokens({"format_version": PLAN_FORMAT_VERSION, **found.to_json()}))


def simulation_mermaid(found: Simulation, definition: JsonObject) -> str:
    """The workflow as a flowchart with the way that the simulation took; called workflows are one node each."""
    return run_mermaid(definition, [_Step(step) for step in found.steps if step.depth == 0])


class _Step:
    """A step of a trace, as a chart wants it."""

    __slots__ = ("attempt", "iteration", "path", "status")

    def __init__(self, step: TraceStep) -> None:
        pos = step.record.pos
        self.path, self.iteration, self.attempt = pos.path, pos.iteration, pos.attempt
        self.status = str(step.record.status)
