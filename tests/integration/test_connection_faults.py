"""Every way in which a database cannot be reached or used: one line, a hint, a stable code, never a password."""

# ruff: noqa: PT012 - what raises is the end of a transaction's block

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from databases import Database, Databases
from servers import Server, new_server
from wfsync.errors import ConfigError, DatabaseError, LockTimeout, WfsyncError
from wfsync.store.connect_faults import explain_refusal
from wfsync.store.connection import Connection, connect, snapshot, write_transaction
from wfsync.store.faults import explain
from wfsync.store.session import require_version
from wfsync.store.target import Target

SECRET = "pa55:w/rd@%"
ENCODED = "pa55%3Aw%2Frd%40%25"


def check(fault: WfsyncError, code: str, *parts: str) -> None:
    """``fault`` has its code, one line, a hint, the parts that people need, and no secret anywhere."""
    shown = f"{fault} {fault.hint} {fault.details} {fault!r}"
    assert fault.code == code, shown
    assert "\n" not in fault.message
    assert fault.hint
    assert fault.__cause__ is None
    assert fault.__context__ is None or fault.__suppress_context__
    for part in parts:
        assert part in shown
    assert SECRET not in shown
    assert ENCODED not in shown


def refusal(conninfo: str) -> WfsyncError:
    """The error of a connection that must fail."""
    with pytest.raises(WfsyncError) as caught:
        connect(Target("named", conninfo))
    return caught.value


@pytest.fixture(scope="module")
def tcp() -> Iterator[Server]:
    """A server of these tests alone: TCP, passwords, no TLS."""
    hba = """
host all nobody 127.0.0.1/32 reject
host all peer 127.0.0.1/32 scram-sha-256
host flows all 127.0.0.1/32 scram-sha-256
host closed,limited,barred,missing all 127.0.0.1/32 scram-sha-256
"""
    server = new_server(tcp=True, hba=hba)
    server.execute(
        f"CREATE ROLE ann LOGIN PASSWORD '{SECRET}'",
        "CREATE ROLE nologin",
        f"ALTER ROLE nologin PASSWORD '{SECRET}'",
        f"CREATE ROLE crowded LOGIN PASSWORD '{SECRET}' CONNECTION LIMIT 0",
        "CREATE DATABASE flows",
        "CREATE DATABASE closed ALLOW_CONNECTIONS false",
        "CREATE DATABASE limited CONNECTION LIMIT 0",
        "CREATE DATABASE barred",
        "REVOKE CONNECT ON DATABASE barred FROM PUBLIC",
    )
    yield server
    server.remove()


