"""wfsync's own tables: created and brought up to date by numbered migrations (`database.md`, `wfsync db upgrade`).

``sql/schema.sql`` makes the newest shape in one go, ``sql/migrations/NNNN_name.sql`` lead there from any older one; a
test proves that both end in the same catalog. ``wfsync_migrations``, beside the tables, says which were applied.
Tables that somebody else made are never touched.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from wfsync import __version__
from wfsync.errors import DatabaseError
from wfsync.store.connection import lock_key, write_transaction
from wfsync.store.faults import place, translate, user_of
from wfsync.store.instance import DEFINITIONS, InstanceLayout, quoted
from wfsync.store.layout import BOOKKEEPING, detect
from wfsync.store.session import Connection, target_of

__all__ = ["Migration", "migrations", "pending", "upgrade"]

LOCK_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: its name (``0001_definitions``) and the statements."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What tells that an applied migration is still the one we know."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration that this wfsync knows, in order."""
    folder = files("wfsync.store") / "sql" / "migrations"
    found = (entry for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple(
        Migration(entry.name.removesuffix(".sql"), entry.read_text("utf-8"))
        for entry in sorted(found, key=lambda entry: entry.name)
    )


def pending(conn: Connection) -> tuple[str, ...]:
    """The names of the migrations that the instance lacks; none for somebody else's tables. Reads only.

    Raises `DatabaseError`: ``SCHEMA_TOO_NEW``, ``MIGRATION_MISMATCH`` (see `upgrade`).
    """
    layout = detect(conn)
    if layout.name == "absent":
        return tuple(migration.name for migration in migrations())
    schema = _own_schema(layout)
    if schema is None:
        return ()
    with translate(target_of(conn), "reading the migrations"):
        return tuple(migration.name for migration in _missing(conn, schema))


def upgrade(conn: Connection, *, lock_timeout: float = LOCK_TIMEOUT) -> tuple[str, ...]:
    """Create or migrate wfsync's own tables; the names of what was applied, none if all was there.

    One transaction under an advisory lock: two at once do the work once. Tables that wfsync did not make are left
    alone. Raises `DatabaseError`: ``SCHEMA_TOO_NEW`` (a newer wfsync was here), ``MIGRATION_MISMATCH`` (an applied
    migration is not the one that we know), ``PERMISSION_DENIED``, ``READ_ONLY_SERVER``; `LockTimeout` if another
    upgrade takes longer than ``lock_timeout`` seconds.
    """
    with write_transaction(conn, lock_timeout), translate(target_of(conn), "upgrading the tables"):
        conn.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [lock_key("migrate")])
        layout = detect(conn)
        if layout.name == "absent":
            return _create(conn)
        schema = _own_schema(layout)
        if schema is None:
            return ()
        missing = _missing(conn, schema)
        for migration in missing:
            _run(conn, schema, migration.sql)
        _record(conn, schema, missing)
        return tuple(migration.name for migration in missing)


def _own_schema(layout: InstanceLayout) -> str | None:
    """The schema of the tables if wfsync made them."""
    return layout.definitions.schema if layout.name == "wfsync" and layout.definitions else None


def _missing(conn: Connection, schema: str) -> tuple[Migration, ...]:
    rows = conn.execute(f"SELECT name, checksum FROM {quoted(schema)}.{BOOKKEEPING}")  # noqa: S608 - quoted
    applied: dict[str, str] = dict(rows.fetchall())
    known = {migration.name: migration for migration in migrations()}
    if newer := sorted(applied.keys() - known.keys()):
        raise DatabaseError(
            f"the tables were made by a newer wfsync: it applied {', '.join(newer)}, which {__version__} does not know",
            code="SCHEMA_TOO_NEW",
            hint="Upgrade wfsync itself.",
            details={"migrations": newer},
        )
    changed = sorted(name for name, checksum in applied.items() if known[name].checksum != checksum)
    if changed:
        raise DatabaseError(
            f"the tables were made by another build of wfsync: its {', '.join(changed)} is not that of {__version__}",
            code="MIGRATION_MISMATCH",
            hint="Use the wfsync that made them, or export the workflows and start over in a new database.",
            details={"migrations": changed},
        )
    return tuple(migration for name, migration in known.items() if name not in applied)


def _create(conn: Connection) -> tuple[str, ...]:
    schema = _creatable_schema(conn)
    _run(conn, schema, _text("bookkeeping.sql"))
    _run(conn, schema, _text("schema.sql"))
    _record(conn, schema, migrations())
    return tuple(migration.name for migration in migrations())


def _creatable_schema(conn: Connection) -> str:
    """The schema to create the tables in, the first of the ``search_path``; `DatabaseError` if that cannot be.

    Never the ledger's: to a role of the name ``wfsync`` that is the first, because its path begins with ``"$user"``.
    """
    target = target_of(conn)
    row = conn.execute(
        "SELECT n.nspname, pg_catalog.has_schema_privilege(n.oid, 'CREATE'),"
        " ARRAY(SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c"
        "       WHERE c.relnamespace = n.oid AND c.relname ~ '^(workflow_(definition|run|action_inv)|wfsync_migr)'"
        "         AND c.relkind = ANY ('{r,p,v,m,f}') ORDER BY 1)"
        " FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY s (name, place)"
        " JOIN pg_catalog.pg_namespace n ON n.nspname = s.name WHERE s.name <> 'wfsync' ORDER BY s.place LIMIT 1"
    ).fetchone()
    if row is None:
        raise DatabaseError(
            f"no schema of the search_path exists in {place(target)}, or none is open to {user_of(target)}",
            code="PERMISSION_DENIED",
            hint=f"Create one, or let the owner run: GRANT USAGE, CREATE ON SCHEMA public TO {user_of(target)};",
        )
    schema, allowed, in_the_way = row
    if not allowed:
        raise DatabaseError(
            f"the user {user_of(target)} may not create tables in the schema {schema} of {place(target)}",
            code="PERMISSION_DENIED",
            hint=f"Let the owner run: GRANT USAGE, CREATE ON SCHEMA {quoted(schema)} TO {user_of(target)};",
            details={"kind": "schema", "name": schema},
        )
    if in_the_way:
        raise DatabaseError(
            f"the schema {schema} has {', '.join(in_the_way)} but no {DEFINITIONS}: half an instance is in the way",
            code="LAYOUT_UNSUPPORTED",
            hint="Name another database, or remove these tables.",
            details={"tables": in_the_way},
        )
    return str(schema)


def _run(conn: Connection, schema: str, statements: str) -> None:
    """Run unqualified DDL in ``schema``; temporary tables of the session come last, so that none is taken for ours."""
    conn.execute(f"SET LOCAL search_path TO {quoted(schema)}, pg_temp")
    conn.execute(statements)


def _record(conn: Connection, schema: str, applied: tuple[Migration, ...]) -> None:
    for migration in applied:
        conn.execute(
            f"INSERT INTO {quoted(schema)}.{BOOKKEEPING} (name, checksum, wfsync) VALUES (%s, %s, %s)",  # noqa: S608 - quoted
            [migration.name, migration.checksum, __version__],
        )


def _text(name: str) -> str:
    return (files("wfsync.store") / "sql" / name).read_text("utf-8")
