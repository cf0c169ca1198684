"""One call of an action without an instance: input checked, secrets put in, output checked and masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from wfsync.bundle.json_schema import InvalidSchemaError, JsonSchema, compile_schema
from wfsync.bundle.model import Json
from wfsync.bundle.schema import SchemaFault
from wfsync.bundle.source_map import pointer
from wfsync.runtime.in_process.world import CannotGoOn, Reply, RunInfo
from wfsync.runtime.protocol import CallAction, Failure
from wfsync.runtime.redaction import Redactor
from wfsync.runtime.registry import Action, ActionFailed
from wfsync.runtime.template import secret_name

__all__ = ["Caller", "Context", "LogLine"]

LogLine = tuple[str, str, Json]
"""Level, message and context."""

_NAMED = 3
"""How many faults a message has."""


@dataclass(slots=True)
class Context:
    """What an action may know of a call here. Its time moves by itself: see `wfsync.runtime.stubs.Sleeper`."""

    run: RunInfo
    command: CallAction
    idempotency_key: str
    now: datetime
    slept: timedelta = timedelta()
    lines: list[LogLine] = field(default_factory=list)
    transaction: Any = None

    @property
    def run_id(self) -> str:
        """The run that calls."""
        return self.run.id

    @property
    def step_path(self) -> str:
        """The step that calls."""
        return self.command.pos.path

    @property
    def attempt(self) -> int:
        """Which attempt of the step this is."""
        return self.command.pos.attempt

    def log(self, level: Literal["DEBUG", "INFO", "WARN", "ERROR"], message: str, context: Json = None) -> None:
        """Keep the line."""
        self.lines.append((level, message, context))

    def setting(self, name: str) -> str | None:  # noqa: ARG002 - the protocol's
        """Nothing is set: a run must not depend on the machine."""
        return None

    def sleep(self, seconds: float) -> None:
        """Let so much of the run's time pass."""
        self.slept += timedelta(seconds=seconds)


@dataclass(slots=True)
class Caller:
    """Calls actions as an instance would. Schemas are compiled once: keep it for many runs."""

    _schemas: dict[tuple[str, int, str], JsonSchema | str] = field(default_factory=dict)

    def call(self, action: Action, context: Context, secrets: Mapping[str, str]) -> Reply:
        """Call ``action``, whose ``run`` must be there, as ``context.command`` says."""
        given, used = _with_secrets(context.command, secrets)
        mask = Redactor(used)
        fault = self._fault(action, "input", action.input_schema, given)
        if fault is not None:
            return Reply(failure=fault, made=False)
        try:
            output = action.run(given, context) if action.run is not None else given
        except ActionFailed as error:
            failure = Failure(error.category, error.message, error.code, error.details, error.retryable)
            return Reply(failure=mask.failure(failure), after=context.slept)
        except CannotGoOn:
            raise
        except Exception as error:  # noqa: BLE001 - "all else is an ActionError" (wfsync.runtime.registry.Run)
            failure = Failure("ActionError", f"{type(error).__name__}: {error}")
            return Reply(failure=mask.failure(failure), after=context.slept)
        output = mask.value(output)
        return Reply(output, self._fault(action, "output", action.output_schema, output), context.slept)

    def _fault(self, action: Action, side: str, schema: Json, value: Json) -> Failure | None:
        """The ``ValidationError`` of a value that breaks the schema; values are not repeated: they may be secret."""
        if schema is None:
            return None
        place = (action.id, action.version, side)
        if place not in self._schemas:
            try:
                self._schemas[place] = compile_schema(schema, masked=True)
            except InvalidSchemaError as error:
                self._schemas[place] = str(error)
        compiled = self._schemas[place]
        if isinstance(compiled, str):
            return Failure("ValidationError", f"the {side} schema of {action.id}@{action.version} is wrong: {compiled}")
        faults = compiled.faults(value)
        if not faults:
            return None
        return Failure(
            "ValidationError",
            f"the {side} of {action.id}@{action.version} does not fit its schema: {_listed(faults)}",
            f"INVALID_{side.upper()}",
        )


def _listed(faults: tuple[SchemaFault, ...]) -> str:
    texts = [f"{pointer(fault.path) or 'it'}: {fault.message}" for fault in faults[:_NAMED]]
    if len(faults) > _NAMED:
        texts.append(f"and {len(faults) - _NAMED} more")
    return "; ".join(texts)


def _with_secrets(command: CallAction, secrets: Mapping[str, str]) -> tuple[Json, dict[str, str]]:
    """The input with the values of its secrets, and which those are."""
    value, used = command.input, {}
    for path in command.secrets:
        name = secret_name(_at(value, path))
        if name is not None:
            used[name] = secrets.get(name, f"made-up value of {name}")
            value = _put(value, path, used[name])
    return value, used


def _at(value: Json, path: tuple[str | int, ...]) -> Json:
    for step in path:
        value = value[step]
    return value


def _put(value: Json, path: tuple[str | int, ...], new: Json) -> Json:
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = _put(value[path[0]], path[1:], new)
    return copied
