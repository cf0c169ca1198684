"""A definition, compiled: frozen steps that the interpreter walks (spec: runtime.md "Definition").

`compile_definition` finds every structural fault and every expression that does not compile before a run begins, so
that none is found in the middle of one. What a step's ``config`` holds beyond its expressions is checked when it runs.
``workflowId`` of a call passes through as it stands: an id in the database, a key in a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Literal

import orjson

from wfsync.bundle.model import Json, JsonObject
from wfsync.bundle.schema import explain, is_valid
from wfsync.bundle.steps import step_path_text, walk
from wfsync.errors import InputError, Problem
from wfsync.expressions import Expression, ExpressionFault, compile_expression
from wfsync.runtime.assignment import InvalidPath, Path, in_order, parse_saved
from wfsync.runtime.backoff import Retry
from wfsync.runtime.nodes import Node, compile_node
from wfsync.runtime.template import EXPRESSION, Template, compile_template

__all__ = [
    "Block",
    "CallStep",
    "Definition",
    "DefinitionFault",
    "ForEachStep",
    "IfStep",
    "InvalidDefinition",
    "NodeStep",
    "ReturnStep",
    "Step",
    "TryStep",
    "compile_definition",
]

CODE: Final = "INVALID_DEFINITION"

OnError = Literal["fail", "continue"]


@dataclass(frozen=True, slots=True)
class NodeStep:
    """A step of any registered node type."""

    id: str
    type: str
    path: str
    node: Node
    retry: Retry | None
    on_error: OnError


@dataclass(frozen=True, slots=True)
class IfStep:
    """``control.if``."""

    id: str
    type: str
    path: str
    condition: Expression
    then: Block
    otherwise: Block


@dataclass(frozen=True, slots=True)
class ForEachStep:
    """``control.forEach``."""

    id: str
    type: str
    path: str
    items: Expression
    item_var: str
    body: Block
    concurrency: int
    on_item_error: OnError


@dataclass(frozen=True, slots=True)
class TryStep:
    """``control.tryCatch``. ``capture`` is where ``captureErrorAs`` puts the error."""

    id: str
    type: str
    path: str
    attempt: Block
    catch: Block
    capture: Path | None


@dataclass(frozen=True, slots=True)
class CallStep:
    """``control.callWorkflow``."""

    id: str
    type: str
    path: str
    workflow_id: str
    version: int
    input: Template
    output: tuple[tuple[str, Template], ...]
    retry: Retry | None
    on_error: OnError


@dataclass(frozen=True, slots=True)
class ReturnStep:
    """``control.return``."""

    id: str
    type: str
    path: str


Step = NodeStep | IfStep | ForEachStep | TryStep | CallStep | ReturnStep
Block = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A compiled definition; shared by all runs of it."""

    name: str
    version: int
    payload_schema_ref: str
    steps: Block

    def every_step(self) -> Iterator[Step]:
        """All steps, parents before children, in document order."""
        rest = list(reversed(self.steps))
        while rest:
            step = rest.pop()
            yield step
            match step:
                case IfStep():
                    rest += reversed(step.then + step.otherwise)
                case ForEachStep():
                    rest += reversed(step.body)
                case TryStep():
                    rest += reversed(step.attempt + step.catch)
                case _:
                    pass


@dataclass(frozen=True, slots=True)
class DefinitionFault:
    """One reason why a definition cannot be executed."""

    code: Literal["INVALID_WORKFLOW_DEFINITION", "DUPLICATE_STEP_ID", "INVALID_EXPR"]
    step_path: str
    message: str
    step_id: str | None = None


class InvalidDefinition(InputError):
    """A definition cannot be executed; ``faults`` says every reason, ``problems`` the same for people."""

    default_code = CODE

    def __init__(self, faults: tuple[DefinitionFault, ...]) -> None:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(
            f"the definition cannot be executed: {faults[0].step_path}: {faults[0].message}{more}",
            problems=[Problem(code=CODE, message=f"{fault.step_path}: {fault.message}") for fault in faults],
        )
        self.faults = faults


def compile_definition(tree: JsonObject) -> Definition:
    """Compile ``tree``; cached by its content. Raises `InvalidDefinition` with every fault."""
    try:
        content = orjson.dumps(tree)
    except TypeError:  # an integer beyond 64 bits
        return _compiled(tree)
    return _cached(_Content(sha256(content).digest(), tree))


class _Content:
    """A tree that is the same as another with the same digest."""

    __slots__ = ("digest", "tree")

    def __init__(self, digest: bytes, tree: JsonObject) -> None:
        self.digest = digest
        self.tree = tree

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and other.digest == self.digest


@lru_cache(maxsize=512)
def _cached(content: _Content) -> Definition:
    return _compiled(content.tree)


