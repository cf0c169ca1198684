"""Where runs live: the schema of wfsync's own tables, the tenant, and the refusal where runs cannot live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wfsync.errors import DatabaseError
from wfsync.store.faults import translate
from wfsync.store.instance import NIL_TENANT, InstanceLayout, quoted
from wfsync.store.session import Connection, target_of
from wfsync.store.target import Target

__all__ = ["ENGINE_SCHEMA", "Place", "require_place"]

ENGINE_SCHEMA: Final = "wfsync_engine"
"""The engine's own tables, in the same database as the runs."""


@dataclass(frozen=True, slots=True)
class Place:
    """One tenant's runs in one database."""

    target: Target
    schema: str
    """Of the tables."""
    tenant: str

    @property
    def queue(self) -> str:
        """The engine's queue of this tenant's turns: a worker serves one tenant."""
        return f"turns-{self.tenant}"

    @property
    def search_path(self) -> str:
        """What unqualified names mean: the tables, and never a temporary one in their way."""
        return f"{quoted(self.schema)}, pg_temp"


def require_place(conn: Connection, layout: InstanceLayout, tenant: str | None) -> Place:
    """Where the runs of ``tenant`` live.

    Raises `DatabaseError` (``RUNTIME_UNAVAILABLE``) where the tables are not wfsync's own: an instance that somebody
    else made executes its workflows itself, and its run tables are not ours to write.
    """
    target = target_of(conn)
    if target is None:
        raise DatabaseError("the session was not opened by wfsync", code="RUNTIME_UNAVAILABLE")
    if layout.definitions is None:
        raise DatabaseError(
            f"{target.display()} has no workflows and no tables for them",
            code="RUNTIME_UNAVAILABLE",
            hint="run `wfsync db upgrade`, then `wfsync apply`",
            details={"missing": ["workflow_definitions"]},
        )
    if layout.name != "wfsync":
        raise DatabaseError(
            f"the tables of {target.display()} were not made by wfsync (layout {layout.name}): their instance executes"
            " its workflows itself",
            code="RUNTIME_UNAVAILABLE",
            hint="run workflows in a database of wfsync's own: leave --database out for the embedded one, or let"
            " `wfsync db upgrade` make tables in an empty database",
            details={"layout": layout.name, "missing": ["wfsync_migrations"]},
        )
    return Place(target, layout.definitions.schema, tenant or NIL_TENANT)


def engine_is_there(conn: Connection) -> bool:
    """Whether the engine's tables exist in the database."""
    with translate(target_of(conn), "looking for the engine's tables"):
        row = conn.execute(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname = %s AND p.proname = 'enqueue_workflow')",
            [ENGINE_SCHEMA],
        ).fetchone()
    return bool(row and row[0])
