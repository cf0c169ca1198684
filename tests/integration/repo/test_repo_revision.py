"""A revision is read from git's objects alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_repositories import BUNDLE, LFS_POINTER, GitRepository
from wfsync.errors import RepositoryError
from wfsync.repo.opening import open_repository
from wfsync.repo.source import Source


def source(repository: GitRepository | Path, rev: str, directory: str = "w") -> Source:
    path = repository.path if isinstance(repository, GitRepository) else repository
    return open_repository(path, rev=rev).source(directory)


def read(found: Source) -> dict[str, bytes]:
    return {entry.path: found.read(entry) for entry in found.entries}


@pytest.fixture
def history(repository: GitRepository) -> GitRepository:
    """Three commits; v1 is an annotated tag on the first, `side` a branch on the second."""
    repository.write("w/a.json", b"one\n")
    repository.commit("w/a.json", "wfsync.yaml")
    repository.git("tag", "-a", "v1", "-m", "first")
    repository.write("w/a.json", b"two\n")
    repository.commit("w/a.json", "w/sub/b.yaml")
    repository.git("branch", "side")
    repository.write("w/a.json", b"three\n")
    repository.commit("w/a.json")
    return repository


def test_links_are_followed_as_far_as_the_commit_goes(history: GitRepository) -> None:
    """A workflow that moved behind one of these is not gone: a prune must hear of it."""
    goals = {
        "straight": "sub", "chain": "straight", "through": "up/w/sub", "up": "..", "out": "../../elsewhere",
        "far": "/opt", "file": "a.json", "file-chain": "file", "nothing": "nowhere", "circle": "circle",
    }  # fmt: skip
    for name, goal in goals.items():
        (history.path / "w" / name).symlink_to(goal)
    history.commit()
    found = {str(p.place).rpartition("/")[2]: p.message for p in source(history, "HEAD").problems}
    assert found.keys() == {"straight", "chain", "through", "up", "out", "far"}
    assert {name for name, message in found.items() if "out of the commit" in message} == {"out", "far"}


@pytest.mark.parametrize(
    ("rev", "content", "branch"),
    [
        ("v1", b"one\n", None),
        ("refs/tags/v1", b"one\n", None),
        ("HEAD~2", b"one\n", None),
        ("v1^{commit}", b"one\n", None),
        ("side", b"two\n", "side"),
        ("HEAD", b"three\n", "main"),
        ("main", b"three\n", "main"),
    ],
)
def test_every_way_to_name_a_commit(history: GitRepository, rev: str, content: bytes, branch: str | None) -> None:
    history.write("w/a.json", b"uncommitted\n")
    found = source(history, rev)
    assert read(found)["w/a.json"] == content
    assert found.info.commit == history.git("rev-parse", rev + "^{commit}")
    assert (found.info.branch, found.info.dirty, found.info.rev) == (branch, False, rev)
    assert source(history, str(found.info.commit)[:9]).info.commit == found.info.commit


def test_sizes_and_sub_folders(history: GitRepository) -> None:
    found = source(history, "HEAD")
    assert [(entry.path, entry.size) for entry in found.entries] == [("w/a.json", 6), ("w/sub/b.yaml", len(BUNDLE))]


@pytest.mark.parametrize("packed", [True, False])
def test_a_bare_repository_needs_no_checkout(history: GitRepository, tmp_path: Path, packed: bool) -> None:
    bare = tmp_path / "bare.git"
    history.git("clone", "-q", "--bare", str(history.path), str(bare))
    if packed:
        GitRepository(bare).git("gc", "-q")
    assert read(source(bare, "side")) == {"w/a.json": b"two\n", "w/sub/b.yaml": BUNDLE}
    assert open_repository(bare, rev="v1").read_file("wfsync.yaml") == BUNDLE
    assert open_repository(bare, rev="v1").find_upward("wfsync.yaml") == "wfsync.yaml"
    with pytest.raises(RepositoryError) as caught:
        open_repository(bare)
    assert caught.value.code == "BARE_REPOSITORY"


def test_config_comes_from_the_same_revision_and_the_nearest_one_wins(history: GitRepository) -> None:
    history.write("team/wfsync.yaml", b"team\n")
    history.commit("team/wfsync.yaml", "team/deep/x.json")
    history.write("team/wfsync.yaml", b"uncommitted\n")
    opened = open_repository(history.path / "team/deep", rev="HEAD")
    assert opened.start == "team/deep"
    assert opened.find_upward("wfsync.yaml") == "team/wfsync.yaml"
    assert opened.read_file("team/wfsync.yaml") == b"team\n"
    assert open_repository(history.path / "team/deep", rev="v1").find_upward("wfsync.yaml") == "wfsync.yaml"
    assert opened.read_file("nothing.yaml") is None
    assert opened.find_upward("nothing.yaml") is None


def test_a_folder_that_only_the_revision_has_can_be_named(history: GitRepository) -> None:
    history.commit("old/deep/x.json")
    history.git("rm", "-rq", "old")
    history.git("commit", "-q", "-m", "gone")
    opened = open_repository(history.path / "old/deep", rev="HEAD~1")
    assert opened.start == "old/deep"
    assert list(read(opened.source(opened.start))) == ["old/deep/x.json"]
    with pytest.raises(RepositoryError) as caught:
        open_repository(history.path / "old/deep")
    assert caught.value.code == "MISSING_DIRECTORY"


@pytest.mark.parametrize("rev", ["nope", "HEAD~9", "", "a b", "HEAD:w", "HEAD^{tree}", "0" * 40, "\udcff", "x\0y"])
def test_a_revision_that_does_not_exist_is_named(history: GitRepository, rev: str) -> None:
    with pytest.raises(RepositoryError) as caught:
        open_repository(history.path, rev=rev)
    assert caught.value.code == "REVISION_NOT_FOUND"
    assert repr(rev) in caught.value.message


def test_the_hint_names_the_branch_that_only_the_server_has(history: GitRepository, tmp_path: Path) -> None:
    history.git("clone", "-q", str(history.path), str(tmp_path / "clone"))
    with pytest.raises(RepositoryError) as caught:
        open_repository(tmp_path / "clone", rev="side")
    assert "--rev origin/side" in str(caught.value.hint)
    assert read(source(tmp_path / "clone", "origin/side"))["w/a.json"] == b"two\n"


def test_a_shallow_clone_is_told_to_fetch_more(history: GitRepository, tmp_path: Path) -> None:
    history.git("clone", "-q", "--depth", "1", history.path.as_uri(), str(tmp_path / "clone"))
    with pytest.raises(RepositoryError) as caught:
        open_repository(tmp_path / "clone", rev="HEAD~1")
    assert "--unshallow" in str(caught.value.hint)


def test_two_meanings_are_ambiguous_unless_they_are_one_commit(history: GitRepository) -> None:
    history.git("tag", "side", "HEAD")
    with pytest.raises(RepositoryError) as caught:
        open_repository(history.path, rev="side")
    assert caught.value.code == "REVISION_AMBIGUOUS"
    assert source(history, "refs/heads/side").info.branch == "side"
    history.git("tag", "-f", "side", "refs/heads/side")
    assert read(source(history, "side"))["w/a.json"] == b"two\n"


def test_a_short_id_of_several_objects_is_ambiguous(history: GitRepository) -> None:
    with pytest.raises(RepositoryError) as caught:
        open_repository(history.path, rev=history.head()[:1])
    assert caught.value.code in {"REVISION_AMBIGUOUS", "REVISION_NOT_FOUND"}


def test_a_branch_without_commits_has_no_revision(repository: GitRepository, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError) as caught:
        open_repository(repository.path, rev="HEAD")
    assert (caught.value.code, "no commit" in str(caught.value.hint)) == ("REVISION_NOT_FOUND", True)
    with pytest.raises(RepositoryError) as caught:
        open_repository(tmp_path, rev="HEAD")
    assert caught.value.code == "NOT_A_REPOSITORY"


def test_faults_are_the_same_as_in_the_work_tree(history: GitRepository, tmp_path: Path) -> None:
    other = GitRepository.init(tmp_path / "other")
    other.commit("x.json")
    (history.path / "w/link.json").symlink_to("a.json")
    (history.path / "w/folder").symlink_to("sub")
    (history.path / "w/notes").symlink_to("a.json")
    (history.path / os.fsdecode(b"w/n\xff.json")).write_bytes(BUNDLE)
    history.write("w/pointer.json", LFS_POINTER)
    history.write("w/C.JSON")
    history.write("w/.hidden/x.json")
    with history.write("w/huge.json").open("wb") as file:
        file.truncate(20 << 20)
    history.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "w/module")
    history.commit()
    found = source(history, "HEAD")
    assert list(read(found)) == ["w/a.json", "w/sub/b.yaml"]
    assert {(p.severity, p.code, str(p.place).rpartition("/")[2]) for p in found.problems} == {
        ("error", "REPOSITORY_SYMLINK", "link.json"),
        ("warning", "REPOSITORY_SYMLINK", "folder"),
        ("error", "REPOSITORY_FILE_NAME", "n\\xff.json"),
        ("error", "REPOSITORY_LFS_POINTER", "pointer.json"),
        ("error", "INVALID_BUNDLE", "huge.json"),
        ("error", "REPOSITORY_SUBMODULE", "module"),
        ("warning", "REPOSITORY_FILE_NAME", "C.JSON"),
    }
    in_files = open_repository(history.path).source("w")
    assert [(p.code, p.place) for p in found.problems] == [(p.code, p.place) for p in in_files.problems]
    assert [entry.path for entry in found.entries] == [entry.path for entry in in_files.entries]


@pytest.mark.parametrize(
    ("directory", "code"),
    [
        ("nowhere", "MISSING_DIRECTORY"),
        ("empty", "EMPTY_DIRECTORY"),
        ("w/a.json", "NOT_A_DIRECTORY"),
        ("w/a.json/deeper", "NOT_A_DIRECTORY"),
        ("link", "REPOSITORY_SYMLINK"),
        ("link/sub", "REPOSITORY_SYMLINK"),
        ("module", "REPOSITORY_SUBMODULE"),
        ("module/w", "REPOSITORY_SUBMODULE"),
        ("..", "OUTSIDE_REPOSITORY"),
    ],
)
def test_a_directory_must_be_a_folder_of_the_revision(
    history: GitRepository, tmp_path: Path, directory: str, code: str
) -> None:
    other = GitRepository.init(tmp_path / "other")
    other.commit("w/x.json")
    (history.path / "link").symlink_to("w")
    history.write("empty/readme.md")
    history.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "module")
    history.commit()
    with pytest.raises(RepositoryError) as caught:
        source(history, "HEAD", directory)
    assert caught.value.code == code


def test_a_config_that_is_a_link_or_a_folder_is_refused(history: GitRepository) -> None:
    (history.path / "link.yaml").symlink_to("wfsync.yaml")
    history.commit("link.yaml")
    for opened in (open_repository(history.path, rev="HEAD"), open_repository(history.path)):
        for path, code in (("link.yaml", "REPOSITORY_SYMLINK"), ("w", "REPOSITORY_SPECIAL_FILE")):
            with pytest.raises(RepositoryError) as caught:
                opened.read_file(path)
            assert caught.value.code == code


def test_a_missing_object_is_an_error_with_a_way_out(history: GitRepository, tmp_path: Path) -> None:
    history.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial"
    history.git("clone", "-q", "--bare", "--filter=blob:none", history.path.as_uri(), str(clone))
    found = source(clone, "HEAD")
    with pytest.raises(RepositoryError) as caught:
        found.read(found.entries[0])
    assert caught.value.code == "OBJECT_MISSING"
    GitRepository(clone).git("fetch", "-q", "--refetch", "--no-filter", "origin", "+refs/heads/*:refs/heads/*")
    assert source(clone, "HEAD").read(found.entries[0]) == b"three\n"
