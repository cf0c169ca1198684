"""Stubs: what a call of one gives, which call it is, and what they stand before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Literal

import pytest

from wfsync.bundle.declared import Declared, parse_declared
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
)
from wfsync.runtime.stubs import combined, declared_entries, is_stub, stub_actions


@dataclass
class Context:
    """A context whose time is real."""

    run_id: str = "r"
    step_path: str = "root.steps[0]"
    attempt: int = 1
    idempotency_key: str = "k"
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    transaction: Any = None

    def log(self, level: Literal["DEBUG", "INFO", "WARN", "ERROR"], message: str, context: Json = None) -> None: ...

    def setting(self, name: str) -> str | None: ...


@dataclass
class Moving(Context):
    """A context whose time moves by itself."""

    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def declared(text: str) -> Declared:
    return parse_declared(f"version: 1\n{text}".encode(), "registry.yaml")


def caller(stub: str, context: ActionContext | None = None) -> Callable[[Json], Json]:
    """Calls the action that a file with this stub declares."""
    run = stub_actions(declared(f"actions: [{{id: a, version: 1, stub: {stub}}}]")).actions["a", 1].run
    assert run is not None
    return lambda given: run(given, context or Context())


def outcomes(stub: str, calls: int) -> list[Json]:
    call = caller(stub)
    found: list[Json] = []
    for number in range(1, calls + 1):
        try:
            found.append(call(f"in-{number}"))
        except ActionFailed as failed:
            found.append((failed.category, failed.message))
    return found


# ------------------------------------------------------------------------------------------------------------- replies


@pytest.mark.parametrize(
    ("stub", "wanted"),
    [
        ("{echo: true}", ["in-1", "in-2", "in-3"]),
        ("{delay: 0}", ["in-1", "in-2", "in-3"]),
        ("{output: {a: [1]}}", [{"a": [1]}] * 3),
        ("{output: null}", [None] * 3),
        ("{fail: {category: E, message: no}}", [("E", "no")] * 3),
        ("{fail: {category: E, message: no}, calls: [1, 3]}", [("E", "no"), "in-2", ("E", "no")]),
        ("{fail: {category: E, message: no}, calls: [2], output: 7}", [7, ("E", "no"), 7]),
        ("[{output: 1}, {fail: {category: E, message: no}}]", [1, ("E", "no"), ("E", "no")]),
        ("[{fail: {category: E, message: no}}, {echo: true}]", [("E", "no"), "in-2", "in-3"]),
    ],
)
def test_what_the_calls_of_a_stub_give(stub: str, wanted: list[Json]) -> None:
    assert outcomes(stub, 3) == wanted


def test_a_failure_says_all_that_the_file_says() -> None:
    with pytest.raises(ActionFailed) as caught:
        caller("{fail: {category: E, message: no, code: C, details: {a: 1}, retryable: true}}")(None)
    failed = caught.value
    assert (failed.category, failed.message, failed.code, failed.details) == ("E", "no", "C", {"a": 1})
    assert failed.retryable


def test_a_transient_error_is_always_worth_a_retry() -> None:
    for category, retryable in (("TransientError", True), ("ActionError", False)):
        with pytest.raises(ActionFailed) as caught:
            caller(f"{{fail: {{category: {category}, message: no}}}}")(None)
        assert caught.value.retryable is retryable


def test_outputs_are_not_shared_between_calls() -> None:
    call = caller("{output: {a: [1]}}")
    call(None)["a"].append(2)
    assert call(None) == {"a": [1]}


def test_each_registry_counts_for_itself() -> None:
    said = declared("actions: [{id: a, version: 1, stub: {fail: {category: E, message: no}, calls: [1]}}]")
    for _ in range(2):
        run = stub_actions(said).actions["a", 1].run
        assert run is not None
        with pytest.raises(ActionFailed):
            run(1, Context())
        assert run(2, Context()) == 2


def test_each_action_and_version_counts_for_itself() -> None:
    fail = "stub: {fail: {category: E, message: no}, calls: [1]}"
    registry = stub_actions(declared(f"actions: [{{id: a, version: 1, {fail}}}, {{id: a, version: 2, {fail}}}]"))
    for action in registry.actions.values():
        assert action.run is not None
        with pytest.raises(ActionFailed):
            action.run(1, Context())


def test_many_threads_take_each_number_once() -> None:
    call = caller("{fail: {category: E, message: no}, calls: [1, 50, 100]}")

    def fails(_: int) -> bool:
        try:
            call(None)
        except ActionFailed:
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(fails, range(200))) == 3


def test_a_delay_is_let_pass_by_a_context_whose_time_moves() -> None:
    context = Moving()
    began = monotonic()
    assert caller("{delay: 1h, output: 1}", context)(None) == 1
    with pytest.raises(ActionFailed):
        caller("{delay: 2s, fail: {category: E, message: no}}", context)(None)
    assert context.slept == [3600, 2]
    assert monotonic() - began < 1


def test_a_delay_takes_its_time_elsewhere() -> None:
    began = monotonic()
    caller("{delay: 30ms}")(None)
    assert monotonic() - began >= 0.03


# ------------------------------------------------------------------------------------------ what stands before what

REAL = Action(
    "a",
    1,
    input_schema={"type": "object"},
    output_schema={"type": "string"},
    label="Real",
    side_effects=False,
    retry_hint=RetryHint(3, 10),
    ambiguous="fail",
    transactional=True,
    run=lambda _given, _context: "real",
)
INSTALLED = Registry.of(
    [REAL],
    [NodeType("n", {"type": "object"}), NodeType("bare")],
    [PayloadSchema("p", {"type": "object"}), PayloadSchema("bare")],
)


def gives(registry: Registry, name: str = "a", version: int = 1) -> Json:
    run = registry.actions[name, version].run
    return None if run is None else run({}, Context())


def test_a_stub_shadows_the_real_action_only_where_stubs_hold() -> None:
    said = declared("actions: [{id: a, version: 1, stub: {output: stub}}]")
    assert gives(combined(INSTALLED, said, stubs=True)) == "stub"
    assert gives(combined(INSTALLED, said, stubs=False)) == "real"
    assert is_stub(combined(INSTALLED, said, stubs=True).actions["a", 1])


def test_without_a_stub_the_real_action_stays() -> None:
    said = declared("actions: [{id: a, version: 1, label: Mine}]")
    for stubs in (True, False):
        found = combined(INSTALLED, said, stubs=stubs)
        assert found.actions["a", 1] is REAL


def test_what_is_declared_only_is_known_and_cannot_be_executed() -> None:
    said = declared("actions: [{id: b, version: 2, input: {type: array}}, {id: c, version: 1, stub: {echo: true}}]")
    found = combined(INSTALLED, said, stubs=False)
    assert gives(found, "b", 2) is None
    assert found.actions["b", 2].input_schema == {"type": "array"}
    assert found.actions["b", 2].origin == "registry.yaml"
    assert gives(found, "c") is None, "a stub is no action where stubs do not hold"


def test_a_stub_is_checked_as_the_real_action_where_it_says_nothing() -> None:
    said = declared("actions: [{id: a, version: 1, output: true, idempotency: [/x], stub: {echo: true}}]")
    stub = combined(INSTALLED, said, stubs=True).actions["a", 1]
    assert (stub.input_schema, stub.output_schema, stub.label) == ({"type": "object"}, True, "Real")
    assert (stub.side_effects, stub.ambiguous, stub.retry_hint) == (False, "fail", RetryHint(3, 10))
    assert stub.idempotency == InputKey(("/x",))
    assert not stub.transactional


def test_a_name_alone_never_hides_what_is_known_of_it() -> None:
    said = declared("nodeTypes: [n, bare]\nschemas: [{ref: p}, {ref: bare}, {ref: q}]")
    for stubs in (True, False):
        found = combined(INSTALLED, said, stubs=stubs)
        assert found.node_types["n"].config_schema == {"type": "object"}
        assert found.schemas["p"].schema == {"type": "object"}
        assert found.schemas["q"].schema is None


def test_what_the_file_says_of_types_and_payloads_comes_first_where_stubs_hold() -> None:
    said = declared("nodeTypes: [{id: n, config: true}, {id: bare, config: true}]\nschemas: [{ref: p, schema: true}]")
    here, there = combined(INSTALLED, said, stubs=True), combined(INSTALLED, said, stubs=False)
    assert (here.node_types["n"].config_schema, here.schemas["p"].schema) == (True, True)
    assert there.node_types["n"].config_schema == {"type": "object"}
    assert there.schemas["p"].schema == {"type": "object"}
    assert there.node_types["bare"].config_schema is True


def test_without_a_file_there_is_what_is_installed() -> None:
    assert combined(INSTALLED, None, stubs=True) is INSTALLED


def test_entries_of_a_file() -> None:
    said = declared("actions: [{id: a, version: 1, stub: {echo: true}, transactional: true, sideEffects: false}]")
    [entry] = declared_entries(said).actions.values()
    assert (entry.run, entry.transactional, entry.side_effects) == (None, True, False)


# ---------------------------------------------------------------------------------------------------------------- keys


def test_keys_made_of_parts_of_the_input() -> None:
    key = InputKey(("/a/b", "/list/1", "/x~1y"))
    given = {"a": {"b": 1}, "list": [0, "two"], "x/y": None, "other": 1}
    assert key(given) == key({**given, "other": 2})
    changed = ({"a": {"b": 2}}, {"list": [0, "three"]}, {"x/y": 0})
    assert len({key({**given, **change}) for change in ({}, *changed)}) == 4


def test_parts_of_a_key_cannot_be_mistaken_for_each_other() -> None:
    key = InputKey(("/a", "/b"))
    assert key({"a": "1", "b": "23"}) != key({"a": "12", "b": "3"})
    assert key({"a": "1"}) != key({"a": 1})
    assert key([]) == key({}) == key({"a": None})
    assert InputKey(("/0",))([5]) != InputKey(("/0",))([6])


def test_a_key_shows_nothing_of_the_input() -> None:
    assert "hunter2" not in InputKey(("/password",))({"password": "hunter2"})
