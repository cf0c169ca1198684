"""`plan` and `apply`: what they show, in every format, what they ask consent for, and how they end (spec: cli.md)."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any, Final

import jsonschema
import psycopg
import pytest

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import Databases, LayoutName
from small_bundles import bundle, call, set_state
from workplace import Workplace

SCHEMA: Final = json.loads((Path(__file__).parents[2] / "schemas/plan.v1.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    """``place("A")``: a folder beside a database in a layout."""

    def at(layout: LayoutName = "wfsync") -> Workplace:
        work = Workplace(cli, database(layout), tmp_path)
        work.configure()
        return work

    return at


@pytest.fixture
def changed(place: Any) -> Workplace:
    """An instance with three workflows, and files of which one is new, two differ and one stays."""
    return changing(place())


def changing(work: Workplace) -> Workplace:
    work.write(bundle("a", [set_state("OLD")]), bundle("b", versions=(1, 2)), bundle("c", [call("b")]))
    work.ok("apply")
    work.write(
        bundle("a", [set_state("NEW"), set_state("MORE", "more")], versions={1: [set_state("OLD")]}),
        bundle("b", versions=(1, 2, 3), description="now with words"),
        bundle("n"),
    )
    return work


def validated(result: Result) -> JsonObject:
    """The document on stdout, which the schema of plans must allow."""
    document: JsonObject = result.json()
    jsonschema.validate(document, SCHEMA)
    return document


def errors(document: JsonObject) -> list[tuple[str, str | None]]:
    return [(error["code"], error["key"]) for error in document["errors"]]


# ------------------------------------------------------------------------------------------------------------- plan


def test_a_plan_names_target_source_changes_and_refusals_and_ends_with_the_line_to_grep(changed: Workplace) -> None:
    rows = changed.everything()
    text = changed.ok("plan").stdout
    assert text.startswith(f"Target: {_display(changed)}, tenant 11111111-1111-4111-8111-111111111111, layout wfsync\n")
    assert f"Source: {changed.folder}, folder workflows, not in git\n" in text
    assert "Overwrite: replace\n" in text
    lines = text.splitlines()
    assert "~ a  overwrite  changed in git" in lines
    assert '    ~ draft.steps[mark].config.state: "OLD" → "NEW"' in lines
    assert "    + draft.steps[more]: state.set; at top level after mark" in lines
    assert '    ~ metadata.description: null → "now with words"' in lines
    assert "~ c  relink     calls b, which would get a new id" in lines
    assert "+ n  create     not in the database" in lines
    assert "    ! deletes 1 workflow_definition_versions" in lines
    assert "Apply would refuse this plan:" in lines
    assert "! WORKFLOW_KEY_CONFLICT: a: exists and differs; overwriting needs --force" in lines
    assert lines[-1] == "Plan: 1 to create, 2 to overwrite, 0 to delete, 1 to relink, 0 unchanged."
    assert re.fullmatch("Digest: [0-9a-f]{64}", lines[-2])
    assert changed.everything() == rows


def _display(work: Workplace) -> str:
    return work.ok("db", "url").stdout.strip()


def test_the_same_in_json(changed: Workplace) -> None:
    ids = changed.ids()
    plan = validated(changed.ok("plan", "--format", "json"))
    assert plan["format_version"] == "1.0"
    assert plan["summary"] == {"create": 1, "overwrite": 2, "delete": 0, "relink": 1, "unchanged": 0}
    by_key = {change["key"]: change for change in plan["changes"]}
    assert [(c["key"], c["action"], c["workflow_id"]) for c in plan["changes"]] == [
        ("a", "overwrite", ids["a"]), ("b", "overwrite", ids["b"]), ("c", "relink", ids["c"]), ("n", "create", None),
    ]  # fmt: skip
    assert by_key["a"]["file"] == "workflows/a.json"
    assert {"op": "change", "path": "draft.steps[mark].config.state", "old": "OLD", "new": "NEW"}.items() <= by_key[
        "a"
    ]["paths"][0].items()
    assert by_key["n"]["before_digest"] is None
    assert by_key["n"]["after_digest"] is not None
    assert by_key["b"]["versions"] == [1, 2, 3]
    assert by_key["b"]["cascades"] == [
        {"table": "workflow_definition_versions", "effect": "deleted", "rows": 2, "capped": False}
    ]
    assert [(b["code"], b["key"], b["details"]["existingWorkflowId"]) for b in plan["blocks"]] == [
        ("WORKFLOW_KEY_CONFLICT", "a", ids["a"]), ("WORKFLOW_KEY_CONFLICT", "b", ids["b"]),
    ]  # fmt: skip
    assert plan["errors"] == []


def test_the_same_as_a_comment(changed: Workplace) -> None:
    text = changed.ok("plan", "--format", "markdown").stdout
    assert text.startswith("<!-- wfsync:plan ")
    assert text.endswith("Plan: 1 to create, 2 to overwrite, 0 to delete, 1 to relink, 0 unchanged.\n")
    assert "| 1 | 2 | 0 | 1 | 0 |" in text
    assert "<details><summary><code>a</code>:" in text


def test_other_formats_go_to_files_in_the_same_run(changed: Workplace) -> None:
    text = changed.ok(
        "plan", "--output", "json=plan.json", "--output", "markdown=plan.md", "--output", "plan.txt"
    ).stdout
    read = {name: (changed.folder / name).read_text(encoding="utf-8") for name in ("plan.json", "plan.md", "plan.txt")}
    assert read["plan.txt"] == text
    assert validated(Result(0, read["plan.json"], ""))["summary"]["overwrite"] == 2
    assert read["plan.md"].startswith("<!-- wfsync:plan ")
    failed = changed.fails(1, "plan", "--output", "json=missing/plan.json")
    assert "cannot write missing/plan.json: No such file or directory" in failed.stderr


def test_exit_codes_of_a_plan(changed: Workplace) -> None:
    changed.ok("plan")
    changed.fails(2, "plan", "--detailed-exitcode")
    changed.fails(2, "plan", "--detailed-exitcode", "--format", "json")
    changed.ok("apply", "--force")
    changed.ok("plan", "--detailed-exitcode")
    (changed.folder / "workflows/a.json").write_text("{")
    changed.fails(1, "plan", "--detailed-exitcode")
    changed.fails(64, "plan", "--detailed-exitcod")
    changed.fails(64, "plan", "--format", "xml")
    changed.fails(64, "plan", "--overwrite", "merge")


def test_a_plan_that_cannot_be_made_is_a_document_too(changed: Workplace) -> None:
    (changed.folder / "workflows/a.json").write_text('{"format": "alga-psa.workflow-bundle", "formatVersion": 1}')
    (changed.folder / "workflows/b.json").write_text("[1,")
    failed = changed.fails(1, "plan", "--format", "json")
    document = validated(failed)
    assert document["summary"] is None
    assert document["changes"] == []
    assert errors(document)[0] == ("INVALID_BUNDLE", None)
    assert {error["place"]["file"] for error in document["errors"]} == {"workflows/a.json", "workflows/b.json"}
    failed = changed.fails(1, "--database", "postgresql://nobody:secret@/x?host=/nowhere", "plan", "--format", "json")
    assert len(validated(failed)["errors"]) >= 1
    assert "secret" not in failed.output


# ------------------------------------------------------------------------------------------------------- consent


def test_without_force_nothing_is_written_and_every_conflict_is_named(changed: Workplace) -> None:
    rows = changed.everything()
    ids = changed.ids()
    refused = changed.fails(3, "apply", "--format", "json")
    document = validated(refused)
    assert errors(document) == [("WORKFLOW_KEY_CONFLICT", "a"), ("WORKFLOW_KEY_CONFLICT", "b")]
    assert [error["details"] for error in document["errors"]] == [
        {"workflowKey": key, "existingWorkflowId": ids[key]} for key in ("a", "b")
    ]
    assert "outcome" not in document
    assert document["summary"]["create"] == 1
    text = changed.fails(3, "apply")
    assert text.stdout.endswith("Plan: 1 to create, 2 to overwrite, 0 to delete, 1 to relink, 0 unchanged.\n")
    for key in ("a", "b"):
        assert f"! WORKFLOW_KEY_CONFLICT: {key}: exists and differs; overwriting needs --force" in text.stdout
    assert "error WORKFLOW_KEY_CONFLICT: nothing was written: 2 workflows may not be changed like this" in text.stderr
    assert changed.everything() == rows


@pytest.mark.parametrize("layout", ["wfsync", "A½", "B"])
def test_replace_deletes_the_row_and_its_runs_and_says_so(place: Any, layout: LayoutName) -> None:
    work = changing(place(layout))
    ids = work.ids()
    for status in ("SUCCEEDED", "FAILED", "CANCELED"):
        work.add_run(ids["b"], status)
    work.add_run(ids["c"], "SUCCEEDED")
    before = work.everything()
    plan = work.ok("plan").stdout
    assert "    ! deletes 2 workflow_definition_versions, 3 workflow_runs\n" in plan
    done = validated(work.ok("apply", "--force", "--format", "json"))
    now = work.ids()
    assert {key for key in ids if ids[key] != now[key]} == {"a", "b"}
    outcome = done["outcome"]
    assert sorted(outcome["deleted_ids"]) == sorted([ids["a"], ids["b"]])
    assert [(a["key"], a["action"], a["workflow_id"], a["previous_id"]) for a in outcome["applied"]] == [
        ("a", "overwritten", now["a"], ids["a"]),
        ("b", "overwritten", now["b"], ids["b"]),
        ("c", "relinked", now["c"], None),
        ("n", "created", now["n"], None),
    ]
    assert outcome["versions_written"] == 5
    assert [str(run["workflow_id"]) for run in work.rows("SELECT workflow_id FROM workflow_runs")] == [ids["c"]]
    old = {row["version_id"] for row in before["workflow_definition_versions"] if str(row["workflow_id"]) != ids["c"]}
    assert not old & {row["version_id"] for row in work.everything()["workflow_definition_versions"]}


@pytest.mark.parametrize("layout", ["wfsync", "A½", "B"])
def test_update_keeps_ids_runs_and_equal_versions(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    work.write(bundle("a", versions={1: [set_state("ONE")], 2: [set_state("TWO")], 3: [set_state("THREE")]}))
    work.ok("apply")
    (identity,) = work.ids().values()
    work.add_run(identity, "SUCCEEDED")
    work.rows(
        "UPDATE workflow_definitions SET payload_schema_provenance = 'inferred', validation_status = 'error',"
        " validation_errors = '[1]', validated_at = now(), created_by = gen_random_uuid()"
    )
    work.rows("UPDATE workflow_definition_versions SET validation_status = 'ok', validated_at = now()")
    before = work.everything()
    changed = bundle(
        "a", versions={1: [set_state("ONE")], 3: [set_state("III")], 4: [set_state("FOUR")]}, isPaused=True
    )
    work.write(changed)
    plan = work.ok("plan", "--overwrite", "update").stdout
    assert "deletes" not in plan
    done = work.ok("apply", "--force", "--overwrite", "update").stdout
    assert "~ a  overwritten, id " in done
    assert "deleted" not in done.replace("0 deleted", "")
    after = work.everything()
    (row,), (old,) = after["workflow_definitions"], before["workflow_definitions"]
    assert row["workflow_id"] == old["workflow_id"]
    assert (row["payload_schema_provenance"], row["created_by"], row["created_at"]) == (
        "inferred", old["created_by"], old["created_at"],
    )  # fmt: skip
    assert [row[f"validat{name}"] for name in ("ion_status", "ion_errors", "ion_warnings", "ed_at")] == [None] * 4
    assert row["updated_at"] > old["updated_at"]
    versions, olds = ({v["version"]: v for v in s["workflow_definition_versions"]} for s in (after, before))
    assert sorted(versions) == [1, 3, 4]
    assert versions[1] == olds[1], "an equal version is not even rewritten"
    assert versions[3]["version_id"] == olds[3]["version_id"]
    assert versions[3]["published_at"] == olds[3]["published_at"]
    assert versions[3]["validation_status"] is None
    assert versions[4]["published_at"] is not None
    assert len(work.rows("SELECT 1 FROM workflow_runs")) == 1
    work.ok("plan", "--detailed-exitcode")


def test_status_follows_the_versions(place: Any) -> None:
    work = place("A")
    work.write(bundle("draft", versions=()), bundle("published"))
    work.ok("apply")
    query = "SELECT key, status FROM workflow_definitions ORDER BY key"
    assert [row["status"] for row in work.rows(query)] == ["draft", "published"]
    work.write(bundle("draft"), bundle("published", versions=()))
    work.ok("apply", "--force", "--overwrite", "update")
    assert [row["status"] for row in work.rows(query)] == ["published", "draft"]


@pytest.mark.parametrize("overwrite", ["replace", "update"])
def test_unfinished_runs_block_unless_allowed(changed: Workplace, overwrite: str) -> None:
    ids = changed.ids()
    for status, key in (("RUNNING", "a"), ("WAITING", "a"), ("QUEUED", "b"), ("SUCCEEDED", "b"), ("RUNNING", "c")):
        changed.add_run(ids[key], status)
    rows = changed.everything()
    mode = ("--force", "--overwrite", overwrite)
    assert (
        "! ACTIVE_RUNS: a: has runs that are not finished: 1 RUNNING, 1 WAITING"
        in changed.ok("plan", "--overwrite", overwrite).stdout
    )
    refused = validated(changed.fails(4, "apply", *mode, "--format", "json"))
    assert [(e["code"], e["key"], e["details"]["activeRuns"]) for e in refused["errors"]] == [
        ("ACTIVE_RUNS", "a", {"RUNNING": 1, "WAITING": 1}), ("ACTIVE_RUNS", "b", {"QUEUED": 1}),
    ]  # fmt: skip
    assert changed.everything() == rows
    changed.fails(3, "apply", "--allow-running")
    changed.ok("apply", *mode, "--allow-running")
    left = changed.rows("SELECT status FROM workflow_runs")
    assert len(left) == (1 if overwrite == "replace" else 5)


def test_the_brake_of_an_expected_digest(changed: Workplace) -> None:
    digest = changed.ok("plan", "--format", "json").json()["digest"]
    rows = changed.everything()
    stale = changed.fails(3, "apply", "--force", "--expect-digest", "0" * 64, "--format", "json")
    assert errors(validated(stale)) == [("STALE_PLAN", None)]
    changed.fails(3, "apply", "--force", "--overwrite", "update", "--expect-digest", digest)
    assert changed.everything() == rows
    changed.ok("apply", "--force", "--expect-digest", digest)


def test_overwrite_is_what_the_configuration_says_unless_the_command_does(changed: Workplace) -> None:
    changed.configure("overwrite: update\n")
    assert "Overwrite: update\n" in changed.ok("plan").stdout
    assert "Overwrite: replace\n" in changed.ok("plan", "--overwrite", "replace").stdout


# ----------------------------------------------------------------------------------------------------- selection


def test_only_what_is_selected_is_looked_at(changed: Workplace) -> None:
    def keys(*options: str) -> set[str]:
        return {c["key"] for c in changed.ok("plan", "--format", "json", *options).json()["changes"]}

    assert keys("--select", "[an]") == {"a", "n"}
    assert keys("--select", "a", "--select", "n") == {"a", "n"}
    assert keys("--exclude", "b", "--exclude", "a") == {"n"}
    assert keys("--select", "*", "--exclude", "b") == {"a", "n"}
    assert keys("--select", "b") == {"b", "c"}, "whoever calls a replaced workflow is relinked, selected or not"
    nothing = changed.fails(1, "plan", "--select", "nothing")
    assert "NOTHING_SELECTED: no workflow of the repository matches the selection" in nothing.stderr
    changed.ok("apply", "--select", "n")
    assert sorted(changed.ids()) == ["a", "b", "c", "n"]


def test_one_folder_of_the_repository(place: Any) -> None:
    work = place("A")
    work.write(bundle("a"), under="workflows/one")
    work.write(bundle("b"), under="workflows/two")
    assert work.ok("plan", "workflows/one").stdout.endswith(
        "Plan: 1 to create, 0 to overwrite, 0 to delete, 0 to relink, 0 unchanged.\n"
    )
    assert work.ok("plan", work.folder).stdout.endswith(
        "Plan: 2 to create, 0 to overwrite, 0 to delete, 0 to relink, 0 unchanged.\n"
    )
    assert "MISSING_DIRECTORY" in work.fails(1, "plan", "workflows/three").stderr


# --------------------------------------------------------------------------------------------------------- faults


def test_a_lock_that_somebody_holds_is_exit_code_5(changed: Workplace) -> None:
    rows = changed.everything()
    with psycopg.connect(changed.database.conninfo) as other:
        other.execute("SELECT FROM workflow_definitions WHERE key = 'a' FOR UPDATE")
        failed = changed.fails(5, "--lock-timeout", "0.2", "apply", "--force", "--format", "json")
        assert errors(validated(failed)) == [("LOCK_TIMEOUT", None)]
        text = changed.fails(5, "--lock-timeout", "0.2", "apply", "--force").stderr
        assert "error LOCK_TIMEOUT" in text
    assert changed.everything() == rows


def test_an_apply_waits_for_a_lock(changed: Workplace) -> None:
    with psycopg.connect(changed.database.conninfo) as other:
        other.execute("SELECT FROM workflow_definitions WHERE key = 'a' FOR UPDATE")
        results: list[Result] = []
        apply = threading.Thread(target=lambda: results.append(changed("apply", "--force")))
        apply.start()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while not changed.rows(waiting):
            assert apply.is_alive(), results
        other.rollback()
        apply.join(30)
    assert results[0].code == 0, results[0].output


def test_a_database_without_tables_is_read_as_empty_and_never_written(place: Any) -> None:
    work = place("empty")
    work.write(bundle("a"))
    plan = validated(work.ok("plan", "--format", "json"))
    assert plan["summary"]["create"] == 1
    assert [w["message"] for w in plan["warnings"] if w["code"] == "LAYOUT"] == [
        "the database has no workflow tables; they are read as empty"
    ]
    assert "the database has no workflow tables" in work.ok("plan").stdout
    failed = work.fails(1, "apply")
    assert "wfsync db upgrade" in failed.stderr
    assert work.rows("SELECT relname FROM pg_class WHERE relname LIKE 'workflow%%'") == []
    assert "there is no workflow" in work.fails(1, "export", "--all", "--bundle", "-").stderr
    work.ok("db", "upgrade")
    work.ok("apply")
    work.ok("plan", "--detailed-exitcode")


@pytest.mark.parametrize("exists", [False, True])
def test_a_missing_or_empty_directory_never_means_nothing_is_wanted(place: Any, exists: bool) -> None:
    work = place("A")
    if exists:
        (work.folder / "workflows").mkdir()
    for command in ("plan", "apply"):
        failed = work.fails(1, command)
        assert "workflows" in failed.stderr
        assert failed.stdout == ""


def test_what_the_registry_lacks_is_named_for_machines(place: Any) -> None:
    work = place("A")
    work.configure("registry: registry.yaml\n")
    (work.folder / "registry.yaml").write_text(
        "version: 1\nactions: [{id: mail.send, version: 1}]\nnodeTypes: [action.call]\nschemas: []\n"
    )
    act = {"id": "x", "type": "action.call", "config": {"actionId": "mail.send", "version": 2, "inputMapping": {}}}
    work.write(bundle("a", [act], versions=()), bundle("b", [set_state(), act], versions=()))
    document = validated(work.fails(1, "apply", "--format", "json"))
    assert errors(document) == [("MISSING_DEPENDENCIES", "a"), ("MISSING_DEPENDENCIES", "b")]
    action, ref = {"actionId": "mail.send", "version": 2}, "payload.Ticket.v1"
    assert document["errors"][0]["details"] == {
        "missingByWorkflow": [
            {"workflowKey": "a", "missingActions": [action], "missingNodeTypes": [], "missingSchemaRefs": [ref]},
            {
                "workflowKey": "b",
                "missingActions": [action],
                "missingNodeTypes": ["state.set"],
                "missingSchemaRefs": [ref],
            },
        ],
        "missingActions": [action],
        "missingNodeTypes": ["state.set"],
        "missingSchemaRefs": [ref],
    }
    text = work.fails(1, "plan").stderr
    assert "workflows/b.json: error MISSING_DEPENDENCIES: b: needs what the instance does not offer: " in text
    assert "offer: action mail.send version 2; node type state.set; schema payload.Ticket.v1\n" in text
    assert work.ids() == {}


def test_without_a_registry_the_check_is_reported_as_not_done(place: Any) -> None:
    work = place("A")
    work.write(bundle("a"))
    assert "DEPENDENCIES_UNCHECKED" in work.ok("-v", "plan").output
