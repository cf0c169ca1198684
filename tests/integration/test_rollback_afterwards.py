"""What is known after a rollback: whose a change is, what is held, whose policy it was, and what nobody manages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from corpus_edits import JsonObject
from databases import Databases, LayoutName
from small_bundles import bundle, set_state
from workplace import Row, Workplace

_OVERLAY = "'*': { concurrencyLimit: 7 }\n"
_STAGING = "environments: { staging: { overlay: staging.yaml } }\n"


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    def at(text: str = "", layout: LayoutName = "wfsync") -> Workplace:
        (tmp_path / "repository").mkdir()
        work = Workplace(cli, database(layout), tmp_path / "repository")
        work.configure(f"source: acme/flows\n{text}")
        return work

    return at


def last(work: Workplace, command: str = "apply") -> str:
    """The id of the last such row of the ledger."""
    found = work.ok("history", "--format", "json").json()["applies"]
    return next(str(row["id"]) for row in found if row["command"] == command)


def managed(work: Workplace) -> dict[str, Row]:
    return {row["key"]: row for row in work.rows("SELECT * FROM wfsync.managed")}


def states(work: Workplace, *args: str) -> dict[str, str]:
    items = work.ok(*args, "status", "--format", "json").json()["items"]
    return {item["key"]: item["state"] for item in items}


def codes(result: Any) -> set[tuple[str, str | None]]:
    return {(error["code"], error.get("key")) for error in result.json()["errors"]}


def edit(work: Workplace) -> None:
    work.rows("UPDATE workflow_definitions SET name = 'by hand' WHERE key = 'a'")


def remove(work: Workplace, key: str) -> None:
    (work.folder / "workflows" / f"{key}.json").unlink()


def elsewhere(work: Workplace) -> Workplace:
    """The same database from a folder that knows nothing."""
    folder = work.folder.parent / "nowhere"
    folder.mkdir(exist_ok=True)
    return Workplace(work.cli, work.database, folder)


# ------------------------------------------------------------------------------------------------- who changed what


def undo_a_prune(work: Workplace, by: Workplace, *args: str) -> None:
    work.write(bundle("a"), bundle("o"))
    work.ok(*args, "apply")
    remove(work, "a")
    work.ok(*args, "apply", "--prune")
    by.ok(*(args if by is work else ()), "rollback", "last")


def undo_an_older_apply(work: Workplace, by: Workplace, *args: str) -> None:
    work.write(bundle("a", [set_state("ONE")]))
    work.ok(*args, "apply")
    work.write(bundle("a", [set_state("TWO")]))
    work.ok(*args, "apply", "--force")
    second = last(work)
    work.write(bundle("a", [set_state("THREE")]))
    work.ok(*args, "apply", "--force")
    by.ok(*(args if by is work else ()), "rollback", second, "--force", "--on-drift", "overwrite")


@pytest.mark.parametrize("undo", [undo_a_prune, undo_an_older_apply])
@pytest.mark.parametrize("is_here", [True, False])
def test_what_is_changed_by_hand_after_a_rollback_is_drift(place: Any, undo: Any, *, is_here: bool) -> None:
    work: Workplace = place()
    undo(work, work if is_here else elsewhere(work))
    edit(work)
    work.write(bundle("a", [set_state("NEXT")]))
    assert states(work)["a"] == "both_changed"
    assert ("DRIFT", "a") in codes(work.fails(3, "apply", "--force", "--format", "json"))
    assert work.rows("SELECT name FROM workflow_definitions WHERE key = 'a'") == [{"name": "by hand"}]


@pytest.mark.parametrize("undo", [undo_a_prune, undo_an_older_apply])
def test_likewise_where_an_overlay_lies_on_it(place: Any, undo: Any) -> None:
    work: Workplace = place(_STAGING)
    (work.folder / "staging.yaml").write_text(_OVERLAY)
    here = ("--env", "staging")
    undo(work, work, *here)
    edit(work)
    work.write(bundle("a", [set_state("NEXT")]))
    assert states(work, *here)["a"] == "both_changed"
    assert ("DRIFT", "a") in codes(work.fails(3, *here, "apply", "--force", "--format", "json"))


def test_an_overlay_is_known_from_the_ledger_where_no_repository_is(place: Any) -> None:
    work: Workplace = place(_STAGING)
    (work.folder / "staging.yaml").write_text(_OVERLAY)
    undo_an_older_apply(work, elsewhere(work), "--env", "staging")
    edit(work)
    work.write(bundle("a", [set_state("NEXT")]))
    assert states(work, "--env", "staging")["a"] == "both_changed"


def test_an_overlay_that_is_wrong_keeps_nobody_from_undoing_it(place: Any) -> None:
    work: Workplace = place(_STAGING)
    (work.folder / "staging.yaml").write_text(_OVERLAY)
    work.write(bundle("a"))
    work.ok("--env", "staging", "apply")
    (work.folder / "staging.yaml").write_text("'*': 1\n")
    work.ok("--env", "staging", "rollback", "last", "--force")
    assert work.ids() == {}


@pytest.mark.parametrize("is_here", [True, False])
def test_other_field_policies_since_accuse_nobody(place: Any, *, is_here: bool) -> None:
    work: Workplace = place()
    limited = bundle("a", concurrencyLimit=5)
    work.write(limited)
    work.ok("apply")
    work.write(bundle("a"))
    work.ok("apply", "--force")
    work.configure("source: acme/flows\nfields: { database: [metadata.isPaused, metadata.concurrencyLimit] }\n")
    work.ok("apply")
    (work if is_here else elsewhere(work)).ok("rollback", "last", "--force")
    work.write(bundle("a", description="another"))
    assert states(work)["a"] == "git_changed"
    work.ok("apply", "--force")


# ------------------------------------------------------------------------------------------------------------- holds


def undo_something_new(work: Workplace) -> JsonObject:
    work.write(bundle("c"))
    work.ok("apply")
    new: JsonObject = bundle("new")
    work.write(new)
    work.ok("apply")
    work.ok("rollback", "last", "--force")
    return new


def test_a_file_that_was_deleted_and_comes_back_is_applied(place: Any) -> None:
    work: Workplace = place()
    new = undo_something_new(work)
    remove(work, "new")
    work.ok("apply")  # nothing is to be changed
    assert "new" not in managed(work)
    work.write(new, bundle("c", description="another"))
    work.ok("apply", "--force")
    assert work.ids().keys() == {"c", "new"}


def test_likewise_with_an_apply_that_changes_something_and_one_of_a_selection(place: Any) -> None:
    work: Workplace = place()
    new = undo_something_new(work)
    work.write(bundle("c", description="another"))
    work.ok("apply", "--force", "--select", "c")  # the file is there: not selected is not gone
    assert managed(work)["new"]["held"]
    remove(work, "new")
    work.write(bundle("c", description="a third"))
    work.ok("apply", "--force", "--select", "c")
    assert "new" not in managed(work)
    work.write(new)
    work.ok("apply")
    assert "new" in work.ids()


def test_an_apply_of_a_part_ends_no_hold_of_another(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("c"), under="workflows/part")
    new: JsonObject = bundle("new")
    work.write(new)
    work.ok("apply")
    work.ok("rollback", "last", "--force", "--select", "new")
    work.ok("apply", "workflows/part")
    assert managed(work)["new"]["held"]
    assert states(work)["new"] == "held"


def test_a_row_that_was_brought_back_is_not_held_behind_a_file_that_was_deleted(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a", [set_state("ONE")]), bundle("c"))
    work.ok("apply")
    work.write(bundle("a", [set_state("TWO")]))
    work.ok("apply", "--force")
    work.ok("rollback", "last", "--force")
    remove(work, "a")
    work.ok("apply")
    row = managed(work)["a"]
    assert (row["held"], row["held_policy"], row["origin"]) == (None, None, "created")
    work.write(bundle("a", [set_state("TWO")]))
    assert states(work)["a"] == "git_changed"


def test_what_was_pruned_and_brought_back_stays_held_without_a_file(place: Any) -> None:
    work: Workplace = place()
    undo_a_prune(work, work)
    work.ok("apply", "--prune")
    work.write(bundle("o", description="another"))
    work.ok("apply", "--prune", "--force")
    assert states(work)["a"] == "held"


def test_files_of_another_source_end_no_hold(place: Any) -> None:
    work: Workplace = place()
    undo_something_new(work)
    work.configure("source: acme/others\n")
    remove(work, "new")
    remove(work, "c")
    work.write(bundle("theirs"))
    work.ok("apply")
    assert managed(work)["new"]["held"]


# ------------------------------------------------------------------------------------------------ what nobody manages


def test_undoing_a_publish_takes_nothing_over(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a"), bundle("u", [set_state("DRAFT")], versions={1: [set_state("ONE")]}))
    file = work.folder / "workflows" / "u.json"
    work.ok("import", file)
    file.unlink()
    work.ok("apply")
    before = managed(work)
    work.ok("publish", "u", "--database")
    work.ok("rollback", "last", "--force")
    assert managed(work) == before
    assert states(work)["u"] == "database_only_unmanaged"
    # nor does undoing that, and undoing that again
    for _ in range(2):
        work.ok("rollback", "last", "--force")
        assert managed(work) == before


def test_a_publish_from_another_repository_can_be_undone_there(place: Any) -> None:
    work: Workplace = place()
    work.write(bundle("a", [set_state("DRAFT")], versions={1: [set_state("ONE")]}))
    work.ok("apply")
    before = managed(work), work.ok("export", "--all", "--bundle", "-").json()["workflows"]
    work.configure("source: acme/others\n")
    work.ok("publish", "a", "--database")
    work.ok("rollback", "last", "--force")
    assert (managed(work), work.ok("export", "--all", "--bundle", "-").json()["workflows"]) == before
    work.configure("source: acme/flows\n")
    assert states(work) == {"a": "in_sync"}


def test_a_key_of_several_rows_that_it_is_not_about_holds_no_rollback(place: Any) -> None:
    work: Workplace = place(layout="B")
    work.write(bundle("twice"))
    work.ok("apply")
    work.write(bundle("a"))
    work.ok("apply")
    work.rows("CREATE TABLE more AS SELECT * FROM workflow_definitions WHERE key = 'twice'")
    work.rows("UPDATE more SET workflow_id = gen_random_uuid()")
    work.rows("INSERT INTO workflow_definitions SELECT * FROM more")
    remove(work, "twice")
    assert ("AMBIGUOUS_KEY", "twice") in codes(work.fails(3, "apply", "--prune", "--format", "json"))
    work.ok("rollback", "last", "--force")
    assert "a" not in work.ids()


# ------------------------------------------------------------------------------------------------------ whose policy


def test_a_rollback_from_elsewhere_names_the_source_whose_policy_it_does_not_know(place: Any) -> None:
    work: Workplace = place("policy: { protected: ['sys.*'], max_deletes: 0 }\n")
    work.write(bundle("sys.x"), bundle("k"))
    work.ok("apply")
    here = work.ok("rollback", "last", "--dry-run", "--format", "json").json()
    assert {block["code"] for block in here["blocks"]} >= {"PROTECTED", "MAX_DELETES"}
    assert "POLICY_NOT_AT_HAND" not in {warning["code"] for warning in here["warnings"]}
    for at in (elsewhere(work), _of_another_source(work)):
        plan = at.ok("rollback", "last", "--dry-run", "--format", "json").json()
        (warning,) = [found for found in plan["warnings"] if found["code"] == "POLICY_NOT_AT_HAND"]
        assert "acme/flows" in warning["message"]
        assert plan["digest"] == here["digest"]  # what one has seen the other can expect
        assert "POLICY_NOT_AT_HAND" in at.ok("rollback", "last", "--dry-run").stdout


def _of_another_source(work: Workplace) -> Workplace:
    folder = work.folder.parent / "others"
    folder.mkdir()
    other = Workplace(work.cli, work.database, folder)
    other.configure("source: acme/others\n")
    return other
