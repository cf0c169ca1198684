"""`examples/repo`: it shows all that the format can say, and every command that its files and README promise works."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from command_line import CommandLine
from corpus_edits import JsonObject, dependencies, steps_of
from wfsync.bundle.declared import parse_declared
from wfsync.bundle.load import LoadOptions, load
from wfsync.bundle.registry import parse_registry
from wfsync.bundle.yaml_text import read_yaml
from wfsync.bundle.yaml_write import write_yaml

REPO: Final = Path(__file__).parents[2] / "examples" / "repo"
FILES: Final = sorted(path for path in (REPO / "workflows").rglob("*") if path.is_file())
STEP_TYPES: Final = {
    "action.call",
    "control.callWorkflow",
    "control.forEach",
    "control.if",
    "control.return",
    "control.tryCatch",
    "email.parseBody",
    "email.renderCommentBlocks",
    "event.wait",
    "human.task",
    "state.set",
    "time.wait",
    "transform.assign",
}


def _read(path: Path) -> JsonObject:
    data = path.read_bytes()
    bundle: JsonObject = json.loads(data) if path.suffix == ".json" else read_yaml(data, file=path.name).tree
    return bundle


WORKFLOWS: Final[dict[str, JsonObject]] = {path.stem: _read(path)["workflows"][0] for path in FILES}


def _definitions(workflow: JsonObject) -> list[JsonObject]:
    return [holder["definition"] for holder in (workflow["draft"], *workflow["publishedVersions"])]


def _steps() -> Iterator[JsonObject]:
    for workflow in WORKFLOWS.values():
        for definition in _definitions(workflow):
            yield from (step for _, _, step in steps_of(definition["steps"]))


def _published(workflow: JsonObject) -> list[int]:
    return [version["version"] for version in workflow["publishedVersions"]]


# ------------------------------------------------------------------------------------------------- what the files show


def test_a_dozen_workflows_of_different_trades() -> None:
    assert len(WORKFLOWS) >= 12
    assert len({path.parent for path in FILES}) >= 5
    assert [path.suffix for path in FILES].count(".yaml") == 1


def test_every_step_type_and_every_kind_of_trigger() -> None:
    kinds = {(workflow["metadata"]["trigger"] or {"type": "none"})["type"] for workflow in WORKFLOWS.values()}
    assert {step["type"] for step in _steps()} == STEP_TYPES
    assert kinds == {"event", "schedule", "recurring", "none"}


@pytest.mark.parametrize(
    ("step_type", "field"),
    [
        ("action.call", "retry"),
        ("action.call", "onError"),
        ("control.if", "else"),
        ("control.forEach", "concurrency"),
        ("control.forEach", "onItemError"),
        ("control.tryCatch", "captureErrorAs"),
        ("control.callWorkflow", "inputMapping"),
        ("control.callWorkflow", "outputMapping"),
        ("control.callWorkflow", "retry"),
    ],
)
def test_optional_fields_of_steps(step_type: str, field: str) -> None:
    assert any(field in step for step in _steps() if step["type"] == step_type)


@pytest.mark.parametrize(
    ("node_type", "fields"),
    [
        ("action.call", {"saveAs", "idempotencyKey", "inputMapping", "onError"}),
        ("event.wait", {"filters", "correlationKey", "timeoutMs", "assign"}),
        ("time.wait", {"durationMs", "until"}),
        ("human.task", {"description", "contextData", "assign"}),
    ],
)
def test_optional_settings_of_nodes(node_type: str, fields: set[str]) -> None:
    shown: set[str] = set().union(*(step["config"] for step in _steps() if step["type"] == node_type))
    assert fields <= shown


def test_every_way_to_be_published() -> None:
    drafts = {key: w["draft"]["draftVersion"] for key, w in WORKFLOWS.items()}
    versions = {key: _published(w) for key, w in WORKFLOWS.items()}
    assert any(not numbers for numbers in versions.values()), "one without a published version"
    assert any(len(numbers) >= 3 for numbers in versions.values()), "one with several"
    assert any(numbers and drafts[key] > max(numbers) for key, numbers in versions.items()), "a draft ahead"
    assert any(numbers and drafts[key] == max(numbers) for key, numbers in versions.items()), "a draft not ahead"
    assert any(v["payloadSchemaJson"] for w in WORKFLOWS.values() for v in w["publishedVersions"])


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("payloadSchemaMode", {"pinned", "inferred"}),
        ("isPaused", {True, False}),
        ("isSystem", {True, False}),
        ("isVisible", {True, False}),
        ("autoPauseOnFailure", {True, False}),
    ],
)
def test_every_value_of_a_setting(field: str, values: set[Any]) -> None:
    assert {workflow["metadata"][field] for workflow in WORKFLOWS.values()} == values


def test_settings_that_may_be_null_are_shown_both_ways() -> None:
    for field in ("retentionPolicyOverride", "failureRateThreshold", "concurrencyLimit", "description", "trigger"):
        assert {w["metadata"][field] is None for w in WORKFLOWS.values()} == {True, False}, field


def test_a_secret_is_a_reference_never_a_value() -> None:
    assert "$secret" in json.dumps(WORKFLOWS)


def test_calls_name_versions_that_exist_and_close_a_cycle() -> None:
    calls: dict[str, set[str]] = {}
    for key, workflow in WORKFLOWS.items():
        for definition in _definitions(workflow):
            for _, _, step in steps_of(definition["steps"]):
                if step["type"] == "control.callWorkflow":
                    assert step["workflowVersion"] in _published(WORKFLOWS[step["workflowId"]]), (key, step["id"])
                    calls.setdefault(key, set()).add(step["workflowId"])
    assert any(key in callees for key, callees in calls.items()), "one calls itself"
    assert any(key in calls.get(callee, ()) for key, callees in calls.items() for callee in callees if callee != key), (
        "two call one another"
    )


# ----------------------------------------------------------------------------------------------------- that it is sound


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_sound_and_needs_nothing_that_the_registry_lacks(path: Path) -> None:
    registry = parse_registry((REPO / "registry.yaml").read_bytes(), "registry.yaml")
    syntax: Any = "json" if path.suffix == ".json" else "yaml"
    loaded = load(path.read_bytes(), syntax, path.name, LoadOptions(registry=registry), name=path.stem)
    assert loaded.problems == ()
    assert [(found.key, found.missing) for found in loaded.workflows] == [(path.stem, None)]


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".json"], ids=lambda path: path.name)
def test_json_is_canonical_by_another_serialiser(path: Path) -> None:
    text = json.dumps(_read(path), sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    assert path.read_bytes() == text.encode()


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".yaml"], ids=lambda path: path.name)
def test_yaml_is_as_export_writes_it(path: Path) -> None:
    assert path.read_bytes() == write_yaml(_read(path))


@pytest.mark.parametrize("key", WORKFLOWS)
def test_declared_dependencies_are_the_derived_ones(key: str) -> None:
    assert WORKFLOWS[key]["dependencies"] == dependencies(WORKFLOWS[key])
    assert {definition["id"] for definition in _definitions(WORKFLOWS[key])} == {key}


def test_the_readme_tells_of_every_workflow() -> None:
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in FILES if f"]({path.relative_to(REPO).as_posix()})" not in readme] == []


# ---------------------------------------------------------------------------------------------- what it promises runs


class Shell:
    """A clone of `examples/repo` in git, in which lines of shell run with ``wfsync`` on the PATH."""

    def __init__(self, cli: CommandLine, folder: Path) -> None:
        self.folder = folder / "repo"
        programs = folder / "bin"
        programs.mkdir()
        program = programs / "wfsync"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m wfsync "$@"\n')
        program.chmod(0o755)
        self.environment = cli.environment()
        self.environment["PATH"] = f"{programs}:{self.environment['PATH']}"
        shutil.copytree(REPO, self.folder, ignore=shutil.ignore_patterns(".wfsync"))
        for command in ("git init -q", "git add .", "git commit -qm 'Start'"):
            assert self.run(command).returncode == 0

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run one line of shell; both streams are in ``stdout``."""
        return subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )

    def changed(self) -> str:
        """What git says has changed."""
        return self.run("git status --porcelain").stdout


