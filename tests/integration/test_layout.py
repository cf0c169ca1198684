"""Which tables an instance has and whose rows are meant, asked of real catalogs in every layout."""

from __future__ import annotations

from typing import Any

import pytest

from databases import LAYOUTS, OTHER_TENANT, TENANT, Database, Databases, LayoutName
from wfsync.errors import ConfigError, DatabaseError
from wfsync.store.connection import connect, snapshot
from wfsync.store.layout import NIL_TENANT, InstanceLayout, Tenant, TenantColumn, detect, quoted, resolve_tenant
from wfsync.store.target import Target

UNIQUE_INDEX = {"A": "workflow_definitions_key_key", "A½": "workflow_definitions_tenant_key"}


def layout_of(database: Database, user: str = "wfsync", **parameters: str) -> InstanceLayout:
    target = Target("named", database.server.conninfo(database.name, user, **parameters))
    with connect(target, read_only=True) as conn, snapshot(conn):
        return detect(conn)


def insert(database: Database, key: str | None, tenant: str | None = None) -> None:
    """A row, as somebody else would write it."""
    columns: dict[str, Any] = {"key": key, "name": "x", "draft_definition": "{}"}
    if database.tenant_column:
        columns[database.tenant_column] = tenant
    with database.connect() as conn:
        conn.execute(
            f"INSERT INTO workflow_definitions ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
            list(columns.values()),
        )


def tenant_of(database: Database, requested: str | None = None, *, for_write: bool = False) -> Tenant | None:
    with connect(database.target) as conn:
        return resolve_tenant(conn, detect(conn), requested, for_write=for_write)


class TestLayouts:
    @pytest.mark.parametrize(
        ("name", "tenant", "unique", "primary_key"),
        [
            ("wfsync", TenantColumn("tenant", "uuid", nullable=False), True, ("tenant", "workflow_id")),
            ("A", None, True, ("workflow_id",)),
            ("A½", TenantColumn("tenant_id", "text", nullable=False), True, ("workflow_id",)),
            ("B", TenantColumn("tenant", "uuid", nullable=True), False, ("workflow_id",)),
            ("B-Citus", TenantColumn("tenant", "uuid", nullable=False), True, ("tenant", "workflow_id")),
        ],
    )
    def test_each_is_found_by_its_catalog(
        self,
        database: Databases,
        name: LayoutName,
        tenant: TenantColumn | None,
        unique: bool,
        primary_key: tuple[str, ...],
    ) -> None:
        layout = layout_of(database(name))

        assert (layout.name, layout.tenant, layout.key_is_unique, layout.primary_key) == (
            name,
            tenant,
            unique,
            primary_key,
        )
        assert not layout.row_security_active
        assert not layout.problems
        assert not layout.notes
        assert layout.definitions
        assert layout.versions
        assert layout.runs
        assert layout.definitions.qualified == '"public"."workflow_definitions"'
        assert layout.definitions.columns["failure_rate_threshold"] == "numeric"
        assert layout.versions.columns["definition_json"] == "jsonb"
        assert "name" in layout.definitions.not_null
        assert "key" not in layout.definitions.not_null
        assert layout.require_writable() == (layout.definitions, layout.versions)

    def test_columns_that_wfsync_does_not_know_are_seen(self, database: Databases) -> None:
        definitions = layout_of(database("A½")).definitions
        assert definitions
        assert definitions.columns["tags"] == "text[]"
        assert definitions.columns["Sort Order"] == "integer"

    def test_the_other_primary_key_of_tenant_id(self, database: Databases) -> None:
        other = database("A½")
        other.execute(
            "ALTER TABLE workflow_definitions DROP CONSTRAINT workflow_definitions_pkey CASCADE",
            "ALTER TABLE workflow_definitions ADD PRIMARY KEY (tenant_id, workflow_id)",
        )
        layout = layout_of(other)
        assert layout.name == "A½"
        assert layout.primary_key == ("tenant_id", "workflow_id")

    def test_tenant_wins_over_tenant_id(self, database: Databases) -> None:
        both = database("B")
        both.execute(
            *(f"ALTER TABLE {table} ADD tenant_id text" for table in ("workflow_definitions", "workflow_runs"))
        )
        layout = layout_of(both)
        assert layout.tenant
        assert layout.tenant.name == "tenant"

    def test_an_empty_database_is_absent_and_reads_as_empty(self, database: Databases) -> None:
        layout = layout_of(database("empty"))
        assert layout.name == "absent"
        assert layout.notes
        layout.require_readable()
        with pytest.raises(DatabaseError, match="workflow_definition_versions") as caught:
            layout.require_writable()
        assert caught.value.code == "TABLES_MISSING"
        assert "db upgrade" in str(caught.value.hint)

    def test_missing_versions_and_runs_are_noted(self, database: Databases) -> None:
        half = database("A")
        half.execute("DROP TABLE workflow_definition_versions, workflow_runs CASCADE")
        layout = layout_of(half)
        assert layout.versions is None
        assert layout.runs is None
        assert len(layout.notes) == 2
        layout.require_readable()
        with pytest.raises(DatabaseError) as caught:
            layout.require_writable()
        assert caught.value.code == "TABLES_MISSING"

    def test_generated_columns_are_known(self, database: Databases) -> None:
        made = database("A")
        made.execute(
            "ALTER TABLE workflow_definitions ADD name_size int GENERATED ALWAYS AS (length(name)) STORED",
            "ALTER TABLE workflow_definitions ADD number int GENERATED ALWAYS AS IDENTITY",
        )
        definitions = layout_of(made).definitions
        assert definitions
        assert definitions.generated == {"name_size", "number"}

    def test_a_dropped_column_is_gone(self, database: Databases) -> None:
        made = database("A")
        made.execute("ALTER TABLE workflow_definitions DROP description")
        layout = layout_of(made)
        assert layout.definitions
        assert "description" not in layout.definitions.columns
        assert not layout.problems