class TestOpening:
    def test_a_good_url_connects(self, tcp: Server) -> None:
        with connect(Target("named", tcp.url("flows", "ann", ENCODED))) as conn:
            assert conn.execute("SELECT current_user").fetchone() == ("ann",)

    def test_refused_port(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            fault = refusal(f"postgresql://ann:{ENCODED}@127.0.0.1:{port}/flows")
        check(fault, "CONNECTION_REFUSED", f"postgresql://ann@127.0.0.1:{port}/flows")

    def test_refused_socket(self, tmp_path: Path) -> None:
        check(refusal(f"host={tmp_path} dbname=flows password='{SECRET}'"), "CONNECTION_REFUSED", str(tmp_path))

    @pytest.mark.parametrize(
        ("user", "password"), [("ann", "wrong"), ("stranger", ENCODED), ("nologin", ENCODED), ("ann", "")]
    )
    def test_wrong_credentials(self, tcp: Server, user: str, password: str) -> None:
        check(refusal(tcp.url("flows", user, password)), "AUTHENTICATION_FAILED", f"user {user}", "password")

    def test_rejected_by_the_servers_rules(self, tcp: Server) -> None:
        check(refusal(tcp.url("flows", "nobody", ENCODED)), "AUTHENTICATION_FAILED", "nobody")
        check(refusal(tcp.url("postgres", "ann", ENCODED)), "AUTHENTICATION_FAILED", "pg_hba.conf")

    def test_tls_wanted_and_not_offered(self, tcp: Server) -> None:
        fault = refusal(tcp.url("flows", "ann", ENCODED, "?sslmode=require"))
        check(fault, "TLS_FAILED", "server does not support SSL")

    def test_tls_with_a_missing_root_certificate(self, tmp_path: Path) -> None:
        options = f"?sslmode=verify-full&sslrootcert={tmp_path}/none.pem"
        with answering(b"S") as port:  # "go on with TLS"
            fault = refusal(f"postgresql://ann:{ENCODED}@127.0.0.1:{port}/flows{options}")
        check(fault, "TLS_FAILED", "none.pem")

    def test_database_missing(self, tcp: Server) -> None:
        check(refusal(tcp.url("missing", "ann", ENCODED)), "DATABASE_MISSING", "missing", "CREATE DATABASE")

    def test_database_closed(self, tcp: Server) -> None:
        check(refusal(tcp.url("closed", "ann", ENCODED)), "SERVER_SHUTDOWN")

    @pytest.mark.parametrize(("database", "user"), [("limited", "ann"), ("flows", "crowded")])
    def test_too_many_connections(self, tcp: Server, database: str, user: str) -> None:
        check(refusal(tcp.url(database, user, ENCODED)), "TOO_MANY_CONNECTIONS")

    def test_no_right_to_connect(self, tcp: Server) -> None:
        fault = refusal(tcp.url("barred", "ann", ENCODED))
        check(fault, "PERMISSION_DENIED", "GRANT CONNECT ON DATABASE barred TO ann;")

    def test_unknown_host(self) -> None:
        check(refusal(f"postgresql://ann:{ENCODED}@no.such.host.invalid/flows"), "HOST_UNKNOWN", "no.such.host.invalid")

    def test_no_answer(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            fault = refusal(f"postgresql://ann:{ENCODED}@127.0.0.1:{port}/flows?connect_timeout=1")
        check(fault, "CONNECTION_TIMEOUT", str(port))

    @pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    def test_something_else_listens(self, answer: bytes) -> None:
        with answering(answer) as port:
            fault = refusal(f"postgresql://ann:{ENCODED}@127.0.0.1:{port}/flows?sslmode=disable&gssencmode=disable")
        check(fault, "CONNECTION_LOST", "PostgreSQL server")

    def test_unknown_service(self) -> None:
        fault = refusal(f"service=nowhere password='{SECRET}'")
        assert isinstance(fault, ConfigError)
        check(fault, "INVALID_DATABASE_URL", "nowhere")

    def test_a_value_that_libpq_does_not_know(self, tcp: Server) -> None:
        check(refusal(tcp.url("flows", "ann", ENCODED, "?sslmode=maybe")), "INVALID_DATABASE_URL", "sslmode")

    def test_a_standby_where_a_primary_is_asked_for(self, standby: Server) -> None:
        fault = refusal(standby.conninfo(target_session_attrs="read-write"))
        check(fault, "READ_ONLY_SERVER", "target_session_attrs")

    def test_a_host_named_like_a_fault_is_not_taken_for_one(self) -> None:
        fault = refusal("postgresql://ann@ssl.certificate.invalid/flows")
        check(fault, "HOST_UNKNOWN")

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("connection failed: FATAL:  the database system is starting up", "SERVER_SHUTDOWN"),
            ("connection failed: FATAL:  sorry, too many clients already", "TOO_MANY_CONNECTIONS"),
            ('connection failed: FATAL:  Rolle "x" existiert nicht', "CONNECTION_FAILED"),
            (
                (
                    "Multiple connection attempts failed. All failures were:\n"
                    '- host: "localhost", port: 1, hostaddr: "::1": connection failed: Connection refused\n'
                    '- host: "localhost": connection failed: FATAL:  password authentication failed for user "ann"'
                ),
                "AUTHENTICATION_FAILED",
            ),
            (
                'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "ann", database "flows", no encryption',
                "AUTHENTICATION_FAILED",
            ),
        ],
    )
    def test_faults_that_are_hard_to_provoke(self, text: str, code: str) -> None:
        target = Target("named", f"postgresql://ann:{ENCODED}@h/flows")
        fault = explain_refusal(psycopg.OperationalError(f"{text} {SECRET}"), target)
        assert fault.code == code
        assert SECRET not in f"{fault} {fault.hint}"
        assert "\n" not in fault.message

    @pytest.mark.parametrize("password", ["e", "password", "refused", "FATAL"])
    def test_a_password_that_is_a_word_of_the_message(self, password: str) -> None:
        target = Target("named", f"postgresql://ann:{password}@h/flows")
        fault = explain_refusal(psycopg.OperationalError("connection failed: Connection refused"), target)
        assert fault.code == "CONNECTION_REFUSED"
        fault = explain(psycopg.errors.InsufficientPrivilege("permission denied for table t"), target, "reading")
        assert "ON t TO ann" in str(fault.hint)

    def test_old_servers_are_refused(self) -> None:
        with pytest.raises(DatabaseError, match="PostgreSQL 13") as caught:
            require_version(130021)
        check(caught.value, "UNSUPPORTED_SERVER", "14 or newer")
        require_version(140000)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server of something else: takes a request, sends ``answer`` and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.fixture(scope="module")
