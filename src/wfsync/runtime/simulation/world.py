"""The world of a simulation: everything succeeds at once, with values that are made up; nothing is called.

Only built-in actions that compute and do nothing else (``transform.*`` and what the e-mail nodes call) are really run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from wfsync.bundle.model import Json, JsonObject
from wfsync.runtime.assignment import InvalidPath, parse_saved
from wfsync.runtime.calling import PreparedCall, perform, prepare
from wfsync.runtime.filters import matches, names_of
from wfsync.runtime.in_process.context import Context
from wfsync.runtime.in_process.world import ChildEnd, Program, Reply, RunInfo, TaskAnswer
from wfsync.runtime.nodes import EMAIL_ACTIONS
from wfsync.runtime.protocol import CallAction, Failure, OpenTask, Pos, StartChild, WaitEvent
from wfsync.runtime.redaction import MASK
from wfsync.runtime.registry import Action, Registry
from wfsync.runtime.simulation.made_up import from_schema
from wfsync.runtime.simulation.reading import Names, paths_read, shaped
from wfsync.runtime.step_failure import StepFailed

__all__ = ["SimulatedWorld", "Waits"]

Waits = Literal["arrive", "time-out"]
"""What becomes of waits for events that have a timeout."""

_ENOUGH: Final = 5
"""How deep called workflows are followed."""

_ORIGIN: Final = "built-in"


@dataclass(slots=True)
class SimulatedWorld:
    """Answers what a simulated run asks, and keeps where each answer came from."""

    registry: Registry
    find: Callable[[str, int], tuple[Program, JsonObject] | None]
    """A called workflow and its definition, or None."""
    waits: Waits = "arrive"
    definitions: dict[tuple[str, int], JsonObject] = field(default_factory=dict)
    reasons: dict[tuple[str, Pos], str] = field(default_factory=dict)
    """By run and position: where an answer came from."""
    _read: dict[tuple[str, int], frozenset[Names]] = field(default_factory=dict)
    _reading: frozenset[Names] = frozenset()
    """What any of the definitions reads of ``vars.event``."""

    def knows(self, program: Program, definition: JsonObject) -> None:
        """``program`` may be run; outputs are shaped by what ``definition`` reads."""
        place = (program.key, program.version)
        self.definitions[place] = definition
        self._read[place] = paths_read(definition)
        self._reading |= self._read[place]

    def prepare(self, run: RunInfo, command: CallAction) -> PreparedCall:
        """The call; secrets are masks, and an action that is not known here takes anything."""
        place = (command.action, command.version)
        known = self.registry.actions.get(place) or Action(*place, origin="nobody")
        stand_in = replace(known, run=known.run if _is_pure(known) else _never)
        return prepare(command, run.id, Registry({place: stand_in}), _masked)

    def call(self, run: RunInfo, command: CallAction, prepared: PreparedCall, now: datetime) -> Reply:
        """The output of the action, if it is pure; else one that is made up."""
        action, at = prepared.action, (run.id, command.pos)
        if action.run is not _never:
            self.reasons[at] = "computed: the action has no effects"
            try:
                return Reply(perform(prepared, Context(run, command, prepared.key, now)))
            except StepFailed as failed:
                return Reply(failure=failed.failure)
        if isinstance(action.output_schema, dict):
            self.reasons[at] = "output made up from the action's schema"
            return Reply(from_schema(action.output_schema, "output"))
        unknown = "the action is not registered; " if action.origin == "nobody" else ""
        self.reasons[at] = f"{unknown}output made up from what later steps read of it"
        saved = self._saved(run, command.pos.path)
        return Reply(None if saved is None else shaped(self._read_by(run), saved))

    def _read_by(self, run: RunInfo) -> frozenset[Names]:
        return self._read.get((run.program.key, run.program.version), frozenset())

    def _saved(self, run: RunInfo, path: str) -> Names | None:
        step = _step_at(self.definitions.get((run.program.key, run.program.version), {}), path)
        save_as = step.get("config", {}).get("saveAs")
        try:
            return parse_saved(save_as) if isinstance(save_as, str) else None
        except InvalidPath:
            return None

    def task(self, run: RunInfo, command: OpenTask) -> TaskAnswer:
        """An answer that fits the form of the task's type, or has what later steps read."""
        form = self.registry.schemas.get(f"task.{command.task_type}")
        if form is not None and form.schema is not None:
            self.reasons[run.id, command.pos] = "answer made up from the form of the task's type"
            return TaskAnswer(from_schema(form.schema, "answer"))
        self.reasons[run.id, command.pos] = "answer made up from what later steps read of it"
        return TaskAnswer(shaped(self._read_by(run), ("vars", "event")))

    def child(self, run: RunInfo, command: StartChild) -> Program | ChildEnd | Failure:
        """The called workflow, simulated as well; beyond `_ENOUGH`, or where it is unknown, a made-up end."""
        found = self.find(command.workflow_id, command.version) if run.depth < _ENOUGH else None
        if found is not None:
            self.knows(*found)
            self.reasons[run.id, command.pos] = "simulated as well"
            return found[0]
        why = "it calls too deep" if run.depth >= _ENOUGH else "it is not here"
        self.reasons[run.id, command.pos] = f"its end was made up: {why}"
        step = _step_at(self.definitions.get((run.program.key, run.program.version), {}), command.pos.path)
        read = paths_read({"steps": [{"mapping": step.get("outputMapping", {})}]})
        variables = shaped(read, ("vars",))
        return ChildEnd(output={"payload": command.payload, "vars": variables if isinstance(variables, dict) else {}})

    def event(self, waits: Sequence[WaitEvent]) -> tuple[str, str | None, Json] | None:
        """An event for the first wait that can have one."""
        for wait in waits:
            if self.waits == "time-out" and wait.timeout is not None:
                continue
            payload = self._event_payload(wait)
            if wait.correlation_key is not None and matches(payload, wait.filters):
                return wait.name, wait.correlation_key, payload
        return None

    def _event_payload(self, wait: WaitEvent) -> Json:
        payload = shaped(self._reading, ("vars", "event"))
        made: JsonObject = payload if isinstance(payload, dict) else {}
        for one in wait.filters:
            _satisfy(made, one)
        return made