@pytest.fixture
def shell(cli: CommandLine, tmp_path: Path) -> Shell:
    return Shell(cli, tmp_path)


def _pre_commit_lines() -> list[str]:
    hooks = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    return [hook["entry"] for hook in hooks]


@pytest.mark.parametrize("line", _pre_commit_lines())
def test_what_pre_commit_runs_works(line: str, shell: Shell) -> None:
    done = shell.run(line)
    assert done.returncode == 0, done.stdout
    assert shell.changed() == ""


def test_what_the_readme_says_to_try_works_on_the_embedded_server(shell: Shell) -> None:
    first, second = (
        [line.partition("#")[::2] for line in block.partition("```")[0].strip().splitlines()]
        for block in (REPO / "README.md").read_text(encoding="utf-8").split("```sh")[1:]
    )
    try:
        outputs = {command.strip(): _succeeds(shell, command, comment) for command, comment in first}
        assert (
            f"0 to create, 0 to overwrite, 0 to delete, 0 to relink, {len(WORKFLOWS)} unchanged."
            in outputs["wfsync plan"]
        )
        assert shell.changed() == ""
        edited = shell.folder / "workflows/support/support.ticket-triage.json"
        edited.write_bytes(edited.read_bytes().replace(b"Thank you for writing to us.", b"Thank you."))
        outputs = {command.strip(): _succeeds(shell, command, comment) for command, comment in second}
        assert "1 to overwrite" in outputs["wfsync plan"]
        assert "acknowledge" in outputs["wfsync plan"], "names the step that says something else"
        assert "support.ticket-triage" in outputs["wfsync apply"]
    finally:
        shell.run("wfsync db reset --yes")


