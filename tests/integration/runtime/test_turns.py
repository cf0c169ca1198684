"""Runs, turn by turn: what is recorded, what is done once, and what survives (runtime.md "Semantics")."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from running import Instance, assign, call, expr, sleep
from wfsync.runtime.engine.turn import take_turn
from wfsync.runtime.registry import Action, ActionContext, ActionFailed
from wfsync.runtime.runs import cancel
from wfsync.store.runtime.turns import Batch, begin, record

Make = Callable[..., Instance]


class Counting:
    """An action that notes its calls, and fails where it is told to."""

    def __init__(self, *, fails: int = 0, retryable: bool = True) -> None:
        self.keys: list[str] = []
        self.fails = fails
        self.retryable = retryable

    def __call__(self, given: Any, context: ActionContext) -> Any:
        self.keys.append(context.idempotency_key)
        if len(self.keys) <= self.fails:
            raise ActionFailed("not yet", retryable=self.retryable)
        return {"call": len(self.keys), "given": given}


def test_a_run_leaves_rows_of_everything(instance: Make) -> None:
    counting = Counting()
    one = instance(Action("t.count", 1, run=counting))
    one.define("w", [call("first", "t.count", {"n": expr("payload.n")}), assign("then", y=expr("vars.first.call + 1"))])
    run = one.run("w", {"n": 4})
    assert run["status"] == "SUCCEEDED"
    assert run["output_json"]["vars"]["y"] == 2
    assert run["workflow_version"] == 1
    assert run["started_at"] <= run["completed_at"]
    assert one.steps(run["run_id"]) == [("first", "", 1, "SUCCEEDED"), ("then", "", 1, "SUCCEEDED")]
    (row,) = one.rows("SELECT * FROM workflow_run_steps WHERE step_id = 'first'")
    assert row["input_json"] == {"n": 4}
    assert row["output_json"] == {"call": 1, "given": {"n": 4}}
    assert row["step_type"] == "action.call"
    (invocation,) = one.rows("SELECT * FROM workflow_action_invocations")
    assert (invocation["status"], invocation["output_json"]) == ("SUCCEEDED", row["output_json"])
    assert one.events(run["run_id"]) == ["Started", "Succeeded"]


def test_a_failure_says_where_and_why(instance: Make) -> None:
    one = instance(Action("t.fail", 1, run=Counting(fails=9, retryable=False)))
    one.define("w", [call("a", "t.fail")])
    run = one.run("w")
    assert run["status"] == "FAILED"
    error = run["error_json"]
    assert (error["category"], error["message"], error["nodePath"]) == ("ActionError", "not yet", "root.steps[0]")
    assert one.steps(run["run_id"]) == [("a", "", 1, "FAILED")]


def test_back_off_is_a_durable_wait_and_the_key_stays(instance: Make) -> None:
    counting = Counting(fails=2)
    one = instance(Action("t.count", 1, run=counting))
    retry = {"maxAttempts": 3, "backoffMs": 60_000, "jitter": False}
    one.define("w", [call("a", "t.count", retry=retry)])
    run_id = one.start("w")
    one.work()
    assert one.the(run_id)["status"] == "WAITING"
    assert one.waits(run_id) == [("retry", "WAITING")]
    assert len(counting.keys) == 1
    one.work()
    assert len(counting.keys) == 1, "nothing is due"
    one.pass_time(61)
    one.work()
    assert len(counting.keys) == 2
    one.pass_time(121)
    one.work()
    assert one.the(run_id)["status"] == "SUCCEEDED"
    assert len(set(counting.keys)) == 1
    assert one.steps(run_id) == [
        ("a", "", 1, "RETRY_SCHEDULED"),
        ("a", "", 2, "RETRY_SCHEDULED"),
        ("a", "", 3, "SUCCEEDED"),
    ]
    assert one.waits(run_id) == [("retry", "RESOLVED"), ("retry", "RESOLVED")]


def test_a_call_that_succeeded_under_a_key_is_not_made_again(instance: Make) -> None:
    counting = Counting()
    one = instance(Action("t.count", 1, run=counting))
    one.define("w", [call("a", "t.count", idempotencyKey=expr("payload.key")), assign("b", n=expr("vars.a.call"))])
    first, second, other = one.run("w", {"key": "x"}), one.run("w", {"key": "x"}), one.run("w", {"key": "y"})
    assert [run["output_json"]["vars"]["n"] for run in (first, second, other)] == [1, 1, 2]
    assert counting.keys == ["x", "y"]


@pytest.mark.parametrize("transactional", [False, True])
def test_nor_is_it_made_again_by_the_same_run(instance: Make, transactional: bool) -> None:
    counting = Counting()
    one = instance(Action("t.count", 1, run=counting, transactional=transactional))
    twice = [call("a", "t.count", idempotencyKey="k"), call("b", "t.count", idempotencyKey="k")]
    many = {"id": "l", "type": "control.forEach", "items": expr("[1,2,3]"), "itemVar": "item", "concurrency": 2}
    many["body"] = [call("c", "t.count", idempotencyKey="k")]
    one.define("w", [*twice, many, assign("n", n=expr("[vars.a.call, vars.b.call, vars.c.call]"))])
    assert one.run("w")["output_json"]["vars"]["n"] == [1, 1, 1]
    assert counting.keys == ["k"]


def test_a_call_that_another_run_makes_right_now_is_waited_for(instance: Make) -> None:
    calling, go_on = threading.Event(), threading.Event()
    calls: list[str] = []

    def slow(_given: Any, context: ActionContext) -> Any:
        calls.append(context.run_id)
        calling.set()
        assert go_on.wait(20)
        return {"by": context.run_id}

    one = instance(Action("t.slow", 1, run=slow))
    one.define("w", [call("a", "t.slow", idempotencyKey="one")])
    first, second = one.start("w"), one.start("w")
    one.turns()
    at_work = threading.Thread(target=lambda: take_turn(one.services(), first))
    at_work.start()
    assert calling.wait(20)
    assert take_turn(one.services(), second)
    assert one.the(second)["status"] == "RUNNING"
    go_on.set()
    at_work.join(20)
    one.pass_time(1)
    one.work()
    assert calls == [first]
    assert [one.the(run)["output_json"]["vars"]["a"] for run in (first, second)] == [{"by": first}] * 2


def test_an_outcome_that_nobody_knows_is_tried_again_with_the_same_key(instance: Make) -> None:
    counting = Counting()
    one = instance(Action("t.count", 1, run=counting))
    one.define("w", [call("a", "t.count")])
    run_id = _begun_and_left(one, "w", "t.count")
    assert one.work() == 1
    assert one.the(run_id)["status"] == "SUCCEEDED"
    assert counting.keys == [f"{run_id}/root.steps[0]"]


def test_or_fails_where_its_action_forbids_that(instance: Make) -> None:
    counting = Counting()
    one = instance(Action("t.count", 1, run=counting, ambiguous="fail"))
    one.define("w", [call("a", "t.count")])
    run_id = _begun_and_left(one, "w", "t.count")
    one.work()
    assert one.the(run_id)["status"] == "FAILED"
    assert one.the(run_id)["error_json"]["code"] == "AMBIGUOUS_OUTCOME"
    assert counting.keys == []


def _begun_and_left(one: Instance, key: str, action: str) -> str:
    """A run whose first turn wrote the call's row, and then its worker died."""
    run_id = one.start(key)
    with one.pool.session() as conn:
        found = begin(conn, one.place, run_id, None)
    assert found is not None
    one.execute(
        "INSERT INTO workflow_action_invocations (run_id, step_path, action_id, action_version, idempotency_key, fence)"
        " VALUES (%(run)s, 'root.steps[0]', %(action)s, 1, %(key)s, %(fence)s)",
        run=run_id,
        action=action,
        key=f"{run_id}/root.steps[0]",
        fence=found.begun.fence,
    )
    return run_id


