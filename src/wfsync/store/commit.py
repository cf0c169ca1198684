"""The ends of a write transaction: how it begins, commits without doubt, and is left when something fails.

COMMIT is the one statement whose failure says nothing: the connection may break after the server has committed and
before it could say so. So the transaction's id is fetched before, and a new connection asks ``pg_xact_status`` for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus

from wfsync.errors import CommitUnknown, DatabaseError
from wfsync.store.faults import explain, is_lost, place, read_only_server
from wfsync.store.session import Connection, connect, milliseconds, target_of
from wfsync.store.target import Target

__all__ = ["Pending", "begin", "commit", "leave"]

PATIENCE: Final = 30.0
"""Seconds to go on asking what became of a transaction."""

GRACE: Final = 5.0
"""Seconds after which a session that still holds our transaction open is ended: its client is gone."""

_PAUSE: Final = 0.2

_Outcome: TypeAlias = Literal["committed", "aborted", "unknown"]


@dataclass(frozen=True, slots=True)
class Pending:
    """What is known of an open write transaction before its COMMIT."""

    timeline: str | None
    """The server's WAL timeline: a server promoted meanwhile may have given our transaction id to somebody else."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A transaction whose COMMIT was sent and not answered."""

    xid: str
    backend: int
    timeline: str | None


def begin(conn: Connection, lock_timeout: float) -> Pending:
    """Open a READ COMMITTED transaction on ``conn``. Raises ``READ_ONLY_SERVER`` where writing is impossible.

    READ WRITE is not said: it would override a ``default_transaction_read_only`` that somebody set on purpose.
    """
    pending = Pending(_timeline(conn))
    conn.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    try:
        row = conn.execute(
            "SELECT pg_catalog.current_setting('transaction_read_only'),"
            " pg_catalog.set_config('lock_timeout', %s, true)",
            [str(milliseconds(lock_timeout))],
        ).fetchone()
    except BaseException:
        leave(conn)
        raise
    if row is None or row[0] != "off":
        leave(conn)
        raise read_only_server(target_of(conn))
    return pending


def commit(conn: Connection, pending: Pending, on_commit: Callable[[], None] = lambda: None) -> None:
    """Commit, and know it: `DatabaseError` if the transaction was rolled back, `CommitUnknown` if nobody can tell.

    An interrupt during COMMIT is raised again only if the transaction was not committed: a report of "interrupted,
    rolled back" would be a lie otherwise. ``on_commit`` says from when on it would be one.
    """
    if conn.info.transaction_status is not TransactionStatus.INTRANS:
        leave(conn)
        raise DatabaseError("a statement had failed, so the transaction was rolled back", code="ROLLED_BACK")
    try:
        row = conn.execute("SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text").fetchone()
    except BaseException:
        leave(conn)
        raise
    xid = row[0] if row else None
    backend = conn.info.backend_pid
    try:
        answer = conn.execute("COMMIT").statusmessage
        if answer == "COMMIT":
            on_commit()  # in here: an interrupt between the two statements must be asked about, too
    except BaseException as error:  # noqa: BLE001 - whatever interrupts a COMMIT leaves it undecided
        if isinstance(error, psycopg.Error) and not is_lost(error):
            leave(conn)
            raise explain(error, target_of(conn), "committing") from None
        if xid is None:  # nothing was written
            conn.close()
        else:
            _settle(conn, _Sent(xid, backend, pending.timeline), error, on_commit)
        return
    if answer != "COMMIT":
        raise DatabaseError("the server rolled the transaction back instead of committing it", code="ROLLED_BACK")


def leave(conn: Connection) -> None:
    """Roll back whatever is open on ``conn``, never raising; a session in the middle of something is closed."""
    status = conn.info.transaction_status
    try:
        if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            conn.execute("ROLLBACK")
        elif status is not TransactionStatus.IDLE:
            # An interrupted statement goes on in the server; closing alone would leave it there until it ends.
            if status is TransactionStatus.ACTIVE:
                conn.cancel_safe(timeout=2.0)
            conn.close()
    except psycopg.Error:
        conn.close()


def _settle(conn: Connection, sent: _Sent, error: BaseException, on_commit: Callable[[], None]) -> None:
    """Find out what became of ``sent``: return if it is committed, raise what is true otherwise."""
    target = target_of(conn)
    try:
        conn.close()
        outcome = _outcome(target, sent) if target else "unknown"
        if outcome == "committed":
            on_commit()
    except (KeyboardInterrupt, SystemExit):  # who does not want to wait for the answer gets none
        outcome = "unknown"
    if outcome == "committed":
        return
    if outcome == "aborted":
        if isinstance(error, psycopg.Error):
            raise DatabaseError(
                f"the connection to {place(target)} was lost during COMMIT; the server rolled the transaction back",
                code="CONNECTION_LOST",
                hint="Nothing was committed. Try again.",
            ) from None
        raise error
    what = f"the connection to {place(target)} was lost during COMMIT"
    if not isinstance(error, psycopg.Error):
        what = f"the COMMIT on {place(target)} was interrupted"
    raise CommitUnknown(
        f"{what}, and it is not known what became of it",
        hint=f"Look before you try again: SELECT pg_xact_status('{sent.xid}'); says committed or aborted.",
        details={"xid": sent.xid},
    ) from None


def _outcome(target: Target, sent: _Sent) -> _Outcome:
    """Ask until there is an answer or `PATIENCE` is at its end."""
    start = time.monotonic()
    while (waited := time.monotonic() - start) < PATIENCE:
        try:
            with connect(target, read_only=True) as conn:
                if _timeline(conn) != sent.timeline:
                    return "unknown"
                row = conn.execute("SELECT pg_catalog.pg_xact_status(%s::pg_catalog.xid8)", [sent.xid]).fetchone()
                status: str | None = row[0] if row else None
                if status == "committed":
                    return "committed"
                if status == "aborted":
                    return "aborted"
                if status is None:  # so old that the server has forgotten
                    return "unknown"
                if waited > GRACE:
                    _end_session(conn, sent)
        except (psycopg.Error, DatabaseError):
            pass  # the server may be on its way back
        time.sleep(_PAUSE)
    return "unknown"


def _end_session(conn: Connection, sent: _Sent) -> None:
    """End the server's side of the lost session, if it is still that one; it either commits or rolls back by it."""
    conn.execute(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
        " WHERE pid = %s AND backend_xid::pg_catalog.text = ((%s::pg_catalog.numeric) %% 4294967296)::pg_catalog.text",
        [sent.backend, sent.xid],
    )


def _timeline(conn: Connection) -> str | None:
    """The timeline that the server writes on; None where the server does not say (a standby, a missing privilege)."""
    try:
        row = conn.execute(
            "SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)"
        ).fetchone()
    except psycopg.Error as error:
        if is_lost(error):
            raise
        return None
    return row[0] if row else None