def standby(tcp: Server) -> Iterator[Server]:
    """A hot standby of the TCP server."""
    server = new_server(copy_of=tcp)
    yield server
    server.remove()


@pytest.fixture
def flows(database: Databases) -> Iterator[Database]:
    """A database with wfsync's tables and a role that owns nothing."""
    flows = database("wfsync")
    flows.execute("DROP ROLE IF EXISTS bob", "CREATE ROLE bob LOGIN")
    yield flows
    flows.execute("DROP OWNED BY bob", "DROP ROLE bob")


def session(database: Database, user: str = "wfsync", **parameters: str) -> Connection:
    """A wfsync session whose target has a password, though nobody asks for it."""
    return connect(Target("named", database.server.conninfo(database.name, user, password=SECRET, **parameters)))


class TestStatements:
    def test_permission_denied_names_the_relation_and_the_grant(self, flows: Database) -> None:
        with session(flows, "bob") as conn, pytest.raises(DatabaseError) as caught, snapshot(conn):
            conn.execute("SELECT * FROM workflow_definitions")
        check(
            caught.value,
            "PERMISSION_DENIED",
            "table workflow_definitions",
            "GRANT SELECT ON workflow_definitions, workflow_definition_versions, workflow_runs TO bob;",
            "GRANT INSERT, UPDATE, DELETE ON workflow_definitions, workflow_definition_versions TO bob;",
        )

    def test_permission_denied_on_a_schema(self, flows: Database) -> None:
        flows.execute("CREATE SCHEMA vault", "CREATE TABLE vault.t ()")
        with session(flows, "bob") as conn, pytest.raises(DatabaseError) as caught, snapshot(conn):
            conn.execute("SELECT * FROM vault.t")
        check(caught.value, "PERMISSION_DENIED", "GRANT USAGE ON SCHEMA vault TO bob;")

    def test_row_level_security_forbids_a_row(self, flows: Database) -> None:
        flows.execute(
            "GRANT ALL ON workflow_definitions TO bob",
            "ALTER TABLE workflow_definitions ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY p ON workflow_definitions USING (false)",
        )
        with session(flows, "bob") as conn, pytest.raises(DatabaseError) as caught, write_transaction(conn, 1):
            conn.execute("INSERT INTO workflow_definitions (name, draft_definition) VALUES ('x', '{}')")
        check(caught.value, "PERMISSION_DENIED", "policy")

    def test_a_role_that_only_reads(self, flows: Database) -> None:
        flows.execute(
            "ALTER ROLE bob SET default_transaction_read_only = on", "GRANT SELECT ON workflow_definitions TO bob"
        )
        with session(flows, "bob") as conn:
            with snapshot(conn):
                assert conn.execute("SELECT count(*) FROM workflow_definitions").fetchone() == (0,)
            with pytest.raises(DatabaseError) as caught, write_transaction(conn, 1):
                pytest.fail("the block must not run")
            check(caught.value, "READ_ONLY_SERVER", "standby")
            with pytest.raises(DatabaseError) as caught, snapshot(conn):
                conn.execute("CREATE TABLE t ()")
            check(caught.value, "READ_ONLY_SERVER")

    def test_a_standby_reads_and_does_not_write(self, standby: Server) -> None:
        with connect(Target("named", standby.conninfo())) as conn:
            with snapshot(conn):
                assert conn.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
            with pytest.raises(DatabaseError) as caught, write_transaction(conn, 1):
                pytest.fail("the block must not run")
        check(caught.value, "READ_ONLY_SERVER")

    def test_statement_timeout(self, flows: Database) -> None:
        conn = session(flows, options="-c statement_timeout=20ms")
        with conn, pytest.raises(DatabaseError) as caught, snapshot(conn):
            conn.execute("SELECT pg_sleep(30)")
        check(caught.value, "STATEMENT_TIMEOUT", "statement_timeout", "reading")

    def test_canceled_by_somebody(self, flows: Database) -> None:
        with session(flows) as conn, flows.connect() as other:
            canceler = threading.Thread(target=when_active, args=(other, conn.info.backend_pid, "pg_cancel_backend"))
            canceler.start()
            with pytest.raises(DatabaseError) as caught, snapshot(conn):
                conn.execute("SELECT pg_sleep(30)")
            canceler.join(10)
        check(caught.value, "QUERY_CANCELED")

    def test_the_connection_is_cut_in_the_middle(self, flows: Database) -> None:
        with flows.connect() as other, closing(session(flows)) as conn:
            killer = threading.Thread(target=when_active, args=(other, conn.info.backend_pid, "pg_terminate_backend"))
            killer.start()
            with pytest.raises(DatabaseError) as caught, write_transaction(conn, 1):
                conn.execute("SELECT pg_sleep(30)")
            killer.join(10)
            check(caught.value, "CONNECTION_LOST", "an administrator", "Try again", f"/{flows.name}")
            with pytest.raises(DatabaseError) as caught, snapshot(conn):
                pytest.fail("the block must not run")
            check(caught.value, "CONNECTION_LOST")

    def test_the_connection_is_cut_between_the_last_statement_and_the_commit(self, flows: Database) -> None:
        insert = "INSERT INTO workflow_definitions (name, draft_definition) VALUES ('x', '{}')"
        with flows.connect() as other, closing(session(flows)) as conn:
            with pytest.raises(DatabaseError) as caught, write_transaction(conn, 1):
                conn.execute(insert)
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [conn.info.backend_pid])
            check(caught.value, "CONNECTION_LOST")
            assert other.execute("SELECT count(*) FROM workflow_definitions").fetchone() == (0,)

    def test_idle_for_too_long(self, flows: Database) -> None:
        options = "-c idle_in_transaction_session_timeout=20ms"
        conn = session(flows, options=options)
        with (
            flows.connect() as other,
            closing(conn),
            pytest.raises(DatabaseError) as caught,
            write_transaction(conn, 1),
        ):
            until(other, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %s", conn.info.backend_pid)
            conn.execute("SELECT 1")
        check(caught.value, "CONNECTION_LOST", "idle_in_transaction_session_timeout")

    def test_the_server_goes_away(self) -> None:
        server = new_server()
        try:
            conn = connect(Target("named", server.conninfo(password=SECRET)))
            with closing(conn), pytest.raises(DatabaseError) as caught, write_transaction(conn, 1):
                server.stop()
                conn.execute("SELECT 1")
            check(caught.value, "CONNECTION_LOST")
        finally:
            server.remove()

    def test_a_lock_that_somebody_holds(self, flows: Database) -> None:
        with flows.connect() as other, session(flows) as conn, other.transaction():
            other.execute("LOCK TABLE workflow_definitions")
            with pytest.raises(LockTimeout) as caught, write_transaction(conn, 0.01):
                conn.execute("SELECT * FROM workflow_definitions")
        check(caught.value, "LOCK_TIMEOUT", "--lock-timeout")

    def test_a_deadlock(self, flows: Database) -> None:
        flows.execute("CREATE TABLE left_one ()", "CREATE TABLE right_one ()")
        options = "-c deadlock_timeout=10ms"
        codes = []

        def lock(first: str, second: str, barrier: threading.Barrier) -> None:
            with session(flows, options=options) as conn:
                try:
                    with write_transaction(conn, 30):
                        conn.execute(f"LOCK TABLE {first}")
                        barrier.wait(10)
                        conn.execute(f"LOCK TABLE {second}")
                except LockTimeout as fault:
                    check(fault, "DEADLOCK", "Try again")
                    codes.append(fault.code)

        barrier = threading.Barrier(2)
        pair = [
            threading.Thread(target=lock, args=(*names, barrier))
            for names in (("left_one", "right_one"), ("right_one", "left_one"))
        ]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join(20)
        assert codes == ["DEADLOCK"]

    def test_a_constraint_is_named_and_the_row_is_not(self, flows: Database) -> None:
        insert = "INSERT INTO workflow_definitions (key, name, draft_definition, status) VALUES (%s, %s, '{}', %s)"
        faults = []
        with session(flows) as conn:
            for rows in (
                [("a", SECRET, "draft"), ("a", SECRET, "draft")],
                [(SECRET, "x", SECRET)],
                [("b", None, "draft")],
            ):
                with pytest.raises(DatabaseError) as caught, write_transaction(conn, 1):
                    for row in rows:
                        conn.execute(insert, row)
                faults.append(caught.value)
            assert conn.execute("SELECT count(*) FROM workflow_definitions").fetchone() == (0,)
        check(faults[0], "CONSTRAINT_VIOLATION", "workflow_definitions_key_index", "table workflow_definitions")
        check(faults[1], "CONSTRAINT_VIOLATION", "workflow_definitions_status_check")
        check(faults[2], "CONSTRAINT_VIOLATION", "column name")

    def test_a_deferred_constraint_fails_the_commit(self, flows: Database) -> None:
        flows.execute("CREATE TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        with session(flows) as conn:
            with pytest.raises(DatabaseError) as caught, write_transaction(conn, 1):
                conn.execute("INSERT INTO once VALUES (1), (1)")
            assert conn.execute("SELECT count(*) FROM once").fetchone() == (0,)
        check(caught.value, "CONSTRAINT_VIOLATION", "once_n_key")

    def test_a_value_that_the_server_refuses_is_not_quoted(self, flows: Database) -> None:
        with session(flows) as conn, pytest.raises(DatabaseError) as caught, snapshot(conn):
            conn.execute("SELECT %s::uuid", [SECRET])
        check(caught.value, "DATABASE", "22P02")

    def test_a_value_that_the_driver_refuses(self, flows: Database) -> None:
        with session(flows) as conn, pytest.raises(DatabaseError) as caught, snapshot(conn):
            conn.execute("SELECT %s::text", ["\0" + SECRET])
        assert caught.value.code == "DATABASE"
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        ("state", "kind", "code"),
        [
            ("40001", LockTimeout, "SERIALIZATION_FAILURE"),
            ("53100", DatabaseError, "DISK_FULL"),
            ("53300", DatabaseError, "TOO_MANY_CONNECTIONS"),
            ("57P02", DatabaseError, "CONNECTION_LOST"),
            ("57P03", DatabaseError, "SERVER_SHUTDOWN"),
            ("08006", DatabaseError, "CONNECTION_LOST"),
            ("57P05", DatabaseError, "CONNECTION_LOST"),
            ("42P01", DatabaseError, "TABLES_CHANGED"),
            ("25P04", DatabaseError, "CONNECTION_LOST"),
            ("XX000", DatabaseError, "DATABASE"),
        ],
    )
    def test_states_that_are_hard_to_provoke(self, state: str, kind: type[WfsyncError], code: str) -> None:
        error = psycopg.errors.lookup(state)(f"it failed\nwith {SECRET}")
        fault = explain(error, Target("named", f"postgresql://ann:{ENCODED}@h/flows"), "trying")
        assert isinstance(fault, kind)
        assert fault.code == code
        assert SECRET not in f"{fault} {fault.hint}"
        assert "\n" not in fault.message


def test_a_statement_that_a_standby_cannot_run() -> None:
    error = psycopg.errors.FeatureNotSupported("cannot set transaction read-write mode during recovery")
    check(explain(error, None, "writing"), "READ_ONLY_SERVER", "the database")


def test_a_malformed_target_is_not_shown() -> None:
    error = psycopg.errors.AdminShutdown("terminating connection")
    fault = explain(error, Target("named", f"postgres//ann:{SECRET}@h"), "writing")
    check(fault, "CONNECTION_LOST", "the connection to the database")


def until(conn: psycopg.Connection, question: str, *values: object) -> None:
    """Ask until the answer is true."""
    for _ in range(20_000):
        row = conn.execute(question, values).fetchone()
        if row and row[0]:
            return
    pytest.fail(f"never true: {question}")


def when_active(conn: psycopg.Connection, pid: int, do: str) -> None:
    """Call a function of the server on the session ``pid`` as soon as it sleeps in a statement."""
    until(conn, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep')", pid)
    conn.execute(f"SELECT {do}(%s)", [pid])
