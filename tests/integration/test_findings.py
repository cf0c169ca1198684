"""A plan of nothing is remembered while both sides prove unmoved, and is then the plan that a comparison would make."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from command_line import CommandLine
from databases import LAYOUTS, OTHER_TENANT, TENANT, Databases, LayoutName
from git_repositories import GitRepository
from row_moves import ALTERED, IMPOSSIBLE, MOVES, STAYS
from small_bundles import bundle, call, canonical, set_state
from wfsync.plan.model import Plan, TargetRef
from workplace import Workplace

TARGET = TargetRef("nowhere", None, "wfsync", "named")
REGISTRY = (
    b"version: 1\nactions: []\nnodeTypes: [state.set, control.callWorkflow]\nschemas: [{ref: payload.Ticket.v1}]\n"
)
PLANTED = 4711
"""How many workflows a plan counts that was recalled after `plant`: no comparison could."""


class Site:
    """A committed repository that was applied; revisions are read, because their files need no time to be believed."""

    def __init__(self, cli: CommandLine, databases: Databases, folder: Path, layout: LayoutName) -> None:
        self.work = Workplace(cli, databases(layout), folder)
        self.repository = GitRepository.init(folder)
        self.findings = cli.home / ".cache" / "wfsync" / "findings"
        self.work.configure()
        self.work.write(
            bundle("callee", versions=(1, 2)),
            bundle("caller", [call("callee")]),
            bundle("far", [call("caller")]),
            bundle("alone", [set_state("A")], versions=(1, 2, 3)),
            bundle("draft", versions=()),
        )
        self.repository.commit()
        self.work.ok("apply", "--rev", "HEAD")

    def plan(self, *options: str) -> str:
        return self.work.ok("plan", "--rev", "HEAD", *options).stdout

    def plant(self, *options: str) -> None:
        """Plan, which remembers, and make what is remembered something that a comparison would not find."""
        self.remember("plan", "--rev", "HEAD", *options)
        for file in self.findings.iterdir():
            fingerprint, xid, finding = msgspec.msgpack.decode(file.read_bytes())
            assert finding == msgspec.msgpack.encode(5)
            file.write_bytes(msgspec.msgpack.encode((fingerprint, xid, msgspec.msgpack.encode(PLANTED))))
        assert self.recalls(*options)

    def kept(self) -> set[Path]:
        return set(self.findings.iterdir()) if self.findings.exists() else set()

    def remember(self, *command: str) -> str:
        """Run a command whose finding is kept."""
        before = self.kept()
        said = self.work.ok(*command).stdout
        assert self.kept() - before
        return said

    def recalls(self, *options: str) -> bool:
        return f"{PLANTED} unchanged" in self.plan(*options)

    def compares(self, *options: str) -> None:
        """What was planted is not believed: the plan is the one that reads everything."""
        made = self.work("plan", "--rev", "HEAD", "--format", "json", *options)
        assert made.stdout == self.work("plan", "--rev", "HEAD", "--refresh", "--format", "json", *options).stdout
        assert str(PLANTED) not in made.stdout

    def run(self, statements: str) -> None:
        with self.work.database.connect() as conn:
            for statement in statements.split("; "):
                conn.execute(statement)


@pytest.fixture
def at(cli: CommandLine, database: Databases, tmp_path: Path) -> Callable[[LayoutName], Site]:
    own = replace(cli, home=tmp_path / "home")
    return lambda layout: Site(own, database, tmp_path / "repo", layout)


@pytest.fixture
def site(at: Callable[[LayoutName], Site]) -> Site:
    found = at("wfsync")
    found.plant()
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_plan_of_nothing_is_recalled_and_says_the_same(at: Callable[[LayoutName], Site], layout: LayoutName) -> None:
    site = at(layout)
    forms = [("--format", form) for form in ("text", "json", "markdown", "github")]
    compared = [site.plan("--refresh", *form) for form in forms]
    assert not site.findings.exists()
    site.remember("plan", "--rev", "HEAD")
    first = [site.plan(*form) for form in forms]
    assert len(site.kept()) == 1
    assert first == compared == [site.plan(*form) for form in forms]
    for file in site.kept():
        file.unlink()
    site.plant()


@pytest.mark.parametrize("statements", MOVES.values(), ids=MOVES.keys())
def test_rows_that_moved(site: Site, statements: str) -> None:
    site.work.database.execute(statements)
    site.compares()


@pytest.mark.parametrize("statements", STAYS.values(), ids=STAYS.keys())
def test_rows_that_did_not_move(site: Site, statements: str) -> None:
    site.run(statements)
    assert site.recalls()


@pytest.mark.parametrize("statements", [*ALTERED.values(), *IMPOSSIBLE.values()], ids=[*ALTERED, *IMPOSSIBLE])
def test_tables_that_were_altered(site: Site, statements: str) -> None:
    site.run(statements)
    site.compares()
    if statements in IMPOSSIBLE.values():
        before = sorted((file.name, file.read_bytes()) for file in site.findings.iterdir())
        site.plan()
        assert before == sorted((file.name, file.read_bytes()) for file in site.findings.iterdir())


@pytest.mark.parametrize(
    "statements",
    [
        "UPDATE wfsync.managed SET source = 'elsewhere' WHERE key = 'alone'",
        "UPDATE wfsync.managed SET held = 'digest' WHERE key = 'draft'",
        "DELETE FROM wfsync.managed WHERE key = 'far'",
        (
            "INSERT INTO wfsync.managed SELECT m.* FROM wfsync.managed old,"
            " jsonb_populate_record(old, '{\"key\": \"gone\"}') m WHERE old.key = 'far'"
        ),
        (
            "ALTER TABLE wfsync.managed RENAME COLUMN source TO s; ALTER TABLE wfsync.managed RENAME COLUMN digest TO"
            " source; ALTER TABLE wfsync.managed RENAME COLUMN s TO digest"
        ),
        "DROP SCHEMA wfsync CASCADE",
    ],
    ids=["source", "held", "gone", "came", "renamed", "no ledger"],
)
def test_what_is_managed_is_another(site: Site, statements: str) -> None:
    site.run(statements)
    site.compares()


@pytest.mark.parametrize("xid", [10**12, -(2**31)], ids=["restored", "wrapped around"])
def test_transactions_that_ran_backwards_or_around(site: Site, xid: int) -> None:
    for file in site.findings.iterdir():
        fingerprint, then, finding = msgspec.msgpack.decode(file.read_bytes())
        file.write_bytes(msgspec.msgpack.encode((fingerprint, then + xid, finding)))
    site.compares()


def test_a_server_that_was_started_anew_may_hold_other_rows(cli: CommandLine, tmp_path: Path) -> None:
    """From a copy of its files it hands out the same transactions once more, for other rows."""
    home, folder = tmp_path / "home", tmp_path / "repo"
    own = replace(cli, home=home, cwd=folder)
    repository = GitRepository.init(folder)
    repository.write("a.json", canonical(bundle("a")))
    repository.write("wfsync.yaml", b"version: 1\n")
    repository.commit("a.json", "wfsync.yaml")
    try:
        assert own("apply", "--rev", "HEAD").code == 0
        findings = home / ".cache" / "wfsync" / "findings"
        assert "1 unchanged" in own("plan", "--rev", "HEAD").stdout
        (file,) = findings.iterdir()
        fingerprint, xid, _ = msgspec.msgpack.decode(file.read_bytes())
        file.write_bytes(msgspec.msgpack.encode((fingerprint, xid, msgspec.msgpack.encode(PLANTED))))
        assert f"{PLANTED} unchanged" in own("plan", "--rev", "HEAD").stdout
        assert own("db", "stop").code == 0
        assert ", 1 unchanged." in own("plan", "--rev", "HEAD").stdout
    finally:
        own("db", "reset", "--yes")


def test_another_role_asks_for_itself(site: Site) -> None:
    name = f"other_{site.work.database.name}"
    site.work.database.execute(f"CREATE ROLE {name} LOGIN SUPERUSER")
    try:
        conninfo = psycopg.conninfo.make_conninfo(site.work.database.conninfo, user=name)
        result = site.work.cli(
            "--database", conninfo, "--tenant", TENANT, "plan", "--rev", "HEAD", cwd=site.work.folder
        )
        assert "5 unchanged" in result.stdout
    finally:
        site.work.database.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("command", ["plan", "status"])
def test_rights_on_columns_are_enough_to_compare(site: Site, command: str) -> None:
    """They do not reach the system columns that fingerprints are made of."""
    name = f"columns_{site.work.database.name}"
    tables = site.work.rows(
        "SELECT table_name, string_agg(quote_ident(column_name), ', ') AS names FROM information_schema.columns"
        " WHERE table_schema = 'public' GROUP BY 1"
    )
    site.work.database.execute(
        f"CREATE ROLE {name} LOGIN",
        f"GRANT USAGE ON SCHEMA wfsync TO {name}",
        f"GRANT SELECT ON wfsync.migrations, wfsync.managed, wfsync.evidence TO {name}",
        *(f"GRANT SELECT ({table['names']}) ON {table['table_name']} TO {name}" for table in tables),
    )
    try:
        conninfo = psycopg.conninfo.make_conninfo(site.work.database.conninfo, user=name)
        asked = ["--database", conninfo, "--tenant", TENANT, command, "--rev", "HEAD"]
        result = site.work.cli(*asked, cwd=site.work.folder)
        assert result.code == 0, result.output
    finally:
        site.work.database.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.parametrize("damage", [b"", b"nonsense", msgspec.msgpack.encode(("x", "y", "z"))])
def test_what_cannot_be_read_is_not_remembered(site: Site, damage: bytes) -> None:
    for file in site.findings.iterdir():
        file.write_bytes(damage)
    site.compares()


def test_a_copy_of_the_database_is_another_one(site: Site, database: Databases) -> None:
    copied = f"{site.work.database.name}_copy"
    site.work.database.server.execute(f'CREATE DATABASE "{copied}" TEMPLATE "{site.work.database.name}"')
    database._made.append(copied)
    site.work = Workplace(
        site.work.cli, type(site.work.database)(copied, "wfsync", site.work.database.server), Path(site.work.folder)
    )
    site.compares()


def test_another_tenant_is_another_question(site: Site) -> None:
    options = ["--database", site.work.database.conninfo, "--tenant", OTHER_TENANT, "plan", "--rev", "HEAD"]
    assert "5 to create" in site.work.cli(*options, cwd=site.work.folder).stdout
    site.work.rows(f"UPDATE workflow_definitions SET name = 'x' WHERE tenant = '{OTHER_TENANT}'")
    assert site.recalls()


def test_files_that_moved(site: Site) -> None:
    site.work.write(bundle("alone", [set_state("B")], versions=(1, 2, 3)))
    assert site.recalls()  # nothing was committed
    site.repository.commit()
    site.compares()
    site.repository.git("revert", "--no-edit", "HEAD")
    assert site.recalls()
    site.repository.git("mv", "workflows/far.json", "workflows/farther.json")
    site.repository.commit()
    assert site.work("plan", "--rev", "HEAD").code == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--select", "alone"),
        ("--exclude", "far"),
        ("--overwrite", "update"),
        ("--prune",),
        ("--on-drift", "skip"),
        ("--max-changes", "1"),
        ("--max-deletes", "50%"),
    ],
    ids=lambda options: options[0],
)
def test_another_question_has_another_answer(site: Site, options: tuple[str, ...]) -> None:
    site.compares(*options)
    assert not site.recalls(*options)


@pytest.mark.parametrize(
    "settings",
    [
        "overwrite: update\n",
        "source: another\n",
        "fields: {database: [metadata.name]}\n",
        "policy: {protected: [alone]}\n",
        "policy: {secrets_allowed: ['*']}\n",
        "policy: {definitions: warn}\n",
        "registry: registry.yaml\n",
    ],
)
def test_other_settings_ask_another_question(site: Site, settings: str) -> None:
    site.work.configure(settings)
    site.repository.write("registry.yaml", REGISTRY)
    site.repository.commit("wfsync.yaml", "registry.yaml")
    site.compares()
    assert not site.recalls()


def test_what_settings_name_is_a_part_of_them(site: Site) -> None:
    site.work.configure("registry: registry.yaml\nenvironments: {here: {overlay: here.yaml}}\n")
    site.repository.write("registry.yaml", REGISTRY)
    site.repository.write("here.yaml", b"version: 1\n")
    site.repository.commit("wfsync.yaml", "registry.yaml", "here.yaml")
    for file in site.findings.iterdir():
        file.unlink()
    site.plant()
    site.repository.write("registry.yaml", REGISTRY.replace(b"actions: []", b"actions: [{id: more, version: 1}]"))
    site.repository.commit("registry.yaml")
    assert not site.recalls()


def test_what_there_is_to_say_is_said_each_time(site: Site) -> None:
    """A warning, a change, a refusal, something held: none of them is remembered."""
    for file in site.findings.iterdir():
        file.unlink()
    site.work.rows("UPDATE workflow_definitions SET name = 'changed' WHERE key = 'alone'")
    site.compares()
    assert list(site.findings.iterdir()) == []
    site.work.ok("rollback", "last", "--force", "--on-drift", "overwrite")
    site.compares()
    assert list(site.findings.iterdir()) == []


def test_what_moves_while_it_is_compared_is_not_remembered(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from wfsync.bundle.load import LoadOptions
    from wfsync.pipeline import recalling
    from wfsync.pipeline.options import PlanOptions, source_of
    from wfsync.plan.guard import Brakes
    from wfsync.repo.opening import open_repository
    from wfsync.state.desired import begin_loading
    from wfsync.store.connection import connect
    from wfsync.store.layout import detect, resolve_tenant

    monkeypatch.setenv("WFSYNC_CACHE_DIR", str(site.findings.parent))
    before = set(site.findings.iterdir())
    source = open_repository(site.work.folder, rev="HEAD").source("workflows")
    with connect(site.work.database.target, read_only=True) as conn:
        layout = detect(conn)
        where = (conn, layout, resolve_tenant(conn, layout, site.work.database.tenant, for_write=False))

        def asked(*, meddle: bool) -> int:
            calls = 0

            def make() -> Any:
                nonlocal calls
                calls += 1
                if meddle:
                    site.work.rows("UPDATE workflow_definitions SET name = name WHERE key = 'alone'")
                return Plan(source_of(source.info), TARGET, "replace", (), 5)

            options = PlanOptions("replace", brakes=Brakes(), reading="unproven", source="test")
            files = begin_loading(source, LoadOptions())
            recalling.recalled_plan(where, files, "rules", TARGET, options, make)
            return calls

        assert asked(meddle=True) == 1
        assert set(site.findings.iterdir()) == before
        assert asked(meddle=False) == 1
        assert asked(meddle=False) == 0


def test_status_counts_what_it_need_not_list(site: Site) -> None:
    first = site.remember("status", "--rev", "HEAD")
    assert "Status: 5 in sync." in first
    planted = 0
    for file in site.findings.iterdir():
        fingerprint, xid, finding = msgspec.msgpack.decode(file.read_bytes())
        if isinstance(counts := msgspec.msgpack.decode(finding), dict):
            assert counts == {"in_sync": 5}
            counted = msgspec.msgpack.encode({"in_sync": PLANTED})
            file.write_bytes(msgspec.msgpack.encode((fingerprint, xid, counted)))
            planted += 1
    assert planted == 1
    second = site.work.ok("status", "--rev", "HEAD", "--detailed-exitcode").stdout
    assert second == first.replace("5 in sync", f"{PLANTED} in sync")
    for listed in (("--format", "json"), ("--select", "a*")):
        assert str(PLANTED) not in site.work.ok("status", "--rev", "HEAD", *listed).stdout
    assert str(PLANTED) not in site.work.ok("-v", "status", "--rev", "HEAD").stdout
    site.work.rows("UPDATE workflow_definitions SET name = 'changed' WHERE key = 'alone'")
    assert "changed in the database" in site.work.ok("status", "--rev", "HEAD").stdout


def test_files_of_a_work_tree_count_once_they_are_old_enough(site: Site) -> None:
    folder = site.work.folder / "workflows"
    site.work.ok("plan")
    kept = site.kept()
    while time.time_ns() < max(path.stat().st_ctime_ns for path in folder.iterdir()) + 2_050_000_000:
        time.sleep(0.05)
    assert "5 unchanged" in site.remember("plan")
    (made,) = site.kept() - kept
    fingerprint, xid, _ = msgspec.msgpack.decode(made.read_bytes())
    made.write_bytes(msgspec.msgpack.encode((fingerprint, xid, msgspec.msgpack.encode(PLANTED))))
    assert f"{PLANTED} unchanged" in site.work.ok("plan").stdout
    (folder / "alone.json").touch()
    assert "5 unchanged" in site.work.ok("plan").stdout
    (folder / "x.JSON").write_text("{}")
    assert "REPOSITORY_FILE_NAME" in site.work.ok("plan").output


def test_a_role_that_may_not_read_what_is_managed_compares(site: Site) -> None:
    name = f"reader_{site.work.database.name}"
    site.work.database.execute(f"CREATE ROLE {name} LOGIN", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    try:
        conninfo = psycopg.conninfo.make_conninfo(site.work.database.conninfo, user=name)
        result = site.work.cli(
            "--database", conninfo, "--tenant", TENANT, "plan", "--rev", "HEAD", cwd=site.work.folder
        )
        assert "LEDGER_UNAVAILABLE" in result.output
        assert str(PLANTED) not in result.output
    finally:
        site.work.database.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")
