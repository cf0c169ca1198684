"""References between workflows (spec: bundle.md): keys in files, ids in the database, and everybody relinked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import CommandLine, Result
from corpus_edits import JsonObject, steps_of
from databases import Databases, LayoutName
from small_bundles import bundle, call, canonical, many, set_state
from workplace import Workplace

A_ID = "0aaaaaaa-0000-4000-8000-00000000000a"
B_ID = "0bbbbbbb-0000-4000-8000-00000000000b"
NOBODY = "0ccccccc-0000-4000-8000-00000000000c"


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    """An instance of layout A, where keys and ids are easily seen."""
    return _work(cli, database, tmp_path, "A")


@pytest.fixture
def work_b(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    """Layout B, where several rows may have one key."""
    return _work(cli, database, tmp_path, "B")


def _work(cli: CommandLine, database: Databases, tmp_path: Path, layout: LayoutName) -> Workplace:
    work = Workplace(cli, database(layout), tmp_path)
    work.configure()
    return work


def stored_calls(work: Workplace) -> dict[tuple[str, int | None], list[str]]:
    """Whom every stored definition calls, as it is stored; by the row's name and version (None: the draft)."""
    rows = work.rows(
        "SELECT name, NULL::int AS version, draft_definition AS tree FROM workflow_definitions UNION ALL"
        " SELECT d.name, v.version, v.definition_json FROM workflow_definitions d"
        " JOIN workflow_definition_versions v USING (workflow_id)"
    )
    return {(row["name"], row["version"]): found for row in rows if (found := list(_targets(row["tree"])))}


def _targets(tree: JsonObject) -> Iterator[str]:
    return (step["workflowId"] for _, _, step in steps_of(tree["steps"]) if step["type"] == "control.callWorkflow")


def spellings(identity: str) -> list[str]:
    """One id as people and programs write it."""
    bare = identity.replace("-", "")
    return [identity, identity.upper(), f"{{{identity}}}", f"urn:uuid:{identity}", bare]


def branch(*steps: JsonObject) -> JsonObject:
    """Steps within a step."""
    return {"id": "if", "type": "control.if", "condition": {"$expr": "true"}, "then": list(steps)}


def add_twin(work: Workplace, key: str) -> None:
    """A second row with the key and the draft of ``key``'s row."""
    work.rows(
        "INSERT INTO workflow_definitions (tenant, key, name, payload_schema_ref, draft_definition)"
        " SELECT tenant, key, 'twin', payload_schema_ref, draft_definition FROM workflow_definitions WHERE key = %s",
        key,
    )


def codes(result: Result) -> list[str]:
    """The codes of a JSON document's errors."""
    return [error["code"] for error in result.json()["errors"]]


def warnings(result: Result, code: str) -> list[JsonObject]:
    return [warning for warning in result.json()["warnings"] if warning["code"] == code]


# ----------------------------------------------------------------------------------------------------- keys ⇄ ids


def test_a_callee_of_the_same_apply_a_cycle_and_oneself(work: Workplace) -> None:
    work.write(
        bundle("a", [call("b"), call("a", 1, "me")]),
        bundle("b", [call("a"), branch(call("c", 2, "in"))]),
        bundle("c", versions=(1, 2)),
    )  # fmt: skip
    files = work.files()
    work.ok("apply")
    ids = work.ids()
    assert stored_calls(work) == {
        ("a", None): [ids["b"], ids["a"]],
        ("a", 1): [ids["b"], ids["a"]],
        ("b", None): [ids["a"], ids["c"]],
        ("b", 1): [ids["a"], ids["c"]],
    }
    for row in work.rows("SELECT workflow_id, draft_definition ->> 'id' AS id FROM workflow_definitions"):
        assert str(row["workflow_id"]) == row["id"]
    work.ok("plan", "--detailed-exitcode")
    work.ok("export", "--all")
    assert work.files() == files


def test_a_callee_that_is_already_there(work: Workplace) -> None:
    work.write(bundle("callee"))
    work.ok("apply")
    (work.folder / "workflows/callee.json").unlink()
    work.write(bundle("caller", [call("callee")]))
    work.ok("apply")
    assert stored_calls(work)["caller", None] == [work.ids()["callee"]]
    exported = json.loads(work.ok("export", "caller", "--bundle", "-").stdout)["workflows"][0]
    assert [list(_targets(exported["draft"]["definition"]))] == [["callee"]]


# ------------------------------------------------------------------------------------------------- ids of elsewhere


