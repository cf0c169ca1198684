"""What events did, tasks, schedules and workers, for people and machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from wfsync.plan.codec import PLAN_FORMAT_VERSION
from wfsync.render.escape import json_document, plain
from wfsync.runtime.events import Sent
from wfsync.runtime.schedules import Planned
from wfsync.store.runtime.tasks import Task

__all__ = ["schedules_json", "schedules_text", "sent_json", "sent_text", "tasks_json", "tasks_text"]


def sent_text(sent: Sent) -> str:
    """What an event did, a line each, and one to grep."""
    lines = [f"resumed {one['run']} at {plain(one['step'])}" for one in sent.resumed]
    lines += [f"started {plain(one['workflow'])}: run {one['run']}" for one in sent.started]
    lines += [f"queued {plain(one['workflow'])}: run {one['run']}" for one in sent.queued]
    lines += [f"skipped {plain(one['workflow'])}: {one['reason']}" for one in sent.skipped]
    lines += [f"failed {plain(one['workflow'])}: {one['code']}: {plain(one['message'])}" for one in sent.failed]
    lines += [f"kept for {one['run']}, which does not wait for it yet" for one in sent.kept]
    counts = (
        f"{len(sent.resumed)} resumed, {len(sent.started)} started, {len(sent.queued)} queued,"
        f" {len(sent.skipped)} skipped, {len(sent.failed)} failed, {len(sent.kept)} kept"
    )
    return "\n".join([*lines, f"Sent {plain(sent.name)}: {counts}."]) + "\n"


def sent_json(sent: Sent) -> str:
    """One document with the same facts."""
    return json_document({"format_version": PLAN_FORMAT_VERSION, **asdict(sent)})


def tasks_text(found: Sequence[Task]) -> str:
    """A task a line, the oldest first."""
    if not found:
        return "No tasks.\n"
    return "".join(
        f"{task.id}  {task.status:<9}  {plain(task.task_type)}  {plain(task.title)}  ({plain(task.workflow)},"
        f" run {task.run_id[:8]}, {_moment(task.created_at)})"
        + ("" if task.answered_by is None else f"  answered by {plain(task.answered_by)}")
        + "\n"
        for task in found
    )


def tasks_json(found: Sequence[Task]) -> str:
    """One document with the same facts."""
    return json_document({"format_version": PLAN_FORMAT_VERSION, "tasks": [_values(asdict(task)) for task in found]})


def schedules_text(found: Sequence[Planned]) -> str:
    """A schedule a line: when it fires next, when it last did, and why it does not."""
    if not found:
        return "No schedules.\n"
    width = max(len(one.schedule.label) for one in found)
    lines = []
    for one in found:
        schedule = one.schedule
        upcoming = "paused" if schedule.is_paused else ("never" if one.next_at is None else _moment(one.next_at))
        fired = "" if schedule.last_fired_at is None else f"  last {_moment(schedule.last_fired_at)}"
        problem = "" if one.problem is None else f"  {plain(one.problem)}"
        lines.append(f"{plain(schedule.label):<{width}}  {_what(schedule.trigger)}  next {upcoming}{fired}{problem}\n")
    return "".join(lines)


def schedules_json(found: Sequence[Planned]) -> str:
    """One document with the same facts."""
    return json_document(
        {
            "format_version": PLAN_FORMAT_VERSION,
            "schedules": [
                _values(
                    {
                        "workflow": one.schedule.label,
                        "is_paused": one.schedule.is_paused,
                        "trigger": one.schedule.trigger,
                        "next_at": one.next_at,
                        "last_due_at": one.schedule.last_due_at,
                        "last_fired_at": one.schedule.last_fired_at,
                        "last_run_id": one.schedule.last_run_id,
                        "problem": one.problem,
                    }
                )
                for one in found
            ],
        }
    )


def _what(trigger: dict[str, Any]) -> str:
    if trigger.get("type") == "recurring":
        return plain(f"{trigger.get('cron')} {trigger.get('timezone')}")
    return plain(f"once at {trigger.get('runAt')}")


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _values(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in row.items()
    }
