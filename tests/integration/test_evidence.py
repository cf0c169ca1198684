"""A plan from evidence is the plan from everything, whatever happens between them (design/libraries.md, "Evidence")."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from command_line import CommandLine
from databases import LAYOUTS, OTHER_TENANT, TENANT, Databases, LayoutName
from row_moves import ALTERED, IMPOSSIBLE, MOVES, STAYS
from small_bundles import bundle, call, set_state
from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies
from wfsync.state.evidence import Evidence, recall
from wfsync.state.live import Rows, read_live
from wfsync.store.connection import connect, snapshot
from wfsync.store.layout import detect, resolve_tenant
from workplace import Workplace

OWNED: Final = Policies.of(["metadata.isPaused"], [])
"""The policies of a named database."""


SPOILT: Final = {
    "restored from before": "UPDATE wfsync.evidence SET xid = (xid::numeric + 1000000)::text",
    "wrapped around": "UPDATE wfsync.evidence SET xid = (xid::numeric - 2147483648)::text",
    "another cluster": "UPDATE wfsync.evidence SET guard = '1' || guard",
    "another version": "UPDATE wfsync.evidence SET rules = '0.0.0 ' || rules",
    "damaged": "UPDATE wfsync.evidence SET rows = 'nonsense'",
    "emptied": "DELETE FROM wfsync.evidence",
}


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    def at(layout: LayoutName = "wfsync") -> Workplace:
        work = Workplace(cli, database(layout), tmp_path)
        work.configure()
        work.write(
            bundle("callee", versions=(1, 2)),
            bundle("caller", [call("callee")]),
            bundle("far", [call("caller")]),
            bundle("alone", [set_state("A")], versions=(1, 2, 3)),
            bundle("draft", versions=()),
        )
        work.ok("apply")
        return work

    return at


@pytest.fixture
def work(place: Any) -> Workplace:
    applied: Workplace = place()
    assert known(applied) == {"alone", "callee", "caller", "draft", "far"}
    return applied


def _look(work: Workplace, policies: Policies) -> tuple[Evidence | None, Rows, Rows]:
    """What evidence there is, and the live state with it and without."""
    with connect(work.database.target, read_only=True) as conn:
        layout = detect(conn)
        tenant = resolve_tenant(conn, layout, work.database.tenant, for_write=False)
        with snapshot(conn):
            evidence = recall(conn, layout, tenant, policies, believed=True, marks=False)
            proved = read_live(conn, layout, tenant, policies=policies, reading="unproven")
            everything = read_live(conn, layout, tenant, policies=policies, reading="all")
    return evidence, proved, everything


def known(work: Workplace, policies: Policies = OWNED) -> set[str] | None:
    """The keys that need not be read; None where nothing can be proved. What is known is what would be read."""
    evidence, proved, everything = _look(work, policies)
    assert proved.state == everything.state
    assert list(proved.state.by_key) == list(everything.state.by_key)
    assert proved.notes == everything.notes
    return None if evidence is None else {live.key for live in evidence.known.values()}


def both_plans(work: Workplace) -> None:
    """The command agrees, too."""
    assert work.ok("plan", "--format", "json").stdout == work.ok("plan", "--refresh", "--format", "json").stdout


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_an_apply_leaves_is_what_would_be_read(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    assert known(work) == {"alone", "callee", "caller", "draft", "far"}
    work.write(bundle("alone", [set_state("B")], versions=(1, 2)), bundle("new", [call("alone", 2)]))
    for overwrite in ("update", "replace"):
        work.write(bundle("alone", [set_state(overwrite)], versions=(1, 2)), bundle(overwrite, [call("alone", 2)]))
        work.ok("apply", "--force", "--overwrite", overwrite)
        found = known(work)
        assert found is not None
        assert {"callee", "caller", "draft", "far", "alone", overwrite} <= found
    both_plans(work)
    work.ok("apply")
    assert _look(work, OWNED)[0] == Evidence(_look(work, OWNED)[0].known, None, is_complete=True)  # type: ignore[union-attr]


@pytest.mark.parametrize("statements", MOVES.values(), ids=MOVES.keys())
def test_a_row_that_moved_is_read(work: Workplace, statements: str) -> None:
    work.database.execute(statements)
    found = known(work)
    assert found is not None
    assert {"callee", "caller"} <= found < {"alone", "callee", "caller", "draft", "far", "came"}


def test_a_caller_of_a_row_that_moved_is_read(work: Workplace) -> None:
    """Its digest names the callee by key."""
    work.database.execute("UPDATE workflow_definitions SET key = 'renamed' WHERE key = 'callee'")
    assert known(work) == {"alone", "draft", "far"}


def test_a_callee_that_vanished_and_came_back_under_its_id(work: Workplace) -> None:
    work.database.execute(
        "CREATE TABLE kept AS SELECT * FROM workflow_definitions WHERE key = 'callee'",
        "DELETE FROM workflow_definitions WHERE key = 'callee'",
    )
    assert known(work) == {"alone", "draft", "far"}
    work.database.execute("UPDATE kept SET key = 'another'", "INSERT INTO workflow_definitions SELECT * FROM kept")
    assert known(work) == {"alone", "draft", "far"}


@pytest.mark.parametrize("statements", STAYS.values(), ids=STAYS.keys())
def test_what_moves_no_row_costs_nothing(work: Workplace, statements: str) -> None:
    with work.database.connect() as conn:
        for statement in statements.split("; "):
            conn.execute(statement)
    assert known(work) == {"alone", "callee", "caller", "draft", "far"}


@pytest.mark.parametrize("statements", [*ALTERED.values(), *SPOILT.values()], ids=[*ALTERED, *SPOILT])
def test_in_doubt_everything_is_read(work: Workplace, statements: str) -> None:
    with work.database.connect() as conn:
        for statement in statements.split("; "):
            conn.execute(statement)
    assert known(work) == set()


def test_the_label_of_an_enum(place: Any) -> None:
    work = place()
    work.database.execute(
        "CREATE TYPE mode AS ENUM ('pinned', 'latest')",
        "ALTER TABLE workflow_definitions ALTER COLUMN payload_schema_mode DROP DEFAULT",
        "ALTER TABLE workflow_definitions ALTER COLUMN payload_schema_mode TYPE mode USING payload_schema_mode::mode",
    )
    work.ok("apply")
    assert known(work) == {"alone", "callee", "caller", "draft", "far"}
    work.database.execute("ALTER TYPE mode RENAME VALUE 'pinned' TO 'latest2'")
    assert known(work) == set()


@pytest.mark.parametrize("statements", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_where_rows_prove_nothing_they_are_read(work: Workplace, statements: str) -> None:
    with work.database.connect() as conn:
        for statement in statements.split("; "):
            conn.execute(statement)
    assert known(work) is None
    work.ok("plan")
    work.ok("apply")


def test_a_restore_into_another_database_is_no_evidence(work: Workplace, database: Databases) -> None:
    """Rows, evidence and oids of tables come along in a copy; the database's own oid does not."""
    copied = f"{work.database.name}_copy"
    work.database.server.execute(f'CREATE DATABASE "{copied}" TEMPLATE "{work.database.name}"')
    database._made.append(copied)
    other = Workplace(work.cli, type(work.database)(copied, "wfsync", work.database.server), work.folder)
    assert known(other) == set()
    other.ok("apply")
    assert known(other) == {"alone", "callee", "caller", "draft", "far"}


