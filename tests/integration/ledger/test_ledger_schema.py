"""The ledger's tables: who creates them, once, where; and what a role is told that may not."""

from __future__ import annotations

import threading

import pytest
from msgspec.structs import replace

from databases import LAYOUTS, Database, Databases, LayoutName
from rows import session
from wfsync.errors import DatabaseError
from wfsync.plan.managed import Managed, ManagedState
from wfsync.state.managed import read_managed, write_managed
from wfsync.store.connection import connect, snapshot, write_transaction
from wfsync.store.ledger import managed as rows
from wfsync.store.ledger.access import known_migrations, look
from wfsync.store.ledger.repair import repair
from wfsync.store.ledger.schema import ensure
from wfsync.store.ledger.summary import summarise
from wfsync.store.target import Target

A = Managed("a", "github.com/x/y/workflows", "created", "id-a", "digest-a", "policy")
B = Managed("b", "file:/home", "adopted", "id-b", "digest-b", "policy", "held-digest", "held-policy")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_managed_is_kept_for_each_tenant_and_replaced_by_key(database: Databases, layout: LayoutName) -> None:
    with session(database(layout)) as one:
        assert read_managed(one.conn, one.tenant) == ManagedState()
        ensure(one.conn, 5)
        assert read_managed(one.conn, one.tenant) == ManagedState({}, exists=True)
        with write_transaction(one.conn, 5):
            assert write_managed(one.conn, one.tenant, [A, B]) == 2
        moved = Managed("a", A.source, "created", "id-a2", "other", "policy 2")
        with write_transaction(one.conn, 5):
            write_managed(one.conn, one.tenant, [moved])
        with snapshot(one.conn):
            assert read_managed(one.conn, one.tenant).by_key == {"a": moved, "b": B}
        with write_transaction(one.conn, 5):
            rows.forget(one.conn, one.tenant, ["b", "unknown"])
        assert read_managed(one.conn, one.tenant).by_key == {"a": moved}
        if one.tenant is not None:
            other = one.as_tenant("22222222-2222-4222-8222-222222222222")
            assert read_managed(other.conn, other.tenant) == ManagedState({}, exists=True)


def test_the_ledger_is_created_once_and_has_a_key_of_its_own(database: Databases) -> None:
    place = database("A")
    with connect(place.target) as conn:
        assert rows.hmac_key(conn) is None
        assert ensure(conn, 5)[1] == tuple(known_migrations())
        key = rows.hmac_key(conn)
        assert key is not None
        assert len(key) == 32
        assert ensure(conn, 5)[1] == ()
        assert rows.hmac_key(conn) == key


def test_two_first_applies_create_it_once(database: Databases) -> None:
    place = database("A")
    done: list[tuple[str, ...]] = []
    together = threading.Barrier(4)

    def create() -> None:
        with connect(place.target) as conn:
            together.wait(10)
            done.append(ensure(conn, 20)[1])

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, done)) == [0, 0, 0, len(known_migrations())]


_SHAPE = """
    SELECT c.relname, pg_catalog.pg_get_indexdef(c.oid), pg_catalog.obj_description(c.oid, 'pg_class'), a.attname,
        pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, a.attcollation,
        pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'wfsync'::regnamespace AND c.relkind IN ('r', 'i') ORDER BY c.relname, a.attnum
"""


def test_every_table_that_is_lost_is_made_anew_as_it_was(database: Databases) -> None:
    with connect(database("A").target) as conn:
        ensure(conn, 5)
        whole = conn.execute(_SHAPE).fetchall()
        assert repair(conn, 5) == ()
        for lost in (["evidence"], ["managed"], ["applies", "apply_changes"], ["instance", "managed", "evidence"]):
            for name in lost:
                conn.execute(f"DROP TABLE wfsync.{name}")
            state = summarise(conn).state
            assert all(name in state for name in lost)
            assert repair(conn, 5) == tuple(lost)
            assert conn.execute(_SHAPE).fetchall() == whole
            assert summarise(conn).state == "yes"
            assert rows.hmac_key(conn) is not None


def test_a_newer_ledger_is_read_and_never_written(database: Databases) -> None:
    place = database("A")
    with connect(place.target) as conn:
        ensure(conn, 5)
        conn.execute("INSERT INTO wfsync.migrations (name, checksum, wfsync) VALUES ('9999_future', '', '99')")
        assert read_managed(conn, None).exists
        with pytest.raises(DatabaseError) as caught:
            ensure(conn, 5)
    assert caught.value.code == "LEDGER_TOO_NEW"
    assert "9999_future" in caught.value.message


