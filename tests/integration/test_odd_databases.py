"""Instances that are odd but real, through the real command line: what a careful operator expects (database.md).

Every failure is one line with a hint and the right exit code; nothing is written by half; no password is shown.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import servers
from command_line import CommandLine, Result
from databases import OTHER_TENANT, TENANT, Database, Databases, LayoutName, layout_ddl
from servers import Server, new_server
from small_bundles import bundle, set_state
from wfsync.store.connection import lock_key
from workplace import Workplace

Place = Callable[..., Workplace]

DEFINITIONS = "ALTER TABLE workflow_definitions "
VERSIONS = "ALTER TABLE workflow_definition_versions "
RUNS = "ALTER TABLE workflow_runs "


@pytest.fixture
def place(cli: CommandLine, database: Databases, tmp_path: Path) -> Place:
    """``place("A", "ALTER TABLE …")``: a folder with the workflow ``a``, beside a database that was altered."""

    def at(layout: LayoutName, *statements: str) -> Workplace:
        made = database(layout)
        made.execute(*statements)
        work = Workplace(cli, made, tmp_path)
        work.configure()
        work.write(bundle("a"))
        return work

    return at


def row(key: str, draft: str = "{}", **more: str) -> str:
    """A row of layout A behind wfsync's back; values are SQL."""
    values = {"key": f"'{key}'", "name": "'n'", "payload_schema_ref": "'p'", "draft_definition": f"'{draft}'"} | more
    return f"INSERT INTO workflow_definitions ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def cycle(work: Workplace, *options: str) -> None:
    """Create, overwrite in both ways, export: every apply is followed by an empty plan, the export changes nothing."""

    def run(*command: str) -> Result:
        result = work.cli(*options, *command, cwd=work.folder) if options else work(*command)
        assert result.code == 0, result.output
        return result

    work.write(bundle("a", versions=[1, 2]))
    run("apply")
    for number, mode in enumerate(("update", "replace")):
        step = [set_state(f"state {number}")]
        work.write(bundle("a", step, {1: step, 3 + number: step}, failureRateThreshold=0.1 + number))
        run("apply", "--force", "--overwrite", mode)
        run("plan", "--detailed-exitcode")
    files = work.files()
    run("export", "--all", "--check")
    assert work.files() == files


def fails_with(work: Workplace, code: str, *command: str, exit_code: int = 1) -> str:
    """Run a command that must fail with an error code; both streams."""
    before = work.files()
    result = work.fails(exit_code, *command)
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("wfsync: error")]
    assert error.startswith(f"wfsync: error {code}: "), result.output
    hint = result.stderr.split(error)[1].splitlines()
    assert hint[1].startswith("    ")
    assert work.files() == before
    return result.output


# ------------------------------------------------------------------------------------------------------------- types


def test_columns_of_other_types_that_hold_the_same(place: Place) -> None:
    cycle(
        place(
            "A",
            "CREATE DOMAIN short AS varchar(200)",
            "CREATE DOMAIN key_name AS short CHECK (VALUE ~ '^[a-z]')",
            "CREATE DOMAIN document AS jsonb CHECK (jsonb_typeof(VALUE) = 'object')",
            "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
            "CREATE TYPE mode AS ENUM ('pinned', 'latest')",
            f"{DEFINITIONS} ALTER key TYPE key_name, ALTER name TYPE char(60), ALTER draft_version TYPE positive,"
            " ALTER payload_schema_mode DROP DEFAULT, ALTER payload_schema_mode TYPE mode"
            " USING payload_schema_mode::mode, ALTER failure_rate_threshold TYPE real,"
            " ALTER draft_definition TYPE json, ALTER concurrency_limit TYPE smallint,"
            " ALTER updated_at TYPE timestamp(0), ALTER created_at TYPE date, ALTER updated_by TYPE text",
            f"{VERSIONS} ALTER definition_json TYPE document, ALTER version TYPE smallint,"
            " ALTER published_at TYPE timestamp, DROP version_id, ADD version_id bigserial PRIMARY KEY",
        )
    )


