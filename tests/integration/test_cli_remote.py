"""``--repo`` through the real command line: a repository that nobody checked out, against a real database."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from databases import Databases
from git_repositories import GitRepository
from git_servers import http_server, served
from small_bundles import bundle
from workplace import Workplace

TOKEN = "tok3n-that-must-not-show"


@pytest.fixture
def author(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    """A checkout with one workflow, pushed to ``flows.git`` beside it."""
    folder = tmp_path / "author"
    repository = GitRepository.init(folder)
    work = Workplace(cli, database("wfsync"), folder)
    work.configure()
    work.write(bundle("one"))
    repository.commit(message="one")
    repository.git("init", "-q", "--bare", "-b", "main", str(tmp_path / "flows.git"))
    repository.git("remote", "add", "origin", str(tmp_path / "flows.git"))
    push(work)
    return work


@pytest.fixture
def work(author: Workplace, tmp_path: Path) -> Workplace:
    """The same database from an empty folder."""
    (tmp_path / "empty").mkdir()
    return Workplace(author.cli, author.database, tmp_path / "empty")


def push(work: Workplace) -> str:
    repository = GitRepository(work.folder)
    repository.git("push", "-q", "--force", "origin", "main")
    return repository.head()


def change(work: Workplace, *keys: str) -> str:
    work.write(*(bundle(key) for key in keys))
    GitRepository(work.folder).commit(message=" ".join(keys))
    return push(work)


def source(work: Workplace, *args: str | Path) -> tuple[dict[str, Any], list[str]]:
    document = work.ok("plan", "--format", "json", *args).json()
    return document["source"], [c["key"] for c in document["changes"]]


def test_plan_and_apply(author: Workplace, work: Workplace, tmp_path: Path) -> None:
    url = tmp_path / "flows.git"
    found, keys = source(work, "--repo", url)
    assert keys == ["one"]
    assert found == {
        "root": str(url), "directory": "workflows", "commit": GitRepository(author.folder).head(), "branch": "main",
        "dirty": False, "rev": "HEAD",
    }  # fmt: skip
    work.ok("apply", "--repo", url)
    assert set(work.ids()) == {"one"}
    change(author, "two")
    assert source(work, "--repo", url, "--rev", "main")[1] == ["two"]
    assert source(work, "--repo", url, "--rev", "main~1")[1] == []
    assert work.files() == {}


def test_configuration_and_folders_come_from_the_revision(author: Workplace, work: Workplace, tmp_path: Path) -> None:
    work.write(bundle("here"), under=".")
    (author.folder / "wfsync.yaml").write_text("version: 1\ndirectory: other\noverwrite: update\n")
    author.write(bundle("two"), under="other")
    author.write(bundle("three"), under="other/deeper")
    GitRepository(author.folder).commit("wfsync.yaml", "other", message="moved")
    push(author)
    url = tmp_path / "flows.git"
    assert source(work, "--repo", url)[1] == ["three", "two"]
    assert source(work, "--repo", url, "other/deeper")[1] == ["three"]
    assert source(work, "--repo", url, "--rev", "HEAD~1")[1] == ["one"]
    assert "MISSING_DIRECTORY" in work.fails(1, "plan", "--repo", url, "nowhere").stderr
    assert "USAGE" in work.fails(64, "plan", "--repo", url, tmp_path).stderr
    assert "OUTSIDE_REPOSITORY" in work.fails(1, "plan", "--repo", url, "../x").stderr


def test_validate(author: Workplace, work: Workplace, tmp_path: Path) -> None:
    url = tmp_path / "flows.git"
    assert "Validated 1 file" in work.ok("validate", "--repo", url).stdout
    assert "Validated 1 file" in work.ok("validate", "--repo", url, "workflows/one.json").stdout
    (author.folder / "workflows" / "bad.json").write_text("{")
    GitRepository(author.folder).commit(message="bad")
    push(author)
    assert "workflows/bad.json:1:2" in work.fails(1, "validate", "--repo", url).stdout


def test_the_embedded_server_has_no_place(author: Workplace, work: Workplace, tmp_path: Path) -> None:
    for command in ("plan", "apply"):
        result = work.cli(command, "--repo", tmp_path / "flows.git", cwd=work.folder)
        assert (result.code, "DATABASE_REQUIRED" in result.stderr) == (1, True), result.output
    assert work.files() == {}
    assert not (tmp_path / ".wfsync").exists()


def test_no_token_shows_anywhere(author: Workplace, work: Workplace, tmp_path: Path) -> None:
    served(tmp_path / "flows.git")
    with http_server(tmp_path, wanted=f"robot:{TOKEN}") as server:
        url = server.url("flows.git", f"robot:{TOKEN}")
        results = [work.ok("plan", "--repo", url, "--format", form) for form in ("text", "json", "markdown")]
        results += [work.ok("-vv", "apply", "--repo", url), work.ok("history", "--format", "json")]
        results += [work.fails(1, "plan", "--repo", url, "--rev", "none"), work.fails(1, "plan", "--repo", url + "x")]
        wrong = server.url("flows.git", f"robot:{TOKEN}x")
        results += [work.fails(1, "plan", "--repo", wrong, "--format", "json")]
        for bad in (f"ext::{url}", f"git://robot:{TOKEN}@h/a", f"ssh://robot:{TOKEN}@h/a", f"{url}?t={TOKEN}"):
            results += [work.fails(1, "plan", "--repo", bad)]
    for result in results:
        assert TOKEN not in result.output
    assert server.url("flows.git") in results[0].stdout
    cache = author.cli.home / ".cache" / "wfsync"
    assert list(cache.glob("repos/*.git"))
    assert not [p for p in cache.rglob("*") if TOKEN in p.name or (p.is_file() and TOKEN.encode() in p.read_bytes())]
    everything = subprocess.run(
        ["pg_dump", "--inserts", work.database.conninfo], capture_output=True, text=True, check=False
    )
    assert TOKEN not in everything.stdout


def test_going_back_needs_consent(author: Workplace, work: Workplace, tmp_path: Path) -> None:
    url = tmp_path / "flows.git"
    repository = GitRepository(author.folder)
    first = repository.head()
    second = change(author, "two")
    work.ok("apply", "--repo", url)
    planned = work.ok("plan", "--repo", url, "--rev", first)
    assert "REWIND" in planned.output
    refused = work.fails(4, "apply", "--repo", url, "--rev", first, "--force")
    assert "REWIND" in refused.stderr
    assert second[:12] in refused.output
    repository.git("reset", "-q", "--hard", first)
    change(author, "three")
    assert "does not follow" in work.fails(4, "apply", "--repo", url, "--force").output
    assert set(work.ids()) == {"one", "two"}
    work.ok("apply", "--repo", url, "--force", "--allow-rewind")
    assert set(work.ids()) == {"one", "two", "three"}
    change(author, "four")
    work.ok("apply", "--repo", url)


def test_consent_to_go_back_is_asked_for_once(author: Workplace, work: Workplace, tmp_path: Path) -> None:
    """Also where nothing differs: the ledger has a row that says so, which no rollback means by "last"."""
    url = tmp_path / "flows.git"
    repository = GitRepository(author.folder)
    change(author, "two")
    work.ok("apply", "--repo", url)
    repository.git("commit", "-q", "--amend", "-m", "the same in other words")
    repository.git("push", "-q", "--force", str(url), "HEAD:main")
    work.fails(4, "apply", "--repo", url)
    assert len(work.rows("SELECT * FROM wfsync.applies WHERE outcome = 'applied'")) == 1
    work.ok("apply", "--repo", url, "--allow-rewind")
    rows = work.rows("SELECT counts, options, commit_id FROM wfsync.applies WHERE outcome = 'applied' ORDER BY at DESC")
    assert len(rows) == 2
    assert rows[0]["commit_id"] == repository.head()
    assert (rows[0]["counts"]["create"], rows[0]["options"]["allow_rewind"]) == (0, True)
    work.ok("apply", "--repo", url)
    work.ok("apply", "--repo", url, "--allow-rewind")
    assert len(work.rows("SELECT * FROM wfsync.applies WHERE outcome = 'applied'")) == 2
    assert "Plan: 0 to create, 0 to overwrite, 2 to delete" in work.ok("rollback", "last", "--dry-run").stdout


def test_only_signed_commits(author: Workplace, work: Workplace, tmp_path: Path) -> None:
    url, key, allowed = tmp_path / "flows.git", tmp_path / "key", tmp_path / "allowed"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    allowed.write_text(f"alice@example.org {key.with_suffix('.pub').read_text()}")
    wanted = ("--verify", "ssh", "--allowed-signers", allowed)
    assert "is not signed" in work.fails(4, "plan", "--repo", url, *wanted).stderr
    repository = GitRepository(author.folder)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", f"{key}.pub"), ("commit.gpgSign", "true")):
        repository.git("config", name, value)
    change(author, "two")
    assert "alice@example.org" in work.ok("-v", "apply", "--repo", url, *wanted).stderr
    assert set(work.ids()) == {"one", "two"}
    environment = {"WFSYNC_VERIFY": "ssh", "WFSYNC_ALLOWED_SIGNERS": str(allowed)}
    assert work("plan", "--repo", url, env=environment).code == 0
    assert work("plan", "--repo", url, "--rev", "HEAD~1", env=environment).code == 4
    # A revision of a checkout can be verified as well, its files cannot
    assert author("plan", "--rev", "HEAD", env=environment).code == 0
    assert author("plan", "--rev", "HEAD~1", env=environment).code == 4
    unsigned = author("plan", env=environment)
    assert (unsigned.code, "VERIFY_DEMANDED" in unsigned.stdout) == (0, True)
    assert author("apply", "--force", env=environment).code == 1
    assert work("plan", "--repo", url, env={"WFSYNC_VERIFY": "ssh"}).code == 64
    assert work("plan", "--repo", url, env={"WFSYNC_ALLOWED_SIGNERS": str(allowed)}).code == 1
