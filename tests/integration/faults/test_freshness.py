"""`changed_since` names every workflow that moved after a snapshot, on every layout, and no other tenant's."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from databases import LAYOUTS, OTHER_TENANT, Database, Databases
from rows import Session, kept, new, session, workflow_id
from wfsync.store.connection import snapshot, write_transaction
from wfsync.store.freshness import changed_since
from wfsync.store.rewrite import delete

THREE = [new(number) for number in (1, 2, 3)]
ONE, TWO, FOUR = workflow_id(1), workflow_id(2), workflow_id(4)


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request: pytest.FixtureRequest, _databases: Databases) -> Iterator[Database]:
    with kept(_databases, request.param) as made:
        yield made


@pytest.fixture
def instance(layout: Database) -> Iterator[tuple[Database, Session]]:
    """Three workflows of two versions in each layout."""
    layout.execute("DELETE FROM workflow_definitions")
    with session(layout) as opened:
        opened.write(*THREE)
        yield layout, opened


def moment(opened: Session) -> str:
    """A plan's snapshot."""
    with snapshot(opened.conn) as conn:
        return str(conn.execute("SELECT pg_current_snapshot()::text").fetchall()[0][0])


def changed(opened: Session, since: str) -> set[str]:
    found = changed_since(opened.conn, opened.layout, opened.tenant, since)
    assert len(found) == len(set(found))
    return set(found)


CHANGES: dict[str, tuple[str, set[str]]] = {
    "nothing": ("SELECT 1", set()),
    "a definition": ("UPDATE workflow_definitions SET name = 'x' WHERE key = 'flow-1'", {ONE}),
    "a version": (
        f"UPDATE workflow_definition_versions SET version = 8 WHERE workflow_id = '{TWO}' AND version = 1",
        {TWO},
    ),
    "both": ("UPDATE workflow_definitions SET name = 'x' WHERE key IN ('flow-1', 'flow-2')", {ONE, TWO}),
    "something else": ("SELECT pg_current_xact_id()", set()),
    "rolled back": (
        "BEGIN; UPDATE workflow_definitions SET name = 'x'; ROLLBACK",
        set(),
    ),
    "after a savepoint": (
        "BEGIN; SAVEPOINT a; UPDATE workflow_definitions SET name = 'x' WHERE key = 'flow-2'; RELEASE a; COMMIT",
        {TWO},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed(instance: tuple[Database, Session], name: str) -> None:
    database, opened = instance
    statement, expected = CHANGES[name]
    since = moment(opened)
    with database.connect() as conn:
        for part in statement.split("; "):
            conn.execute(part)
    assert changed(opened, since) == expected
    assert changed(opened, moment(opened)) == set()


def test_what_was_created_and_deleted(instance: tuple[Database, Session]) -> None:
    _, opened = instance
    since = moment(opened)
    opened.write(new(4))
    with write_transaction(opened.conn, 5) as conn:
        delete(conn, opened.layout, opened.tenant, [ONE])
    assert changed(opened, since) == {FOUR}


def test_another_tenant_is_none_of_ours(instance: tuple[Database, Session]) -> None:
    _, opened = instance
    if opened.layout.tenant is None:
        pytest.skip("a layout without tenants")
    since = moment(opened)
    opened.as_tenant(OTHER_TENANT).write(new(4))
    assert changed(opened, since) == set()
    assert changed(opened.as_tenant(OTHER_TENANT), since) == {FOUR}


def test_what_was_under_way(instance: tuple[Database, Session]) -> None:
    """A transaction that was open when the snapshot was taken, and has committed since."""
    database, opened = instance
    with database.connect() as theirs:
        theirs.execute("BEGIN")
        theirs.execute("UPDATE workflow_definitions SET name = 'x' WHERE key = 'flow-1'")
        since = moment(opened)
        assert changed(opened, since) == set(), "it is not to be seen yet"
        theirs.execute("COMMIT")
    assert changed(opened, since) == {ONE}


def test_what_was_under_way_in_a_subtransaction(instance: tuple[Database, Session]) -> None:
    """Its id is in no snapshot's list of open transactions, and others ended after it began."""
    database, opened = instance
    with database.connect() as theirs:
        theirs.execute("BEGIN")
        theirs.execute("SAVEPOINT a")
        theirs.execute("UPDATE workflow_definitions SET name = 'x' WHERE key = 'flow-1'")
        database.execute("SELECT pg_current_xact_id()")
        since = moment(opened)
        theirs.execute("COMMIT")
    assert ONE in changed(opened, since)


def test_what_a_trigger_catches(instance: tuple[Database, Session]) -> None:
    """A block with EXCEPTION is a subtransaction, too."""
    database, opened = instance
    since = moment(opened)
    database.execute(
        "DO $$ BEGIN BEGIN UPDATE workflow_definitions SET name = 'y' WHERE key = 'flow-2';"
        " EXCEPTION WHEN division_by_zero THEN NULL; END; END $$"
    )
    assert changed(opened, since) == {TWO}


def test_frozen_rows_keep_their_age(instance: tuple[Database, Session]) -> None:
    database, opened = instance
    since = moment(opened)
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute("UPDATE workflow_definitions SET name = 'x' WHERE key = 'flow-1'")
        conn.execute("VACUUM (FREEZE) workflow_definitions")
    assert changed(opened, since) == {ONE}


def test_our_own_locks_are_no_change(instance: tuple[Database, Session]) -> None:
    _, opened = instance
    since = moment(opened)
    with write_transaction(opened.conn, 5) as conn:
        conn.execute("SELECT FROM workflow_definitions FOR UPDATE")
        assert changed(opened, since) == set()
