"""`rollback`: what an apply did is undone from the ledger, planned, consented to and recorded like any other change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from corpus_edits import JsonObject
from databases import FOREIGN_LAYOUTS, OTHER_TENANT, Databases, LayoutName
from small_bundles import bundle, call, canonical, set_state
from workplace import Row, Workplace

_VOLATILE = frozenset({"created_at", "updated_at", "published_at", "version_id", "workflow_id", "xmin_", "ctid_"})


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    def at(layout: LayoutName = "wfsync", text: str = "source: acme/flows\n") -> Workplace:
        folder = tmp_path / "repository"
        folder.mkdir()
        work = Workplace(cli, database(layout), folder)
        work.configure(text)
        return work

    return at


def content(work: Workplace) -> dict[str, JsonObject]:
    """What the database holds, in portable form, by key."""
    exported = work.ok("export", "--all", "--bundle", "-").json()["workflows"]
    return {workflow["key"]: workflow for workflow in exported}


def last(work: Workplace) -> JsonObject:
    """The ledger's last row."""
    row: JsonObject = work.ok("history", "--limit", "1", "--format", "json").json()["applies"][0]
    return row


def apply(work: Workplace, *args: str) -> str:
    """Apply, and the id of that."""
    work.ok("apply", "--force", *args)
    return str(last(work)["id"])


def managed(work: Workplace) -> dict[str, Row]:
    return {row["key"]: row for row in work.rows("SELECT * FROM wfsync.managed")}


def remove(work: Workplace, *keys: str) -> None:
    for key in keys:
        (work.folder / "workflows" / f"{key}.json").unlink()


def busy(work: Workplace, *args: str) -> tuple[dict[str, JsonObject], str]:
    """An apply that creates, overwrites, deletes and (with replace) relinks: what was before it, and its id."""
    work.write(
        bundle("gone", versions=(1, 2), description="to be pruned"),
        bundle("over", [set_state("OLD")], versions={1: [set_state("ONE")], 2: [call("stays")]}),
        bundle("caller", [call("over"), call("caller", step_id="again")]),
        bundle("stays"),
    )
    work.ok("apply")
    before = content(work)
    remove(work, "gone")
    work.write(
        bundle("new", [call("over", 3)]),
        bundle("over", [set_state("NEW")], versions={1: [set_state("ONE")], 3: [set_state("THREE")]}),
    )
    return before, apply(work, "--prune", *args)


# -------------------------------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("layout", ["wfsync", *FOREIGN_LAYOUTS])
def test_everything_that_an_apply_did_is_undone_and_redone(place: Any, layout: LayoutName) -> None:
    work: Workplace = place(layout)
    before, apply_id = busy(work)
    after = content(work)
    assert after.keys() == {"over", "caller", "stays", "new"}
    outcome = work.ok("rollback", apply_id[:8], "--force", "--format", "json").json()
    assert {c["key"]: c["action"] for c in outcome["changes"]} == {
        "gone": "create",
        "new": "delete",
        "over": "overwrite",
    }
    assert content(work) == before
    row = last(work)
    assert (row["command"], row["outcome"], row["source"]) == ("rollback", "applied", "acme/flows")
    assert row["options"]["apply"] == apply_id
    # and once more the other way, by the id of the rollback
    work.ok("rollback", row["id"], "--force", "--overwrite", "replace")
    assert content(work) == after
    work.ok("rollback", "last", "--force", "--overwrite", "replace")
    assert content(work) == before


def test_a_rollback_needs_no_repository(place: Any, tmp_path: Path) -> None:
    work: Workplace = place()
    before, _ = busy(work)
    (tmp_path / "nowhere").mkdir()
    elsewhere = Workplace(work.cli, work.database, tmp_path / "nowhere")
    elsewhere.ok("rollback", "last", "--force")
    assert content(work) == before
    assert last(work)["source"] == "acme/flows"


