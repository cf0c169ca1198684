"""Workflows and their published versions as the runtime reads them: anew each time, an apply may have changed them."""
# ruff: noqa: S608 - put together from constants of this package; values are parameters

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wfsync.store.runtime.place import Place
from wfsync.store.session import Connection

__all__ = ["Program", "Schedule", "find", "near", "schedules", "triggered_by", "versions"]


@dataclass(frozen=True, slots=True)
class Program:
    """One published version of one workflow: what a run needs to begin."""

    workflow_id: str
    key: str | None
    is_paused: bool
    concurrency_limit: int | None
    trigger: dict[str, Any] | None
    version: int
    definition: dict[str, Any]
    payload_schema: Any
    """Pinned with the version; None where it was not."""

    @property
    def label(self) -> str:
        """How people name the workflow: by its key."""
        return self.key or self.workflow_id


# The trigger of the workflow is its metadata's; where that has none, the one of the version that would run.
_PROGRAM: Final = """
    SELECT d.workflow_id::text, d.key, d.is_paused, d.concurrency_limit,
        CASE WHEN pg_catalog.jsonb_typeof(d.trigger) = 'object' THEN d.trigger
            WHEN pg_catalog.jsonb_typeof(v.definition_json -> 'trigger') = 'object' THEN v.definition_json -> 'trigger'
        END AS trigger,
        v.version, v.definition_json, v.payload_schema_json
    FROM workflow_definitions d
    JOIN workflow_definition_versions v ON v.tenant = d.tenant AND v.workflow_id = d.workflow_id
"""
_NEWEST: Final = """
    v.version = (SELECT max(n.version) FROM workflow_definition_versions n
        WHERE n.tenant = %(tenant)s AND n.workflow_id = d.workflow_id)
"""


def find(conn: Connection, place: Place, name: str, version: int | None = None) -> Program | None:
    """The published version of the workflow with the key or id ``name``; the newest unless ``version`` is given."""
    which = _NEWEST if version is None else "v.version = %(version)s"
    row = conn.execute(
        f"{_PROGRAM} WHERE d.tenant = %(tenant)s AND v.tenant = %(tenant)s"
        f" AND (d.key = %(name)s OR d.workflow_id::text = %(name)s) AND {which}"
        " ORDER BY d.key = %(name)s DESC LIMIT 1",
        {"tenant": place.tenant, "name": name, "version": version},
    ).fetchone()
    return Program(*row) if row else None


def versions(conn: Connection, place: Place, name: str) -> tuple[int, ...] | None:
    """The published versions of a workflow, ascending; None when there is no such workflow."""
    row = conn.execute(
        "SELECT (SELECT pg_catalog.array_agg(v.version ORDER BY v.version) FROM workflow_definition_versions v"
        " WHERE v.tenant = %(tenant)s AND v.workflow_id = d.workflow_id)"
        " FROM workflow_definitions d WHERE d.tenant = %(tenant)s"
        " AND (d.key = %(name)s OR d.workflow_id::text = %(name)s) LIMIT 1",
        {"tenant": place.tenant, "name": name},
    ).fetchone()
    return None if row is None else tuple(row[0] or ())


def near(conn: Connection, place: Place) -> list[str]:
    """The keys that there are, for a suggestion; at most a thousand."""
    rows = conn.execute(
        "SELECT key FROM workflow_definitions WHERE tenant = %(tenant)s AND key IS NOT NULL ORDER BY key LIMIT 1000",
        {"tenant": place.tenant},
    )
    return [key for (key,) in rows]


def triggered_by(conn: Connection, place: Place, event_name: str) -> Sequence[Program]:
    """The newest published version of every workflow whose trigger names the event, paused ones too, by key."""
    rows = conn.execute(
        f"SELECT * FROM ({_PROGRAM} WHERE d.tenant = %(tenant)s AND v.tenant = %(tenant)s AND {_NEWEST}) p"
        " WHERE p.trigger ->> 'type' = 'event' AND p.trigger ->> 'eventName' = %(event)s"
        " ORDER BY p.key, p.workflow_id",
        {"tenant": place.tenant, "event": event_name},
    )
    return [Program(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A published workflow that runs by the clock, and what was done about it."""

    workflow_id: str
    key: str | None
    is_paused: bool
    trigger: dict[str, Any]
    known_since: datetime
    """When the workflow was last written: what was due before is nobody's to make up for."""
    trigger_hash: str | None
    next_at: datetime | None
    last_due_at: datetime | None
    last_fired_at: datetime | None
    last_run_id: str | None
    last_problem: str | None

    @property
    def label(self) -> str:
        """How people name the workflow: by its key."""
        return self.key or self.workflow_id


def schedules(conn: Connection, place: Place) -> Sequence[Schedule]:
    """Every published workflow with a schedule, by key."""
    rows = conn.execute(
        f"""
        SELECT p.workflow_id, p.key, p.is_paused, p.trigger, greatest(w.updated_at, w.created_at), s.trigger_hash,
            s.next_at, s.last_due_at, s.last_fired_at, s.last_run_id::text, s.last_problem
        FROM ({_PROGRAM} WHERE d.tenant = %(tenant)s AND v.tenant = %(tenant)s AND {_NEWEST}) p
        JOIN workflow_definitions w ON w.tenant = %(tenant)s AND w.workflow_id = p.workflow_id::uuid
        LEFT JOIN workflow_schedule_state s ON s.tenant = %(tenant)s AND s.workflow_id = w.workflow_id
        WHERE p.trigger ->> 'type' IN ('schedule', 'recurring') ORDER BY p.key, p.workflow_id
        """,
        {"tenant": place.tenant},
    )
    return [Schedule(*row) for row in rows]
