"""Pinned plans in less common settings: few rights, environments, what is left alone, no named database, --repo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from command_line import CommandLine, Result
from corpus_edits import JsonObject
from databases import Databases
from git_repositories import GitRepository
from small_bundles import bundle, canonical
from workplace import Workplace

FILE = "approved.plan"


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    folder = tmp_path / "site"
    folder.mkdir()
    work = Workplace(cli, database("wfsync"), folder)
    work.configure()
    work.write(bundle("a"))
    return work


@dataclass(frozen=True)
class Limited:
    """A role that may write workflows and the ledger, and less and less besides."""

    work: Workplace
    role: str

    def __call__(self, *args: str | Path) -> Result:
        conninfo = psycopg.conninfo.make_conninfo(self.work.database.conninfo, user=self.role, password="x")
        tenant = self.work.database.tenant
        named = ["--database", conninfo, *(["--tenant", tenant] if tenant else [])]
        return self.work.cli(*named, *args, cwd=self.work.folder)

    def revoke(self, what: str) -> None:
        self.work.rows(f"REVOKE {what} FROM {self.role}")


@pytest.fixture
def limited(work: Workplace) -> Iterator[Limited]:
    role = f"limited_{work.database.name}"
    work.rows(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    work.ok("apply")
    for schema in ("public", "wfsync"):
        work.rows(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        work.rows(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}")
    work.rows("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC")
    yield Limited(work, role)
    work.rows("GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO PUBLIC")
    work.rows(f"DROP OWNED BY {role}; DROP ROLE {role}")


def document(work: Workplace) -> JsonObject:
    found: JsonObject = json.loads((work.folder / FILE).read_bytes())
    return found


class TestFewRights:
    def test_without_the_system_identifier_the_server_is_not_compared(self, limited: Limited, work: Workplace) -> None:
        work.write(bundle("b"))
        done = limited("plan", "--out", FILE)
        assert done.code == 0, done.output
        made = document(work)
        assert (made["target"]["system"], made["key"]) == (None, "ledger")
        assert made["target"]["database"]
        # Also by a role that may ask: what the plan does not say cannot differ
        work.ok("apply", FILE)
        assert set(work.ids()) == {"a", "b"}

    def test_another_database_of_the_server_is_still_another_one(
        self, limited: Limited, work: Workplace, database: Databases
    ) -> None:
        work.write(bundle("b"))
        assert limited("plan", "--out", FILE).code == 0
        other = replace(work, database=database("wfsync"))
        assert "PLAN_TARGET_MISMATCH" in other.fails(3, "apply", FILE).stderr
        assert other.ids() == {}

    def test_without_the_key_it_is_derived_from_the_system_identifier(self, limited: Limited, work: Workplace) -> None:
        limited.revoke("ALL ON wfsync.instance")
        work.rows("GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO PUBLIC")
        work.write(bundle("b"))
        done = limited("plan", "--out", FILE)
        assert done.code == 0, done.output
        assert document(work)["key"] == "system"
        work.ok("apply", FILE)

    def test_without_either_there_is_no_plan_file_and_the_message_says_what_to_grant(
        self, limited: Limited, work: Workplace
    ) -> None:
        limited.revoke("ALL ON wfsync.instance")
        done = limited("plan", "--out", FILE)
        assert done.code == 1, done.output
        assert "PLAN_KEY_UNAVAILABLE" in done.stderr
        assert "GRANT" in done.stderr.upper()
        assert "pg_control_system" in done.stderr
        assert not (work.folder / FILE).exists()
        assert limited("plan").code == 0

    def test_who_applies_must_be_able_to_read_the_key(self, limited: Limited, work: Workplace) -> None:
        work.write(bundle("b"))
        work.ok("plan", "--out", FILE)
        limited.revoke("ALL ON wfsync.instance")
        done = limited("apply", FILE)
        assert done.code == 3, done.output
        assert "PLAN_TARGET_MISMATCH" in done.stderr
        assert set(work.ids()) == {"a"}


class TestEnvironments:
    @pytest.fixture
    def staged(self, work: Workplace) -> Workplace:
        work.configure("environments: {prod: {database_env: PROD_URL, overlay: prod.yaml}}\n")
        self.overlay(work, 5)
        return work

    def overlay(self, work: Workplace, limit: int, pattern: str = "a") -> None:
        (work.folder / "prod.yaml").write_text(f"{pattern}:\n  concurrencyLimit: {limit}\n")

    def run(self, work: Workplace, *args: str) -> Result:
        return work.cli(*args, cwd=work.folder, env={"PROD_URL": work.database.conninfo})

    def test_the_plan_names_its_environment_and_apply_takes_it_from_there(self, staged: Workplace) -> None:
        made = self.run(staged, "plan", "-e", "prod", "--out", FILE)
        assert made.code == 0, made.output
        assert document(staged)["target"]["environment"] == "prod"
        done = self.run(staged, "apply", FILE)
        assert done.code == 0, done.output
        assert staged.rows("SELECT concurrency_limit FROM workflow_definitions") == [{"concurrency_limit": 5}]

    def test_an_overlay_that_changed_makes_it_stale(self, staged: Workplace) -> None:
        assert self.run(staged, "plan", "-e", "prod", "--out", FILE).code == 0
        self.overlay(staged, 6)
        done = self.run(staged, "apply", FILE)
        assert done.code == 3, done.output
        assert "the field policies or the overlay in force are others" in done.stderr
        assert staged.ids() == {}

    def test_an_overlay_that_changed_for_others_does_not(self, staged: Workplace) -> None:
        staged.write(bundle("b"))
        assert self.run(staged, "plan", "-e", "prod", "--select", "b", "--out", FILE).code == 0
        self.overlay(staged, 6)
        done = self.run(staged, "apply", FILE)
        assert done.code == 0, done.output

    def test_without_the_environment_it_is_another_target(self, staged: Workplace) -> None:
        staged.ok("plan", "--out", FILE)
        done = self.run(staged, "apply", FILE, "-e", "prod")
        assert done.code == 3, done.output
        assert "PLAN_TARGET_MISMATCH" in done.stderr


class TestLeftAlone:
    def test_held_and_skipped_keys_are_no_part_of_the_plan(self, work: Workplace) -> None:
        work.write(bundle("drifted"))
        work.ok("apply")
        work.write(bundle("a", description="worse"), bundle("drifted", description="git"))
        work.ok("apply", "--force", "--select", "a")
        work.ok("rollback", "last", "--force")
        work.rows("UPDATE workflow_definitions SET description = 'hotfix' WHERE key = 'drifted'")
        work.write(bundle("b"))
        work.ok("plan", "--on-drift", "skip", "--out", FILE)
        assert [change["key"] for change in document(work)["changes"]] == ["b"]
        work.ok("apply", FILE)
        rows = work.rows("SELECT key, description FROM workflow_definitions ORDER BY key")
        said: dict[str, Any] = {row["key"]: row["description"] for row in rows}
        assert said["drifted"] == "hotfix"
        assert said["a"] != "worse"
        assert set(said) == {"a", "b", "drifted"}

    def test_a_rollback_after_the_plan_makes_it_stale(self, work: Workplace) -> None:
        work.ok("apply")
        work.write(bundle("a", description="worse"))
        work.ok("plan", "--out", FILE)
        work.ok("apply", "--force")
        work.ok("rollback", "last", "--force")
        error = work.fails(3, "apply", FILE, "--force").stderr
        assert "STALE_PLAN" in error
        assert "is left alone now" in error


def test_the_embedded_database(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "wfsync.yaml").write_text("version: 1\ndirectory: workflows\n")
    (tmp_path / "workflows").mkdir()

    def write(**metadata: Any) -> None:
        (tmp_path / "workflows/a.json").write_bytes(canonical(bundle("a", **metadata)))

    def key() -> Any:
        return json.loads((tmp_path / FILE).read_bytes())["key"]

    write()
    try:
        first = cli("plan", "--out", FILE, cwd=tmp_path)
        assert first.code == 0, first.output
        assert key() == "system"
        done = cli("apply", FILE, cwd=tmp_path)
        assert done.code == 0, done.output
        again = cli("apply", FILE, cwd=tmp_path)
        assert again.code == 3, again.output
        write(description="new")
        assert cli("plan", "--out", FILE, cwd=tmp_path).code == 0
        assert key() == "ledger"
        assert cli("apply", FILE, "--force", cwd=tmp_path).code == 0
    finally:
        cli("db", "stop", cwd=tmp_path)


class TestRemote:
    @pytest.fixture
    def author(self, work: Workplace, tmp_path: Path) -> Workplace:
        repository = GitRepository.init(work.folder)
        repository.commit(message="one")
        repository.git("clone", "-q", "--bare", str(work.folder), str(tmp_path / "flows.git"))
        repository.git("remote", "add", "origin", str(tmp_path / "flows.git"))
        return work

    def test_the_same_repository_is_named_again(self, author: Workplace, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        work, url = replace(author, folder=tmp_path / "empty"), tmp_path / "flows.git"
        work.ok("plan", "--repo", url, "--out", FILE)
        work.ok("apply", FILE, "--repo", url)
        assert set(work.ids()) == {"a"}

    def test_it_is_read_as_it_is_now_and_only_going_back_needs_consent(self, author: Workplace, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        work, url = replace(author, folder=tmp_path / "empty"), tmp_path / "flows.git"
        repository = GitRepository(author.folder)
        work.ok("apply", "--repo", url)
        author.write(bundle("b"))
        repository.commit(message="b")
        repository.git("push", "-q", "origin", "main")
        work.ok("plan", "--repo", url, "--out", FILE)
        author.write(bundle("c"))
        repository.commit(message="c")
        repository.git("push", "-q", "origin", "main")
        work.ok("apply", "--repo", url, "--select", "c")
        work.ok("apply", FILE, "--repo", url)  # its own workflows are the same in the newer commit
        assert set(work.ids()) == {"a", "b", "c"}
        repository.git("reset", "-q", "--hard", "HEAD~1")
        author.write(bundle("d"))
        repository.commit(message="d")
        repository.git("push", "-q", "--force", "origin", "main")
        planned = work.ok("plan", "--repo", url, "--out", FILE)
        assert "REWIND" in planned.stdout
        assert "REWIND" in work.fails(4, "apply", FILE, "--repo", url).stderr
        work.ok("apply", FILE, "--repo", url, "--allow-rewind")
        assert "d" in work.ids()


@pytest.mark.parametrize("name", ["workflows/approved.json", "workflows/deep/approved.yaml"])
def test_a_plan_is_never_written_where_the_next_command_would_take_it_for_a_bundle(work: Workplace, name: str) -> None:
    (work.folder / "workflows/deep").mkdir()
    error = work.fails(64, "plan", "--out", name).stderr
    assert "beside" in error
    assert name.rsplit(".", 1)[0] + ".plan" in error
    assert not (work.folder / name).exists()
    work.ok("plan", "--out", "workflows/approved.plan")
    work.ok("plan", "--out", "approved.json")
    work.ok("validate")


def test_a_plan_replaces_a_plan_and_no_other_file(work: Workplace) -> None:
    work.configure("registry: registry.yaml\nenvironments: {prod: {overlay: prod.yaml}}\n")
    names = {"actions": [], "nodeTypes": ["state.set"], "schemas": [{"ref": "payload.Ticket.v1"}]}
    (work.folder / "registry.yaml").write_text(json.dumps({"version": 1, **names}))
    (work.folder / "notes.txt").write_text("not to be lost\n")
    before = work.files()
    for name in ("wfsync.yaml", "registry.yaml", "prod.yaml", "elsewhere/wfsync.yaml"):
        (work.folder / name).parent.mkdir(exist_ok=True)
        assert "reads its settings from" in work.fails(64, "plan", "--out", name).stderr
    assert "no plan that wfsync wrote" in work.fails(64, "plan", "--out", "notes.txt").stderr
    assert work.files() == before
    (work.folder / FILE).write_bytes(b"")  # as mktemp leaves it
    work.ok("plan", "--out", FILE)
    work.ok("plan", "--out", FILE)
    work.ok("apply", FILE)