class TestUnusable:
    @pytest.mark.parametrize(
        ("statement", "missing"),
        [
            ("ALTER TABLE workflow_definitions DROP key", "workflow_definitions has no column key"),
            (
                "ALTER TABLE workflow_definition_versions DROP version",
                "workflow_definition_versions has no column version",
            ),
            (
                "ALTER TABLE workflow_definition_versions DROP tenant",
                "workflow_definition_versions has no column tenant",
            ),
            ("ALTER TABLE workflow_definitions RENAME draft_definition TO definition", "no column draft_definition"),
            (
                "ALTER TABLE workflow_definitions ALTER key TYPE integer USING 1",
                "key of workflow_definitions is integer, not",
            ),
            ("ALTER TABLE workflow_runs DROP status CASCADE", "workflow_runs has no column status"),
        ],
    )
    def test_what_is_missing_is_named(self, database: Databases, statement: str, missing: str) -> None:
        old = database("B")
        old.execute(statement)
        with pytest.raises(DatabaseError, match=missing) as caught:
            layout_of(old).require_readable()
        assert caught.value.code == "LAYOUT_UNSUPPORTED"

    def test_all_problems_at_once(self, database: Databases) -> None:
        old = database("A")
        old.execute("ALTER TABLE workflow_definitions DROP key, DROP name")
        assert len(layout_of(old).problems) == 2

    @pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
    def test_a_view_is_no_instance(self, database: Databases, kind: str) -> None:
        viewed = database("A")
        viewed.execute(
            "ALTER TABLE workflow_definitions RENAME TO hidden",
            f"CREATE {kind} workflow_definitions AS SELECT * FROM hidden",
        )
        with pytest.raises(DatabaseError, match=f"a {kind.lower()}"):
            layout_of(viewed).require_readable()


