"""Runs for people and machines: lists, progress, and the tree of steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from wfsync.plan.codec import PLAN_FORMAT_VERSION
from wfsync.render.escape import json_document, plain
from wfsync.render.shorten import shorten
from wfsync.render.style import Paint, Style
from wfsync.store.runtime.reading import Call, Log, Run, Step, Wait
from wfsync.store.runtime.tasks import Task

__all__ = ["Shown", "error_text", "run_json", "run_line", "run_text", "runs_json", "runs_text", "step_line"]

_LONGEST: Final = 200
_STYLES: Final[Mapping[str, Style]] = {
    "SUCCEEDED": "green",
    "FAILED": "red",
    "CANCELED": "yellow",
    "RETRY_SCHEDULED": "yellow",
    "WAITING": "cyan",
    "QUEUED": "dim",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that `runs show` knows of a run."""

    run: Run
    steps: Sequence[Step]
    waits: Sequence[Wait] = ()
    tasks: Sequence[Task] = ()
    children: Sequence[Run] = ()
    calls: Sequence[Call] = ()
    logs: Sequence[Log] = ()


def runs_text(found: Sequence[Run], *, color: bool = False) -> str:
    """A run a line, the newest first."""
    if not found:
        return "No runs.\n"
    paint = Paint(color)
    width = max(len(run.workflow) for run in found)
    lines = [
        f"{run.id}  {plain(run.workflow):<{width}}  v{run.version:<3} "
        f"{paint(_STYLES.get(run.status, 'bold'), f'{run.status:<9}')}  {_moment(run.created_at)}  {_took(run)}"
        for run in found
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def runs_json(found: Sequence[Run]) -> str:
    """One document with the same facts."""
    listed = [{name: value for name, value in _run(run).items() if name not in {"payload", "output"}} for run in found]
    return json_document({"format_version": PLAN_FORMAT_VERSION, "runs": listed})


def run_line(run: Run) -> str:
    """How a run stands, in one line."""
    took = _took(run)
    text = f"Run {run.id} of {plain(run.workflow)} version {run.version}: {run.status}"
    return f"{text} after {took}" if took and not run.is_active else text


def error_text(run: Run) -> str:
    """Where and why a run failed; empty when it did not."""
    error = run.error
    if not isinstance(error, dict):
        return ""
    code = f" {error['code']}" if error.get("code") else ""
    return f"{error.get('category', 'error')}{code} at {error.get('nodePath', 'root')}: {error.get('message', '')}"


def step_line(step: Step, *, color: bool = False) -> str:
    """One attempt as progress shows it."""
    item = f" [{step.iteration}]" if step.iteration else ""
    again = f" attempt {step.attempt}" if step.attempt > 1 else ""
    status = Paint(color)(_STYLES.get(step.status, "dim"), f"{step.status.lower():<15}")
    error = f": {_error(step.error)}" if step.error is not None else ""
    return f"{status} {plain(step.id)}{item}{again} ({plain(step.type)}){_duration(step)}{error}"


# -- one run, whole ------------------------------------------------------------------------------------------------


def run_json(shown: Shown) -> str:
    """One document: the run, its attempts in the order in which they began, waits, tasks, children, calls and logs."""
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "run": _run(shown.run),
            "steps": [_plain_values(step) for step in shown.steps],
            "waits": [_plain_values(one) for one in shown.waits],
            "tasks": [_plain_values(one) for one in shown.tasks],
            "children": [_run(child) for child in shown.children],
            "calls": [_plain_values(one) for one in shown.calls],
            "logs": [_plain_values(one) for one in shown.logs],
        }
    )


