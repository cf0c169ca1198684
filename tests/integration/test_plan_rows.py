"""Which rows count, whose they are, and what becomes of unusual values (spec: bundle.md, database.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from command_line import CommandLine
from databases import LAYOUTS, OTHER_TENANT, TENANT, Databases, LayoutName
from small_bundles import bundle, call, canonical, set_state
from workplace import Workplace


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Any:
    """``place("A")``: a folder beside a database in a layout."""

    def at(layout: LayoutName) -> Workplace:
        work = Workplace(cli, database(layout), tmp_path)
        work.configure()
        return work

    return at


def warned(work: Workplace, code: str, *command: str) -> list[tuple[str | None, str]]:
    """The plan's warnings with a code: the key that they are about, and what they say."""
    plan = work.ok(*(command or ("plan",)), "--format", "json").json()
    return [(warning["key"], warning["message"]) for warning in plan["warnings"] if warning["code"] == code]


# ------------------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_null_is_null_whatever_the_column_defaults_to(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    work.write(
        bundle(
            "a",
            payloadSchemaMode=None,
            failureRateThreshold=None,
            failureRateMinRuns=None,
            concurrencyLimit=None,
            retentionPolicyOverride=None,
            trigger=None,
        )
    )
    files = work.files()
    work.ok("apply")
    (row,) = work.everything()["workflow_definitions"]
    columns = ("failure_rate_threshold", "failure_rate_min_runs", "concurrency_limit", "trigger")
    assert [row[column] for column in columns] == [None] * 4
    assert row["retention_policy_override"] is None
    assert row["payload_schema_mode"] == "pinned"
    work.ok("plan", "--detailed-exitcode")
    work.ok("export", "--all")
    assert work.files() == files


def test_one_threshold_has_many_spellings(place: Any) -> None:
    work = place("A")
    spellings = (b'"0.5"', b'"0.50"', b"0.50", b"5e-1", b'"5E-1"')
    keys = [f"a{number}" for number in range(len(spellings))]
    work.write(*(bundle(key, failureRateThreshold=0.5) for key in keys))
    work.ok("apply")
    for key, spelling in zip(keys, spellings, strict=True):
        path = work.folder / f"workflows/{key}.json"
        text = path.read_bytes()
        path.write_bytes(text.replace(b": 0.5,", b": " + spelling + b","))
        assert path.read_bytes() != text
    work.ok("plan", "--detailed-exitcode")
    assert work.ok("export", "*", "--bundle", "-").stdout.count('"failureRateThreshold": 0.5,') == len(keys)
    work.write(bundle("a1", failureRateThreshold=0.55))
    assert "metadata.failureRateThreshold: 0.5 → 0.55" in work.ok("plan").stdout
    work.ok("apply", "--force")
    stored = {row["key"]: str(row["failure_rate_threshold"]) for row in work.everything()["workflow_definitions"]}
    assert (stored["a0"], stored["a1"]) == ("0.50", "0.55")


def test_what_definition_id_says_never_counts(place: Any) -> None:
    work = place("A")
    work.write(bundle("a"))
    work.ok("apply")
    path = work.folder / "workflows/a.json"
    for identity in ("another", "0aaaaaaa-0000-4000-8000-00000000000a"):
        work.write(bundle("a", identity=identity))
        work.ok("plan", "--detailed-exitcode")
    without = json.loads(canonical(bundle("a")))
    del without["workflows"][0]["draft"]["definition"]["id"]
    path.write_text(json.dumps(without))
    work.ok("plan", "--detailed-exitcode")


