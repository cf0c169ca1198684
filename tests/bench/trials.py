"""Small tests by the thousand: `wfsync test` from its start to its last line, beside itself with one test."""

from __future__ import annotations

import json
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from small_bundles import bundle, canonical
from tried import REGISTRY, action, assign, expr

if TYPE_CHECKING:
    from bench.scenarios import Bench, Prepared

__all__ = ["all_tests", "one_test"]

_WORKFLOWS: Final = 20
_TESTS_A_FILE: Final = 20

_STEPS: Final = [
    assign("double", n=expr("payload.n * 2")),
    {
        "id": "big",
        "type": "control.if",
        "condition": expr("vars.n > 10"),
        "then": [assign("large", size="large")],
        "else": [assign("small", size="small")],
    },
    action("tell", inputMapping={"n": expr("vars.n")}, saveAs="told"),
    {"id": "rest", "type": "time.wait", "config": {"mode": "duration", "durationMs": 86_400_000}},
    {"id": "done", "type": "state.set", "config": {"state": "DONE"}},
]


def all_tests(bench: Bench) -> Prepared:
    """As many tests as the bench has workflows."""
    says = f"Tests: {bench.size} passed, 0 failed, 0 errors."
    return nullcontext(bench.command(_repository(bench.scratch, bench.size), None, "test", says=says))


def one_test(bench: Bench) -> Prepared:
    """What the program costs whatever it tests."""
    folder = _repository(bench.scratch, bench.size)
    return nullcontext(bench.command(folder, None, "test", "tests/0.yaml", "-k", '"case 0"', says="1 passed"))


def _repository(scratch: Path, tests: int) -> Path:
    """Twenty workflows of six steps, and files of twenty tests each; made once."""
    root = scratch / f"tests-{tests}"
    if root.exists():
        return root
    (root / "workflows").mkdir(parents=True)
    (root / "tests").mkdir()
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)  # else it is an ignored part of this repository
    (root / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\nregistry: registry.yaml\n")
    (root / "registry.yaml").write_text(REGISTRY)
    for number in range(_WORKFLOWS):
        (root / "workflows" / f"w{number}.json").write_bytes(canonical(bundle(f"w{number}", _STEPS)))
    for start in range(0, tests, _TESTS_A_FILE):
        cases = "".join(map(_case, range(start, min(start + _TESTS_A_FILE, tests))))
        head = f"version: 1\nworkflow: w{start % _WORKFLOWS}\nstubs: {{mail.send: {{output: {{id: m-1}}}}}}\ntests:\n"
        (root / "tests" / f"{start}.yaml").write_text(head + cases)
    return root


def _case(number: int) -> str:
    double = 2 * number
    expected = {
        "vars": {"n": double, "size": "large" if double > 10 else "small", "told": {"id": "m-1"}},
        "meta": {"state": "DONE"},
        "calls": [{"action": "mail.send", "input": {"n": double}}],
        "elapsed": "1d",
    }
    return f"  - name: case {number}\n    payload: {{n: {number}}}\n    expect: {json.dumps(expected)}\n"
