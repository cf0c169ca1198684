"""What a repository's ``registry.yaml`` declares, as a registry that can be executed (spec: runtime.md "Registry").

A stub stands for an action: it echoes, gives a canned output, fails on the calls that it should, takes as long as it
says. Stubs shadow real actions on the embedded instance and in tests only, and whoever puts a registry together says
which it is (`combined`). What a stub's entry leaves open (schemas, properties) is as the real action says it, so that
inputs and outputs are checked as they will be there.

Calls are counted for each registry that `stub_actions` makes, in this process only: `fail` with ``calls: [1]`` fails
once in each worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, TypeVar, runtime_checkable

from wfsync.bundle.declared import Declared, DeclaredAction, Reply
from wfsync.bundle.model import Json
from wfsync.runtime.input_keys import InputKey
from wfsync.runtime.registry import (
    Action,
    ActionContext,
    ActionFailed,
    NodeType,
    PayloadSchema,
    Registry,
    RetryHint,
    Run,
)

__all__ = ["Sleeper", "combined", "declared_entries", "is_stub", "stub_actions"]

Entry = TypeVar("Entry")


@runtime_checkable
class Sleeper(Protocol):
    """A context whose time moves by itself: a stub's ``delay`` then costs no real time."""

    def sleep(self, seconds: float) -> None:
        """Let so much of the run's time pass."""


def stub_actions(declared: Declared, real: Registry | None = None) -> Registry:
    """The stubs of ``declared`` and nothing else; the count of calls of each begins at none.

    What the file leaves open is as the actions of ``real`` have it.
    """
    known = {} if real is None else real.actions
    return Registry.of(
        _action(action, declared.file, known.get((action.id, action.version)), _Stub(action.stub))
        for action in declared.actions
        if action.stub
    )


def is_stub(action: Action) -> bool:
    """True when calls of ``action`` are answered by a stub."""
    return isinstance(action.run, _Stub)


def declared_entries(declared: Declared) -> Registry:
    """Everything that ``declared`` names, with what it says of it; no action can be executed."""
    return Registry.of(
        (_action(action, declared.file, None, None) for action in declared.actions),
        (NodeType(n.id, n.config, n.label, n.description, declared.file) for n in declared.node_types),
        (PayloadSchema(schema.ref, schema.schema, declared.file) for schema in declared.schemas),
    )


def combined(installed: Registry, declared: Declared | None, *, stubs: bool) -> Registry:
    """What an instance has: what is ``installed`` there, and what its repository declares.

    ``stubs`` says that stubs hold (the embedded instance, tests): they shadow real actions, and what the file says of a
    node type or a payload schema comes before what is installed. Elsewhere what is installed comes first. An entry that
    has nothing but its name never hides one that says more; an action that is declared only cannot be executed.
    """
    if declared is None:
        return installed
    entries = declared_entries(declared)
    first, second = (entries, installed) if stubs else (installed, entries)
    both = Registry(
        {**entries.actions, **installed.actions},
        _shadowed(first.node_types, second.node_types, lambda node: node.config_schema is not None),
        _shadowed(first.schemas, second.schemas, lambda payload: payload.schema is not None),
    )
    return stub_actions(declared, installed).over(both) if stubs else both


def _shadowed(
    first: Mapping[str, Entry], second: Mapping[str, Entry], says: Callable[[Entry], bool]
) -> dict[str, Entry]:
    """Entries of both; of two with one name that of ``first``, unless it has nothing to say."""
    return {**second, **{name: entry for name, entry in first.items() if name not in second or says(entry)}}


def _action(said: DeclaredAction, origin: str, real: Action | None, run: Run | None) -> Action:
    """The action of which ``said`` tells, ``real`` where it says nothing, and the defaults where nobody does."""
    like = real if real is not None else Action(said.id, said.version)
    retry = like.retry_hint if said.retry is None else RetryHint(*said.retry)
    return Action(
        id=said.id,
        version=said.version,
        input_schema=like.input_schema if said.input is None else said.input,
        output_schema=like.output_schema if said.output is None else said.output,
        label=said.label or like.label,
        description=said.description or like.description,
        side_effects=like.side_effects if said.side_effects is None else said.side_effects,
        idempotency=InputKey(said.idempotency) if isinstance(said.idempotency, tuple) else like.idempotency,
        retry_hint=retry,
        ambiguous=said.ambiguous or like.ambiguous,
        transactional=run is None and bool(said.transactional),  # a stub has no effect to be recorded with its step
        run=run,
        origin=origin,
    )


@dataclass(frozen=True, slots=True)
class _Stub:
    """The ``run`` of a stub; may be called from many threads at once."""

    replies: tuple[Reply, ...]
    number: Callable[[], int] = field(default_factory=lambda: count(1).__next__)
    """The number of this call. `itertools.count` gives each one once, whatever threads do."""

    def __call__(self, given: Json, context: ActionContext) -> Json:
        number = self.number()
        reply = self.replies[min(number, len(self.replies)) - 1]
        if reply.delay_ms:
            _sleep(reply.delay_ms / 1000, context)
        refusal = reply.refusal
        if refusal is not None and (not reply.calls or number in reply.calls):
            raise ActionFailed(
                refusal.message,
                category=refusal.category,
                code=refusal.code,
                details=deepcopy(refusal.details),
                retryable=refusal.retryable,
            )
        return given if reply.echo else deepcopy(reply.output)


def _sleep(seconds: float, context: ActionContext) -> None:
    if isinstance(context, Sleeper):
        context.sleep(seconds)
    else:
        time.sleep(seconds)
