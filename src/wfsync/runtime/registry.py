"""What can be executed here: actions, node types and payload schemas (spec: runtime.md "Registry").

A `Registry` is a value that is put together once, from plugins, a repository's ``registry.yaml`` and an instance's
export, and then only read. `wfsync.bundle.registry.Registry` is its shadow: the names only, for the dependency check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from wfsync.bundle.model import Json, JsonObject

__all__ = [
    "Action",
    "ActionContext",
    "ActionFailed",
    "NodeType",
    "PayloadSchema",
    "Plugin",
    "Registry",
    "RetryHint",
    "Run",
]


class ActionFailed(Exception):
    """Raised by an action: the call failed, and why.

    ``category`` is one of runtime.md's; ``retryable`` lets ``retry`` without ``retryOn`` try again (a
    ``TransientError`` always is). ``message`` and ``details`` are stored and shown: they must not hold secrets.
    """

    def __init__(
        self,
        message: str,
        *,
        category: str = "ActionError",
        code: str | None = None,
        details: Json = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.category = category
        self.code = code
        self.details = details
        self.retryable = retryable or category == "TransientError"


class ActionContext(Protocol):
    """What an action may know and use besides its input. The engine, tests and simulations each have their own."""

    @property
    def run_id(self) -> str:
        """The run that calls."""

    @property
    def step_path(self) -> str:
        """The step that calls, such as ``root.steps[3].then.steps[0]``."""

    @property
    def attempt(self) -> int:
        """Which attempt of the step this is, from 1."""

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this call; hand it to services that know such keys."""

    @property
    def now(self) -> datetime:
        """The time of the run's last event, UTC."""

    def log(self, level: Literal["DEBUG", "INFO", "WARN", "ERROR"], message: str, context: Json = None) -> None:
        """Write a line to the run's log (a row of ``workflow_run_logs``); secrets are masked."""

    def setting(self, name: str) -> str | None:
        """A setting of the instance (environment variable), such as ``WFSYNC_HTTP_ALLOW``; None when it is not set."""

    @property
    def transaction(self) -> Any:
        """For a `transactional` action: the cursor of the transaction that records the step. Else None."""


Run = Callable[[Json, ActionContext], Json]
"""Input (checked, secrets resolved) and context → output. Raises `ActionFailed`; all else is an ``ActionError``."""


@dataclass(frozen=True, slots=True)
class RetryHint:
    """How an action asks to be retried when a step says nothing; shown by ``registry list`` and used by designers."""

    max_attempts: int
    backoff_ms: float


@dataclass(frozen=True, slots=True)
class Action:
    """One version of one action.

    ``side_effects`` false says that a call may be repeated freely: it gets no row of its own before the call.
    ``idempotency`` makes the key of a call from its input where the step names none. ``ambiguous`` says what becomes of
    a call whose outcome nobody knows. A ``transactional`` action runs inside the transaction that records its step: its
    effect happens exactly once. ``run`` None: known, not executable here (an instance's export, no stub).
    """

    id: str
    version: int
    input_schema: JsonObject | bool | None = None
    output_schema: JsonObject | bool | None = None
    label: str | None = None
    description: str | None = None
    side_effects: bool = True
    idempotency: Callable[[Json], str] | None = None
    retry_hint: RetryHint | None = None
    ambiguous: Literal["retry", "fail"] = "retry"
    transactional: bool = False
    run: Run | None = None
    origin: str = "built-in"


@dataclass(frozen=True, slots=True)
class NodeType:
    """A type of step. What it does is known to the interpreter; ``config_schema`` is JSON Schema for its ``config``."""

    id: str
    config_schema: JsonObject | bool | None = None
    label: str | None = None
    description: str | None = None
    origin: str = "built-in"


@dataclass(frozen=True, slots=True)
class PayloadSchema:
    """A payload schema by its reference, such as ``payload.Ticket.v1``; ``schema`` None: known by name only."""

    ref: str
    schema: JsonObject | bool | None = None
    origin: str = "built-in"


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an entry point of the group ``wfsync.plugins`` gives (an instance, or a callable that makes one)."""

    name: str
    actions: tuple[Action, ...] = ()
    node_types: tuple[NodeType, ...] = ()
    schemas: tuple[PayloadSchema, ...] = ()


@dataclass(frozen=True, slots=True)
class Registry:
    """Actions by (id, version), node types by id, payload schemas by reference."""

    actions: Mapping[tuple[str, int], Action] = field(default_factory=dict)
    node_types: Mapping[str, NodeType] = field(default_factory=dict)
    schemas: Mapping[str, PayloadSchema] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        actions: Iterable[Action] = (),
        node_types: Iterable[NodeType] = (),
        schemas: Iterable[PayloadSchema] = (),
    ) -> Registry:
        """A registry of these entries; of two with one name the later wins."""
        return cls(
            {(action.id, action.version): action for action in actions},
            {node.id: node for node in node_types},
            {schema.ref: schema for schema in schemas},
        )

    def over(self, other: Registry) -> Registry:
        """This registry on top of ``other``: entries of this one shadow those of the same name."""
        return Registry(
            {**other.actions, **self.actions},
            {**other.node_types, **self.node_types},
            {**other.schemas, **self.schemas},
        )

    def versions(self, action: str) -> tuple[int, ...]:
        """The versions of ``action``, ascending."""
        return tuple(sorted(version for name, version in self.actions if name == action))