def run_text(shown: Shown, *, color: bool = False) -> str:
    """The run, and its steps as a tree with times, attempts and errors."""
    run, paint = shown.run, Paint(color)
    head = run_line(run).replace(run.status, paint(_STYLES.get(run.status, "bold"), run.status))
    lines = [head, f"  started by {_why(run)} at {_moment(run.created_at)}"]
    if failed := error_text(run):
        lines.append(f"  {paint('red', plain(failed))}")
    lines += ["", *_tree(_nested(shown.steps), "", paint)] if shown.steps else ["  no steps yet"]
    for wait in shown.waits:
        if wait.status == "WAITING":
            lines.append(f"  waits for {_awaited(wait, shown.tasks)}")
    for child in shown.children:
        lines.append(f"  child {child.id} {plain(child.workflow)} version {child.version}: {child.status}")
    for log in shown.logs:
        lines.append(f"  {_moment(log.at)} {log.level} {plain(log.path or 'run')}: {plain(log.message)}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


@dataclass(slots=True)
class _Node:
    """A step, an item of a loop, or a branch, with what belongs to it."""

    label: str = ""
    attempts: list[Step] = field(default_factory=list)
    below: dict[tuple[int, str, int], _Node] = field(default_factory=dict)


_BLOCKS: Final = ("then", "else", "body", "try", "catch")


def _nested(found: Iterable[Step]) -> _Node:
    root = _Node()
    for step in found:
        node, items = root, [part for part in step.iteration.split(".") if part]
        for block, index in _parts(step.path):
            if block:
                number = int(items.pop(0)) if block == "body" and items else -1
                key = (_BLOCKS.index(block), block, number)
                label = f"item {number}" if number >= 0 else block
                node = node.below.setdefault(key, _Node(label))
            node = node.below.setdefault((len(_BLOCKS), "", index), _Node())
        node.attempts.append(step)
    return root


def _parts(path: str) -> Iterable[tuple[str, int]]:
    """``root.steps[3].then.steps[0]`` as ``("", 3), ("then", 0)``."""
    block = ""
    for part in path.split(".")[1:]:
        name, _, index = part.partition("[")
        if name == "steps":
            number = index.removesuffix("]")
            yield block, int(number) if number.isdigit() else 0
            block = ""
        elif name in _BLOCKS:
            block = name


def _tree(node: _Node, indent: str, paint: Paint) -> Iterable[str]:
    below = [node.below[key] for key in sorted(node.below)]
    for number, one in enumerate(below):
        last = number == len(below) - 1
        branch, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
        own = list(_labels(one, paint))
        yield f"{indent}{branch}{own[0]}"
        for line in own[1:]:
            yield f"{indent}{rest}{line}"
        yield from _tree(one, indent + rest, paint)


def _labels(node: _Node, paint: Paint) -> Iterable[str]:
    if not node.attempts:
        yield paint("dim", node.label or "…")
        return
    for step in node.attempts:
        again = f" attempt {step.attempt}" if len(node.attempts) > 1 or step.attempt > 1 else ""
        status = paint(_STYLES.get(step.status, "bold"), step.status)
        at = step.started_at.strftime("%H:%M:%S.%f")[:-3]
        yield f"{plain(step.id)} ({plain(step.type)}){again} {status} {at}{_duration(step)}"
        if step.error is not None:
            yield f"   {paint('red', _error(step.error))}"


def _awaited(wait: Wait, tasks: Sequence[Task]) -> str:
    until = f", until {_moment(wait.due_at)}" if wait.due_at is not None else ""
    match wait.type:
        case "event":
            key = "without a key: nothing matches" if wait.correlation_key is None else f"key {wait.correlation_key}"
            return f"the event {plain(wait.event_name or '')} ({plain(key)}){until}"
        case "human":
            task = next((task for task in tasks if task.id == wait.id), None)
            return f"the task {wait.id}" + (f": {plain(task.title)}" if task is not None else "")
        case "child":
            return f"the child {wait.child_run_id}"
        case "retry":
            return f"the next attempt of {wait.path}{until}"
        case _:
            return f"time to pass{until}"


def _why(run: Run) -> str:
    match run.trigger_type:
        case "event":
            return f"the event {plain(run.event_name or '')}"
        case "schedule":
            due = f" for {_moment(run.scheduled_at)}" if run.scheduled_at is not None else ""
            return f"its schedule{due}"
        case "workflow":
            return f"the run {run.parent_run_id}"
        case "replay":
            return f"a replay of {run.replay_of_run_id}"
        case _:
            return "hand"


def _error(error: Any) -> str:
    if not isinstance(error, dict):
        return plain(shorten(str(error), _LONGEST))
    code = f" {error['code']}" if error.get("code") else ""
    return plain(f"{error.get('category', 'error')}{code}: {shorten(str(error.get('message', '')), _LONGEST)}")


def _duration(step: Step) -> str:
    return "" if step.completed_at is None else f" {_seconds(step.completed_at - step.started_at)}"


def _took(run: Run) -> str:
    if run.started_at is None or run.completed_at is None:
        return ""
    return _seconds(run.completed_at - run.started_at)


def _seconds(took: timedelta) -> str:
    seconds = max(took.total_seconds(), 0.0)
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _run(run: Run) -> dict[str, Any]:
    return _plain_values(run)


def _plain_values(row: Any) -> dict[str, Any]:
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in asdict(row).items()
    }
