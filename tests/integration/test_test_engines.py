"""Both engines of `wfsync test` give the same verdicts on the same stubs; the throw-away instance leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from small_bundles import bundle, canonical
from tried import REGISTRY, Step, action, assign, expr

WAIT: Step = {
    "id": "paid",
    "type": "event.wait",
    "config": {
        "eventName": "PAID",
        "correlationKey": "k",
        "timeoutMs": 86_400_000,
        "filters": [{"path": "ok", "op": "=", "value": True}],
        "assign": {"vars.paid": expr("vars.event.by")},
    },
    "onError": {"policy": "continue"},
}
TASK: Step = {"id": "ask", "type": "human.task", "config": {"taskType": "approval", "title": "Well?"}}
CALL: Step = {
    "id": "sub",
    "type": "control.callWorkflow",
    "workflowId": "child",
    "workflowVersion": 1,
    "inputMapping": {"n": expr("payload.n")},
    "outputMapping": {"vars.got": expr("vars.out")},
    "onError": {"policy": "continue"},
}
WORKFLOWS: dict[str, list[Step]] = {
    "waits": [
        assign("when", at=expr("nowIso()")),
        WAIT,
        TASK,
        {"id": "end", "type": "state.set", "config": {"state": "X"}},
    ],
    "calls": [
        action(
            "send",
            inputMapping={"key": {"$secret": "KEY"}, "n": expr("payload.n")},
            saveAs="sent",
            step_fields={"retry": {"maxAttempts": 3, "backoffMs": 60_000, "jitter": False}},
        ),
        {
            "id": "each",
            "type": "control.forEach",
            "itemVar": "i",
            "items": expr("[1, 2]"),
            "onItemError": "continue",
            "body": [action("item", idempotencyKey=expr("'k' & $string(i)"), inputMapping={"n": expr("i")})],
        },
        action("again", idempotencyKey="k1", saveAs="again"),
    ],
    "parent": [CALL],
    "child": [assign("out", out=expr("payload.n + 1")), action("tell", "mail.read", saveAs="unread")],
    "until": [{"id": "w", "type": "time.wait", "config": {"mode": "until", "until": "2026-03-01T00:00:00Z"}}],
    "long": [{"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": 86_400_000}}],
}
TESTS = """\
version: 1
secrets: {KEY: hush-hush-4711}
tests:
  - name: paid and answered
    workflow: waits
    now: 2026-02-03T04:05:06Z
    events:
      - {name: PAID, correlationKey: k, payload: {ok: false}, after: 1h}
      - {name: PAID, correlationKey: k, payload: {ok: true, by: kim}, after: 2h}
    tasks: {approval: {answer: {yes: true}, after: 3h}}
    expect:
      vars: {paid: kim, event: {yes: true}, at: {$matches: '^2026-02-03T04:05:0[6-8]'}}
      meta: {state: X}
      path: [when, paid, ask, end]
      elapsed: 5h
      finishedAt: 2026-02-03T09:05:06Z
  - name: too late, and nobody answers
    workflow: waits
    expect: {waitsFor: {task: approval, step: ask}, tasks: [{type: approval}]}
  - {name: a time, workflow: until, now: 2026-02-01T00:00:00Z, expect: {elapsed: 28d}}
  - {name: canceled, workflow: long, cancelAfter: 1h, expect: {status: CANCELED, elapsed: 1h}}
  - name: calls, retries, keys
    workflow: calls
    payload: {n: 3}
    stubs:
      send: [{fail: {category: TransientError, message: hush-hush-4711 is wrong}}, {echo: true}]
      item: {fail: {category: ActionError, message: no}, calls: [2], output: {id: 1}}
      again: {output: never}
    expect:
      vars: {sent: {key: "[SECRET:REDACTED]", n: 3}, again: {id: 1}}
      calls:
        - {step: send, input: {key: {$secret: KEY}}}
        - {step: send}
        - {step: item, input: {n: 1}}
        - {step: item, input: {n: 2}}
      elapsed: 1m
  - {name: gives up, workflow: calls, payload: {n: 3}, stubs: {mail.send: {fail: {category: X, message: m}}},
     expect: {error: {category: X, message: m, step: send, nodePath: 'root.steps[0]'}, path: [send]}}
  - {name: a child, workflow: parent, payload: {n: 4},
     expect: {vars: {got: 5}, children: [{workflow: child, version: 1}]}}
  - {name: a stubbed child, workflow: parent, payload: {n: 4}, children: {child: {vars: {out: 9}, delay: 2h}},
     expect: {vars: {got: 9}, elapsed: 2h, calls: []}}
  - {name: a child that fails, workflow: parent, payload: {n: 4},
     children: {child: {fail: {category: X, message: sick}}},
     expect: {vars: {got: {$absent: true}}, path: [sub]}}
  - {name: no stub, workflow: calls, payload: {n: 3}}
  - {name: wrong, workflow: parent, payload: {n: 4}, expect: {vars: {got: 6}, path: [sub, sub], status: FAILED}}
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    (root / "tests").mkdir(parents=True)
    (root / "workflows").mkdir()
    (root / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\nregistry: registry.yaml\n")
    (root / "registry.yaml").write_text(REGISTRY)
    for key, steps in WORKFLOWS.items():
        (root / "workflows" / f"{key}.json").write_bytes(canonical(bundle(key, steps)))
    (root / "tests" / "t.yaml").write_text(TESTS)
    return root


def _verdicts(document: Any) -> list[Any]:
    kept = ("name", "result", "differences", "trouble", "status", "path", "calls")
    return [{name: test[name] for name in kept if name in test} for test in document["tests"]]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_both_engines_give_the_same_verdicts(cli: CommandLine, repo: Path, tmp_path: Path) -> None:
    here = cli("test", "--format", "json", "--coverage", cwd=repo)
    folder = tmp_path / "t"
    folder.mkdir()
    there = cli(
        "test", "--engine", "dbos", "--format", "json", "--coverage", cwd=repo, timeout=110, env={"TMPDIR": str(folder)}
    )
    assert (here.code, there.code) == (1, 1), there.stderr
    one, other = here.json(), there.json()
    results = {test["name"]: test["result"] for test in one["tests"]}
    assert [name for name, result in results.items() if result != "passed"] == ["no stub", "wrong"], json.dumps(one)
    assert _verdicts(other) == _verdicts(one)
    assert other["coverage"] == one["coverage"]
    assert "hush-hush-4711" not in there.output
    assert list(folder.iterdir()) == []  # neither the server nor its folder is left


def test_one_worker_is_one_process(cli: CommandLine, repo: Path) -> None:
    result = cli("test", "--engine", "dbos", "--jobs", "2", cwd=repo)
    assert (result.code, result.stdout) == (64, "")