def test_a_transactional_effect_happens_with_its_step_or_not_at_all(instance: Make) -> None:
    def insert(given: Any, context: ActionContext) -> Any:
        context.transaction.execute("INSERT INTO effects (what) VALUES (%s)", [given["what"]])
        if given["what"] == "bad":
            raise ActionFailed("after the effect")
        return {"done": True}

    one = instance(Action("t.insert", 1, run=insert, transactional=True))
    one.execute("CREATE TABLE effects (what text)")
    one.define("w", [call("a", "t.insert", {"what": "good"}), call("b", "t.insert", {"what": expr("payload.second")})])
    assert one.run("w", {"second": "fine"})["status"] == "SUCCEEDED"
    assert one.run("w", {"second": "bad"})["status"] == "FAILED"
    assert [row["what"] for row in one.rows("SELECT what FROM effects ORDER BY 1")] == ["fine", "good", "good"]


def test_of_two_that_hold_a_run_only_the_later_can_write(instance: Make) -> None:
    one = instance()
    one.define("w", [sleep("a", 60_000)])
    run_id = one.start("w")
    with one.pool.session() as conn:
        first, second = begin(conn, one.place, run_id, None), begin(conn, one.place, run_id, None)
        assert first is not None
        assert second is not None
        assert second.begun.fence == first.begun.fence + 1
        assert record(conn, one.place, first.begun, Batch(0)) is None
        assert record(conn, one.place, second.begun, Batch(0)) is not None


