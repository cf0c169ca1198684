"""What stands for the world: stubs, pure actions, answers, events, children."""

from __future__ import annotations

from pathlib import Path

import pytest

from tried import Step, action, assign, expr, tried, verdicts

WAIT = {"id": "paid", "type": "event.wait", "config": {"eventName": "PAID", "correlationKey": "k", "timeoutMs": 60_000}}
TASK = {"id": "ask", "type": "human.task", "config": {"taskType": "approval", "title": "Well?"}}


@pytest.mark.parametrize(
    ("stubs", "given"),
    [
        ("{send: {output: s}, mail.send: {output: a}, mail.send@1: {output: v}}", "s"),
        ("{mail.send: {output: a}, mail.send@1: {output: v}}", "v"),
        ("{mail.send: {output: a}}", "a"),
        ("{w/send: {output: k}, mail.send: {output: a}}", "k"),
        ("{send: {echo: true}}", {"n": 1}),
        ("{send: {delay: 5s}}", {"n": 1}),
    ],
)
def test_the_nearest_stub_answers(tmp_path: Path, stubs: str, given: object) -> None:
    steps = [action("send", inputMapping={"n": 1}, saveAs="got")]
    verdict = tried(tmp_path, steps, f"stubs: {stubs}\nexpect: {{vars: {{got: {given}}}}}")
    assert verdict.result == "passed", verdict


def test_an_action_with_effects_and_no_stub_is_named_and_never_called(tmp_path: Path) -> None:
    verdict = tried(tmp_path, [assign("first", x=1), action("send")], "expect: {}")
    assert verdict.result == "error"
    assert verdict.trouble is not None
    assert verdict.trouble.message == "no stub for mail.send@1, which the step send of w calls"
    assert "stubs:" in verdict.trouble.hint
    assert verdict.outcome is not None
    assert verdict.outcome.path == ("first", "send")


def test_stubs_of_the_registry_answer_next_and_count_for_each_test_anew(tmp_path: Path) -> None:
    order = action(
        "order",
        "shop.order",
        inputMapping={"sku": "a"},
        saveAs="got",
        step_fields={"retry": {"maxAttempts": 2, "backoffMs": 1}},
    )
    one = "{name: %s, expect: {vars: {got: {id: o-1}}, calls: [shop.order@1, shop.order]}}"
    text = f"version: 1\nworkflow: w\ntests: [{one % 'a'}, {one % 'b'}]"
    assert [verdict.result for verdict in verdicts(tmp_path, {"w": [order]}, text)] == ["passed", "passed"]


def test_an_input_that_breaks_the_schema_is_no_call(tmp_path: Path) -> None:
    steps = [action("order", "shop.order", inputMapping={"sku": expr("1 + 1")})]
    test = "expect: {error: {category: ValidationError, code: INVALID_ACTION_INPUT, step: order}, calls: []}"
    assert tried(tmp_path, steps, test).result == "passed"


def test_pure_actions_are_called_and_are_no_calls_to_look_at(tmp_path: Path) -> None:
    steps = [action("up", "transform.uppercase_text", inputMapping={"text": "a"}, saveAs="up")]
    assert tried(tmp_path, steps, "expect: {vars: {up: {$any: true}}, calls: []}").result == "passed"


def test_replies_come_in_turn_and_the_last_stays(tmp_path: Path) -> None:
    steps = [action(f"s{n}", saveAs=f"v{n}") for n in range(4)]
    test = """
stubs: {mail.send: [{output: 1}, {output: 2}, {output: 3}]}
expect: {vars: {v0: 1, v1: 2, v2: 3, v3: 3}}
"""
    assert tried(tmp_path, steps, test).result == "passed"


def test_calls_that_fail_by_number(tmp_path: Path) -> None:
    steps = [action("s", saveAs="v", step_fields={"retry": {"maxAttempts": 3, "backoffMs": 1000, "jitter": False}})]
    test = """
stubs: {s: {fail: {category: TransientError, message: no}, calls: [1, 2], output: yes, delay: 10s}}
expect: {vars: {v: yes}, elapsed: 33s, calls: [mail.send, mail.send, mail.send]}
"""
    assert tried(tmp_path, steps, test).result == "passed"


