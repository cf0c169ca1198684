"""`wfsync validate`: every fault of every file in one run, at its place, in three forms."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bundles import bundle, call, canonical, put, spoilt
from command_line import CommandLine, Result
from git_repositories import GitRepository

CONFIG = "version: 1\ndirectory: workflows\n"
REGISTRY = """\
version: 1
nodeTypes: [state.set]
schemas: [{ref: payload.Ticket.v1}]
"""


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A folder with a configuration and two sound workflows."""
    root = tmp_path / "repo"
    root.mkdir()
    (root / "wfsync.yaml").write_text(CONFIG)
    put(root / "workflows", bundle("alpha", published={1: []}))
    put(root / "workflows" / "deep" / "er", bundle("beta", published={1: [call("alpha", 1)]}))
    return root


def last(result: Result) -> str:
    return result.stdout.splitlines()[-1]


def codes(result: Result, severity: str = "error") -> list[str]:
    document = result.json()
    return [p["code"] for p in (*document["errors"], *document["warnings"]) if p["severity"] == severity]


def test_sound_files(cli: CommandLine, repo: Path) -> None:
    result = cli("validate", cwd=repo / "workflows")
    assert (result.code, result.stderr) == (0, "")
    assert last(result) == "Validated 2 files: 0 errors, 0 warnings."
    assert "note DEPENDENCIES_UNCHECKED" in result.stdout


def test_quiet_leaves_errors_and_the_count(cli: CommandLine, repo: Path) -> None:
    assert cli("-q", "validate", cwd=repo).stdout == "Validated 2 files: 0 errors, 0 warnings.\n"
    put(repo / "workflows", spoilt(bundle("gamma"), "metadata/isPaused", 1))
    result = cli("-q", "validate", cwd=repo)
    assert "gamma.json:" in result.stdout
    assert last(result) == "Validated 3 files: 1 error, 0 warnings."


def test_every_fault_of_every_file_at_its_place(cli: CommandLine, repo: Path) -> None:
    (repo / "workflows" / "broken.json").write_bytes(b'{\n  "format": oops\n}\n')
    put(repo / "workflows", spoilt(bundle("two"), "metadata/isPaused", "no") | {"extra": 1})
    put(repo / "workflows", {**bundle("old"), "formatVersion": 2})
    put(repo / "workflows", bundle("other"), name="misnamed.json")
    put(repo / "workflows", spoilt(bundle("rate"), "metadata/failureRateThreshold", "0.555"))
    result = cli("validate", "--format", "json", cwd=repo)
    assert result.code == 1
    errors = result.json()["errors"]
    assert {(e["place"]["file"], e["code"]) for e in errors} == {
        ("workflows/broken.json", "INVALID_BUNDLE"),
        ("workflows/two.json", "SCHEMA_VALIDATION_FAILED"),
        ("workflows/old.json", "UNSUPPORTED_FORMAT_VERSION"),
        ("workflows/misnamed.json", "KEY_FILENAME_MISMATCH"),
        ("workflows/rate.json", "INVALID_VALUE"),
    }
    assert [e["place"]["pointer"] for e in errors if e["place"]["file"] == "workflows/two.json"] == [
        "/extra",
        "/workflows/0/metadata/isPaused",
    ]
    broken = next(e for e in errors if e["code"] == "INVALID_BUNDLE")
    assert (broken["place"]["line"], broken["place"]["column"]) == (2, 13)
    assert result.json()["summary"] == {"files": 7, "errors": 6, "warnings": 0, "notes": 0}
    text = cli("validate", cwd=repo)
    assert text.code == 1
    assert "workflows/broken.json:2:13: error INVALID_BUNDLE:" in text.stdout
    assert "    at /workflows/0/metadata/isPaused\n" in text.stdout
    assert last(text) == "Validated 7 files: 6 errors, 0 warnings."