def test_other_policies_make_other_digests(work: Workplace) -> None:
    assert known(work, GIT_OWNS_ALL) == set()


@pytest.mark.parametrize("event", ["BEFORE INSERT OR UPDATE", "AFTER INSERT OR UPDATE"])
def test_what_a_trigger_may_have_changed_is_read(work: Workplace, event: str) -> None:
    work.database.execute(
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.description := 'shouted'; RETURN NEW; END $$",
        f"CREATE TRIGGER shout {event} ON workflow_definitions FOR EACH ROW EXECUTE FUNCTION shout()",
    )
    work.write(bundle("alone", [set_state("B")]), bundle("new"))
    work.ok("apply", "--force", "--overwrite", "update")
    assert known(work) == {"callee", "caller", "draft", "far"}
    both_plans(work)


def test_a_deferred_trigger_writes_once_more_before_the_rows_are_fingerprinted(work: Workplace) -> None:
    work.database.execute(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE workflow_definitions"
        " SET created_at = created_at WHERE workflow_id = NEW.workflow_id AND pg_trigger_depth() = 1;"
        " RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER touch AFTER INSERT OR UPDATE ON workflow_definition_versions"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch()",
    )
    work.write(bundle("new"))
    work.ok("apply")
    assert known(work) == {"alone", "callee", "caller", "draft", "far"}
    work.ok("apply")
    assert known(work) == {"alone", "callee", "caller", "draft", "far", "new"}


