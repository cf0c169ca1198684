"""Writing: each file is old or new, whatever happens, and nothing else is left."""

from __future__ import annotations

import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wfsync.errors import RepositoryError
from wfsync.repo.atomic import FLUSHED, TEMPORARY, AtomicWriter, write_files

COUNT = 200


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if TEMPORARY.fullmatch(path.name)]


def test_files_and_folders_are_made_and_content_is_replaced(tmp_path: Path) -> None:
    root = tmp_path / "new/root"
    assert write_files(root, {"a.json": b"1", "x/y/b.json": b"", "x/c.yaml": b"3"}) == 3
    assert write_files(root, [("a.json", b"4" * 100_000), ("x/d.json", b"5")]) == 2
    assert files(root) == {"a.json": b"4" * 100_000, "x/c.yaml": b"3", "x/d.json": b"5", "x/y/b.json": b""}


def test_nothing_changes_before_commit_nor_without_it(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"old")
    with AtomicWriter(tmp_path) as writer:
        writer.add("a.json", b"new")
        writer.add("made/b.json", b"new")
        assert (tmp_path / "a.json").read_bytes() == b"old"
        assert not (tmp_path / "made/b.json").exists()
    assert files(tmp_path) == {"a.json": b"old"}
    assert not (tmp_path / "made").exists()


def test_an_error_in_the_block_removes_everything_prepared(tmp_path: Path) -> None:
    def interrupted() -> None:
        with AtomicWriter(tmp_path / "root") as writer:
            writer.add("x/a.json", b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_modes_and_owners_stay(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_bytes(b"old")
    target.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(target, 65534, 65534)
    before = target.stat()
    mask = os.umask(0o027)
    try:
        write_files(tmp_path, {"a.json": b"new", "b.json": b"new"})
    finally:
        os.umask(mask)
    after = target.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert stat.S_IMODE((tmp_path / "b.json").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("link.json", "REPOSITORY_SYMLINK"),
        ("folder-link/a.json", "REPOSITORY_SYMLINK"),
        ("folder", "REPOSITORY_SPECIAL_FILE"),
        ("pipe.json", "REPOSITORY_SPECIAL_FILE"),
        ("file/a.json", "NOT_A_DIRECTORY"),
        ("../a.json", "OUTSIDE_REPOSITORY"),
        ("/etc/a.json", "OUTSIDE_REPOSITORY"),
    ],
)
def test_targets_that_are_refused_leave_everything_as_it_was(tmp_path: Path, path: str, code: str) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "file").write_bytes(b"old")
    (tmp_path / "outside.json").write_bytes(b"old")
    (root / "link.json").symlink_to(tmp_path / "outside.json")
    (root / "folder-link").symlink_to(tmp_path)
    os.mkfifo(root / "pipe.json")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RepositoryError) as caught:
        write_files(root, {"first.json": b"new", path: b"new"})
    assert caught.value.code == code
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "outside.json").read_bytes() == b"old"


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(RepositoryError) as caught:
            write_files(root, {"a.json": b"new"})
        assert caught.value.code == "WRITE"


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; skips where none may be mounted."""
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a small file system here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        old = {f"w/{i}.json": b"old" * 100 for i in range(50)}
        write_files(disk, old)
        with pytest.raises(RepositoryError) as caught:
            write_files(disk, dict.fromkeys([*old, "made/x.json"], b"n" * 60000))
        assert caught.value.code == "WRITE"
        assert "no file was changed" in caught.value.message
        assert caught.value.details == {"written": 0}
        assert files(disk) == old
        assert not (disk / "made").exists()


def test_a_file_size_limit_changes_nothing(tmp_path: Path) -> None:
    """The same without the right to mount: a write is cut short, then refused."""
    write_files(tmp_path, {"a.json": b"old", "b.json": b"old"})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(RepositoryError) as caught:
            write_files(tmp_path, {"a.json": b"new", "b.json": b"n" * 1500})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.hint == "make room and run the command again"
    assert files(tmp_path) == {"a.json": b"old", "b.json": b"old"}


@pytest.mark.parametrize("count", [3, FLUSHED + 3])
def test_a_rename_that_fails_says_how_far_it_came(tmp_path: Path, count: int) -> None:
    names = [f"{i:03}.json" for i in range(count)]
    write_files(tmp_path, dict.fromkeys(names, b"old"))
    with AtomicWriter(tmp_path) as writer:
        for name in names:
            writer.add(name, b"new")
        (tmp_path / names[1]).unlink()
        (tmp_path / names[1]).mkdir()  # somebody interferes
        with pytest.raises(RepositoryError) as caught:
            writer.commit()
    assert caught.value.details == {"written": 1}
    (tmp_path / names[1]).rmdir()
    assert files(tmp_path) == {names[0]: b"new", **dict.fromkeys(names[2:], b"old")}


WRITE_FOR_EVER = """
import sys
from wfsync.repo.atomic import write_files
content, root = sys.argv[1].encode() * 1000, sys.argv[2]
print("ready", flush=True)
while True:
    write_files(root, {f"w/{i % 7}/{i}.json": content for i in range(int(sys.argv[3]))})
    content = content.swapcase()
