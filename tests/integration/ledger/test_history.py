"""`history` and `show`, retention, and applies of roles without rights, through the real command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from databases import TENANT, Databases, LayoutName
from rows import session
from small_bundles import bundle, set_state
from wfsync.errors import ConfigError
from wfsync.store.connection import write_transaction
from wfsync.store.ledger.applies import applies, begin_record, changes_of, find_apply, record_changes, thin_out
from wfsync.store.ledger.schema import ensure
from wfsync.store.ledger.values import AppliedRow, ChangeRow, Retention
from workplace import Workplace


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    def at(layout: LayoutName = "wfsync", text: str = "source: acme/flows\n") -> Workplace:
        work = Workplace(cli, database(layout), tmp_path)
        work.configure(text)
        return work

    return at


def test_who_knows_no_setting_removes_nothing(place: Any, tmp_path: Path) -> None:
    """Outside of a repository: what the ledger is to keep is said in wfsync.yaml."""
    work: Workplace = place("A", "ledger: {keep: {applies: 100000, days: 3650}}\n")
    work.write(bundle("a"))
    work.ok("apply")
    for table in ("applies", "apply_changes"):
        work.rows(
            f"INSERT INTO wfsync.{table} SELECT (jsonb_populate_record(t, jsonb_build_object('apply_id',"
            " overlay(t.apply_id::text placing lpad(n::text, 8, '0') from 1))"
            f" || CASE WHEN '{table}' = 'applies' THEN jsonb_build_object('at', now() - interval '400 days')"
            f" ELSE '{{}}' END)).* FROM wfsync.{table} t, generate_series(1, 230) n"
        )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    outside = Workplace(work.cli, work.database, elsewhere)
    outside.ok("rollback", "last", "--force")
    assert work.rows("SELECT count(*) AS n FROM wfsync.applies") == [{"n": 232}]


def test_failures_are_thinned_out_although_nothing_succeeds(place: Any) -> None:
    work: Workplace = place("A", "ledger: {keep: {applies: 1, days: 1}}\n")
    work.write(bundle("a"))
    work.ok("apply")
    work.rows("ALTER TABLE workflow_definitions ADD CONSTRAINT none_more CHECK (key <> 'b')")
    work.write(bundle("b"))
    work.fails(1, "apply")
    work.fails(1, "apply")
    assert work.rows("SELECT outcome FROM wfsync.applies ORDER BY at") == [
        {"outcome": outcome} for outcome in ("applied", "failed", "failed")
    ]
    work.rows("UPDATE wfsync.applies SET at = at - interval '9 days'")
    work.fails(1, "apply")
    assert work.rows("SELECT outcome, at < now() - interval '1 day' AS old FROM wfsync.applies ORDER BY at") == [
        {"outcome": "applied", "old": True},
        {"outcome": "failed", "old": False},
    ]


def test_history_and_show_tell_who_did_what(place: Any) -> None:
    work: Workplace = place()
    empty = work.ok("history")
    assert empty.stdout == "History: 0 applies, 0 of them failed.\n"
    assert "there is no ledger" in empty.stderr
    assert "NO_LEDGER" in work.fails(1, "show", "last").stderr
    work.write(bundle("a", [set_state("OLD")], versions=(1,)), bundle("b"))
    work.ok("--actor", "alice\x1b[31m", "apply")
    work.write(bundle("a", [set_state("NEW")], versions=(1,)))
    work.ok("apply", "--force", "--select", "a", "--max-changes", "50%")
    work.rows("ALTER TABLE workflow_definitions ADD CONSTRAINT none_more CHECK (key <> 'c')")
    work.write(bundle("c"))
    work.fails(1, "apply")

    lines = work.ok("history").stdout.splitlines()
    assert lines[-1] == "History: 3 applies, 1 of them failed."
    assert "failed: CONSTRAINT_VIOLATION" in lines[0]
    assert "~1" in lines[1]
    assert "+2  alice [31m  acme/flows" in lines[2]
    assert len(work.ok("history", "--limit", "1").stdout.splitlines()) == 2
    assert work.ok("history", "--limit", "1000000").stdout.splitlines() == lines
    assert "--limit" in work.fails(64, "history", "--limit", "99999999999999999999").stderr
    only_b = work.ok("history", "--key", "b", "--format", "json").json()["applies"]
    assert [row["actor"] for row in only_b] == ["alice [31m"]

    found = work.ok("history", "--format", "json").json()
    assert found["format_version"] == "1.0"
    failed, second, first = found["applies"]
    assert (failed["outcome"], failed["error_code"]) == ("failed", "CONSTRAINT_VIOLATION")
    said = {"force": True, "overwrite": "replace", "select": ["a"], "max_changes": "50%"}
    assert second["options"] | said == second["options"]
    assert second["at"] > first["at"]
    shown = work.ok("show", "last", "--format", "json").json()
    assert shown["apply"] == second
    assert work.ok("show", second["id"][:13], "--format", "json").json() == shown
    (change,) = shown["changes"]
    assert (change["key"], change["action"], change["versions"]) == ("a", "overwrite", [1])
    assert change["has_rows_before"] is True
    assert change["after_id"] == work.ids()["a"] != change["before_id"]
    text = work.ok("show", first["id"]).stdout
    assert f"Apply: {first['id']}\n" in text
    assert "Actor: alice [31m (--actor)\n" in text
    assert "+ b  create, id " in text
    assert text.endswith("\nPlan: 2 to create, 0 to overwrite, 0 to delete, 0 to relink, 0 unchanged.\n")
    text = work.ok("show", failed["id"]).stdout
    assert "Outcome: failed, CONSTRAINT_VIOLATION: the constraint none_more" in text
    assert "UNKNOWN_APPLY" in work.fails(1, "show", "nonsense'").stderr


def test_each_tenant_has_a_history_of_its_own(place: Any) -> None:
    work: Workplace = place("B")
    work.write(bundle("a"))
    work.ok("apply")
    other = work.cli(
        "--database", work.database.conninfo, "--tenant", TENANT.replace("1", "2"), "history", cwd=work.folder
    )
    assert other.stdout == "History: 0 applies, 0 of them failed.\n"
    assert work.ok("history").stdout.endswith("History: 1 apply, 0 of them failed.\n")


def test_a_password_is_never_in_the_ledger(place: Any) -> None:
    work: Workplace = place("A")
    work.write(bundle("a"))
    conninfo = f"{work.database.conninfo} password=hunter2"
    assert work.cli("--database", conninfo, "apply", cwd=work.folder).code == 0
    assert "hunter2" not in str(work.rows("SELECT * FROM wfsync.applies"))


# ------------------------------------------------------------------------------------------------------- retention


def _row(number: int, outcome: str = "applied") -> AppliedRow:
    identity = f"00000000-0000-4000-8000-{number:012x}"
    return AppliedRow(identity, "apply", outcome, "me", "user", "s", "t", "d", "1", 0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (Retention(applies=2, days=0), [6, 5, 9]),
        (Retention(applies=4, days=0), [6, 5, 4, 3, 9]),
        (Retention(applies=2, days=35), [6, 5, 4, 9]),
        (Retention(applies=1, days=25), [6, 5, 9]),
        (Retention(applies=200, days=90), [6, 5, 4, 3, 2, 1, 9]),
    ],
)
def test_what_is_kept_is_the_larger_of_number_and_days(database: Databases, keep: Retention, left: list[int]) -> None:
    """Applies 1 to 6 are 60, 50, … 10 days old; 9 failed 70 days ago and is counted by itself."""
    with session(database("A")) as one:
        ensure(one.conn, 5)
        for number in (1, 2, 3, 4, 5, 6, 9):
            begin_record(one.conn, None, _row(number, "failed" if number == 9 else "applied"))
            change = ChangeRow(0, "a", "create", None, "d", None, "id", (1, 2))
            record_changes(one.conn, None, _row(number).id, [change], ())
            age = 70 if number == 9 else 70 - 10 * number
            one.conn.execute(
                "UPDATE wfsync.applies SET at = now() - make_interval(days => %s) WHERE apply_id = %s",
                [age, _row(number).id],
            )
        with write_transaction(one.conn, 5):
            thin_out(one.conn, None, keep)
        found = applies(one.conn, None)
        assert found is not None
        assert [int(row.id[-12:], 16) for row in found] == left
        kept = {row[0] for row in one.rows("SELECT DISTINCT apply_id::text FROM wfsync.apply_changes")}
        assert kept == {row.id for row in found}
        assert [list(row.versions) for row in changes_of(one.conn, None, found[0].id)] == [[1, 2]]
        with pytest.raises(ConfigError) as caught:
            find_apply(one.conn, None, "00000000")
        assert caught.value.code == "AMBIGUOUS_APPLY"


def test_the_configuration_says_how_much_is_kept(place: Any) -> None:
    work: Workplace = place("A", "ledger: {keep: {applies: 1, days: 0}}\n")
    for key in ("a", "b", "c"):
        work.write(bundle(key))
        work.ok("apply")
    assert work.ok("history").stdout.endswith("History: 1 apply, 0 of them failed.\n")
    assert len(work.rows("SELECT * FROM wfsync.managed")) == 3


# ---------------------------------------------------------------------------------------------------------- rights


def test_an_apply_without_the_right_works_and_says_what_to_grant(place: Any) -> None:
    work: Workplace = place("A")
    work.rows(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'writer') THEN"
        " CREATE ROLE writer LOGIN; END IF; END $$;"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO writer"
    )
    conninfo = f"{work.database.conninfo} user=writer"

    def as_writer(*args: str) -> Any:
        result = work.cli("--database", conninfo, *args, cwd=work.folder)
        assert result.code == 0, result.output
        return result

    work.write(bundle("a"))
    document = as_writer("apply", "--format", "json").json()
    assert document["outcome"]["apply_id"] is None
    (warning,) = [w for w in document["warnings"] if w["code"] == "LEDGER_UNAVAILABLE"]
    assert "CREATE SCHEMA wfsync AUTHORIZATION writer;" in warning["hint"]
    assert "LEDGER_UNAVAILABLE" in as_writer("apply").stdout  # nothing to change, and still nothing is managed
    assert as_writer("db", "status").stdout.count("none, and writer may not create it") == 1
    refused = work.cli("--database", conninfo, "db", "upgrade", cwd=work.folder)
    assert (refused.code, "PERMISSION_DENIED" in refused.stderr) == (1, True)
    assert work.rows("SELECT FROM pg_namespace WHERE nspname = 'wfsync'") == []
    work.ok("db", "upgrade")  # the owner makes it, and has not yet granted anything
    assert "GRANT USAGE ON SCHEMA wfsync TO writer;" in as_writer("apply").stdout
    work.rows(
        "GRANT USAGE ON SCHEMA wfsync TO writer;"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA wfsync TO writer"
    )
    assert "LEDGER" not in as_writer("apply").stdout
    assert [row["origin"] for row in work.rows("SELECT * FROM wfsync.managed")] == ["adopted"]
    work.write(bundle("a", [set_state("NEW")]))
    assert json.loads(as_writer("apply", "--force", "--format", "json").stdout)["outcome"]["apply_id"]


def test_who_cannot_read_the_ledger_overwrites_nothing_unseen(place: Any) -> None:
    work: Workplace = place("A")
    work.write(bundle("a"))
    work.ok("apply")
    work.rows(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blind') THEN"
        " CREATE ROLE blind LOGIN; END IF; END $$;"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO blind;"
        " UPDATE workflow_definitions SET description = 'by hand'"
    )

    def as_blind(code: int, *args: str) -> Any:
        conninfo = f"{work.database.conninfo} user=blind"
        result = work.cli("--database", conninfo, *args, "--format", "json", cwd=work.folder)
        assert result.code == code, result.output
        return result.json()

    work.write(bundle("a", [set_state("NEW")]), bundle("b"))
    rows = work.everything()
    assert [w["code"] for w in as_blind(0, "status")["warnings"]] == ["LEDGER_UNAVAILABLE"]
    (error,) = as_blind(1, "release", "a")["errors"]
    assert (error["code"], "so nothing was released" in error["message"]) == ("LEDGER_UNAVAILABLE", True)
    for way in ("fail", "skip"):
        (error,) = as_blind(4, "apply", "--force", "--on-drift", way)["errors"]
        assert (error["code"], error["key"]) == ("LEDGER_UNREADABLE", "a")
        tables = "wfsync.migrations, wfsync.instance, wfsync.managed, wfsync.evidence"
        assert f"GRANT USAGE ON SCHEMA wfsync TO blind; GRANT SELECT ON {tables} TO blind;" in error["hint"]
    assert [e["code"] for e in as_blind(3, "apply")["errors"]] == ["WORKFLOW_KEY_CONFLICT", "LEDGER_UNREADABLE"]
    assert work.everything() == rows
    assert as_blind(0, "apply", "--select", "b")["summary"]["create"] == 1
    assert as_blind(0, "apply", "--force", "--on-drift", "overwrite")["summary"]["overwrite"] == 1


def test_a_plan_without_the_right_to_read_the_ledger_says_what_it_cannot_know(place: Any) -> None:
    work: Workplace = place("A")
    work.write(bundle("a"))
    work.ok("apply")
    work.rows(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'onlooker') THEN"
        " CREATE ROLE onlooker LOGIN; END IF; END $$;"
        " GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker"
    )
    conninfo = f"{work.database.conninfo} user=onlooker"
    (warning,) = work.cli("--database", conninfo, "plan", "--format", "json", cwd=work.folder).json()["warnings"]
    assert warning["code"] == "LEDGER_UNAVAILABLE"
    assert "the user onlooker may not read the ledger" in warning["message"]
    # The rows before, which hold whole workflows, need not be theirs to read
    work.rows("GRANT USAGE ON SCHEMA wfsync TO onlooker")
    work.rows("GRANT SELECT ON wfsync.migrations, wfsync.instance, wfsync.managed, wfsync.evidence TO onlooker")
    edited = "UPDATE workflow_definitions SET description = 'by hand'"
    work.rows(edited)
    shown = work.cli("--database", conninfo, "plan", "--format", "json", cwd=work.folder).json()
    assert (shown["warnings"], [c["state"] for c in shown["changes"]]) == ([], ["database_changed"])
    pinned = work.cli("--database", conninfo, "plan", "--on-drift", "overwrite", "--out", "p.plan", cwd=work.folder)
    assert pinned.code == 0, pinned.output
    work.ok("apply", "p.plan", "--force")
    work.rows("REVOKE ALL ON ALL TABLES IN SCHEMA wfsync FROM onlooker")
    work.rows(warning["hint"].partition(": ")[2])
    assert "LEDGER" not in work.cli("--database", conninfo, "plan", cwd=work.folder).stdout
    said = "SELECT has_table_privilege('onlooker', 'wfsync.apply_changes', 'SELECT') AS may"
    assert work.rows(said) == [{"may": False}]


def test_what_may_not_be_read_is_not_taken_for_nothing(place: Any) -> None:
    work: Workplace = place("A")
    work.write(bundle("a"))
    work.ok("apply")
    work.rows(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reviewer') THEN"
        " CREATE ROLE reviewer LOGIN; END IF; END $$; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reviewer"
    )

    def as_reviewer(code: int, *args: str) -> Any:
        result = work.cli(
            "--database", f"{work.database.conninfo} user=reviewer", *args, "--format", "json", cwd=work.folder
        )
        assert result.code == code, result.output
        assert "there is no ledger" not in result.output
        return result.json()

    def granted(*args: str) -> str:
        (error,) = as_reviewer(1, *args)["errors"]
        assert error["code"] == "LEDGER_UNAVAILABLE"
        grant: str = error["hint"].partition(": ")[2]
        work.rows(grant)
        return grant

    for command in ("history", "show last", "rollback last --dry-run"):
        assert as_reviewer(1, *command.split())["errors"][0]["code"] == "LEDGER_UNAVAILABLE"
    assert "apply_changes" not in granted("history")
    assert [row["command"] for row in as_reviewer(0, "history")["applies"]] == ["apply"]
    work.rows("REVOKE SELECT ON wfsync.applies FROM reviewer")
    assert "GRANT SELECT ON wfsync.migrations, wfsync.applies, wfsync.apply_changes" in granted("history", "--key", "a")
    # managed and instance need not be theirs to read
    assert [row["command"] for row in as_reviewer(0, "history", "--key", "a")["applies"]] == ["apply"]
    assert [change["key"] for change in as_reviewer(0, "show", "last")["changes"]] == ["a"]


def test_a_damaged_ledger_is_not_taken_for_a_missing_right(place: Any) -> None:
    work: Workplace = place("A")
    work.write(bundle("a"))
    work.ok("apply")
    work.rows("DROP TABLE wfsync.managed")
    assert "Ledger: damaged: no table managed" in work.ok("db", "status").stdout
    for command in ("plan", "apply"):
        shown = work.ok(command).stdout
        assert "the ledger in this database is damaged, wfsync.managed is missing" in shown
        assert "GRANT" not in shown
        assert "let the owner of the schema run `wfsync db upgrade`" in shown
    work.write(bundle("a", [set_state("NEW")]))
    assert "LEDGER_UNREADABLE" in work.fails(4, "apply", "--force").stdout
    work.rows("DROP TABLE wfsync.migrations")
    assert "Ledger: damaged: no table migrations, managed" in work.ok("db", "status").stdout
    assert "DROP SCHEMA wfsync CASCADE" in work.ok("plan").stdout
    work.write(bundle("a"))
    work.rows("DROP SCHEMA wfsync CASCADE")
    assert "LEDGER" not in work.ok("apply").stdout
    assert work.ok("status").stdout.endswith("Status: 1 in sync.\n")


def test_plan_and_export_create_nothing(place: Any) -> None:
    work: Workplace = place("A")
    work.write(bundle("a"))
    work.ok("plan")
    work.ok("export", "--all")
    work.fails(3, "apply", "--expect-digest", "0" * 64)
    assert work.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'wfsync'") == []
