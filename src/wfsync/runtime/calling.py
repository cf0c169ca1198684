"""One call of an action, up to its outcome: what the engine and the in-process runner have in common.

`prepare` resolves secrets, checks the input and finds the idempotency key; whoever calls writes the invocation's row;
`perform` calls, checks the output and masks. The input of a `PreparedCall` holds secrets: it is never stored or shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from wfsync.bundle.json_schema import InvalidSchemaError, JsonSchema, Schema, compile_schema
from wfsync.bundle.model import MAX_DEPTH, Json
from wfsync.errors import WfsyncError
from wfsync.runtime.protocol import CallAction, Failure
from wfsync.runtime.redaction import Redactor
from wfsync.runtime.registry import Action, ActionContext, ActionFailed, Registry
from wfsync.runtime.step_failure import StepFailed, invalid
from wfsync.runtime.template import secret_name

__all__ = ["PreparedCall", "Secrets", "check_value", "default_key", "failure_of", "perform", "prepare"]

Secrets = Callable[[Collection[str]], Mapping[str, str]]
"""Values of secrets by their names (`wfsync.runtime.secrets.resolve`). Raises `WfsyncError` where one has none."""

_SHOWN: Final = 2000
"""Characters of an exception's text that are kept."""
_SAID: Final = 20_000
"""Characters of what an action says about its failure that are kept."""
_MOST_KEY: Final = 1000
"""Bytes of an idempotency key; a longer one stands as its hash."""


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A call that may be made. ``input`` has its secrets resolved."""

    action: Action
    key: str
    redactor: Redactor
    input: Json = field(repr=False)


def prepare(command: CallAction, run_id: str, registry: Registry, secrets: Secrets) -> PreparedCall:
    """Find the action, resolve secrets, check the input, find the key.

    Raises `StepFailed` (``ValidationError``): what the step's attempt fails with.
    """
    action = registry.actions.get((command.action, command.version))
    if action is None:
        versions = ", ".join(map(str, registry.versions(command.action)))
        known = f"; it is registered in version {versions}" if versions else ""
        raise invalid(
            f"no action {command.action} version {command.version} is registered{known}", code="UNKNOWN_ACTION"
        )
    if action.run is None:
        raise invalid(
            f"the action {command.action} version {command.version} is known here, but nothing executes it: "
            "a stub in registry.yaml, or a plugin, would",
            code="ACTION_NOT_EXECUTABLE",
        )
    values = _values(command, secrets)
    resolved = command.input
    for path in command.secrets:
        resolved = _replaced(resolved, path, 0, values)
    redactor = Redactor(values)
    what = f"the input of {command.action} version {command.version}"
    check_value(action.input_schema, resolved, what, masked=bool(values), code="INVALID_ACTION_INPUT")
    return PreparedCall(action, _bounded(_key(command, action, run_id)), redactor, resolved)


def _key(command: CallAction, action: Action, run_id: str) -> str:
    if command.key is not None:
        return command.key
    if action.idempotency is not None:
        try:
            # Of the input with references in it: a key is stored, so no secret may be in it.
            key: Any = action.idempotency(command.input)
        except Exception as error:
            raise StepFailed(failure_of(error, Redactor({}))) from error
        if not isinstance(key, str) or not key:  # a plugin's promise, and a row's
            raise invalid(f"{action.id} made no idempotency key of its input", code="INVALID_IDEMPOTENCY_KEY")
        return key
    return default_key(command, run_id)


def _bounded(key: str) -> str:
    """``key``, or a hash of one that no unique index takes: too long, or no text that can be stored."""
    if "\x00" not in key and _encodable(key) and len(key.encode()) <= _MOST_KEY:
        return key
    return f"sha256:{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def default_key(command: CallAction, run_id: str) -> str:
    """Run, step path and iteration: the same for every attempt."""
    iteration = f"#{command.pos.iteration}" if command.pos.iteration else ""
    return f"{run_id}/{command.pos.path}{iteration}"


def _values(command: CallAction, secrets: Secrets) -> Mapping[str, str]:
    if not command.secrets:
        return {}
    names = {name for path in command.secrets if (name := secret_name(_at(command.input, path))) is not None}
    try:
        return secrets(sorted(names))
    except WfsyncError as error:
        # A secret that nobody set is the definition's fault; a store that cannot be read may be readable again.
        category = "ValidationError" if error.code == "SECRET_NOT_FOUND" else "TransientError"
        hint = f"; {error.hint}" if error.hint else ""
        failure = Failure(category, f"{error.message}{hint}", error.code, retryable=category == "TransientError")
        raise StepFailed(failure) from None


def _at(value: Json, path: tuple[str | int, ...]) -> Json:
    for part in path:
        value = value[part]
    return value


def _replaced(value: Json, path: tuple[str | int, ...], depth: int, values: Mapping[str, str]) -> Json:
    if depth == len(path):
        name = secret_name(value)
        return value if name is None else values[name]
    changed = value.copy()
    changed[path[depth]] = _replaced(value[path[depth]], path, depth + 1, values)
    return changed


def perform(prepared: PreparedCall, context: ActionContext) -> Json:
    """Call; the output, checked and masked. Raises `StepFailed` with whatever became of it instead."""
    action, redactor = prepared.action, prepared.redactor
    assert action.run is not None  # noqa: S101 — `prepare` has refused it
    try:
        output = _plain(action.run(prepared.input, context), 0)
    except Exception as error:
        raise StepFailed(failure_of(error, redactor)) from error
    what = f"the output of {action.id} version {action.version}"
    check_value(action.output_schema, output, what, masked=bool(redactor), code="INVALID_ACTION_OUTPUT")
    return redactor.value(output)


def failure_of(error: BaseException, redactor: Redactor) -> Failure:
    """What an exception of an action means to its step; secrets in it are masked."""
    match error:
        case StepFailed():
            failure = error.failure
        case ActionFailed():
            details: Json
            try:
                details = _plain(error.details, 0)
            except StepFailed:
                details = None
            category = _said(error.category, Redactor({})) or "ActionError"
            code = None if error.code is None else _said(error.code, redactor)
            failure = Failure(category, _said(error.message, redactor), code, details, bool(error.retryable))
        case TimeoutError():
            failure = Failure("TimeoutError", _text(error, redactor))
        case _:
            failure = Failure("ActionError", _text(error, redactor), "UNEXPECTED_EXCEPTION")
    return redactor.failure(failure)


def _text(error: BaseException, redactor: Redactor) -> str:
    text = _said(error, redactor, _SHOWN)
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _said(what: object, redactor: Redactor, most: int = _SAID) -> str:
    """``what`` as text that can be stored, whatever a plugin put there."""
    try:
        text = "" if what is None else str(what)
    except Exception:  # noqa: BLE001 - an exception whose text cannot be made is still one
        text = ""
    # Masked before it is cut: half a secret would not be found any more.
    return redactor.text(text).replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:most]


def check_value(schema: Schema | None, value: Json, what: str, *, masked: bool = False, code: str = "SCHEMA") -> None:
    """Check ``value`` against ``schema`` (None: anything goes). Raises `StepFailed` (``ValidationError``)."""
    if schema is None or schema is True:
        return
    try:
        faults = _compiled(_Same(schema), masked=masked).faults(value)
    except InvalidSchemaError as error:
        raise invalid(f"the schema for {what} is wrong: {error}", code="INVALID_SCHEMA") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid(f"{what} cannot be checked: {error}", code=code) from None
    if faults:
        listed = [{"pointer": _pointer(fault.path), "message": fault.message} for fault in faults]
        first = listed[0]["message"] if not listed[0]["pointer"] else f"{listed[0]['pointer']}: {listed[0]['message']}"
        more = f" (and {len(listed) - 1} more)" if len(listed) > 1 else ""
        raise invalid(f"{what} does not fit its schema: {first}{more}", code=code, details=listed)


def _pointer(path: tuple[str | int, ...]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


class _Same:
    """A schema that is the same as itself only: comparing its content would cost more than compiling saves."""

    __slots__ = ("schema",)

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.schema is self.schema


@lru_cache(maxsize=1024)
def _compiled(same: _Same, *, masked: bool) -> JsonSchema:
    return compile_schema(same.schema, masked=masked)


def _plain(value: Any, depth: int) -> Json:
    """A copy of ``value`` that is JSON and that the database takes. Raises `StepFailed` where it is not."""
    if depth > MAX_DEPTH:
        raise invalid(f"the output nests deeper than {MAX_DEPTH}", code="OUTPUT_NOT_JSON")
    match value:
        case None | bool() | int():
            return value
        case str():
            if "\x00" in value or not _encodable(value):
                raise invalid("the output holds text with U+0000 or half a surrogate pair", code="OUTPUT_NOT_JSON")
            return value
        case float():
            if not math.isfinite(value):
                raise invalid("the output holds a number that JSON cannot say", code="OUTPUT_NOT_JSON")
            return value
        case dict():
            if not all(isinstance(name, str) for name in value):
                raise invalid("the output holds an object with a name that is no text", code="OUTPUT_NOT_JSON")
            return {_plain(name, depth): _plain(member, depth + 1) for name, member in value.items()}
        case list() | tuple():
            return [_plain(item, depth + 1) for item in value]
        case _:
            raise invalid(f"the output holds a {type(value).__name__}, which is not JSON", code="OUTPUT_NOT_JSON")


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