def test_what_was_replaced_or_deleted_gets_its_id_back_and_every_column(place: Any) -> None:
    work: Workplace = place("A½")
    work.write(bundle("a"), bundle("b", [set_state("OLD")], versions=(1, 2)), bundle("c", [call("b")]))
    work.ok("apply")
    folder = "33333333-3333-4333-8333-333333333333"
    work.rows(
        'UPDATE workflow_definitions SET folder_id = %s, tags = \'{x,"y z"}\', "Sort Order" = 7, created_by = %s,'
        " created_at = '2020-01-01', validation_status = 'valid', validation_errors = '[1.50]',"
        " payload_schema_provenance = 'inferred'",
        folder,
        folder,
    )
    work.rows("UPDATE workflow_definition_versions SET published_by = %s, published_at = '2021-02-03'", folder)
    ids = work.ids()
    definitions, versions = _rows(work)
    remove(work, "a")
    work.write(bundle("b", [set_state("NEW")], versions=(1, 3)))
    apply_id = apply(work, "--prune")
    assert work.ids()["b"] != ids["b"]
    work.ok("rollback", apply_id, "--force", "--overwrite", "replace")
    assert work.ids() == ids
    assert _rows(work) == (definitions, versions)
    # the caller's reference leads to the old row again
    (caller,) = work.rows("SELECT draft_definition FROM workflow_definitions WHERE key = 'c'")
    assert caller["draft_definition"]["steps"][0]["workflowId"] == ids["b"]


def _rows(work: Workplace) -> tuple[list[Row], list[Row]]:
    """Both tables, but for what says when and under which id a row was written, and what was never lost."""
    definitions = work.rows("SELECT * FROM workflow_definitions ORDER BY key")
    versions = work.rows("SELECT * FROM workflow_definition_versions ORDER BY workflow_id, version")
    return (
        [{k: v for k, v in row.items() if k != "updated_at"} for row in definitions],
        [{k: v for k, v in row.items() if k not in ("updated_at", "version_id")} for row in versions],
    )


def test_in_place_rows_keep_runs_and_what_the_instance_set_since(place: Any) -> None:
    work: Workplace = place("A½")
    work.write(bundle("a", [set_state("OLD")], versions=(1, 2)))
    work.ok("apply")
    work.rows("UPDATE workflow_definitions SET validation_status = 'valid', \"Sort Order\" = 1")
    work.rows("UPDATE workflow_definition_versions SET published_at = '2021-02-03'")
    work.write(bundle("a", [set_state("NEW")], versions={1: [set_state("OLD")]}))
    apply(work, "--overwrite", "update")
    ids = work.ids()
    work.add_run(ids["a"], "SUCCEEDED")
    work.rows('UPDATE workflow_definitions SET "Sort Order" = 2')
    text = work.ok("rollback", "last", "--force").stdout
    assert "RUNS_NOT_RESTORED" not in text
    assert work.ids() == ids
    (row,) = work.rows("SELECT * FROM workflow_definitions")
    assert (row["Sort Order"], row["validation_status"]) == (2, "valid")
    assert len(work.rows("SELECT * FROM workflow_runs")) == 1
    dates = work.rows("SELECT DISTINCT published_at::date::text AS day FROM workflow_definition_versions")
    assert [row["day"] for row in dates] == ["2021-02-03"]