def test_problems_come_in_the_order_of_files_and_lines(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", spoilt(spoilt(bundle("b"), "key", "X"), "metadata/isVisible", 0), name="b.json")
    put(repo / "workflows", spoilt(bundle("a"), "draft", None))
    places = [e["place"] for e in cli("validate", "--format", "json", cwd=repo).json()["errors"]]
    assert places == sorted(places, key=lambda p: (p["file"], p["line"], p["column"]))
    assert len(places) == 3


def test_a_key_in_two_files_names_both_places(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows" / "copy", bundle("alpha"))
    [error] = cli("validate", "--format", "json", cwd=repo).json()["errors"]
    assert error["code"] == "DUPLICATE_KEY"
    files = {error["place"]["file"], *(p["file"] for p in error["related"])}
    assert files == {"workflows/alpha.json", "workflows/copy/alpha.json"}
    assert all(p["line"] and p["pointer"] == "/workflows/0/key" for p in (error["place"], *error["related"]))


def test_two_files_outside_any_repository_are_one_set(cli: CommandLine, tmp_path: Path) -> None:
    one = put(tmp_path / "one", bundle("alpha"))
    two = put(tmp_path / "two", bundle("alpha"))
    result = cli("validate", one, two, "--format", "json")
    assert codes(result) == ["DUPLICATE_KEY"]
    assert {p["file"] for p in (result.json()["errors"][0]["place"], *result.json()["errors"][0]["related"])} == {
        "one/alpha.json",
        "two/alpha.json",
    }


def test_what_the_registry_lacks(cli: CommandLine, repo: Path) -> None:
    (repo / "wfsync.yaml").write_text(CONFIG + "registry: registry.yaml\n")
    (repo / "registry.yaml").write_text(REGISTRY)
    assert codes(cli("validate", "--format", "json", cwd=repo), "note") == []
    put(repo / "workflows", bundle("gamma", draft=[{"id": "x", "type": "acme.custom"}]))
    result = cli("validate", "--format", "json", cwd=repo)
    [error] = result.json()["errors"]
    assert error["code"] == "MISSING_DEPENDENCIES"
    assert error["details"]["missingByWorkflow"] == [
        {"workflowKey": "gamma", "missingActions": [], "missingNodeTypes": ["acme.custom"], "missingSchemaRefs": []}
    ]
    assert error["place"]["pointer"] == "/workflows/0/dependencies"
    assert error["place"]["line"] > 1


@pytest.mark.parametrize(("content", "code"), [("version: 2\n", "INVALID_REGISTRY"), (None, "REGISTRY_MISSING")])
def test_a_bad_registry_does_not_hide_the_faults_of_files(
    cli: CommandLine, repo: Path, content: str | None, code: str
) -> None:
    (repo / "wfsync.yaml").write_text(CONFIG + "registry: registry.yaml\n")
    if content is not None:
        (repo / "registry.yaml").write_text(content)
    put(repo / "workflows", spoilt(bundle("gamma"), "draft/draftVersion", 2**40))
    result = cli("validate", "--format", "json", cwd=repo)
    assert result.code == 1
    assert sorted(codes(result)) == sorted([code, "INVALID_VALUE"])


def test_a_called_version_that_the_callee_lacks(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", bundle("caller", draft=[call("alpha", 9)], published={4: [call("alpha", 7)]}))
    result = cli("validate", "--format", "json", cwd=repo)
    assert result.code == 1
    [error] = result.json()["errors"]
    [warning] = [w for w in result.json()["warnings"] if w["severity"] == "warning"]
    assert {error["code"], warning["code"]} == {"MISSING_REFERENCE"}
    assert error["place"]["pointer"] == "/workflows/0/publishedVersions/0/definition/steps/0/workflowVersion"
    assert warning["place"]["pointer"] == "/workflows/0/draft/definition/steps/0/workflowVersion"
    assert error["details"]["callerVersion"] == 4
    line = (repo / "workflows" / "caller.json").read_text().splitlines()[error["place"]["line"] - 1]
    assert line.strip() == '"workflowVersion": 7'


def test_only_a_draft_calling_is_a_warning(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", bundle("caller", draft=[call("alpha", 9)]))
    result = cli("validate", cwd=repo)
    assert result.code == 0
    assert last(result) == "Validated 3 files: 0 errors, 1 warning."


def test_a_callee_elsewhere_is_one_note(cli: CommandLine, repo: Path) -> None:
    for key in ("c1", "c2"):
        put(repo / "workflows", bundle(key, published={1: [call("in.database", 3), call("in.database", 4, "again")]}))
    result = cli("validate", "--format", "json", cwd=repo)
    assert result.code == 0
    [note] = [w for w in result.json()["warnings"] if w["code"] == "REFERENCE_UNCHECKED"]
    assert note["severity"] == "note"
    assert note["details"] == {"callee": "in.database", "callers": ["c1", "c2"]}


def test_ids_of_the_origin_are_understood(cli: CommandLine, repo: Path) -> None:
    origin = "6a0b9d7e-9f7c-4f0e-8f3a-0d6b6a1f2c3d"
    put(repo / "workflows", spoilt(bundle("callee", published={1: []}), "draft/definition/id", origin))
    put(repo / "workflows", bundle("caller", published={1: [call(origin, 2)]}))
    [error] = cli("validate", "--format", "json", cwd=repo).json()["errors"]
    assert (error["code"], error["details"]["callee"]) == ("MISSING_REFERENCE", "callee")


def test_unsound_definitions(cli: CommandLine, repo: Path) -> None:
    twice: list[dict[str, Any]] = [{"id": "x", "type": "state.set"}] * 2
    put(repo / "workflows", bundle("gamma", draft=twice, published={1: twice}))
    result = cli("validate", "--format", "json", cwd=repo)
    assert (codes(result), codes(result, "warning")) == (["INVALID_DEFINITION"], ["INVALID_DEFINITION"])
    (repo / "wfsync.yaml").write_text(CONFIG + "policy: {definitions: warn}\n")
    result = cli("validate", "--format", "json", cwd=repo)
    assert (result.code, codes(result, "warning")) == (0, ["INVALID_DEFINITION"] * 2)


def test_github_annotations(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", spoilt(bundle("gamma"), "metadata/isPaused", "a,b:c%\n::error::x"))
    put(repo / "workflows", bundle("caller", draft=[call("alpha", 9)]))
    result = cli("validate", "--format", "github", cwd=repo)
    assert result.code == 1
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in result.stdout.splitlines())
    [error] = [line for line in result.stdout.splitlines() if line.startswith("::error")]
    assert error.startswith("::error file=workflows/gamma.json,line=")
    assert "title=SCHEMA_VALIDATION_FAILED::" in error
    assert result.stderr == "wfsync: Validated 4 files: 1 error, 0 warnings.\n"


def test_github_paths_are_those_of_the_checkout(cli: CommandLine, repo: Path) -> None:
    put(repo / "workflows", spoilt(bundle("gamma"), "metadata/isPaused", 0))
    result = cli("validate", "--format", "github", cwd=repo, env={"GITHUB_WORKSPACE": str(repo.parent)})
    assert result.stdout.startswith("::error file=repo/workflows/gamma.json,")


def test_named_files_and_folders(cli: CommandLine, repo: Path, tmp_path: Path) -> None:
    put(repo / "workflows", spoilt(bundle("gamma"), "draft", 1))
    assert last(cli("validate", repo / "workflows" / "alpha.json")) == "Validated 1 file: 0 errors, 0 warnings."
    assert last(cli("validate", repo / "workflows" / "deep")) == "Validated 1 file: 0 errors, 0 warnings."
    both = cli("validate", repo / "workflows" / "alpha.json", repo / "workflows", "repo/workflows/gamma.json")
    assert last(both) == "Validated 3 files: 1 error, 0 warnings."
    # the repository's root means its configured directory
    (repo / "package.json").write_text("{}")
    assert last(cli("validate", repo)) == "Validated 3 files: 1 error, 0 warnings."


def test_what_is_named_must_be_there(cli: CommandLine, repo: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "link.json").symlink_to(repo / "workflows" / "alpha.json")
    names: list[str | Path] = ["nothing.json", "empty", "notes.txt", "link.json", repo / "workflows" / "alpha.json"]
    result = cli("validate", *names, "--format", "json")
    assert result.code == 1
    assert {(e["code"], e["place"]["file"]) for e in result.json()["errors"]} == {
        ("FILE_MISSING", "nothing.json"),
        ("EMPTY_DIRECTORY", "empty"),
        ("REPOSITORY_FILE_NAME", "notes.txt"),
        ("REPOSITORY_SYMLINK", "link.json"),
    }


def test_a_pipe_is_not_waited_for(cli: CommandLine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    assert codes(cli("validate", "pipe.json", "--format", "json")) == ["REPOSITORY_SPECIAL_FILE"]
    assert codes(cli("validate", ".", "--format", "json")) == ["REPOSITORY_SPECIAL_FILE"]


def test_the_repositorys_own_files_are_no_workflows(cli: CommandLine, repo: Path) -> None:
    (repo / "wfsync.yaml").write_text(CONFIG + "registry: registry.yaml\n")
    (repo / "registry.yaml").write_text(REGISTRY)
    result = cli("validate", "wfsync.yaml", "registry.yaml", "workflows/alpha.json", cwd=repo)
    assert (result.code, last(result)) == (0, "Validated 1 file: 0 errors, 0 warnings.")
    (repo / "registry.yaml").write_text("nonsense")
    assert "INVALID_REGISTRY" in cli("validate", "registry.yaml", cwd=repo).stdout
    (repo / "wfsync.yaml").write_text("version: 1\ndirektory: x\n")
    assert "INVALID_CONFIG" in cli("validate", "wfsync.yaml", cwd=repo).stdout


def test_an_empty_or_missing_directory(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "wfsync.yaml").write_text(CONFIG)
    assert codes(cli("validate", "--format", "json")) == ["MISSING_DIRECTORY"]
    (tmp_path / "workflows").mkdir()
    result = cli("validate")
    assert result.code == 1
    assert "EMPTY_DIRECTORY" in result.stdout


def test_a_bundle_of_many_is_a_fault(cli: CommandLine, repo: Path) -> None:
    many = bundle("many")
    many["workflows"] += bundle("more")["workflows"]
    put(repo / "workflows", many)
    result = cli("validate", cwd=repo)
    assert "exactly one workflow" in result.stdout
    assert "wfsync import" in result.stdout


def test_a_revision(cli: CommandLine, tmp_path: Path) -> None:
    repo = GitRepository.init(tmp_path / "r")
    repo.write("wfsync.yaml", CONFIG.encode())
    repo.write("workflows/alpha.json", canonical(bundle("alpha")))
    repo.commit()
    repo.write("workflows/alpha.json", b"{")
    assert cli("validate", cwd=repo.path).code == 1
    result = cli("validate", "--rev", "HEAD", cwd=repo.path)
    assert (result.code, last(result)) == (0, "Validated 1 file: 0 errors, 0 warnings.")
    named = cli("validate", "--rev", "HEAD", "workflows/alpha.json", cwd=repo.path)
    assert (named.code, last(named)) == (0, "Validated 1 file: 0 errors, 0 warnings.")
    assert "FILE_MISSING" in cli("validate", "--rev", "HEAD", "workflows/beta.json", cwd=repo.path).stdout
    assert last(cli("validate", "--rev", "HEAD", "workflows", cwd=repo.path)).startswith("Validated 1 file: 0 errors")
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    assert cli("validate", "--rev", "main", "bare.git").code == 0
    assert codes(cli("validate", "bare.git", "--format", "json")) == ["BARE_REPOSITORY"]
    missing = cli("validate", "--rev", "nowhere", cwd=repo.path)
    assert (missing.code, "REVISION_NOT_FOUND" in missing.output) == (1, True)


def test_ignored_files_count_only_when_they_are_named(cli: CommandLine, tmp_path: Path) -> None:
    repo = GitRepository.init(tmp_path / "r")
    repo.write("wfsync.yaml", CONFIG.encode())
    repo.write(".gitignore", b"scratch.json\n")
    repo.write("workflows/alpha.json", canonical(bundle("alpha")))
    repo.commit()
    repo.write("workflows/scratch.json", b"{")
    assert last(cli("validate", cwd=repo.path)) == "Validated 1 file: 0 errors, 0 warnings."
    assert last(cli("validate", "workflows/scratch.json", cwd=repo.path)) == "Validated 1 file: 1 error, 0 warnings."


def test_many_files_are_checked_in_several_processes(cli: CommandLine, repo: Path) -> None:
    for number in range(450):
        put(repo / "workflows", bundle(f"w{number:04d}"))
    put(repo / "workflows", spoilt(bundle("bad"), "draft", 1))
    result = cli("validate", cwd=repo)
    assert last(result) == "Validated 453 files: 1 error, 0 warnings."


def test_notes_by_the_dozen_are_counted(cli: CommandLine, repo: Path) -> None:
    for number in range(5):
        put(repo / "workflows", spoilt(bundle(f"w{number}"), "dependencies/nodeTypes", []))
    assert codes(cli("validate", "--format", "json", cwd=repo), "note").count("DEPENDENCIES_DIFFER") == 5
    text = cli("validate", cwd=repo).stdout
    assert text.count("note DEPENDENCIES_DIFFER") == 4
    assert "2 more of these notes" in text
    assert cli("-v", "validate", cwd=repo).stdout.count("note DEPENDENCIES_DIFFER") == 5


def test_help_has_an_example(cli: CommandLine) -> None:
    text = cli("validate", "--help").stdout
    assert "Example:" in text
    assert "--rev REV" in text
    assert "[text|json|github|junit]" in text


def test_allowances_that_excuse_nothing_are_noted(cli: CommandLine, repo: Path) -> None:
    leak = {"id": "leak", "type": "state.set", "config": {"apiKey": "abc123def456"}}
    put(repo / "workflows", bundle("leaky", published={1: [leak]}))
    with (repo / "wfsync.yaml").open("a") as settings:
        settings.write("policy:\n  secrets: error\n  secrets_allowed:\n")
        for entry in ("leaky#/workflows/0/publishedVersions/*/apiKey", "leaky", "alpha", "leaky#/nowhere", "nobody.*"):
            settings.write(f'    - "{entry}"\n')
    result = cli("validate", "--format", "json", cwd=repo)
    assert result.code == 0, result.output
    unused = [p for p in result.json()["warnings"] if p["code"] == "SECRET_ALLOWANCE_UNUSED"]
    assert {p["severity"] for p in unused} == {"note"}
    assert [p["message"].split("'")[1] for p in unused] == ["alpha", "leaky#/nowhere", "nobody.*"]
    assert unused[0]["place"]["file"] == "wfsync.yaml"
    # Of a part nobody can tell
    for part in ("workflows/alpha.json", "workflows/deep"):
        assert "SECRET_ALLOWANCE_UNUSED" not in cli("-v", "validate", part, cwd=repo).output


def expression_step(text: str) -> dict[str, Any]:
    return {"id": "set", "type": "transform.assign", "config": {"assign": {"vars.a": {"$expr": text}}}}


def test_every_expression_is_checked_at_its_place_in_the_file(cli: CommandLine, repo: Path) -> None:
    draft, published = [expression_step("payload.é & $evil(1)")], [expression_step("'\"quoted\"' == == 1")]
    put(repo / "workflows", bundle("gamma", draft=draft, published={1: published}))
    result = cli("validate", "--format", "json", cwd=repo)
    assert result.code == 1
    (error,), (warning,) = result.json()["errors"], result.json()["warnings"]
    assert (error["code"], warning["code"]) == ("INVALID_DEFINITION", "INVALID_DEFINITION")
    assert error["place"]["pointer"].endswith("/publishedVersions/0/definition/steps/0/config/assign/vars.a/$expr")
    assert error["details"]["stepPath"] == "root.steps[0]"
    assert (error["details"]["reason"], error["details"]["offset"]) == ("INVALID_EXPR", 14)
    assert "at character 15 of 18: '=' is not expected here" in error["message"]
    lines = (repo / "workflows" / "gamma.json").read_text("utf-8").splitlines()
    # the column counts the two backslashes before it, which the text does not have
    assert lines[error["place"]["line"] - 1][error["place"]["column"] - 1 :].startswith("== 1")
    assert lines[error["place"]["line"] - 1][error["place"]["column"] - 4 :].startswith("== == 1")
    assert lines[warning["place"]["line"] - 1][warning["place"]["column"] - 1 :].startswith("$evil(1)")
    assert "$evil" in warning["message"]


def test_the_policy_makes_warnings_of_faulty_expressions(cli: CommandLine, repo: Path) -> None:
    (repo / "wfsync.yaml").write_text(f"{CONFIG}policy:\n  definitions: warn\n")
    put(repo / "workflows", bundle("gamma", published={1: [expression_step("1 +")]}))
    result = cli("validate", cwd=repo)
    assert result.code == 0
    assert last(result) == "Validated 3 files: 0 errors, 1 warning."


def test_without_the_runtime_expressions_are_not_checked(cli: CommandLine, repo: Path, tmp_path: Path) -> None:
    put(repo / "workflows", bundle("gamma", published={1: [expression_step("1 +")]}))
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text("import sys\nsys.modules['jsonata'] = None\n")
    without = {"PYTHONPATH": str(tmp_path / "without")}
    result = cli("validate", cwd=repo, env=without, covered=False)
    assert result.code == 0
    assert result.stderr == "wfsync: expressions were not checked: that needs JSONata (pip install 'wfsync[runtime]')\n"
    assert cli("-q", "validate", cwd=repo, env=without, covered=False).stderr == ""
    # what was found sound without them is not taken for sound with them, and the other way round
    assert cli("validate", cwd=repo).code == 1
    assert cli("validate", cwd=repo, env=without, covered=False).code == 0
    assert cli("validate", cwd=repo).code == 1
