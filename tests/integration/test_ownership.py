"""Drift, prune, brakes, other sources and renames, through the command line (spec: cli.md "Consent", issue 3)."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import Databases, LayoutName
from small_bundles import bundle, call, set_state
from workplace import Workplace

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
SCHEMA: Final = json.loads((SCHEMAS / "plan.v1.schema.json").read_text(encoding="utf-8"))
STATUS_SCHEMA: Final = json.loads((SCHEMAS / "status.v1.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    """``place("A")``: a folder beside a database in a layout."""

    def at(
        layout: LayoutName = "wfsync", folder: str = "ours", settings: str = "source: example.org/ours\n"
    ) -> Workplace:
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        work = Workplace(cli, database(layout), path)
        work.configure(settings)
        return work

    return at


def beside(work: Workplace, name: str, settings: str) -> Workplace:
    """Another repository for the same database."""
    path = work.folder.parent / name
    path.mkdir(exist_ok=True)
    other = Workplace(work.cli, work.database, path)
    other.configure(settings)
    return other


def edit_row(work: Workplace, key: str, text: str = "by hand") -> None:
    """What somebody does in the instance's own user interface."""
    work.rows(
        "UPDATE workflow_definitions SET description = %s, updated_at = now(),"
        " updated_by = '33333333-3333-4333-8333-333333333333' WHERE key = %s",
        text,
        key,
    )


def remove(work: Workplace, *keys: str) -> None:
    for key in keys:
        (work.folder / "workflows" / f"{key}.json").unlink()


def renamed(original: JsonObject, key: str) -> JsonObject:
    """The same workflow under another key, its ids left as they were."""
    new = deepcopy(original)
    new["workflows"][0]["key"] = key
    return new


def document(result: Result) -> JsonObject:
    value: JsonObject = result.json()
    jsonschema.validate(value, SCHEMA)
    return value


def status(work: Workplace, *args: str) -> JsonObject:
    found: JsonObject = work.ok("status", "--format", "json", *args).json()
    jsonschema.validate(found, STATUS_SCHEMA)
    return found


def plan(work: Workplace, *args: str) -> JsonObject:
    return document(work.ok("plan", "--format", "json", *args))


def refused(work: Workplace, code: int, *args: str) -> list[tuple[str, str | None]]:
    """Codes and keys of a refused apply, which writes nothing."""
    rows = work.everything()
    found = document(work.fails(code, "apply", "--format", "json", *args))
    assert work.everything() == rows
    return [(error["code"], error["key"]) for error in found["errors"]]


def keys(work: Workplace) -> list[str]:
    return sorted(work.ids())


# ------------------------------------------------------------------------------------------------------------ drift


