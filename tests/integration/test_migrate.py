"""wfsync's own tables: migrations equal the fresh schema, run once, and leave other people's tables alone."""

from __future__ import annotations

import threading
from importlib.resources import files

import psycopg
import pytest

from databases import FOREIGN_LAYOUTS, Database, Databases, LayoutName
from wfsync.errors import DatabaseError, LockTimeout
from wfsync.store import migrate
from wfsync.store.connection import connect, lock_key
from wfsync.store.layout import detect
from wfsync.store.ledger.schema import ensure
from wfsync.store.migrate import Migration, migrations, pending, upgrade
from wfsync.store.target import Target

CHECKSUMS = {
    "0001_definitions": "3b5fb1614d2ff95d",
    "0002_runs": "ca4ffe13a2b310f6",
    "0003_runtime": "16b487f7227d8fd9",
    "0004_secrets": "1908304066926e62",
}
ALL = tuple(CHECKSUMS)

TABLES = {
    "workflow_definitions",
    "workflow_definition_versions",
    "workflow_runs",
    "workflow_run_steps",
    "workflow_run_waits",
    "workflow_run_snapshots",
    "workflow_run_logs",
    "workflow_action_invocations",
    "workflow_run_history",
    "workflow_run_kept_events",
    "workflow_tasks",
    "workflow_definition_contents",
    "workflow_workers",
    "workflow_schedule_state",
    "workflow_secrets",
}
ALONE = {
    "workflow_definitions",
    "workflow_definition_contents",
    "workflow_workers",
    "workflow_schedule_state",
    "workflow_secrets",
}
"""Tables that refer to none: no overwrite of a workflow takes their rows."""

CATALOG = {
    "columns": """
        SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,
            a.attidentity, a.attstorage, a.attcollation::regcollation::text, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
        ORDER BY 1, 2""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid), convalidated, condeferrable
        FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2""",
    "indexes": """
        SELECT i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid), i.indisvalid
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        WHERE c.relnamespace = current_schema()::regnamespace ORDER BY 1, 2""",
    "the rest": """
        SELECT 'function', proname::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
        UNION ALL SELECT 'type', typname::text FROM pg_type WHERE typnamespace = current_schema()::regnamespace
        UNION ALL SELECT 'relation', relkind::text || relname FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace
        UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal
        ORDER BY 1, 2""",
}


@pytest.fixture
def empty(database: Databases) -> Database:
    return database("empty")


def catalog(database: Database) -> dict[str, list[tuple[object, ...]]]:
    with database.connect() as conn:
        return {name: conn.execute(query).fetchall() for name, query in CATALOG.items()}


def upgraded(database: Database) -> tuple[str, ...]:
    with connect(database.target) as conn:
        return upgrade(conn)


def at_version(database: Database, count: int) -> None:
    """Bring an empty database to where an older wfsync, which knew ``count`` migrations, would have left it."""
    with database.connect() as conn, conn.transaction():
        conn.execute((files("wfsync.store") / "sql" / "bookkeeping.sql").read_text())
        for migration in migrations()[:count]:
            conn.execute(migration.sql)
            conn.execute(
                "INSERT INTO wfsync_migrations (name, checksum, wfsync) VALUES (%s, %s, '0')",
                [migration.name, migration.checksum],
            )


