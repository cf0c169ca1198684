"""What an apply has to do, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wfsync.apply.record import Recorder
from wfsync.apply.restoring import Restoring
from wfsync.plan.managed import ManagedState
from wfsync.plan.model import Plan
from wfsync.plan.resolve import Resolution
from wfsync.plan.state import LiveState
from wfsync.state.desired import DesiredState
from wfsync.state.evidence import Proof

__all__ = ["Work"]

_UNMANAGED: Final = ManagedState()


@dataclass(frozen=True, slots=True)
class Work:
    """A plan with what it was made from: all that `wfsync.apply.execute.execute` needs to carry it out."""

    plan: Plan
    desired: DesiredState
    live: LiveState
    resolution: Resolution
    snapshot: str | None
    """Of the transaction in which the plan was read."""
    managed: ManagedState = _UNMANAGED
    """What was managed when the plan was made."""
    recorder: Recorder | None = None
    """Writes the ledger in the same transaction; None where there is none to write."""
    proof: Proof | None = None
    """Of the transaction in which the plan was read, for evidence; None where nothing can be proved."""
    restoring: Restoring | None = None
    """Of a rollback: what it gives back beside content."""
