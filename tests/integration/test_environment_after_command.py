"""``-e`` after the command's name finds database and tenant for every command that asks the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import CommandLine, Result
from databases import OTHER_TENANT, TENANT, Databases
from small_bundles import bundle
from workplace import Workplace


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    work = Workplace(cli, database("B"), tmp_path)
    tenants = {"first": TENANT, "second": OTHER_TENANT}
    blocks = "".join(f"  {name}: {{database_env: SITE_URL, tenant: {tenant}}}\n" for name, tenant in tenants.items())
    work.configure(f"environments:\n{blocks}")
    work.write(bundle("a"))
    return work


def test_each_tenant_has_a_ledger_of_its_own(work: Workplace) -> None:
    def run(command: str, *args: str, code: int = 0) -> Result:
        stray = {"SITE_URL": work.database.conninfo, "WFSYNC_TENANT": "99999999-9999-4999-8999-999999999999"}
        result = work.cli(command, *args, cwd=work.folder, env=stray)
        assert result.code == code, result.output
        return result

    run("apply", "-e", "first")
    assert len(run("history", "-e", "first", "--format", "json").json()["applies"]) == 1
    assert run("history", "-e", "second", "--format", "json").json()["applies"] == []
    shown = run("show", "last", "-e", "first", "--format", "json").json()
    assert [change["key"] for change in shown["changes"]] == ["a"]
    run("show", "last", "-e", "second", code=1)
    assert "in_sync" in run("status", "-e", "first", "--format", "json").stdout
    assert "git_only" in run("status", "-e", "second", "--format", "json").stdout
    run("rollback", "last", "-e", "second", "--force", code=1)
    run("rollback", "last", "-e", "first", "--force")
    assert work.ids() == {}
    assert "held" in run("status", "-e", "first", "--format", "json").stdout
    run("release", "a", "-e", "first")
    run("apply", "-e", "first")
    run("apply", "-e", "second")
    assert len(work.rows("SELECT key FROM workflow_definitions")) == 2
    run("rollback", "last", "-e", "second", "--force")
    (row,) = work.rows("SELECT * FROM workflow_definitions")
    assert str(row[work.database.tenant_column or ""]) == TENANT
    work.rows("DELETE FROM wfsync.managed WHERE tenant = %s", TENANT)
    assert "a" in run("adopt", "a", "-e", "first").stdout
    managed = work.rows("SELECT key, origin FROM wfsync.managed WHERE tenant = %s", TENANT)
    assert managed == [{"key": "a", "origin": "adopted"}]
