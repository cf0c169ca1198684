"""What a plan says will go with a replaced row, goes; nothing else does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from databases import LAYOUTS, LayoutName
from shop import CALLER, OLD, REPLACED, Subject

Make = Callable[[LayoutName], Subject]

_RUN_TABLES = ("workflow_runs", "workflow_run_steps", "workflow_run_logs")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_replace_takes_what_it_said(shop: Make, layout: LayoutName) -> None:
    subject = shop(layout)
    told: Counter[str] = Counter()
    for change in subject.run("plan", "--overwrite", "replace", "--format", "json").json()["changes"]:
        for cascade in change["cascades"]:
            assert change["action"] == "overwrite"
            assert (cascade["effect"], cascade["capped"]) == ("deleted", False)
            told[cascade["table"]] += cascade["rows"]
    before = {table.split(".")[1]: {row for row, _ in rows} for table, rows in subject.rows().items()}
    done = subject.run("apply", "--force", "--overwrite", "replace", "--format", "json")
    assert done.code == 0, done.stderr
    after = {table.split(".")[1]: {row for row, _ in rows} for table, rows in subject.rows().items()}
    for table in _RUN_TABLES:
        gone = before[table] - after[table]
        assert after[table] <= before[table], "a row that stays is not touched"
        assert len(gone) == told[table], table
        assert len(after[table]) == 2, "those of the workflow that was not replaced"
    assert told.keys() - {"workflow_definition_versions"} == set(_RUN_TABLES)
    outcome = done.json()["outcome"]
    assert len(outcome["deleted_ids"]) == len(REPLACED)


@pytest.mark.parametrize("layout", ["wfsync", "B"])
def test_update_takes_nothing(shop: Make, layout: LayoutName) -> None:
    subject = shop(layout)
    before, ids = subject.rows(), subject.ids()
    done = subject.run("apply", "--force", "--overwrite", "update", "--format", "json")
    assert done.code == 0, done.stderr
    after = subject.rows()
    for table in _RUN_TABLES:
        name = next(table_ for table_ in before if table_.endswith(f".{table}"))
        assert after[name] == before[name]
    assert {key: subject.ids()[key] for key in ids} == ids
    assert done.json()["outcome"]["deleted_ids"] == []
    assert all(not change["cascades"] for change in done.json()["changes"])


def test_rows_that_no_file_names_are_left_alone(shop: Make) -> None:
    """Unchanged ones, other tenants' ones, those without key or tenant: not a byte, not a lock's trace."""
    subject = shop("B")
    copied = (
        "INSERT INTO workflow_definitions (tenant, key, name, draft_definition)"
        " SELECT {tenant}, {key}, name, draft_definition FROM workflow_definitions WHERE key = '" + REPLACED[0] + "'"
    )
    subject.database.execute(
        copied.format(tenant="'22222222-2222-4222-8222-222222222222'", key="key"),
        copied.format(tenant="NULL", key="'nobodys'"),
        copied.format(tenant="tenant", key="NULL"),
    )
    subject.path(OLD[2]).unlink()
    kept = {row for table in subject.rows().values() for row in table}
    done = subject.apply("replace")
    assert done.code == 0, done.stderr
    lost = kept - {row for table in subject.rows().values() for row in table}
    mine = {f'"key": "{key}"' for key in (*REPLACED, CALLER)}
    definitions = [row for row, _ in lost if '"draft_definition"' in row]
    assert len(definitions) == 4
    assert all(any(key in row for key in mine) for row in definitions)
    assert all("11111111-1111" in row for row, _ in lost)
