"""The work tree: what counts, what does not, and what is a fault."""

from __future__ import annotations

import os
import pickle
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import ConfigLevel, Option

from git_repositories import BUNDLE, LFS_POINTER, GitRepository
from wfsync.errors import RepositoryError
from wfsync.repo.opening import open_repository
from wfsync.repo.source import MAX_FILE_BYTES, Source


def source(repository: GitRepository | Path, directory: str = "w", *, allow_empty: bool = False) -> Source:
    path = repository.path if isinstance(repository, GitRepository) else repository
    return open_repository(path).source(directory, allow_empty=allow_empty)


def paths(found: Source) -> list[str]:
    return [entry.path for entry in found.entries]


def codes(found: Source) -> dict[str, str]:
    return {str(p.place).rpartition("/w/")[2]: p.code for p in found.problems}


def error_of(repository: GitRepository | Path, directory: str = "w") -> RepositoryError:
    with pytest.raises(RepositoryError) as caught:
        source(repository, directory)
    return caught.value


@contextmanager
def somebody_else() -> Iterator[None]:
    """Nobody's rights for a while; root gets its own back."""
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_uncommitted_and_untracked_files_count_and_ignored_ones_do_not(repository: GitRepository) -> None:
    repository.write(".gitignore", b"*.tmp.json\nbuild/\n")
    repository.commit(".gitignore", "w/tracked.json", "w/deep/er/x.yaml", "w/gone.json")
    (repository.path / "w/gone.json").unlink()
    for path in ("w/new.yml", "w/new/new.json", "w/x.tmp.json", "w/build/y.json", "w/readme.md", "other/z.json"):
        repository.write(path)
    assert paths(source(repository)) == ["w/deep/er/x.yaml", "w/new.yml", "w/new/new.json", "w/tracked.json"]


def test_a_tracked_file_counts_although_a_rule_ignores_it(repository: GitRepository) -> None:
    repository.write(".gitignore", b"*.tmp.json\nbuild/\n")
    repository.write("w/build/ignored.json")
    repository.commit("w/a.tmp.json", "w/build/b.json", ".gitignore")
    assert paths(source(repository)) == ["w/a.tmp.json", "w/build/b.json"]


def test_global_and_local_excludes_are_obeyed(repository: GitRepository) -> None:
    repository.write(".git/info/exclude", b"local.json\n")
    repository.commit("w/a.json")
    repository.write("w/local.json")
    assert paths(source(repository)) == ["w/a.json"]


def test_dot_folders_are_left_out_and_dot_files_are_not(repository: GitRepository) -> None:
    for path in ("w/.wfsync/a.json", "w/.github/b.yml", "w/x/.hidden/c.json", "w/.dot.json", "w/d.json"):
        repository.write(path)
    assert paths(source(repository)) == ["w/.dot.json", "w/d.json"]


def test_a_directory_that_is_itself_a_dot_folder_is_read(repository: GitRepository) -> None:
    repository.commit(".workflows/a.json")
    assert paths(source(repository, ".workflows")) == [".workflows/a.json"]


def test_the_root_can_be_the_directory_without_its_own_files(repository: GitRepository) -> None:
    repository.commit("a.json", "sub/b.json", "wfsync.yaml", "registry.yaml")
    found = open_repository(repository.path).source(".", exclude=frozenset({"wfsync.yaml", "registry.yaml"}))
    assert (paths(found), found.info.directory) == (["a.json", "sub/b.json"], ".")


def test_our_own_temporary_files_are_no_bundles(repository: GitRepository) -> None:
    repository.commit("w/a.json")
    repository.write("w/.wfsync-tmp-0123456789abcdef-0")
    assert paths(source(repository)) == ["w/a.json"]
    assert source(repository).info.dirty is False


def test_who_and_what_the_source_is(repository: GitRepository) -> None:
    assert source_info(repository) == (None, "main", True)
    commit = repository.commit("w/a.json", "wfsync.yaml")
    assert source_info(repository) == (commit, "main", False)
    repository.git("checkout", "-q", "--detach")
    assert source_info(repository) == (commit, None, False)
    repository.git("checkout", "-q", "-b", "feature/x")
    assert source_info(repository) == (commit, "feature/x", False)


