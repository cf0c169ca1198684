"""Sessions: what reaches libpq, what is pinned, and the two kinds of transaction."""

# ruff: noqa: PT012 - what raises is the end of a transaction's block

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

import pytest

from databases import OTHER_TENANT, TENANT, Database, Databases
from servers import Server
from wfsync import __version__
from wfsync.errors import DatabaseError, LockTimeout
from wfsync.store.connection import (
    Connection,
    advisory_lock,
    connect,
    lock_key,
    raw_json,
    snapshot,
    write_transaction,
)
from wfsync.store.layout import Tenant, TenantColumn, detect
from wfsync.store.target import Target

HOSTILE = {
    "PGHOST": "nowhere.invalid",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGDATABASE": "nothing",
    "PGSERVICE": "nobody",
    "PGSYSCONFDIR": "/nonexistent",
}
MORE_HOSTILE = {
    "PGOPTIONS": "-c search_path=nowhere",
    "PGUSER": "nobody",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nonexistent",
    "PGSSLNEGOTIATION": "direct",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGCHANNELBINDING": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCLIENTENCODING": "LATIN1",
    "PGCONNECT_TIMEOUT": "nonsense",
    "PGDATESTYLE": "German",
    "PGTZ": "Asia/Tokyo",
    "PGAPPNAME": "somebody else",
}


def one(conn: Connection, query: str, *values: object) -> object:
    row = conn.execute(query, values).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def empty(database: Databases) -> Database:
    return database("empty")


