"""An export that is killed or meets a full disk: every file is old or new, and the next leaves nothing else behind."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from databases import Database, Databases
from rows import kept, new, session
from shop import Subject, until

COUNT = 150
_TEMPORARY = re.compile(r"\.wfsync-tmp-.*")

Export = Callable[..., Subject]


@pytest.fixture(scope="module")
def instance(_databases: Databases) -> Iterator[Database]:
    """Workflows of which the last one is large."""
    with kept(_databases, "A") as made, session(made) as opened:
        opened.write(*(new(number, name="Old") for number in range(1, COUNT)))
        opened.write(new(COUNT, name="Old", description="x" * 50_000))
        yield made


@pytest.fixture(scope="module")
def contents(
    instance: Database, cli_of: Callable[[Path], Subject], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Two exports that nobody disturbed: the old files and the new ones. The database is left with the new values."""
    folder = tmp_path_factory.mktemp("contents")
    subject = cli_of(folder)
    made = []
    for name in ("old", "new"):
        made.append(folder / name)
        done = subject.run("export", "--all", "--out", name)
        assert done.code == 0, done.stderr
        instance.execute("UPDATE workflow_definitions SET name = 'New'")
    return made[0], made[1]


@pytest.fixture(scope="module")
def cli_of(instance: Database, home: Path) -> Callable[[Path], Subject]:
    from command_line import CommandLine

    return lambda folder: Subject(CommandLine(home, folder), instance, folder)