@pytest.mark.parametrize(("retryable", "calls"), [("true", 2), ("false", 1)])
def test_a_failure_says_whether_to_try_again(tmp_path: Path, retryable: str, calls: int) -> None:
    steps = [action("s", step_fields={"retry": {"maxAttempts": 2, "backoffMs": 1}})]
    test = f"""
stubs: {{s: {{fail: {{category: ActionError, message: "no", code: E1, details: [1], retryable: {retryable}}}}}}}
expect:
  error: {{category: ActionError, message: "no", code: E1, details: [1], nodePath: "root.steps[0]"}}
  calls: {[{"step": "s"}] * calls}
"""
    assert tried(tmp_path, steps, test).result == "passed"


def test_one_key_is_one_call(tmp_path: Path) -> None:
    steps = [action(s, idempotencyKey="k", inputMapping={"n": s}, saveAs=s) for s in ("a", "b")]
    test = "stubs: {mail.send: {echo: true}}\nexpect: {vars: {a: {n: a}, b: {n: a}}, calls: [{step: a}]}"
    assert tried(tmp_path, steps, test).result == "passed"


def test_one_key_is_one_call_also_side_by_side(tmp_path: Path) -> None:
    loop = {
        "id": "each",
        "type": "control.forEach",
        "items": expr("[1, 2, 3]"),
        "itemVar": "i",
        "concurrency": 3,
        "body": [action("a", idempotencyKey=expr("'k'"), inputMapping={"n": expr("i")})],
    }
    test = "stubs: {a: {delay: 1m}}\nexpect: {calls: [{step: a, input: {n: 1}}], elapsed: 1m}"
    assert tried(tmp_path, [loop], test).result == "passed"


# ------------------------------------------------------------------------------------------------------- people, events


def test_answers_by_step_or_type_in_turn(tmp_path: Path) -> None:
    steps = [TASK, assign("keep", one=expr("vars.event.n")), {**TASK, "id": "again"}]
    for name in ("ask", "approval", "w/ask"):
        other = "" if name == "approval" else ", approval: {answer: {n: 2}, after: 1h}"
        answers = "[{answer: {n: 1}}, {answer: {n: 2}, after: 1h}]" if name == "approval" else "{answer: {n: 1}}"
        test = f"tasks: {{{name}: {answers}{other}}}\nexpect: {{vars: {{one: 1, event: {{n: 2}}}}, elapsed: 1h}}"
        assert tried(tmp_path, steps, test).result == "passed"


def test_what_never_comes_is_said_and_can_be_expected(tmp_path: Path) -> None:
    verdict = tried(tmp_path, [TASK], "expect: {}")
    assert verdict.result == "failed"
    [difference] = verdict.differences
    assert (difference.expected, difference.actual) == ("SUCCEEDED", "WAITING")
    assert "tasks: {approval: {answer: {…}}}" in difference.note
    test = "expect: {waitsFor: {task: approval, step: ask}, tasks: [{title: 'Well?'}]}"
    assert tried(tmp_path, [TASK], test).result == "passed"


@pytest.mark.parametrize(
    ("events", "result"),
    [
        ("[{name: PAID, correlationKey: k}]", "{status: SUCCEEDED, elapsed: 0}"),
        ("[{name: PAID, correlationKey: k, after: 59s}]", "{elapsed: 59s}"),
        ("[{name: PAID, correlationKey: k, at: 2026-01-01T00:00:30Z}]", "{elapsed: 30s}"),
        ("[{name: PAID, correlationKey: k, after: 61s}]", "{error: {category: TimeoutError}, elapsed: 60s}"),
        ("[{name: PAID, correlationKey: other, after: 1s}]", "{error: {category: TimeoutError}}"),
        ("[{name: PAID, after: 1s}]", "{error: {category: TimeoutError}}"),
        ("[{name: SOLD, correlationKey: k, after: 1s}]", "{error: {category: TimeoutError}}"),
        ("[{name: PAID, correlationKey: no}, {name: PAID, correlationKey: k}]", "{elapsed: 0}"),
    ],
)
def test_events_meet_their_waits(tmp_path: Path, events: str, result: str) -> None:
    verdict = tried(tmp_path, [WAIT], f"events: {events}\nexpect: {result}")
    assert verdict.result == "passed", verdict


