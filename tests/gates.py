"""Places in the server where a writer stands still until a test lets it go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from databases import Database
from wfsync.store.connection import lock_key

__all__ = ["PLACES", "Gate", "Place", "gate", "held"]

_KEY: Final = 4711


@dataclass(frozen=True, slots=True)
class Place:
    """A trigger that waits: ``BEFORE INSERT ON …`` and the rest of CREATE TRIGGER."""

    event: str
    table: str
    when: str = ""
    level: str = "ROW"
    deferred: bool = False


@dataclass(slots=True)
class Gate:
    """Closed until `open` is called. Once open it stays open."""

    conn: psycopg.Connection[Any]
    closed: bool = True

    def open(self) -> None:
        """Let everybody pass."""
        if self.closed:
            self.conn.execute("SELECT pg_advisory_unlock_all()")
            self.closed = False


@contextmanager
def gate(database: Database, place: Place, key: int = _KEY) -> Iterator[Gate]:
    """Put a closed gate at ``place``; it is open afterwards, and left in the database."""
    function = f"gate_{key}"
    database.execute(
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" PERFORM pg_advisory_xact_lock_shared({key});"
        " IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
        f"CREATE {'CONSTRAINT ' if place.deferred else ''}TRIGGER {function} {place.event} ON {place.table}"
        f"{' DEFERRABLE INITIALLY DEFERRED' if place.deferred else ''} FOR EACH {place.level}"
        f"{f' WHEN ({place.when})' if place.when else ''} EXECUTE FUNCTION {function}()",
    )
    with held(database, key) as made:
        yield made


@contextmanager
def held(database: Database, key: int) -> Iterator[Gate]:
    """Hold the advisory lock ``key`` until `Gate.open`."""
    with database.connect() as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [key])
        made = Gate(conn)
        try:
            yield made
        finally:
            made.open()


def apply_lock(database: Database) -> int:
    """The advisory lock of an apply."""
    return lock_key("apply", database.tenant or "")


PLACES: Final = {
    "deleting": Place("BEFORE DELETE", "workflow_definitions"),
    "copying definitions": Place("BEFORE INSERT", "workflow_definitions", "NEW.key LIKE 'support%'"),
    "copying versions": Place("BEFORE INSERT", "workflow_definition_versions", "NEW.version = 2"),
    "copied": Place("AFTER INSERT", "workflow_definition_versions", level="STATEMENT"),
    "updating": Place("BEFORE UPDATE", "workflow_definitions"),
    "relinking": Place("BEFORE UPDATE OF draft_definition", "workflow_definitions"),
    "committing": Place("AFTER INSERT", "workflow_definitions", deferred=True),
}
"""By what the writer is doing there."""
