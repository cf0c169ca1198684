"""All that ``registry.yaml`` declares, as values: schemas, properties and stubs (spec: runtime.md "Registry").

A declaration is what a file says. What can be executed is made of it by `wfsync.runtime.stubs`. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from wfsync.bundle.json_schema import Schema
from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.registry import Registry, names_of
from wfsync.bundle.registry_file import delay_ms, read_registry

__all__ = [
    "NOTHING_DECLARED",
    "Declared",
    "DeclaredAction",
    "DeclaredNodeType",
    "DeclaredSchema",
    "Refusal",
    "Reply",
    "parse_declared",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call of a stub fails."""

    category: str
    message: str
    code: str | None = None
    details: Json = None
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call of a stub gives: its input where ``echo``, else ``output``; ``refusal`` on those of ``calls``, on all
    where there are none.
    """

    echo: bool = True
    output: Json = None
    refusal: Refusal | None = None
    calls: frozenset[int] = frozenset()
    """Counted from 1."""
    delay_ms: float = 0


@dataclass(frozen=True, slots=True)
class DeclaredAction:
    """One version of one action. None: the file does not say."""

    id: str
    version: int
    label: str | None = None
    description: str | None = None
    input: Schema | None = None
    output: Schema | None = None
    side_effects: bool | None = None
    idempotency: tuple[str, ...] | Literal["own"] | None = None
    """JSON pointers to the parts of the input of which the key of a call is made."""
    retry: tuple[int, float] | None = None
    """Attempts and milliseconds of back-off."""
    ambiguous: Literal["retry", "fail"] | None = None
    transactional: bool | None = None
    stub: tuple[Reply, ...] = ()
    """Replies to the first calls; the last one is to all further calls, too. Empty: no stub."""


@dataclass(frozen=True, slots=True)
class DeclaredNodeType:
    """One type of step."""

    id: str
    label: str | None = None
    description: str | None = None
    config: Schema | None = None


@dataclass(frozen=True, slots=True)
class DeclaredSchema:
    """One payload schema; ``schema`` None: known by name only."""

    ref: str
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """One registry file, entries in its order."""

    file: str = ""
    """As named in messages."""
    actions: tuple[DeclaredAction, ...] = ()
    node_types: tuple[DeclaredNodeType, ...] = ()
    schemas: tuple[DeclaredSchema, ...] = ()
    names: Registry = field(default_factory=Registry)


NOTHING_DECLARED: Final = Declared()


def parse_declared(data: bytes, file: str) -> Declared:
    """Read a registry, JSON when ``file`` ends in ``.json``, else YAML; ``file`` also names it in problems.

    Raises `InputError` (``INVALID_REGISTRY``) with every fault, as `wfsync.bundle.registry_file.read_registry`.
    """
    tree = read_registry(data, file)
    return Declared(
        file,
        tuple(map(_action, tree.get("actions", ()))),
        tuple(map(_node_type, tree.get("nodeTypes", ()))),
        tuple(DeclaredSchema(entry["ref"], entry.get("schema")) for entry in tree.get("schemas", ())),
        names_of(tree),
    )


def _action(entry: JsonObject) -> DeclaredAction:
    retry, idempotency = entry.get("retry"), entry.get("idempotency")
    return DeclaredAction(
        id=entry["id"],
        version=entry["version"],
        label=entry.get("label"),
        description=entry.get("description"),
        input=entry.get("input"),
        output=entry.get("output"),
        side_effects=entry.get("sideEffects"),
        idempotency=tuple(idempotency) if isinstance(idempotency, list) else idempotency,
        retry=None if retry is None else (retry["maxAttempts"], retry["backoffMs"]),
        ambiguous=entry.get("ambiguous"),
        transactional=entry.get("transactional"),
        stub=_stub(entry["stub"]) if "stub" in entry else (),
    )


def _node_type(entry: Json) -> DeclaredNodeType:
    if isinstance(entry, str):
        return DeclaredNodeType(entry)
    return DeclaredNodeType(entry["id"], entry.get("label"), entry.get("description"), entry.get("config"))


def _stub(stub: Json) -> tuple[Reply, ...]:
    return tuple(map(_reply, stub if isinstance(stub, list) else [stub]))


def _reply(reply: JsonObject) -> Reply:
    fail = reply.get("fail")
    return Reply(
        echo="output" not in reply,
        output=reply.get("output"),
        refusal=None if fail is None else Refusal(**fail),
        calls=frozenset(reply.get("calls", ())),
        delay_ms=delay_ms(reply.get("delay", 0)),
    )