class TestShape:
    @pytest.mark.parametrize("start", range(1, len(ALL) + 1))
    def test_migrations_equal_the_fresh_schema(self, database: Databases, start: int) -> None:
        fresh, migrated = database("wfsync"), database("empty")
        at_version(migrated, start)

        assert upgraded(migrated) == ALL[start:]

        expected, found = catalog(fresh), catalog(migrated)
        assert {row[0] for row in expected["columns"]} == TABLES | {"wfsync_migrations"}
        for aspect, rows in expected.items():
            assert found[aspect] == rows, aspect

    def test_applied_migrations_are_never_edited(self) -> None:
        """A released migration is part of databases that exist; a change belongs into a new one."""
        assert {migration.name: migration.checksum[:16] for migration in migrations()} == CHECKSUMS

    def test_the_tenant_is_first_in_every_key(self, database: Databases) -> None:
        """`database.md`: what Citus needs to distribute the tables on ``tenant``."""
        with database("wfsync").connect() as conn:
            keys = conn.execute(
                "SELECT i.indrelid::regclass::text, a.attname FROM pg_index i JOIN pg_attribute a"
                " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
                " WHERE i.indisunique AND i.indrelid::regclass::text LIKE 'workflow%'"
                " UNION ALL SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c JOIN pg_attribute a"
                " ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'"
            ).fetchall()
            tenants = conn.execute(
                "SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'"
                " WHERE a.attname = 'tenant' AND a.attnotnull AND a.atttypid = 'uuid'::regtype AND a.attnum = 1"
            ).fetchall()
        assert {table for table, _ in keys} == TABLES  # each has one at least
        assert {column for _, column in keys} == {"tenant"}
        assert {table for (table,) in tenants} == TABLES

    def test_every_foreign_key_cascades_and_has_an_index(self, database: Databases) -> None:
        with database("wfsync").connect() as conn:
            found = conn.execute(
                "SELECT c.conname, c.confdeltype::text, EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid"
                "   AND i.indpred IS NULL AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey)"
                " FROM pg_constraint c WHERE c.contype = 'f'"
            ).fetchall()
        assert len(found) == len(TABLES - ALONE)
        assert {(how, indexed) for _, how, indexed in found} == {("c", True)}

    def test_deleting_a_definition_takes_everything_along(self, database: Databases) -> None:
        ours = database("wfsync")
        ours.execute(
            """
            WITH w AS (INSERT INTO workflow_definitions (name, draft_definition) VALUES ('x', '{}')
                RETURNING workflow_id),
            v AS (INSERT INTO workflow_definition_versions (workflow_id, version, definition_json)
                SELECT workflow_id, 1, '{}' FROM w)
            INSERT INTO workflow_runs (workflow_id, workflow_version, status) SELECT workflow_id, 1, 'RUNNING' FROM w
            """,
            "INSERT INTO workflow_run_steps (run_id, step_path, status)"
            " SELECT run_id, 'p', 'STARTED' FROM workflow_runs",
            "INSERT INTO workflow_run_waits (run_id, step_path, wait_type)"
            " SELECT run_id, 'p', 'event' FROM workflow_runs",
            "INSERT INTO workflow_run_snapshots (run_id, envelope_json) SELECT run_id, '{}' FROM workflow_runs",
            "INSERT INTO workflow_run_logs (run_id, message) SELECT run_id, 'm' FROM workflow_runs",
            "INSERT INTO workflow_action_invocations (run_id, step_path, action_id, action_version, idempotency_key)"
            " SELECT run_id, 'p', 'a', 1, 'k' FROM workflow_runs",
            "INSERT INTO workflow_run_history (run_id, seq, event, at) SELECT run_id, 1, '{}', now()"
            " FROM workflow_runs",
            "INSERT INTO workflow_run_kept_events (run_id, event_name) SELECT run_id, 'e' FROM workflow_runs",
            "INSERT INTO workflow_tasks (task_id, run_id, step_path, task_type, title)"
            " SELECT run_id, run_id, 'p', 't', 'x' FROM workflow_runs",
        )
        with ours.connect() as conn:
            hanging = sorted((TABLES - ALONE) | {"workflow_definitions"})
            count = " + ".join(f"(SELECT count(*) FROM {table})" for table in hanging)
            assert conn.execute(f"SELECT {count}").fetchone() == (len(hanging),)
            conn.execute("DELETE FROM workflow_definitions")
            assert conn.execute(f"SELECT {count}").fetchone() == (0,)

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO workflow_definitions (name, draft_definition, status) VALUES ('x', '{}', 'gone')",
            "INSERT INTO workflow_definitions (key, name, draft_definition) VALUES ('k', 'x', '{}'), ('k', 'x', '{}')",
            "INSERT INTO workflow_definitions (tenant, name, draft_definition) VALUES (NULL, 'x', '{}')",
        ],
    )
    def test_what_the_tables_forbid(self, database: Databases, statement: str) -> None:
        with database("wfsync").connect() as conn, pytest.raises(psycopg.IntegrityError):
            conn.execute(statement)


