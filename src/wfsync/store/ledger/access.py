"""Is there a ledger, and what may this role do with it? Asked of the catalog: a missing right makes nothing fail.

A statement that is refused would end the plan's snapshot or the apply's transaction; so rights are looked up first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from wfsync import __version__
from wfsync.errors import DatabaseError, Problem
from wfsync.store.faults import as_identifier, translate
from wfsync.store.instance import NIL_TENANT, Tenant
from wfsync.store.session import target_of

if TYPE_CHECKING:
    from wfsync.store.session import Connection

__all__ = [
    "NOT_KNOWN",
    "SCHEMA",
    "Access",
    "checksum",
    "is_open",
    "known_migrations",
    "look",
    "refused",
    "tenant_text",
]

SCHEMA: Final = "wfsync"
BOOKKEEPING: Final = "migrations"
_TABLES: Final = ("instance", "managed", "applies", "apply_changes")
_DISPOSABLE: Final = {"evidence": "0002_evidence"}
"""Tables that nothing is lost with, and the migrations that make them."""
_ONE_OR_MORE: Final = {False: "an empty table", True: "empty tables"}
_PLANNING: Final = ("instance", "managed", "evidence")
"""What plans read: neither who applied what, nor the rows before, which hold whole workflows."""
_NOT_RECORDED: Final = (
    "the apply is not recorded, cannot be rolled back, and changes that somebody makes in the database will not"
    " be told from those in git"
)
NOT_KNOWN: Final = (
    "which workflows are managed is not known: neither what somebody changed in the database, nor what another"
    " source manages, nor what --prune would delete"
)
_WRITING: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})


@dataclass(frozen=True, slots=True)
class Access:
    """The ledger of one database as one role sees it."""

    database: str
    user: str
    schema_exists: bool
    may_create_schema: bool
    may_use: bool
    """USAGE on the schema."""
    may_create_tables: bool
    """CREATE on the schema."""
    owns_tables: bool
    """It is, or is a member of, the owner of every table: it may alter them."""
    rights: Mapping[str, frozenset[str]] = field(hash=False)
    """Table → privileges of this role; only tables that exist."""
    migrations: tuple[str, ...] = ()
    """Those that were applied, in order; empty where they cannot be read."""
    changed: tuple[str, ...] = ()
    """Those among them whose statements were others than those of this wfsync."""

    @property
    def exists(self) -> bool:
        """There is a ledger, whatever this role may do with it, and whatever it has lost."""
        return any(name in self.rights for name in (BOOKKEEPING, *_TABLES))

    @property
    def is_readable(self) -> bool:
        """This role can read all of it."""
        return self._has(frozenset({"SELECT"}))

    def may_read(self, *tables: str) -> bool:
        """This role can read ``tables``: the rows before, in ``apply_changes``, are for fewer eyes than the others."""
        return self.may_use and all("SELECT" in self.rights.get(name, ()) for name in (BOOKKEEPING, *tables))

    @property
    def is_writable(self) -> bool:
        """This role can write all of it; says nothing of pending migrations."""
        return self._has(_WRITING)

    @property
    def missing(self) -> tuple[str, ...]:
        """Tables that the ledger has lost and is none without: no right would help."""
        return tuple(name for name in (BOOKKEEPING, *_TABLES) if name not in self.rights) if self.exists else ()

    @property
    def lost(self) -> tuple[str, ...]:
        """The same, and those that it can do without."""
        evidence = (name for name, migration in _DISPOSABLE.items() if migration in self.migrations)
        return (*self.missing, *(name for name in evidence if name not in self.rights))

    @property
    def is_repairable(self) -> bool:
        """This role could make anew what is lost."""
        return bool(self.lost) and BOOKKEEPING in self.rights and self.may_create_tables and self.owns_tables

    @property
    def newer(self) -> tuple[str, ...]:
        """Migrations that this wfsync does not know."""
        return tuple(name for name in self.migrations if name not in known_migrations())

    @property
    def pending(self) -> tuple[str, ...]:
        """Migrations that are still to be applied."""
        return tuple(name for name in known_migrations() if name not in self.migrations)

    def require_known(self) -> None:
        """Raise `DatabaseError`: ``LEDGER_TOO_NEW`` when a newer wfsync has changed the tables, ``MIGRATION_MISMATCH``
        when another build of this one made them.
        """
        if self.newer:
            raise DatabaseError(
                f"the ledger was made by a newer wfsync: it applied {', '.join(self.newer)},"
                f" which {__version__} does not know",
                code="LEDGER_TOO_NEW",
                hint="Upgrade wfsync itself. Nothing was written; plan and export work.",
                details={"migrations": list(self.newer)},
            )

        if self.changed:
            raise DatabaseError(
                f"the ledger was made by another build of wfsync: its {', '.join(self.changed)} is not that of"
                f" {__version__}",
                code="MIGRATION_MISMATCH",
                hint="Use the wfsync that made it. Nothing was written; plan and export work.",
                details={"migrations": list(self.changed)},
            )

    def unavailable(self, lost: str = _NOT_RECORDED) -> Problem | None:
        """The warning for who cannot write the ledger and has ``lost`` that, with what to grant; None if it can."""
        if self.missing:
            return self._damaged(lost)
        grant = self._grant()
        if grant is None:
            return None
        user = as_identifier(self.user)
        what = "keep a ledger" if not self.exists else "write the ledger"
        return Problem(
            code="LEDGER_UNAVAILABLE",
            severity="warning",
            message=f"the user {user} may not {what} in this database: {lost}",
            hint=f"Let the owner of the database run: {grant}",
            details={"grant": grant},
        )

    def unreadable(self, unknown: str = NOT_KNOWN) -> Problem | None:
        """The warning for a plan made without the ledger that is there; None where it was read, or there is none."""
        return None if self.may_read("managed") else self.closed(unknown, *_PLANNING)

    def closed(self, unknown: str, *tables: str) -> Problem | None:
        """What hinders this role to read ``tables``, so that something is ``unknown``; None where nothing does, or
        there is no ledger. No more is to be granted than these need.
        """
        if not self.exists or self.may_read(*tables):
            return None
        if self.missing:
            return self._damaged(unknown)
        user = as_identifier(self.user)
        names = ", ".join(f"{SCHEMA}.{name}" for name in (BOOKKEEPING, *tables) if name in self.rights)
        grant = f"GRANT USAGE ON SCHEMA {SCHEMA} TO {user}; GRANT SELECT ON {names} TO {user};"
        return Problem(
            code="LEDGER_UNAVAILABLE",
            severity="warning",
            message=f"the user {user} may not read the ledger in this database: {unknown}",
            hint=f"Let the owner of the database run: {grant}",
            details={"grant": grant},
        )

    def _damaged(self, consequence: str) -> Problem:
        names = ", ".join(f"{SCHEMA}.{name}" for name in self.missing)
        return Problem(
            code="LEDGER_UNAVAILABLE",
            severity="warning",
            message=f"the ledger in this database is damaged, {names} is missing: {consequence}",
            hint=f"Restore the schema {SCHEMA} from a backup. Or {self._mending()}; what was in it stays lost.",
            details={"missing": list(self.missing)},
        )

    def _mending(self) -> str:
        if BOOKKEEPING in self.missing:
            return f"DROP SCHEMA {SCHEMA} CASCADE: the next apply begins a new ledger"
        return (
            f"let the owner of the schema run `wfsync db upgrade`: it makes {_ONE_OR_MORE[len(self.missing) > 1]} anew"
        )

    def _grant(self) -> str | None:
        """The statements that would let this role write the ledger; None when it may."""
        user = as_identifier(self.user)
        use = f"GRANT USAGE ON SCHEMA {SCHEMA} TO {user};"
        tables = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {user};"
        if self.exists:
            if not self.may_use:
                return f"{use} {tables}"
            if not self.is_writable:
                return tables
            return None
        if self.schema_exists:
            may = self.may_use and self.may_create_tables
            return None if may else f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {user};"
        if self.may_create_schema:
            return None
        return (
            f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {user};"
            f" (or: GRANT CREATE ON DATABASE {as_identifier(self.database)} TO {user};)"
        )

    def _has(self, wanted: frozenset[str]) -> bool:
        return (
            self.may_use
            and "SELECT" in self.rights.get(BOOKKEEPING, ())
            and all(wanted <= self.rights.get(name, frozenset()) for name in _TABLES)
        )


_LOOK: Final = """
    SELECT pg_catalog.current_database()::pg_catalog.text, current_user::pg_catalog.text, n.oid IS NOT NULL,
        pg_catalog.has_database_privilege(pg_catalog.current_database()::pg_catalog.text, 'CREATE'),
        coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false),
        coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), false),
        NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind = ANY ('{r,p}')
            AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')),
        ARRAY(SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c
              WHERE c.relnamespace = n.oid AND c.relkind = ANY ('{r,p}')),
        ARRAY(SELECT c.relname::pg_catalog.text || ' ' || p.privilege
              FROM pg_catalog.pg_class c,
                   pg_catalog.unnest('{SELECT,INSERT,UPDATE,DELETE}'::pg_catalog.text[]) p (privilege)
              WHERE c.relnamespace = n.oid AND c.relkind = ANY ('{r,p}')
                AND pg_catalog.has_table_privilege(c.oid, p.privilege))
    FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'wfsync'