def test_an_id_of_the_same_input_means_that_workflow_in_any_spelling(work: Workplace) -> None:
    """Also where a row of this database has the same id: the input's own workflows go first."""
    other = {"key": "other", "name": "other", "payload_schema_ref": "x", "draft_definition": '{"steps": []}'}
    work.add_row("workflow_definitions", workflow_id=B_ID, **other)
    work.write(
        bundle("a", [call(spelt, 1, f"c{n}") for n, spelt in enumerate(spellings(B_ID))], identity=A_ID),
        bundle("b", [call(A_ID)], identity=B_ID),
    )
    files = work.files()
    work.ok("apply")
    ids = work.ids()
    assert stored_calls(work) == {
        ("a", None): [ids["b"]] * 5, ("a", 1): [ids["b"]] * 5, ("b", None): [ids["a"]], ("b", 1): [ids["a"]],
    }  # fmt: skip
    assert ids["b"] != B_ID
    # The files say the same as the database, in other words: nothing to do in either direction
    work.ok("plan", "--detailed-exitcode")
    work.ok("export", "a", "b")
    assert work.files() == files
    exported = json.loads(work.ok("export", "a", "--bundle", "-").stdout)["workflows"][0]
    assert list(_targets(exported["draft"]["definition"])) == ["b"] * 5


def test_a_callee_that_is_left_alone_is_said_to_be_and_how_that_ends(work: Workplace) -> None:
    def missing(*options: str) -> tuple[str, str]:
        (error,) = work.fails(1, "apply", "--force", *options, "--format", "json").json()["errors"]
        assert error["code"] == "MISSING_REFERENCE"
        return error["message"].partition(": ")[2], error["hint"]

    work.write(bundle("a"), bundle("b"))
    work.ok("apply")
    work.write(bundle("c"))
    work.ok("apply")
    work.ok("rollback", "last", "--force")
    work.write(bundle("a", [call("c")]))
    reason, hint = missing()
    assert reason == "it is not in the database; it is held behind a rollback"
    assert "`wfsync release c`" in hint
    work.ok("release", "c")
    work.ok("apply", "--force")
    # a version that the file has, and the row that is left alone has not
    work.rows("UPDATE workflow_definitions SET description = 'by hand' WHERE key = 'b'")
    work.write(bundle("a", [call("b", 2)]), bundle("b", versions=(1, 2)))
    reason, hint = missing("--on-drift", "skip")
    assert "it has no published version 2 (it has: 1); it was left alone, because somebody changed it" in reason
    assert "`wfsync export b`" in hint
    # one that the file has not either is nobody's fault but the caller's
    work.write(bundle("a", [call("b", 3)]))
    reason, hint = missing("--on-drift", "skip")
    assert reason == "it has no published version 3 (it has: 1)"
    assert "publish the version" in hint


def test_the_same_input_is_all_files_also_when_some_are_selected(work: Workplace) -> None:
    work.write(bundle("a", [call(B_ID)], identity=A_ID), bundle("b", identity=B_ID))
    refused = work.fails(1, "apply", "--select", "a", "--format", "json")
    assert codes(refused) == ["MISSING_REFERENCE"]
    assert "the selection leaves its file out" in refused.json()["errors"][0]["message"]
    work.ok("apply", "--select", "b")
    work.ok("apply", "--select", "a")
    assert stored_calls(work)["a", 1] == [work.ids()["b"]]
    work.ok("plan", "--detailed-exitcode")


def test_an_id_of_the_database_means_its_row_in_any_spelling(work: Workplace) -> None:
    work.write(bundle("callee"))
    work.ok("apply")
    (work.folder / "workflows/callee.json").unlink()
    spelt = spellings(work.ids()["callee"])
    work.write(bundle("caller", [call(text, 1, f"c{n}") for n, text in enumerate(spelt)]))
    plan = work.ok("plan", "--format", "json")
    assert plan.json()["warnings"] == []
    work.ok("apply")
    assert stored_calls(work)["caller", 1] == [work.ids()["callee"]] * 5
    work.ok("plan", "--detailed-exitcode")


def test_an_id_of_nobody_stays_with_a_warning(work: Workplace) -> None:
    work.write(bundle("a", [call(NOBODY.upper())]))
    plan = work.ok("plan", "--format", "json")
    warned = warnings(plan, "NON_PORTABLE_REFERENCE")
    assert [(w["key"], w["details"]["callee"], w["place"]["file"]) for w in warned] == [
        ("a", NOBODY.upper(), "workflows/a.json")
    ] * 2
    assert "NON_PORTABLE_REFERENCE: a: the draft (root.steps[0]) calls 0CCCCCCC" in work.ok("plan").stdout
    files = work.files()
    work.ok("apply")
    assert stored_calls(work)["a", 1] == [NOBODY.upper()]
    work.ok("plan", "--detailed-exitcode")
    work.ok("export", "--all")
    assert work.files() == files