def _compiled(tree: JsonObject) -> Definition:
    faults = tuple(_structural(tree))
    if faults:
        raise InvalidDefinition(faults)
    found: list[DefinitionFault] = []
    steps = _block(tree["steps"], "root.steps", found)
    if found:
        raise InvalidDefinition(tuple(found))
    return Definition(tree["name"], tree["version"], tree["payloadSchemaRef"], steps)


def _structural(tree: Json) -> Iterator[DefinitionFault]:
    if not is_valid("workflow-definition.v1", tree):
        for fault in explain("workflow-definition.v1", tree):
            path, inside = _step_of(fault.path)
            message = f"{inside}: {fault.message}" if inside else fault.message
            yield DefinitionFault("INVALID_WORKFLOW_DEFINITION", path, message)
        return
    seen: dict[str, str] = {}
    for at, step in walk(tree):
        here, name = step_path_text(at), step["id"]
        if name in seen:
            message = f"the id {name!r} is also that of {seen[name]}"
            yield DefinitionFault("DUPLICATE_STEP_ID", here, message, name)
        else:
            seen[name] = here


def _step_of(path: tuple[str | int, ...]) -> tuple[str, str]:
    """The innermost step that ``path`` goes through, and the rest of the path."""
    end = max((index + 1 for index, part in enumerate(path) if isinstance(part, int) and index % 2), default=0)
    for index, part in enumerate(path):
        if not (isinstance(part, int) if index % 2 else part in {"steps", "then", "else", "body", "try", "catch"}):
            end = min(end, index - index % 2)
            break
    return step_path_text(path[:end]), ".".join(map(str, path[end:]))


def _block(steps: list[JsonObject], path: str, faults: list[DefinitionFault]) -> Block:
    compiled: list[Step] = []
    for index, step in enumerate(steps):
        here = f"{path}[{index}]"
        try:
            compiled.append(_step(step, here, faults))
        except ExpressionFault as fault:
            where = "" if fault.offset is None else f" (at character {fault.offset + 1})"
            faults.append(DefinitionFault("INVALID_EXPR", here, f"{fault.message}{where}", step["id"]))
        except InvalidPath as wrong:
            faults.append(DefinitionFault("INVALID_WORKFLOW_DEFINITION", here, str(wrong), step["id"]))
    return tuple(compiled)


def _step(step: JsonObject, path: str, faults: list[DefinitionFault]) -> Step:
    name, kind = step["id"], step["type"]
    match kind:
        case "control.if":
            then = _block(step["then"], f"{path}.then.steps", faults)
            otherwise = _block(step.get("else", []), f"{path}.else.steps", faults)
            return IfStep(name, kind, path, compile_expression(step["condition"][EXPRESSION]), then, otherwise)
        case "control.forEach":
            body = _block(step["body"], f"{path}.body.steps", faults)
            items = compile_expression(step["items"][EXPRESSION])
            concurrency, policy = int(step.get("concurrency", 1)), step.get("onItemError", "fail")
            return ForEachStep(name, kind, path, items, step["itemVar"], body, concurrency, policy)
        case "control.tryCatch":
            attempt = _block(step["try"], f"{path}.try.steps", faults)
            catch = _block(step["catch"], f"{path}.catch.steps", faults)
            captured = step.get("captureErrorAs")
            return TryStep(name, kind, path, attempt, catch, None if captured is None else parse_saved(captured))
        case "control.callWorkflow":
            return CallStep(
                name,
                kind,
                path,
                step["workflowId"],
                int(step["workflowVersion"]),
                compile_template(step.get("inputMapping", {})),
                tuple((to, compile_template(value)) for to, value in _in_order(step.get("outputMapping", {}))),
                _retry(step.get("retry")),
                _policy(step.get("onError")),
            )
        case "control.return":
            return ReturnStep(name, kind, path)
        case _:
            config = step.get("config", {})
            # The step's own wins over the config's.
            policy = _policy(step.get("onError", config.get("onError")))
            return NodeStep(name, kind, path, compile_node(kind, config), _retry(step.get("retry")), policy)


def _in_order(mapping: JsonObject) -> list[tuple[str, Json]]:
    return [(path, mapping[path]) for path in sorted(mapping, key=in_order)]


def _retry(retry: Any) -> Retry | None:
    if retry is None:
        return None
    only = retry.get("retryOn")
    return Retry(
        max_attempts=int(retry["maxAttempts"]),
        backoff_ms=retry["backoffMs"],
        multiplier=retry.get("backoffMultiplier", 2),
        jitter=retry.get("jitter", True),
        max_delay_ms=retry.get("maxDelayMs"),
        retry_on=None if only is None else frozenset(only),
    )


def _policy(on_error: Json) -> OnError:
    """``{policy: …}``; a config may hold just the word. What is neither fails."""
    policy = on_error.get("policy") if isinstance(on_error, dict) else on_error
    return "continue" if policy == "continue" else "fail"