@pytest.fixture
def subject(cli_of: Callable[[Path], Subject], contents: tuple[Path, Path], tmp_path: Path) -> Iterator[Subject]:
    """A folder with the old files, and some that are none of ours."""
    shutil.copytree(contents[0], tmp_path / "out")
    (tmp_path / "out" / "README.md").write_text("mine")
    (tmp_path / "out" / ".wfsync-tmp-notes").write_text("mine, too")
    made = cli_of(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def state(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_old_or_new(subject: Subject, contents: tuple[Path, Path]) -> int:
    """Every file is one or the other; how many are new."""
    old, new_ = (state(folder) for folder in contents)
    found = state(subject.folder / "out")
    others = {"README.md": b"mine", ".wfsync-tmp-notes": b"mine, too"}
    assert others.items() <= found.items()
    files = {name: data for name, data in found.items() if not _TEMPORARY.fullmatch(name) and name not in others}
    assert files.keys() == old.keys()
    assert all(data in (old[name], new_[name]) for name, data in files.items())
    return sum(data == new_[name] for name, data in files.items())


def assert_finished(subject: Subject, contents: tuple[Path, Path]) -> None:
    """The next export ends with the new files and nothing besides."""
    done = subject.run("export", "--all", "--out", "out")
    assert done.code == 0, done.stderr
    expected = {**state(contents[1]), "README.md": b"mine", ".wfsync-tmp-notes": b"mine, too"}
    assert state(subject.folder / "out") == expected


def temporaries(folder: Path) -> int:
    return sum(1 for entry in folder.iterdir() if re.fullmatch(r"\.wfsync-tmp-[0-9a-f]{16}-\d+", entry.name))


def replaced(folder: Path, old: dict[str, int]) -> int:
    return sum(1 for entry in os.scandir(folder) if entry.name in old and entry.inode() != old[entry.name])


@pytest.mark.parametrize("seed", range(10))
def test_killed(subject: Subject, contents: tuple[Path, Path], seed: int) -> None:
    """At any number of files prepared, and (the odd ones) of files replaced."""
    out = subject.folder / "out"
    wait_for = Random(seed).randrange(1, COUNT // 2)
    inodes = {entry.name: entry.inode() for entry in os.scandir(out) if entry.name.endswith(".json")}
    process = subject.start("export", "--all", "--out", "out")
    if seed % 2:
        until(lambda: replaced(out, inodes) >= min(wait_for, 5) or process.poll() is not None, "files are replaced")
    else:
        until(lambda: temporaries(out) >= wait_for or process.poll() is not None, "files are prepared")
    process.kill()
    process.communicate()
    assert_old_or_new(subject, contents)
    assert_finished(subject, contents)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped(subject: Subject, contents: tuple[Path, Path], number: signal.Signals) -> None:
    """It takes its temporary files with it."""
    out = subject.folder / "out"
    process = subject.start("export", "--all", "--out", "out")
    until(lambda: temporaries(out) >= 3 or process.poll() is not None, "files are prepared")
    ended = subject.end(process, number)
    assert ended.code in {0, 128 + number}
    assert temporaries(out) == 0
    if ended.code:
        assert_old_or_new(subject, contents)
    assert_finished(subject, contents)


def test_the_connection_is_lost(subject: Subject, contents: tuple[Path, Path], instance: Database) -> None:
    """Before the last row is read nothing is replaced."""
    with instance.connect() as conn, conn.transaction():
        conn.execute("LOCK TABLE workflow_definition_versions IN ACCESS EXCLUSIVE MODE")
        process = subject.start("export", "--all", "--out", "out")
        pids = subject.caught()
        conn.execute("SELECT pg_terminate_backend(%s)", pids)
        ended = subject.end(process)
    assert (ended.code, "CONNECTION_LOST" in ended.stderr) == (1, True), ended.stderr
    assert temporaries(subject.folder / "out") == 0
    assert assert_old_or_new(subject, contents) == 0


def test_a_file_that_may_not_grow(subject: Subject, contents: tuple[Path, Path]) -> None:
    """RLIMIT_FSIZE, which only the last file exceeds: the others are prepared by then, and go."""
    limit = 40_000
    done = subprocess.run(
        subject.cli.argv(*subject.arguments("export", "--all", "--out", "out")),
        cwd=subject.folder,
        env=subject.cli.environment(covered=False),
        capture_output=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1, done.stderr
    assert b"WRITE" in done.stderr
    assert b"make room" in done.stderr
    assert temporaries(subject.folder / "out") == 0
    assert assert_old_or_new(subject, contents) == 0
    assert_finished(subject, contents)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for the files, and for some of them once more."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk(subject: Subject, contents: tuple[Path, Path], small_disk: Path) -> None:
    out = subject.folder / "out"
    target = small_disk / "out"
    shutil.copytree(out, target)
    shutil.rmtree(out)
    out.symlink_to(target)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * max(0, shutil.disk_usage(small_disk).free - 200_000))
    done = subject.run("export", "--all", "--out", str(target))
    assert (done.code, "WRITE" in done.stderr) == (1, True), done.stdout
    assert temporaries(target) == 0
    assert assert_old_or_new(subject, contents) == 0
    filler.unlink()
    done = subject.run("export", "--all", "--out", str(target))
    assert done.code == 0, done.stderr
    assert assert_old_or_new(subject, contents) == COUNT


# -- one bundle ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_bundle_that_is_killed(subject: Subject, tmp_path: Path, seed: int) -> None:
    """``--bundle FILE`` is old or new as well, and the next one takes away what a killed one left."""
    folder = tmp_path / "bundles"
    (folder / "deeper").mkdir(parents=True)
    target = folder / "all.json"
    target.write_text("old")
    left = folder / f".wfsync-tmp-{'0123456789abcdef'}-0"
    left.write_text("left by a killed export")
    process = subject.start("export", "--all", "--bundle", str(target))
    if seed:
        until(lambda: not left.exists() or process.poll() is not None, "it has begun to write")
    else:
        until(subject.sessions, "it is connected")
    process.kill()
    process.communicate()
    first = target.read_bytes()
    assert subject.run("export", "--all", "--bundle", str(target)).code == 0
    assert first in (b"old", target.read_bytes())
    assert sorted(path.name for path in folder.iterdir()) == ["all.json", "deeper"]
