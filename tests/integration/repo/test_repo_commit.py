"""Commits hold the given files and nothing else, and leave git's status clean for them."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from git_repositories import GitRepository
from wfsync.errors import RepositoryError
from wfsync.repo import git_program
from wfsync.repo.commit import check_commit, commit_paths


@pytest.fixture(params=["libgit2", "git"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> GitRepository:
    """Every rule holds on both ways; a hook that does nothing sends the commit through the git program."""
    repository = GitRepository.init(tmp_path / "repository")
    if request.param == "git":
        hook(repository, "post-commit", "exit 0")
    return repository


def hook(repository: GitRepository, name: str, script: str, folder: str = ".git/hooks") -> Path:
    path = repository.write(f"{folder}/{name}", f"#!/bin/sh\n{script}\n".encode())
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def files_of(repository: GitRepository, rev: str = "HEAD") -> list[str]:
    return repository.git("show", "--format=", "--name-status", rev).splitlines()


def error_of(repository: GitRepository, *paths: str, message: str = "export") -> RepositoryError:
    with pytest.raises(RepositoryError) as caught:
        commit_paths(repository.path, paths, message)
    return caught.value


def test_only_the_given_files_are_committed(repository: GitRepository) -> None:
    first = repository.commit("w/a.json", "w/b.json", "staged.txt", "edited.txt")
    for path in ("w/a.json", "w/new.json", "w/not-given.json", "staged.txt", "staged-new.txt", "edited.txt"):
        repository.write(path, b"changed\n")
    repository.git("add", "staged.txt", "staged-new.txt")
    repository.git("rm", "-q", "--cached", "w/b.json")
    before = repository.status()
    commit = commit_paths(repository.path, ["w/a.json", "w/new.json"], "  export from staging \n\nwith a body  \n\n")
    assert commit == repository.head()
    assert repository.git("rev-parse", "HEAD^") == first
    assert files_of(repository) == ["M\tw/a.json", "A\tw/new.json"]
    assert repository.git("log", "-1", "--format=%B") == "export from staging\n\nwith a body"
    assert repository.git("log", "-1", "--format=%an|%ae|%cn|%ce") == "|".join(
        ["Test Author", "author@example.org"] * 2
    )
    assert repository.status() == [line for line in before if line[3:] not in {"w/a.json", "w/new.json"}]
    assert repository.git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    repository.git("fsck", "--strict")


def test_the_first_commit_of_a_branch(repository: GitRepository) -> None:
    repository.write("w/a.json")
    repository.write("b.txt")
    repository.git("add", "b.txt")
    commit = commit_paths(repository.path, ["w/a.json"], "export")
    assert repository.git("log", "--format=%H") == commit
    assert files_of(repository) == ["A\tw/a.json"]
    assert repository.status() == ["A  b.txt"]


def test_a_detached_head_moves_and_its_branch_does_not(repository: GitRepository) -> None:
    first = repository.commit("w/a.json")
    repository.git("checkout", "-q", "--detach")
    repository.write("w/a.json", b"changed\n")
    commit = commit_paths(repository.path, ["w/a.json"], "export")
    assert repository.head() == commit
    assert repository.git("rev-parse", "main", "HEAD^").split() == [first, first]


def test_nothing_changed_makes_no_commit(repository: GitRepository) -> None:
    first = repository.commit("w/a.json")
    repository.write("other.txt")
    os.utime(repository.path / "w/a.json", (1, 1))
    assert commit_paths(repository.path, ["w/a.json"], "export") is None
    assert commit_paths(repository.path, [], "export") is None
    assert (repository.head(), repository.status()) == (first, ["?? other.txt"])


def test_staged_changes_of_the_given_files_are_refused_and_listed(repository: GitRepository) -> None:
    first = repository.commit("w/a.json", "w/b.json", "w/c.json", "w/d.json")
    repository.write("w/a.json", b"staged\n")
    repository.write("w/new.json", b"staged\n")
    repository.git("add", "w/a.json", "w/new.json")
    repository.git("rm", "-q", "--cached", "w/b.json")
    repository.git("update-index", "--chmod=+x", "w/c.json")
    repository.write("w/a.json", b"exported\n")
    before = repository.status()
    error = error_of(repository, *(f"w/{name}.json" for name in ("a", "b", "c", "d", "new")))
    assert error.code == "STAGED_CHANGES"
    assert error.details == {"paths": ["w/a.json", "w/b.json", "w/c.json", "w/new.json"]}
    assert (repository.head(), repository.status()) == (first, before)
    with pytest.raises(RepositoryError) as caught:
        check_commit(repository.path, ["w/a.json"])
    assert caught.value.code == "STAGED_CHANGES"
    check_commit(repository.path, ["w/d.json"])


def test_paths_may_be_given_from_a_sub_folder(repository: GitRepository) -> None:
    repository.commit("w/a.json")
    repository.write("w/a.json", b"changed\n")
    assert commit_paths(repository.path / "w", ["a.json"], "export")
    assert files_of(repository) == ["M\tw/a.json"]


def test_names_that_look_like_patterns_or_options_are_names(repository: GitRepository) -> None:
    names = ["w/*.json", "w/a.json", ":(top)w.json", "-x.json", "w/ü ö.json", "w/tab\t.json", "w/[ab].json", ":!w.json"]
    repository.commit("w/b.json")
    for name in [*names, "w/b.json"]:
        repository.write(name, b"changed\n")
    given = [name for name in names if name != "w/a.json"]
    assert commit_paths(repository.path, given, "export")
    assert repository.git("show", "--format=", "--name-only", "-z").split("\0")[:-1] == sorted(given)
    assert repository.status() == [" M w/b.json", "?? w/a.json"]


def test_line_endings_are_committed_as_git_would(repository: GitRepository) -> None:
    repository.write(".gitattributes", b"*.json text eol=crlf\n")
    repository.commit(".gitattributes", "w/a.json")
    repository.write("w/a.json", b"one\r\ntwo\r\n")
    repository.write("w/b.json", b"three\n")
    assert commit_paths(repository.path, ["w/a.json", "w/b.json"], "export")
    assert repository.git("show", "HEAD:w/a.json") == "one\ntwo"
    assert repository.status() == []


def test_a_linked_worktree_commits_to_its_own_branch(repository: GitRepository, tmp_path: Path) -> None:
    first = repository.commit("w/a.json")
    repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side/w/a.json").write_bytes(b"changed\n")
    commit = commit_paths(tmp_path / "side", ["w/a.json"], "export")
    assert repository.git("rev-parse", "main", "side").split() == [first, commit]
    assert GitRepository(tmp_path / "side").status() == []


def merging(repository: GitRepository) -> str:
    repository.git("merge", "-q", "--no-ff", "--no-commit", "side")
    return "merge"


def picking(repository: GitRepository) -> str:
    repository.git("cherry-pick", "--no-commit", "side")
    (repository.path / ".git/CHERRY_PICK_HEAD").write_text(repository.git("rev-parse", "side") + "\n")
    return "cherrypick"


@pytest.mark.parametrize("begin", [merging, picking])
def test_no_commit_in_the_middle_of_something(repository: GitRepository, begin: object) -> None:
    repository.commit("w/a.json")
    repository.git("checkout", "-q", "-b", "side")
    repository.commit("w/side.json")
    repository.git("checkout", "-q", "main")
    first = repository.commit("w/b.json")
    assert callable(begin)
    name = begin(repository)
    repository.write("w/a.json", b"changed\n")
    error = error_of(repository, "w/a.json")
    assert (error.code, name in error.message) == ("COMMIT_STATE", True)
    assert repository.head() == first


def test_no_commit_in_the_middle_of_a_rebase(repository: GitRepository) -> None:
    repository.commit("w/a.json")
    repository.commit("w/b.json")
    stopped = subprocess.run(
        ["git", "rebase", "-q", "--exec", "false", "HEAD~1"], cwd=repository.path, capture_output=True, check=False
    )
    assert stopped.returncode != 0
    repository.write("w/a.json", b"changed\n")
    error = error_of(repository, "w/a.json")
    assert (error.code, "rebase" in error.message) == ("COMMIT_STATE", True)


def test_unmerged_files_are_refused(repository: GitRepository) -> None:
    repository.commit("x.txt")
    repository.write("x.txt", b"stashed\n")
    repository.git("stash", "-q")
    repository.write("x.txt", b"other\n")
    repository.commit("x.txt")
    done = subprocess.run(["git", "stash", "pop"], cwd=repository.path, capture_output=True, check=False)
    assert done.returncode != 0
    repository.write("w/a.json")
    assert error_of(repository, "w/a.json").code == "COMMIT_STATE"


def test_ignored_files_are_refused_unless_they_are_tracked(repository: GitRepository) -> None:
    repository.write(".gitignore", b"*.json\n")
    repository.commit(".gitignore", "w/a.json")
    repository.write("w/a.json", b"changed\n")
    repository.write("w/b.json")
    error = error_of(repository, "w/a.json", "w/b.json")
    assert (error.code, error.details) == ("IGNORED_PATHS", {"paths": ["w/b.json"]})
    assert commit_paths(repository.path, ["w/a.json"], "export")
    assert repository.status() == []


def test_a_missing_file_is_an_error_and_the_index_stays(repository: GitRepository) -> None:
    first = repository.commit("w/a.json")
    repository.write("w/a.json", b"changed\n")
    assert error_of(repository, "w/a.json", "w/missing.json").code == "COMMIT_FAILED"
    assert (repository.head(), repository.status()) == (first, [" M w/a.json"])


@pytest.mark.parametrize("message", ["", "  \n ", "a\0b", "\udcff"])
def test_a_message_must_say_something(repository: GitRepository, message: str) -> None:
    repository.write("w/a.json")
    assert error_of(repository, "w/a.json", message=message).code == "COMMIT_MESSAGE"


def test_a_message_line_that_begins_with_a_hash_stays(repository: GitRepository) -> None:
    repository.write("w/a.json")
    commit_paths(repository.path, ["w/a.json"], "#12: export")
    assert repository.git("log", "-1", "--format=%B") == "#12: export"


def test_who_commits_must_be_known(repository: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.git("config", "--unset", "user.email")
    repository.write("w/a.json")
    error = error_of(repository, "w/a.json")
    assert (error.code, "git config user.email" in str(error.hint)) == ("COMMIT_IDENTITY", True)
    assert repository.status() == ["?? w/a.json"]
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "env@example.org")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "From Environment")
    assert error_of(repository, "w/a.json").code == "COMMIT_IDENTITY"  # the committer is not known
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "committer@example.org")
    assert commit_paths(repository.path, ["w/a.json"], "export")
    assert repository.git("log", "-1", "--format=%an|%ae|%cn|%ce") == (
        "From Environment|env@example.org|Test Author|committer@example.org"
    )


def test_author_settings_come_before_user_settings(repository: GitRepository) -> None:
    repository.git("config", "author.name", "Export Bot")
    repository.write("w/a.json")
    assert commit_paths(repository.path, ["w/a.json"], "export")
    assert repository.git("log", "-1", "--format=%an|%cn") == "Export Bot|Test Author"


def test_a_locked_index_is_an_error_and_nothing_happens(repository: GitRepository) -> None:
    first = repository.commit("w/a.json")
    repository.write("w/a.json", b"changed\n")
    repository.write(".git/index.lock", b"")
    error = error_of(repository, "w/a.json")
    assert (error.code, "index.lock" in f"{error.message} {error.hint}") == ("COMMIT_FAILED", True)
    (repository.path / ".git/index.lock").unlink()
    assert (repository.head(), repository.status()) == (first, [" M w/a.json"])


def test_a_branch_that_somebody_holds_is_an_error_and_the_index_is_put_back(repository: GitRepository) -> None:
    first = repository.commit("w/a.json", "w/gone.json")
    repository.write("w/a.json", b"changed\n")
    repository.write("w/new.json")
    repository.git("rm", "-q", "--cached", "w/gone.json")
    before = repository.status()
    repository.write(".git/refs/heads/main.lock", b"")
    assert error_of(repository, "w/a.json", "w/new.json").code == "COMMIT_FAILED"
    (repository.path / ".git/refs/heads/main.lock").unlink()
    assert (repository.head(), repository.status()) == (first, before)


def test_folders_without_git_and_bare_repositories_are_refused(tmp_path: Path) -> None:
    GitRepository.init(tmp_path / "bare", "--bare")
    (tmp_path / "folder").mkdir()
    assert error_of(GitRepository(tmp_path / "folder"), "a.json").code == "NOT_A_REPOSITORY"
    assert error_of(GitRepository(tmp_path / "bare"), "a.json").code == "BARE_REPOSITORY"


# What only the git program can do.


@pytest.fixture
def plain(tmp_path: Path) -> GitRepository:
    """A repository with one commit and no hooks."""
    repository = GitRepository.init(tmp_path / "plain")
    repository.commit("w/a.json")
    repository.write("w/a.json", b"changed\n")
    return repository


@pytest.mark.parametrize("folder", [".git/hooks", "own hooks"])
def test_a_hook_that_refuses_is_heard_and_nothing_stays_staged(plain: GitRepository, folder: str) -> None:
    if folder != ".git/hooks":
        plain.git("config", "core.hooksPath", folder)
    hook(plain, "pre-commit", "echo 'not on a Friday' >&2; exit 1", folder)
    first, before = plain.head(), plain.status()
    plain.write("w/new.json")
    error = error_of(plain, "w/a.json", "w/new.json")
    assert (error.code, error.details["stderr"]) == ("COMMIT_FAILED", "not on a Friday")
    assert "not on a Friday" in error.message
    assert plain.head() == first
    assert plain.status() == [*before, "?? w/new.json"]


def test_hooks_see_and_change_the_commit(plain: GitRepository) -> None:
    hook(plain, "commit-msg", 'echo "Reviewed-by: hook" >> "$1"')
    hook(plain, "post-commit", "env > environment.txt")
    assert commit_paths(plain.path, ["w/a.json"], "export")
    assert plain.git("log", "-1", "--format=%B") == "export\nReviewed-by: hook"
    assert "PATHSPECS" not in (plain.path / "environment.txt").read_text()


def test_a_hook_that_is_not_executable_is_no_hook(plain: GitRepository) -> None:
    plain.write(".git/hooks/pre-commit", b"#!/bin/sh\nexit 1\n")
    assert commit_paths(plain.path, ["w/a.json"], "export")


def test_the_hooks_of_the_main_repository_hold_in_a_linked_worktree(plain: GitRepository, tmp_path: Path) -> None:
    plain.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    hook(plain, "pre-commit", "echo no >&2; exit 1")
    side = GitRepository(tmp_path / "side")
    side.write("w/a.json", b"changed\n")
    assert error_of(side, "w/a.json").code == "COMMIT_FAILED"


@pytest.fixture
def signer(tmp_path: Path) -> Path:
    """A program that signs like gpg, as far as git looks."""
    program = tmp_path / "signer"
    program.write_text(
        "#!/bin/sh\ncat >/dev/null\n"
        'echo "[GNUPG:] SIG_CREATED " >&2\n'
        "printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nabc\\n-----END PGP SIGNATURE-----\\n'\n"
    )
    program.chmod(0o755)
    return program


def test_commits_are_signed_where_signing_is_configured(plain: GitRepository, signer: Path) -> None:
    plain.git("config", "commit.gpgsign", "true")
    plain.git("config", "gpg.program", str(signer))
    assert commit_paths(plain.path, ["w/a.json"], "export")
    assert "gpgsig -----BEGIN PGP SIGNATURE-----" in plain.git("cat-file", "commit", "HEAD")
    assert plain.status() == []
    signer.write_text("#!/bin/sh\necho no secret key >&2\nexit 2\n")
    plain.write("w/a.json", b"again\n")
    error = error_of(plain, "w/a.json")
    assert (error.code, "failed to sign" in error.details["stderr"]) == ("COMMIT_FAILED", True)


def test_filters_of_the_configuration_are_run(plain: GitRepository) -> None:
    plain.git("config", "filter.shout.clean", "tr a-z A-Z")
    plain.write(".gitattributes", b"*.json filter=shout\n")
    assert commit_paths(plain.path, ["w/a.json"], "export")
    assert plain.git("show", "HEAD:w/a.json") == "CHANGED"


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [("GIT_AUTHOR_DATE", "2001-02-03T04:05:06+00:00", "2001-02-03"), ("GIT_CONFIG_GLOBAL", "/dev/null", "")],
)
def test_what_only_git_reads_from_its_environment_holds(
    plain: GitRepository, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert commit_paths(plain.path, ["w/a.json"], "export")
    assert plain.git("log", "-1", "--format=%aI").startswith(reason)


def test_another_repositorys_environment_does_not_lead_astray(
    plain: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook of another repository that runs wfsync."""
    other = GitRepository.init(tmp_path / "other")
    first = other.commit("x.json")
    hook(plain, "post-commit", "exit 0")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / ".git/index"))
    commit = commit_paths(plain.path, ["w/a.json"], "export")
    monkeypatch.undo()
    assert (plain.head(), other.head()) == (commit, first)


def test_without_the_git_program_it_is_said_before_anything_is_written(
    plain: GitRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = plain.head()
    hook(plain, "pre-commit", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RepositoryError) as caught:
        check_commit(plain.path, ["w/a.json"])
    assert (caught.value.code, "the hook pre-commit" in caught.value.message) == ("GIT_PROGRAM_MISSING", True)
    assert error_of(plain, "w/a.json").code == "GIT_PROGRAM_MISSING"
    monkeypatch.undo()
    assert plain.head() == first
    (plain.path / ".git/hooks/pre-commit").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_paths(plain.path, ["w/a.json"], "export") is not None


def test_reasons_to_call_git(plain: GitRepository) -> None:
    import pygit2

    def reason() -> str | None:
        return git_program.needed_for(pygit2.Repository(str(plain.path)), ["w/a.json"])

    assert reason() is None
    plain.write(".gitattributes", b"*.json working-tree-encoding=UTF-16\n")
    assert reason() == "working-tree-encoding"
    plain.git("config", "hook.lint.command", "true")
    assert reason() == "hooks in its configuration"
