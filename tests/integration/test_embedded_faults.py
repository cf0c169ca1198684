"""The embedded server where it cannot work: each time one error that says why, and how to do without it."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded_subject import NOBODY, ROOT, open_folder, plain_environment, run
from wfsync.errors import DatabaseError
from wfsync.store import embedded
from wfsync.store.binaries import find_binaries
from wfsync.store.embedded import EmbeddedServer
from wfsync.store.embedded_account import server_account
from wfsync.store.embedded_places import Home
from wfsync.store.embedded_process import LOG_LIMIT, bring_up
from wfsync.store.embedded_wire import ask


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = open_folder()
    yield folder
    EmbeddedServer(folder / ".wfsync").reset()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def made() -> Iterator[EmbeddedServer]:
    """A server whose data folder is there: making one is the slow part."""
    folder = open_folder()
    server = EmbeddedServer(folder / ".wfsync")
    server.start()
    yield server
    server.reset()
    shutil.rmtree(folder)


@pytest.fixture
def server(made: EmbeddedServer) -> EmbeddedServer:
    """A running server; a test that breaks it mends it."""
    made.start()
    return made


def refusal(server: EmbeddedServer) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        server.start()
    assert caught.value.code == "EMBEDDED_START_FAILED"
    assert "name a database with --database URL or WFSYNC_DATABASE_URL" in (caught.value.hint or "")
    assert "\n" not in caught.value.message
    return caught.value


def test_a_system_that_is_not_posix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "POSIX", False)
    assert "POSIX" in refusal(EmbeddedServer(tmp_path / ".wfsync")).message


def test_settings_that_the_server_refuses(server: EmbeddedServer) -> None:
    server.stop()
    file = server.status().data_dir / "postgresql.conf"
    good = file.read_text()
    file.write_text("no_such_setting = 1\n")
    error = refusal(server)
    file.write_text(good)
    assert "postgresql.conf" in error.message
    assert "no_such_setting" in "\n".join(error.details["log_lines"])
    assert error.details["log"] == str(server.status().log)


def test_a_full_disk(folder: Path) -> None:
    """A limit on the size of files stands in for a disk: the same writes fail."""
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try: server.start()
except DatabaseError as error: report([error.code, error.message, error.hint])
"""
    code_, message, hint = run(code, folder / ".wfsync")
    assert code_ == "EMBEDDED_START_FAILED"
    assert "initdb failed" in message
    assert "--database URL" in hint
    assert not [*(folder / ".wfsync").glob("initdb*"), *(folder / ".wfsync").glob("data*")]
    EmbeddedServer(folder / ".wfsync").start()


def test_a_repository_that_cannot_be_written(folder: Path) -> None:
    """As a plain user: for root only a read-only file system has this."""
    code = "\ntry: server.start()\nexcept DatabaseError as error: report([error.code, error.message])"
    place = folder / "locked" / ".wfsync"
    place.parent.mkdir(mode=0o555)
    if ROOT:
        env, uid = plain_environment(), NOBODY
    else:
        env, uid = {}, None
    assert run(code, place, uid=uid, env=env) == [
        "EMBEDDED_START_FAILED",
        f"the embedded PostgreSQL cannot be used: {place} cannot hold a database: Permission denied ({place})",
    ]


@pytest.mark.parametrize("name", ["data", "run", "lock", "postgres.log", "alive"])
def test_a_symbolic_link_in_its_place_is_not_followed(folder: Path, name: str) -> None:
    """A repository can bring `.wfsync/` along, with links to wherever it likes."""
    victim = folder / "victim"
    victim.mkdir()
    (folder / ".wfsync").mkdir()
    (folder / ".wfsync" / name).symlink_to(victim if name in ("data", "run") else victim / "file")
    before = victim.stat()
    server = EmbeddedServer(folder / ".wfsync")
    if name == "run":
        server.start()
        assert not (folder / ".wfsync" / name).is_symlink()
    else:
        refusal(server)
    after = victim.stat()
    assert (after.st_mode, after.st_uid, list(victim.iterdir())) == (before.st_mode, before.st_uid, [])
    if name == "lock":
        (folder / ".wfsync" / name).unlink()


def test_a_linked_folder_is_refused(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "link").symlink_to("elsewhere")
    with pytest.raises(DatabaseError, match="symbolic link"):
        EmbeddedServer(folder / "link").start()
    with pytest.raises(DatabaseError, match="symbolic link"):
        EmbeddedServer(folder / "link").status()


