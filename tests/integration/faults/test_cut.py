"""The connection is cut at any point of an apply: one error, exit code 1, every row as it was."""

from __future__ import annotations

import signal
from collections.abc import Callable
from urllib.parse import quote

import pytest

from databases import LayoutName
from gates import PLACES, apply_lock, gate, held
from shop import Mode, Subject, until
from wire_proxy import Cut, Proxy, proxy

Make = Callable[[LayoutName], Subject]
Wanted = Callable[[LayoutName], dict[str, str]]


def cut(subject: Subject, how: str = "pg_terminate_backend") -> None:
    """Wait until wfsync waits for a lock, and end its session or its statement."""
    pids = subject.caught()
    with subject.database.connect() as conn:
        for pid in pids:
            conn.execute(f"SELECT {how}(%s)", [pid])


@pytest.mark.parametrize(
    ("layout", "mode", "place"),
    [
        ("A", "replace", "deleting"),
        ("B", "replace", "copying definitions"),
        ("wfsync", "update", "copying versions"),
        ("A½", "replace", "copied"),
        ("B-Citus", "update", "updating"),
        ("wfsync", "replace", "relinking"),
        ("A", "update", "committing"),
    ],
)
def test_cut_inside_the_transaction(shop: Make, layout: LayoutName, mode: Mode, place: str) -> None:
    subject = shop(layout)
    with subject.unchanged(), gate(subject.database, PLACES[place]):
        process = subject.start_apply(mode)
        cut(subject)
        ended = subject.end(process)
    assert ended.code == 1
    assert "CONNECTION_LOST" in ended.stderr
    assert "Nothing was committed" in ended.stderr


def test_cut_while_waiting_for_another_apply(shop: Make) -> None:
    subject = shop("B")
    with subject.unchanged(), held(subject.database, apply_lock(subject.database)):
        process = subject.start_apply()
        cut(subject)
        ended = subject.end(process)
    assert (ended.code, "CONNECTION_LOST" in ended.stderr) == (1, True), ended.stderr


def test_cut_while_reading(shop: Make) -> None:
    subject = shop("wfsync")
    with subject.unchanged(), subject.database.connect() as conn, conn.transaction():
        conn.execute("LOCK TABLE workflow_definition_versions IN ACCESS EXCLUSIVE MODE")
        process = subject.start_apply()
        cut(subject)
        ended = subject.end(process)
    assert (ended.code, "CONNECTION_LOST" in ended.stderr) == (1, True), ended.stderr


@pytest.mark.parametrize("place", ["copying versions", "committing"])
def test_a_canceled_statement(shop: Make, place: str) -> None:
    subject = shop("A")
    with subject.unchanged(), gate(subject.database, PLACES[place]):
        process = subject.start_apply()
        cut(subject, "pg_cancel_backend")
        ended = subject.end(process)
    assert (ended.code, "QUERY_CANCELED" in ended.stderr) == (1, True), ended.stderr


# -- at the COMMIT ---------------------------------------------------------------------------------------------------


def through(made: Proxy, subject: Subject) -> str:
    return (
        f"postgresql://wfsync@127.0.0.1:{made.port}/{quote(subject.database.name)}?sslmode=disable&gssencmode=disable"
    )


def behind(subject: Subject, how: Cut):  # type: ignore[no-untyped-def]
    return proxy(f"{subject.database.server.folder}/.s.PGSQL.5432", how)


def test_the_commit_never_arrives(shop: Make) -> None:
    subject = shop("wfsync")
    with subject.unchanged(), behind(subject, "before") as made:
        ended = subject.end(subject.start_apply(conninfo=through(made, subject)))
    assert ended.code == 1
    assert "CONNECTION_LOST" in ended.stderr
    assert "the server rolled the transaction back" in ended.stderr


@pytest.mark.parametrize("mode", ["replace", "update"])
def test_the_answer_to_the_commit_is_lost(shop: Make, wanted: Wanted, mode: Mode) -> None:
    """It was committed, so it is a success."""
    subject = shop("B")
    with behind(subject, "after") as made:
        ended = subject.end(subject.start_apply(mode, conninfo=through(made, subject)))
    assert ended.code == 0, ended.stderr
    assert "Applied: 2 created, 3 overwritten" in ended.stdout
    assert subject.digests() == wanted("B")


def test_nobody_can_tell_and_nobody_waits(shop: Make, wanted: Wanted) -> None:
    """The server is out of reach after the COMMIT. Who does not wait for it is told so, not that it was rolled back."""
    subject = shop("A")
    with behind(subject, "after") as made:
        made.deaf_after_cut = True
        process = subject.start_apply(conninfo=through(made, subject))
        until(lambda: made.refused > 0, "wfsync asks what became of its transaction")
        ended = subject.end(process, signal.SIGTERM)
    assert ended.code == 1
    assert "COMMIT_UNKNOWN" in ended.stderr
    assert "pg_xact_status" in ended.stderr
    assert subject.digests() == wanted("A")
