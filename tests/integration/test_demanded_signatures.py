"""``verify:`` in wfsync.yaml: it demands a signature and says nothing of who may sign (docs/remotes.md)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from databases import Databases
from git_repositories import GitRepository
from small_bundles import bundle
from workplace import Workplace


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture
def allowed(key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "allowed"
    path.write_text(f"alice@example.org {key.with_suffix('.pub').read_text()}")
    return path


@pytest.fixture
def work(cli: CommandLine, database: Databases, tmp_path: Path, key: Path) -> Workplace:
    """A repository whose wfsync.yaml demands signatures, and whose commits have them."""
    folder = tmp_path / "site"
    repository = GitRepository.init(folder)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", f"{key}.pub"), ("commit.gpgSign", "true")):
        repository.git("config", name, value)
    work = Workplace(cli, database("wfsync"), folder)
    work.configure("verify: ssh\n")
    work.write(bundle("one"))
    repository.commit(message="one")
    return work


def test_who_may_sign_must_be_said_outside_of_the_repository(work: Workplace, allowed: Path) -> None:
    refused = work.fails(1, "apply", "--rev", "HEAD")
    assert "VERIFY_DEMANDED" in refused.stderr
    assert "--allowed-signers" in refused.stderr
    assert work.ids() == {}
    shown = work.ok("plan", "--rev", "HEAD", "--format", "json").json()
    assert [block["code"] for block in shown["blocks"]] == ["VERIFY_DEMANDED"]
    assert "alice@example.org" in work.ok("-v", "apply", "--rev", "HEAD", "--allowed-signers", allowed).stderr
    assert set(work.ids()) == {"one"}


def test_a_commit_without_the_signature_is_refused_before_the_database_is_asked(work: Workplace, allowed: Path) -> None:
    repository = GitRepository(work.folder)
    repository.git("config", "commit.gpgSign", "false")
    work.write(bundle("two"))
    repository.commit(message="two")
    # For validate it is one fault among those of all files
    for command, code in (("plan", 4), ("apply", 4), ("status", 4), ("validate", 1)):
        result = work.fails(code, command, "--rev", "HEAD", "--allowed-signers", allowed)
        assert "UNVERIFIED_COMMIT" in result.output
    assert work.ids() == {}


def test_the_files_of_a_work_tree_are_never_applied(work: Workplace, allowed: Path) -> None:
    result = work.fails(1, "apply", "--allowed-signers", allowed)
    assert "--rev HEAD" in result.stderr
    assert work.ids() == {}
    assert "VERIFY_DEMANDED" in work.ok("plan", "--allowed-signers", allowed).stdout
    # What writes no database needs no signature
    work.ok("validate")
    work.ok("status")


@pytest.mark.parametrize("signers", [True, False])
def test_a_variable_disturbs_no_command_that_writes_nothing(work: Workplace, allowed: Path, signers: bool) -> None:
    for kind in ("ssh", "gpg"):
        env = {"WFSYNC_VERIFY": kind} | ({"WFSYNC_ALLOWED_SIGNERS": str(allowed)} if signers else {})
        for command in ("validate", "status"):
            result = work(command, env=env)
            assert result.code == 0, result.output
        shown = work("plan", "--format", "json", env=env)
        assert [block["code"] for block in shown.json()["blocks"]] == ["VERIFY_DEMANDED"]
        refused = work("apply", env=env)
        assert (refused.code, "WFSYNC_VERIFY needs a commit" in refused.stderr) == (1, True), refused.output
    assert work.ids() == {}
    assert (
        "--verify needs a commit" in work.fails(64, "validate", "--verify", "ssh", "--allowed-signers", allowed).stderr
    )


def test_a_group_plans_and_refuses_what_is_demanded(
    work: Workplace, allowed: Path, cli: CommandLine, database: Databases
) -> None:
    two = Workplace(cli, database("wfsync"), work.folder)
    work.configure(
        "verify: ssh\nenvironments: { a: { database_env: A }, b: { database_env: B }, all: { targets: [a, b] } }\n"
    )
    GitRepository(work.folder).commit(message="group")
    env = {"A": work.database.conninfo, "B": two.database.conninfo, "WFSYNC_TENANT": work.database.tenant or ""}

    def run(code: int, *args: str) -> Any:
        result = cli(*args, "-e", "all", "--format", "json", cwd=work.folder, env=env)
        assert result.code == code, result.output
        return result.json()

    for where in ((), ("--rev", "HEAD")):
        shown = run(0, "plan", *where)
        assert [target["outcome"] for target in shown["targets"]] == ["blocked", "blocked"]
        for target in shown["targets"]:
            assert [block["code"] for block in target["result"]["blocks"]] == ["VERIFY_DEMANDED"]
        assert {error["code"] for error in run(1, "apply", *where)["errors"]} == {"VERIFY_DEMANDED"}
    assert (work.ids(), two.ids()) == ({}, {})
    run(0, "apply", "--rev", "HEAD", "--allowed-signers", str(allowed))
    assert set(work.ids()) == set(two.ids()) == {"one"}


def test_another_kind_than_the_demanded_one_is_refused(work: Workplace, allowed: Path) -> None:
    work.configure("verify: gpg\n")
    GitRepository(work.folder).commit(message="gpg")
    result = work.fails(1, "apply", "--rev", "HEAD", "--verify", "ssh", "--allowed-signers", allowed)
    assert "VERIFY_DEMANDED" in result.stderr
    assert work.ids() == {}


def test_a_commit_that_takes_the_demand_out_is_stopped_by_the_options_alone(work: Workplace, allowed: Path) -> None:
    """The downgrade: whoever can push can change wfsync.yaml, too."""
    repository = GitRepository(work.folder)
    repository.git("config", "commit.gpgSign", "false")
    work.configure()
    repository.commit(message="no demand")
    assert "ALLOWED_SIGNERS" in work.fails(1, "apply", "--rev", "HEAD", "--allowed-signers", allowed).stderr
    work.fails(4, "apply", "--rev", "HEAD", "--verify", "ssh", "--allowed-signers", allowed)
    assert work.ids() == {}
    work.ok("apply", "--rev", "HEAD")


def test_watch_keeps_to_the_demand_of_each_revision(work: Workplace, allowed: Path) -> None:
    assert "VERIFY_DEMANDED" in work.fails(1, "watch", "--once", "--rev", "main").stderr
    work.ok("watch", "--once", "--rev", "main", "--allowed-signers", allowed)
    assert set(work.ids()) == {"one"}
    repository = GitRepository(work.folder)
    repository.git("config", "commit.gpgSign", "false")
    work.write(bundle("two"))
    repository.commit(message="two")
    work.fails(4, "watch", "--once", "--rev", "main", "--allowed-signers", allowed)
    assert set(work.ids()) == {"one"}


@pytest.mark.parametrize("value", ["x509", "true", "[ssh]"])
def test_no_other_kind_is_known(work: Workplace, value: str) -> None:
    work.configure(f"verify: {value}\n")
    assert "INVALID_CONFIG" in work.fails(1, "plan").stderr
