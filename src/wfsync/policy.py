"""``policy:`` of ``wfsync.yaml`` and the options that go before it: pruning and the brakes of one invocation. Pure.

Decisions where the specification is silent: an option wins over the file; ``max_deletes: null`` is the default brake,
not none (``100%`` is none); what somebody changed in the database is overwritten in the embedded database, which is
somebody's own, and refused in a named one (`DRIFT_DEFAULT`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from wfsync.bundle.rules.secret_policy import SecretPolicy
from wfsync.plan.guard import Brakes
from wfsync.plan.limits import Limit, parse_limit
from wfsync.plan.ownership import OnDrift

__all__ = ["DRIFT_DEFAULT", "Policy", "Wishes", "policy_of", "secret_policy_of"]

DRIFT_DEFAULT: Final[Mapping[str, OnDrift]] = {"embedded": "overwrite", "named": "fail"}
"""By kind of database."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options of one invocation say; None: what the file says."""

    prune: bool | None = None
    on_drift: OnDrift | None = None
    max_changes: Limit | None = None
    max_deletes: Limit | None = None


NO_WISHES: Final = Wishes()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the file says."""

    prune: bool = False
    max_changes: Limit | None = None
    max_deletes: Limit | None = None
    protected: tuple[str, ...] = ()

    def prunes(self, wishes: Wishes) -> bool:
        """Whether workflows that we created and git no longer has are deleted."""
        return self.prune if wishes.prune is None else wishes.prune

    def brakes(self, wishes: Wishes, kind: Literal["embedded", "named"]) -> Brakes:
        """The brakes for a database of this kind."""
        return Brakes(
            self.protected,
            wishes.max_changes or self.max_changes,
            wishes.max_deletes or self.max_deletes,
            wishes.on_drift or DRIFT_DEFAULT[kind],
        )


def policy_of(tree: Mapping[str, Any]) -> Policy:
    """The policy of a ``wfsync.yaml`` that its schema allows."""
    said: Mapping[str, Any] = tree.get("policy", {})
    return Policy(
        prune=said.get("prune", False),
        max_changes=_limit(said.get("max_changes")),
        max_deletes=_limit(said.get("max_deletes")),
        protected=tuple(said.get("protected", ())),
    )


def secret_policy_of(tree: Mapping[str, Any]) -> SecretPolicy:
    """``policy.secrets`` and ``policy.secrets_allowed`` of a ``wfsync.yaml`` that its schema allows."""
    said: Mapping[str, Any] = tree.get("policy", {})
    severity: Literal["error", "warning"] = "error" if said.get("secrets") == "error" else "warning"
    return SecretPolicy(severity, tuple(said.get("secrets_allowed", ())))


def _limit(value: str | int | None) -> Limit | None:
    return None if value is None else parse_limit(value)