def test_an_id_that_two_files_claim_means_neither(work: Workplace) -> None:
    work.write(bundle("a", identity=A_ID), bundle("b", identity=A_ID), bundle("caller", [call(A_ID)]))
    warned = warnings(work.ok("plan", "--format", "json"), "NON_PORTABLE_REFERENCE")
    assert "several of these files claim as theirs (a, b)" in warned[0]["message"]
    work.ok("apply")
    assert stored_calls(work)["caller", 1] == [A_ID]


# --------------------------------------------------------------------------------------------------- leading nowhere


def test_missing_callees_and_versions_are_all_named(work: Workplace) -> None:
    work.write(
        bundle("a", versions={1: [call("gone")], 2: [call("b", 7)]}),
        bundle("b", [call("gone", 1, "draft-call")], versions={1: [set_state()]}),
    )
    for command in ("plan", "apply"):
        failed = work.fails(1, command, "--format", "json")
        errors = failed.json()["errors"]
        assert [(e["code"], e["key"], e["details"]["callee"], e["details"]["callerVersion"]) for e in errors] == [
            ("MISSING_REFERENCE", "a", "gone", 1),
            ("MISSING_REFERENCE", "a", "b", 2),
        ]
        assert errors[1]["details"]["stepPath"] == "root.steps[0]"
        assert "it has no published version 7 (it has: 1)" in errors[1]["message"]
        assert [(w["key"], w["details"]["callee"]) for w in warnings(failed, "MISSING_REFERENCE")] == [("b", "gone")]
    assert work.ids() == {}
    text = work.fails(1, "plan").stderr
    assert "workflows/a.json: error MISSING_REFERENCE: a: version 1 (root.steps[0]) calls gone version 1" in text
    assert text.endswith("2 errors in 1 file\n")


def test_a_draft_may_call_what_is_not_there(work: Workplace) -> None:
    work.write(bundle("a", [call("gone"), call("a", 9, "later")], versions={1: [set_state()]}))
    files = work.files()
    done = work.ok("apply")
    assert done.stdout.count("warning MISSING_REFERENCE") == 2
    assert stored_calls(work) == {("a", None): ["gone", work.ids()["a"]]}
    work.ok("plan", "--detailed-exitcode")
    work.ok("export", "--all")
    assert work.files() == files


@pytest.mark.parametrize("mode", ["replace", "update"])
def test_a_draft_that_called_what_was_not_there_gets_the_id_once_it_is(work: Workplace, mode: str) -> None:
    work.write(bundle("early", [call("late"), call("later", step_id="two")], versions={1: [set_state()]}))
    work.ok("apply")
    work.write(bundle("late"))
    made = work.ok("plan", "--format", "json").json()
    assert [(c["key"], c["action"]) for c in made["changes"]] == [("early", "relink"), ("late", "create")]
    assert made["changes"][0]["reason"] == "calls late by key, for want of an id until now"
    work.ok("apply", "--overwrite", mode)
    ids = work.ids()
    assert stored_callees(work, "early") == [ids["late"], "later"]
    assert work.ok("plan").stdout == work.ok("plan", "--refresh").stdout
    # one that somebody else makes in the database is called by its id as well
    work.write(bundle("later"))
    work.ok("import", "workflows/later.json")
    ids = work.ids()
    assert stored_callees(work, "early") == [ids["late"], ids["later"]]
    work.ok("plan", "--detailed-exitcode")
    work.rows(
        "UPDATE workflow_definitions SET draft_definition = jsonb_set(draft_definition, '{steps,0,workflowId}',"
        " '\"late\"') WHERE key = 'early'"
    )
    work.fails(2, "plan", "--detailed-exitcode")
    work.ok("apply")
    assert stored_callees(work, "early") == [ids["late"], ids["later"]]
    work.ok("plan", "--detailed-exitcode")


def test_a_row_that_cannot_be_written_again_keeps_its_call_by_key(work: Workplace) -> None:
    work.write(bundle("early", [call("late")], versions={1: [set_state()]}))
    work.ok("apply")
    work.rows(
        "UPDATE workflow_definitions SET draft_definition = jsonb_set(draft_definition, '{odd}', '1e400')"
        " WHERE key = 'early'"
    )
    remaining = work.folder / "workflows" / "early.json"
    remaining.unlink()
    work.write(bundle("late"))
    work.ok("apply")
    assert stored_callees(work, "early") == ["late"]
    assert "late" in work.ids()


