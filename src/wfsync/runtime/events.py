"""Events: whom they resume and what they start (runtime.md "Events and triggers")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wfsync.bundle.model import Json
from wfsync.errors import DatabaseError, WfsyncError
from wfsync.runtime.filters import matches
from wfsync.runtime.payloads import payload_faults
from wfsync.runtime.registry import Registry
from wfsync.runtime.runs import the_run
from wfsync.store.runtime import catalogue, events
from wfsync.store.runtime.pool import Pool, repeated
from wfsync.store.runtime.schedules import database_time
from wfsync.store.runtime.starting import NewRun, create

if TYPE_CHECKING:
    from wfsync.store.runtime.catalogue import Program
    from wfsync.store.session import Connection

__all__ = ["Sent", "send"]


@dataclass(slots=True)
class Sent:
    """What an event did."""

    name: str
    resumed: list[dict[str, str]] = field(default_factory=list)
    """``{run, step}`` of every wait that it answered."""
    started: list[dict[str, str]] = field(default_factory=list)
    """``{workflow, run}``."""
    queued: list[dict[str, str]] = field(default_factory=list)
    """The same, of runs that wait for others to end."""
    skipped: list[dict[str, str]] = field(default_factory=list)
    """``{workflow, reason}`` of workflows that are paused."""
    failed: list[dict[str, Any]] = field(default_factory=list)
    """``{workflow, code, message}`` of workflows that could not be started."""
    kept: list[dict[str, str]] = field(default_factory=list)
    """``{run}`` that the event was sent to and that did not wait for it yet."""


def send(
    pool: Pool, registry: Registry, name: str, payload: Json, key: str | None = None, run: str | None = None
) -> Sent:
    """Send an event: to everybody, or to one ``run`` only, whose id begins so.

    Waits are answered in one transaction, and each workflow is started in one of its own: none stops the others.
    Raises as `wfsync.runtime.runs.the_run`, and `DatabaseError`.
    """
    sent = Sent(name)
    with pool.session() as conn:
        if run is not None:
            run_id = the_run(conn, pool.place, run).id
            repeated(lambda: _to_run(conn, pool, sent, payload, key, run_id))
            return sent
        repeated(lambda: _to_all(conn, pool, sent, payload, key))
        for program in catalogue.triggered_by(conn, pool.place, name):
            _start(conn, pool, registry, sent, program, payload, key)
    return sent


def _passes(filters: Any, payload: Json) -> bool:
    return matches(payload, filters)


def _to_all(conn: Connection, pool: Pool, sent: Sent, payload: Json, key: str | None) -> None:
    with conn.transaction():
        met = events.resume(conn, pool.place, sent.name, key, payload, _passes)
    sent.resumed = [{"run": run, "step": step} for run, step in met]


def _to_run(conn: Connection, pool: Pool, sent: Sent, payload: Json, key: str | None, run_id: str) -> None:
    """Under the run's lock: either it waits already, or the wait that it opens next finds the event."""
    with conn.transaction():
        status = events.lock_run(conn, pool.place, run_id)
        met = events.resume(conn, pool.place, sent.name, key, payload, _passes, run_id)
        is_kept = not met and key is not None and status in {"QUEUED", "RUNNING", "WAITING"}
        if is_kept:
            events.keep(conn, pool.place, run_id, sent.name, key, payload)
    sent.resumed = [{"run": run, "step": step} for run, step in met]
    sent.kept = [{"run": run_id}] if is_kept else []


def _start(
    conn: Connection, pool: Pool, registry: Registry, sent: Sent, program: Program, payload: Json, key: str | None
) -> None:
    workflow = program.label
    if program.is_paused:
        sent.skipped.append({"workflow": workflow, "reason": "paused"})
        return
    try:
        mapped = _mapped(program, sent.name, payload, database_time(conn))
        faults = payload_faults(program, mapped, registry)
        if faults:
            text = f"the payload does not fit the schema of version {program.version}: {'; '.join(faults[:3])}"
            sent.failed.append({"workflow": workflow, "code": "INVALID_PAYLOAD", "message": text})
            return
        run_id, begins = repeated(lambda: _created(conn, pool, program, NewRun(mapped, "event", sent.name, key)))
    except _Unmappable as error:
        sent.failed.append({"workflow": workflow, "code": error.code, "message": error.message})
    except DatabaseError as error:
        sent.failed.append({"workflow": workflow, "code": error.code, "message": error.message})
    else:
        (sent.started if begins else sent.queued).append({"workflow": workflow, "run": run_id})


def _created(conn: Connection, pool: Pool, program: Program, new: NewRun) -> tuple[str, bool]:
    with conn.transaction():
        return create(conn, pool.place, program, new)


class _Unmappable(WfsyncError):
    """A ``payloadMapping`` gives no payload for this event."""

    default_code = "INVALID_PAYLOAD_MAPPING"


def _mapped(program: Program, name: str, payload: Json, now: datetime) -> Json:
    mapping: Mapping[str, Json] | None = (program.trigger or {}).get("payloadMapping")
    if mapping is None:
        return payload
    from wfsync.expressions import EvaluationAborted, ExpressionFault
    from wfsync.runtime.step_failure import StepFailed
    from wfsync.runtime.template import compile_template

    try:
        return compile_template(dict(mapping)).resolve({"event": {"name": name, "payload": payload}}, now)
    except StepFailed as error:
        raise _Unmappable(error.failure.message) from None
    except (ExpressionFault, EvaluationAborted, WfsyncError) as error:
        raise _Unmappable(f"payloadMapping: {error}") from None
