"""What happens without anybody asking: admission, pauses, schedules, and bringing back what was left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from running import Instance, assign, call, expr, sleep, wait_for
from wfsync.errors import Refused
from wfsync.expressions import EvaluationAborted
from wfsync.runtime.registry import Action, ActionFailed
from wfsync.runtime.runs import cancel
from wfsync.runtime.schedules import Clock, planned
from wfsync.store.runtime.place import Place
from wfsync.store.runtime.pool import Pool
from wfsync.store.runtime.queue import forget_finished, strangers
from wfsync.store.runtime.starting import admit_all
from wfsync.store.runtime.sweeping import revive
from wfsync.store.runtime.workers import beat, bury, enter, living

Make = Callable[..., Instance]

EVERY_HOUR: Final = {"type": "recurring", "cron": "0 * * * *", "timezone": "Europe/Berlin"}


def statuses(one: Instance) -> list[str]:
    return [row["status"] for row in one.rows("SELECT status FROM workflow_runs ORDER BY created_at")]


class TestAdmission:
    def test_a_workflow_at_its_limit_queues_and_the_oldest_is_next(self, instance: Make) -> None:
        one = instance()
        one.define("w", [wait_for("a", "go", expr("payload.key"))], concurrency_limit=2)
        runs = [one.start("w", {"key": str(n)}) for n in range(4)]
        one.work()
        assert statuses(one) == ["WAITING", "WAITING", "QUEUED", "QUEUED"]
        one.send("go", {}, "1")
        one.work()
        assert statuses(one) == ["WAITING", "SUCCEEDED", "WAITING", "QUEUED"]
        cancel(one.pool, runs[3], "not needed")
        cancel(one.pool, runs[0], "")
        one.work()
        assert statuses(one) == ["CANCELED", "SUCCEEDED", "WAITING", "CANCELED"]

    def test_the_limit_holds_however_the_database_plans(self, instance: Make) -> None:
        one = instance()
        one.define("w", [wait_for("a", "never")], concurrency_limit=1)
        for _ in range(5):
            one.start("w")
        one.execute("UPDATE workflow_definitions SET concurrency_limit = 2")
        with one.pool.session() as conn:
            for join in ("hashjoin", "mergejoin", "hashagg"):
                conn.execute(f"SET enable_{join} = off")  # a nested loop would select anew for each row
            assert admit_all(conn, one.place) == 1
        one.work()
        assert sorted(statuses(one)) == ["QUEUED"] * 3 + ["WAITING"] * 2

    def test_the_limit_holds_when_many_start_at_once(self, instance: Make) -> None:
        one = instance()
        one.define("w", [wait_for("a", "never")], concurrency_limit=3)
        gate = threading.Barrier(8)

        def start() -> None:
            gate.wait(20)
            one.start("w")

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        one.work()
        assert sorted(statuses(one)) == ["QUEUED"] * 5 + ["WAITING"] * 3

    def test_a_raised_limit_takes_effect(self, instance: Make) -> None:
        one = instance()
        one.define("w", [wait_for("a", "never")], concurrency_limit=1)
        for _ in range(3):
            one.start("w")
        one.execute("UPDATE workflow_definitions SET concurrency_limit = NULL")
        with one.pool.session() as conn:
            assert admit_all(conn, one.place) == 2
        one.work()
        assert statuses(one) == ["WAITING"] * 3

    def test_a_paused_workflow_starts_nothing(self, instance: Make) -> None:
        one = instance()
        one.define("w", [wait_for("a", "go")], concurrency_limit=1)
        one.start("w")
        one.start("w")
        one.work()
        one.execute("UPDATE workflow_definitions SET is_paused = true")
        with pytest.raises(Refused) as error:
            one.start("w")
        assert error.value.code == "WORKFLOW_PAUSED"
        one.send("go", {}, "k")
        one.work()
        assert statuses(one) == ["SUCCEEDED", "QUEUED"], "what ran goes on, what queued does not begin"
        one.execute("UPDATE workflow_definitions SET is_paused = false")
        with one.pool.session() as conn:
            admit_all(conn, one.place)
        one.work()
        assert statuses(one) == ["SUCCEEDED", "WAITING"]


class TestAutoPause:
    def test_it_pauses_when_too_many_of_the_last_runs_failed(self, instance: Make) -> None:
        def act(given: Any, _context: Any) -> Any:
            if given["bad"]:
                raise ActionFailed("broken")
            return {}

        one = instance(Action("t.act", 1, run=act))
        one.define(
            "w",
            [call("a", "t.act", {"bad": expr("payload.bad")})],
            auto_pause_on_failure=True,
            failure_rate_threshold=0.5,
            failure_rate_min_runs=4,
        )

        def paused_after(*bad: bool) -> bool:
            for one_is_bad in bad:
                one.run("w", {"bad": one_is_bad})
            return bool(one.rows("SELECT is_paused FROM workflow_definitions")[0]["is_paused"])

        assert not paused_after(True, True, True), "too few runs to tell"
        assert paused_after(True)
        one.execute("UPDATE workflow_definitions SET is_paused = false")
        assert not paused_after(False, False, False, True), "one of four"
        assert paused_after(True), "two of the last four"

    def test_it_is_off_unless_asked_for(self, instance: Make) -> None:
        one = instance(Action("t.act", 1, run=lambda given, _: given["missing"]))
        one.define("w", [call("a", "t.act")], failure_rate_min_runs=1, failure_rate_threshold=0)
        one.run("w")
        assert one.rows("SELECT is_paused FROM workflow_definitions") == [{"is_paused": False}]


class TestSchedules:
    def known_for(self, one: Instance, hours: float) -> None:
        one.execute(
            "UPDATE workflow_definitions SET created_at = now() - make_interval(hours => %(h)s),"
            " updated_at = now() - make_interval(hours => %(h)s)",
            h=int(hours),
        )

    def test_what_was_missed_fires_once_the_latest(self, instance: Make) -> None:
        one = instance()
        one.define("w", [assign("a", x=1)], trigger=EVERY_HOUR)
        self.known_for(one, 5)
        (started,) = Clock(one.pool, one.registry).fire_due()
        row = one.the(started)
        latest = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        assert row["trigger_type"] == "schedule"
        assert row["scheduled_at"] in {latest, latest + timedelta(hours=1)}
        assert Clock(one.pool, one.registry).fire_due() == []
        with one.pool.session() as conn:
            (one_planned,) = planned(conn, one.place)
        assert one_planned.next_at == row["scheduled_at"] + timedelta(hours=1)

    def test_a_clock_that_has_looked_reads_again_when_something_was_written(self, instance: Make) -> None:
        one = instance()
        clock = Clock(one.pool, one.registry)
        assert clock.fire_due() == []
        one.define("w", [], trigger=EVERY_HOUR)
        self.known_for(one, 3)
        assert len(clock.fire_due()) == 1
        assert clock.fire_due() == []
        past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
        one.execute(
            "UPDATE workflow_definitions SET trigger = jsonb_build_object('type', 'schedule', 'runAt', %(p)s::text),"
            " updated_at = now() - interval '1 h'",
            p=past,
        )
        assert len(clock.fire_due()) == 1, "an apply takes effect without a restart"

    def test_a_new_schedule_makes_nothing_up(self, instance: Make) -> None:
        one = instance()
        one.define("w", [], trigger={"type": "recurring", "cron": "0 0 1 1 *", "timezone": "UTC"})
        assert Clock(one.pool, one.registry).fire_due() == []

    def test_a_time_fires_once_however_many_workers_look(self, instance: Make) -> None:
        one = instance()
        for n in range(3):
            one.define(f"w{n}", [], trigger=EVERY_HOUR)
        self.known_for(one, 3)
        gate, started = threading.Barrier(4), []

        def look() -> None:
            pool = Pool(Place(one.place.target, one.place.schema, one.place.tenant))
            gate.wait(20)
            clock = Clock(pool, one.registry)
            for _ in range(3):
                started.extend(clock.fire_due())
            pool.close()

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(started) == 3
        assert one.rows("SELECT count(*) AS n FROM workflow_runs") == [{"n": 3}]

    def test_once_means_once_and_a_changed_trigger_counts_anew(self, instance: Make) -> None:
        one = instance()
        past = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
        one.define("w", [], trigger={"type": "schedule", "runAt": past})
        self.known_for(one, 1)
        assert len(Clock(one.pool, one.registry).fire_due()) == 1
        assert Clock(one.pool, one.registry).fire_due() == []
        later = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
        one.execute(
            "UPDATE workflow_definitions SET trigger = jsonb_build_object('type', 'schedule', 'runAt', %(l)s::text)",
            l=later,
        )
        assert len(Clock(one.pool, one.registry).fire_due()) == 1
        assert Clock(one.pool, one.registry).fire_due() == []

    def test_what_comes_while_paused_is_skipped_and_said(self, instance: Make) -> None:
        one = instance()
        one.define("w", [], trigger=EVERY_HOUR, is_paused=True)
        self.known_for(one, 3)
        assert Clock(one.pool, one.registry).fire_due() == []
        one.execute("UPDATE workflow_definitions SET is_paused = false")
        assert Clock(one.pool, one.registry).fire_due() == []
        with one.pool.session() as conn:
            (found,) = planned(conn, one.place)
        assert found.problem is not None
        assert "paused" in found.problem

    def test_a_schedule_that_is_wrong_stops_no_other(self, instance: Make) -> None:
        one = instance()
        one.define("a-wrong", [], trigger={"type": "recurring", "cron": "nonsense", "timezone": "UTC"})
        one.define("b-right", [], trigger=EVERY_HOUR)
        self.known_for(one, 3)
        assert len(Clock(one.pool, one.registry).fire_due()) == 1
        with one.pool.session() as conn:
            found = {p.schedule.label: p for p in planned(conn, one.place)}
        assert found["a-wrong"].problem
        assert found["b-right"].problem is None


class TestSweeping:
    def lost(self, one: Instance) -> None:
        """The engine has lost every turn that was asked for."""
        one.execute("DELETE FROM wfsync_engine.workflow_status")

    @pytest.mark.parametrize("how", ["start", "answer", "timer", "cancel"])
    def test_a_run_whose_turn_is_lost_gets_another(self, instance: Make, how: str) -> None:
        one = instance()
        one.define("w", [wait_for("a", "go", timeoutMs=60_000)])
        run_id = one.start("w")
        if how != "start":
            one.work()
        if how == "answer":
            one.send("go", {}, "k")
        if how == "timer":
            one.pass_time(61)
        if how == "cancel":
            cancel(one.pool, run_id, "")
        self.lost(one)
        with one.pool.session() as conn:
            assert revive(conn, one.place, 0) == 1
        one.work()
        expected = {"start": "WAITING", "answer": "SUCCEEDED", "timer": "FAILED", "cancel": "CANCELED"}
        assert one.the(run_id)["status"] == expected[how]
        with one.pool.session() as conn:
            assert revive(conn, one.place, 0) == 0, "a run that waits needs no turn"

    def test_a_run_that_has_its_turn_gets_no_other(self, instance: Make) -> None:
        one = instance()
        one.define("w", [sleep("a", 60_000)])
        one.start("w")
        with one.pool.session() as conn:
            assert revive(conn, one.place, 0) == 0

    def test_who_does_not_beat_is_dead_for_good(self, instance: Make) -> None:
        one = instance()
        living_id, dead_id = "11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002"
        with one.pool.session() as conn:
            for worker in (living_id, dead_id):
                enter(conn, one.place, worker, "host", 1, 5)
            one.execute(
                "UPDATE workflow_workers SET beat_at = now() - interval '16 s' WHERE worker_id = %(id)s", id=dead_id
            )
            one.define("w", [])
            run_id = one.start("w")
            one.execute("UPDATE wfsync_engine.workflow_status SET status = 'PENDING', executor_id = %(id)s", id=dead_id)
            assert living(conn, one.place) == 1
            assert bury(conn, one.place) == 1
            assert strangers(conn, one.place) == (dead_id,)
            assert beat(conn, one.place, living_id)
            assert not beat(conn, one.place, dead_id)
        from wfsync.store.runtime.turns import begin

        with one.pool.session() as conn:
            assert begin(conn, one.place, run_id, dead_id) is None, "the dead take nothing"
            assert begin(conn, one.place, run_id, living_id) is not None

    def test_the_engine_forgets_what_has_ended(self, instance: Make) -> None:
        one = instance()
        one.define("w", [])
        one.start("w")
        one.start("w")
        one.execute(
            "UPDATE wfsync_engine.workflow_status SET status = 'SUCCESS', updated_at = 0 WHERE ctid ="
            " (SELECT min(ctid) FROM wfsync_engine.workflow_status)"
        )
        with one.pool.session() as conn:
            assert forget_finished(conn, one.place, 3600) == 1
        assert one.rows("SELECT count(*) AS n FROM wfsync_engine.workflow_input") == [{"n": 1}]


class TestAborted:
    def test_a_turn_that_was_too_slow_is_tried_again_and_its_calls_are_not(
        self, instance: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from wfsync.runtime.interpreter import machine

        calls: list[int] = []
        one = instance(Action("t.count", 1, run=lambda _given, _context: calls.append(1)))
        one.define("w", [call("a", "t.count"), assign("b", x=1)])
        original, slow = machine.Machine.send, [2]

        def send(self: Any, event: Any) -> Any:
            if slow[0]:
                slow[0] -= 1
                raise EvaluationAborted("too slow")
            return original(self, event)

        monkeypatch.setattr(machine.Machine, "send", send)
        run_id = one.start("w")
        one.work()
        assert one.the(run_id)["aborted_turns"] == 1
        one.pass_time(1)
        one.work()
        one.pass_time(2)
        one.work()
        assert one.the(run_id)["status"] == "SUCCEEDED"
        assert one.the(run_id)["aborted_turns"] == 0
        assert calls == [1]
        assert one.events(run_id) == ["Started", "Succeeded"]

    def test_a_run_that_is_always_too_slow_fails_at_last(self, instance: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        from wfsync.runtime.interpreter import machine

        def send(_self: Any, _event: Any) -> Any:
            raise EvaluationAborted("too slow")

        one = instance(Action("t.count", 1, run=lambda _given, _context: None))
        one.define("w", [call("a", "t.count")])
        monkeypatch.setattr(machine.Machine, "send", send)
        run_id = one.start("w")
        for _ in range(12):
            one.work()
            one.pass_time(60)
        assert one.the(run_id)["status"] == "FAILED"
        assert one.the(run_id)["error_json"]["category"] == "TimeoutError"
