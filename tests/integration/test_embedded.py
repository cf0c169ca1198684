"""The embedded server as everybody meets it: started on demand, shared, killed, stopped, thrown away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from embedded_subject import ROOT, environment, open_folder, program, run
from wfsync.errors import DatabaseError, LockTimeout
from wfsync.store.binaries import find_binaries
from wfsync.store.embedded import EmbeddedServer, Endpoint
from wfsync.store.embedded_pid import is_running, leftovers, postmaster_of


@pytest.fixture
def repository() -> Iterator[Path]:
    """A new folder. Whatever servers a test starts below it are ended."""
    folder = open_folder()
    yield folder
    for root in folder.rglob(".wfsync"):
        EmbeddedServer(root).reset()
        assert not list(leftovers(root / "data"))
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
def server(made: EmbeddedServer) -> Iterator[EmbeddedServer]:
    """A running server; the test may do to it what it likes."""
    query(made.start(), "drop table if exists kept")
    yield made
    query(made.start(), "drop table if exists kept")


@pytest.fixture
def moved(made: EmbeddedServer, repository: Path) -> Iterator[Callable[[Path], EmbeddedServer]]:
    """Moves the stopped server's folder to another place."""
    home = made.status().data_dir.parent
    made.stop()
    places = [home]

    def move(folder: Path) -> EmbeddedServer:
        places.append(places[-1].rename(folder / ".wfsync"))
        return EmbeddedServer(places[-1])

    yield move
    EmbeddedServer(places[-1]).stop()
    places[-1].rename(home)


def query(endpoint: Endpoint, statement: str) -> object:
    with psycopg.connect(endpoint.conninfo(), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came"
        time.sleep(0.01)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_running(pid))