def test_a_data_folder_that_came_with_the_repository_is_not_started(folder: Path) -> None:
    """Whoever writes a data folder decides what its server runs; git cannot make files of the mode that marks ours."""
    root = folder / ".wfsync"
    server = EmbeddedServer(root)
    server.start()
    server.stop()
    mark = root / "data" / "wfsync.made-here"
    assert mark.stat().st_mode & 0o777 == 0o400
    mark.chmod(0o644)
    assert "not made by wfsync on this machine" in refusal(server).message
    assert server.reset() is True
    server.start()


def test_a_record_that_came_with_the_repository_is_not_believed(folder: Path) -> None:
    root = folder / ("x" * 110) / ".wfsync"
    root.parent.mkdir()
    server = EmbeddedServer(root)
    endpoint = server.start()
    server.stop()
    (root / "server.json").unlink()
    (root / "server.json").write_text(f'{{"socket_dir": "{folder}/trap", "of": []}}')
    (folder / "trap").mkdir(mode=0o700)
    assert server.start().socket_dir not in (folder / "trap", endpoint.socket_dir)
    server.reset()


def test_a_server_that_refuses_sessions(server: EmbeddedServer) -> None:
    other = replace(server.start(), database="postgres")
    with psycopg.connect(other.conninfo(), autocommit=True) as connection:
        connection.execute("alter database wfsync allow_connections false")
    assert "not currently accepting connections" in refusal(server).message
    assert server.status().state == "running"
    with psycopg.connect(other.conninfo(), autocommit=True) as connection:
        connection.execute("drop database wfsync")
    assert server.status().state == "running"
    with psycopg.connect(server.start().conninfo()) as connection:
        assert connection.execute("select current_database()").fetchone() == ("wfsync",)


def test_the_log_has_an_end(server: EmbeddedServer) -> None:
    log = server.status().log
    os.truncate(log, LOG_LIMIT + 1)
    server.start()
    assert log.stat().st_size == 0
    os.truncate(log, LOG_LIMIT + 1)
    server.stop()
    server.start()
    assert 0 < log.stat().st_size < 100_000


def test_the_log_keeps_no_statement(server: EmbeddedServer) -> None:
    with psycopg.connect(server.start().conninfo()) as connection, pytest.raises(psycopg.Error):
        connection.execute("select 'a private text' / 0")
    assert "private" not in server.status().log.read_text()


def test_a_server_that_says_nothing_has_a_deadline(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(server.status().data_dir.parent)
    pid = server.status().pid
    assert pid is not None
    monkeypatch.setattr("wfsync.store.embedded_process.START_LIMIT", 0.1)
    os.kill(pid, 19)  # SIGSTOP
    with pytest.raises(DatabaseError, match=f"process {pid}.*gave no answer"):
        bring_up(home, home.run, find_binaries(), server_account(home.data))
    assert server.status().state == "starting"
    assert server.stop() is True


# ------------------------------------------------------------------------------------- what answers on a socket


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[Path, list[bytes]]]:
    """A socket that gives whatever answer is put into the list, then hangs up."""
    folder = open_folder()
    answers: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answers[-1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield folder / "s", answers
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
    shutil.rmtree(folder)


READY = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0019.1\0Z\0\0\0\x05I"


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (READY, "ready"),
        (b"R\0\0\0\x08\0\0\0\x03", "refused"),
        (b"E\0\0\0\x0eC57P03\0Mno\0\0", "starting"),
        (b"E\0\0\0\x0eC3D000\0Mno\0\0", "no_database"),
        (b"E\0\0\0\x0eC53300\0Mno\0\0", "refused"),
        (b"", "absent"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "absent"),
        (READY[:-1], "absent"),
    ],
)
def test_what_is_made_of_an_answer(listener: tuple[Path, list[bytes]], said: bytes, state: str) -> None:
    path, answers = listener
    answers.append(said)
    assert ask(path, "u", "d").state == state


@settings(max_examples=100, deadline=None, database=None)
@given(said=st.binary(max_size=60) | st.integers(0, len(READY)).map(lambda cut: READY[:cut]))
def test_no_answer_is_an_exception(listener: tuple[Path, list[bytes]], said: bytes) -> None:
    path, answers = listener
    answers.append(said)
    assert ask(path, "u", "d", timeout=1).state in ("absent", "refused", "starting", "no_database", "ready", "silent")


def test_nobody_listens(tmp_path: Path) -> None:
    assert ask(tmp_path / "nobody", "u", "d").state == "absent"


def test_somebody_listens_and_says_nothing(tmp_path: Path) -> None:
    folder = open_folder()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen()
        assert ask(folder / "s", "u", "d", timeout=0.05).state == "silent"
    shutil.rmtree(folder)
