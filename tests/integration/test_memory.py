"""What is remembered of unchanged files: used when nothing moved, never when something did."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bundles import JsonObject, bundle, canonical, put
from git_repositories import GitRepository
from wfsync.bundle.load import Desired, LoadOptions
from wfsync.bundle.registry import Registry
from wfsync.errors import Conflict, InputError
from wfsync.repo.cache import cache_folder, read_cached, write_cached
from wfsync.repo.opening import open_repository
from wfsync.state.desired import DesiredState, begin_loading

OPTIONS = LoadOptions()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("WFSYNC_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """Two committed workflows, old enough that their times say whether they were touched."""
    repository = GitRepository.init(tmp_path / "repo")
    put(repository.path, bundle("alpha"))
    put(repository.path, bundle("beta"))
    repository.commit()
    _age(repository.path)
    return repository


def _age(folder: Path) -> None:
    """Wait until every file is old enough: nothing but time sets a file's ctime."""
    newest = max(path.stat().st_ctime_ns for path in folder.rglob("*.json"))
    while time.time_ns() < newest + 2_050_000_000:
        time.sleep(0.05)


def _recalled(root: Path, options: LoadOptions = OPTIONS, rev: str | None = None) -> Mapping[str, Desired]:
    """What is known before any file is read."""
    return dict(begin_loading(open_repository(root, rev=rev).source("."), options).recogniser.found)


def _load(root: Path, options: LoadOptions = OPTIONS, rev: str | None = None) -> DesiredState:
    return begin_loading(open_repository(root, rev=rev).source("."), options).finish()


def _keys(found: Mapping[str, Desired]) -> list[str]:
    return sorted(item.key for item in found.values())


@pytest.mark.parametrize("rev", [None, "HEAD"])
def test_the_second_run_knows_what_the_first_read(repository: GitRepository, rev: str | None) -> None:
    assert _recalled(repository.path, rev=rev) == {}
    first = _load(repository.path, rev=rev)
    assert _keys(_recalled(repository.path, rev=rev)) == ["alpha", "beta"]
    second = _load(repository.path, rev=rev)
    for key, item in first.by_key.items():
        for name in set(Desired.__struct_fields__) - {"checksum"}:
            assert getattr(second.by_key[key], name) == getattr(item, name)
        assert second.workflow(second.by_key[key]) == first.workflow(item)


def test_a_file_of_the_same_size_and_time_is_noticed(repository: GitRepository) -> None:
    before = _load(repository.path).by_key["alpha"].digest
    path = repository.path / "alpha.json"
    times = path.stat()
    changed = path.read_bytes().replace(b'"DONE"', b'"GONE"')
    assert len(changed) == times.st_size
    path.write_bytes(changed)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert _keys(_recalled(repository.path)) == ["beta"]
    assert _load(repository.path).by_key["alpha"].digest != before


def test_a_file_that_was_just_written_is_not_believed(tmp_path: Path) -> None:
    put(tmp_path / "fresh", bundle("alpha"))
    _load(tmp_path / "fresh")
    assert _recalled(tmp_path / "fresh") == {}


def test_a_file_that_changes_before_it_is_written_to_the_database(repository: GitRepository) -> None:
    _load(repository.path)
    state = _load(repository.path)
    other: JsonObject = bundle("alpha", draft=[])
    (repository.path / "alpha.json").write_bytes(canonical(other))
    with pytest.raises(Conflict, match="changed while"):
        state.workflow(state.by_key["alpha"])
    state.workflow(state.by_key["beta"])


def test_what_was_read_of_another_file_than_the_one_listed_is_not_remembered(repository: GitRepository) -> None:
    """Folders are swapped without a trace in the times of the files below them."""
    beside = repository.path.with_name("beside")
    beside.mkdir()
    for key in ("alpha", "beta"):
        put(beside, bundle(key, draft=[]))
    listed = open_repository(repository.path).source(".")
    loading = begin_loading(listed, OPTIONS)
    aside = repository.path.with_name("aside")
    repository.path.rename(aside)
    beside.rename(repository.path)
    other = loading.finish().by_key["alpha"].digest
    assert not loading.are_as_listed
    repository.path.rename(beside)
    aside.rename(repository.path)
    assert _recalled(repository.path) == {}
    assert _load(repository.path).by_key["alpha"].digest != other


