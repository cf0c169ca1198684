"""Finding the repository, and folders that are in none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from git_repositories import BUNDLE, GitRepository
from wfsync.errors import RepositoryError
from wfsync.repo.opening import open_repository


def error_of(path: Path) -> RepositoryError:
    with pytest.raises(RepositoryError) as caught:
        open_repository(path)
    return caught.value


def test_a_folder_without_git_has_no_commit(tmp_path: Path) -> None:
    folder = GitRepository(tmp_path)
    for path in ("w/a.json", "w/.hidden/b.json", "w/sub/c.yml", "wfsync.yaml"):
        folder.write(path)
    (tmp_path / "w/link.json").symlink_to("a.json")
    found = open_repository(tmp_path).source("w")
    assert [entry.path for entry in found.entries] == ["w/a.json", "w/sub/c.yml"]
    assert [found.read(entry) for entry in found.entries] == [BUNDLE, BUNDLE]
    assert [problem.code for problem in found.problems] == ["REPOSITORY_SYMLINK"]
    assert (found.info.commit, found.info.branch, found.info.dirty) == (None, None, None)


def test_looking_for_git_in_vain_takes_nothing_from_the_interpreter(tmp_path: Path) -> None:
    """A None that nobody may give back ends the process after some thousand syncs (before Python 3.12)."""
    open_repository(tmp_path)
    before = sys.getrefcount(None)
    for _ in range(300):
        open_repository(tmp_path)
    assert sys.getrefcount(None) > before - 150


def test_without_git_the_root_is_where_the_config_is(tmp_path: Path) -> None:
    folder = GitRepository(tmp_path)
    folder.write("team/wfsync.yaml", b"team\n")
    folder.write("team/w/sub/a.json")
    opened = open_repository(tmp_path / "team/w/sub")
    assert (opened.root, opened.start) == (str(tmp_path / "team"), "w/sub")
    assert opened.find_upward("wfsync.yaml") == "wfsync.yaml"
    assert opened.read_file("wfsync.yaml") == b"team\n"
    assert open_repository(tmp_path).root == str(tmp_path)


def test_without_git_nobody_elses_config_is_found(tmp_path: Path) -> None:
    folder = GitRepository(tmp_path)
    folder.write("shared/wfsync.yaml")
    folder.write("shared/mine/w/a.json")
    (tmp_path / "shared").chmod(0o1777)
    opened = open_repository(tmp_path / "shared/mine")
    assert (opened.root, opened.find_upward("wfsync.yaml")) == (str(tmp_path / "shared/mine"), None)


def test_empty_and_missing_directories_are_errors_without_git_too(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    opened = open_repository(tmp_path)
    for directory, code in (("empty", "EMPTY_DIRECTORY"), ("missing", "MISSING_DIRECTORY")):
        with pytest.raises(RepositoryError) as caught:
            opened.source(directory)
        assert caught.value.code == code
        assert opened.source(directory, allow_empty=True).entries == ()


def test_the_root_is_found_from_any_folder_and_the_nearest_config_wins(repository: GitRepository) -> None:
    repository.commit("wfsync.yaml", "team/wfsync.yaml", "team/deep/a.json", "other/b.json")
    assert open_repository(repository.path / "team/deep").find_upward("wfsync.yaml") == "team/wfsync.yaml"
    assert open_repository(repository.path / "other").find_upward("wfsync.yaml") == "wfsync.yaml"
    opened = open_repository(repository.path / "other")
    assert (opened.root, opened.start) == (str(repository.path), "other")


def test_a_link_may_lead_to_a_repository_but_not_out_of_one(repository: GitRepository, tmp_path: Path) -> None:
    repository.commit("w/a.json")
    (tmp_path / "current").symlink_to(repository.path)
    assert open_repository(tmp_path / "current/w").root == str(repository.path)
    (repository.path / "inner").symlink_to("w")
    assert open_repository(repository.path / "inner").start == "w"
    (tmp_path / "secret").mkdir()
    (repository.path / "out").symlink_to(tmp_path / "secret")
    assert error_of(repository.path / "out").code == "REPOSITORY_SYMLINK"


def test_names_in_messages_can_be_clicked(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("w/a.json", "x/b.json")
    names = {}
    for place in (repository.path, tmp_path, repository.path / "w", Path("/")):
        monkeypatch.chdir(place)
        opened = open_repository(repository.path)
        found = [entry.label for directory in ("w", "x") for entry in opened.source(directory).entries]
        assert all(Path(label).is_file() for label in found)
        names[place] = found
    assert names[repository.path] == ["w/a.json", "x/b.json"]
    assert names[tmp_path] == ["repository/w/a.json", "repository/x/b.json"]
    assert names[repository.path / "w"] == ["a.json", "../x/b.json"]
    monkeypatch.chdir("/usr")
    assert open_repository(repository.path).source("w").entries[0].label == str(repository.path / "w/a.json")


def test_a_working_directory_that_was_removed_does_no_harm(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("w/a.json")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert open_repository(repository.path).source("w").entries[0].label == str(repository.path / "w/a.json")


def test_paths_of_the_file_system_become_paths_of_the_repository(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("w/a.json")
    opened = open_repository(repository.path)
    monkeypatch.chdir(repository.path / "w")
    assert opened.relative("a.json") == "w/a.json"
    assert opened.relative("../b/new.yaml") == "b/new.yaml"
    assert opened.relative(tmp_path) is None
    (repository.path / "link").symlink_to(tmp_path)
    assert opened.relative(repository.path / "link") == "link"
    assert opened.relative(repository.path / "link/x.yaml") is None


def test_places_that_are_no_folder_of_a_repository(repository: GitRepository, tmp_path: Path) -> None:
    repository.commit("w/a.json")
    assert error_of(tmp_path / "nowhere").code == "MISSING_DIRECTORY"
    assert error_of(repository.path / "w/a.json").code == "NOT_A_DIRECTORY"
    assert error_of(repository.path / ".git/hooks").code == "OUTSIDE_REPOSITORY"


def damage_config(git_dir: Path) -> None:
    (git_dir / "config").write_text("[core\n")


def damage_index(git_dir: Path) -> None:
    (git_dir / "index").write_bytes(b"garbage")


def damage_head(git_dir: Path) -> None:
    (git_dir / "refs/heads/main").write_text("garbage\n")


def damage_objects(git_dir: Path) -> None:
    for path in sorted((git_dir / "objects").glob("??/*")):
        path.unlink()


@pytest.mark.parametrize("damage", [damage_config, damage_index, damage_head, damage_objects])
def test_a_damaged_repository_is_an_error_not_a_traceback(repository: GitRepository, damage: object) -> None:
    repository.commit("w/a.json")
    assert callable(damage)
    damage(repository.path / ".git")
    with pytest.raises(RepositoryError) as caught:
        open_repository(repository.path).source("w")
    assert caught.value.message.startswith("git cannot ")


def test_what_libgit2_cannot_read_is_said_with_a_way_out(repository: GitRepository, tmp_path: Path) -> None:
    repository.commit("w/a.json", "x/b.json")
    repository.git("sparse-checkout", "set", "--cone", "--sparse-index", "x")
    with pytest.raises(RepositoryError) as caught:
        open_repository(repository.path).source("w")
    assert caught.value.code == "REPOSITORY_UNSUPPORTED"
    repository.git("sparse-checkout", "reapply", "--no-sparse-index")  # as the hint says
    assert "reapply --no-sparse-index" in str(caught.value.hint)
    assert [entry.path for entry in open_repository(repository.path).source("w").entries] == ["w/a.json"]

    other = GitRepository.init(tmp_path / "sha256", "--object-format=sha256")
    assert error_of(other.path).code == "REPOSITORY_UNSUPPORTED"


@pytest.mark.parametrize("content", ["gitdir: /nowhere/at/all\n", "gitdir: \n", "garbage\n", ""])
def test_a_git_file_that_points_nowhere_is_not_passed_over(tmp_path: Path, content: str) -> None:
    """A submodule or worktree that was copied alone would otherwise be a folder in which nothing is ignored."""
    outer = GitRepository.init(tmp_path / "outer")
    outer.commit("a.json")
    outer.write("inner/w/a.json")
    (outer.path / "inner/.git").write_text(content)
    assert ".git" in error_of(outer.path / "inner/w").message


def test_ceilings_are_respected(repository: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit("w/a.json")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(repository.path))
    assert open_repository(repository.path / "w").source(".").info.commit is None