def test_a_ledger_of_another_build_is_read_and_never_written(database: Databases) -> None:
    place = database("A")
    with connect(place.target) as conn:
        ensure(conn, 5)
        conn.execute("UPDATE wfsync.migrations SET checksum = 'other' WHERE name LIKE '0001%'")
        assert read_managed(conn, None).exists
        with pytest.raises(DatabaseError) as caught:
            ensure(conn, 5)
    assert caught.value.code == "MIGRATION_MISMATCH"
    assert "0001_ledger" in caught.value.message


# ------------------------------------------------------------------------------------------------------------ rights


@pytest.fixture
def limited(database: Databases) -> Database:
    """A database with a role ``limited`` that may connect, and nothing else."""
    place = database("A")
    place.execute(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'limited') THEN"
        " CREATE ROLE limited LOGIN; END IF; END $$"
    )
    return place


def as_limited(place: Database) -> Target:
    return Target("named", f"{place.conninfo} user=limited")


def test_a_role_without_the_right_is_told_the_statement_that_helps(limited: Database) -> None:
    target = as_limited(limited)
    with connect(target) as conn:
        access, applied = ensure(conn, 5)
        assert applied == ()
        problem = access.unavailable()
        assert problem is not None
        assert (problem.code, problem.severity) == ("LEDGER_UNAVAILABLE", "warning")
        assert problem.hint is not None
        assert "CREATE SCHEMA wfsync AUTHORIZATION limited;" in problem.hint
        assert not read_managed(conn, None).exists
        limited.execute("CREATE SCHEMA wfsync AUTHORIZATION limited")
        access, applied = ensure(conn, 5)
        assert applied == tuple(known_migrations())
        assert access.unavailable() is None


def test_a_ledger_of_somebody_else_is_used_once_it_is_granted(limited: Database) -> None:
    with connect(limited.target) as owner:
        ensure(owner, 5)
        write_managed(owner, None, [A])
    with connect(as_limited(limited)) as conn:
        for expected in ("GRANT USAGE ON SCHEMA wfsync TO limited;", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL"):
            problem = ensure(conn, 5)[0].unavailable()
            assert problem is not None
            assert expected in str(problem.details["grant"])
            assert not read_managed(conn, None).exists
            limited.execute(str(problem.details["grant"]).split(";")[0])
        assert ensure(conn, 5)[0].unavailable() is None
        assert read_managed(conn, None).by_key == {"a": A}


def test_a_ledger_that_only_its_owner_may_migrate_is_used_as_it_is(limited: Database) -> None:
    with connect(limited.target) as owner:
        ensure(owner, 5)
        owner.execute("ALTER TABLE wfsync.managed DROP COLUMN held_policy")
        owner.execute("DELETE FROM wfsync.migrations WHERE name = '0003_held_policy'")
        owner.execute("GRANT ALL ON SCHEMA wfsync TO limited; GRANT ALL ON ALL TABLES IN SCHEMA wfsync TO limited")
    with connect(as_limited(limited)) as conn:
        access, applied = ensure(conn, 5)
        assert (applied, access.unavailable(), access.pending) == ((), None, ("0003_held_policy",))
        with write_transaction(conn, 5):
            write_managed(conn, None, [A, B])
        assert read_managed(conn, None).by_key == {"a": A, "b": replace(B, held_policy=None)}
    with connect(limited.target) as owner:
        assert ensure(owner, 5)[1] == ("0003_held_policy",)
        with write_transaction(owner, 5):
            write_managed(owner, None, [B])
        assert read_managed(owner, None).by_key["b"] == B


def test_a_role_that_only_reads_sees_what_is_managed(limited: Database) -> None:
    with connect(limited.target) as owner:
        ensure(owner, 5)
        write_managed(owner, None, [A])
    limited.execute("GRANT USAGE ON SCHEMA wfsync TO limited", "GRANT SELECT ON ALL TABLES IN SCHEMA wfsync TO limited")
    with connect(as_limited(limited), read_only=True) as conn:
        assert read_managed(conn, None).by_key == {"a": A}
        assert not look(conn).is_writable