class TestUniqueKey:
    @pytest.mark.parametrize(
        ("index", "unique"),
        [
            ("UNIQUE INDEX ON workflow_definitions (tenant, key)", True),
            ("UNIQUE INDEX ON workflow_definitions (key, tenant)", True),
            ("UNIQUE INDEX ON workflow_definitions (key)", True),
            ("UNIQUE INDEX ON workflow_definitions (key) INCLUDE (name)", True),
            ("UNIQUE INDEX ON workflow_definitions (tenant, key) WHERE key IS NOT NULL", True),
            ("UNIQUE INDEX ON workflow_definitions (tenant, key) WHERE key IS NOT NULL AND tenant IS NOT NULL", True),
            ("UNIQUE INDEX ON workflow_definitions (tenant, key) WHERE status = 'published'", False),
            ("UNIQUE INDEX ON workflow_definitions (tenant, key) WHERE key IS NOT NULL AND is_visible", False),
            ("UNIQUE INDEX ON workflow_definitions (tenant, key) WHERE key IS NOT NULL OR is_visible", False),
            ("UNIQUE INDEX ON workflow_definitions (tenant, key) WHERE NOT (key IS NOT NULL)", False),
            ("UNIQUE INDEX ON workflow_definitions (tenant, key) WHERE name IS NOT NULL", False),
            ("UNIQUE INDEX ON workflow_definitions (tenant, key, draft_version)", False),
            ("UNIQUE INDEX ON workflow_definitions (tenant)", False),
            ("UNIQUE INDEX ON workflow_definitions (lower(key))", False),
            ("UNIQUE INDEX ON workflow_definitions (tenant, (key || ''))", False),
            ("INDEX ON workflow_definitions (tenant, key)", False),
        ],
    )
    def test_only_an_index_that_forbids_equal_keys_counts(self, database: Databases, index: str, unique: bool) -> None:
        plain = database("B")
        plain.execute(f"CREATE {index}")
        assert layout_of(plain).key_is_unique is unique

    def test_an_invalid_index_does_not_count(self, database: Databases) -> None:
        plain = database("B")
        for _ in range(2):
            insert(plain, "same", TENANT)
        with pytest.raises(Exception, match="could not create unique index"):
            plain.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON workflow_definitions (tenant, key)")
        assert not layout_of(plain).key_is_unique

    def test_a_deferrable_constraint_does_not_count(self, database: Databases) -> None:
        plain = database("B")
        plain.execute("ALTER TABLE workflow_definitions ADD UNIQUE (tenant, key) DEFERRABLE")
        assert not layout_of(plain).key_is_unique

    @pytest.mark.parametrize(("layout", "index"), UNIQUE_INDEX.items())
    def test_without_its_index_a_layout_needs_the_lock(
        self, database: Databases, layout: LayoutName, index: str
    ) -> None:
        bare = database(layout)
        kind = "ALTER TABLE workflow_definitions DROP CONSTRAINT" if layout == "A" else "DROP INDEX"
        bare.execute(f"{kind} {index}")
        assert not layout_of(bare).key_is_unique


class TestSchemas:
    def test_the_first_schema_of_the_search_path_counts(self, database: Databases) -> None:
        two = database("A")
        two.execute("CREATE SCHEMA app", "CREATE TABLE app.workflow_definitions (LIKE workflow_definitions)")
        layout = layout_of(two, options="-c search_path=nothing,app,public")
        assert layout.definitions
        assert layout.definitions.qualified == '"app"."workflow_definitions"'
        assert layout.versions is None, "tables of another schema do not belong to it"

    def test_a_schema_outside_the_search_path_is_named(self, database: Databases) -> None:
        layout = layout_of(database("A"), options="-c search_path=nothing")
        assert layout.name == "absent"
        assert "schema public" in layout.notes[0]

    def test_a_temporary_table_is_not_seen(self, database: Databases) -> None:
        with connect(database("A").target) as conn:
            conn.execute("CREATE TEMP TABLE workflow_definitions (x int)")
            conn.execute("SET search_path = pg_temp, public")
            layout = detect(conn)
        assert layout.definitions
        assert layout.definitions.schema == "public"
        assert not layout.problems

    def test_a_hostile_search_path_changes_nothing(self, database: Databases) -> None:
        trap = database("B")
        trap.execute(
            "CREATE SCHEMA trap",
            "CREATE FUNCTION trap.row_security_active(oid) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
            "CREATE FUNCTION trap.format_type(oid, integer) RETURNS text LANGUAGE sql AS $$SELECT 'trapped'$$",
            "CREATE FUNCTION trap.current_schemas(boolean) RETURNS name[] LANGUAGE sql AS $$SELECT '{}'::name[]$$",
            "CREATE VIEW trap.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false",
            "CREATE TABLE trap.int8 ()",
        )
        layout = layout_of(trap, options="-c search_path=trap,public,pg_catalog")
        assert layout.name == "B"
        assert layout.tenant == TenantColumn("tenant", "uuid", nullable=True)
        assert not layout.row_security_active

    def test_names_are_quoted(self, database: Databases) -> None:
        odd = database("A")
        odd.execute(
            'CREATE SCHEMA "o""dd; --"', 'CREATE TABLE "o""dd; --".workflow_definitions (LIKE workflow_definitions)'
        )
        with connect(odd.target) as conn:
            conn.execute('SET search_path = "o""dd; --"')
            layout = detect(conn)
            assert layout.definitions
            assert conn.execute(f"SELECT count(*) FROM {layout.definitions.qualified}").fetchone() == (0,)
        assert quoted('a"b') == '"a""b"'


