"""Verdicts: what is compared, what is refused before a run, coverage, order, processes."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from small_bundles import bundle, canonical
from tried import Step, action, assign, expr, suite_of, tried, verdicts
from wfsync.testing.model import Case
from wfsync.testing.outcome import Verdict
from wfsync.testing.processes import in_processes
from wfsync.testing.report import run_suite
from wfsync.testing.verdict import differences

IF = {
    "id": "big",
    "type": "control.if",
    "condition": expr("payload.n > 10"),
    "then": [assign("mark", big=True)],
}
STEPS = [assign("start", n=expr("payload.n")), IF, action("tell", inputMapping={"n": expr("payload.n")})]
STUBS = "stubs: {mail.send: {output: {id: m}}}\n"


def what(verdict: Verdict) -> list[str]:
    return [one.what for one in verdict.differences]


@pytest.mark.parametrize(
    "expect",
    [
        "{}",
        "{status: SUCCEEDED}",
        "{vars: {n: 20}, payload: {n: 20}, meta: {}}",
        "{path: [start, big, mark, tell]}",
        "{pathIncludes: [start, tell]}",
        "{calls: [mail.send]}",
        "{calls: [mail.send@1]}",
        "{calls: [{action: mail.send, version: 1, step: tell, input: {n: 20}}]}",
        "{callsInclude: [mail.send]}",
        "{notCalled: [shop.order, mark]}",
        "{elapsed: 0}",
        "{elapsed: {max: 1s}}",
        "{finishedAt: 2026-01-01T00:00:00Z}",
        "{tasks: [], children: []}",
    ],
)
def test_what_holds(tmp_path: Path, expect: str) -> None:
    verdict = tried(tmp_path, STEPS, f"{STUBS}payload: {{n: 20}}\nexpect: {expect}")
    assert verdict.result == "passed", verdict


@pytest.mark.parametrize(
    ("expect", "where"),
    [
        ("{status: FAILED}", ["status"]),
        ("{error: {category: X}}", ["status"]),
        ("{vars: {n: 21}}", ["vars.n"]),
        ("{vars: {big: {$absent: true}}, payload: {n: 1}}", ["payload.n", "vars.big"]),
        ("{path: [start, big, tell]}", ["path"]),
        ("{pathIncludes: [tell, start]}", ["pathIncludes[1]"]),
        ("{calls: []}", ["calls[0]"]),
        ("{calls: [mail.send, mail.send]}", ["calls[1]"]),
        ("{calls: [shop.order, mail.send]}", ["calls[0]"]),
        ("{calls: [{input: {n: 1}}]}", ["calls[0].input.n"]),
        ("{callsInclude: [mail.send, mail.send]}", ["callsInclude[1]"]),
        (f"{{callsInclude: [mail.send@{'9' * 5000}]}}", ["callsInclude[0]"]),
        ("{notCalled: [shop.order, tell]}", ["notCalled[1]"]),
        ("{elapsed: 1s}", ["elapsed"]),
        ("{elapsed: {min: 1s}}", ["elapsed"]),
        ("{finishedAt: 2026-01-01T00:00:01Z}", ["finishedAt"]),
        ("{tasks: [{type: x}]}", ["tasks[0]"]),
        ("{waitsFor: {event: E}}", ["status"]),
    ],
)
def test_what_does_not_hold(tmp_path: Path, expect: str, where: list[str]) -> None:
    verdict = tried(tmp_path, STEPS, f"{STUBS}payload: {{n: 20}}\nexpect: {expect}")
    assert verdict.result == "failed"
    assert what(verdict) == where
    assert all(one.place.startswith("tests/t.yaml:") for one in verdict.differences)


def test_a_failed_run_says_where_and_why(tmp_path: Path) -> None:
    verdict = tried(tmp_path, STEPS, "payload: {n: many}\nexpect: {vars: {n: many}}")
    assert what(verdict) == ["status"]
    assert verdict.differences[0].note.startswith("ExpressionError in big: ")
    test = "payload: {n: many}\nexpect: {error: {category: ExpressionError, step: big, nodePath: 'root.steps[1]'}}"
    assert tried(tmp_path, STEPS, test).result == "passed"
    wrong = tried(tmp_path, STEPS, "payload: {n: many}\nexpect: {error: {category: ActionError}}")
    assert what(wrong) == ["error.category"]


# ------------------------------------------------------------------------------------------------------ before the run


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("workflow: x", "there is no workflow x"),
        ("version: 7", "w has no published version 7 (there are: 1); `draft` is the draft"),
        ("stubs: {tel: {output: 1}}", "neither a step nor an action of w is called tel; did you mean tell?"),
        ("stubs: {mail.send@2: {output: 1}}", "did you mean mail.send@1?"),
        ("tasks: {approval: {answer: 1}}", "neither a task nor its type is called approval"),
        ("children: {v: {}}", "w does not call v"),
        ("expect: {path: [start, stop]}", "no step of w v1 is called stop"),
        ("expect: {pathIncludes: [bi]}", "did you mean big?"),
        ("payload: 7", "the payload does not fit payload.Ticket.v1"),
        ("event: {name: GO}", "the event GO does not start w v1: no event does"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, test: str, message: str) -> None:
    verdict = tried(tmp_path, STEPS, test)
    assert verdict.result == "error"
    assert verdict.trouble is not None
    assert message in verdict.trouble.message


def test_stubs_for_all_tests_of_a_file_need_not_fit_each(tmp_path: Path) -> None:
    text = "version: 1\nworkflow: w\nstubs: {elsewhere: {output: 1}, mail.send: {output: 1}}\n"
    text += "tests: [{name: a, payload: {n: 1}}]"
    assert verdicts(tmp_path, {"w": STEPS}, text)[0].result == "passed"


def test_a_workflow_that_cannot_run_says_every_reason_with_its_place(tmp_path: Path) -> None:
    steps = [action("a", "no.such"), assign("b", x=expr("1 +")), action("c", "mail.sent")]
    verdict = tried(tmp_path, [steps[0], steps[2]], "expect: {}")
    assert verdict.trouble is not None
    lines = [verdict.trouble.message, *verdict.trouble.more]
    assert [("w.json:" in line, "UNKNOWN_ACTION" in line) for line in lines] == [(True, True)] * 2
    broken = tried(tmp_path, steps, "expect: {}")
    assert broken.trouble is not None
    assert "root.steps[1]" in broken.trouble.message


def test_a_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, {"w": STEPS}, "version: 1\ntests: [{name: a, workflow: w}]")
    (tmp_path / "w.json").write_text('{"format": 1}')
    [verdict] = suite.verdicts(jobs=1)
    assert verdict.trouble is not None
    assert "w.json:1:" in verdict.trouble.message


def test_an_event_starts_a_run_through_the_triggers_mapping(tmp_path: Path) -> None:
    tree = bundle("w", [assign("a", x=expr("payload.id"))])
    trigger = {
        "type": "event",
        "eventName": "MADE",
        "payloadMapping": {"id": expr("event.payload.thing.id"), "by": expr("event.name")},
    }
    for holder in (tree["workflows"][0]["draft"], *tree["workflows"][0]["publishedVersions"]):
        holder["definition"]["trigger"] = trigger
    registry = "version: 1\nnodeTypes: [transform.assign]\nschemas: [{ref: payload.Ticket.v1}]"
    text = """\