class TestEnvironment:
    def test_the_embedded_server_hears_nothing_of_it(self, empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        hostile = HOSTILE | MORE_HOSTILE
        for name, value in hostile.items():
            monkeypatch.setenv(name, value)

        with connect(Target("embedded", empty.conninfo)) as conn:
            assert one(conn, "SELECT current_database()") == empty.name
            assert one(conn, "SHOW search_path") == '"$user", public'
            assert one(conn, "SHOW client_encoding") == "UTF8"
            assert one(conn, "SHOW application_name") == f"wfsync/{__version__}"
        assert {name: os.environ.get(name) for name in hostile} == hostile, "it must be put back"

    def test_a_password_file_that_anyone_may_read_is_not_opened(
        self, empty: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / ".pgpass").write_text("*:*:*:*:x")
        (tmp_path / ".pgpass").chmod(0o666)
        monkeypatch.setenv("HOME", str(tmp_path))

        connect(Target("embedded", empty.conninfo)).close()

        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("form", ["keywords", "host only", "database only"])
    def test_a_stray_variable_never_redirects_a_named_database(
        self, empty: Database, monkeypatch: pytest.MonkeyPatch, form: str
    ) -> None:
        conninfo = {
            "keywords": f"{empty.conninfo} connect_timeout=2",
            "host only": f"host={empty.server.folder} dbname={empty.name} user=wfsync connect_timeout=2",
            "database only": f"dbname={empty.name} user=wfsync connect_timeout=2",
        }[form]
        for name, value in HOSTILE.items():
            monkeypatch.setenv(name, value)

        if form == "database only":  # libpq's own default place, where no server of ours is: not the variables' place
            with pytest.raises(DatabaseError) as caught:
                connect(Target("named", conninfo))
            assert caught.value.code in {"CONNECTION_REFUSED", "AUTHENTICATION_FAILED", "DATABASE_MISSING"}
        else:
            with connect(Target("named", conninfo)) as conn:
                assert one(conn, "SELECT current_database()") == empty.name

    def test_an_empty_target_is_the_environments(self, empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in HOSTILE:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PGHOST", str(empty.server.folder))
        monkeypatch.setenv("PGDATABASE", empty.name)
        monkeypatch.setenv("PGUSER", "wfsync")

        with connect(Target("named", "")) as conn:
            assert one(conn, "SELECT current_database()") == empty.name

    def test_other_variables_still_count_for_a_named_database(
        self, empty: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGOPTIONS", "-c search_path=elsewhere")
        with connect(empty.target) as conn:
            assert one(conn, "SHOW search_path") == "elsewhere"

    def test_a_service_file_is_read(self, empty: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        service = tmp_path / "services"
        service.write_text(f"[ours]\nhost={empty.server.folder}\ndbname={empty.name}\nuser=wfsync\n")
        monkeypatch.setenv("PGSERVICEFILE", str(service))
        with connect(Target("named", "service=ours")) as conn:
            assert one(conn, "SELECT current_database()") == empty.name


class TestSession:
    def test_settings_that_texts_depend_on_are_pinned(self, empty: Database) -> None:
        role = "odd_role"
        empty.execute(
            f"DROP ROLE IF EXISTS {role}",
            f"CREATE ROLE {role} LOGIN",
            f"ALTER ROLE {role} SET timezone = 'Asia/Kathmandu'",
            f"ALTER ROLE {role} SET datestyle = 'SQL, DMY'",
            f"ALTER ROLE {role} SET extra_float_digits = -5",
            f"ALTER ROLE {role} SET client_encoding = 'LATIN1'",
            f"ALTER ROLE {role} SET search_path = 'somewhere', 'public'",
        )
        with connect(Target("named", empty.server.conninfo(empty.name, role))) as conn:
            assert one(conn, "SELECT '2026-01-02 03:04:05.6+00'::timestamptz::text") == "2026-01-02 03:04:05.6+00"
            assert one(conn, "SELECT (0.1::float8 + 0.2)::text") == "0.30000000000000004"
            assert one(conn, "SHOW client_encoding") == "UTF8"
            assert one(conn, "SELECT 'käse → 🧀'") == "käse → 🧀"
            assert one(conn, "SHOW search_path") == "somewhere, public", "the role's own"
        empty.execute(f"DROP ROLE {role}")

    def test_the_application_is_named_unless_the_url_does(self, empty: Database) -> None:
        with connect(empty.target) as conn:
            assert one(conn, "SHOW application_name") == f"wfsync/{__version__}"
        with connect(Target("named", f"{empty.conninfo} application_name=mine")) as conn:
            assert one(conn, "SHOW application_name") == "mine"

    def test_a_read_only_session_never_writes(self, empty: Database) -> None:
        with connect(empty.target, read_only=True) as conn:
            with pytest.raises(DatabaseError) as caught, write_transaction(conn, 1):
                pytest.fail("the block must not run")
            assert caught.value.code == "READ_ONLY_SERVER"

    def test_documents_come_as_the_servers_bytes(self, empty: Database) -> None:
        document = b'{"b": 1.50, "aa": [1e400, null]}'
        with connect(empty.target) as conn:
            for binary in (False, True):
                cursor = conn.cursor(binary=binary)
                raw_json(cursor)
                row = cursor.execute("SELECT '{\"aa\":[1e400,null],\"b\":1.50}'::jsonb, '[1.50 ]'::json").fetchone()
                assert row is not None
                assert row[0].replace(b"1" + b"0" * 400, b"1e400") == document
                assert row[1] == b"[1.50 ]"
            assert one(conn, "SELECT '[1]'::jsonb") == [1], "elsewhere nothing changes"


class TestSnapshot:
    def test_everything_belongs_to_one_moment(self, empty: Database) -> None:
        empty.execute("CREATE TABLE t (n int)")
        with connect(empty.target) as conn:
            with snapshot(conn):
                assert one(conn, "SELECT count(*) FROM t") == 0
                empty.execute("INSERT INTO t VALUES (1)")
                assert one(conn, "SELECT count(*) FROM t") == 0
            with snapshot(conn):
                assert one(conn, "SELECT count(*) FROM t") == 1

    def test_it_is_left_clean_after_a_fault(self, empty: Database) -> None:
        with connect(empty.target) as conn:
            with pytest.raises(RuntimeError), snapshot(conn):
                raise RuntimeError
            with pytest.raises(DatabaseError), snapshot(conn):
                conn.execute("SELECT nothing")
            assert one(conn, "SELECT 1") == 1


class TestWriting:
    def test_it_commits_at_read_committed_with_a_lock_timeout(self, empty: Database) -> None:
        with connect(empty.target) as conn:
            with write_transaction(conn, 2.5):
                assert one(conn, "SHOW transaction_isolation") == "read committed"
                assert one(conn, "SHOW lock_timeout") == "2500ms"
                conn.execute("CREATE TABLE t ()")
            assert one(conn, "SHOW lock_timeout") == "30s"
            assert one(conn, "SELECT count(*) FROM t") == 0

    @pytest.mark.parametrize(("seconds", "shown"), [(0, "1ms"), (1e12, "2147483647ms")])
    def test_no_wait_is_endless(self, empty: Database, seconds: float, shown: str) -> None:
        with connect(empty.target) as conn, write_transaction(conn, seconds):
            assert one(conn, "SHOW lock_timeout") == shown

    @pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, SystemExit])
    def test_any_fault_rolls_everything_back(self, empty: Database, fault: type[BaseException]) -> None:
        with connect(empty.target) as conn:
            with pytest.raises(fault), write_transaction(conn, 1):
                conn.execute("CREATE TABLE t ()")
                raise fault
            assert one(conn, "SELECT to_regclass('t')") is None

    def test_a_fault_in_the_middle_of_a_copy_rolls_back(self, empty: Database) -> None:
        empty.execute("CREATE TABLE t (n int)")
        with connect(empty.target) as conn:
            with (
                pytest.raises(RuntimeError),
                write_transaction(conn, 1),
                conn.cursor().copy("COPY t FROM STDIN") as copy,
            ):
                copy.write_row([1])
                raise RuntimeError
            assert one(conn, "SELECT count(*) FROM t") == 0

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_statement_ends_in_the_server_too(self, empty: Database, number: signal.Signals) -> None:
        class Stopped(BaseException):
            pass

        def stop(_number: int, _frame: FrameType | None) -> None:
            raise KeyboardInterrupt if number is signal.SIGINT else Stopped

        def interrupt(pid: int) -> None:
            with empty.connect() as other:
                asleep = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
                while other.execute(asleep, [pid]).fetchone() is None:
                    pass
            os.kill(os.getpid(), number)

        before = signal.signal(number, stop)
        try:
            with connect(empty.target) as conn:
                pid = conn.info.backend_pid
                thread = threading.Thread(target=interrupt, args=(pid,))
                thread.start()
                with pytest.raises((KeyboardInterrupt, Stopped)), write_transaction(conn, 1):
                    conn.execute("CREATE TABLE t ()")
                    conn.execute("SELECT pg_sleep(60)")
                thread.join(10)
        finally:
            signal.signal(number, before)
        with empty.connect() as other:
            running = "SELECT FROM pg_stat_activity WHERE pid = %s AND state <> 'idle'"
            deadline = time.monotonic() + 10
            while other.execute(running, [pid]).fetchone() is not None:
                assert time.monotonic() < deadline, "the statement goes on without its client"
            assert other.execute("SELECT to_regclass('t')").fetchone() == (None,)


class TestAdvisoryLock:
    COLUMN = TenantColumn("tenant", "uuid", nullable=False)

    def test_one_apply_at_a_time_for_a_tenant(self, database: Databases) -> None:
        ours = database("wfsync")
        tenant, other = (Tenant(value, self.COLUMN) for value in (TENANT, OTHER_TENANT))
        with connect(ours.target) as first, connect(ours.target) as second:
            layout = detect(first)
            with write_transaction(first, 1):
                advisory_lock(first, layout, tenant)
                with write_transaction(second, 0.01):
                    advisory_lock(second, layout, other)
                    advisory_lock(second, layout, None)
                with pytest.raises(LockTimeout) as caught, write_transaction(second, 0.01):
                    advisory_lock(second, layout, tenant)
                assert "another apply" in str(caught.value)
            with write_transaction(second, 0.01):
                advisory_lock(second, layout, tenant)

    def test_it_waits_for_its_turn(self, database: Databases) -> None:
        ours = database("A")
        entered = threading.Event()
        order = []

        def late() -> None:
            with connect(ours.target) as conn, write_transaction(conn, 30):
                entered.set()
                advisory_lock(conn, detect(conn), None)
                order.append("second")

        with connect(ours.target) as conn:
            with write_transaction(conn, 1):
                advisory_lock(conn, detect(conn), None)
                thread = threading.Thread(target=late)
                thread.start()
                assert entered.wait(10)
                order.append("first")
            thread.join(10)
        assert order == ["first", "second"]

    def test_databases_do_not_disturb_each_other(self, database: Databases, server: Server) -> None:
        one_database, another = database("A"), database("A")
        assert one_database.server is another.server is server
        with (
            connect(one_database.target) as first,
            connect(another.target) as second,
            write_transaction(first, 1),
            write_transaction(second, 0.01),
        ):
            advisory_lock(first, detect(first), None)
            advisory_lock(second, detect(second), None)

    def test_the_key_is_stable(self) -> None:
        """Two versions of wfsync must exclude each other: this number never changes."""
        assert lock_key("apply", TENANT) == lock_key("apply", TENANT) != lock_key("apply", OTHER_TENANT)
        assert lock_key("apply", "") == KEY_WITHOUT_TENANT
        assert lock_key("migrate") != lock_key("apply")


KEY_WITHOUT_TENANT = 318343308688754854