class TestUpgrade:
    def test_it_creates_everything_and_then_nothing(self, empty: Database) -> None:
        with connect(empty.target) as conn:
            assert pending(conn) == ALL
            assert upgrade(conn) == ALL
            assert pending(conn) == ()
            assert upgrade(conn) == ()
            assert detect(conn).name == "wfsync"
            rows = conn.execute("SELECT name, length(checksum) FROM wfsync_migrations ORDER BY 1").fetchall()
        assert rows == [(name, 64) for name in ALL]

    def test_it_keeps_the_rows(self, empty: Database) -> None:
        at_version(empty, 1)
        empty.execute("INSERT INTO workflow_definitions (key, name, draft_definition) VALUES ('k', 'x', '{}')")
        with connect(empty.target, read_only=True) as conn:
            assert pending(conn) == ALL[1:]
        assert upgraded(empty) == ALL[1:]
        with empty.connect() as conn:
            assert conn.execute("SELECT key FROM workflow_definitions").fetchall() == [("k",)]

    @pytest.mark.parametrize("start", [0, 1])
    def test_many_at_once_do_the_work_once(self, empty: Database, start: int) -> None:
        if start:
            at_version(empty, start)
        barrier = threading.Barrier(4)
        done = []

        def run() -> None:
            with connect(empty.target) as conn:
                barrier.wait(10)
                done.append(upgrade(conn))

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(done, key=len) == [(), (), (), ALL[start:]]

    def test_somebody_who_holds_the_lock_for_too_long(self, empty: Database) -> None:
        with empty.connect() as other, connect(empty.target) as conn:
            other.execute("SELECT pg_advisory_lock(%s)", [lock_key("migrate")])
            with pytest.raises(LockTimeout):
                upgrade(conn, lock_timeout=0.01)

    def test_a_migration_that_fails_leaves_nothing(self, empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        at_version(empty, 1)
        before = catalog(empty)
        broken = Migration("0003_broken", "CREATE TABLE workflow_extra (); SELECT 1 / 0;")
        monkeypatch.setattr(migrate, "migrations", lambda: (*migrations(), broken))
        with connect(empty.target) as conn:
            with pytest.raises(DatabaseError, match="upgrading the tables") as caught:
                upgrade(conn)
            assert conn.execute("SELECT 1").fetchone() == (1,)
        assert caught.value.details == {"sqlstate": "22012"}
        assert catalog(empty) == before


class TestRefusals:
    @pytest.mark.parametrize("layout", FOREIGN_LAYOUTS)
    def test_other_peoples_tables_are_left_alone(self, database: Databases, layout: LayoutName) -> None:
        foreign = database(layout)
        before = catalog(foreign)
        with connect(foreign.target) as conn:
            assert pending(conn) == ()
            assert upgrade(conn) == ()
        assert catalog(foreign) == before

    @pytest.mark.parametrize(
        ("change", "code", "named"),
        [
            ("INSERT INTO wfsync_migrations VALUES ('9999_future', 'x', '99')", "SCHEMA_TOO_NEW", "9999_future"),
            (
                "UPDATE wfsync_migrations SET checksum = 'x' WHERE name LIKE '0001%'",
                "MIGRATION_MISMATCH",
                "0001_definitions",
            ),
        ],
    )
    def test_another_wfsync_was_here(self, database: Databases, change: str, code: str, named: str) -> None:
        ours = database("wfsync")
        ours.execute(change)
        with connect(ours.target) as conn:
            for ask in (pending, upgrade):
                with pytest.raises(DatabaseError, match=named) as caught:
                    ask(conn)
                assert caught.value.code == code

    def test_half_an_instance_is_in_the_way(self, empty: Database) -> None:
        empty.execute("CREATE TABLE workflow_runs ()")
        with pytest.raises(DatabaseError, match="workflow_runs") as caught:
            upgraded(empty)
        assert caught.value.code == "LAYOUT_UNSUPPORTED"

    def test_a_role_that_may_not_create(self, empty: Database) -> None:
        empty.execute("DROP ROLE IF EXISTS dave", "CREATE ROLE dave LOGIN")
        with connect(Target("named", empty.server.conninfo(empty.name, "dave"))) as conn:
            with pytest.raises(DatabaseError) as caught:
                upgrade(conn)
            assert caught.value.code == "PERMISSION_DENIED"
            assert caught.value.hint
            assert 'GRANT USAGE, CREATE ON SCHEMA "public" TO dave;' in caught.value.hint
            empty.execute('GRANT USAGE, CREATE ON SCHEMA "public" TO dave;')
            assert upgrade(conn) == ALL
        empty.execute("DROP OWNED BY dave CASCADE", "DROP ROLE dave")

    def test_no_schema_to_create_in(self, empty: Database) -> None:
        target = Target("named", f"{empty.conninfo} options='-c search_path=nowhere'")
        with connect(target) as conn, pytest.raises(DatabaseError) as caught:
            upgrade(conn)
        assert caught.value.code == "PERMISSION_DENIED"

    def test_a_database_that_only_reads(self, empty: Database) -> None:
        with connect(empty.target, read_only=True) as conn:
            assert pending(conn) == ALL
            with pytest.raises(DatabaseError) as caught:
                upgrade(conn)
        assert caught.value.code == "READ_ONLY_SERVER"


class TestPlace:
    def test_the_first_schema_of_the_search_path_gets_the_tables(self, empty: Database) -> None:
        empty.execute('CREATE SCHEMA "my app"')
        with connect(Target("named", f"{empty.conninfo} options='-c search_path=\"my\\\\ app\",public'")) as conn:
            assert upgrade(conn) == ALL
            assert conn.execute("SHOW search_path").fetchone() == ('"my app",public',)
            layout = detect(conn)
        assert layout.name == "wfsync"
        assert layout.definitions
        assert layout.definitions.schema == "my app"

    def test_a_temporary_table_in_the_way(self, empty: Database) -> None:
        at_version(empty, 1)
        with connect(empty.target) as conn:
            conn.execute("CREATE TEMP TABLE workflow_definitions (x int)")
            conn.execute("CREATE TEMP TABLE wfsync_migrations (name text, checksum text)")
            assert upgrade(conn) == ALL[1:]

    def test_functions_of_a_hostile_schema_are_not_called(self, empty: Database) -> None:
        empty.execute(
            "CREATE SCHEMA trap",
            "CREATE FUNCTION trap.gen_random_uuid() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'",
            "CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
        )
        with connect(Target("named", f"{empty.conninfo} options='-c search_path=public,trap,pg_catalog'")) as conn:
            upgrade(conn)
        with empty.connect() as conn:
            defaults = conn.execute("SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef").fetchall()
        assert not [text for (text,) in defaults if "trap" in text]


def test_the_schema_of_the_ledger_is_no_place_for_tables(database: Databases) -> None:
    """The path of a role begins with the schema of its name, and this role is called as the ledger is."""
    empty = database("empty")
    with connect(empty.target) as conn:
        ensure(conn, 10)
        row = conn.execute("SELECT current_schema()::text").fetchone()
        assert row == ("wfsync",)
        upgrade(conn)
        definitions = detect(conn).definitions
    assert definitions is not None
    assert definitions.schema == "public"
