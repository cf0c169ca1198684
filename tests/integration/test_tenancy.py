"""No statement leaves the tenant out, and no operation for one tenant touches another's row.

Two proofs: every statement is recorded and must name the tenant once for each table that it names; and another tenant,
with the same keys and (where the layout allows it) the same ids, keeps every row as it was: xmin, xmax and ctid, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from databases import OTHER_TENANT, TENANT, Databases, LayoutName
from rows import METADATA, Session, new, session, workflow_id
from wfsync.errors import DatabaseError
from wfsync.store import cascade, new_rows, reader, rewrite, runs, writer
from wfsync.store.connection import snapshot, write_transaction
from wfsync.store.scope import Scope

TENANTS: tuple[LayoutName, ...] = ("wfsync", "A½", "B", "B-Citus")
COMPOSITE = ("wfsync", "B-Citus")
"""Layouts in which two tenants may have the same ids."""


class Recording(psycopg.Cursor[TupleRow]):
    """Keeps the text of every statement, however it is sent."""

    statements: list[str]

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        self.statements.append(_text(query))
        return super().execute(query, *args, **kwargs)

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
        self.statements.append(_text(query))
        super().executemany(query, *args, **kwargs)

    def stream(self, query: Any, *args: Any, **kwargs: Any) -> Iterator[TupleRow]:
        self.statements.append(_text(query))
        return super().stream(query, *args, **kwargs)

    @contextmanager
    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Iterator[psycopg.Copy]:
        self.statements.append(_text(statement))
        with super().copy(statement, *args, **kwargs) as copy:
            yield copy


def _text(query: Any) -> str:
    return query.decode() if isinstance(query, bytes) else str(query)


@pytest.fixture(params=TENANTS)
def shared(request: pytest.FixtureRequest, database: Databases) -> Iterator[tuple[Session, Session]]:
    """Two tenants with equal keys in one database; the ids are equal where they may be."""
    place = database(request.param)
    with session(place, TENANT) as s:
        other = s.as_tenant(OTHER_TENANT)
        s.write(*(new(n) for n in range(1, 4)))
        offset = 0 if request.param in COMPOSITE else 100
        other.write(*(new(offset + n, key=f"flow-{n}") for n in range(1, 4)))
        column = s.layout.tenant
        assert column is not None
        for tenant, first in ((TENANT, 1), (OTHER_TENANT, offset + 1)):
            s.conn.execute(
                f"INSERT INTO workflow_runs ({column.name}, workflow_id, workflow_version, status)"
                " VALUES (%s, %s, 1, 'RUNNING'), (%s, %s, 1, 'FAILED')",
                [tenant, workflow_id(first), tenant, workflow_id(first)],
            )
        yield s, other


def _everything(s: Session) -> None:
    """Every statement that the store has for rows, for the tenant of ``s``."""
    conn, layout, tenant = s.conn, s.layout, s.tenant
    row = new(9)
    with snapshot(conn):
        assert len(reader.read_ids(conn, layout, tenant)) == 3
        assert [w.key for w in reader.stream(conn, layout, tenant)] == ["flow-1", "flow-2", "flow-3"]
        found = list(reader.stream(conn, layout, tenant, ids=[workflow_id(n) for n in (1, 2, 101)]))
        assert [len(w.versions) for w in found] == [2, 2]
        assert runs.active_runs(conn, layout, tenant, [workflow_id(1), workflow_id(101)]) == {
            workflow_id(1): {"RUNNING": 1}
        }
        counted = cascade.count(conn, layout, tenant, [workflow_id(1), workflow_id(101)])
        assert {c.table: c.rows for c in counted.totals} == {"workflow_definition_versions": 2, "workflow_runs": 2}
    with write_transaction(conn, 5):
        writer.lock_table_if_needed(conn, layout)
        ids = [workflow_id(n) for n in (1, 2, 3, 101)]
        assert len(writer.lock_definitions(conn, layout, tenant, ids)) == 3
        assert writer.existing_keys(conn, layout, tenant, ["flow-1"]) == {"flow-1": (workflow_id(1),)}
        writer.insert(conn, layout, tenant, [row])
        rewrite.update(
            conn,
            layout,
            tenant,
            [
                rewrite.UpdateWorkflow(
                    workflow_id(2), METADATA, 2, b"{}", (new_rows.NewVersion(2, b"{}", None), row.versions[0])
                )
            ],
        )
        rewrite.relink(conn, layout, tenant, [rewrite.Relink(workflow_id(3), b"{}", ((1, b"{}"),))])
        rewrite.delete(conn, layout, tenant, [workflow_id(1)])


def _fingerprint(s: Session) -> Sequence[Any]:
    """All of a tenant's rows, with what moves when a row is written or locked."""
    column, tenant = s.layout.tenant, s.tenant
    assert column is not None
    assert tenant is not None
    return [
        s.rows(
            f"SELECT x.xmin::text, x.xmax::text, x.ctid, x FROM {t} x WHERE {column.name} = %s ORDER BY ctid",
            tenant.value,
        )
        for t in ("workflow_definitions", "workflow_definition_versions", "workflow_runs")
    ]