def test_other_rules_know_nothing(repository: GitRepository) -> None:
    _load(repository.path)
    assert _recalled(repository.path, LoadOptions(definitions="warn")) == {}
    assert _recalled(repository.path, LoadOptions(reserved=frozenset({"alpha"}))) == {}
    assert _recalled(repository.path, LoadOptions(registry=Registry())) == {}
    assert _keys(_recalled(repository.path)) == ["alpha", "beta"]


def test_a_reserved_key_is_a_fault_although_it_was_none_before(repository: GitRepository) -> None:
    _load(repository.path)
    with pytest.raises(InputError):
        _load(repository.path, LoadOptions(reserved=frozenset({"alpha"})))


def test_a_verdict_without_digests_serves_only_where_none_is_wanted(repository: GitRepository) -> None:
    offline = LoadOptions(digests=False)
    _load(repository.path, offline)
    assert _keys(_recalled(repository.path, offline)) == ["alpha", "beta"]
    assert _recalled(repository.path) == {}
    assert all(item.digest for item in _load(repository.path).by_key.values())
    assert _keys(_recalled(repository.path, offline)) == ["alpha", "beta"]


def test_what_there_is_to_say_is_said_every_time(repository: GitRepository) -> None:
    noted = bundle("gamma")
    noted["workflows"][0]["dependencies"]["nodeTypes"].append("crm.lookup")
    put(repository.path, noted)
    _age(repository.path)
    said = [_load(repository.path).notes for _ in range(3)]
    assert [note.code for note in said[0]] == ["DEPENDENCIES_DIFFER"]
    assert said[0] == said[1] == said[2]


def test_a_removed_file_is_gone(repository: GitRepository) -> None:
    _load(repository.path)
    (repository.path / "beta.json").unlink()
    assert sorted(_load(repository.path).by_key) == ["alpha"]


def test_a_damaged_memory_is_none(repository: GitRepository, cache: Path) -> None:
    _load(repository.path)
    [file] = (cache / "files").iterdir()
    data = file.read_bytes()
    for damage in (b"", data[: len(data) // 2], b"\xc1" + data, os.urandom(200)):
        file.write_bytes(damage)
        assert _recalled(repository.path) == {}
        assert sorted(_load(repository.path).by_key) == ["alpha", "beta"]


def test_a_partial_run_forgets_nothing(repository: GitRepository) -> None:
    _load(repository.path)
    (repository.path / "sub").mkdir()
    put(repository.path / "sub", bundle("gamma"))
    _age(repository.path)
    source = open_repository(repository.path).source(".")
    alone = [entry for entry in source.entries if entry.path.startswith("sub/")]
    begin_loading(type(source)(source.info, tuple(alone), (), source.reader), OPTIONS).finish()
    assert _keys(_recalled(repository.path)) == ["alpha", "beta", "gamma"]


class TestTheFolder:
    def test_is_private(self, cache: Path) -> None:
        write_cached("files", "x", b"data")
        assert read_cached("files", "x") == b"data"
        assert cache.stat().st_mode & 0o777 == 0o700
        assert (cache / "files" / "x").stat().st_mode & 0o777 == 0o600

    def test_others_may_not_write_what_is_believed(self, cache: Path) -> None:
        write_cached("files", "x", b"data")
        cache.chmod(0o777)
        assert read_cached("files", "x") is None

    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            ({"WFSYNC_CACHE_DIR": "", "HOME": "{}"}, None),
            ({"WFSYNC_CACHE_DIR": "{}/own", "HOME": "{}"}, "own"),
            ({"XDG_CACHE_HOME": "{}/xdg", "HOME": "{}"}, "xdg/wfsync"),
            ({"XDG_CACHE_HOME": "relative", "HOME": "{}"}, ".cache/wfsync"),
            ({"HOME": "{}"}, ".cache/wfsync"),
            ({"HOME": "/proc/none"}, None),
            ({}, None),
        ],
    )
    def test_is_where_the_environment_says(self, tmp_path: Path, environ: dict[str, str], expected: str | None) -> None:
        found = cache_folder({name: value.format(tmp_path) for name, value in environ.items()})
        assert found == (None if expected is None else str(tmp_path / expected))

    def test_nothing_is_said_where_it_cannot_be_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WFSYNC_CACHE_DIR", "/proc/none")
        write_cached("files", "x", b"data")
        assert read_cached("files", "x") is None

    def test_holds_no_more_than_a_number_of_files(self, cache: Path) -> None:
        for number in range(70):
            write_cached("files", f"{number:03}", b"")
        assert len(list((cache / "files").iterdir())) == 64
        assert (cache / "files" / "069").exists()