def source_info(repository: GitRepository) -> tuple[str | None, str | None, bool | None]:
    if not (repository.path / "w").exists():
        repository.write("w/a.json")
    info = open_repository(repository.path).source("w", exclude=frozenset({"wfsync.yaml"})).info
    assert info.root == str(repository.path)
    assert info.rev is None
    return info.commit, info.branch, info.dirty


@pytest.mark.parametrize(
    ("change", "dirty"),
    [
        ("w/a.json", True),
        ("w/new.json", True),
        ("w/notes.txt", False),
        ("w/.hidden/x.json", False),
        ("other.json", False),
        ("wfsync.yaml", True),
    ],
)
def test_dirty_is_about_bundles_and_config(repository: GitRepository, change: str, dirty: bool) -> None:
    repository.commit("w/a.json", "wfsync.yaml")
    repository.write(change, b"{}\n")
    assert source_info(repository)[2] is dirty


@pytest.mark.parametrize("command", [("rm", "-q", "--cached", "w/b.json"), ("rm", "-q", "w/b.json")])
def test_a_staged_deletion_is_dirty(repository: GitRepository, command: tuple[str, ...]) -> None:
    repository.commit("w/a.json", "w/b.json")
    repository.git(*command)
    assert source_info(repository)[2] is True


def test_an_ignored_copy_of_a_file_no_longer_tracked_does_not_count(repository: GitRepository) -> None:
    repository.write(".gitignore", b"b.json\n")
    repository.commit(".gitignore", "w/a.json", "w/b.json")
    repository.git("rm", "-q", "--cached", "w/b.json")
    assert paths(source(repository)) == ["w/a.json"]


def test_a_sparse_checkout_hides_nothing(repository: GitRepository) -> None:
    repository.commit("w/a.json", "w/in/b.json", "w/out/c.json", "wfsync.yaml", "x/d.json")
    repository.git("sparse-checkout", "set", "--no-cone", "/x/")
    assert not (repository.path / "w").exists()
    opened = open_repository(repository.path)
    found = opened.source("w")
    assert paths(found) == ["w/a.json", "w/in/b.json", "w/out/c.json"]
    assert [found.read(entry) for entry in found.entries] == [BUNDLE] * 3
    assert [entry.size for entry in found.entries] == [len(BUNDLE)] * 3
    assert opened.source("w", exclude=frozenset({"wfsync.yaml"})).info.dirty is False
    assert opened.find_upward("wfsync.yaml") == "wfsync.yaml"
    assert (opened.find_upward("nothing.yaml"), opened.read_file("nothing.yaml")) == (None, None)
    assert opened.read_file("wfsync.yaml") == BUNDLE


def test_a_sparse_checkout_hides_no_fault_either(repository: GitRepository) -> None:
    (repository.path / "w").mkdir()
    (repository.path / "w/link.json").symlink_to("a.json")
    repository.write("w/pointer.json", LFS_POINTER)
    repository.commit()
    repository.git("sparse-checkout", "set", "--no-cone", "/x/")
    found = source(repository)
    assert (paths(found), found.info.dirty) == ([], False)
    assert codes(found) == {"link.json": "REPOSITORY_SYMLINK", "pointer.json": "REPOSITORY_LFS_POINTER"}


def test_a_pointer_that_appears_after_the_listing_is_found_too(repository: GitRepository) -> None:
    repository.commit("w/a.json")
    found = source(repository)
    repository.write("w/a.json", LFS_POINTER)
    with pytest.raises(RepositoryError) as caught:
        found.read(found.entries[0])
    assert (caught.value.code, caught.value.problems[0].key) == ("REPOSITORY_LFS_POINTER", "a")


def test_skip_worktree_and_assume_unchanged_files_are_not_gone(repository: GitRepository) -> None:
    repository.commit("w/a.json", "w/b.json", "w/c.json")
    repository.git("update-index", "--skip-worktree", "w/a.json")
    repository.git("update-index", "--assume-unchanged", "w/b.json")
    for name in ("a", "b", "c"):
        (repository.path / f"w/{name}.json").unlink()
    found = source(repository)
    assert paths(found) == ["w/a.json", "w/b.json"]
    assert [found.read(entry) for entry in found.entries] == [BUNDLE, BUNDLE]
    repository.git("checkout", "w/c.json")
    assert source(repository).info.dirty is False


