"""`wfsync registry`, and the check of dependencies by the commands that would write."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import Databases
from git_repositories import GitRepository
from small_bundles import bundle, canonical, many, set_state
from wfsync.bundle.registry import parse_registry
from workplace import Workplace

TOP: Final = Path(__file__).parents[2]
SCHEMA: Final = json.loads((TOP / "schemas" / "registry.v1.schema.json").read_text(encoding="utf-8"))
REGISTRY: Final = """\
version: 1
actions:
  - { id: mail.send, version: 1, input: { type: object }, stub: { echo: true } }
  - { id: mail.send, version: 3 }
nodeTypes: [action.call, state.set]
schemas: [{ ref: payload.Ticket.v1, schema: { type: object } }, { ref: task.approval }]
"""


def sends(version: int) -> JsonObject:
    """A step that calls an action."""
    config = {"actionId": "mail.send", "version": version, "inputMapping": {}}
    return {"id": "send", "type": "action.call", "config": config}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A folder with a configuration, a registry and a workflow that it covers."""
    root = tmp_path / "repo"
    (root / "workflows").mkdir(parents=True)
    (root / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\nregistry: registry.yaml\n")
    (root / "registry.yaml").write_text(REGISTRY)
    put(root, bundle("a", [set_state(), sends(1)], versions=()))
    return root


def put(root: Path, tree: JsonObject) -> None:
    (root / "workflows" / f"{tree['workflows'][0]['key']}.json").write_bytes(canonical(tree))


def last(result: Result) -> str:
    return result.stdout.splitlines()[-1]


# ------------------------------------------------------------------------------------------------------------ plugins


def install(folder: Path, module: str, code: str, name: str = "acme", member: str = "plugin") -> dict[str, str]:
    """Make a module an installed package with an entry point; the environment in which it is found."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[wfsync.plugins]\n{name} = {module}:{member}\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}


SMALL: Final = """\
from wfsync.runtime.registry import Action, Plugin
print("loaded")
plugin = Plugin("ACME", (Action("acme.greet", 2, label="Greet", run=lambda given, context: "Hello"),))
"""


def test_an_installed_package_adds_its_entries(cli: CommandLine, tmp_path: Path) -> None:
    env = install(tmp_path / "site", "wfsync_acme", SMALL)
    result = cli("registry", "list", "--format", "json", env=env, cwd=tmp_path / "site")
    assert result.code == 0
    [greet] = [action for action in result.json()["actions"] if action["id"] == "acme.greet"]
    assert greet == {"id": "acme.greet", "version": 2, "label": "Greet", "origin": "ACME", "execution": "real"}
    assert result.stderr == "loaded\n"
    exported = cli("registry", "export", env=env, cwd=tmp_path / "site")
    assert ("acme.greet", 2) in parse_registry(exported.stdout.encode(), "registry.yaml").actions
    assert "lambda" not in exported.stdout


@pytest.mark.parametrize(
    ("code", "words"),
    [("import no_such_module_at_all\n", "No module named 'no_such_module_at_all'"), ("plugin = 3\n", "gives a int")],
)
def test_a_package_that_is_broken_is_named_and_the_rest_is_listed(
    cli: CommandLine, repo: Path, tmp_path: Path, code: str, words: str
) -> None:
    env = install(tmp_path / "site", "wfsync_acme", code)
    listed = cli("registry", "list", "--format", "json", env=env, cwd=repo)
    assert listed.code == 1
    [error] = listed.json()["errors"]
    assert (error["code"], error["details"]["distribution"]) == ("PLUGIN_FAILED", "wfsync-acme")
    assert words in error["message"]
    assert listed.json()["summary"]["node_types"] >= 8
    text = cli("registry", "list", env=env, cwd=repo)
    assert (text.code, "error PLUGIN_FAILED" in text.stderr) == (1, True)
    exported = cli("registry", "export", env=env, cwd=repo)
    assert (exported.code, exported.stdout) == (1, "")
    assert "wfsync: error PLUGIN_FAILED: 1 plugin cannot be used: acme" in exported.stderr
    assert "Traceback" not in text.output + exported.output
    assert cli("registry", "check", env=env, cwd=repo).code == 0, "names are checked without any plugin"


# --------------------------------------------------------------------------------------------------------------- list


def test_what_is_listed_is_what_the_instance_that_is_meant_has(cli: CommandLine, repo: Path) -> None:
    here = cli("registry", "list", "--format", "json", cwd=repo).json()
    there = cli("--database", "postgresql://nowhere.invalid/x", "registry", "list", "--format", "json", cwd=repo).json()
    how = [{(a["id"], a["version"]): a["execution"] for a in found["actions"]} for found in (here, there)]
    assert [found["mail.send", 1] for found in how] == ["stub", "none"]
    assert [found["mail.send", 3] for found in how] == ["none", "none"]
    assert [found["transform.parse_json", 1] for found in how] == ["real", "real"]
    assert (here["summary"]["stubs"], there["summary"]["stubs"]) == (1, 0)


def test_a_list_of_one_kind(cli: CommandLine, repo: Path) -> None:
    text = cli("registry", "list", "--kind", "schemas", cwd=repo)
    assert text.stdout.splitlines()[:3] == [
        "Payload schemas:",
        "  payload.Ticket.v1  schema     registry.yaml",
        "  task.approval      name only  registry.yaml",
    ]
    document = cli("registry", "list", "--kind", "nodeTypes", "--format", "json", cwd=repo).json()
    assert "actions" not in document
    assert "schemas" not in document
    assert {node["id"] for node in document["nodeTypes"]} >= {"state.set", "event.wait"}


def test_names_are_escaped(cli: CommandLine, repo: Path) -> None:
    (repo / "registry.yaml").write_text(REGISTRY.replace("mail.send, version: 3", '"x\\e[31m", version: 3'))
    listed = cli("registry", "list", cwd=repo).stdout
    assert "[31m" in listed
    assert "\x1b" not in listed


# ------------------------------------------------------------------------------------------------------------- export


def test_an_export_makes_the_same_check_elsewhere(cli: CommandLine, repo: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "from-production.yaml"
    target.parent.mkdir()
    done = cli("registry", "export", "--out", target, cwd=repo)
    assert (done.code, done.stdout.startswith("Exported ")) == (0, True)
    assert target.read_bytes() == cli("registry", "export", cwd=repo).stdout.encode(), "the same bytes each time"
    jsonschema.validate(yaml.safe_load(target.read_text()), SCHEMA)
    assert "stub" not in target.read_text()
    put(repo, bundle("b", [sends(2)], versions=()))
    put(repo, bundle("c", [{"id": "w", "type": "acme.wait"}], versions=()))
    own = cli("registry", "check", "--format", "json", cwd=repo)
    foreign = cli("registry", "check", target, "--format", "json", cwd=repo)
    assert (own.code, foreign.code) == (1, 1)
    assert own.json()["errors"] == foreign.json()["errors"]
    assert {e["key"] for e in own.json()["errors"]} == {"b", "c"}


def test_an_export_as_json(cli: CommandLine, repo: Path) -> None:
    assert cli("registry", "export", "--out", "out.json", cwd=repo).code == 0
    assert json.loads((repo / "out.json").read_bytes()) == json.loads(
        cli("registry", "export", "--format", "json", cwd=repo).stdout
    )
    assert cli("registry", "check", "out.json", cwd=repo).code == 0


def test_an_export_makes_no_folder(cli: CommandLine, repo: Path) -> None:
    refused = cli("registry", "export", "--out", "nowhere/registry.yaml", cwd=repo)
    assert (refused.code, (repo / "nowhere").exists()) == (1, False)
    assert "the folder nowhere does not exist" in refused.stderr


def test_an_export_replaces_the_repositorys_own_file_only_by_what_is_installed(cli: CommandLine, repo: Path) -> None:
    refused = cli("registry", "export", "--out", "registry.yaml", cwd=repo)
    assert refused.code == 64
    assert "stubs and comments would be lost" in refused.stderr
    assert (repo / "registry.yaml").read_text() == REGISTRY
    (repo / "registry.yaml").unlink()
    assert cli("registry", "export", "--installed", "--out", "registry.yaml", cwd=repo).code == 0
    names = parse_registry((repo / "registry.yaml").read_bytes(), "registry.yaml")
    assert "action.call" in names.node_types
    assert ("mail.send", 1) not in names.actions


# -------------------------------------------------------------------------------------------------------------- check


def test_a_registry_that_covers_everything(cli: CommandLine, repo: Path) -> None:
    result = cli("registry", "check", cwd=repo)
    assert (result.code, result.stderr) == (0, "")
    assert "note REGISTRY_UNUSED: no workflow here needs action mail.send version 3\n" in result.stdout
    assert last(result) == "Checked registry.yaml: 2 actions, 2 node types, 2 payload schemas; 1 workflow, 0 need more."
    assert cli("-q", "registry", "check", cwd=repo).stdout == f"{last(result)}\n"
    document = cli("registry", "check", "--format", "json", cwd=repo).json()
    assert document["summary"] == {
        "actions": 2,
        "node_types": 2,
        "schemas": 2,
        "workflows": 1,
        "lacking": 0,
        "unused": 1,
    }
    assert document["warnings"][0]["details"]["actions"] == [{"actionId": "mail.send", "version": 3}]


def test_what_is_missing_for_each_workflow(cli: CommandLine, repo: Path) -> None:
    put(repo, bundle("b", [sends(2), {"id": "w", "type": "acme.wait"}], versions=()))
    result = cli("registry", "check", cwd=repo)
    assert result.code == 1
    assert (
        "workflows/b.json: error MISSING_DEPENDENCIES: b: needs what the instance does not offer:"
        " action mail.send version 2; node type acme.wait\n"
        "    mail.send is offered in versions 1, 3; add it to the registry file if the instance has it, or install it"
        " there first\n"
    ) in result.stdout
    assert last(result).endswith("; 2 workflows, 1 need more.")
    [error] = cli("registry", "check", "--format", "json", cwd=repo).json()["errors"]
    assert error["details"]["missingByWorkflow"] == [
        {
            "workflowKey": "b",
            "missingActions": [{"actionId": "mail.send", "version": 2}],
            "missingNodeTypes": ["acme.wait"],
            "missingSchemaRefs": [],
        }
    ]


def test_a_file_among_the_bundles_is_none(cli: CommandLine, repo: Path) -> None:
    (repo / "workflows" / "production.yaml").write_text("version: 1\n")
    result = cli("registry", "check", "workflows/production.yaml", cwd=repo)
    assert result.code == 1
    assert last(result).endswith("0 actions, 0 node types, 0 payload schemas; 1 workflow, 1 need more.")


def test_a_wrong_file_is_named_with_all_its_faults(cli: CommandLine, repo: Path) -> None:
    wrong = "version: 1\nactions:\n  - { id: a, version: 0 }\n  - { id: b, version: 1, input: { type: x } }\n"
    (repo / "wrong.yaml").write_text(wrong)
    result = cli("registry", "check", "wrong.yaml", cwd=repo)
    assert result.code == 1
    assert "wrong.yaml:3:23: error INVALID_REGISTRY" in result.stderr
    assert "wrong.yaml:4:41: error INVALID_REGISTRY" in result.stderr
    document = cli("registry", "check", "wrong.yaml", "--format", "json", cwd=repo).json()
    assert [e["place"]["pointer"] for e in document["errors"]] == ["/actions/0/version", "/actions/1/input/type"]
    # The repository's own file is not the one that was asked about
    (repo / "registry.yaml").write_text("version: 9\n")
    (repo / "good.yaml").write_text(REGISTRY)
    assert cli("registry", "check", "good.yaml", cwd=repo).code == 0


def test_a_file_from_standard_input_and_outside_of_any_repository(cli: CommandLine, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    result = cli("registry", "check", "-", cwd=alone, stdin=REGISTRY.encode())
    assert result.code == 0
    assert result.stdout == "Checked <stdin>: 2 actions, 2 node types, 2 payload schemas.\n"
    assert "only the file itself was checked" in result.stderr


@pytest.mark.parametrize("args", [(), ("gone.yaml",)])
def test_no_file_to_check(cli: CommandLine, repo: Path, args: tuple[str, ...]) -> None:
    (repo / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\n")
    result = cli("registry", "check", *args, cwd=repo)
    assert result.code == 1
    assert "wfsync: error REGISTRY_MISSING" in result.stderr


def test_everything_comes_from_one_revision(cli: CommandLine, repo: Path) -> None:
    git = GitRepository.init(repo)
    first = git.commit()
    (repo / "registry.yaml").write_text("version: 1\n")
    put(repo, bundle("b", [sends(2)], versions=()))
    assert cli("registry", "check", cwd=repo).code == 1
    assert cli("registry", "check", "--rev", first, cwd=repo).code == 0
    assert cli("validate", cwd=repo).code == 1
    assert cli("validate", "--rev", first, cwd=repo).code == 0
    listed = cli("registry", "list", "--rev", first, "--format", "json", cwd=repo).json()
    assert listed["summary"]["stubs"] == 1


# ----------------------------------------------------------------------------------- the check of what would be written


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    """A folder with a registry, beside a database."""
    work = Workplace(cli, database("A"), tmp_path)
    work.configure("registry: registry.yaml\n")
    (work.folder / "registry.yaml").write_text(REGISTRY)
    return work


MISSING: Final = {"actionId": "mail.send", "version": 2}


def test_import_names_what_is_missing_and_writes_nothing(work: Workplace) -> None:
    (work.folder / "one.json").write_bytes(
        canonical(many(bundle("a", [sends(1)], versions=()), bundle("b", [sends(2)], versions=())))
    )
    document = work.fails(1, "import", "one.json", "--format", "json").json()
    assert [(e["code"], e["key"]) for e in document["errors"]] == [("MISSING_DEPENDENCIES", "b")]
    details = document["errors"][0]["details"]
    assert details["missingActions"] == [MISSING]
    assert details["missingByWorkflow"] == [
        {"workflowKey": "b", "missingActions": [MISSING], "missingNodeTypes": [], "missingSchemaRefs": []}
    ]
    text = work.fails(1, "import", "--force", "one.json").stderr
    assert "error MISSING_DEPENDENCIES: b: needs what the instance does not offer: action mail.send version 2" in text
    assert work.ids() == {}


def test_declared_and_derived_needs_count_and_control_does_not(work: Workplace) -> None:
    tree: Any = bundle("a", [sends(2)], versions=())
    needs = tree["workflows"][0]["dependencies"]
    needs["actions"] = [{"actionId": "only.declared", "version": 1}, {"actionId": "control.if", "version": 1}]
    needs["nodeTypes"] = ["control.if", "acme.declared", "action.call"]
    needs["schemaRefs"] = ["payload.Declared.v1"]
    work.write(tree)
    for command in ("plan", "apply"):
        document = work.fails(1, command, "--format", "json").json()
        details = document["errors"][0]["details"]
        assert details["missingActions"] == [MISSING, {"actionId": "only.declared", "version": 1}]
        assert details["missingNodeTypes"] == ["acme.declared"]
        assert details["missingSchemaRefs"] == ["payload.Declared.v1"]
    assert work.ids() == {}


def test_a_revision_is_checked_against_its_own_registry(work: Workplace) -> None:
    git = GitRepository.init(work.folder)
    work.write(bundle("a", [sends(1)], versions=()))
    first = git.commit()
    (work.folder / "registry.yaml").write_text("version: 1\n")
    second = git.commit(message="nothing is offered any more")
    (work.folder / "registry.yaml").write_text(REGISTRY)
    work.fails(1, "apply", "--rev", second)
    assert work.ids() == {}
    (work.folder / "registry.yaml").write_text("version: 1\n")
    work.ok("apply", "--rev", first)
    assert set(work.ids()) == {"a"}


def test_a_schema_that_is_none_stops_a_plan_as_any_fault_of_the_file(work: Workplace) -> None:
    work.write(bundle("a"))
    (work.folder / "registry.yaml").write_text(REGISTRY.replace("input: { type: object }", "input: { type: objekt }"))
    failed = work.fails(1, "plan")
    assert "registry.yaml:3:49: error INVALID_REGISTRY" in failed.stderr
