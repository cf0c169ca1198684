"""What people ask of runs: start, look, cancel, retry, replay (runtime.md "Semantics")."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from wfsync.bundle.model import Json
from wfsync.errors import ConfigError, Conflict, InputError, Problem, Refused, WfsyncError
from wfsync.runtime.payloads import payload_faults
from wfsync.runtime.registry import Registry
from wfsync.store.runtime import catalogue, starting
from wfsync.store.runtime.again import request_retry
from wfsync.store.runtime.ending import request_cancel
from wfsync.store.runtime.pool import Pool
from wfsync.store.runtime.reading import Run, find_runs
from wfsync.store.runtime.starting import NewRun

if TYPE_CHECKING:
    from wfsync.store.runtime.catalogue import Program
    from wfsync.store.runtime.place import Place
    from wfsync.store.session import Connection

__all__ = ["RunFailed", "cancel", "program_of", "replay", "require_active", "retry", "start", "the_run"]


class RunFailed(WfsyncError):
    """A run that somebody waited for failed, or was canceled."""

    default_code = "RUN_FAILED"


def start(pool: Pool, registry: Registry, key: str, payload: Json, version: int | None) -> tuple[str, bool]:
    """Start a run of a published version, the newest unless ``version`` says another; its id, and whether it begins now
    or queues behind others (``concurrencyLimit``).

    Raises `ConfigError` (``UNKNOWN_WORKFLOW``, ``NOT_PUBLISHED``), `Refused` (``WORKFLOW_PAUSED``), `InputError`
    (``INVALID_PAYLOAD``).
    """
    with pool.session() as conn:
        program = program_of(conn, pool.place, key, version)
        _require_startable(program)
        faults = payload_faults(program, payload, registry)
        if faults:
            raise InputError(
                f"the payload does not fit the schema of {program.label} version {program.version}",
                code="INVALID_PAYLOAD",
                hint="give it with --payload JSON or --payload @FILE",
                problems=[Problem(code="INVALID_PAYLOAD", message=fault, key=program.label) for fault in faults],
            )
        with conn.transaction():
            return starting.create(conn, pool.place, program, NewRun(payload, "manual"))


def program_of(conn: Connection, place: Place, key: str, version: int | None) -> Program:
    """The published version of a workflow. Raises `ConfigError` (``UNKNOWN_WORKFLOW``, ``NOT_PUBLISHED``)."""
    program = catalogue.find(conn, place, key, version)
    if program is not None:
        return program
    known = catalogue.versions(conn, place, key)
    if known is None:
        near = get_close_matches(key, catalogue.near(conn, place), n=1, cutoff=0.6)
        raise ConfigError(
            f"the database has no workflow {key}",
            code="UNKNOWN_WORKFLOW",
            hint=f"did you mean {near[0]}?" if near else "bring it there with `wfsync apply`",
            details={"key": key},
        )
    if version is not None and known:
        raise ConfigError(
            f"{key} has no published version {version}; it has {', '.join(map(str, known))}",
            code="UNKNOWN_WORKFLOW",
            hint="leave --version out for the newest",
            details={"key": key, "versions": list(known)},
        )
    raise ConfigError(
        f"{key} has no published version, and a draft cannot be run",
        code="NOT_PUBLISHED",
        hint=f"publish it: `wfsync publish {key}`, then `wfsync apply --force`",
        details={"key": key},
    )


def _require_startable(program: Program) -> None:
    if program.is_paused:
        raise Refused(
            f"{program.label} is paused, and a paused workflow starts nothing",
            code="WORKFLOW_PAUSED",
            hint="look at its failed runs first: `wfsync explain WORKFLOW_PAUSED` says how it goes on",
        )


def the_run(conn: Connection, place: Place, prefix: str) -> Run:
    """The run whose id begins with ``prefix``. Raises `ConfigError` (``UNKNOWN_RUN``, ``AMBIGUOUS_RUN``)."""
    found = find_runs(conn, place, prefix) if prefix.strip() else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(
            f"there is no run {prefix!r}",
            code="UNKNOWN_RUN",
            hint="`wfsync runs list` shows those that there are",
        )
    raise ConfigError(
        f"several runs begin with {prefix}: {', '.join(run.id for run in found)}",
        code="AMBIGUOUS_RUN",
        hint="give more of the id",
    )


def cancel(pool: Pool, prefix: str, reason: str) -> Run:
    """Ask a run to end; as it stood. Raises as `the_run`, and `Conflict` (``RUN_ENDED``)."""
    with pool.session() as conn:
        run = the_run(conn, pool.place, prefix)
        status = request_cancel(conn, pool.place, run.id, reason)
    require_active(run.id, status)
    return run


def require_active(run_id: str, status: str | None) -> None:
    """Raise `Conflict` (``RUN_ENDED``) where a run of this status has ended; None is one that is gone."""
    if status is None or status not in {"QUEUED", "RUNNING", "WAITING"}:
        raise Conflict(f"the run {run_id} has ended already: {status or 'it is gone'}", code="RUN_ENDED")


def retry(pool: Pool, prefix: str) -> Run:
    """Let a run that failed go on at its failed step; as it stood.

    Raises as `the_run`, and `Conflict` (``RUN_NOT_FAILED``).
    """
    with pool.session() as conn:
        run = the_run(conn, pool.place, prefix)
        status = request_retry(conn, pool.place, run.id)
    if status != "FAILED":
        raise Conflict(
            f"the run {run.id} is {status or 'gone'}, and only one that FAILED can be retried",
            code="RUN_NOT_FAILED",
            hint=f"`wfsync runs replay {run.id}` starts a new run of the same version with the same payload",
        )
    return run


def replay(pool: Pool, prefix: str) -> tuple[Run, str, bool]:
    """Start a new run of the same version with the same payload: the old run, the new one's id, and whether it begins.

    Raises as `the_run`, and `Refused` (``WORKFLOW_PAUSED``).
    """
    with pool.session() as conn:
        run = the_run(conn, pool.place, prefix)
        program = catalogue.find(conn, pool.place, run.workflow)
        if program is not None:
            _require_startable(program)
        with conn.transaction():
            made = starting.replay_of(conn, pool.place, run.id)
    if made is None:
        raise ConfigError(
            f"the run {run.id} was not made by wfsync, which does not know its definition", code="UNKNOWN_RUN"
        )
    return run, *made