def test_an_event_that_nobody_waits_for_is_a_failure(tmp_path: Path) -> None:
    verdict = tried(tmp_path, [assign("a", x=1)], "events: [{name: PAID, correlationKey: k}]\nexpect: {}")
    assert [one.what for one in verdict.differences] == ["events"]


def test_a_run_can_be_canceled(tmp_path: Path) -> None:
    wait = {"id": "long", "type": "time.wait", "config": {"mode": "duration", "durationMs": 86_400_000}}
    assert tried(tmp_path, [wait], "cancelAfter: 1h\nexpect: {status: CANCELED, elapsed: 1h}").result == "passed"


# ------------------------------------------------------------------------------------------------------------- children


CALL = {
    "id": "sub",
    "type": "control.callWorkflow",
    "workflowId": "child",
    "workflowVersion": 1,
    "inputMapping": {"n": 4},
    "outputMapping": {"vars.got": expr("vars.out")},
}


def _family(tmp_path: Path, test: str, child: list[Step] | None = None) -> str:
    steps = {"w": [CALL], "child": child or [assign("out", out=expr("payload.n + 1"))]}
    text = f"version: 1\nworkflow: w\ntests:\n  - {{name: a, {test}}}"
    [verdict] = verdicts(tmp_path, steps, text)
    assert verdict.result == "passed", verdict
    return verdict.result


def test_a_child_is_run(tmp_path: Path) -> None:
    _family(
        tmp_path, "expect: {vars: {got: 5}, children: [{workflow: child, version: 1, payload: {n: 4}}], path: [sub]}"
    )


def test_a_child_is_stubbed(tmp_path: Path) -> None:
    _family(tmp_path, "children: {child: {vars: {out: 9}, delay: 1h}}, expect: {vars: {got: 9}, elapsed: 1h}")
    failing = "children: {child: {fail: {category: ActionError, message: sick}}}"
    _family(tmp_path, f"{failing}, expect: {{error: {{message: {{$matches: sick}}, step: sub}}}}")


def test_steps_of_a_child_are_named_with_its_key(tmp_path: Path) -> None:
    child = [action("send", saveAs="out")]
    _family(tmp_path, "stubs: {child/send: {output: 1}, mail.send: {output: 2}}, expect: {vars: {got: 1}}", child)
    _family(tmp_path, "stubs: {mail.send: {output: 2}}, expect: {vars: {got: 2}, calls: [{step: send}]}", child)


def test_workflows_that_call_themselves_for_ever_end_in_a_verdict(tmp_path: Path) -> None:
    steps = {"w": [{**CALL, "workflowId": "w"}]}
    [verdict] = verdicts(tmp_path, steps, "version: 1\nworkflow: w\ntests: [{name: a}]")
    assert verdict.result == "failed"
    assert "call one another" in verdict.differences[0].note


def test_a_loop_without_end_ends_in_a_verdict(tmp_path: Path) -> None:
    loop = {
        "id": "each",
        "type": "control.forEach",
        "itemVar": "i",
        "items": expr("payload.many"),
        "body": [action("s")],
    }
    text = "version: 1\nworkflow: w\ntests:\n  - name: a\n    stubs: {s: {output: 1}}\n    payload: {many: "
    text += f"{list(range(20_001))}}}"
    [verdict] = verdicts(tmp_path, {"w": [loop]}, text)
    assert verdict.trouble is not None
    assert "20000" in verdict.trouble.message


# ------------------------------------------------------------------------------------------------------------- secrets


def test_secrets_are_seen_by_name_only(tmp_path: Path) -> None:
    secret = "hush-hush-4711"
    steps = [action("send", inputMapping={"key": {"$secret": "KEY"}, "to": expr("payload.to")}, saveAs="got")]
    test = f"""
secrets: {{KEY: {secret}}}
payload: {{to: {secret}}}
stubs: {{send: {{echo: true}}}}
expect:
  vars: {{got: {{key: "[SECRET:REDACTED]"}}}}
  calls: [{{input: {{key: {{$secret: KEY}}, to: nobody}}}}]
"""
    verdict = tried(tmp_path, steps, test)
    assert [one.what for one in verdict.differences] == ["calls[0].input.to"]
    assert secret not in repr(verdict)
    assert verdict.differences[0].actual == "[SECRET:REDACTED]"