@pytest.mark.parametrize("layout", ["wfsync", "A", "B"])
def test_what_somebody_changed_in_the_database_is_not_overwritten_unseen(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    work.write(bundle("a"), bundle("b"), bundle("c"))
    work.ok("apply")
    edit_row(work, "a")
    edit_row(work, "b")
    work.write(bundle("b", [set_state("NEW")]), bundle("c", [set_state("NEW")]))
    changes = {c["key"]: c for c in plan(work)["changes"]}
    assert {k: (c["state"], c["drift"]) for k, c in changes.items()} == {
        "a": ("database_changed", True),
        "b": ("both_changed", True),
        "c": ("git_changed", False),
    }
    assert changes["a"]["updated_by"] == "33333333-3333-4333-8333-333333333333"
    text = work.ok("plan").stdout
    assert (
        "loses what was changed in the database (the row was last updated by 33333333-3333-4333-8333-333333333333 at 20"
        in text
    )
    assert "! DRIFT: a: was changed in the database since the last apply" in text
    assert "DRIFT" in work.ok("plan", "--format", "markdown").stdout
    assert refused(work, 3, "--force") == [("DRIFT", "a"), ("DRIFT", "b")]
    assert refused(work, 3) == [
        ("WORKFLOW_KEY_CONFLICT", "a"), ("DRIFT", "a"), ("WORKFLOW_KEY_CONFLICT", "b"), ("DRIFT", "b"),
        ("WORKFLOW_KEY_CONFLICT", "c"),
    ]  # fmt: skip
    work.ok("apply", "--force", "--select", "c")  # the safe part
    done = work.ok("apply", "--force", "--on-drift", "overwrite").stdout
    assert done.endswith("Applied: 0 created, 2 overwritten, 0 deleted, 0 relinked, 1 unchanged.\n")
    assert plan(work)["summary"]["unchanged"] == 3


@pytest.mark.parametrize("layout", ["wfsync", "A½"])
def test_a_row_that_still_bears_our_own_mark_tells_nobody(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    work.rows("UPDATE workflow_definitions SET description = 'by hand'")  # whoever it was left no mark
    edit_row(work, "b")
    changes = {c["key"]: c for c in plan(work)["changes"]}
    assert {key: (c["drift"], c["updated_at"] is None) for key, c in changes.items()} == {
        "a": (True, True),
        "b": (True, False),
    }
    text = work.ok("plan").stdout
    assert "a: was changed in the database since the last apply (the row does not tell who did, nor when)" in text
    assert "b: was changed in the database since the last apply (the row was last updated by 3333" in text
    assert "a  changed in the database  changed in the database (the row does not" in work.ok("status").stdout
    assert "last apply (the row does not tell" in work.ok("plan", "--on-drift", "skip", "--select", "a").stdout
    work.ok("apply", "--force", "--on-drift", "overwrite")
    edit_row(work, "a")
    work.ok("apply", "--force", "--on-drift", "overwrite")  # which left the row's mark at its own time
    work.rows("UPDATE workflow_definitions SET name = 'by hand' WHERE key = 'a'")
    assert "(the row does not tell who did, nor when)" in work.ok("status").stdout
    assert "that apply (the row does not tell who did, nor when)" in work.ok("rollback", "last", "--dry-run").stdout


def test_drift_can_be_left_alone(place: Any) -> None:
    work = place()
    work.write(bundle("a"), bundle("b"), bundle("c", [call("a")]))
    work.ok("apply")
    edit_row(work, "a", "kept")
    work.write(bundle("a", [set_state("A")]), bundle("b", [set_state("B")]))
    made = plan(work, "--on-drift", "skip")
    assert [(c["key"], c["action"]) for c in made["changes"]] == [("b", "overwrite")]
    assert [(k["key"], k["why"], k["state"]) for k in made["kept"]] == [("a", "skipped", "both_changed")]
    assert made["summary"]["unchanged"] == 1
    text = work.ok("apply", "--force", "--on-drift", "skip").stdout
    assert (
        "= a  skipped  changed in git, and in the database since the last apply (the row was last updated by 3333"
        in text
    )
    assert work.rows("SELECT description FROM workflow_definitions WHERE key = 'a'") == [{"description": "kept"}]
    work.fails(3, "apply", "--force")


def test_export_takes_drift_into_git(place: Any) -> None:
    work = place()
    work.write(bundle("a"))
    work.ok("apply")
    edit_row(work, "a")
    work.ok("export", "a")
    made = plan(work)
    assert made["summary"] == {"create": 0, "overwrite": 0, "delete": 0, "relink": 0, "unchanged": 1}
    work.ok("apply")  # which renews what is managed: the next change in git is none of the database's
    work.write(bundle("a", [set_state("NEW")]))
    assert [c["state"] for c in plan(work)["changes"]] == ["git_changed"]


def test_the_embedded_database_is_somebodys_own(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    work = Workplace(cli, None, tmp_path)  # type: ignore[arg-type]  # no database is named
    work.configure()
    work.write(bundle("a"))
    try:
        assert cli("apply", cwd=tmp_path).code == 0
        address = cli("db", "url", cwd=tmp_path).stdout.strip()
        import psycopg

        with psycopg.connect(address, autocommit=True) as conn:
            conn.execute("UPDATE workflow_definitions SET description = 'by hand'")
        made = document(cli("plan", "--format", "json", cwd=tmp_path))
        assert made["on_drift"] == "overwrite"
        assert [c["drift"] for c in made["changes"]] == [True]
        assert cli("apply", "--force", "--on-drift", "fail", cwd=tmp_path).code == 3
        assert cli("apply", "--force", cwd=tmp_path).code == 0
    finally:
        cli("db", "stop", cwd=tmp_path)


# ------------------------------------------------------------------------------------------------------------ prune


@pytest.mark.parametrize("layout", ["wfsync", "A", "B-Citus"])
@pytest.mark.parametrize("mode", ["replace", "update"])
def test_prune_deletes_only_what_we_created(place: Any, layout: LayoutName, mode: str) -> None:
    work = place(layout)
    other = beside(work, "theirs", "source: example.org/theirs\n")
    other.write(bundle("theirs"))
    other.ok("apply")
    work.write(bundle("foreign"), bundle("taken"))
    work.ok("import", *sorted(map(str, (work.folder / "workflows").glob("*.json"))))
    work.write(bundle("taken", [set_state("NEW")]), bundle("equal"), bundle("ours"), bundle("stays"))
    remove(work, "foreign")
    work.ok("import", str(work.folder / "workflows" / "equal.json"))
    work.ok("apply", "--force", "--overwrite", mode)
    remove(work, "taken", "equal", "ours")
    assert plan(work)["summary"]["delete"] == 0
    made = plan(work, "--prune")
    assert [(c["key"], c["action"], c["state"]) for c in made["changes"]] == [
        ("ours", "delete", "database_only_managed")
    ]
    assert made["prune"] is True
    assert made["blocks"] == []
    done = work.ok("apply", "--prune", "--overwrite", mode).stdout
    assert "- ours  deleted, id " in done
    assert done.endswith("Applied: 0 created, 0 overwritten, 1 deleted, 0 relinked, 1 unchanged.\n")
    assert keys(work) == ["equal", "foreign", "stays", "taken", "theirs"]
    assert plan(work, "--prune")["summary"]["delete"] == 0
    work.write(bundle("ours"))
    work.ok("apply")
    assert "ours" in keys(work)


def test_a_row_of_somebody_else_with_our_key_is_not_ours(place: Any) -> None:
    work = place("A")
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    work.rows("UPDATE workflow_definitions SET workflow_id = gen_random_uuid() WHERE key = 'none'")
    work.rows("DELETE FROM workflow_definitions WHERE key = 'a'")
    file = work.folder / "workflows" / "a.json"
    work.ok("import", str(file))  # another row, whatever it holds
    remove(work, "a")
    assert plan(work, "--prune")["summary"]["delete"] == 0
    work.ok("apply", "--prune")
    assert keys(work) == ["a", "b"]


def test_prune_from_the_configuration_and_the_flag_against_it(place: Any) -> None:
    work = place(settings="source: example.org/ours\npolicy: {prune: true}\n")
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    remove(work, "a")
    assert plan(work)["summary"]["delete"] == 1
    assert plan(work, "--no-prune")["summary"]["delete"] == 0
    assert plan(work)["digest"] != plan(work, "--no-prune")["digest"]
    work.fails(2, "plan", "--detailed-exitcode")
    work.ok("apply")
    assert keys(work) == ["b"]


def test_selection_is_about_missing_keys_too(place: Any) -> None:
    work = place()
    work.write(bundle("a.1"), bundle("a.2"), bundle("b.1"))
    work.ok("apply")
    remove(work, "a.1", "b.1")
    assert [c["key"] for c in plan(work, "--prune", "--select", "b.*")["changes"]] == ["b.1"]
    assert [c["key"] for c in plan(work, "--prune", "--exclude", "b.*")["changes"]] == ["a.1"]
    assert plan(work, "--prune", "--select", "a.2")["summary"]["delete"] == 0
    assert "NOTHING_SELECTED" in work.fails(1, "plan", "--prune", "--select", "c.*").stderr
    assert "NOTHING_SELECTED" in work.fails(1, "plan", "--select", "b.*").stderr


def test_a_created_row_that_drifted_needs_consent(place: Any) -> None:
    work = place()
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    edit_row(work, "a")
    remove(work, "a")
    assert refused(work, 3, "--prune") == [("DRIFT", "a")]
    assert [k["why"] for k in plan(work, "--prune", "--on-drift", "skip")["kept"]] == ["skipped"]
    work.ok("apply", "--prune", "--on-drift", "skip")
    assert keys(work) == ["a", "b"]
    work.ok("apply", "--prune", "--on-drift", "overwrite")
    assert keys(work) == ["b"]


def test_an_unsound_or_empty_repository_never_prunes(place: Any) -> None:
    work = place()
    work.write(bundle("a"), bundle("b"), bundle("c"))
    work.ok("apply")
    path = work.folder / "workflows" / "a.json"
    text = path.read_bytes()
    path.write_bytes(b"{")
    remove(work, "b")
    work.fails(1, "apply", "--prune")
    path.unlink()
    (work.folder / "workflows" / "a.JSON").write_bytes(text)
    assert refused(work, 4, "--prune") == [("PRUNE_INCOMPLETE", None)]
    (work.folder / "workflows" / "a.JSON").unlink()
    remove(work, "c")
    work.fails(1, "apply", "--prune")
    assert keys(work) == ["a", "b", "c"]


def test_a_part_of_the_directory_never_prunes(place: Any) -> None:
    work = place(settings="source: example.org/ours\npolicy: {prune: true}\n")
    work.write(bundle("a"))
    work.write(bundle("b"), under="workflows/part")
    work.ok("apply")
    assert plan(work, "workflows/part")["summary"] == {
        "create": 0,
        "overwrite": 0,
        "delete": 0,
        "relink": 0,
        "unchanged": 1,
    }
    assert "--prune" in work.fails(64, "plan", "--prune", "workflows/part").stderr
    work.write(bundle("b", [set_state("NEW")]), under="workflows/part")
    work.ok("apply", "--force", "workflows/part")  # the part is the same source as the whole
    assert keys(work) == ["a", "b"]


def test_runs_of_a_pruned_workflow_are_counted_and_block(place: Any) -> None:
    work = place()
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    work.add_run(work.ids()["a"], "RUNNING")
    work.add_run(work.ids()["a"], "SUCCEEDED")
    remove(work, "a")
    (change,) = plan(work, "--prune")["changes"]
    assert {"table": "workflow_runs", "effect": "deleted", "rows": 2, "capped": False} in change["cascades"]
    assert refused(work, 4, "--prune") == [("ACTIVE_RUNS", "a")]
    work.ok("apply", "--prune", "--allow-running")
    assert work.rows("SELECT * FROM workflow_runs") == []


def test_a_workflow_that_is_still_called_stays_unless_its_callers_go_too(place: Any) -> None:
    work = place()
    work.write(bundle("callee"), bundle("caller", [call("callee")]), bundle("c"))
    work.ok("apply")
    remove(work, "callee")
    assert refused(work, 4, "--prune") == [("STILL_CALLED", "callee")]
    remove(work, "caller")
    work.ok("apply", "--prune")
    assert keys(work) == ["c"]


def test_a_caller_that_stops_calling_in_the_same_apply_does_not_block(place: Any) -> None:
    work = place()
    work.write(bundle("callee"), bundle("caller", [call("callee")]))
    work.ok("apply")
    remove(work, "callee")
    work.write(bundle("caller"))
    work.ok("apply", "--prune", "--force")
    assert keys(work) == ["caller"]


# ----------------------------------------------------------------------------------------------------------- brakes


def test_brakes_list_every_reason_and_the_safe_part_goes_on(place: Any) -> None:
    work = place(settings='source: example.org/ours\npolicy: {protected: ["system.*"], max_changes: 4}\n')
    work.write(*(bundle(f"a{n}") for n in range(4)))
    work.ok("apply")
    work.write(bundle("system.a"))
    work.ok("apply")
    remove(work, "a0", "a1", "a2", "a3", "system.a")
    work.write(bundle("n"))
    assert refused(work, 4, "--prune") == [("PROTECTED", "system.a"), ("MAX_CHANGES", None), ("MAX_DELETES", None)]
    assert refused(work, 4, "--prune", "--max-changes", "90%", "--max-deletes", "4", "--exclude", "system.*") == [
        ("MAX_CHANGES", None)
    ]
    text = work.ok("plan", "--prune").stdout
    assert (
        "! MAX_DELETES: 5 workflows would be deleted; the brake is at 3 (the larger of 3 and 30% of 5 managed" in text
    )
    work.ok("apply", "--prune", "--select", "a[012]")
    assert keys(work) == ["a3", "system.a"]
    work.ok("apply", "--prune", "--max-changes", "9", "--max-deletes", "100%", "--exclude", "system.*")
    assert keys(work) == ["n", "system.a"]
    work.write(bundle("system.a", [set_state("NEW")]))
    assert refused(work, 4, "--force") == [("PROTECTED", "system.a")]


def test_limits_are_checked_as_typed(place: Any) -> None:
    work = place()
    assert "neither a number" in work.fails(64, "plan", "--max-deletes", "many").stderr
    assert "neither a number" in work.fails(64, "plan", "--max-changes", "101%").stderr


# ---------------------------------------------------------------------------------------------------- other sources


def test_what_another_source_manages_is_refused(place: Any) -> None:
    work = place()
    other = beside(work, "theirs", "source: example.org/theirs\n")
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    other.write(bundle("a", [set_state("THEIRS")]), bundle("b"), bundle("c"))
    made = plan(other)
    (change,) = [c for c in made["changes"] if c["key"] == "a"]
    assert (change["state"], change["managed_by"]) == ("unmanaged_differs", "example.org/ours")
    assert refused(other, 4, "--force") == [("MANAGED_ELSEWHERE", "a")]
    other.ok("apply", "--select", "[bc]")
    remove(other, "b")
    remove(work, "b")
    assert plan(other, "--prune")["summary"]["delete"] == 0
    assert plan(work, "--prune")["summary"]["delete"] == 1


def test_a_folder_is_a_weak_source(place: Any) -> None:
    work = place(settings="")
    work.write(bundle("a"))
    work.ok("apply")
    moved = beside(work, "moved", "")
    moved.write(bundle("a", [set_state("NEW")]))
    assert refused(moved, 3) == [("WORKFLOW_KEY_CONFLICT", "a"), ("MANAGED_ELSEWHERE", "a")]
    moved.ok("apply", "--force")
    remove(moved, "a")
    moved.write(bundle("b"))
    assert plan(moved, "--prune")["summary"]["delete"] == 0  # taken over is not created


# ---------------------------------------------------------------------------------------------------------- renames


@pytest.mark.parametrize("layout", ["wfsync", "A½"])
def test_a_renamed_key_is_shown_as_such(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    old = bundle("old", [set_state("SAME"), call("old")])
    work.write(old, bundle("other"))
    work.ok("apply")
    remove(work, "old")
    new = renamed(old, "new")
    for definition in (new["workflows"][0]["draft"], *new["workflows"][0]["publishedVersions"]):
        definition["definition"]["steps"][1]["workflowId"] = "new"
    work.write(new)
    (change,) = plan(work)["changes"]
    assert (change["action"], change["reason"], change["renamed_from"]) == ("create", "renamed from old", "old")
    created, deleted = plan(work, "--prune")["changes"]
    assert (created["key"], created["renamed_from"]) == ("new", "old")
    assert (deleted["key"], deleted["renamed_to"], deleted["reason"]) == ("old", "new", "renamed to new; gone from git")
    assert "+ new  create     renamed from old" in work.ok("plan", "--prune").stdout
    work.ok("apply", "--prune")
    assert keys(work) == ["new", "other"]


def test_the_id_in_a_file_tells_a_rename_too(place: Any) -> None:
    work = place()
    work.write(bundle("old"), bundle("other"))
    work.ok("apply")
    remove(work, "old")
    work.write(bundle("new", [set_state("CHANGED")], identity=work.ids()["old"]), bundle("unlike"))
    found = {c["key"]: c["renamed_from"] for c in plan(work)["changes"]}
    assert found == {"new": "old", "unlike": None}


# ----------------------------------------------------------------------------------------------------------- status


@pytest.mark.parametrize("layout", ["wfsync", "B"])
def test_every_state(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    foreign = beside(work, "foreign", "")
    foreign.write(bundle("foreign"), bundle("differs"))
    foreign.ok("import", *sorted(map(str, (foreign.folder / "workflows").glob("*.json"))))
    names = ["sync", "git", "database", "both", "gone", "missing", "held"]
    work.write(*(bundle(name) for name in names))
    work.ok("apply")
    edit_row(work, "database")
    edit_row(work, "both")
    new = [set_state("NEW")]
    work.write(bundle("git", new), bundle("both", new), bundle("new"), bundle("differs", new), bundle("held", new))
    remove(work, "missing")
    work.rows("DELETE FROM workflow_definitions WHERE key = 'gone'")
    held = {c["key"]: c["after_digest"] for c in plan(work)["changes"]}["held"]
    work.rows("UPDATE wfsync.managed SET held = %s WHERE key = 'held'", held)
    rows = work.everything()
    found = status(work)
    assert {item["key"]: item["state"] for item in found["items"]} == {
        "both": "both_changed",
        "database": "database_changed",
        "differs": "unmanaged_differs",
        "foreign": "database_only_unmanaged",
        "git": "git_changed",
        "gone": "database_deleted",
        "held": "held",
        "missing": "database_only_managed",
        "new": "git_only",
        "sync": "in_sync",
    }
    assert found["summary"]["in_sync"] == 1
    assert found["errors"] == []
    assert found["source"]["name"] == "example.org/ours"
    text = work.ok("status").stdout
    assert "- missing   gone from git            apply --prune would delete it" in text
    assert "! database  changed in the database  changed in the database (the row was last updated by 33333333-" in text
    assert text.endswith(
        "Status: 1 in sync, 1 changed in git, 1 changed in the database, 1 changed in both, 1 only in git, 1 gone from"
        " the database, 1 gone from git, 1 only in the database, 1 differs, not ours, 1 held.\n"
    )
    assert work.everything() == rows
    # what is held is left alone, and said so, until its file is another one
    made = plan(work)
    assert [(k["key"], k["why"]) for k in made["kept"]] == [("held", "held")]
    assert "held" not in [c["key"] for c in made["changes"]]
    assert "= held  held  was rolled back" in work.ok("plan").stdout
    work.write(bundle("held", [set_state("NEWER")]))
    assert {i["key"]: i["state"] for i in work.ok("status", "--format", "json").json()["items"]}[
        "held"
    ] == "git_changed"


def test_status_says_what_a_prune_would_leave(place: Any) -> None:
    work = place(settings="source: example.org/ours\npolicy: { protected: ['kept.*'] }\n")
    work.write(bundle("goes"), bundle("kept.a"), bundle("edited"), bundle("called"), bundle("caller", [call("called")]))
    work.ok("apply")
    remove(work, "goes", "kept.a", "edited", "called")
    edit_row(work, "edited")
    work.write(bundle("other"))
    text = work.ok("status").stdout
    assert "- goes    gone from git            apply --prune would delete it\n" in text
    assert "kept from apply --prune: it is protected by kept.*\n" in text
    assert "kept from apply --prune: it was changed in the database; that needs --on-drift overwrite\n" in text
    assert "kept from apply --prune: caller calls it\n" in text
    items = {item["key"]: item for item in status(work)["items"]}
    assert {key for key, item in items.items() if item["prunable"] and item["stays"] is None} == {"goes"}
    # and that is what happens
    assert {key for _, key in refused(work, 3, "--prune", "--max-deletes", "9")} == {"kept.a", "edited", "called"}


def test_status_names_all_that_keeps_a_row_from_a_prune(place: Any) -> None:
    work = place(settings="source: example.org/ours\npolicy: { protected: ['goes'] }\n")
    work.write(*(bundle(f"caller{number}", [call("goes")]) for number in range(5)))
    work.write(bundle("goes", [call("goes")]), bundle("runs"))
    work.ok("apply")
    for key, runs in (("goes", "RUNNING"), ("runs", "WAITING"), ("runs", "WAITING"), ("runs", "SUCCEEDED")):
        work.add_run(work.ids()[key], runs)
    edit_row(work, "goes")
    remove(work, "goes", "runs")

    def stays() -> dict[str, str | None]:
        return {item["key"]: item["stays"] for item in status(work)["items"] if item["prunable"]}

    assert stays() == {
        "goes": "it is protected by goes; it was changed in the database; that needs --on-drift overwrite; it has runs"
        " that are not finished (1 RUNNING); that needs --allow-running; caller0, caller1, caller2 and 2 more call it",
        "runs": "it has runs that are not finished (2 WAITING); that needs --allow-running",
    }
    # who may not look at runs is told the rest
    work.rows(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'runless') THEN CREATE ROLE runless LOGIN;"
        " END IF; END $$; GRANT USAGE ON SCHEMA wfsync TO runless; GRANT SELECT ON ALL TABLES IN SCHEMA wfsync TO"
        " runless; GRANT SELECT ON ALL TABLES IN SCHEMA public TO runless; REVOKE SELECT ON workflow_runs FROM runless"
    )
    tenant = ("--tenant", work.database.tenant) if work.database.tenant else ()
    conninfo = f"{work.database.conninfo} user=runless"
    found = work.cli("--database", conninfo, *tenant, "status", "--format", "json", cwd=work.folder).json()
    assert {item["key"]: item["stays"] for item in found["items"] if item["prunable"]}["runs"] is None


def test_status_claims_no_change_in_git_where_policies_changed(place: Any) -> None:
    work = place()
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    work.write(bundle("b", [set_state("NEW")]))
    assert work.ok("status").stdout.endswith("Status: 1 in sync, 1 changed in git.\n")
    work.configure("source: example.org/ours\nfields: { database: [] }\n")
    text = work.ok("status").stdout
    assert "~ b  differs, base unknown    field policies or the overlay changed since the last apply" in text
    assert text.endswith("Status: 1 in sync, 1 differs, base unknown.\n")
    (item,) = [item for item in status(work)["items"] if item["key"] == "b"]
    assert (item["state"], item["base_known"]) == ("git_changed", False)


def test_status_counts_keys_that_several_rows_have(place: Any) -> None:
    work = place("B")
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    columns = "tenant, key, name, draft_definition"
    work.rows(
        f"INSERT INTO workflow_definitions ({columns}) SELECT {columns} FROM workflow_definitions WHERE key = 'a'"
    )
    assert work.fails(2, "status", "--detailed-exitcode").stdout.endswith("Status: 1 in sync, 1 ambiguous.\n")
    found = status(work)
    assert (found["ambiguous"], [item["key"] for item in found["items"]]) == (["a"], ["b"])
    assert status(work, "--select", "b")["ambiguous"] == []
    # also where it is the only key that is meant, and where its file is gone
    assert status(work, "--select", "a")["ambiguous"] == ["a"]
    remove(work, "a")
    assert work.fails(2, "status", "--detailed-exitcode").stdout.endswith("Status: 1 in sync, 1 ambiguous.\n")
    assert status(work, "--select", "b")["ambiguous"] == []
    assert plan(work)["errors"] == []
    for selection in ((), ("--select", "a")):
        assert refused(work, 3, "--prune", *selection) == [("AMBIGUOUS_KEY", "a")]
    assert plan(work, "--prune", "--select", "b")["errors"] == []


def test_a_key_that_was_never_to_be_pruned_is_in_nobodys_way_there(place: Any) -> None:
    work = place("B")
    work.write(bundle("other"), bundle("mine"), bundle("kept"))
    other = beside(work, "theirs", "source: example.org/theirs\n")
    other.write(bundle("theirs"))
    for each in (work, other):
        each.ok("apply")
    columns = "tenant, key, name, draft_definition"
    rows = f"SELECT {columns} FROM workflow_definitions WHERE key <> 'kept'"
    work.rows(f"INSERT INTO workflow_definitions ({columns}) {rows}")
    work.rows("UPDATE wfsync.managed SET origin = 'adopted' WHERE key = 'other'")
    work.rows("UPDATE wfsync.managed SET workflow_id = 'another row' WHERE key = 'mine'")
    remove(work, "other", "mine")
    assert status(work)["ambiguous"] == ["mine", "other"]
    assert plan(work, "--prune")["errors"] == []


def test_exit_codes_and_selection_of_status(place: Any) -> None:
    work = place()
    work.write(bundle("a"), bundle("b"))
    work.fails(2, "status", "--detailed-exitcode")
    work.ok("apply")
    work.ok("status", "--detailed-exitcode")
    remove(work, "b")
    work.fails(2, "status", "--detailed-exitcode")
    work.ok("status")
    work.ok("status", "--detailed-exitcode", "--select", "a")
    found = work.ok("status", "--select", "b", "--format", "json").json()
    assert [(i["key"], i["state"], i["origin"], i["prunable"]) for i in found["items"]] == [
        ("b", "database_only_managed", "created", True)
    ]
    assert "NOTHING_SELECTED" in work.fails(1, "status", "--select", "c").stderr
    (work.folder / "workflows" / "a.json").write_bytes(b"{")
    assert [e["code"] for e in work.fails(1, "status", "--format", "json").json()["errors"]] == ["INVALID_BUNDLE"]


def test_status_without_a_ledger_creates_none(place: Any) -> None:
    work = place("A")
    work.write(bundle("a"))
    found = work.ok("status", "--format", "json").json()
    assert (found["ledger"], [i["state"] for i in found["items"]]) == (False, ["git_only"])
    assert "There is no ledger" in work.ok("status").stdout
    assert work.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'wfsync'") == []


# ------------------------------------------------------------------------------------------------ adopt and release


@pytest.mark.parametrize("layout", ["wfsync", "A½"])
def test_adopt_takes_over_from_another_source_and_from_nobody(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    other = beside(work, "theirs", "source: example.org/theirs\n")
    other.write(bundle("a"), bundle("b"))
    other.ok("apply")
    work.write(bundle("mine"), bundle("loose"))
    work.ok("import", str(work.folder / "workflows" / "loose.json"))
    work.ok("apply", "--select", "mine")
    work.write(bundle("a", [set_state("OURS")]), bundle("b"), bundle("loose", [set_state("OURS")]))
    rows = work.everything()
    done = work.ok("adopt", "a", "b", "loose", "mine", "--format", "json").json()
    assert work.everything() == rows
    assert [(i["key"], i["action"], i["taken_from"], i["state"]) for i in done["items"]] == [
        ("a", "adopted", "example.org/theirs", "git_changed"),
        ("b", "adopted", "example.org/theirs", "in_sync"),
        ("loose", "adopted", None, "git_changed"),
        ("mine", "unchanged", None, "in_sync"),
    ]
    states = {i["key"]: (i["state"], i["origin"]) for i in work.ok("status", "--format", "json").json()["items"]}
    assert states == {
        "a": ("git_changed", "adopted"),
        "b": ("in_sync", "adopted"),
        "loose": ("git_changed", "adopted"),
        "mine": ("in_sync", "created"),
    }
    text = work.ok("adopt", "a").stdout
    assert text.endswith("a  is managed from here already\n\nAdopted: 0, 1 unchanged.\n")
    work.ok("apply", "--force")
    remove(work, "a", "b", "loose")
    assert plan(work, "--prune")["summary"]["delete"] == 0  # adopted, not created
    remove(other, "a")
    assert plan(other, "--prune")["summary"]["delete"] == 0  # theirs no more
    (recorded,) = work.rows("SELECT command, source FROM wfsync.applies WHERE apply_id::text = %s", done["apply_id"])
    assert recorded == {"command": "adopt", "source": "example.org/ours"}


def test_adopt_wants_file_and_row_and_says_all_that_is_missing(place: Any) -> None:
    work = place("A")
    work.write(bundle("file"), bundle("both"))
    work.ok("import", str(work.folder / "workflows" / "both.json"))
    work.write(bundle("row"))
    work.ok("import", str(work.folder / "workflows" / "row.json"))
    remove(work, "row")
    found = work.fails(1, "adopt", "file", "both", "row", "none", "--format", "json").json()
    assert [(e["code"], e["key"]) for e in found["errors"]] == [
        ("WORKFLOW_NOT_FOUND", "file"),
        ("WORKFLOW_NOT_FOUND", "none"),
        ("WORKFLOW_NOT_FOUND", "row"),
    ]
    assert "adopted  both" not in work.ok("adopt", "both").stdout
    work.fails(64, "adopt")
    alone = work.fails(1, "adopt", "none")
    assert "WORKFLOW_NOT_FOUND: none: neither a file nor a single row has this key" in alone.stderr


def test_what_another_source_manages_and_lost_can_be_adopted(place: Any) -> None:
    work = place()
    other = beside(work, "theirs", "source: example.org/theirs\n")
    other.write(bundle("a"))
    other.ok("apply")
    work.rows("DELETE FROM workflow_definitions WHERE key = 'a'")
    work.write(bundle("a"))
    assert refused(work, 4) == [("MANAGED_ELSEWHERE", "a")]
    assert "not in the database: the next apply creates it" in work.ok("adopt", "a").stdout
    work.ok("apply")
    assert keys(work) == ["a"]


def test_release_ends_a_hold(place: Any) -> None:
    work = place()
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    work.write(bundle("a", [set_state("NEW")]))
    (change,) = plan(work)["changes"]
    work.rows("UPDATE wfsync.managed SET held = %s WHERE key = 'a'", change["after_digest"])
    assert plan(work)["changes"] == []
    work.ok("plan", "--detailed-exitcode")
    work.ok("apply", "--force")
    found = work.fails(1, "release", "a", "b", "c", "--format", "json").json()
    assert [(e["code"], e["key"]) for e in found["errors"]] == [("NOT_HELD", "b"), ("NOT_HELD", "c")]
    assert "Released: 1, 0 unchanged." in work.ok("release", "a").stdout
    assert [c["key"] for c in plan(work)["changes"]] == ["a"]


def test_a_row_that_took_our_rows_place_is_never_ours_again(place: Any) -> None:
    """The same content under our key, made by somebody else: equal, managed, and not created by us."""
    work = place("A")
    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    work.rows("DELETE FROM workflow_definitions WHERE key = 'a'")
    work.ok("import", str(work.folder / "workflows" / "a.json"))
    work.ok("apply")
    remove(work, "a")
    assert plan(work, "--prune")["summary"]["delete"] == 0
    (item,) = work.ok("status", "--select", "a", "--format", "json").json()["items"]
    assert (item["origin"], item["prunable"]) == ("adopted", False)