version: 1
workflow: w
tests:
  - {name: a, event: {name: MADE, payload: {thing: {id: 7}}}, expect: {vars: {x: 7}, payload: {id: 7, by: MADE}}}
  - {name: b, event: {name: SOLD, payload: {thing: {id: 7}}}}
  - {name: c, event: {name: MADE, payload: {}}}
"""
    (tmp_path / "w.json").write_bytes(canonical(tree))
    suite = suite_of(tmp_path, {}, text, registry)
    first, second, third = suite.verdicts(jobs=1)
    assert first.result == "passed", first
    assert second.trouble is not None
    assert "the event MADE does" in second.trouble.message
    assert third.trouble is not None
    assert "the trigger's mapping fails" in third.trouble.message


def test_the_newest_published_version_is_tested_or_the_draft_or_the_one_that_is_named(tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    published = {1: [assign("a", v=1)], 3: [assign("a", v=3)]}
    (tmp_path / "w.json").write_bytes(canonical(bundle("w", [assign("a", v=4)], published)))
    (tmp_path / "d.json").write_bytes(canonical(bundle("d", [assign("a", v=1)], {})))
    text = """\
version: 1
workflow: w
tests:
  - {name: a, expect: {vars: {v: 3}}}
  - {name: b, version: 1, expect: {vars: {v: 1}}}
  - {name: c, version: draft, expect: {vars: {v: 4}}}
  - {name: d, workflow: d, expect: {vars: {v: 1}}}