"""


def look(conn: Connection) -> Access:
    """What the catalog says of the ledger. Reads only, also on a standby; `DatabaseError` for driver faults."""
    with translate(target_of(conn), "looking for the ledger"):
        row = conn.execute(_LOOK).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without a table has one row
        database, user, exists, creates, uses, creates_tables, owns, tables, granted = row
        rights: dict[str, set[str]] = {name: set() for name in tables}
        for entry in granted:
            name, _, privilege = entry.rpartition(" ")
            rights[name].add(privilege)
        applied: dict[str, str] = {}
        if uses and "SELECT" in rights.get(BOOKKEEPING, ()):
            applied = dict(conn.execute("SELECT name, checksum FROM wfsync.migrations ORDER BY name").fetchall())
    frozen = {name: frozenset(privileges) for name, privileges in rights.items()}
    known = known_migrations()
    changed = tuple(name for name, its in applied.items() if name in known and its != checksum(known[name]))
    return Access(database, user, exists, creates, uses, creates_tables, owns, frozen, tuple(applied), changed)


def is_open(conn: Connection, *tables: str) -> bool:
    """Whether there is a ledger. Raises `DatabaseError` (``LEDGER_UNAVAILABLE``) where there is one and this role may
    not read ``tables``: that is not the same as nothing.
    """
    access = look(conn)
    closed = access.closed("what was applied is not known", *tables)
    if closed is not None:
        raise refused(closed)
    return access.exists


def refused(problem: Problem) -> DatabaseError:
    """``problem`` for a command that is nothing without the ledger."""
    return DatabaseError(problem.message, code=problem.code, hint=problem.hint, details=problem.details)


@cache
def known_migrations() -> Mapping[str, str]:
    """Every migration of the ledger that this wfsync knows, in order: name → statements."""
    folder = files("wfsync.store.ledger") / "migrations"
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {name.removesuffix(".sql"): (folder / name).read_text("utf-8") for name in found}


def checksum(statements: str) -> str:
    """What tells that an applied migration is still the one that we know."""
    return sha256(statements.encode()).hexdigest()


def tenant_text(tenant: Tenant | None) -> str:
    """The tenant as the ledger writes it: its text, the nil UUID where the instance has no tenants."""
    return NIL_TENANT if tenant is None else tenant.value
