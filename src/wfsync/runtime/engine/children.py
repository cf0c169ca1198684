"""Starting a child run, or saying why it cannot be started."""

from __future__ import annotations

from typing import Final

from wfsync.runtime.engine.services import Services
from wfsync.runtime.payloads import payload_faults
from wfsync.runtime.protocol import Failure, StartChild
from wfsync.store.runtime.catalogue import find, versions
from wfsync.store.runtime.starting import NewRun
from wfsync.store.runtime.turns import Found
from wfsync.store.runtime.waits import NewWait

__all__ = ["MOST_DEPTH", "child_of"]

MOST_DEPTH: Final = 50
"""How many workflows may call one another."""


def child_of(services: Services, found: Found, command: StartChild) -> NewWait | Failure:
    """The wait for the child's end, with the child; `Failure` (``ValidationError``, or ``TransientError`` for a paused
    workflow) when there is no such version, the payload does not fit, or too many runs call one another.
    """
    name, version = command.workflow_id, command.version
    with services.pool.session() as conn:
        program = find(conn, services.place, name, version)
        known = versions(conn, services.place, name) if program is None else ()
    if program is None:
        there = f"; it has {', '.join(map(str, known))}" if known else ""
        what = f"the workflow {name} has no published version {version}{there}" if known is not None else ""
        return Failure("ValidationError", what or f"there is no workflow {name}", "UNKNOWN_WORKFLOW")
    if program.is_paused:
        return Failure("TransientError", f"the workflow {program.label} is paused", "WORKFLOW_PAUSED", retryable=True)
    if found.depth >= MOST_DEPTH:
        return Failure(
            "ValidationError",
            f"more than {MOST_DEPTH} workflows call one another, the last is {program.label}",
            "DEPTH",
        )
    faults = payload_faults(program, command.payload, services.registry)
    if faults:
        text = f"the payload for {program.label} does not fit its schema: {'; '.join(faults[:3])}"
        return Failure("ValidationError", text, "INVALID_PAYLOAD", {"faults": list(faults)})
    pos = command.pos
    new = NewRun(
        command.payload,
        "workflow",
        parent_run_id=found.begun.run_id,
        root_run_id=found.root_run_id,
        depth=found.depth + 1,
    )
    return NewWait("child", pos.path, pos.iteration, pos.attempt, child=(program, new))