def test_a_skip_worktree_file_that_exists_is_read_from_the_disk(repository: GitRepository) -> None:
    repository.commit("w/a.json")
    repository.git("update-index", "--skip-worktree", "w/a.json")
    repository.write("w/a.json", b"mine")
    found = source(repository)
    assert [found.read(entry) for entry in found.entries] == [b"mine"]


@pytest.mark.parametrize("setting", ["attribute", "autocrlf"])
def test_line_ending_conversion_does_not_read_as_changed(repository: GitRepository, setting: str) -> None:
    if setting == "attribute":
        repository.write(".gitattributes", b"*.json text eol=crlf\n")
    repository.commit("w/a.json", *([".gitattributes"] if setting == "attribute" else []))
    if setting == "autocrlf":
        repository.git("config", "core.autocrlf", "true")
    file = repository.path / "w/a.json"
    file.unlink()
    repository.git("checkout", "--", "w/a.json")
    assert file.read_bytes() == BUNDLE.replace(b"\n", b"\r\n")
    os.utime(file, (1, 1))  # git must look at the content
    assert source(repository).info.dirty is False


def test_links_are_never_followed(repository: GitRepository) -> None:
    repository.commit("w/a.json", "elsewhere/b.json")
    (repository.path / "w/link.json").symlink_to("a.json")
    (repository.path / "w/dangling.yaml").symlink_to("/nowhere")
    (repository.path / "w/folder").symlink_to("../elsewhere")
    (repository.path / "w/notes").symlink_to("a.json")
    found = source(repository)
    assert paths(found) == ["w/a.json"]
    assert {(str(p.place).rpartition("/")[2], p.severity) for p in found.problems} == {
        ("link.json", "error"),
        ("dangling.yaml", "error"),
        ("folder", "warning"),
    }
    assert {p.code for p in found.problems} == {"REPOSITORY_SYMLINK"}
    assert {p.key for p in found.problems} == {"link", "dangling", None}


def test_a_link_that_git_checked_out_as_text_is_still_a_link(repository: GitRepository) -> None:
    repository.commit("w/a.json")
    (repository.path / "w/link.json").symlink_to("a.json")
    repository.commit("w/link.json")
    repository.git("config", "core.symlinks", "false")
    (repository.path / "w/link.json").unlink()
    repository.git("checkout", "--", "w/link.json")
    assert (repository.path / "w/link.json").read_bytes() == b"a.json"
    found = source(repository)
    assert (paths(found), codes(found)) == (["w/a.json"], {"link.json": "REPOSITORY_SYMLINK"})


def test_pipes_sockets_and_pointers_are_faults_and_are_never_opened(repository: GitRepository) -> None:
    repository.commit("w/a.json")
    os.mkfifo(repository.path / "w/pipe.json")
    os.mkfifo(repository.path / "w/notes")
    os.mkfifo(os.fsencode(repository.path) + b"/w/p\xff.json")
    (repository.path / "w/sub").mkdir()
    os.mkfifo(repository.path / "w/sub/pipe.yaml")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(repository.path / "w/socket.json"))
    repository.write("w/pointer.json", LFS_POINTER)
    found = source(repository)
    assert paths(found) == ["w/a.json"]
    assert codes(found) == {
        "pipe.json": "REPOSITORY_SPECIAL_FILE",
        "p\\xff.json": "REPOSITORY_SPECIAL_FILE",
        "sub/pipe.yaml": "REPOSITORY_SPECIAL_FILE",
        "socket.json": "REPOSITORY_SPECIAL_FILE",
        "pointer.json": "REPOSITORY_LFS_POINTER",
    }


def test_a_name_that_is_not_utf_8_is_a_fault_that_can_be_printed(repository: GitRepository) -> None:
    repository.commit("w/a.json")
    (repository.path / os.fsdecode(b"w/b\xff.json")).write_bytes(BUNDLE)
    folder = repository.path / os.fsdecode(b"w/f\xff")
    folder.mkdir()
    (folder / "c.json").write_bytes(BUNDLE)
    found = source(repository)
    assert paths(found) == ["w/a.json"]
    assert codes(found) == {"b\\xff.json": "REPOSITORY_FILE_NAME", "f\\xff/c.json": "REPOSITORY_FILE_NAME"}
    assert all(str(p.place).isprintable() for p in found.problems)