def stored_callees(work: Workplace, key: str) -> list[str]:
    """Whom the draft of a row calls, as the database has it."""
    (row,) = work.rows("SELECT draft_definition FROM workflow_definitions WHERE key = %s", key)
    return [step["workflowId"] for step in row["draft_definition"]["steps"]]


@pytest.mark.parametrize("overwrite", ["replace", "update"])
def test_an_overwrite_may_not_drop_a_version_that_a_stored_caller_uses(work: Workplace, overwrite: str) -> None:
    work.write(bundle("callee", versions=(1, 2)), bundle("caller", [set_state()], versions={1: [call("callee", 2)]}))
    work.ok("apply")
    (work.folder / "workflows/caller.json").unlink()
    work.write(bundle("callee", versions=(1, 3)))
    rows = work.everything()
    failed = work.fails(1, "apply", "--force", "--overwrite", overwrite, "--format", "json")
    (error,) = failed.json()["errors"]
    assert (error["code"], error["key"], error["details"]["callee"], error["details"]["version"]) == (
        "MISSING_REFERENCE", "caller", "callee", 2,
    )  # fmt: skip
    assert error["place"]["file"] == "workflows/callee.json"
    assert work.everything() == rows
    # Where only a draft needs it, it is a warning
    work.rows(
        "UPDATE workflow_definitions SET draft_definition = (SELECT definition_json FROM workflow_definition_versions v"
        " WHERE v.workflow_id = workflow_definitions.workflow_id AND version = 1) WHERE key = 'caller'"
    )
    work.rows("DELETE FROM workflow_definition_versions WHERE definition_json ->> 'name' LIKE 'caller%%'")
    done = work.ok("apply", "--force", "--overwrite", overwrite)
    assert "warning MISSING_REFERENCE: caller: the draft (root.steps[0]) calls callee version 2" in done.stdout


# ---------------------------------------------------------------------------------------------------------- relinking


def test_every_stored_caller_of_a_replaced_workflow_is_relinked(work: Workplace) -> None:
    callers = [
        bundle("by-draft", [call("callee")], versions={1: [set_state()]}),
        bundle(
            "by-version", [set_state()], versions={1: [set_state()], 2: [call("callee"), call("bystander", 1, "x")]}
        ),
        bundle("unmanaged", [call("callee")]),
        bundle("keyless", [call("callee")]),
        bundle("odd-key", [call("callee")]),
    ]
    work.write(bundle("callee"), bundle("bystander"), *callers)
    work.ok("apply")
    work.rows("UPDATE workflow_definitions SET key = NULL WHERE key = 'keyless'")
    work.rows("UPDATE workflow_definitions SET key = 'Odd Key' WHERE key = 'odd-key'")
    # The user interface may have spelt the id differently
    work.rows(
        "UPDATE workflow_definitions SET draft_definition = replace(draft_definition::text, %s, upper(%s))::jsonb"
        " WHERE key = 'unmanaged'",
        work.ids()["callee"],
        work.ids()["callee"],
    )
    for key in ("unmanaged", "keyless", "odd-key"):
        (work.folder / f"workflows/{key}.json").unlink()
    work.write(bundle("callee", description="changed"))
    before = {row["name"]: row for row in work.everything()["workflow_definitions"]}
    plan = work.ok("plan", "--overwrite", "replace", "--format", "json").json()
    changes = {change["workflow_id"]: (change["key"], change["action"]) for change in plan["changes"]}
    assert changes == {
        str(before["callee"]["workflow_id"]): ("callee", "overwrite"),
        str(before["by-draft"]["workflow_id"]): ("by-draft", "relink"),
        str(before["by-version"]["workflow_id"]): ("by-version", "relink"),
        str(before["unmanaged"]["workflow_id"]): ("unmanaged", "relink"),
        str(before["keyless"]["workflow_id"]): (str(before["keyless"]["workflow_id"]), "relink"),
        str(before["odd-key"]["workflow_id"]): ("Odd Key", "relink"),
    }
    assert plan["summary"] == {"create": 0, "overwrite": 1, "delete": 0, "relink": 5, "unchanged": 1}
    assert "calls callee, which would get a new id" in plan["changes"][0]["reason"] + plan["changes"][1]["reason"]

    done = work.ok("apply", "--force", "--overwrite", "replace", "--format", "json").json()
    after = {row["name"]: row for row in work.everything()["workflow_definitions"]}
    assert done["outcome"]["deleted_ids"] == [str(before["callee"]["workflow_id"])]
    assert {name for name in before if before[name]["workflow_id"] != after[name]["workflow_id"]} == {"callee"}
    new = str(after["callee"]["workflow_id"])
    assert stored_calls(work) == {
        ("by-draft", None): [new],
        ("by-version", 2): [new, str(after["bystander"]["workflow_id"])],
        ("unmanaged", None): [new],
        ("unmanaged", 1): [new],
        ("keyless", None): [new],
        ("keyless", 1): [new],
        ("odd-key", None): [new],
        ("odd-key", 1): [new],
    }
    assert after["bystander"]["xmin_"] == before["bystander"]["xmin_"]
    assert after["keyless"]["key"] is None
    work.ok("plan", "--detailed-exitcode")