def _never(_input: Json, _context: object) -> Json:
    raise AssertionError("a simulation calls nothing")


def _masked(names: Collection[str]) -> Mapping[str, str]:
    return dict.fromkeys(names, MASK)


def _is_pure(action: Action) -> bool:
    named = action.id.startswith("transform.") or action.id in EMAIL_ACTIONS.values()
    return named and action.origin == _ORIGIN and not action.side_effects and action.run is not None


def _step_at(definition: JsonObject, path: str) -> JsonObject:
    """The step at a path of runtime.md's spelling; empty where there is none."""
    found: Json = definition
    for part in path.replace("]", "").replace("[", ".").split(".")[1:]:
        if isinstance(found, list):
            if part != "steps":  # the ``.steps`` after a block's name
                found = found[int(part)]
        else:
            found = found.get(part, [])
    return found if isinstance(found, dict) else {}


def _satisfy(payload: JsonObject, one: Mapping[str, Json]) -> None:
    """Change ``payload`` so that it passes the filter ``one``, where that is simple."""
    path, op, value = str(one["path"]), one["op"], one.get("value")
    names = names_of(path.removeprefix("payload."))
    wanted: Json
    match op:
        case "=" | ">=" | "<=" | "contains" | "starts_with" | "ends_with":
            wanted = value
        case "in":
            wanted = value[0] if isinstance(value, list) and value else None
        case ">" | "<" if isinstance(value, int | float):
            wanted = value + 1 if op == ">" else value - 1
        case ">":
            wanted = f"{value}x"
        case "not_exists":
            _remove(payload, names)
            return
        case _:  # !=, not_in and exists hold for what is made up, unless it is not there
            if matches(payload, [one]):
                return
            wanted = "made-up"
    if not matches(payload, [one]):
        within = payload
        for name in names[:-1]:
            if not isinstance(within.get(name), dict):
                within[name] = {}
            within = within[name]
        within[names[-1]] = wanted


def _remove(payload: JsonObject, names: list[str]) -> None:
    within: Json = payload
    for name in names[:-1]:
        within = within.get(name) if isinstance(within, dict) else None
    if isinstance(within, dict):
        within.pop(names[-1], None)