def test_runs_that_went_by_cascade_are_said_not_to_come_back(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a", [set_state("OLD")]))
    work.ok("apply")
    work.add_run(work.ids()["a"], "SUCCEEDED")
    work.write(bundle("a", [set_state("NEW")]))
    apply(work, "--overwrite", "replace")
    result = work.ok("rollback", "last", "--force", "--format", "json").json()
    (warning,) = [w for w in result["warnings"] if w["code"] == "RUNS_NOT_RESTORED"]
    assert "runs and whatever else was deleted with it do not come back" in warning["message"]
    assert work.rows("SELECT * FROM workflow_runs") == []


def test_a_part_can_be_chosen_and_the_rest_later(place: Any) -> None:
    work: Workplace = place()
    before, apply_id = busy(work)
    work.ok("rollback", apply_id, "--select", "go*")
    assert content(work)["gone"] == before["gone"]
    assert "new" in content(work)
    assert "NOTHING_SELECTED" in work.fails(1, "rollback", apply_id, "--select", "x").stderr
    work.ok("rollback", apply_id, "--exclude", "gone", "--force")
    assert content(work) == before


# ------------------------------------------------------------------------------------------------- consent and drift


def test_a_dry_run_shows_the_plan_and_its_refusals_and_writes_nothing(place: Any) -> None:
    work: Workplace = place()
    _, apply_id = busy(work)
    rows = work.everything()
    shown = work.ok("rollback", apply_id, "--dry-run").stdout
    assert f"Source: the rows before apply {apply_id}\n" in shown
    assert "+ gone  create     deleted by that apply" in shown
    assert "- new   delete     created by that apply" in shown
    assert "~ over  overwrite  overwritten by that apply" in shown
    assert '"NEW" → "OLD"' in shown
    assert "WORKFLOW_KEY_CONFLICT" in shown
    assert shown.splitlines()[-1].startswith("Plan: 1 to create, 1 to overwrite, 1 to delete, 0 to relink")
    refused = work.fails(3, "rollback", apply_id, "--format", "json").json()
    assert {(e["code"], e["key"]) for e in refused["errors"]} == {
        ("WORKFLOW_KEY_CONFLICT", "new"),
        ("WORKFLOW_KEY_CONFLICT", "over"),
    }
    assert "STALE_PLAN" in work.fails(3, "rollback", apply_id, "--force", "--expect-digest", "0" * 64).stderr
    assert work.everything() == rows
    digest = work.ok("rollback", apply_id, "--dry-run", "--format", "json").json()["digest"]
    work.ok("rollback", apply_id, "--force", "--expect-digest", digest)


def test_brakes_and_protected_keys_hold(place: Any) -> None:
    work: Workplace = place(text="source: acme/flows\npolicy: {max_deletes: 1, protected: ['safe.*']}\n")
    work.write(bundle("safe.a", [set_state("OLD")]))
    work.ok("apply")
    work.configure("source: acme/flows\n")
    work.write(bundle("safe.a"), *(bundle(f"n{i}") for i in range(5)))
    apply_id = apply(work)
    work.configure("source: acme/flows\npolicy: {max_deletes: 1, protected: ['safe.*']}\n")
    refused = work.fails(4, "rollback", apply_id, "--force", "--format", "json").json()
    assert {e["code"] for e in refused["errors"]} == {"PROTECTED", "MAX_DELETES"}
    # nobody set a brake: the default one would allow three
    work.configure("source: acme/flows\n")
    work.ok("rollback", apply_id, "--force")
    assert work.ids().keys() == {"safe.a"}


def test_unfinished_runs_are_waited_for(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a"))
    apply_id = apply(work)
    work.add_run(work.ids()["a"], "RUNNING")
    assert "ACTIVE_RUNS" in work.fails(4, "rollback", apply_id, "--force").stdout
    work.ok("rollback", apply_id, "--force", "--allow-running")
    assert work.ids() == {}


@pytest.mark.parametrize("key", ["over", "new"])
def test_what_was_changed_since_is_drift(place: Any, key: str) -> None:
    work: Workplace = place()
    before, apply_id = busy(work)
    work.rows("UPDATE workflow_definitions SET name = 'by hand' WHERE key = %s", key)
    refused = work.fails(3, "rollback", apply_id, "--force", "--format", "json").json()
    (error,) = refused["errors"]
    assert (error["code"], error["key"]) == ("DRIFT", key)
    assert "was changed since that apply" in error["message"]
    skipped = work.ok("rollback", apply_id, "--force", "--on-drift", "skip", "--select", key).stdout
    assert "changed since" in skipped
    assert content(work)[key]["metadata"]["name"] == "by hand"
    assert managed(work)[key]["held"] is None
    work.ok("rollback", apply_id, "--force", "--on-drift", "overwrite")
    assert content(work) == before


def test_what_a_later_apply_changed_names_it_and_holds_the_file_that_is_there_now(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a", [set_state("ONE")]))
    work.ok("apply")
    before = content(work)
    work.write(bundle("a", [set_state("TWO")]))
    second = apply(work)
    work.write(bundle("a", [set_state("THREE")]))
    third = apply(work)
    refused = work.fails(3, "rollback", second, "--force", "--format", "json").json()
    assert f"by apply {third[:8]} of " in refused["errors"][0]["message"]
    for form in ("text", "markdown"):
        shown = work.ok("rollback", second, "--dry-run", "--format", form).stdout
        assert f"loses what apply {third[:8]} of " in shown
        assert "loses what was changed in the database" not in shown
    work.ok("rollback", second, "--force", "--on-drift", "overwrite")
    assert content(work) == before
    assert "0 to overwrite" in work.ok("plan").stdout  # held: the file that waits is that of the third apply


# ------------------------------------------------------------------------------------------------------------- holds


def test_rolled_back_keys_are_held_until_their_files_change(place: Any) -> None:
    work: Workplace = place()
    before, apply_id = busy(work)
    work.ok("rollback", apply_id, "--force")
    plan = work.ok("plan", "--prune", "--format", "json").json()
    assert plan["changes"] == []
    assert {k["key"]: k["why"] for k in plan["kept"]} == dict.fromkeys(("gone", "new", "over"), "held")
    work.ok("apply", "--force", "--prune")
    assert content(work) == before
    work.ok("apply", "--force", "--prune")  # and not only once
    assert content(work) == before
    # a change in git ends the hold of its key, and of no other
    work.write(bundle("over", [set_state("NEWER")]))
    work.ok("apply", "--force", "--prune")
    assert content(work).keys() == before.keys()
    assert content(work)["over"]["draft"]["definition"]["steps"][0]["config"]["state"] == "NEWER"
    assert managed(work)["over"]["held"] is None
    work.write(bundle("new", [set_state("SECOND")]))
    work.ok("apply", "--prune")
    assert "new" in content(work)
    assert managed(work)["new"]["held"] is None
    # a file that comes back says that the key is wanted
    work.write(bundle("gone", versions=(1,)))
    work.ok("apply", "--force")
    assert managed(work)["gone"]["held"] is None


def test_other_field_policies_end_no_hold_and_the_next_change_of_a_file_does(place: Any) -> None:
    work: Workplace = place()
    before, apply_id = busy(work)
    work.ok("rollback", apply_id, "--force")
    was = {key: row["held"] for key, row in managed(work).items() if row["held"] is not None}
    with_fields = (work.folder / "wfsync.yaml").read_text() + "fields: { database: [metadata.description] }\n"
    (work.folder / "wfsync.yaml").write_text(with_fields)
    states = {item["key"]: item["state"] for item in work.ok("status", "--format", "json").json()["items"]}
    assert {states[key] for key in ("gone", "new", "over")} == {"held"}
    assert "LEDGER" not in work.ok("apply", "--force", "--prune").stdout
    assert content(work) == before
    now = {key: row["held"] for key, row in managed(work).items() if row["held"] is not None}
    assert now.keys() == was.keys()
    assert now["over"] != was["over"]  # what its file is under the new policies
    work.write(bundle("over", [set_state("NEWER")]))
    work.ok("apply", "--force", "--prune")
    assert managed(work)["over"]["held"] is None
    assert content(work)["over"]["draft"]["definition"]["steps"][0]["config"]["state"] == "NEWER"


def test_undoing_a_rollback_ends_its_holds(place: Any) -> None:
    work: Workplace = place()
    _, apply_id = busy(work)
    work.ok("rollback", apply_id, "--force")
    assert {row["held"] is not None for key, row in managed(work).items() if key in ("gone", "new", "over")} == {True}
    work.ok("rollback", "last", "--force")
    assert [key for key, row in managed(work).items() if row["held"] is not None] == []
    plan = work.ok("plan", "--prune", "--format", "json").json()
    assert (plan["changes"], plan["kept"]) == ([], [])


def test_release_ends_a_hold(place: Any) -> None:
    work: Workplace = place()
    before, apply_id = busy(work)
    after = content(work)
    work.ok("rollback", apply_id, "--force")
    work.ok("release", "over")
    assert {c["key"] for c in work.ok("plan", "--prune", "--format", "json").json()["changes"]} == {"over", "caller"}
    work.ok("release", "gone", "new")
    work.ok("apply", "--force", "--prune")
    assert content(work) == after != before


def test_what_another_source_has_adopted_since_is_left_to_it(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a", [set_state("OLD")]))
    work.ok("apply")
    work.write(bundle("a"), bundle("b"))
    apply_id = apply(work)
    work.configure("source: acme/others\n")
    work.ok("adopt", "a", "b")
    refused = work.fails(4, "rollback", apply_id, "--force", "--format", "json").json()
    assert [(e["code"], e["key"]) for e in refused["errors"]] == [("MANAGED_ELSEWHERE", k) for k in "ab"]
    assert "acme/others" in refused["errors"][0]["message"]


def test_what_was_changed_back_by_hand_is_held_all_the_same(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a"))
    work.ok("apply")
    work.write(bundle("a", name="another"))
    apply_id = apply(work)
    work.rows("UPDATE workflow_definitions SET name = 'a'")
    result = work.ok("rollback", apply_id, "--on-drift", "skip", "--format", "json").json()
    assert result["changes"] == []
    assert work.ok("plan", "--format", "json").json()["kept"][0]["why"] == "held"


# ------------------------------------------------------------------------------------------------- a moved instance


def test_a_created_workflow_that_is_called_by_now_is_not_deleted(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("callee"))
    apply_id = apply(work)
    work.write(bundle("caller", [call("callee")]))
    work.ok("apply")
    refused = work.fails(4, "rollback", apply_id, "--force", "--format", "json").json()
    assert [(e["code"], e["key"]) for e in refused["errors"]] == [("STILL_CALLED", "callee")]


def test_calls_of_workflows_that_have_gone_find_them_by_key(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("callee"), bundle("caller", [call("callee")]))
    work.ok("apply")
    before = content(work)
    remove(work, "callee", "caller")
    work.write(bundle("rest"))
    apply_id = apply(work, "--prune")
    assert work.ids().keys() == {"rest"}
    assert "MISSING_REFERENCE" in work.fails(1, "rollback", apply_id, "--select", "caller").output
    work.ok("rollback", apply_id, "--exclude", "rest")
    assert {key: found for key, found in content(work).items() if key != "rest"} == before


def test_a_key_that_was_renamed_in_the_instance_comes_back_as_another_row(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a", [set_state("OLD")]))
    work.ok("apply")
    before = content(work)["a"]
    work.write(bundle("a"))
    apply_id = apply(work, "--overwrite", "update")
    work.rows("UPDATE workflow_definitions SET key = 'b'")
    work.ok("rollback", apply_id)
    assert content(work)["a"] == before
    ids = work.ids()
    assert ids["a"] != ids["b"]


def test_columns_may_have_gone_come_or_stopped_to_fit(place: Any) -> None:
    work: Workplace = place("A½")
    work.write(bundle("a", [set_state("OLD")]), bundle("b", [set_state("OLD")]))
    work.ok("apply")
    before = content(work)
    work.rows("UPDATE workflow_definitions SET folder_id = gen_random_uuid(), \"Sort Order\" = 5, tags = '{t}'")
    remove(work, "a")
    apply_id = apply(work, "--prune")
    work.rows("ALTER TABLE workflow_definitions DROP COLUMN folder_id")
    work.rows("ALTER TABLE workflow_definitions ADD COLUMN fresh integer NOT NULL DEFAULT 3")
    work.rows("ALTER TABLE workflow_definitions ADD COLUMN derived text GENERATED ALWAYS AS (name || '!') STORED")
    work.ok("rollback", apply_id)
    assert content(work) == before
    (row,) = work.rows("SELECT * FROM workflow_definitions WHERE key = 'a'")
    assert (row["Sort Order"], row["fresh"], row["derived"], row["tags"]) == (5, 3, "a!", ["t"])
    work.ok("rollback", "last", "--force")
    work.rows("ALTER TABLE workflow_definitions ADD CHECK (\"Sort Order\" <> 5 OR key <> 'a')")
    result = work.ok("rollback", apply_id, "--format", "json").json()
    (warning,) = [w for w in result["warnings"] if w["code"] == "COLUMNS_NOT_RESTORED"]
    assert warning["key"] == "a"
    assert "workflow_definitions_check: CheckViolation (23514)" in warning["message"]
    assert content(work) == before


def test_fields_of_the_database_are_left_to_it(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a", [set_state("OLD")]), bundle("b"))
    work.ok("apply")
    work.rows("UPDATE workflow_definitions SET is_paused = true WHERE key = 'b'")
    work.write(bundle("a"))
    remove(work, "b")
    apply_id = apply(work, "--prune")
    work.rows("UPDATE workflow_definitions SET is_paused = true")
    work.ok("rollback", apply_id, "--force")
    assert {row["key"]: row["is_paused"] for row in work.rows("SELECT * FROM workflow_definitions")} == {
        "a": True,  # paused since: no drift, and not undone
        "b": True,  # as it was when it was deleted
    }


# --------------------------------------------------------------------------------------------------- what cannot be


def test_failed_unknown_and_foreign_applies_are_clear_errors(place: Any) -> None:
    work: Workplace = place("B")
    assert "NO_LEDGER" in work.fails(1, "rollback", "last").stderr
    work.write(bundle("a"))
    apply_id = apply(work)
    work.rows("ALTER TABLE workflow_definitions ADD CONSTRAINT none_more CHECK (key <> 'c')")
    work.write(bundle("c"))
    work.fails(1, "apply")
    failed = last(work)
    assert failed["outcome"] == "failed"
    assert "NOTHING_TO_ROLL_BACK" in work.fails(1, "rollback", failed["id"]).stderr
    assert "UNKNOWN_APPLY" in work.fails(1, "rollback", "ffffffff", "--force").stderr
    other = work.cli(
        "--database", work.database.conninfo, "--tenant", OTHER_TENANT, "rollback", apply_id, "--force", cwd=work.folder
    )
    assert other.code == 1
    assert "UNKNOWN_APPLY" in other.stderr
    work.rows("DELETE FROM wfsync.apply_changes")
    assert "NOTHING_TO_ROLL_BACK" in work.fails(1, "rollback", apply_id, "--force").stderr
    assert "a" in work.ids()


def test_damaged_images_are_all_named_and_can_be_left_out(place: Any) -> None:
    work: Workplace = place()
    work.write(*(bundle(key, [set_state("OLD")]) for key in "abcd"))
    work.ok("apply")
    work.write(*(bundle(key) for key in "abcd"))
    apply_id = apply(work)
    work.rows("UPDATE wfsync.apply_changes SET image = 'x' WHERE key = 'a' AND action = 'overwrite'")
    work.rows("UPDATE wfsync.apply_changes SET image = NULL WHERE key = 'b' AND action = 'overwrite'")
    work.rows(
        "UPDATE wfsync.apply_changes SET image = (SELECT image FROM wfsync.apply_changes WHERE key = 'd' AND"
        " action = 'overwrite') WHERE key = 'c' AND action = 'overwrite'"
    )
    refused = work.fails(1, "rollback", apply_id, "--force", "--format", "json").json()
    assert [(e["code"], e["key"]) for e in refused["errors"]] == [("LEDGER_DAMAGED", key) for key in "abc"]
    work.ok("rollback", apply_id, "--force", "--exclude", "[abc]")
    assert content(work)["d"]["draft"]["definition"]["steps"][0]["config"]["state"] == "OLD"


def test_undoing_an_import_manages_and_holds_nothing(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a", [set_state("OLD")]))
    work.ok("apply")
    before, kept = content(work), managed(work)
    file = json.dumps(bundle("a"))
    work.ok("import", "-", "--force", "--overwrite", "update", stdin=file.encode())
    work.ok("import", "-", stdin=json.dumps(bundle("b")).encode())
    work.ok("rollback", "last", "--force")
    imported = work.ok("history", "--format", "json").json()["applies"][2]
    assert imported["command"] == "import"
    work.ok("rollback", imported["id"], "--force")
    assert content(work) == before
    assert managed(work) == kept
    assert work.ok("plan", "--format", "json").json()["kept"] == []


def test_what_was_not_ours_is_not_ours_when_it_comes_back(place: Any) -> None:
    work = place()
    (work.folder / "theirs.json").write_bytes(canonical(bundle("theirs", description="their own")))
    work.ok("import", "theirs.json")
    work.write(bundle("theirs"), bundle("ours"))
    work.ok("apply", "--force")
    assert managed(work)["theirs"]["origin"] == "adopted"
    work.database.execute("DELETE FROM workflow_definitions WHERE key = 'theirs'")
    work.ok("rollback", "last", "--select", "theirs", "--force")
    assert content(work)["theirs"]["metadata"]["description"] == "their own"
    assert managed(work)["theirs"]["origin"] == "adopted"
    remove(work, "theirs")
    work.ok("apply", "--prune", "--on-drift", "overwrite")
    assert "theirs" in content(work)


def test_a_row_in_the_place_of_ours_is_never_deleted(place: Any) -> None:
    """Law 6: consent to lose changes is no consent to delete what somebody else made."""
    work = place()
    work.write(bundle("a"))
    work.ok("apply")
    created = work.rows("SELECT apply_id::text AS id FROM wfsync.applies")[0]["id"]
    work.rows("CREATE TABLE kept AS SELECT * FROM workflow_definitions")
    work.rows("DELETE FROM workflow_definitions")
    work.rows("UPDATE kept SET workflow_id = gen_random_uuid(), name = 'theirs'")
    work.rows("INSERT INTO workflow_definitions SELECT * FROM kept")
    before = work.everything()
    said = work.ok("rollback", created, "--force", "--on-drift", "overwrite")
    assert "warning ROW_NOT_OURS: a: that apply created it" in said.stdout
    assert work.everything() == before
