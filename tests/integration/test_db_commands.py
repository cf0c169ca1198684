"""`db status|upgrade|url|stop|reset` (spec: cli.md, database.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import CommandLine
from databases import FOREIGN_LAYOUTS, Databases, LayoutName
from small_bundles import bundle
from workplace import Workplace


def facts(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


@pytest.mark.parametrize("layout", FOREIGN_LAYOUTS)
def test_status_tells_whose_instance_it_is(
    cli: CommandLine, database: Databases, tmp_path: Path, layout: LayoutName
) -> None:
    work = Workplace(cli, database(layout), tmp_path)
    told = facts(work.ok("db", "status").stdout)
    assert told["Layout"] == layout
    assert told["Kind"] == "named"
    assert told["Named by"] == "--database"
    assert told["Schema"] == "public"
    assert told["Unique key"] == ("no" if layout == "B" else "yes")
    assert told["Tenant column"] == {
        "A": "none", "A½": "tenant_id (text)", "B": "tenant (uuid)", "B-Citus": "tenant (uuid)",
    }[layout]  # fmt: skip
    document = work.ok("db", "status", "--format", "json").json()
    assert document["layout"] == layout
    assert document["format_version"] == "1.0"
    assert document["ledger"] == "none"
    # Somebody else's tables are never migrated: the ledger is all that is made
    rows = work.everything()
    assert "of the ledger" in work.ok("db", "upgrade").stderr
    assert work.everything() == rows
    assert work.rows("SELECT 1 FROM pg_class WHERE relname = 'wfsync_migrations'") == []
    told = facts(work.ok("db", "status").stdout)
    assert (told["Ledger"], told["Ledger applies"], told["Ledger managed"]) == ("yes", "0", "0")
    assert work.ok("db", "upgrade").stdout.endswith(": 0 migrations applied.\n")


def test_upgrade_of_an_empty_database(cli: CommandLine, database: Databases, tmp_path: Path) -> None:
    work = Workplace(cli, database("empty"), tmp_path)
    before = facts(work.ok("db", "status").stdout)
    assert before["Layout"] == "absent"
    assert "0001_definitions" in before["Pending migrations"]
    done = work.ok("db", "upgrade")
    assert re.search(r": [3-9] migrations applied\.\n$", done.stdout)
    assert "wfsync: applied 0001_definitions\n" in done.stderr
    assert "wfsync: applied 0001_ledger of the ledger\n" in done.stderr
    after = facts(work.ok("db", "status").stdout)
    assert (after["Layout"], after["Pending migrations"]) == ("wfsync", "none")
    assert work.ok("db", "upgrade").stdout.endswith(": 0 migrations applied.\n")


def test_a_table_that_the_ledger_lost_is_seen_and_made_anew(
    cli: CommandLine, database: Databases, tmp_path: Path
) -> None:
    work = Workplace(cli, database("A"), tmp_path)
    work.write(bundle("a"))
    work.ok("apply")
    work.rows("DROP TABLE wfsync.evidence")
    assert facts(work.ok("db", "status").stdout)["Ledger"].startswith("without evidence: `wfsync db upgrade`")
    assert "made wfsync.evidence anew, empty" in work.ok("db", "upgrade").stderr
    told = facts(work.ok("db", "status").stdout)
    assert (told["Ledger"], told["Ledger managed"], told["Ledger applies"]) == ("yes", "1", "1")
    work.ok("apply")
    assert work.rows("SELECT total IS NOT NULL AS known FROM wfsync.evidence") == [{"known": True}]


def test_no_password_anywhere(cli: CommandLine, database: Databases, tmp_path: Path) -> None:
    work = Workplace(cli, database("A"), tmp_path)
    conninfo = f"{work.database.conninfo} password=hunter2"
    for command in (("db", "url"), ("db", "status"), ("db", "status", "--format", "json"), ("plan",)):
        assert "hunter2" not in cli("--database", conninfo, *command, cwd=tmp_path).output


@pytest.fixture
def embedded(cli: CommandLine, tmp_path: Path) -> Iterator[CommandLine]:
    """The program in a repository for which no database is named."""
    folder = tmp_path / "repo"
    (folder / "workflows").mkdir(parents=True)
    (folder / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\n")
    command = CommandLine(cli.home, folder)
    yield command
    command("db", "reset", "--yes")


def test_the_embedded_server_from_start_to_end(embedded: CommandLine, tmp_path: Path) -> None:
    stopped = facts(embedded("db", "status").stdout)
    assert stopped["Kind"] == "embedded"
    assert stopped["Server"] == "stopped"
    assert embedded("db", "status", "--format", "json").json()["server"] == "stopped"
    assert not (embedded.cwd / ".wfsync").exists(), "asking starts nothing"
    assert embedded("db", "stop").stdout == "The embedded PostgreSQL was not running.\n"
    assert embedded("db", "reset", "--yes").stdout == "There was no embedded database.\n"

    url = embedded("db", "url")
    assert url.code == 0, url.output
    assert "using the embedded PostgreSQL" in url.stderr
    assert embedded("--quiet", "db", "url").stderr == ""
    running = facts(embedded("db", "status").stdout)
    assert (running["Server"], running["Layout"]) == ("running", "absent")
    from_below = embedded("db", "status", cwd=embedded.cwd / "workflows")
    assert facts(from_below.stdout)["Data"] == running["Data"]

    Workplace(embedded, None, embedded.cwd).write(bundle("a"))  # type: ignore[arg-type]
    applied = embedded("apply")
    assert applied.code == 0, applied.output
    assert embedded("db", "stop").stdout == "Stopped the embedded PostgreSQL.\n"
    assert embedded("plan", "--detailed-exitcode").code == 0

    refused = embedded("db", "reset")
    assert refused.code == 4
    assert "CONSENT_REQUIRED" in refused.stderr
    assert embedded("plan", "--detailed-exitcode").code == 0
    assert embedded("db", "reset", "--yes").stdout == "Deleted the embedded database.\n"
    assert embedded("plan", "--detailed-exitcode").code == 2


def test_stop_and_reset_are_about_the_embedded_server_only(
    cli: CommandLine, database: Databases, tmp_path: Path
) -> None:
    work = Workplace(cli, database("A"), tmp_path)
    for command in (("db", "stop"), ("db", "reset", "--yes")):
        refused = work.fails(64, *command)
        assert "--database names a database, and this command is about the embedded server" in refused.stderr