def test_a_suffix_in_capitals_is_pointed_out(repository: GitRepository) -> None:
    repository.commit("w/a.json", "w/B.JSON")
    found = source(repository)
    assert paths(found) == ["w/a.json"]
    assert [(p.code, p.severity) for p in found.problems] == [("REPOSITORY_FILE_NAME", "warning")]


def test_submodules_and_repositories_inside_are_faults(repository: GitRepository, tmp_path: Path) -> None:
    other = GitRepository.init(tmp_path / "other")
    other.commit("x.json")
    repository.commit("w/a.json")
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "w/module")
    repository.git("commit", "-q", "-m", "submodule")
    GitRepository.init(repository.path / "w/own").write("y.json")
    expected = {"module": "REPOSITORY_SUBMODULE", "own": "REPOSITORY_SUBMODULE"}
    assert (paths(source(repository)), codes(source(repository))) == (["w/a.json"], expected)

    clone = GitRepository(tmp_path / "clone")
    repository.git("clone", "-q", str(repository.path), str(clone.path))
    assert codes(source(clone)) == {"module": "REPOSITORY_SUBMODULE"}  # its folder is empty


def test_a_submodule_read_for_itself_is_a_repository(repository: GitRepository, tmp_path: Path) -> None:
    other = GitRepository.init(tmp_path / "other")
    commit = other.commit("w/x.json")
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "module")
    found = source(repository.path / "module")
    assert (paths(found), found.info.commit) == (["w/x.json"], commit)


def test_a_linked_worktree_has_its_own_branch_and_files(repository: GitRepository, tmp_path: Path) -> None:
    commit = repository.commit("w/a.json")
    repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side/w/b.json").write_bytes(BUNDLE)
    found = source(tmp_path / "side")
    assert paths(found) == ["w/a.json", "w/b.json"]
    assert (found.info.root, found.info.commit, found.info.branch, found.info.dirty) == (
        str(tmp_path / "side"),
        commit,
        "side",
        True,
    )
    assert paths(source(repository)) == ["w/a.json"]


def test_an_empty_or_missing_directory_is_an_error(repository: GitRepository) -> None:
    repository.write(".gitignore", b"*.json\n")
    repository.commit(".gitignore")
    assert error_of(repository).code == "MISSING_DIRECTORY"
    repository.write("w/readme.md")
    assert error_of(repository).code == "EMPTY_DIRECTORY"
    repository.write("w/a.json")
    empty = error_of(repository)
    assert (empty.code, empty.hint) == ("EMPTY_DIRECTORY", "1 files there are ignored by .gitignore")
    assert source(repository, "nowhere", allow_empty=True).entries == ()


def test_a_warning_alone_does_not_make_a_directory_less_empty(repository: GitRepository) -> None:
    """Otherwise a plan would take everything for gone."""
    repository.commit("elsewhere/a.json")
    repository.write("w/readme.md")
    (repository.path / "w/folder").symlink_to("../elsewhere")
    assert error_of(repository).code == "EMPTY_DIRECTORY"
    repository.commit()
    with pytest.raises(RepositoryError) as caught:
        open_repository(repository.path, rev="HEAD").source("w")
    assert caught.value.code == "EMPTY_DIRECTORY"


@pytest.mark.parametrize(
    ("directory", "code"),
    [
        ("../x", "OUTSIDE_REPOSITORY"),
        ("/etc", "OUTSIDE_REPOSITORY"),
        ("w/../../x", "OUTSIDE_REPOSITORY"),
        ("link", "REPOSITORY_SYMLINK"),
        ("link/deeper", "REPOSITORY_SYMLINK"),
        ("w/a.json", "NOT_A_DIRECTORY"),
        ("w/a.json/b", "NOT_A_DIRECTORY"),
    ],
)
def test_a_directory_must_be_a_folder_inside(repository: GitRepository, directory: str, code: str) -> None:
    repository.commit("w/a.json")
    (repository.path / "link").symlink_to(repository.path.parent)
    assert error_of(repository, directory).code == code