def test_a_case_blind_key_is_compared_as_text(place: Place) -> None:
    work = place("A", "CREATE EXTENSION citext", f"{DEFINITIONS} ALTER key TYPE citext", row("A"))
    output = fails_with(work, "CONSTRAINT_VIOLATION", "apply")
    assert "workflow_definitions_key_key" in output
    assert "INVALID_KEY" in output
    work.rows("DELETE FROM workflow_definitions")
    work.ok("apply")
    work.ok("plan", "--detailed-exitcode")


def test_a_tenant_of_fixed_length_is_not_cut(place: Place) -> None:
    work = place(
        "A½",
        f"{DEFINITIONS} ALTER tenant_id TYPE char(36)",
        f"{VERSIONS} ALTER tenant_id TYPE varchar(36)",
        f"{RUNS} ALTER tenant_id TYPE char(36)",
    )
    work.ok("apply")
    cycle(work, "--database", work.database.conninfo, "--tenant", "acme")
    found = work.rows("SELECT tenant_id::text AS tenant, count(*) FROM workflow_definitions GROUP BY 1 ORDER BY 1")
    assert [(one["tenant"], one["count"]) for one in found] == [(TENANT, 1), ("acme", 1)]


def test_columns_that_cannot_hold_their_values_are_refused_by_name(place: Place) -> None:
    work = place(
        "A½",
        f"{DEFINITIONS} ALTER is_system DROP DEFAULT, ALTER is_system TYPE text,"
        " ALTER failure_rate_threshold TYPE integer, ALTER concurrency_limit TYPE text",
        f"{VERSIONS} ALTER tenant_id TYPE uuid USING tenant_id::uuid",
    )
    for command in ("plan", "apply", "export"):
        output = fails_with(work, "LAYOUT_UNSUPPORTED", command, *(["--all"] if command == "export" else []))
        for column in ("is_system", "failure_rate_threshold", "concurrency_limit", "tenant_id"):
            assert f"the column {column} of" in output


def test_what_the_server_makes_up_can_be_read_and_not_written(place: Place) -> None:
    work = place(
        "A", f"{DEFINITIONS} DROP key CASCADE", f"{DEFINITIONS} ADD key text GENERATED ALWAYS AS (lower(name)) STORED"
    )
    work.ok("plan")
    assert "the column key of workflow_definitions is generated" in fails_with(work, "LAYOUT_UNSUPPORTED", "apply")


def test_shuffled_dropped_generated_and_additional_columns(place: Place) -> None:
    work = place(
        "A",
        f"{DEFINITIONS} DROP name, DROP draft_definition, ADD draft_definition jsonb NOT NULL, ADD name text NOT NULL",
        f"{DEFINITIONS} ADD owner text NOT NULL DEFAULT current_user, DROP status,"
        " ADD status text GENERATED ALWAYS AS (CASE draft_version WHEN 1 THEN 'draft' ELSE 'published' END) STORED,"
        " ALTER workflow_id DROP DEFAULT",
        f"{VERSIONS} ADD number integer GENERATED ALWAYS AS (version * 2) STORED, ALTER version_id DROP DEFAULT",
    )
    cycle(work)
    work.rows(f"{DEFINITIONS} ADD cost_centre text NOT NULL DEFAULT 'x'")
    work.rows(f"{DEFINITIONS} ALTER cost_centre DROP DEFAULT")
    work.write(bundle("b"))
    assert "NOT NULL of the column cost_centre" in fails_with(work, "CONSTRAINT_VIOLATION", "apply")
    assert list(work.ids()) == ["a"]


def test_a_value_that_is_too_long_names_its_column(place: Place) -> None:
    work = place("A", f"{DEFINITIONS} ALTER description TYPE varchar(5)")
    work.write(bundle("a", description="not for the log"))
    output = fails_with(work, "DATABASE", "apply")
    assert "the column description of workflow_definitions" in output
    assert "not for the log" not in output.split("wfsync: error")[1]


# ----------------------------------------------------------------------------------------------------- schemas, roles