"""


def test_a_kill_at_any_moment_leaves_each_file_old_or_new(tmp_path: Path) -> None:
    """The writer alternates between two contents; what a reader finds after the kill is one of them, whole."""
    chance = random.Random(7)
    names = {f"w/{i % 7}/{i}.json" for i in range(COUNT)}
    write_files(tmp_path, dict.fromkeys(names, b"new" * 1000))
    (tmp_path / ".git").mkdir()
    killed_in_the_middle = 0
    for _ in range(15):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, "new", str(tmp_path), str(COUNT)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        with process.stdout:
            process.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.0, 0.06))  # the moment is the point
            process.kill()
            process.wait()
        killed_in_the_middle += bool(leftovers(tmp_path))
        found = {name: data for name, data in files(tmp_path).items() if name in names}
        assert set(found) == names
        assert set(found.values()) <= {b"new" * 1000, b"NEW" * 1000}
        write_files(tmp_path, {"w/next.json": b"next"})  # the next export
        assert set(files(tmp_path)) == names | {"w/next.json"}
    assert killed_in_the_middle > 0


def _ended_by(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    """Signal until it ends: Python drops the exception of a signal that comes while it runs a destructor."""
    try:
        for _ in range(20):
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                return process.wait(2)
        raise AssertionError("it does not end")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_leaves_nothing_behind_at_once(tmp_path: Path, number: signal.Signals) -> None:
    code = WRITE_FOR_EVER.replace(
        "import sys", "import sys, signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))"
    )
    chance = random.Random(number)
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", code, "new", str(tmp_path), "50"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        with process.stdout:
            process.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.0, 0.03))
            assert _ended_by(process, number) in {143, -number, 130, 1}
        assert leftovers(tmp_path) == []


def test_a_writer_at_work_is_waited_for_and_its_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "w").mkdir()
    with AtomicWriter(tmp_path / "w") as inner:
        inner.add("a.json", b"inner")
        with pytest.raises(RepositoryError) as caught, AtomicWriter(tmp_path, wait_seconds=0):
            pass
        assert caught.value.code == "EXPORT_LOCKED"
        assert len(leftovers(tmp_path)) == 1
        second = threading.Thread(target=write_files, args=(tmp_path, {"w/b.json": b"outer"}))
        second.start()
        inner.commit()
    second.join()
    assert files(tmp_path) == {"w/a.json": b"inner", "w/b.json": b"outer"}


def test_only_our_own_leftovers_are_removed_and_only_where_asked(tmp_path: Path) -> None:
    name = ".wfsync-tmp-0123456789abcdef-7"
    for path in (f"w/{name}", f"w/.hidden/{name}", f"other/{name}", f".git/{name}", "w/.wfsync-tmp-mine", "w/x.tmp"):
        (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / path).write_bytes(b"left")
    (tmp_path / "w/folder" / name).mkdir(parents=True)
    (tmp_path / "w/link").symlink_to("../other")
    write_files(tmp_path, {}, sweep=["w", "nowhere"])
    kept = {f".git/{name}", f"w/.hidden/{name}", "w/.wfsync-tmp-mine", "w/x.tmp"}
    assert set(files(tmp_path)) == {f"other/{name}", *kept}
    write_files(tmp_path, {})
    assert set(files(tmp_path)) == kept


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a.json", "b/c.json", "b/d/e.yaml", "f.yml"]), st.binary(max_size=50)),
        max_size=4,
    )
)
def test_writes_are_a_dictionary(tmp_path_factory: pytest.TempPathFactory, writes: list[dict[str, bytes]]) -> None:
    root = tmp_path_factory.mktemp("root")
    expected: dict[str, bytes] = {}
    for write in writes:
        write_files(root, write)
        expected |= write
    assert files(root) == expected
