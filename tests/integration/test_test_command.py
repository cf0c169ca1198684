"""`wfsync test`: which tests, what it prints, how it ends."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET  # the file is our own
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine, Result
from small_bundles import bundle, canonical
from tried import REGISTRY, action, assign, expr

SECRET = "hush-hush-4711"
TESTS = """\
version: 1
workflow: w
stubs: {mail.send: {output: {id: m-1}}}
tests:
  - name: a small one
    payload: {n: 3}
    expect:
      vars: {n: 3}
      path: [start, big, tell]
  - name: a big one
    payload: {n: 30}
    expect: {vars: {big: true}}
"""
STEPS = [
    assign("start", n=expr("payload.n")),
    {"id": "big", "type": "control.if", "condition": expr("payload.n > 10"), "then": [assign("mark", big=True)]},
    action("tell", inputMapping={"n": expr("payload.n"), "key": {"$secret": "MAIL_KEY"}}),
]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    (root / "workflows").mkdir(parents=True)
    (root / "tests" / "deep").mkdir(parents=True)
    (root / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\nregistry: registry.yaml\n")
    (root / "registry.yaml").write_text(REGISTRY)
    (root / "workflows" / "w.json").write_bytes(canonical(bundle("w", STEPS)))
    (root / "tests" / "deep" / "w.yaml").write_text(TESTS)
    return root


def last(result: Result) -> str:
    return result.stdout.splitlines()[-1]


def fail(repo: Path) -> None:
    path = repo / "tests" / "deep" / "w.yaml"
    path.write_text(path.read_text().replace("vars: {n: 3}", "vars: {n: 4}"))


def test_all_pass(cli: CommandLine, repo: Path) -> None:
    result = cli("test", cwd=repo / "workflows")
    assert (result.code, result.stdout) == (0, "Tests: 2 passed, 0 failed, 0 errors.\n")
    assert result.stderr.startswith("wfsync: 2 tests in ")
    assert cli("-q", "test", cwd=repo).stderr == ""


def test_verbose_names_what_passes(cli: CommandLine, repo: Path) -> None:
    assert cli("-v", "test", cwd=repo).stdout.splitlines()[:2] == [
        "ok tests/deep/w.yaml:5 a small one [w v1]",
        "ok tests/deep/w.yaml:10 a big one [w v1]",
    ]


def test_a_failure_is_shown_as_a_difference(cli: CommandLine, repo: Path) -> None:
    fail(repo)
    result = cli("test", cwd=repo)
    assert result.code == 1
    assert (
        result.stdout
        == """\
FAIL tests/deep/w.yaml:5 a small one [w v1]
  vars.n  (tests/deep/w.yaml:8:17)
    - 4
    + 3
  steps: start → big → tell
  calls: mail.send@1 (tell) {"key": {"$secret": "MAIL_KEY"}, "n": 3}