def test_a_schema_with_an_odd_name_is_found_by_the_search_path(place: Place) -> None:
    work = place("A", 'CREATE SCHEMA "My ""Schema"";--"')
    for table in ("workflow_definitions", "workflow_definition_versions", "workflow_runs"):
        work.rows(f'ALTER TABLE {table} SET SCHEMA "My ""Schema"";--"')
    assert "is in the schema" in work.ok("plan").stdout
    output = fails_with(work, "TABLES_MISSING", "apply")
    assert "They are in the schema My" in output
    assert "db upgrade" not in output
    assert "LAYOUT" in work.ok("export", "--all").stderr, "an export of nothing says why"
    work.rows(f'ALTER DATABASE "{work.database.name}" SET search_path TO "My ""Schema"";--", public')
    work.rows("CREATE TABLE public.workflow_definitions (LIKE workflow_definitions)")
    cycle(work)


@pytest.fixture(scope="module")
def role(server: Server) -> Iterator[str]:
    """A role with a name that must be quoted; what it may do ends with each test's database."""
    name = "o'hara 100%"
    server.execute(f'CREATE ROLE "{name}" LOGIN')
    yield name
    server.execute(f'DROP OWNED BY "{name}"', f'DROP ROLE "{name}"')


def as_role(work: Workplace, role: str) -> tuple[str, str]:
    return "--database", make_conninfo(work.database.conninfo, user=role)