def test_a_file_above_the_limit_is_refused_without_loading_it(repository: GitRepository) -> None:
    repository.commit("w/a.json")
    with repository.write("w/huge.json").open("wb") as file:
        file.truncate(1 << 30)
    with repository.write("w/at-limit.json").open("wb") as file:
        file.truncate(MAX_FILE_BYTES)
    found = source(repository)
    assert paths(found) == ["w/a.json", "w/at-limit.json"]
    assert [(p.code, p.key) for p in found.problems] == [("INVALID_BUNDLE", "huge")]


def test_what_happens_to_a_file_after_the_listing_is_an_error_not_a_hang(repository: GitRepository) -> None:
    repository.commit("w/a.json", "w/b.json", "w/c.json", "w/d.json")
    found = source(repository)
    for name in ("a", "b", "c", "d"):
        (repository.path / f"w/{name}.json").unlink()
    os.mkfifo(repository.path / "w/b.json")
    (repository.path / "w/c.json").symlink_to("/etc/passwd")
    with repository.write("w/d.json").open("wb") as file:
        file.truncate(1 << 30)
    seen = []
    for entry in found.entries:
        with pytest.raises(RepositoryError) as caught:
            found.read(entry)
        seen.append(caught.value.code)
    assert seen == ["FILE_MISSING", "REPOSITORY_SPECIAL_FILE", "REPOSITORY_SYMLINK", "INVALID_BUNDLE"]


def test_worker_processes_read_with_plain_data(repository: GitRepository) -> None:
    repository.commit("w/a.json", "w/b.json")
    repository.git("update-index", "--skip-worktree", "w/b.json")
    (repository.path / "w/b.json").unlink()
    found = source(repository)
    assert found.read(found.entries[1]) == BUNDLE  # the parent has the object store open
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        assert list(pool.map(found.reader.read, found.entries)) == [BUNDLE, BUNDLE]


def test_a_home_that_may_not_be_read_is_named() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        home = Path(name, "home")
        home.mkdir(mode=0o700)
        pygit2.option(Option.SET_SEARCH_PATH, ConfigLevel.GLOBAL, str(home))
        folder = GitRepository.init(Path(name, "r"))
        folder.write("w/a.json")
        with somebody_else():
            caught = error_of(folder)
    assert str(home) in caught.message
    assert str(caught.hint) == "git's own settings cannot be read: set HOME to a folder of this user"


def test_a_repository_of_somebody_else_is_refused_with_the_way_out(
    repository: GitRepository, only_own_settings: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a repository away")
    repository.commit("w/a.json")
    for path in (repository.path, *repository.path.rglob("*")):
        os.chown(path, 65534, 65534)
    caught = error_of(repository.path / "w")
    assert caught.code == "REPOSITORY_OWNER"
    assert str(caught.hint).endswith(f"git config --global --add safe.directory {repository.path}")
    repository.git("config", "--global", "--add", "safe.directory", str(repository.path))
    assert paths(source(repository)) == ["w/a.json"]


@pytest.mark.parametrize("in_git", [True, False])
def test_what_may_not_be_read_is_said_and_not_passed_over(in_git: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        Path(name).chmod(0o755)
        Path(name, ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
        pygit2.option(Option.SET_SEARCH_PATH, ConfigLevel.GLOBAL, name)
        folder = GitRepository(Path(name, "r"))
        if in_git:
            GitRepository.init(folder.path)
        for path in ("w/open.json", "w/closed.json", "w/folder/x.json"):
            folder.write(path)
        (folder.path / "w/closed.json").chmod(0)
        (folder.path / "w/folder").chmod(0)
        with somebody_else():
            found = source(folder)
            assert codes(found) == {"folder": "REPOSITORY_UNREADABLE"}
            assert paths(found) == ["w/closed.json", "w/open.json"]
            assert found.read(found.entries[1]) == BUNDLE
            with pytest.raises(RepositoryError) as caught:
                found.read(found.entries[0])
        assert caught.value.code == "FILE_UNREADABLE"
        (folder.path / "w").chmod(0)
        with somebody_else():
            assert [problem.code for problem in source(folder).problems] == ["REPOSITORY_UNREADABLE"]