Tests: 1 passed, 1 failed, 0 errors.
"""
    )


@pytest.mark.parametrize("path", ["tests", "tests/deep", "tests/deep/w.yaml", "."])
def test_paths(cli: CommandLine, repo: Path, path: str) -> None:
    (repo / "tests" / "other.json").write_text(json.dumps({"version": 1, "tests": [{"name": "x", "workflow": "w"}]}))
    result = cli("test", path, cwd=repo)
    expected = "1 failed" if path in {"tests", "."} else "0 failed"
    assert last(result) == f"Tests: 2 passed, {expected}, 0 errors."
    if path == "tests/deep":
        assert last(cli("test", repo / path, cwd=repo.parent)) == last(result)


def test_a_part_and_the_first_failure(cli: CommandLine, repo: Path) -> None:
    fail(repo)
    assert last(cli("test", "-k", "big and not small", cwd=repo)) == "Tests: 1 passed, 0 failed, 0 errors."
    stopped = cli("test", "-x", "--jobs", "2", cwd=repo)
    assert last(stopped) == "Tests: 0 passed, 1 failed, 0 errors."
    assert "1 not run" in stopped.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-k", "nothing"], 1, "NO_TESTS"),
        (["-k", "("], 64, "-k: something is missing"),
        (["tests/none.yaml"], 1, "FILE_MISSING"),
        (["wfsync.yaml"], 1, "INVALID_TEST"),
        (["--jobs", "0"], 64, "--jobs"),
        (["--fail-under", "101"], 64, "--fail-under"),
    ],
)
def test_nothing_to_run_is_an_error(cli: CommandLine, repo: Path, arguments: list[str], code: int, said: str) -> None:
    result = cli("test", *arguments, cwd=repo)
    assert (result.code, result.stdout) == (code, "")
    assert said in result.stderr


def test_a_repository_without_tests(cli: CommandLine, repo: Path) -> None:
    (repo / "tests" / "deep" / "w.yaml").unlink()
    result = cli("test", "--format", "json", cwd=repo)
    assert result.code == 1
    assert result.json()["errors"][0]["code"] == "NO_TESTS"


def test_faults_of_all_files_are_named_and_nothing_is_run(cli: CommandLine, repo: Path) -> None:
    (repo / "tests" / "a.yaml").write_text("version: 1\ntests: [{name: a}]\n")
    (repo / "tests" / "b.yaml").write_text("version: 1\ntest: []\n")
    result = cli("test", cwd=repo)
    assert (result.code, result.stdout) == (1, "")
    assert "tests/a.yaml:2:9: error INVALID_TEST: no workflow is named" in result.stderr
    assert 'tests/b.yaml:2:1: error INVALID_TEST: unknown property "test"; did you mean "tests"?' in result.stderr


def test_coverage(cli: CommandLine, repo: Path) -> None:
    result = cli("test", "-k", "small", "--coverage", cwd=repo)
    assert result.code == 0
    assert " 66.7%  w v1" in result.stdout
    assert "3/4 steps     1/2 branches" in result.stdout
    assert "workflows/w.json:" in result.stdout
    assert " step mark\n" in result.stdout
    assert "big: then\n" in result.stdout
    low = cli("test", "-k", "small", "--fail-under", "80", cwd=repo)
    assert low.code == 1
    assert "Coverage: 66.7% of steps and branches (too little: 80% wanted)." in low.stdout
    assert cli("test", "--fail-under", "100", cwd=repo).code == 0


def test_workflows_without_a_test_count(cli: CommandLine, repo: Path) -> None:
    (repo / "workflows" / "v.json").write_bytes(canonical(bundle("v", [assign("a", x=1)])))
    report = cli("test", "--coverage", "--format", "json", cwd=repo).json()["coverage"]
    assert [(one["workflow"], one["percent"]) for one in report["workflows"]] == [("v", 0.0), ("w", 100.0)]
    assert report["workflows"][0]["missed"][0]["step"] == "a"


def test_json(cli: CommandLine, repo: Path) -> None:
    fail(repo)
    document = cli("test", "--format", "json", cwd=repo).json()
    assert document["summary"] | {"seconds": 0} == {"tests": 2, "passed": 1, "failed": 1, "errors": 0, "seconds": 0}
    first, second = document["tests"]
    assert (first["id"], first["result"], first["version"]) == ("tests/deep/w.yaml::a small one", "failed", "v1")
    assert first["differences"] == [{"what": "vars.n", "place": "tests/deep/w.yaml:8:17", "expected": 4, "actual": 3}]
    assert first["path"] == ["start", "big", "tell"]
    assert second["result"] == "passed"


def test_junit(cli: CommandLine, repo: Path, tmp_path: Path) -> None:
    fail(repo)
    text = (repo / "tests" / "deep" / "w.yaml").read_text()
    (repo / "tests" / "z.yaml").write_text(text.replace("a big one", "<b>\\u202e & ]]>").replace("big: true", "big: 1"))
    result = cli("test", "--output", f"junit={tmp_path / 'tests.xml'}", cwd=repo)
    assert result.stdout.endswith("Tests: 1 passed, 3 failed, 0 errors.\n")
    suite: Any = ET.parse(tmp_path / "tests.xml").getroot()[0]  # noqa: S314 - written by the command under test
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "3", "0")
    cases = {(case.get("file"), case.get("line")): case for case in suite}
    failure = cases["tests/deep/w.yaml", "5"].find("failure")
    assert failure.get("message") == "vars.n not as expected"
    assert "    - 4\n    + 3\n" in failure.text
    assert cases["tests/deep/w.yaml", "10"].find("failure") is None


def test_secrets_of_tests_are_in_no_output(cli: CommandLine, repo: Path, tmp_path: Path) -> None:
    (repo / "tests" / "s.yaml").write_text(f"""\