def test_each_privilege_that_is_missing_comes_with_its_grant(place: Place, role: str) -> None:
    work = place("A", "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    access = as_role(work, role)

    def denied(*command: str) -> str:
        result = work.cli(*access, *command, cwd=work.folder)
        assert result.code == 1, result.output
        assert "PERMISSION_DENIED" in result.stderr
        return result.stderr

    named = '"o\'hara 100%"'
    for command in (["plan"], ["export", "--all"], ["db", "upgrade"]):
        assert f'GRANT USAGE ON SCHEMA "public" TO {named};' in denied(*command)
    work.database.execute(f"GRANT USAGE ON SCHEMA public TO {named}")
    tables = "workflow_definitions, workflow_definition_versions"
    grant = f"GRANT SELECT ON {tables}, workflow_runs TO {named};"
    assert grant in denied("plan")
    work.database.execute(grant)
    for command in (["plan"], ["export", "--all"]):
        assert work.cli(*access, *command, cwd=work.folder).code == 0
    grant = f"GRANT INSERT, UPDATE, DELETE ON {tables} TO {named};"
    assert grant in denied("apply")
    assert work.ids() == {}
    work.database.execute(grant)
    cycle(work, *access)


def test_settings_of_a_role_change_nothing(place: Place, role: str) -> None:
    work = place("A", "GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC")
    settings = {
        "DateStyle": "'German'",
        "TimeZone": "'Asia/Kathmandu'",
        "quote_all_identifiers": "on",
        "default_transaction_isolation": "'serializable'",
        "default_transaction_deferrable": "on",
        "lock_timeout": "'1ms'",
        "plan_cache_mode": "force_generic_plan",
        "transform_null_equals": "on",
        "array_nulls": "off",
        "row_security": "off",
    }
    altered = f'ALTER ROLE "{role}"'
    work.database.execute(*(f"{altered} SET {name} = {value}" for name, value in settings.items()))
    cycle(work, *as_role(work, role))
    work.database.execute(f"{altered} RESET ALL")


def test_a_role_that_only_reads_or_has_no_time(place: Place) -> None:
    work = place("A")
    conninfo = work.database.conninfo
    for setting, code, plan_exit in (("default_transaction_read_only=on", "READ_ONLY_SERVER", 0),
                                     ("statement_timeout=1ms", "STATEMENT_TIMEOUT", 1)):  # fmt: skip
        access = ("--database", make_conninfo(conninfo, options=f"-c {setting}"))
        assert work.cli(*access, "plan", cwd=work.folder).code == plan_exit
        refused = work.cli(*access, "apply", cwd=work.folder)
        assert refused.code == 1
        assert f"wfsync: error {code}: " in refused.stderr
    wrong = work.cli("--database", make_conninfo(conninfo, options="-c no_such=1"), "plan", cwd=work.folder)
    assert "INVALID_DATABASE_URL" in wrong.stderr
    assert wrong.stderr.count("no_such") == 1


# ---------------------------------------------------------------------------------------------------------- encodings


def test_encodings_that_cannot_say_everything(cli: CommandLine, server: Server, tmp_path: Path) -> None:
    work = Workplace(cli, Database("latin", "A", server), tmp_path)
    work.configure()
    try:
        for name in ("LATIN1", "SQL_ASCII"):
            server.execute(
                "DROP DATABASE IF EXISTS latin",
                f"CREATE DATABASE latin TEMPLATE template0 ENCODING '{name}' LOCALE 'C'",
            )
            server.execute(*layout_ddl("A"), database="latin")
            work.write(bundle("a", name="Größe"))
            cycle(work)
            work.write(bundle("a", name="fertig ✓"))
            if name == "LATIN1":
                before = work.everything()
                output = fails_with(work, "DATABASE_ENCODING", "apply", "--force")
                assert "LATIN1 has no character ✓ (U+2713)" in output
                assert work.everything() == before
            else:
                work.ok("apply", "--force")
                with psycopg.connect(work.database.conninfo, client_encoding="SQL_ASCII", autocommit=True) as conn:
                    conn.execute(b"UPDATE workflow_definitions SET name = 'caf\xe9'")
                assert "0xe9" in fails_with(work, "DATABASE_ENCODING", "plan")
    finally:
        server.execute("DROP DATABASE IF EXISTS latin WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["LATIN1", "nonsense"])
def test_the_environments_encoding_is_ignored(place: Place, encoding: str) -> None:
    work = place("A")
    work.write(bundle("a", name="fertig ✓ 漢字 😀"))
    assert work("apply", env={"PGCLIENTENCODING": encoding}).code == 0
    assert work.rows("SELECT name FROM workflow_definitions") == [{"name": "fertig ✓ 漢字 😀"}]


# ---------------------------------------------------------------------------------------------------------------- rows


def test_rows_that_no_file_can_hold_are_named_and_left_alone(place: Place) -> None:
    work = place(
        "A",
        *(
            f"{DEFINITIONS} ALTER {column} DROP NOT NULL"
            for column in ("draft_definition", "draft_version", "name", "is_system")
        ),
        f"{DEFINITIONS} ALTER draft_version TYPE bigint",
        f"{VERSIONS} ALTER definition_json DROP NOT NULL, ALTER version DROP NOT NULL",
        row("nothing", draft_version="NULL"),
        "UPDATE workflow_definitions SET draft_definition = NULL, name = NULL, is_system = NULL",
        "INSERT INTO workflow_definition_versions (workflow_id, version) SELECT workflow_id, NULL"
        " FROM workflow_definitions",
        row("wide", draft_version="5000000000"),
        row("large", draft_definition="jsonb_build_object('x', repeat('y', 17000000))"),
        row("sound"),
    )
    rows = work.rows("SELECT key, workflow_id, ctid::text FROM workflow_definitions ORDER BY key")
    report = work.ok("apply", "--format", "json").json()
    said = {
        (one["key"], one["message"].split(": ", 1)[1]) for one in report["warnings"] if one["code"] == "INVALID_ROW"
    }
    assert said == {
        ("nothing", "draft_definition is not an object"),
        ("nothing", "version 0: definition_json is not an object"),
        ("nothing", "name is missing or empty"),
        ("nothing", "isSystem is NULL"),
        ("nothing", "draft_version is NULL"),
        ("nothing", "version 0 is below 1"),
        ("wide", "draft_version is outside of 32 bits"),
        ("large", "it is larger than a file may be (16 MiB)"),
    }
    exported = work.ok("export", "--all")
    assert exported.stderr.count("INVALID_ROW") == len(said)
    assert sorted(p.name for p in (work.folder / "workflows").iterdir()) == ["a.json", "sound.json"]
    assert "INVALID_ROW" in work.fails(1, "export", "large").stderr
    kept = work.rows("SELECT key, workflow_id, ctid::text FROM workflow_definitions WHERE key <> 'a' ORDER BY key")
    assert kept == rows
    work.write(bundle("nothing"))
    work.ok("apply", "--force", "--overwrite", "update")
    work.ok("plan", "--detailed-exitcode")


def test_a_row_whose_file_would_be_too_large_is_left_out(place: Place) -> None:
    deep = "SELECT jsonb_agg((repeat('[', 150) || '1' || repeat(']', 150))::jsonb) FROM generate_series(1, 600)"
    work = place("A", row("deep", draft_definition=f"jsonb_build_object('x', ({deep}))"))
    assert "deep: its file would be larger" in work.ok("export", "--all").stderr
    assert "larger" in work.fails(1, "export", "deep").stderr
    assert [path.name for path in (work.folder / "workflows").iterdir()] == ["a.json"]


@pytest.mark.parametrize("tenant", [None, "ABCDEF00-1111-4111-8111-111111111111"])
def test_a_plan_made_before_there_are_tables_is_the_one_applied_after(
    cli: CommandLine, database: Databases, tmp_path: Path, tenant: str | None
) -> None:
    work = Workplace(cli, database("empty"), tmp_path)
    work.configure()
    work.write(bundle("a"))
    env = {"WFSYNC_TENANT": tenant} if tenant else {}
    plan = work("plan", "--format", "json", env=env).json()
    work.ok("db", "upgrade")
    applied = work("apply", "--expect-digest", plan["digest"], env=env)
    assert applied.code == 0, applied.output


def test_json_that_jsonb_would_refuse_spoils_only_its_own_row(place: Place) -> None:
    work = place(
        "A",
        f"{DEFINITIONS} ALTER draft_definition TYPE json",
        row("zero", r'{"x":"\u0000"}'),
        row("no.zero", r'{"x":"\\u0000"}'),
        row("half", r'{"x":"\ud800"}'),
        row("huge", '{"x":1e400}'),
        row("twice", '{"a":1, "a":2}'),
    )
    warnings = work.ok("apply", "--format", "json").json()["warnings"]
    assert sorted(one["key"] for one in warnings if one["code"] == "INVALID_ROW") == ["half", "huge", "zero"]
    work.ok("export", "--all")
    held = {path.stem: json.loads(path.read_bytes()) for path in (work.folder / "workflows").iterdir()}
    assert held.keys() == {"a", "no.zero", "twice"}
    assert held["twice"]["workflows"][0]["draft"]["definition"]["a"] == 2
    work.ok("plan", "--detailed-exitcode")


def test_tenants_whose_names_are_sql(place: Place) -> None:
    work = place("A½")
    tenants = ["it's", "100%", "%(tenant)s", "a\\b", " ünï ✓", "'; DROP TABLE workflow_definitions; --", "a\nb"]
    for tenant in tenants:
        assert work.cli("--database", work.database.conninfo, "--tenant", tenant, "apply", cwd=work.folder).code == 0
    for tenant in tenants:
        same = ("--database", work.database.conninfo, "--tenant", tenant, "plan", "--detailed-exitcode")
        assert work.cli(*same, cwd=work.folder).code == 0
    found = work.rows("SELECT tenant_id FROM workflow_definitions")
    assert sorted(one["tenant_id"] for one in found) == sorted(tenants)


def test_one_row_without_a_tenant_is_said_in_the_singular(place: Place) -> None:
    ids = {"tenant": "NULL"}
    work = place("B", row("lost", **ids), row("other", tenant=f"'{OTHER_TENANT}'"))
    said = "1 workflow of the database belongs to no tenant (NULL); it is left alone"
    assert said in work.ok("apply").stdout
    assert said in work.ok("export", "--all", "--check").stderr


# ----------------------------------------------------------------------------------------------- triggers, foreign keys


@pytest.mark.parametrize(
    ("event", "mode"),
    [("INSERT", "update"), ("UPDATE", "update"), ("DELETE", "update"), ("INSERT", "replace"), ("DELETE", "replace")],
)
def test_a_trigger_that_swallows_published_versions_is_noticed(place: Place, event: str, mode: str) -> None:
    work = place("A")
    work.write(bundle("a", versions=[1, 2]))
    work.ok("apply")
    work.rows(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        f" CREATE TRIGGER swallow BEFORE {event} ON workflow_definition_versions"
        " FOR EACH ROW EXECUTE FUNCTION swallow()"
    )
    work.write(bundle("a", versions={1: [set_state("other")], 3: [set_state()]}))
    before = work.everything()
    fails_with(work, "ROW_DROPPED", "apply", "--force", "--overwrite", mode)
    assert work.everything() == before


PINS = "CREATE TABLE public.pins (w uuid, v integer, FOREIGN KEY (w, v) REFERENCES workflow_definition_versions"


def test_what_an_update_takes_with_the_versions_it_deletes_is_shown(place: Place) -> None:
    work = place("A")
    work.write(bundle("a", versions=[1, 2]), bundle("b", versions=[1, 2]))
    work.ok("apply")
    work.rows(f"{PINS} (workflow_id, version) ON DELETE CASCADE)")
    work.rows("INSERT INTO pins SELECT workflow_id, version FROM workflow_definition_versions, generate_series(1, 7)")
    work.write(bundle("a", versions=[1]), bundle("b", versions=[1, 2], description="other"))
    options = ("--overwrite", "update", "--format", "json")
    changes = {change["key"]: change for change in work.ok("plan", *options).json()["changes"]}
    assert changes["a"]["cascades"] == [{"table": "pins", "effect": "deleted", "rows": 7, "capped": False}]
    assert changes["b"]["cascades"] == []
    work.ok("apply", "--force", *options)
    assert work.rows("SELECT count(*) FROM pins") == [{"count": 21}]


def test_a_version_that_somebody_needs_blocks_an_update(place: Place) -> None:
    work = place("A")
    work.write(bundle("a", versions=[1, 2]))
    work.ok("apply")
    work.rows(f"{PINS} (workflow_id, version) ON DELETE RESTRICT)")
    work.rows("INSERT INTO pins SELECT workflow_id, 2 FROM workflow_definitions")
    work.write(bundle("a", versions=[1]))
    before = work.everything()
    output = work.fails(4, "apply", "--force", "--overwrite", "update").output
    assert "CASCADE_BLOCKED: a: a foreign key of pins (1 row) forbids" in output
    assert work.everything() == before
    work.write(bundle("a", versions=[1, 2], description="other"))
    work.ok("apply", "--force", "--overwrite", "update")


# ------------------------------------------------------------------------------------------------- locks and accidents


@pytest.mark.parametrize("table", ["workflow_definitions", "workflow_definition_versions"])
def test_nobody_waits_for_ever_for_a_table_that_is_altered(place: Place, table: str) -> None:
    work = place("A")
    with psycopg.connect(work.database.conninfo) as conn:
        conn.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        for command in (["plan"], ["apply"], ["export", "--all"]):
            output = fails_with(work, "LOCK_TIMEOUT", "--lock-timeout", "0.2", *command, exit_code=5)
            assert "--lock-timeout SECONDS" in output


def when_it_waits(work: Workplace, act: Callable[[psycopg.Connection[Any]], None]) -> threading.Thread:
    """Start a thread that acts once wfsync's session waits for a lock."""

    def watch() -> None:
        with psycopg.connect(work.database.conninfo, autocommit=True) as conn:
            query = (
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name LIKE 'wfsync%' AND wait_event_type = 'Lock'"
            )
            while conn.execute(query).fetchone() is None:
                conn.execute("SELECT pg_sleep(0.01)")
            act(conn)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("accident", "code"),
    [
        ("DROP TABLE workflow_definition_versions CASCADE", "TABLES_CHANGED"),
        ("ALTER TABLE workflow_definition_versions DROP definition_json", "TABLES_CHANGED"),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'", "CONNECTION_LOST"),
    ],
)
def test_what_happens_between_plan_and_apply(place: Place, accident: str, code: str) -> None:
    work = place("A")
    work.ok("apply")
    work.write(bundle("a", name="other"))
    with psycopg.connect(work.database.conninfo, autocommit=True) as another_apply:
        another_apply.execute("SELECT pg_advisory_lock(%s)", [lock_key("apply")])

        def act(conn: psycopg.Connection[Any]) -> None:
            conn.execute(accident)
            another_apply.execute("SELECT pg_advisory_unlock_all()")

        thread = when_it_waits(work, act)
        fails_with(work, code, "apply", "--force")
        thread.join()
    assert work.rows("SELECT name FROM workflow_definitions") == [{"name": "a"}]


# --------------------------------------------------------------------------------------------- passwords, versions


@pytest.fixture(scope="module")
def tcp() -> Iterator[Server]:
    """A server that wants a password."""
    server = new_server(tcp=True)
    yield server
    server.remove()


def test_no_output_ever_shows_the_password(tcp: Server, cli: CommandLine, tmp_path: Path) -> None:
    secret = "pässwörd-s3cr3t/@:%"
    encoded = quote(secret, safe="")
    tcp.execute(f"CREATE ROLE ann LOGIN PASSWORD '{secret}'", "CREATE DATABASE flows")
    tcp.execute(*layout_ddl("A"), "GRANT SELECT ON ALL TABLES IN SCHEMA public TO ann", database="flows")
    work = Workplace(cli, Database("flows", "A", tcp), tmp_path)
    work.configure()
    work.write(bundle("a"))
    password_file = tmp_path / "pgpass"
    password_file.write_text(f"127.0.0.1:*:*:ann:{secret.replace(':', chr(92) + ':')}\n")
    password_file.chmod(0o600)
    services = tmp_path / "services"
    services.write_text(
        f"[mine]\nhost=127.0.0.1\nport={tcp.tcp_port}\ndbname=flows\nuser=ann\npassword={secret}\n", encoding="utf-8"
    )
    good, bare = tcp.url("flows", "ann", encoded), tcp.url("flows", "ann")
    loud = ("-vv", "--log-format", "json")
    runs: list[tuple[int, list[str], dict[str, str]]] = [
        (0, ["--database", good, "plan", "--format", "json"], {}),
        (0, ["--database", good, *loud, "db", "status"], {}),
        (1, ["--database", good, *loud, "apply", "--format", "json"], {}),
        (1, ["--database", tcp.url("nowhere", "ann", encoded), *loud, "plan"], {}),
        (1, ["--database", tcp.url("flows", "ann", f"{encoded}x"), *loud, "plan", "--format", "json"], {}),
        (1, ["--database", tcp.url("flows", "ann", encoded, "?sslmode=require"), *loud, "plan"], {}),
        (1, ["--database", f"postgresql://ann:{secret}@127.0.0.1/flows", *loud, "plan", "--format", "json"], {}),
        (1, ["--database", f"postgresql://ann:{encoded}@127.0.0.1:1/flows", *loud, "export", "--all"], {}),
        (0, ["plan"], {"WFSYNC_DATABASE_URL": good}),
        (0, ["--database", bare, "plan"], {"PGPASSWORD": secret}),
        (0, ["--database", bare, "plan"], {"PGPASSFILE": str(password_file)}),
        (1, ["--database", bare, *loud, "plan"], {}),
        (0, ["plan"], {"PGSERVICE": "mine", "PGSERVICEFILE": str(services)}),
        (1, ["--database", "service=mine", *loud, "apply"], {"PGSERVICEFILE": str(services)}),
        (1, ["-vv", "plan"], {"PGSERVICE": "other", "PGSERVICEFILE": str(services)}),
        (64, ["--database", "", "plan"], {"WFSYNC_DATABASE_URL": good}),
    ]
    for code, command, env in runs:
        result = cli(*command, cwd=tmp_path, env=env)
        assert result.code == code, (command[2:], result.output)
        assert "Traceback" not in result.output
        for form in (secret, encoded, "s3cr3t"):
            assert form not in result.output, command[2:]


_OLDER = [bin_ for bin_ in sorted(Path("/usr/lib/postgresql").glob("1[4-7]/bin")) if (bin_ / "postgres").exists()]


@pytest.mark.skipif(not _OLDER, reason="no PostgreSQL 14 to 17 on this machine")
def test_an_older_server_will_do(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "server_programs", lambda: _OLDER[0])
    older = new_server()
    try:
        databases = Databases(older)
        for layout in ("wfsync", "B"):
            work = Workplace(cli, databases(layout), tmp_path)
            work.configure()
            cycle(work)
            work.write(bundle("a", name="counted"))
            workflow_id = work.ids()["a"]
            work.add_run(workflow_id, "SUCCEEDED")
            changes = work.ok("plan", "--overwrite", "replace", "--format", "json").json()["changes"]
            assert {c["table"]: c["rows"] for c in changes[0]["cascades"]}["workflow_runs"] == 1
    finally:
        older.remove()
