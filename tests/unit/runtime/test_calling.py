"""One call of an action (runtime.md "Node types", "Semantics": schemas, idempotency, secrets, categories)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from wfsync.bundle.model import Json
from wfsync.errors import ConfigError
from wfsync.runtime.calling import PreparedCall, default_key, failure_of, perform, prepare
from wfsync.runtime.protocol import CallAction, Failure, Pos
from wfsync.runtime.redaction import MASK, Redactor
from wfsync.runtime.registry import Action, ActionFailed, Registry
from wfsync.runtime.step_failure import StepFailed

POS = Pos("root.steps[1].body.steps[0]", "2", 3)
TOKEN = "s3cr3t-token"


@dataclass
class Context:
    run_id: str = "run-1"
    step_path: str = POS.path
    attempt: int = 3
    idempotency_key: str = "k"
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    transaction: Any = None

    def log(self, *_: object) -> None:
        """Nobody listens."""

    def setting(self, _name: str) -> str | None:
        return None


def secrets(names: Collection[str]) -> Mapping[str, str]:
    if set(names) - {"TOKEN"}:
        raise ConfigError("the secret OTHER is not set", code="SECRET_NOT_FOUND", hint="set it")
    return {"TOKEN": TOKEN}


def command(given: Json = None, **more: Any) -> CallAction:
    return CallAction(POS, "x.y", 1, {} if given is None else given, **more)


def ready(action: Action, call: CallAction | None = None) -> PreparedCall:
    return prepare(call or command(), "run-1", Registry.of([action]), secrets)


def echo(given: Json, _: object) -> Json:
    return given


def acting(run: Callable[[Json, Any], Json] | None = echo, **more: Any) -> Action:
    return Action("x.y", 1, run=run, **more)


def refused(build: Callable[[], object]) -> Failure:
    with pytest.raises(StepFailed) as caught:
        build()
    return caught.value.failure


NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def test_input_and_output_are_checked_against_the_actions_schemas() -> None:
    assert perform(ready(acting(input_schema=NUMBER, output_schema=NUMBER), command({"n": 1})), Context()) == {"n": 1}
    failure = refused(lambda: ready(acting(input_schema=NUMBER), command({"n": "x"})))
    assert (failure.category, failure.code) == ("ValidationError", "INVALID_ACTION_INPUT")
    assert failure.details == [{"pointer": "/n", "message": '"x" is not of type "integer"'}]
    made = ready(acting(lambda *_: {"m": 1}, output_schema=NUMBER))
    failure = refused(lambda: perform(made, Context()))
    assert (failure.category, failure.code) == ("ValidationError", "INVALID_ACTION_OUTPUT")


def test_an_action_is_not_called_with_an_input_that_does_not_fit() -> None:
    called = []
    refused(lambda: ready(acting(lambda given, _: called.append(given), input_schema=NUMBER)))
    assert called == []


def test_an_action_that_is_not_registered_names_the_versions_that_are() -> None:
    failure = refused(lambda: prepare(CallAction(POS, "x.y", 7, {}), "r", Registry.of([acting()]), secrets))
    assert (failure.category, failure.code) == ("ValidationError", "UNKNOWN_ACTION")
    assert "in version 1" in failure.message


def test_an_action_that_is_only_known_by_name_cannot_be_called() -> None:
    assert refused(lambda: ready(acting(None))).code == "ACTION_NOT_EXECUTABLE"


# ---------------------------------------------------------------------------------------------------------- idempotency


def test_the_key_is_the_steps_expression_first() -> None:
    assert ready(acting(idempotency=lambda _: "own"), command(key="said")).key == "said"


def test_the_key_is_the_actions_own_function_next() -> None:
    assert ready(acting(idempotency=lambda given: f"own-{given['n']}"), command({"n": 1})).key == "own-1"


def test_the_key_is_run_path_and_iteration_last_and_the_same_for_every_attempt() -> None:
    assert ready(acting()).key == "run-1/root.steps[1].body.steps[0]#2"
    keys = {
        default_key(CallAction(Pos("p", i, n), "x", 1, {}), r)
        for i in ("", "1", "1.0")
        for r in ("r", "s")
        for n in (1, 2)
    }
    assert len(keys) == 6


def test_no_secret_comes_into_a_key_that_an_action_makes() -> None:
    call = command({"t": {"$secret": "TOKEN"}}, secrets=(("t",),))
    assert TOKEN not in ready(acting(idempotency=str), call).key


@pytest.mark.parametrize("long", ["k" * 5000, "\ud800", "a\x00b"])
def test_a_key_that_no_index_takes_stands_as_its_hash(long: str) -> None:
    key = ready(acting(), command(key=long)).key
    assert key.startswith("sha256:")
    assert key == ready(acting(idempotency=lambda _: long)).key != ready(acting(), command(key=long + "!")).key


@pytest.mark.parametrize("made", ["", None, 7])
def test_an_action_that_makes_no_key_of_its_input_fails_the_step(made: Any) -> None:
    assert refused(lambda: ready(acting(idempotency=lambda _: made))).code == "INVALID_IDEMPOTENCY_KEY"


# -------------------------------------------------------------------------------------------------------------- secrets


def test_a_secret_is_resolved_at_the_moment_of_the_call() -> None:
    call = command({"t": {"$secret": "TOKEN"}, "deep": [{"$secret": "TOKEN"}]}, secrets=(("t",), ("deep", 0)))
    made = ready(acting(), call)
    assert made.input == {"t": TOKEN, "deep": [TOKEN]}
    assert call.input == {"t": {"$secret": "TOKEN"}, "deep": [{"$secret": "TOKEN"}]}
    assert TOKEN not in repr(made)


def test_only_what_the_definition_says_is_a_secret() -> None:
    call = command({"t": {"$secret": "TOKEN"}, "data": {"$secret": "TOKEN"}}, secrets=(("t",),))
    assert ready(acting(), call).input == {"t": TOKEN, "data": {"$secret": "TOKEN"}}


def test_a_secret_is_masked_in_what_comes_back() -> None:
    call = command({"t": {"$secret": "TOKEN"}}, secrets=(("t",),))
    assert perform(ready(acting(lambda given, _: {"said": f"Bearer {given['t']}"}), call), Context()) == {
        "said": f"Bearer {MASK}"
    }

    def failing(given: Json, _: object) -> Json:
        raise ActionFailed(f"refused {given['t']}", details={"sent": given["t"]})

    def crashing(given: Json, _: object) -> Json:
        raise RuntimeError(given["t"])

    for run in (failing, crashing):
        failure = refused(lambda run=run: perform(ready(acting(run), call), Context()))  # type: ignore[misc]
        assert TOKEN not in repr(failure)
        assert MASK in failure.message


def test_a_secret_is_not_shown_by_the_check_of_the_input() -> None:
    schema = {"properties": {"t": {"type": "integer"}}}
    call = command({"t": {"$secret": "TOKEN"}}, secrets=(("t",),))
    failure = refused(lambda: ready(acting(input_schema=schema), call))
    assert TOKEN not in repr(failure)


def test_a_secret_that_is_not_set_is_a_validation_error() -> None:
    call = command({"t": {"$secret": "OTHER"}}, secrets=(("t",),))
    failure = refused(lambda: ready(acting(), call))
    assert (failure.category, failure.code, failure.retryable) == ("ValidationError", "SECRET_NOT_FOUND", False)


def test_a_store_of_secrets_that_cannot_be_read_is_transient() -> None:
    def unreadable(_: Collection[str]) -> Mapping[str, str]:
        raise ConfigError("no key", code="SECRETS_KEY_MISSING")

    call = command({"t": {"$secret": "TOKEN"}}, secrets=(("t",),))
    failure = refused(lambda: prepare(call, "r", Registry.of([acting()]), unreadable))
    assert (failure.category, failure.retryable) == ("TransientError", True)


# ------------------------------------------------------------------------------------------------------------- outcomes


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ActionFailed("a", code="E", details={"x": (1,)}), Failure("ActionError", "a", "E", {"x": [1]})),
        (ActionFailed("a", retryable=True), Failure("ActionError", "a", retryable=True)),
        (ActionFailed("a", category="TransientError"), Failure("TransientError", "a", retryable=True)),
        (TimeoutError("slow"), Failure("TimeoutError", "TimeoutError: slow")),
        (KeyError("x"), Failure("ActionError", "KeyError: 'x'", "UNEXPECTED_EXCEPTION")),
        (RuntimeError(), Failure("ActionError", "RuntimeError", "UNEXPECTED_EXCEPTION")),
        (ActionFailed("a\x00\ud800" + "x" * 30_000), Failure("ActionError", "a\ufffd?" + "x" * 19_997)),
        (ActionFailed(5, category=None, code=7), Failure("ActionError", "5", "7")),  # type: ignore[arg-type]
        (RuntimeError("a\x00b\ud800"), Failure("ActionError", "RuntimeError: a\ufffdb?", "UNEXPECTED_EXCEPTION")),
    ],
)
def test_the_category_of_a_failure_is_what_the_action_says(error: Exception, failure: Failure) -> None:
    assert failure_of(error, Redactor({})) == failure


@pytest.mark.parametrize(
    "output",
    [{1: 2}, {1, 2}, float("nan"), float("inf"), b"x", object(), "a\x00", "\ud800", {"a": [datetime.now(UTC)]}],
)
def test_an_output_that_is_no_json_fails_the_step(output: Any) -> None:
    assert refused(lambda: perform(ready(acting(lambda *_: output)), Context())).code == "OUTPUT_NOT_JSON"


def test_an_output_without_end_fails_the_step() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert refused(lambda: perform(ready(acting(lambda *_: endless)), Context())).code == "OUTPUT_NOT_JSON"


def test_what_an_action_gives_is_its_own_no_more() -> None:
    kept = {"a": [1]}
    output = perform(ready(acting(lambda *_: kept)), Context())
    kept["a"].append(2)
    assert output == {"a": [1]}