def test_update_keeps_ids_so_nobody_is_relinked(work: Workplace) -> None:
    work.write(bundle("callee"), bundle("caller", [call("callee")]))
    work.ok("apply")
    work.write(bundle("callee", description="changed"))
    rows = work.everything()
    plan = work.ok("plan", "--overwrite", "update")
    assert plan.stdout.endswith("Plan: 0 to create, 1 to overwrite, 0 to delete, 0 to relink, 1 unchanged.\n")
    work.ok("apply", "--force", "--overwrite", "update")
    now = work.everything()
    assert [r for r in now["workflow_definitions"] if r["key"] == "caller"] == [
        r for r in rows["workflow_definitions"] if r["key"] == "caller"
    ]
    assert now["workflow_definition_versions"] == rows["workflow_definition_versions"]


def test_two_replaced_workflows_that_call_one_another(work: Workplace) -> None:
    work.write(bundle("a", [call("b")]), bundle("b", [call("a")]), bundle("c", [call("a"), call("b", 1, "two")]))
    work.ok("apply")
    work.write(bundle("a", [call("b")], description="x"), bundle("b", [call("a")], description="x"))
    old = work.ids()
    plan = work.ok("apply", "--force", "--overwrite", "replace").stdout
    assert plan.endswith("Applied: 0 created, 2 overwritten, 0 deleted, 1 relinked, 0 unchanged.\n")
    ids = work.ids()
    assert not {old["a"], old["b"]} & set(ids.values())
    assert stored_calls(work)["c", 1] == [ids["a"], ids["b"]]
    assert stored_calls(work)["a", 1] == [ids["b"]]
    assert stored_calls(work)["b", None] == [ids["a"]]
    work.ok("plan", "--detailed-exitcode")


def test_callers_whose_key_several_rows_have_are_relinked_too(work_b: Workplace) -> None:
    work = work_b
    work.write(bundle("callee"), bundle("caller", [call("callee")]))
    work.ok("apply")
    add_twin(work, "caller")
    (work.folder / "workflows/caller.json").unlink()
    work.write(bundle("callee", description="changed"))
    done = work.ok("apply", "--force", "--overwrite", "replace")
    assert done.stdout.endswith("Applied: 0 created, 1 overwritten, 0 deleted, 2 relinked, 0 unchanged.\n")
    new = work.ids()["callee"]
    assert stored_calls(work) == {("caller", None): [new], ("caller", 1): [new], ("twin", None): [new]}


def test_a_key_that_several_rows_have_cannot_be_called(work_b: Workplace) -> None:
    work = work_b
    work.write(bundle("callee"), bundle("caller", [call("callee")]))
    work.ok("apply")
    add_twin(work, "callee")
    (work.folder / "workflows/callee.json").unlink()
    # What does not change is not touched by it
    work.ok("plan", "--detailed-exitcode")
    work.write(bundle("caller", [call("callee")], description="changed"))
    rows = work.everything()
    refused = work.fails(3, "apply", "--force", "--format", "json")
    assert codes(refused) == ["AMBIGUOUS_KEY"]
    assert len(refused.json()["errors"][0]["details"]["workflowIds"]) == 2
    assert work.everything() == rows


def test_an_import_relinks_a_foreign_bundle_and_keeps_to_itself(work: Workplace) -> None:
    foreign = many(
        bundle("a", [call(B_ID)], identity=A_ID), bundle("b", [call(A_ID), call(NOBODY, 1, "x")], identity=B_ID)
    )
    (work.folder / "foreign.json").write_bytes(canonical(foreign))
    done = work.ok("import", "foreign.json")
    assert "warning NON_PORTABLE_REFERENCE: b:" in done.stdout
    ids = work.ids()
    assert stored_calls(work)["a", 1] == [ids["b"]]
    assert stored_calls(work)["b", None] == [ids["a"], NOBODY]
    assert {uuid.UUID(i).version for i in ids.values()} == {4}