version: 1
workflow: w
secrets: {{MAIL_KEY: {SECRET}}}
tests:
  - name: a
    payload: {{n: {SECRET}}}
    stubs: {{tell: {{fail: {{category: ActionError, message: "{SECRET} is wrong"}}}}}}
  - name: b
    payload: {{n: 1}}
    stubs: {{tell: {{fail: {{category: ActionError, message: "{SECRET} is wrong"}}}}}}
    expect: {{vars: {{n: {SECRET}}}}}
""")
    for form in ("text", "json", "junit"):
        result = cli("test", "tests/s.yaml", "--format", form, "--output", f"junit={tmp_path / 'x.xml'}", cwd=repo)
        assert result.code == 1
        assert SECRET not in result.output
        assert SECRET not in (tmp_path / "x.xml").read_text()
        assert "[SECRET:REDACTED] is wrong" in result.output


def test_what_tests_say_clears_no_terminal(cli: CommandLine, repo: Path) -> None:
    text = TESTS.replace("a small one", '"::error::\\e[2J"').replace("n: 3}", 'n: "\\e[2J"}', 1)
    (repo / "tests" / "deep" / "w.yaml").write_text(text)
    for form in ("text", "json", "junit"):
        result = cli("test", "--format", form, cwd=repo)
        assert result.code == 1
        assert "\x1b" not in result.output
        assert not any(line.lstrip().startswith("::") for line in result.stdout.splitlines())


# --------------------------------------------------------------------------------------------------- tests and bundles


@pytest.mark.parametrize("config", ["version: 1\ndirectory: .\nregistry: registry.yaml\n", None])
def test_tests_among_bundles_are_told_apart(cli: CommandLine, repo: Path, config: str | None) -> None:
    if config is None:
        (repo / "wfsync.yaml").unlink()
        (repo / "registry.yaml").unlink()
        tests = TESTS.replace("stubs: {mail.send: {output: {id: m-1}}}\n", "").replace("workflow: w", "workflow: plain")
        (repo / "tests" / "deep" / "w.yaml").write_text(tests.replace(", tell]", "]"))
        (repo / "plain.json").write_bytes(canonical(bundle("plain", STEPS[:2])))
    else:
        (repo / "wfsync.yaml").write_text(config)
    # A bundle that happens to lie there, and one that is called like a file of tests
    (repo / "tests" / "inner.json").write_bytes(canonical(bundle("inner", STEPS[:1])))
    validated = cli("validate", ".", "--format", "json", cwd=repo)
    assert validated.code == 0, validated.stdout
    assert validated.json()["summary"]["files"] == (2 if config else 3)
    assert last(cli("test", ".", cwd=repo)) == "Tests: 2 passed, 0 failed, 0 errors."
    # What is neither is a fault
    (repo / "tests" / "neither.yaml").write_text("version: 1\n")
    assert "tests/neither.yaml" in cli("validate", ".", cwd=repo).output


def test_tests_are_no_bundles_of_a_directory_beside_them(cli: CommandLine, repo: Path) -> None:
    assert cli("validate", "--format", "json", cwd=repo).json()["summary"]["files"] == 1
    (repo / "tests" / "bundle.json").write_bytes(canonical(bundle("inner", STEPS[:1])))
    assert cli("test", cwd=repo).code == 1


def test_a_file_of_tests_that_is_named_is_no_workflow(cli: CommandLine, repo: Path) -> None:
    for command in (["validate"], ["fmt", "--check"]):
        result = cli(*command, "tests/deep/w.yaml", "workflows/w.json", cwd=repo)
        assert result.code == 0, result.output


def test_the_schema_is_printed(cli: CommandLine, repo: Path) -> None:
    assert cli("schema", "test", cwd=repo).json()["$id"] == "urn:wfsync:schema:workflow-test.v1"
