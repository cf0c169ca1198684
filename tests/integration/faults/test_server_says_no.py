"""The server gives up in the middle, or never lets wfsync begin: one error that says why, and every row as it was."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from databases import LayoutName
from gates import PLACES, gate, held
from servers import Server
from shop import CALLER, OLD, REPLACED, Mode, Subject, until

Make = Callable[[LayoutName], Subject]
Wanted = Callable[[LayoutName], dict[str, str]]


def configure(subject: Subject, **settings: str) -> None:
    """Settings for every new session of the database."""
    for name, value in settings.items():
        subject.database.execute(f"ALTER DATABASE \"{subject.database.name}\" SET {name} = '{value}'")


@pytest.mark.parametrize("place", ["copying versions", "updating", "deleting"])
def test_statement_timeout(shop: Make, place: str) -> None:
    subject = shop("A")
    configure(subject, statement_timeout="300ms")
    with subject.unchanged(), gate(subject.database, PLACES[place]):
        done = subject.apply("update" if place == "updating" else "replace")
    assert done.code == 1
    assert "STATEMENT_TIMEOUT" in done.stderr


def test_idle_in_transaction_timeout(shop: Make) -> None:
    """The client stands still; the server ends its session."""
    subject = shop("B")
    configure(subject, idle_in_transaction_session_timeout="100ms")
    with subject.unchanged(), gate(subject.database, PLACES["copied"]) as closed:
        process = subject.start_apply()
        subject.caught()
        process.send_signal(signal.SIGSTOP)
        closed.open()
        subject.gone()
        ended = subject.end(process, signal.SIGCONT)
    assert ended.code == 1
    assert "CONNECTION_LOST" in ended.stderr
    assert ended.stderr.startswith("wfsync: error"), "nothing of the driver's stands before it"


def test_lock_timeout_at_a_row(shop: Make) -> None:
    """Somebody edits a workflow and does not finish."""
    subject = shop("A")
    with subject.unchanged(), subject.database.connect() as theirs:
        theirs.execute("BEGIN")
        theirs.execute("SELECT FROM workflow_definitions WHERE key = %s FOR UPDATE", [REPLACED[1]])
        done = subject.apply("replace", "--lock-timeout", "0.2")
        theirs.execute("ROLLBACK")
    assert (done.code, "LOCK_TIMEOUT" in done.stderr) == (5, True), done.stderr


def test_lock_timeout_at_a_version(shop: Make) -> None:
    subject = shop("wfsync")
    with subject.unchanged(), subject.database.connect() as theirs:
        theirs.execute("BEGIN")
        theirs.execute("SELECT FROM workflow_definition_versions FOR UPDATE")
        done = subject.apply("update", "--lock-timeout", "0.2")
        theirs.execute("ROLLBACK")
    assert (done.code, "LOCK_TIMEOUT" in done.stderr) == (5, True), done.stderr


def test_a_deadlock(shop: Make) -> None:
    """Made so that wfsync is the one whose wait is found out: it waits last, and looks first."""
    subject = shop("A")
    configure(subject, deadlock_timeout="10ms")
    second_key = 99
    subject.database.execute(
        "CREATE FUNCTION wait_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" PERFORM pg_advisory_xact_lock_shared({second_key}); RETURN NULL; END $$",
        "CREATE TRIGGER zz AFTER DELETE ON workflow_definitions FOR EACH STATEMENT EXECUTE FUNCTION wait_again()",
    )
    with (
        subject.unchanged(),
        gate(subject.database, PLACES["deleting"]) as first,
        held(subject.database, second_key) as second,
    ):
        process = subject.start_apply()
        subject.caught()
        # They hold what wfsync will want, and want what it holds
        second.conn.execute("SET deadlock_timeout = '60s'")
        blocked = threading.Thread(
            target=second.conn.execute, args=(f"SELECT FROM workflow_definitions WHERE key = '{CALLER}' FOR UPDATE",)
        )
        blocked.start()
        until(lambda: waits(subject, second.conn.info.backend_pid), "the other session waits for a row")
        first.open()
        ended = subject.end(process)
        blocked.join(30)
    assert ended.code == 5, ended.stderr
    assert "DEADLOCK" in ended.stderr


def waits(subject: Subject, pid: int) -> bool:
    with subject.database.connect() as conn:
        row = conn.execute("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    return bool(row and row[0])


def test_a_read_only_server(shop: Make) -> None:
    subject = shop("wfsync")
    configure(subject, default_transaction_read_only="on")
    with subject.unchanged():
        done = subject.apply()
        assert (done.code, "READ_ONLY_SERVER" in done.stderr) == (1, True), done.stderr
        planned = subject.run("plan")
        assert planned.code == 0, planned.stderr


def test_a_server_that_becomes_read_only_between_plan_and_apply(shop: Make) -> None:
    """As at a failover: the session was opened when it still could write."""
    subject = shop("A")
    with subject.unchanged(), gate(subject.database, PLACES["deleting"]):
        subject.database.execute(
            "CREATE FUNCTION shut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " SET LOCAL transaction_read_only = on; RETURN OLD; END $$",
            "CREATE TRIGGER a_first BEFORE DELETE ON workflow_definition_versions FOR EACH ROW EXECUTE FUNCTION shut()",
        )
        done = subject.apply("replace")
    assert (done.code, "READ_ONLY_SERVER" in done.stderr) == (1, True), done.stderr


# -- privileges ------------------------------------------------------------------------------------------------------

_ALL = "SELECT, INSERT, UPDATE, DELETE"


@pytest.fixture
def limited(server: Server) -> str:
    """A role that may nothing."""
    server.execute(
        "DO $$ BEGIN CREATE ROLE limited LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    )
    return "limited"


@pytest.mark.parametrize(
    ("layout", "mode", "table", "missing"),
    [
        ("A", "replace", "workflow_definitions", "INSERT"),
        ("A", "replace", "workflow_definition_versions", "DELETE"),
        ("B", "update", "workflow_definition_versions", "INSERT"),
        ("B", "replace", "workflow_definitions", "DELETE"),
        ("wfsync", "replace", "workflow_runs", "SELECT"),
    ],
)
def test_a_privilege_that_is_missing(
    shop: Make, limited: str, layout: LayoutName, mode: Mode, table: str, missing: str
) -> None:
    subject = shop(layout)
    grants = ", ".join(p for p in _ALL.split(", ") if p != missing)
    subject.database.execute(
        f"GRANT {_ALL} ON ALL TABLES IN SCHEMA public TO {limited}",
        f"REVOKE ALL ON {table} FROM {limited}",
        f"GRANT {grants} ON {table} TO {limited}",
        f"GRANT USAGE ON SCHEMA wfsync TO {limited}",
        f"GRANT {_ALL} ON ALL TABLES IN SCHEMA wfsync TO {limited}",
    )
    conninfo = subject.database.server.conninfo(subject.database.name, user=limited)
    with subject.unchanged():
        ended = subject.end(subject.start_apply(mode, conninfo=conninfo))
    assert ended.code == 1, ended.stdout
    assert "PERMISSION_DENIED" in ended.stderr
    assert table in ended.stderr
    assert "GRANT " in ended.stderr
    assert f"TO {limited};" in ended.stderr


def test_rows_that_are_hidden(shop: Make, limited: str) -> None:
    """A policy hides a row, so its key looks free: nothing may be created."""
    subject = shop("A")
    subject.database.execute(
        f"GRANT {_ALL} ON ALL TABLES IN SCHEMA public TO {limited}",
        "ALTER TABLE workflow_definitions ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY most ON workflow_definitions USING (key <> '{OLD[3]}')",
    )
    conninfo = subject.database.server.conninfo(subject.database.name, user=limited)
    with subject.unchanged():
        ended = subject.end(subject.start_apply(conninfo=conninfo))
    assert ended.code in {3, 4}, ended.stderr
    assert "ROW_SECURITY" in ended.stdout + ended.stderr


# -- the disk --------------------------------------------------------------------------------------------------------


def test_a_full_disk(shop: Make) -> None:
    """The server's error for it, raised where a full disk would: at the last row."""
    subject = shop("A")
    subject.database.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'could not extend file'; END $$",
        "CREATE TRIGGER full_disk AFTER INSERT ON workflow_definition_versions FOR EACH STATEMENT"
        " EXECUTE FUNCTION full_disk()",
    )
    with subject.unchanged():
        done = subject.apply()
    assert (done.code, "DISK_FULL" in done.stderr) == (1, True), done.stderr