def test_two_turns_at_once_record_every_step_once(instance: Make) -> None:
    """A worker that was paused in the middle of a call, and the one that took over: one result counts."""
    calling, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    def slow(_given: Any, _context: ActionContext) -> Any:
        calls.append(1)
        if len(calls) == 1:
            calling.set()
            assert go_on.wait(20)
            return {"by": "first"}
        return {"by": "second"}

    one = instance(Action("t.slow", 1, run=slow))
    one.define("w", [call("a", "t.slow"), call("b", "t.echo2")])
    one.registry = one.registry.of([Action("t.echo2", 1, run=lambda given, _: given)]).over(one.registry)
    run_id = one.start("w")
    paused = threading.Thread(target=lambda: take_turn(one.services(), run_id))
    paused.start()
    assert calling.wait(20)
    assert take_turn(one.services(), run_id)
    go_on.set()
    paused.join(20)
    assert one.the(run_id)["status"] == "SUCCEEDED"
    assert one.the(run_id)["output_json"]["vars"]["a"] == {"by": "second"}
    assert one.events(run_id) == ["Started", "Succeeded", "Succeeded"]
    (row,) = one.rows("SELECT output_json FROM workflow_action_invocations WHERE action_id = 't.slow'")
    assert row["output_json"] == {"by": "second"}


def test_a_turn_of_a_run_that_is_gone_ends_silently(instance: Make) -> None:
    one = instance(Action("t.count", 1, run=Counting()))
    one.define("w", [call("a", "t.count")])
    run_id = one.start("w")
    one.execute("DELETE FROM workflow_definitions")
    assert one.work() == 0
    assert not take_turn(one.services(), run_id)


def test_a_run_is_pinned_to_its_version_for_life(instance: Make) -> None:
    one = instance()
    workflow = one.define("w", [sleep("a", 60_000), assign("b", is_old=True)])
    run_id = one.start("w")
    one.work()
    one.execute("DELETE FROM workflow_definition_versions WHERE workflow_id = %(id)s", id=workflow)
    one.define("w", [assign("b", is_new=True)])
    one.pass_time(61)
    one.work()
    assert one.the(run_id)["status"] == "SUCCEEDED"
    assert one.the(run_id)["output_json"]["vars"]["is_old"] is True


