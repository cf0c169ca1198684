"""Where there are many files they are looked for in another process, while the first one connects: nobody can tell."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from command_line import CommandLine, Result
from databases import Databases
from git_repositories import GitRepository
from small_bundles import bundle
from workplace import Workplace

NOWHERE = "postgresql://nobody@127.0.0.1:9/none?connect_timeout=1"


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """Three workflows among so many files that a process of its own looks for them."""
    repository = GitRepository.init(tmp_path / "repo")
    for number in range(1100):
        repository.write(f"notes/{number:04}-of-a-repository-with-many-files-that-are-no-workflows-of-ours.txt", b"")
    repository.write("wfsync.yaml", b"version: 1\ndirectory: workflows\n")
    Workplace(None, None, repository.path).write(bundle("a"), bundle("b"), bundle("c"))  # type: ignore[arg-type]
    repository.commit()
    assert (repository.path / ".git" / "index").stat().st_size > 100_000
    return repository


def run(cli: CommandLine, repository: GitRepository, database: str, *args: str) -> Result:
    """In an interpreter of its own: one that has the driver already has nothing to do meanwhile."""
    return cli("--database", database, *args, cwd=repository.path, covered=False)


def test_the_same_is_found(cli: CommandLine, repository: GitRepository, database: Databases) -> None:
    conninfo = database("wfsync").conninfo
    (repository.path / "workflows" / "new.json").write_bytes((repository.path / "workflows" / "a.json").read_bytes())
    assert "new.json" in run(cli, repository, conninfo, "plan").stderr
    (repository.path / "workflows" / "new.json").unlink()
    (repository.path / "workflows" / "a.JSON").write_text("{}")
    asides = [run(cli, repository, conninfo, "plan", "--format", "json") for _ in range(2)]
    alone = cli("--database", conninfo, "plan", "--format", "json", cwd=repository.path)
    assert [json.loads(done.stdout) for done in asides] == [json.loads(alone.stdout)] * 2
    assert [w["code"] for w in json.loads(alone.stdout)["warnings"]] == ["REPOSITORY_FILE_NAME"]
    assert run(cli, repository, conninfo, "apply").code == 0
    assert "3 in sync" in run(cli, repository, conninfo, "status").stdout


@pytest.mark.parametrize("command", ["plan", "status", "apply"])
def test_what_is_wrong_with_the_repository_is_said_first(
    cli: CommandLine, repository: GitRepository, command: str
) -> None:
    (repository.path / "workflows").rename(repository.path / "elsewhere")
    done = run(cli, repository, NOWHERE, command)
    assert done.code == 1
    assert "MISSING_DIRECTORY" in done.stderr
    assert "Traceback" not in done.output
    (repository.path / "elsewhere").rename(repository.path / "workflows")
    done = run(cli, repository, NOWHERE, command)
    assert done.code == 1
    assert "MISSING_DIRECTORY" not in done.stderr
    assert "127.0.0.1" in done.stderr


@pytest.mark.parametrize(
    "wrong", [["--database", "postgresql://nobody@127.0.0.1:9x/none"], ["--database", "service=nosuch"]]
)
def test_whatever_is_wrong_with_the_database(cli: CommandLine, repository: GitRepository, wrong: list[str]) -> None:
    (repository.path / "workflows").rename(repository.path / "elsewhere")
    done = cli(*wrong, "plan", cwd=repository.path, covered=False)
    assert "MISSING_DIRECTORY" in done.stderr
    assert "INVALID_DATABASE_URL" not in done.stderr


def test_a_search_that_was_killed_is_made_here(
    cli: CommandLine, repository: GitRepository, database: Databases, tmp_path: Path
) -> None:
    conninfo = database("wfsync").conninfo
    running = cli.start("--database", conninfo, "plan", cwd=repository.path, covered=False)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while running.poll() is None:
        for child in children.read_text().split() if children.exists() else ():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
    out, err = running.communicate()
    assert (running.returncode, "3 to create" in out.decode()) == (0, True), err.decode()


@pytest.mark.parametrize("command", ["plan", "status", "apply"])
def test_no_server_is_started_for_files_that_are_not_there(
    cli: CommandLine, repository: GitRepository, command: str
) -> None:
    (repository.path / "workflows").rename(repository.path / "elsewhere")
    done = cli(command, cwd=repository.path, covered=False)
    assert "MISSING_DIRECTORY" in done.stderr
    assert not (repository.path / ".wfsync").exists()


def test_a_server_that_runs_is_asked_meanwhile(cli: CommandLine, repository: GitRepository) -> None:
    try:
        assert cli("apply", cwd=repository.path).code == 0
        assert "3 unchanged" in cli("plan", cwd=repository.path, covered=False).stdout
        (repository.path / "workflows").rename(repository.path / "elsewhere")
        done = cli("plan", cwd=repository.path, covered=False)
        assert done.code == 1
        assert "MISSING_DIRECTORY" in done.stderr
    finally:
        cli("db", "reset", "--yes", cwd=repository.path)