def _succeeds(shell: Shell, command: str, comment: str) -> str:
    """Run a command of the README; what its comment calls refused must exit 3."""
    done = shell.run(command)
    assert done.returncode == (3 if comment.strip().startswith("refused") else 0), f"{command}\n{done.stdout}"
    return done.stdout


# ------------------------------------------------------------------------------------------------- what stands for it


def test_every_action_of_the_registry_has_a_stub_and_every_payload_a_schema() -> None:
    declared = parse_declared((REPO / "registry.yaml").read_bytes(), "registry.yaml")
    needed = {ref for workflow in WORKFLOWS.values() for ref in workflow["dependencies"]["schemaRefs"]}
    assert [action.id for action in declared.actions if not action.stub] == []
    assert needed <= {entry.ref for entry in declared.schemas if entry.schema is not None}


def test_payload_schemas_are_those_that_were_pinned_when_a_version_was_published() -> None:
    declared = parse_declared((REPO / "registry.yaml").read_bytes(), "registry.yaml")
    schemas = {entry.ref: entry.schema for entry in declared.schemas}
    pinned = {
        version["definition"]["payloadSchemaRef"]: version["payloadSchemaJson"]
        for workflow in WORKFLOWS.values()
        for version in sorted(workflow["publishedVersions"], key=lambda version: version["version"])
        if version["payloadSchemaJson"]
    }
    assert pinned
    assert {ref: schemas[ref] for ref in pinned} == pinned


# --------------------------------------------------------------------------------------------------------------- tests


def test_each_workflow_has_tests_that_try_every_step_and_branch(cli: CommandLine, tmp_path: Path) -> None:
    shutil.copytree(REPO, tmp_path / "team", ignore=shutil.ignore_patterns(".wfsync"))
    result = cli("test", "--coverage", "--format", "json", cwd=tmp_path / "team")
    report = result.json()
    assert (result.code, report["summary"]["failed"], report["summary"]["errors"]) == (0, 0, 0)
    covered = {(one["workflow"], one["version"]): one["percent"] for one in report["coverage"]["workflows"]}
    for key, workflow in WORKFLOWS.items():
        newest = max(_published(workflow), default=None)
        assert covered[key, "draft" if newest is None else f"v{newest}"] == 100.0, key