def test_secrets_are_in_no_row(instance: Make) -> None:
    one = instance(Action("t.leak", 1, run=lambda given, _: {"said": f"the key is {given['key']}"}))
    one.define("w", [call("a", "t.leak", {"key": {"$secret": "API_KEY"}})])
    services = one.services()
    run_id = one.start("w")
    object.__setattr__(services, "environ", {"WFSYNC_SECRET_API_KEY": "s3cr3t-value"})
    one.turns()
    take_turn(services, run_id)
    assert one.the(run_id)["output_json"]["vars"]["a"] == {"said": "the key is [SECRET:REDACTED]"}
    dump = [
        str(row)
        for table in ("runs", "run_steps", "run_history", "run_logs")
        for row in one.rows(f"SELECT * FROM workflow_{table}")
    ] + [str(row) for row in one.rows("SELECT * FROM workflow_action_invocations")]
    assert not any("s3cr3t-value" in text for text in dump)


def test_values_that_jsonb_keeps_differently_are_the_same_live_and_folded(instance: Make) -> None:
    odd = {"zero": -0.0, "large": 1e17, "huge": 2**70, "tiny": 1e-9, "text": "é😀"}
    one = instance(Action("t.odd", 1, run=lambda _given, _context: odd))
    one.define(
        "w",
        [
            call("a", "t.odd"),
            assign("b", live=expr("$string(vars.a)")),
            sleep("c", 60_000),
            assign("d", folded=expr("$string(vars.a)")),
        ],
    )
    run_id = one.start("w")
    one.work()
    one.pass_time(61)
    one.work()
    found = one.the(run_id)["output_json"]["vars"]
    assert found["live"] == found["folded"]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_items_are_called_side_by_side_where_the_loop_says_so(instance: Make, concurrency: int) -> None:
    together = threading.Barrier(concurrency, timeout=20)

    def meet(given: Any, _context: ActionContext) -> Any:
        together.wait()
        return given["n"] * 10

    one = instance(Action("t.meet", 1, run=meet))
    loop = {
        "id": "loop",
        "type": "control.forEach",
        "items": expr("payload.items"),
        "itemVar": "item",
        "concurrency": concurrency,
        "body": [call("each", "t.meet", {"n": expr("item")}, saveAs="payload.last")],
    }
    one.define("w", [loop])
    run = one.run("w", {"items": [1, 2, 3]})
    assert run["status"] == "SUCCEEDED"
    assert run["output_json"]["payload"]["last"] == 30
    assert len(one.rows("SELECT 1 FROM workflow_action_invocations WHERE status = 'SUCCEEDED'")) == 3


@pytest.mark.parametrize("side_by_side", [False, True])
def test_a_run_canceled_during_a_long_call_ends_canceled_and_keeps_the_outcome(
    instance: Make, monkeypatch: pytest.MonkeyPatch, side_by_side: bool
) -> None:
    monkeypatch.setattr("wfsync.runtime.engine.journal._LONG", 0.0)  # every call is a long one
    one: Instance

    def canceled_meanwhile(given: Any, context: ActionContext) -> Any:
        cancel(one.pool, context.run_id, "too late?")
        return {"n": 1}

    one = instance(Action("t.long", 1, run=canceled_meanwhile))
    steps = [call("a", "t.long"), assign("b", x=1)]
    loop = {"id": "l", "type": "control.forEach", "items": expr("[1, 2]"), "itemVar": "i", "concurrency": 2}
    loop["body"] = steps
    one.define("w", [loop] if side_by_side else steps)
    run = one.run("w")
    assert run["status"] == "CANCELED"
    assert "b" not in {step for step, *_ in one.steps(run["run_id"])}
    rows = one.rows("SELECT status, output_json FROM workflow_action_invocations")
    assert rows == [{"status": "SUCCEEDED", "output_json": {"n": 1}}] * (2 if side_by_side else 1)
