"""The connection is lost during COMMIT: wfsync finds out what became of the transaction, or says that it cannot."""

# ruff: noqa: PT012 - what raises is the end of a transaction's block

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from databases import Database, Databases
from wfsync.errors import CommitUnknown, DatabaseError
from wfsync.store import commit
from wfsync.store.connection import connect, write_transaction
from wfsync.store.target import Target
from wire_proxy import Cut, Proxy, proxy


@pytest.fixture
def ledger(database: Databases) -> Database:
    """A database with one table, and nothing in it."""
    made = database("empty")
    made.execute("CREATE TABLE entries (n int)")
    return made


@pytest.fixture
def behind(ledger: Database) -> Iterator[Callable[..., tuple[Proxy, Target]]]:
    """Makes a proxy in front of the ledger and a target that goes through it."""
    open_proxies = []

    def make(cut: Cut, on_commit: Callable[[], None] | None = None) -> tuple[Proxy, Target]:
        context = proxy(f"{ledger.server.folder}/.s.PGSQL.5432", cut, on_commit)
        open_proxies.append(context)
        made = context.__enter__()
        url = f"postgresql://wfsync@127.0.0.1:{made.port}/{ledger.name}?sslmode=disable&gssencmode=disable"
        return made, Target("named", url)

    yield make
    for context in open_proxies:
        context.__exit__(None, None, None)


def insert(target: Target) -> None:
    with connect(target) as conn, write_transaction(conn, 5):
        conn.execute("INSERT INTO entries VALUES (1)")


def entries(ledger: Database) -> int:
    with ledger.connect() as conn:
        row = conn.execute("SELECT count(*) FROM entries").fetchone()
    assert row
    return int(row[0])


def test_the_answer_to_a_commit_is_lost(ledger: Database, behind: Callable[..., tuple[Proxy, Target]]) -> None:
    _, target = behind("after")
    insert(target)
    assert entries(ledger) == 1


def test_the_commit_never_arrives(ledger: Database, behind: Callable[..., tuple[Proxy, Target]]) -> None:
    _, target = behind("before")
    with pytest.raises(DatabaseError, match="rolled the transaction back") as caught:
        insert(target)
    assert caught.value.code == "CONNECTION_LOST"
    assert entries(ledger) == 0


def test_the_server_keeps_a_session_without_a_client(
    ledger: Database, behind: Callable[..., tuple[Proxy, Target]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "GRACE", 0.0)
    _, target = behind("half open")
    with pytest.raises(DatabaseError) as caught:
        insert(target)
    assert caught.value.code == "CONNECTION_LOST"
    assert entries(ledger) == 0


@pytest.mark.parametrize(("cut", "written"), [("after", 1), ("before", 0)])
def test_nobody_can_tell(
    ledger: Database,
    behind: Callable[..., tuple[Proxy, Target]],
    monkeypatch: pytest.MonkeyPatch,
    cut: Cut,
    written: int,
) -> None:
    monkeypatch.setattr(commit, "PATIENCE", 0.3)
    made, target = behind(cut)
    made.deaf_after_cut = True
    with pytest.raises(CommitUnknown) as caught:
        insert(target)
    assert caught.value.code == "COMMIT_UNKNOWN"
    assert caught.value.hint
    assert caught.value.details["xid"] in caught.value.hint
    assert entries(ledger) == written


def test_a_promoted_server_is_not_believed(
    ledger: Database, behind: Callable[..., tuple[Proxy, Target]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another timeline may have given our transaction's id to another transaction."""
    timelines = iter(["00000001", "00000002"])
    monkeypatch.setattr(commit, "_timeline", lambda _conn: next(timelines))
    _, target = behind("after")
    with pytest.raises(CommitUnknown):
        insert(target)
    assert entries(ledger) == 1


def test_a_transaction_that_wrote_nothing_has_nothing_to_lose(behind: Callable[..., tuple[Proxy, Target]]) -> None:
    made, target = behind("after")
    made.deaf_after_cut = True
    with connect(target) as conn, write_transaction(conn, 5):
        conn.execute("SELECT 1")


@pytest.mark.parametrize("cut", ["after", "before", "never"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_commit_tells_the_truth(
    ledger: Database,
    behind: Callable[..., tuple[Proxy, Target]],
    cut: Cut,
    number: signal.Signals,
) -> None:
    """Interrupted is only said where the transaction was rolled back; a commit that happened is a success."""

    class Stopped(BaseException):
        pass

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt if number is signal.SIGINT else Stopped

    before = signal.signal(number, stop)
    try:
        _, target = behind(cut, lambda: os.kill(os.getpid(), number))
        outcome = "committed"
        try:
            insert(target)
        except (KeyboardInterrupt, Stopped, DatabaseError):
            outcome = "rolled back"
    finally:
        signal.signal(number, before)
    assert entries(ledger) == (1 if outcome == "committed" else 0)


def test_a_commit_that_becomes_a_rollback_is_an_error(ledger: Database) -> None:
    with connect(ledger.target) as conn, pytest.raises(DatabaseError) as caught, write_transaction(conn, 5):
        conn.execute("INSERT INTO entries VALUES (1)")
        with pytest.raises(Exception, match="division by zero"):
            conn.execute("SELECT 1 / 0")
    assert caught.value.code == "ROLLED_BACK"
    assert entries(ledger) == 0