class TestRowSecurity:
    @pytest.mark.parametrize("table", ["workflow_definitions", "workflow_definition_versions"])
    def test_it_is_seen_where_it_applies_to_the_role(self, database: Databases, table: str) -> None:
        guarded = database("B")
        guarded.execute(
            "DROP ROLE IF EXISTS carol",
            "CREATE ROLE carol LOGIN",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO carol",
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        )
        assert layout_of(guarded, "carol").row_security_active
        assert not layout_of(guarded).row_security_active, "a superuser sees everything"
        guarded.execute("DROP OWNED BY carol", "DROP ROLE carol")


class TestTenant:
    def test_wfsyncs_own_tables_have_a_default(self, database: Databases) -> None:
        ours = database("wfsync")
        for for_write in (True, False):
            tenant = tenant_of(ours, for_write=for_write)
            assert tenant
            assert tenant.value == NIL_TENANT
        insert(ours, "a", TENANT)
        tenant = tenant_of(ours)
        assert tenant
        assert tenant.value == NIL_TENANT, "whoever has several says which"

    def test_a_layout_without_a_column_has_none(self, database: Databases) -> None:
        bare = database("A")
        assert tenant_of(bare, for_write=True) is None
        with pytest.raises(ConfigError) as caught:
            tenant_of(bare, TENANT)
        assert caught.value.code == "TENANT_UNSUPPORTED"

    @pytest.mark.parametrize("layout", ["A½", "B", "B-Citus"])
    @pytest.mark.parametrize("for_write", [True, False])
    def test_the_only_one_in_the_table(self, database: Databases, layout: LayoutName, for_write: bool) -> None:
        foreign = database(layout)
        with pytest.raises(ConfigError) as caught:
            tenant_of(foreign, for_write=for_write)
        assert caught.value.code == "TENANT_REQUIRED"
        assert "--tenant" in str(caught.value.hint)

        insert(foreign, "a", TENANT)
        insert(foreign, "b", TENANT)
        tenant = tenant_of(foreign, for_write=for_write)
        assert tenant
        assert tenant.value == TENANT
        assert tenant.column.name == foreign.tenant_column

        insert(foreign, "a", OTHER_TENANT)
        with pytest.raises(ConfigError, match=f"{TENANT}, {OTHER_TENANT}") as caught:
            tenant_of(foreign, for_write=for_write)
        assert caught.value.details["tenants"] == [TENANT, OTHER_TENANT]
        tenant = tenant_of(foreign, OTHER_TENANT, for_write=for_write)
        assert tenant
        assert tenant.value == OTHER_TENANT

    def test_rows_without_a_tenant_are_nobodys(self, database: Databases) -> None:
        plain = database("B")
        insert(plain, "a", None)
        with pytest.raises(ConfigError, match="no row of workflow_definitions has a tenant") as caught:
            tenant_of(plain)
        assert caught.value.code == "TENANT_REQUIRED"
        insert(plain, "b", TENANT)
        tenant = tenant_of(plain)
        assert tenant
        assert tenant.value == TENANT

    def test_at_most_ten_are_listed(self, database: Databases) -> None:
        crowd = database("A½")
        for number in range(12):
            insert(crowd, "a", f"tenant-{number:02}")
        with pytest.raises(ConfigError, match="tenant-09, …") as caught:
            tenant_of(crowd)
        assert len(caught.value.details["tenants"]) == 10

    def test_it_is_cast_to_the_columns_type(self, database: Databases) -> None:
        tenant = tenant_of(database("B"), "{ABCDEF00-0000-4000-8000-000000000000}")
        assert tenant
        assert tenant.value == "abcdef00-0000-4000-8000-000000000000"
        tenant = tenant_of(database("A½"), "any text; --")
        assert tenant
        assert tenant.value == "any text; --"

    @pytest.mark.parametrize("text", ["not-a-uuid", "", " ", "\0", "1" * 10_000, "a\n\x1b[31m"])
    def test_a_text_that_is_no_uuid(self, database: Databases, text: str) -> None:
        with pytest.raises(ConfigError) as caught:
            tenant_of(database("B-Citus"), text)
        assert caught.value.code == "TENANT_INVALID"
        assert "uuid" in str(caught.value)
        assert "\x1b" not in str(caught.value)
        assert len(str(caught.value)) < 200

    def test_absent_tables(self, database: Databases) -> None:
        empty = database("empty")
        assert tenant_of(empty, TENANT) is None
        with pytest.raises(DatabaseError) as caught:
            tenant_of(empty, TENANT, for_write=True)
        assert caught.value.code == "TABLES_MISSING"


def test_every_layout_can_be_made(database: Databases) -> None:
    assert [layout_of(database(name)).name for name in LAYOUTS] == list(LAYOUTS)