@pytest.mark.parametrize("layout", ["wfsync", "B"])
def test_numbers_come_back_as_they_went_in(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    numbers = "[9007199254740993, -123456789012345678901234567890, 1e+21, 1.5, 1e-7, 0.000001, 1e+300, 0]"
    step = {"id": "n", "type": "state.set", "config": {"state": "X", "numbers": "@"}}
    text = canonical(bundle("a", [step])).decode().replace('"@"', numbers)
    path = work.folder / "workflows/a.json"
    path.parent.mkdir()
    path.write_text(text)
    work.ok("apply")
    work.ok("plan", "--detailed-exitcode")
    path.unlink()
    work.ok("export", "--all")
    exported = path.read_text(encoding="utf-8")
    config = exported.partition('"numbers": [')[2].partition("]")[0].split()
    assert [number.rstrip(",") for number in config] == numbers.strip("[]").replace(",", "").split()
    # jsonb keeps 1.50, and writes 1e21 with all its digits: neither is a difference
    work.rows(
        "UPDATE workflow_definitions SET draft_definition = replace(draft_definition::text, ' 1.5,', ' 1.50,')::jsonb"
    )
    work.ok("plan", "--detailed-exitcode")


# ---------------------------------------------------------------------------------------------------- rows apart


def test_rows_without_a_sound_key_or_tenant_are_reported_and_never_touched(place: Any) -> None:
    work = place("B")
    base = {"name": "x", "payload_schema_ref": "r", "draft_definition": '{"steps": []}'}
    for key in (None, "Upper Case", "con", "x" * 201, "0aaaaaaa-0000-4000-8000-00000000000a"):
        work.add_row("workflow_definitions", key=key, **base)
    work.add_row("workflow_definitions", tenant=None, key="a", **base)
    work.add_row("workflow_definitions", tenant=None, key="b", **base)
    rows = work.everything()["workflow_definitions"]
    work.write(bundle("a"))
    messages = warned(work, "INVALID_KEY")
    assert len(messages) == 5
    assert any("has no key; it is left alone" in message for _, message in messages)
    assert any("has a key that no file can have: 'Upper Case'" in message for _, message in messages)
    assert warned(work, "NULL_TENANT") == [
        (None, "2 workflows of the database belong to no tenant (NULL); they are left alone")
    ]
    work.ok("apply")
    now = work.everything()["workflow_definitions"]
    assert [row for row in now if row["tenant"] is None or row["key"] != "a"] == [
        row for row in rows if row["tenant"] is None or row["key"] != "a"
    ]
    assert len(now) == len(rows) + 1
    export = work.ok("export", "--all", "--out", "all")
    assert [path.name for path in (work.folder / "all").iterdir()] == ["a.json"]
    assert export.stderr.count("warning INVALID_KEY") == 5
    asked = work.fails(1, "export", "Upper Case", "--out", "asked")
    assert "error INVALID_KEY: Upper Case:" in asked.stderr
    assert not (work.folder / "asked").exists()


def test_a_key_that_two_rows_have_stops_only_a_plan_that_touches_it(place: Any) -> None:
    work = place("B")
    base = {"name": "x", "payload_schema_ref": "r", "draft_definition": '{"steps": []}'}
    for _ in range(2):
        work.add_row("workflow_definitions", key="twin", **base)
    twins = sorted(str(row["workflow_id"]) for row in work.everything()["workflow_definitions"])
    work.write(bundle("a"))
    work.ok("apply")
    work.write(bundle("twin"))
    rows = work.everything()
    blocks = work.ok("plan", "--format", "json").json()["blocks"]
    assert [(block["code"], block["key"], block["details"]["workflowIds"]) for block in blocks] == [
        ("AMBIGUOUS_KEY", "twin", twins)
    ]
    work.write(bundle("a"))
    work.fails(2, "plan", "--detailed-exitcode")
    refused = work.fails(3, "apply", "--force", "--format", "json").json()
    assert [(error["code"], error["key"]) for error in refused["errors"]] == [("AMBIGUOUS_KEY", "twin")]
    assert f"2 rows have this key: {', '.join(twins)}" in refused["errors"][0]["message"]
    assert work.everything() == rows
    work.ok("apply", "--exclude", "twin")
    export = work.ok("export", "--all", "--out", "all")
    assert "warning AMBIGUOUS_KEY: twin:" in export.stderr
    assert [path.name for path in (work.folder / "all").iterdir()] == ["a.json"]
    work.ok("export", "*", "--out", "globbed")
    assert "AMBIGUOUS_KEY" in work.fails(3, "export", "twin", "--out", "asked").stderr
    assert "AMBIGUOUS_KEY" in work.fails(3, "diff", "twin").stderr


def test_a_row_that_no_file_can_hold_is_reported_and_can_be_overwritten(place: Any) -> None:
    work = place("A")
    work.write(bundle("broken"), bundle("fine"), bundle("caller", [call("broken")]))
    work.ok("apply")
    work.rows("UPDATE workflow_definitions SET draft_definition = '[]', name = '' WHERE key = 'broken'")
    assert sorted(warned(work, "INVALID_ROW")) == [
        ("broken", "its row in the database is no portable workflow: draft_definition is not an object"),
        ("broken", "its row in the database is no portable workflow: name is missing or empty"),
    ]
    rows = work.everything()
    assert "~ broken  overwrite" in work.ok("plan").stdout
    export = work.ok("export", "--all", "--out", "all")
    assert export.stderr.count("warning INVALID_ROW: broken:") == 2
    assert sorted(path.name for path in (work.folder / "all").iterdir()) == ["caller.json", "fine.json"]
    assert "error INVALID_ROW: broken:" in work.fails(1, "export", "broken", "--out", "asked").stderr
    work.fails(3, "apply")
    assert work.everything() == rows
    work.ok("apply", "--force", "--on-drift", "overwrite", "--overwrite", "update")
    work.ok("plan", "--detailed-exitcode")


def test_infinite_times_are_not_fatal(place: Any) -> None:
    work = place("A½")
    work.write(bundle("a"))
    work.ok("apply")
    work.rows("UPDATE workflow_definitions SET updated_at = 'infinity', created_at = '-infinity'")
    work.rows("UPDATE workflow_definition_versions SET published_at = '2026-05-04 03:02:01.9876+02'")
    work.ok("plan", "--detailed-exitcode")
    exported = json.loads(work.ok("export", "a", "--bundle", "-").stdout)
    assert exported["exportedAt"] == "2026-05-04T01:02:01.987Z"
    work.write(bundle("a", isSystem=True))
    work.ok("apply", "--force")


# ---------------------------------------------------------------------------------------------------- whose rows


@pytest.mark.parametrize("layout", ["A½", "B-Citus"])
def test_a_tenant_is_given_or_the_only_one(place: Any, layout: LayoutName) -> None:
    work = place(layout)
    work.write(bundle("a"))

    def run(*args: str) -> Any:
        return work.cli("--database", work.database.conninfo, *args, cwd=work.folder)

    empty = run("plan")
    assert empty.code == 1
    assert "TENANT_REQUIRED" in empty.stderr
    assert run("--tenant", TENANT, "apply").code == 0
    plan = run("plan", "--detailed-exitcode")
    assert plan.code == 0, plan.output
    assert f", tenant {TENANT}, layout {layout}" in plan.stdout
    assert run("--tenant", OTHER_TENANT, "plan").stdout.splitlines()[-1].startswith("Plan: 1 to create")
    assert run("--tenant", OTHER_TENANT, "apply").code == 0
    several = run("plan")
    assert several.code == 1
    assert TENANT in several.stderr
    assert OTHER_TENANT in several.stderr
    assert run("--tenant", "", "plan").code == 64
    if layout != "A½":
        assert "TENANT_INVALID" in run("--tenant", "acme", "plan").stderr
    work.write(bundle("a", description="changed"))
    rows = [row for row in work.everything()["workflow_definitions"] if str(row[work.database.tenant_column]) == TENANT]
    assert run("--tenant", OTHER_TENANT, "apply", "--force").code == 0
    now = work.everything()["workflow_definitions"]
    assert [row for row in now if str(row[work.database.tenant_column]) == TENANT] == rows


def test_a_tenant_where_there_are_none_and_the_default_one(place: Any, database: Databases) -> None:
    work = place("A")
    work.write(bundle("a"))
    assert "TENANT_UNSUPPORTED" in work.fails(1, "--tenant", TENANT, "plan").stderr
    own = database("wfsync")
    assert work.cli("--database", own.conninfo, "apply", cwd=work.folder).code == 0
    with psycopg.connect(own.conninfo) as conn:
        assert conn.execute("SELECT DISTINCT tenant::text FROM workflow_definitions").fetchall() == [
            ("00000000-0000-0000-0000-000000000000",)
        ]


def test_rows_may_be_hidden_from_a_role(place: Any) -> None:
    work = place("B")
    work.write(bundle("a"), bundle("hidden"))
    work.ok("apply")
    role = f"reader_{work.database.name}"
    work.database.execute(
        f"CREATE ROLE {role} LOGIN",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        "ALTER TABLE workflow_definitions ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY seen ON workflow_definitions USING (key <> 'hidden')",
    )
    try:
        conninfo = make_conninfo(work.database.conninfo, user=role)

        def run(*args: str) -> Any:
            return work.cli("--database", conninfo, "--tenant", TENANT, *args, cwd=work.folder)

        rows = work.everything()
        plan = run("plan", "--format", "json").json()
        assert [(block["code"], block["key"]) for block in plan["blocks"]] == [("ROW_SECURITY", "hidden")]
        assert [w["code"] for w in plan["warnings"]] == ["ROW_SECURITY", "LEDGER_UNAVAILABLE"]
        refused = run("apply")
        assert refused.code == 4, refused.output
        assert work.everything() == rows
        # What is there and to be seen may be overwritten, also where COPY is forbidden
        work.write(bundle("a", [set_state("NEW")], versions=(1, 2)))
        applied = run("apply", "--force", "--select", "a", "--overwrite", "update", "--on-drift", "overwrite")
        assert applied.code == 0, applied.output
        assert "ROW_SECURITY" in run("export", "--all", "--check").stderr
    finally:
        work.database.execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