"""
    found = list(suite_of(tmp_path, {}, text).verdicts(jobs=1))
    assert [(one.result, one.version) for one in found] == [
        ("passed", "v3"),
        ("passed", "v1"),
        ("passed", "draft"),
        ("passed", "draft"),
    ]


# ------------------------------------------------------------------------------------------------------------- coverage


def test_steps_and_branches_that_nobody_tried(tmp_path: Path) -> None:
    loop = {
        "id": "each",
        "type": "control.forEach",
        "items": expr("payload.l"),
        "itemVar": "i",
        "body": [assign("in", x=1)],
    }
    attempt = {"id": "try", "type": "control.tryCatch", "try": [action("risk")], "catch": [assign("saved", x=1)]}
    wait = {"id": "w8", "type": "event.wait", "config": {"eventName": "E", "correlationKey": "k", "timeoutMs": 1}}
    steps: list[Step] = [IF, loop, attempt, {**wait, "onError": {"policy": "continue"}}]
    test = "version: 1\nworkflow: w\nstubs: {mail.send: {output: 1}}\ntests:\n  - {name: a, payload: {n: 1}}\n"
    suite = suite_of(tmp_path, {"w": steps, "other": [assign("x", x=1)]}, test)
    report = run_suite(suite, jobs=1, coverage=True)
    [one] = report.coverage or ()
    assert (one.workflow, one.version, one.steps, one.branches) == ("w", "v1", 8, 6)
    missed = {(point.step, point.branch) for point, _ in one.missed}
    assert missed == {
        ("big", "then"),
        ("mark", ""),
        ("each", "body"),
        ("in", ""),
        ("try", "catch"),
        ("saved", ""),
        ("w8", "event"),
    }
    lines = (tmp_path / "w.json").read_text().splitlines()
    places = {point.step: place for point, place in one.missed if not point.branch}
    assert lines[(places["saved"].line or 0) - 1].strip() == "{"
    assert report.percent == pytest.approx(50.0)
    assert not report.passes(51)
    assert report.passes(50)

    more = (
        "  - {name: b, payload: {n: 11, l: [1]}, events: [{name: E, correlationKey: k}],"
        " stubs: {risk: {fail: {category: X, message: m}}}}"
    )
    full = run_suite(suite_of(tmp_path, {}, test + more), jobs=1, coverage=True)
    assert [covered.missed for covered in full.coverage or ()] == [()]
    assert full.percent == 100


def test_all_workflows_count_where_all_tests_are_run(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path, {"w": [assign("x", x=1)], "other": [assign("x", x=1)]}, "version: 1\ntests: [{name: a, workflow: w}]"
    )
    report = run_suite(suite, jobs=1, coverage=True, whole=True)
    assert [(one.workflow, one.percent) for one in report.coverage or ()] == [("other", 0.0), ("w", 100.0)]


# -------------------------------------------------------------------------------------------------------------- several


MANY = "version: 1\nworkflow: w\ntests:\n" + "".join(
    f"  - {{name: t{n}, payload: {{n: {n}}}, expect: {{vars: {{n: {n if n != 20 else -1}}}}}}}\n" for n in range(40)
)


def test_processes_give_the_same_verdicts_in_the_same_order(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, {"w": STEPS[:2]}, MANY)
    alone, together = list(suite.verdicts(jobs=1)), list(suite.verdicts(jobs=3))
    assert [(one.name, one.result, one.differences, one.seen) for one in alone] == [
        (one.name, one.result, one.differences, one.seen) for one in together
    ]
    assert [one.name for one in alone if one.result != "passed"] == ["t20"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_first_failure_can_be_the_last_test(tmp_path: Path, jobs: int) -> None:
    suite = suite_of(tmp_path, {"w": STEPS[:2]}, MANY)
    assert [one.name for one in suite.verdicts(jobs=jobs, stop_at_first=True)] == [f"t{n}" for n in range(21)]


def test_a_process_that_dies_is_named_and_the_others_go_on() -> None:
    def work(item: int) -> int:
        if item == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    found = list(in_processes(work, range(40), 2, lambda item, reason: -item if "-9" in reason else 1000))
    assert found[:3] == [0, 1, 2]
    assert found[3:8] == [-3, -4, -5, -6, -7]
    assert found[8:16] == list(range(8, 16))
    assert len(found) == 40


def test_what_work_raises_is_raised_here() -> None:
    def work(item: int) -> int:
        raise LookupError(item)

    with pytest.raises(LookupError):
        list(in_processes(work, [1], 2, lambda item, _: item))


def test_elapsed_time_is_compared_in_milliseconds() -> None:
    from wfsync.testing.model import Expectation
    from wfsync.testing.outcome import Outcome

    second = timedelta(seconds=1)
    case = Case(file="f", path=(), line=1, name="n", workflow="w", expect=Expectation(elapsed=(second, second)))
    assert differences(case, Outcome("SUCCEEDED", elapsed=timedelta(seconds=1, microseconds=999))) == ()
    assert differences(case, Outcome("SUCCEEDED", elapsed=timedelta(seconds=1, microseconds=1000))) != ()


def test_the_calendar_has_an_end(tmp_path: Path) -> None:
    later = "now: 9999-12-31T23:59:59Z\npayload: {n: 20}\nevents: [{name: E, after: 999999d}]\ncancelAfter: 999999d\n"
    stubs = "stubs: {tell: {output: {id: m}, delay: 999999d}}\n"
    assert tried(tmp_path, STEPS, later + stubs + "expect: {vars: {n: 20}}").result == "passed"


def test_workflows_that_call_one_another_without_end_fail_as_in_an_instance(tmp_path: Path) -> None:
    again = {"id": "again", "type": "control.callWorkflow", "workflowId": "w", "workflowVersion": 1}
    expected = "expect: {error: {category: ValidationError, code: DEPTH}}"
    assert tried(tmp_path, [again], f"payload: {{n: 1}}\n{expected}").result == "passed"