def pid_of(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


# ---------------------------------------------------------------------------------------------- what it is like


def test_it_starts_stops_and_forgets(repository: Path) -> None:
    server = EmbeddedServer(repository / ".wfsync")
    before = server.status()
    assert (before.state, before.pid, before.socket_dir) == ("stopped", None, None)
    assert not (repository / ".wfsync").exists(), "status creates nothing"
    assert server.stop() is False
    assert server.reset() is False

    endpoint = server.start()
    query(endpoint, "create table kept (n int)")
    running = server.status()
    assert running.state == "running"
    assert running.version == query(endpoint, "show server_version")
    assert running.data_dir == repository / ".wfsync" / "data"
    assert running.binaries == find_binaries()

    assert server.stop() is True
    assert server.stop() is False
    assert server.status().state == "stopped"
    assert query(server.start(), "select count(*) from kept") == 0

    assert server.reset() is True
    assert not (repository / ".wfsync" / "data").exists()
    assert query(server.start(), "select to_regclass('kept')") is None


def test_a_warm_start_runs_no_program_and_changes_nothing(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = pid_of(server)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", None)
        assert server.start() == server.start()
    assert pid_of(server) == pid


def test_the_modules_need_no_driver(tmp_path: Path) -> None:
    loaded = run(
        "report(sorted(set(sys.modules) & {'psycopg', 'deepdiff', 'pygit2', 'click', 'asyncio'}))", tmp_path / "x"
    )
    assert loaded == []


def test_its_database_is_utf8_with_a_pinned_locale(server: EmbeddedServer) -> None:
    with psycopg.connect(server.start().conninfo()) as connection:
        row = connection.execute(
            "select pg_encoding_to_char(encoding), datcollate, datlocprovider, current_user from pg_database"
            " where datname = current_database() and datname = 'wfsync'"
        ).fetchone()
        builtin = connection.info.server_version >= 170000
        assert row == ("UTF8", "C", "b" if builtin else "c", "wfsync")
        if builtin:
            assert connection.execute("select lower('Ä')").fetchone() == ("ä",)


def test_it_has_no_address_and_a_private_socket(server: EmbeddedServer) -> None:
    endpoint = server.start()
    assert query(endpoint, "show listen_addresses") == ""
    facts = endpoint.socket_dir.lstat()
    assert stat.S_IMODE(facts.st_mode) == 0o700
    assert facts.st_uid == Path(f"/proc/{pid_of(server)}").stat().st_uid if sys.platform == "linux" else True
    assert stat.S_IMODE((endpoint.socket_dir / ".s.PGSQL.5432").stat().st_mode) == 0o700
    rules = (server.status().data_dir / "pg_hba.conf").read_text()
    methods = {line.split()[0]: line.split()[-1] for line in rules.splitlines() if line and not line.startswith("#")}
    assert methods == {"local": "trust", "host": "reject"}


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_it_keeps_what_it_confirmed(server: EmbeddedServer, setting: str) -> None:
    assert query(server.start(), f"show {setting}") == "on"


def test_it_is_ignored_by_git(repository: Path, moved: Callable[[Path], EmbeddedServer]) -> None:
    subprocess.run(["git", "init", "-q", repository], check=True)
    moved(repository).start()
    done = subprocess.run(
        [
            "git",
            "-C",
            repository,
            "-c",
            f"safe.directory={repository}",
            "status",
            "--porcelain",
            "--untracked-files=all",
        ],
        capture_output=True,
        check=True,
    )
    assert done.stdout == b""


@pytest.mark.parametrize(
    "name",
    [
        "a path with spaces",
        'quote\'s \\ and "marks"',
        "comma,separated",
        "ünïcode",
        "line\nbreak",
        "x" * 120,
        "$(touch x);&",
    ],
)
def test_any_path_will_do(repository: Path, moved: Callable[[Path], EmbeddedServer], name: str) -> None:
    (repository / name).mkdir()
    server = moved(repository / name)
    endpoint = server.start()
    assert query(endpoint, "select 1") == 1
    assert server.start() == endpoint
    with psycopg.connect(endpoint.url()) as connection:
        assert connection.execute("select 2").fetchone() == (2,)
    assert stat.S_IMODE(endpoint.socket_dir.lstat().st_mode) == 0o700
    assert len(os.fsencode(endpoint.socket_dir)) < 90
    assert server.stop()
    assert endpoint.socket_dir.exists() == (endpoint.socket_dir.parent == repository / name / ".wfsync")


def test_a_name_that_is_no_text_will_do(repository: Path, moved: Callable[[Path], EmbeddedServer]) -> None:
    folder = Path(os.fsdecode(os.fsencode(repository) + b"/\xff\xfe"))
    folder.mkdir()
    assert query(moved(folder).start(), "select 1") == 1


def test_hostile_variables_change_nothing(repository: Path) -> None:
    hostile = dict.fromkeys(
        ("PGHOST", "PGHOSTADDR", "PGUSER", "PGDATABASE", "PGDATA", "PGOPTIONS", "PGSERVICE"), "nowhere"
    )
    code = "e = server.start(); report([e.user, e.port, server.status().state, server.stop()])"
    assert run(code, repository / ".wfsync", env={**hostile, "PGPORT": "1", "LC_ALL": "tr_TR.UTF-8", "TZ": "Mars"}) == [
        "wfsync",
        5432,
        "running",
        True,
    ]


def test_the_connection_text_wins_over_variables(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGUSER", "PGDATABASE", "PGPORT"):
        monkeypatch.setenv(name, "9")
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGGSSENCMODE", "require")
    monkeypatch.setenv("PGCHANNELBINDING", "require")
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "standby")
    assert query(server.start(), "show default_transaction_read_only") == "off"


# --------------------------------------------------------------------------------------------------- many at once


def test_four_cold_starters_share_one_server(repository: Path) -> None:
    root = repository / ".wfsync"
    starters = [
        subprocess.Popen(
            program("server.start(); report(server.status().pid)", root), env=environment(), stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    pids = {starter.communicate(timeout=60)[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0] * 4
    assert pids == {f"{pid_of(EmbeddedServer(root))}\n".encode()}


def test_waiting_for_another_starter_has_an_end(repository: Path) -> None:
    import fcntl

    (repository / ".wfsync").mkdir()
    with (repository / ".wfsync" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LockTimeout, match="another process"):
            EmbeddedServer(repository / ".wfsync", patience=0.05).start()


# ---------------------------------------------------------------------------------------------- clients that die


def test_the_caller_may_read_pipes_to_their_end(server: EmbeddedServer) -> None:
    """A server that kept the client's stdout open would make this wait for ever."""
    root = server.status().data_dir.parent
    server.stop()
    done = subprocess.run(
        program("server.start(); report(1)", root), env=environment(), capture_output=True, timeout=30, check=True
    )
    assert done.stderr == b""
    assert server.status().state == "running"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_server_outlives_its_client_and_its_terminal(server: EmbeddedServer, number: signal.Signals) -> None:
    root = server.status().data_dir.parent
    server.stop()
    client = subprocess.Popen(
        program("server.start(); report(1); time.sleep(60)", root),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert client.stdout is not None
    assert client.stdout.readline() == b"1\n"
    os.killpg(client.pid, number)  # as Ctrl-C does: to everybody of the terminal's foreground
    client.communicate()
    pid = pid_of(server)
    assert query(server.start(), "select 1") == 1
    assert pid_of(server) == pid


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.4])
def test_a_starter_killed_at_any_moment_leaves_nothing_half_made(repository: Path, delay: float) -> None:
    root = repository / ".wfsync"
    client = subprocess.Popen(program("report(0); server.start()", root), env=environment(), stdout=subprocess.PIPE)
    assert client.stdout is not None
    client.stdout.readline()
    time.sleep(delay)  # the moment is what is tested; there is nothing to wait for
    client.kill()
    client.communicate()
    server = EmbeddedServer(root)
    assert query(server.start(), "select 1") == 1
    assert not list(root.glob("initdb-*"))


# ---------------------------------------------------------------------------------------------- servers that die


def test_committed_data_survives_a_killed_server(server: EmbeddedServer) -> None:
    endpoint = server.start()
    query(endpoint, "create table kept as select generate_series(1, 10000) n")
    session = psycopg.connect(endpoint.conninfo())
    session.execute("delete from kept")
    kill(pid_of(server))
    assert server.status().state == "stopped"
    assert query(server.start(), "select count(*) from kept") == 10000
    session.close()


def test_processes_that_outlive_a_killed_server_are_ended(server: EmbeddedServer) -> None:
    endpoint = server.start()
    session, stopped = psycopg.connect(endpoint.conninfo()), psycopg.connect(endpoint.conninfo())
    busy, still = session.info.backend_pid, stopped.info.backend_pid
    session.pgconn.send_query(b"select count(*) from generate_series(1, 100000) a, generate_series(1, 1000000) b")
    os.kill(still, signal.SIGSTOP)
    kill(pid_of(server))
    assert is_running(busy)
    assert query(server.start(), "select 1") == 1
    assert not is_running(busy)
    assert not is_running(still)
    session.close()
    stopped.close()


def test_a_number_given_to_another_process_is_not_the_server(server: EmbeddedServer) -> None:
    server.start()
    data = server.status().data_dir
    pid = pid_of(server)
    claims = (data / "postmaster.pid").read_text()
    kill(pid)
    until(lambda: not list(leftovers(data)))
    owner = data.stat()
    user = owner.st_uid if ROOT else None
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=user)
    try:
        for name in (data / "postmaster.pid", server.status().data_dir.parent / "run" / ".s.PGSQL.5432.lock"):
            name.write_text(claims.replace(str(pid), str(stranger.pid), 1))
        assert server.status().state == "stopped"
        assert server.stop() is False
        assert query(server.start(), "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_whose_socket_was_cleaned_away_is_replaced(server: EmbeddedServer) -> None:
    endpoint = server.start()
    pid = pid_of(server)
    shutil.rmtree(endpoint.socket_dir)
    assert query(server.start(), "select 1") == 1
    assert pid_of(server) != pid


def test_a_stopped_process_can_be_ended(server: EmbeddedServer) -> None:
    server.start()
    pid = pid_of(server)
    os.kill(pid, signal.SIGSTOP)
    assert server.stop() is True
    end = time.monotonic() + 10  # killed; whoever is its parent by now has yet to notice
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(pid)


def test_stop_ends_open_sessions(server: EmbeddedServer) -> None:
    with psycopg.connect(server.start().conninfo()) as session:
        session.execute("select 1")
        assert server.stop() is True
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")


# --------------------------------------------------------------------------------------- folders that are copied


@pytest.mark.parametrize("name", ["short", "x" * 120])
def test_a_copy_of_a_repository_gets_a_server_of_its_own(repository: Path, name: str) -> None:
    first = repository / name
    first.mkdir()
    server = EmbeddedServer(first / ".wfsync")
    query(server.start(), "create table kept ()")
    server.stop()
    endpoint = server.start()
    shutil.copytree(first, repository / f"{name}2", ignore=shutil.ignore_patterns(".s.PGSQL*"))
    copy = repository / f"{name}2" / ".wfsync"
    if ROOT:
        owner = (first / ".wfsync" / "data").stat()
        subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", copy / "data"], check=True)
        os.chown(copy / "data" / "wfsync.made-here", 0, 0)
    other = EmbeddedServer(copy)
    assert other.start().socket_dir != endpoint.socket_dir
    assert query(other.start(), "select current_setting('data_directory')") == str(copy / "data")
    assert query(endpoint, "select current_setting('data_directory')") == str(first / ".wfsync" / "data")


def test_a_renamed_repository_keeps_its_running_server(
    repository: Path, moved: Callable[[Path], EmbeddedServer]
) -> None:
    (repository / "old").mkdir()
    before = moved(repository / "old")
    before.start()
    pid = pid_of(before)
    (repository / "new").mkdir()
    after = moved(repository / "new")
    assert query(after.start(), "select 1") == 1
    assert pid_of(after) == pid
    assert postmaster_of(repository / "new" / ".wfsync" / "data") == pid
    assert after.stop() is True


def test_errors_are_values_of_the_one_tree(repository: Path) -> None:
    with pytest.raises(DatabaseError) as caught:
        EmbeddedServer(repository / "missing" / ".wfsync").start()
    assert caught.value.code == "EMBEDDED_START_FAILED"
    assert "--database URL or WFSYNC_DATABASE_URL" in (caught.value.hint or "")
    assert json.dumps(caught.value.details)
