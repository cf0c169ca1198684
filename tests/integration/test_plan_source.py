"""Where a plan reads the files: the work tree, a revision, a bare repository, a plain folder (spec: cli.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from corpus_edits import JsonObject
from databases import Databases
from git_repositories import GitRepository
from small_bundles import bundle
from workplace import Workplace


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path) -> Workplace:
    """A git repository of two commits: in the first is ``one``, in the second also ``two``."""
    folder = tmp_path / "repo"
    repository = GitRepository.init(folder)
    work = Workplace(cli, database("A"), folder)
    work.configure("overwrite: update\n")
    work.write(bundle("one"))
    repository.commit(message="one")
    repository.git("tag", "v1")
    repository.git("branch", "old")
    work.configure()
    work.write(bundle("two"))
    repository.commit(message="two")
    return work


def plan(work: Workplace, *args: str | Path) -> tuple[JsonObject, list[str]]:
    """The source of a plan, and the keys that it would create."""
    document = work.ok("plan", *args, "--format", "json").json()
    return document["source"], [change["key"] for change in document["changes"]]


def test_the_work_tree_with_its_commit_and_branch(work: Workplace) -> None:
    head = GitRepository(work.folder).head()
    source, keys = plan(work)
    assert keys == ["one", "two"]
    place = {"root": str(work.folder), "directory": "workflows"}
    assert source == place | {"commit": head, "branch": "main", "dirty": False, "rev": None}
    text = work.ok("plan").stdout
    assert f"Source: {work.folder}, folder workflows, branch main at {head[:12]}\n" in text
    work.write(bundle("three"))
    source, keys = plan(work)
    assert (keys, source["dirty"]) == (["one", "three", "two"], True)
    assert f"branch main at {head[:12]}, with uncommitted changes\n" in work.ok("plan").stdout
    (work.folder / "README").write_text("not a bundle")
    (work.folder / "workflows/three.json").unlink()
    assert plan(work)[0]["dirty"] is False
    GitRepository(work.folder).git("checkout", "-q", "--detach")
    assert plan(work)[0]["branch"] is None


def test_a_revision_is_read_without_a_checkout(work: Workplace) -> None:
    repository = GitRepository(work.folder)
    first, head = repository.git("rev-parse", "v1"), repository.head()
    work.write(bundle("uncommitted"))
    (work.folder / "workflows/one.json").write_text("{ broken")
    files = work.files()
    assert plan(work, "--rev", "HEAD")[1] == ["one", "two"]
    for rev, commit, branch in (
        ("v1", first, None),
        ("old", first, "old"),
        (head[:8], head, None),
        ("main~1", first, None),
    ):
        source, _ = plan(work, "--rev", rev)
        assert (source["rev"], source["commit"], source["branch"], source["dirty"]) == (rev, commit, branch, False)
    # The configuration comes from the revision, too
    assert "Overwrite: update\n" in work.ok("plan", "--rev", "v1").stdout
    assert "Overwrite: replace\n" in work.ok("plan", "--rev", "HEAD").stdout
    work.ok("apply", "--rev", "v1")
    assert sorted(work.ids()) == ["one"]
    assert work.files() == files
    assert "REVISION_NOT_FOUND" in work.fails(1, "plan", "--rev", "nowhere").stderr


def test_a_configuration_that_is_named_is_the_revisions_own(work: Workplace) -> None:
    repository = GitRepository(work.folder)
    (work.folder / "ci.yaml").write_text("version: 1\ndirectory: workflows\noverwrite: update\n")
    repository.commit("ci.yaml")
    (work.folder / "ci.yaml").unlink()
    assert "Overwrite: update\n" in work.ok("--config", "ci.yaml", "plan", "--rev", "HEAD").stdout
    gone = work.fails(1, "--config", "ci.yaml", "plan", "--rev", "v1")
    assert "ci.yaml does not exist at v1" in gone.stderr
    assert "--config names ci.yaml, which is not a file" in work.fails(1, "--config", "ci.yaml", "plan").stderr


def test_the_configuration_is_sought_upward_from_where_one_stands(work: Workplace, cli: CommandLine) -> None:
    def run(cwd: str, *args: str) -> Any:
        return cli("--database", work.database.conninfo, *args, cwd=work.folder / cwd)

    assert run("workflows", "plan").stdout.endswith(
        "Plan: 2 to create, 0 to overwrite, 0 to delete, 0 to relink, 0 unchanged.\n"
    )
    inner = run("workflows", "--config", "../wfsync.yaml", "plan", ".")
    assert inner.code == 0, inner.output
    (work.folder / "elsewhere").mkdir()
    assert run("elsewhere", "plan", "../workflows").stdout == run("", "plan").stdout
    (work.folder / "wfsync.yaml").rename(work.folder / "wfsync.yml")
    assert "wfsync.yml is not read" in run("workflows", "plan").stderr


def test_a_bare_repository(work: Workplace, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    GitRepository(work.folder).git("clone", "-q", "--bare", str(work.folder), str(bare))
    source, keys = plan(work, "--rev", "HEAD", bare)
    assert (keys, source["root"], source["commit"]) == (["one", "two"], str(bare), GitRepository(work.folder).head())
    assert "--rev HEAD" in work.fails(1, "plan", bare).stderr


def test_a_folder_outside_git(work: Workplace, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    Workplace(work.cli, work.database, folder).write(bundle("a"))
    source, keys = plan(work, folder)
    assert keys == ["a"]
    assert source == {
        "root": str(folder), "directory": ".", "commit": None, "branch": None, "dirty": False, "rev": None,
    }  # fmt: skip
    assert "NOT_A_REPOSITORY" in work.fails(1, "plan", folder, "--rev", "HEAD").stderr
