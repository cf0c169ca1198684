"""What applies leave in the ledger, through the real command line: rows, images, what is managed, and failures."""

from __future__ import annotations

import json
import signal
import zlib
from pathlib import Path
from typing import Any

import psycopg
import pytest

from command_line import CommandLine
from databases import LAYOUTS, TENANT, Databases, LayoutName
from small_bundles import bundle, call, set_state
from workplace import Row, Workplace

NIL = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    def at(layout: LayoutName = "wfsync", text: str = "source: acme/flows\n") -> Workplace:
        work = Workplace(cli, database(layout), tmp_path)
        work.configure(text)
        return work

    return at


def applies(work: Workplace) -> list[Row]:
    return work.rows("SELECT * FROM wfsync.applies ORDER BY at")


def changes(work: Workplace) -> list[Row]:
    return work.rows(
        "SELECT c.* FROM wfsync.apply_changes c JOIN wfsync.applies a USING (tenant, apply_id) ORDER BY a.at, position"
    )


def managed(work: Workplace) -> dict[str, Row]:
    return {row["key"]: row for row in work.rows("SELECT * FROM wfsync.managed")}


def image(row: Row) -> Any:
    return json.loads(zlib.decompress(row["image"]), parse_float=str)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_apply_records_what_it_did_and_manages_what_it_wrote(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    work.write(bundle("a", [set_state("OLD")]), bundle("b", versions=(1, 2)), bundle("c", [call("b")]))
    work.ok("--actor", "alice", "apply")
    tenant = TENANT if work.database.tenant else NIL
    first_ids = work.ids()
    (row,) = applies(work)
    assert row["tenant"] == tenant
    assert (row["command"], row["outcome"], row["error_code"]) == ("apply", "applied", None)
    assert (row["actor"], row["actor_origin"], row["source"]) == ("alice", "--actor", "acme/flows")
    assert row["counts"] == {"create": 3, "overwrite": 0, "delete": 0, "relink": 0, "unchanged": 0}
    assert row["options"]["overwrite"] == "replace"
    assert row["seconds"] > 0
    assert [(c["key"], c["action"], c["before_id"], c["after_id"], c["image"]) for c in changes(work)] == [
        (key, "create", None, first_ids[key], None) for key in ("a", "b", "c")
    ]
    kept = managed(work)
    assert {key: (m["source"], m["origin"], m["workflow_id"], m["tenant"]) for key, m in kept.items()} == {
        key: ("acme/flows", "created", first_ids[key], tenant) for key in ("a", "b", "c")
    }

    work.write(bundle("b", [set_state("NEW")], versions=(1, 2, 3)))
    before = {r["workflow_id"]: r for r in work.rows("SELECT * FROM workflow_definitions")}
    work.ok("apply", "--force")
    second = applies(work)[1]
    assert second["options"] | {"overwrite": "replace", "force": True} == second["options"]
    of_b, of_c = changes(work)[3:]
    assert (of_b["key"], of_b["action"], of_c["key"], of_c["action"]) == ("b", "overwrite", "c", "relink")
    assert (str(of_b["before_id"]), of_b["after_id"]) == (first_ids["b"], work.ids()["b"])
    assert of_b["before_digest"] == kept["b"]["digest"]
    assert of_b["after_digest"] == managed(work)["b"]["digest"] != kept["b"]["digest"]
    assert managed(work)["b"]["workflow_id"] == work.ids()["b"]
    assert managed(work)["b"]["origin"] == "created"
    assert managed(work)["c"] == kept["c"]
    rows = image(of_b)
    assert set(rows["definition"]) == set(before[next(iter(before))])
    assert rows["definition"]["workflow_id"] == first_ids["b"]
    assert [version["version"] for version in rows["versions"]] == [1, 2]
    assert image(of_c)["definition"]["key"] == "c"


def test_an_image_holds_every_column_also_those_that_nobody_knows(place: Any) -> None:
    work = place("A½")
    work.rows("ALTER TABLE workflow_definitions ADD secret_sauce bytea, ADD span tstzrange, ADD exact numeric(12,4)")
    work.write(bundle("a", versions=(1,)))
    work.ok("apply")
    work.rows(
        "UPDATE workflow_definitions SET tags = '{x,\"y z\"}', \"Sort Order\" = 7, secret_sauce = '\\x00ff',"
        " exact = 1.5, span = '[2020-01-01,infinity)', failure_rate_threshold = 0.50;"
        " CREATE TABLE was AS TABLE workflow_definitions"
    )
    work.write(bundle("a", [set_state("NEW")], versions=(1,)))
    work.ok("apply", "--force")
    held = image(changes(work)[1])["definition"]
    assert held["tags"] == ["x", "y z"]
    assert held["Sort Order"] == 7
    assert held["secret_sauce"] == "\\x00ff"
    assert held["exact"] == "1.5000"
    assert held["failure_rate_threshold"] == "0.50"
    # the server reads back exactly what was there
    text = zlib.decompress(changes(work)[1]["image"]).decode()
    assert work.rows(
        "SELECT json_populate_record(NULL::was, %s::json -> 'definition') = was.* AS same FROM was", text
    ) == [{"same": True}]


def test_equal_keys_are_adopted_and_an_apply_without_changes_writes_no_row(place: Any) -> None:
    work = place("A")
    work.write(bundle("a"), bundle("b"))
    work.ok("import", "workflows/a.json", "workflows/b.json")
    assert managed(work) == {}
    assert [row["command"] for row in applies(work)] == ["import"]
    work.ok("apply")
    assert {key: m["origin"] for key, m in managed(work).items()} == {"a": "adopted", "b": "adopted"}
    assert len(applies(work)) == 1
    before = work.rows("SELECT *, xmin::text FROM wfsync.managed ORDER BY key")
    work.ok("apply")
    assert work.rows("SELECT *, xmin::text FROM wfsync.managed ORDER BY key") == before


def test_only_selected_keys_are_managed_and_others_sources_keep_theirs(place: Any) -> None:
    work = place("A")
    work.write(bundle("a"), bundle("b"))
    work.ok("apply", "--select", "a")
    assert set(managed(work)) == {"a"}
    work.configure("source: somebody/else\n")
    work.ok("apply")
    assert {key: m["source"] for key, m in managed(work).items()} == {"a": "acme/flows", "b": "somebody/else"}


def test_what_is_overwritten_without_having_been_ours_is_adopted(place: Any) -> None:
    work = place("A")
    work.write(bundle("a", [set_state("THEIRS")]))
    work.ok("import", "workflows/a.json")
    work.write(bundle("a", [set_state("OURS")]))
    work.ok("apply", "--force")
    assert managed(work)["a"]["origin"] == "adopted"


def test_an_import_changes_nothing_of_what_is_managed(place: Any) -> None:
    work = place("A")
    work.write(bundle("a", [set_state("OLD")]))
    work.ok("apply")
    before = managed(work)
    work.write(bundle("a", [set_state("NEW")]))
    work.ok("import", "--force", "workflows/a.json")
    assert managed(work) == before
    assert [(row["command"], row["source"]) for row in applies(work)] == [("apply", "acme/flows"), ("import", "import")]


# ---------------------------------------------------------------------------------------------------------- failures


def failed(work: Workplace) -> Row:
    (row,) = [row for row in applies(work) if row["outcome"] == "failed"]
    assert work.rows("SELECT * FROM wfsync.apply_changes WHERE apply_id = %s", row["apply_id"]) == []
    return row


@pytest.fixture
def applied(place: Any) -> Workplace:
    work: Workplace = place("A")
    work.write(bundle("a"))
    work.ok("apply")
    work.write(bundle("a", [set_state("NEW")]), bundle("b"))
    return work


def test_a_constraint_that_is_violated_leaves_a_row_that_says_so(applied: Workplace) -> None:
    applied.rows("ALTER TABLE workflow_definitions ADD CONSTRAINT no_b CHECK (key <> 'b')")
    before = managed(applied)
    result = applied.fails(1, "apply", "--force")
    assert "CONSTRAINT_VIOLATION" in result.stderr
    row = failed(applied)
    assert row["error_code"] == "CONSTRAINT_VIOLATION"
    assert "no_b" in row["error"]
    assert row["counts"]["create"] == 1
    assert managed(applied) == before


def test_a_lock_that_is_not_free_leaves_a_row_that_says_so(applied: Workplace) -> None:
    with applied.database.connect() as other, other.transaction():
        other.execute("SELECT * FROM workflow_definitions FOR UPDATE")
        applied.fails(5, "--lock-timeout", "0.2", "apply", "--force")
    assert failed(applied)["error_code"] == "LOCK_TIMEOUT"


def test_a_refusal_before_the_transaction_leaves_none(applied: Workplace) -> None:
    applied.fails(3, "apply")
    assert [row["outcome"] for row in applies(applied)] == ["applied"]


def test_a_session_that_is_ended_leaves_a_row_that_says_so(applied: Workplace) -> None:
    applied.rows(
        "CREATE FUNCTION suicide() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;"
        " CREATE TRIGGER suicide BEFORE INSERT ON workflow_definitions FOR EACH ROW EXECUTE FUNCTION suicide()"
    )
    result = applied.fails(1, "apply", "--force")
    assert "CONNECTION_LOST" in result.stderr
    assert failed(applied)["error_code"] == "CONNECTION_LOST"


def test_a_command_that_is_terminated_leaves_a_row_that_says_so(applied: Workplace) -> None:
    with applied.database.connect() as other:
        with other.transaction():
            other.execute("SELECT * FROM workflow_definitions FOR UPDATE")
            process = applied.cli.start("--database", applied.database.conninfo, "apply", "--force", cwd=applied.folder)
            with psycopg.connect(applied.database.conninfo, autocommit=True) as looking:
                while not looking.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'wfsync%'"
                ).fetchone():
                    assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
        assert process.returncode == 143
    assert failed(applied)["error_code"] == "TERMINATED"