def test_another_tenants_rows_are_not_touched(shared: tuple[Session, Session]) -> None:
    s, other = shared
    before = _fingerprint(other)
    _everything(s)
    assert _fingerprint(other) == before
    assert len(other.read()) == 3


def test_every_statement_names_the_tenant_for_every_table(
    shared: tuple[Session, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    s, _ = shared
    monkeypatch.setattr(Recording, "statements", [], raising=False)
    s.conn.cursor_factory = Recording
    _everything(s)
    column = s.layout.tenant
    assert column is not None

    statements = [
        text for text in Recording.statements if re.search(r"\"workflow_(definitions|definition_versions|runs)\"", text)
    ]
    assert len(statements) >= 15, "reading, locking, inserting, updating, relinking, deleting, counting"
    for text in statements:
        if text.startswith("LOCK TABLE"):
            continue
        if text.startswith("WITH RECURSIVE"):  # the cascade: foreign keys lead on from the tenant's own rows
            assert f'x."{column.name}" = %(tenant)s' in text
            continue
        named = len(re.findall(r"(?:FROM|UPDATE|INTO|JOIN|COPY) \"\w+\"\.\"workflow_\w+\"", text))
        filtered = text.count(f'."{column.name}" = %(tenant)s')
        carried = len(re.findall(rf'(?:COPY|INTO) "\w+"\."\w+" \([^)]*"{column.name}"', text))
        assert named, text
        assert filtered + carried == named, text
        assert not re.search(rf'SET [^W]*"{column.name}" =', text), text


def test_rows_without_a_tenant_are_counted_and_never_touched(database: Databases) -> None:
    with session(database("B")) as s:
        s.write(new(1))
        s.conn.execute(
            "INSERT INTO workflow_definitions (workflow_id, key, name, draft_definition)"
            " VALUES (%s, 'flow-1', 'n', '{}')",
            [workflow_id(50)],
        )
        s.conn.execute(
            "INSERT INTO workflow_definition_versions (workflow_id, version, definition_json) VALUES (%s, 9, '{}')",
            [workflow_id(1)],
        )
        assert reader.count_null_tenants(s.conn, s.layout) == 1
        assert [(w.workflow_id, len(w.versions)) for w in s.read()] == [(workflow_id(1), 2)]
        with pytest.raises(DatabaseError), write_transaction(s.conn, 5):
            rewrite.delete(s.conn, s.layout, s.tenant, [workflow_id(50)])
        assert s.rows("SELECT count(*) FROM workflow_definitions WHERE tenant IS NULL") == [(1,)]


@pytest.mark.parametrize("layout", ["A", "A½", "B-Citus", "empty"])
def test_where_every_row_has_a_tenant_none_are_without(database: Databases, layout: LayoutName) -> None:
    with session(database(layout)) as s:
        assert reader.count_null_tenants(s.conn, s.layout) == 0


def test_a_layout_with_tenants_needs_one(database: Databases) -> None:
    with session(database("B")) as s:
        with pytest.raises(DatabaseError) as caught:
            Scope.of(s.layout, None)
        assert caught.value.code == "TENANT_REQUIRED"
