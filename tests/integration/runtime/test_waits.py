"""Waiting: for events, time, people and children (runtime.md "Node types", "Events and triggers", "Semantics")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from running import Instance, assign, call, expr, sleep, wait_for
from wfsync.errors import Conflict, InputError
from wfsync.runtime.registry import Action, ActionFailed, PayloadSchema
from wfsync.runtime.runs import cancel, replay, retry
from wfsync.runtime.tasks import complete
from wfsync.store.runtime.tasks import tasks

Make = Callable[..., Instance]


class TestEvents:
    def test_an_event_resumes_every_run_whose_name_key_and_filters_match(self, instance: Make) -> None:
        one = instance()
        filters = [{"path": "amount", "op": ">", "value": 10}]
        one.define(
            "w", [wait_for("a", "paid", expr("payload.key"), filters=filters), assign("b", e=expr("vars.event"))]
        )
        first, second, other = one.start("w", {"key": "x"}), one.start("w", {"key": "x"}), one.start("w", {"key": "y"})
        one.work()
        assert one.send("paid", {"amount": 5}, "x").resumed == []
        assert one.send("refused", {"amount": 50}, "x").resumed == []
        assert one.send("paid", {"amount": 50}).resumed == [], "a null key never matches"
        sent = one.send("paid", {"amount": 50}, "x")
        assert {met["run"] for met in sent.resumed} == {first, second}
        assert {met["step"] for met in sent.resumed} == {"root.steps[0]"}
        one.work()
        assert [one.the(run)["status"] for run in (first, second, other)] == ["SUCCEEDED", "SUCCEEDED", "WAITING"]
        assert one.the(first)["output_json"]["vars"]["e"] == {"amount": 50}
        assert one.send("paid", {"amount": 50}, "x").resumed == [], "they wait no more"

    def test_a_null_correlation_key_never_matches(self, instance: Make) -> None:
        one = instance()
        one.define("w", [wait_for("a", "paid", None)])
        run_id = one.run("w")["run_id"]
        one.send("paid", {})
        one.send("paid", {}, "null")
        one.send("paid", {}, "")
        one.work()
        assert one.the(run_id)["status"] == "WAITING"

    def test_an_event_before_its_wait_is_kept_for_the_run_that_it_was_sent_to(self, instance: Make) -> None:
        one = instance()
        one.define("w", [sleep("first", 60_000), wait_for("a", "paid"), assign("b", e=expr("vars.event.n"))])
        told, untold = one.start("w"), one.start("w")
        one.work()
        assert one.send("paid", {"n": 1}, "k").resumed == [], "nobody waits, and nothing is kept"
        assert one.send("paid", {"n": 2}, "k", run=told[:8]).kept == [{"run": told}]
        one.pass_time(61)
        one.work()
        assert one.the(told)["status"] == "SUCCEEDED"
        assert one.the(told)["output_json"]["vars"]["e"] == 2
        assert one.the(untold)["status"] == "WAITING"
        assert one.rows("SELECT * FROM workflow_run_kept_events") == []

    def test_what_does_not_pass_the_filters_stays_kept(self, instance: Make) -> None:
        one = instance()
        filters = [{"path": "n", "op": "=", "value": 2}]
        one.define("w", [sleep("first", 60_000), wait_for("a", "paid", filters=filters)])
        run_id = one.start("w")
        one.work()
        one.send("paid", {"n": 1}, "k", run=run_id)
        one.pass_time(61)
        one.work()
        assert one.the(run_id)["status"] == "WAITING"
        assert one.send("paid", {"n": 2}, "k", run=run_id).resumed == [{"run": run_id, "step": "root.steps[1]"}]
        one.work()
        assert one.the(run_id)["status"] == "SUCCEEDED"

    def test_a_wait_times_out(self, instance: Make) -> None:
        one = instance()
        one.define("w", [wait_for("a", "paid", timeoutMs=60_000)])
        run_id = one.run("w")["run_id"]
        one.pass_time(61)
        assert one.send("paid", {}, "k").resumed == [], "its time has come"
        one.work()
        assert one.the(run_id)["status"] == "FAILED"
        assert one.the(run_id)["error_json"]["category"] == "TimeoutError"
        assert one.waits(run_id) == [("event", "TIMED_OUT")]


class TestTriggers:
    def trigger(self, **more: Any) -> dict[str, Any]:
        return {"type": "event", "eventName": "order.placed", **more}

    def test_an_event_starts_workflows_and_none_stops_the_others(self, instance: Make) -> None:
        one = instance()
        mapping = {"order": expr("event.payload.id"), "by": expr("event.name")}
        steps = [assign("a", seen=expr("payload"))]
        one.define("mapped", steps, trigger=self.trigger(payloadMapping=mapping))
        one.define("paused", steps, trigger=self.trigger(), is_paused=True)
        one.define("strict", steps, trigger=self.trigger(), schema={"type": "object", "required": ["missing"]})
        one.define("broken", steps, trigger=self.trigger(payloadMapping={"x": expr("event.payload.nothing")}))
        one.define("full", [wait_for("a", "never")], trigger=self.trigger(), concurrency_limit=1)
        one.define("plain", steps, trigger=self.trigger())
        one.define("other", steps, trigger={"type": "event", "eventName": "order.canceled"})
        one.start("full")
        sent = one.send("order.placed", {"id": 7})
        assert [started["workflow"] for started in sent.started] == ["mapped", "plain"]
        assert [queued["workflow"] for queued in sent.queued] == ["full"]
        assert sent.skipped == [{"workflow": "paused", "reason": "paused"}]
        assert [(failed["workflow"], failed["code"]) for failed in sent.failed] == [
            ("broken", "INVALID_PAYLOAD_MAPPING"),
            ("strict", "INVALID_PAYLOAD"),
        ]
        one.work()
        runs = {started["workflow"]: one.the(started["run"]) for started in sent.started}
        assert runs["mapped"]["output_json"]["vars"]["seen"] == {"order": 7, "by": "order.placed"}
        assert runs["plain"]["output_json"]["vars"]["seen"] == {"id": 7}
        assert runs["plain"]["trigger_type"] == "event"
        assert one.rows("SELECT count(*) AS n FROM workflow_runs")[0]["n"] == 4

    def test_triggers_are_read_anew_for_each_event(self, instance: Make) -> None:
        one = instance()
        one.define("w", [], trigger={"type": "event", "eventName": "old"})
        assert one.send("new").started == []
        one.execute('UPDATE workflow_definitions SET trigger = \'{"type": "event", "eventName": "new"}\'')
        assert len(one.send("new").started) == 1
        assert one.send("old").started == []

    def test_the_newest_published_version_runs(self, instance: Make) -> None:
        one = instance()
        one.define("w", [assign("a", v=1)], trigger=self.trigger())
        one.define("w", [assign("a", v=2)], version=2)
        (started,) = one.send("order.placed").started
        one.work()
        assert one.the(started["run"])["output_json"]["vars"]["v"] == 2
        run_id = one.start("w", version=1)
        one.work()
        assert one.the(run_id)["output_json"]["vars"]["v"] == 1


class TestTasks:
    def test_a_task_waits_for_an_answer_that_fits_its_form(self, instance: Make) -> None:
        form = {"type": "object", "required": ["approved"], "properties": {"approved": {"type": "boolean"}}}
        one = instance(schemas=[PayloadSchema("task.approval", form)])
        config = {"taskType": "approval", "title": "Approve?", "contextData": {"n": 7}, "assign": {}}
        one.define("w", [{"id": "ask", "type": "human.task", "config": config}])
        run_id = one.run("w")["run_id"]
        with one.pool.session() as conn:
            (task,) = tasks(conn, one.place)
        assert (task.run_id, task.task_type, task.title, task.context) == (
            str(run_id),
            "approval",
            "Approve?",
            {"n": 7},
        )
        with pytest.raises(InputError) as error:
            complete(one.pool, one.registry, task.id, {"approved": "yes"}, "me")
        assert error.value.code == "INVALID_ANSWER"
        complete(one.pool, one.registry, task.id[:8], {"approved": True}, "me")
        one.work()
        assert one.the(run_id)["status"] == "SUCCEEDED"
        with pytest.raises(Conflict):
            complete(one.pool, one.registry, task.id, {"approved": False}, "me")
        (row,) = one.rows("SELECT * FROM workflow_tasks")
        assert (row["status"], row["answer_json"], row["answered_by"]) == ("COMPLETED", {"approved": True}, "me")

    def test_the_end_of_a_run_closes_its_tasks(self, instance: Make) -> None:
        one = instance()
        one.define("w", [{"id": "ask", "type": "human.task", "config": {"taskType": "t", "title": "?"}}])
        run_id = one.run("w")["run_id"]
        cancel(one.pool, str(run_id), "no more")
        one.work()
        assert one.the(run_id)["status"] == "CANCELED"
        assert one.rows("SELECT status FROM workflow_tasks") == [{"status": "CANCELED"}]
        assert one.waits(run_id) == [("human", "CANCELED")]


def called(step_id: str, workflow: str, **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "control.callWorkflow", "workflowId": workflow, "workflowVersion": 1, **fields}


class TestChildren:
    def test_a_child_has_a_row_a_parent_and_a_root(self, instance: Make) -> None:
        one = instance()
        grandchild = one.define("grandchild", [sleep("a", 60_000), assign("b", deep=expr("payload.n * 2"))])
        middle = called(
            "c", grandchild, inputMapping={"n": expr("payload.n")}, outputMapping={"vars.x": expr("vars.deep")}
        )
        child = one.define("child", [middle])
        top = called("c", child, inputMapping={"n": expr("payload.n")}, outputMapping={"vars.y": expr("vars.x")})
        one.define("w", [top])
        run_id = one.start("w", {"n": 4})
        one.work()
        one.pass_time(61)
        one.work()
        run = one.the(run_id)
        assert (run["status"], run["output_json"]["vars"]["y"]) == ("SUCCEEDED", 8)
        family = one.rows("SELECT * FROM workflow_runs ORDER BY created_at")
        assert [row["depth"] for row in family] == [0, 1, 2]
        assert {str(row["root_run_id"]) for row in family} == {run_id}
        assert [row["parent_run_id"] for row in family] == [None, family[0]["run_id"], family[1]["run_id"]]

    def test_the_failure_of_a_child_is_the_failure_of_the_step(self, instance: Make) -> None:
        def fail(_given: Any, _context: Any) -> Any:
            raise ActionFailed("broken", category="CustomError", code="E1")

        one = instance(Action("t.fail", 1, run=fail))
        child = one.define("child", [call("x", "t.fail")])
        one.define("w", [called("c", child, onError={"policy": "continue"}), called("d", child)])
        run = one.run("w")
        assert run["status"] == "FAILED"
        assert (run["error_json"]["category"], run["error_json"]["code"]) == ("CustomError", "E1")
        assert run["error_json"]["nodePath"] == "root.steps[1]"

    @pytest.mark.parametrize(
        ("how", "category"),
        [("unknown", "ValidationError"), ("payload", "ValidationError"), ("paused", "TransientError")],
    )
    def test_a_child_that_cannot_start_fails_its_step(self, instance: Make, how: str, category: str) -> None:
        one = instance()
        schema = {"type": "object", "required": ["n"]} if how == "payload" else None
        child = one.define("child", [], schema=schema, is_paused=how == "paused")
        one.define("w", [called("c", "nobody" if how == "unknown" else child)])
        run = one.run("w")
        assert (run["status"], run["error_json"]["category"]) == ("FAILED", category)
        assert one.rows("SELECT count(*) AS n FROM workflow_runs")[0]["n"] == 1

    def test_workflows_that_call_one_another_for_ever_come_to_an_end(self, instance: Make) -> None:
        one = instance()
        one.define("w", [called("c", "w")])
        run = one.run("w")
        assert (run["status"], run["error_json"]["code"]) == ("FAILED", "DEPTH")

    def test_canceling_a_run_cancels_its_children(self, instance: Make) -> None:
        one = instance()
        child = one.define("child", [wait_for("a", "never")])
        one.define("w", [called("c", child)])
        run_id = one.run("w")["run_id"]
        cancel(one.pool, str(run_id), "")
        one.work()
        assert {row["status"] for row in one.rows("SELECT status FROM workflow_runs")} == {"CANCELED"}


class TestAgain:
    def test_retry_goes_on_at_the_failed_step(self, instance: Make) -> None:
        calls: list[str] = []

        def flaky(given: Any, _context: Any) -> Any:
            calls.append(given["step"])
            if given["step"] == "b" and calls.count("b") == 1:
                raise ActionFailed("broken")
            return {}

        one = instance(Action("t.flaky", 1, run=flaky))
        one.define("w", [call(name, "t.flaky", {"step": name}) for name in "abc"])
        run_id = str(one.run("w")["run_id"])
        assert one.the(run_id)["status"] == "FAILED"
        retry(one.pool, run_id[:8])
        one.work()
        assert one.the(run_id)["status"] == "SUCCEEDED"
        assert one.the(run_id)["error_json"] is None
        assert calls == ["a", "b", "b", "c"]
        assert ("b", "", 1, "FAILED") in one.steps(run_id)
        assert ("b", "", 2, "SUCCEEDED") in one.steps(run_id)
        with pytest.raises(Conflict):
            retry(one.pool, run_id)

    def test_replay_starts_anew_with_the_same_version_and_payload(self, instance: Make) -> None:
        one = instance()
        workflow = one.define("w", [assign("a", v=expr("payload.n"))])
        run_id = str(one.run("w", {"n": 4})["run_id"])
        one.execute("DELETE FROM workflow_definition_versions WHERE workflow_id = %(id)s", id=workflow)
        one.define("w", [], version=2)
        _, new_id, _ = replay(one.pool, run_id)
        one.work()
        again = one.the(new_id)
        assert (again["status"], again["workflow_version"], str(again["replay_of_run_id"])) == ("SUCCEEDED", 1, run_id)
        assert again["output_json"]["vars"] == {"v": 4}
