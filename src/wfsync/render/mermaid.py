"""A run as a Mermaid flowchart: the workflow, and the way that the run took (`runs show`, `simulate`).

Every step of the definition is a node once, whatever loops are around it; colour and label say what became of it. Steps
that were not reached are drawn in dashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from wfsync.bundle.model import Json, JsonObject
from wfsync.plan.secrets import hide_text
from wfsync.render.escape import plain

__all__ = ["Drawn", "run_mermaid"]

MAX_NODES: Final = 400
"""Of one chart: what draws Mermaid gives up soon after."""

_LABEL: Final = 60
_SHAPES: Final = {
    "control.if": ('{"', '"}'),
    "control.forEach": ('[["', '"]]'),
    "control.tryCatch": ('{{"', '"}}'),
    "control.callWorkflow": ('[/"', '"/]'),
    "event.wait": ('(["', '"])'),
    "time.wait": ('(["', '"])'),
    "human.task": ('(["', '"])'),
}
# By how much they want to be seen: of the attempts and items of one step the first in this order is shown.
_COLOURS: Final = {
    "STARTED": "fill:#e8f0fe,stroke:#1a73e8,color:#202124",
    "RETRY_SCHEDULED": "fill:#fef7e0,stroke:#f9ab00,color:#202124",
    "FAILED": "fill:#fce8e6,stroke:#d93025,color:#202124",
    "CANCELED": "fill:#f1f3f4,stroke:#80868b,color:#202124",
    "SUCCEEDED": "fill:#e6f4ea,stroke:#1e8e3e,color:#202124",
}
_NOT_REACHED: Final = "NOT_REACHED"
_DASHED: Final = "fill:#ffffff,stroke:#bdc1c6,color:#80868b,stroke-dasharray: 4 4"


class Drawn(Protocol):
    """One attempt of one step."""

    @property
    def path(self) -> str:
        """Where it stands in the definition."""

    @property
    def iteration(self) -> str:
        """Which items of the loops around it."""

    @property
    def attempt(self) -> int:
        """Which attempt."""

    @property
    def status(self) -> str:
        """How it stands."""


_Exit = tuple[str, str]
"""A node from which the next step is reached, and what the edge says."""


class _Chart:
    """The lines of one chart as they are put together."""

    def __init__(self, steps: Iterable[Drawn]) -> None:
        self.nodes: list[str] = []
        self.edges: list[str] = []
        self.classes: dict[str, list[str]] = {}
        self.left_out = 0
        self._ended: dict[str, dict[str, Drawn]] = {}
        for step in steps:
            at = self._ended.setdefault(step.path, {})
            before = at.get(step.iteration)
            if before is None or before.attempt <= step.attempt:
                at[step.iteration] = step

    def block(self, steps: Json, path: str, entries: list[_Exit]) -> list[_Exit]:
        """Draw a list of steps that ``entries`` lead into; what leads out of it."""
        for index, step in enumerate(steps if isinstance(steps, list) else []):
            if isinstance(step, dict):
                entries = self._step(step, f"{path}[{index}]", entries)
        return entries

    def _step(self, step: JsonObject, path: str, entries: list[_Exit]) -> list[_Exit]:
        if len(self.nodes) >= MAX_NODES:
            self.left_out += 1
            return entries
        name = f"s{len(self.nodes)}"
        kind = str(step.get("type"))
        self._node(name, str(step.get("id")), kind, path)
        for source, label in entries:
            self.edge(source, name, label)
        match kind:
            case "control.if":
                then = self.block(step.get("then"), f"{path}.then.steps", [(name, "then")])
                return [*then, *self.block(step.get("else"), f"{path}.else.steps", [(name, "else")])]
            case "control.tryCatch":
                tried = self.block(step.get("try"), f"{path}.try.steps", [(name, "try")])
                return [*tried, *self.block(step.get("catch"), f"{path}.catch.steps", [(name, "catch")])]
            case "control.forEach":
                for source, label in self.block(step.get("body"), f"{path}.body.steps", [(name, "each item")]):
                    if source != name:
                        self.edge(source, name, label or "next")
                return [(name, "done")]
            case "control.return":
                self.edge(name, "done", "")
                return []
            case _:
                return [(name, "")]

    def edge(self, source: str, target: str, label: str) -> None:
        """One arrow."""
        self.edges.append(f"  {source} -->|{label}| {target}" if label else f"  {source} --> {target}")

    def _node(self, name: str, step_id: str, kind: str, path: str) -> None:
        last = list(self._ended.get(path, {}).values())
        status = min((str(one.status) for one in last), key=_rank, default=_NOT_REACHED)
        parts = [step_id, kind]
        if len(last) > 1:
            failed = sum(str(one.status) == "FAILED" for one in last)
            parts.append(f"{len(last)} times" + (f", {failed} failed" if failed else ""))
        most = max((one.attempt for one in last), default=1)
        if most > 1:
            parts.append(f"{most} attempts")
        before, after = _SHAPES.get(kind, ('["', '"]'))
        self.nodes.append(f"  {name}{before}{'<br/>'.join(map(_text, parts))}{after}")
        self.classes.setdefault(status, []).append(name)


def _rank(status: str) -> int:
    return list(_COLOURS).index(status) if status in _COLOURS else len(_COLOURS)


def run_mermaid(definition: JsonObject, steps: Sequence[Drawn]) -> str:
    """``definition`` as a chart on which ``steps``, in the order in which they began, are marked."""
    chart = _Chart(steps)
    for source, label in chart.block(definition.get("steps"), "root.steps", [("begin", "")]):
        chart.edge(source, "done", label)
    lines = ["flowchart TD", f'  begin(["{_text(str(definition.get("name", "begin")))}"])', *chart.nodes]
    if chart.left_out:
        lines.append(f'  more["… and {chart.left_out} more steps"]')
    lines += ["  done((end))", *chart.edges]
    for status, names in chart.classes.items():
        lines.append(f"  classDef {status} {_COLOURS.get(status, _DASHED)}")
        lines.append(f"  class {','.join(names)} {status}")
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """A label: nothing in it ends the quotation or is taken for markup."""
    text = plain(hide_text(text))
    text = text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"
    return "".join(char if char.isalnum() or char in " .,_/:…-" else f"#{ord(char)};" for char in text)