def test_tenants_have_evidence_of_their_own(work: Workplace) -> None:
    folder = work.folder
    other = ["--database", work.database.conninfo, "--tenant", OTHER_TENANT]
    assert work.cli(*other, "apply", cwd=folder).code == 0
    assert known(work) == {"alone", "callee", "caller", "draft", "far"}
    work.database.execute(f"UPDATE workflow_definitions SET name = 'x' WHERE tenant = '{OTHER_TENANT}'")
    assert known(work) == {"alone", "callee", "caller", "draft", "far"}


def test_a_role_that_may_not_read_evidence_reads_rows(work: Workplace) -> None:
    name = f"reader_{work.database.name}"
    work.database.execute(f"CREATE ROLE {name} LOGIN", f"GRANT SELECT ON ALL TABLES IN SCHEMA public, wfsync TO {name}")
    try:
        result = work.cli(
            "--database", psycopg.conninfo.make_conninfo(work.database.conninfo, user=name), "--tenant", TENANT,
            "plan", "--detailed-exitcode", cwd=work.folder,
        )  # fmt: skip
        assert result.code == 0, result.output
    finally:
        work.database.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_whatever_happens_both_agree(work: Workplace) -> None:
    """Random edits of rows and files, with applies between them."""
    generator = random.Random(20261120)
    keys = ["alone", "callee", "caller", "draft", "far", "extra", "more"]
    for _ in range(12):
        key = generator.choice(keys)
        match generator.randrange(6):
            case 0:
                work.database.execute(f"UPDATE workflow_definitions SET name = name || '!' WHERE key = '{key}'")
            case 1:
                work.database.execute(f"UPDATE workflow_definitions SET key = key || '2' WHERE key = '{key}'")
            case 2:
                work.database.execute(f"DELETE FROM workflow_definitions WHERE key = '{key}'")
            case 3:
                work.database.execute("VACUUM workflow_definitions")
            case _:
                work.write(bundle(key, [set_state(str(generator.random()))], versions=(1, 2)))
        known(work)
        if generator.random() < 0.5:
            work("apply", "--force", "--on-drift", "overwrite", "--overwrite", generator.choice(["update", "replace"]))
            known(work)
    both_plans(work)


def test_a_rollback_gives_an_id_back_that_others_still_call(work: Workplace) -> None:
    """The caller's row does not move, and yet it says something else: its callee has a name again."""
    work.write(bundle("callee", [set_state("B")], versions=(1, 2)))
    work.ok("apply", "--force", "--overwrite", "update")
    work.rows("DELETE FROM workflow_definitions WHERE key = 'callee'")
    work.ok("rollback", "last", "--force")
    found = known(work)
    assert found is not None
    assert "callee" in found
    both_plans(work)


@pytest.mark.parametrize("expression", ["upper(draft_version::text)", "'x' || draft_version"])
def test_a_virtual_column_is_no_row_that_moves(place: Any, expression: str) -> None:
    """PostgreSQL 18: what such a column says changes without any row being written."""
    work = place()
    with psycopg.connect(work.database.conninfo, autocommit=True) as conn:
        if conn.info.server_version < 180000:
            pytest.skip("virtual generated columns came with PostgreSQL 18")
    work.rows("ALTER TABLE workflow_definitions DROP COLUMN payload_schema_provenance")
    work.rows(f"ALTER TABLE workflow_definitions ADD COLUMN shown text GENERATED ALWAYS AS ({expression}) VIRTUAL")
    work.ok("apply")
    assert known(work) is None


@pytest.mark.parametrize("of", ["numeric(4,1)", "rounded"])
def test_a_column_that_rounds_is_read(work: Workplace, of: str) -> None:
    work.rows("CREATE DOMAIN rounded AS numeric(4,1)")
    work.rows(f"ALTER TABLE workflow_definitions ALTER COLUMN failure_rate_threshold TYPE {of}")
    work.write(bundle("alone", failureRateThreshold=0.55))
    work.ok("apply", "--force", "--on-drift", "overwrite", "--overwrite", "update")
    found = known(work)
    assert found is not None
    assert "alone" not in found
    both_plans(work)
