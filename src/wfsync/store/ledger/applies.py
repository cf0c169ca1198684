"""The ledger of applies: written by the apply's own transaction, thinned out, and read again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.types.json import Jsonb

from wfsync.errors import ConfigError, DatabaseError
from wfsync.store.commit import leave
from wfsync.store.faults import translate
from wfsync.store.ledger.access import is_open, look, tenant_text
from wfsync.store.ledger.images import expand
from wfsync.store.ledger.values import AppliedRow, ChangeRow, Retention
from wfsync.store.session import connect, target_of

if TYPE_CHECKING:
    from wfsync.store.instance import Tenant
    from wfsync.store.session import Connection

__all__ = [
    "applies",
    "begin_record",
    "changes_of",
    "find_apply",
    "finish_record",
    "images_of",
    "record_changes",
    "record_failure",
    "thin_out",
]

_CHUNK: Final = 5000
_IMAGE_BYTES: Final = 4 << 20
"""Compressed images that are sent at once."""
_COLUMNS: Final = (
    "apply_id::text, command, outcome, actor, actor_origin, source, target, plan_digest, wfsync, seconds, error_code,"
    " error, run_url, branch, commit_id, dirty, options, counts, at"
)
_PATIENCE: Final = 5.0
"""Seconds for recording a failure: it must not keep anybody from hearing of it."""

# No two applies of a tenant have one time, and none is before its predecessor, whatever the clock does
_INSERT: Final = """
    INSERT INTO wfsync.applies (tenant, apply_id, at, command, outcome, error_code, error, actor, actor_origin, run_url,
        source, branch, commit_id, dirty, target, plan_digest, options, counts, wfsync, seconds)
    VALUES (%(tenant)s, %(id)s, GREATEST(pg_catalog.clock_timestamp(),
            (SELECT pg_catalog.max(a.at) FROM wfsync.applies a WHERE a.tenant = %(tenant)s) + interval '1 microsecond'),
        %(command)s, %(outcome)s, %(error_code)s, %(error)s, %(actor)s, %(actor_origin)s, %(run_url)s, %(source)s,
        %(branch)s, %(commit)s, %(dirty)s, %(target)s, %(plan_digest)s, %(options)s, %(counts)s, %(wfsync)s,
        %(seconds)s)
    ON CONFLICT DO NOTHING
"""


def begin_record(conn: Connection, tenant: Tenant | None, row: AppliedRow) -> None:
    """Insert ``row`` in the caller's transaction, under the lock of applies; `finish_record` says how long it took."""
    conn.execute(_INSERT, _parameters(tenant, row))


def finish_record(conn: Connection, tenant: Tenant | None, apply_id: str, seconds: float) -> None:
    """Complete the row of an apply that has done its work."""
    conn.execute(
        "UPDATE wfsync.applies SET seconds = %s WHERE tenant = %s AND apply_id = %s",
        [seconds, tenant_text(tenant), apply_id],
    )


def record_changes(
    conn: Connection,
    tenant: Tenant | None,
    apply_id: str,
    changes: Sequence[ChangeRow],
    images: Iterable[tuple[str, bytes]],
) -> None:
    """Write every change with its image, in bulk and with bounded memory. ``images`` are by ``before_id``."""
    by_id: dict[str | None, ChangeRow] = {
        change.before_id: change for change in changes if change.before_id is not None
    }
    held: list[tuple[Any, ...]] = []
    size = 0
    for workflow_id, image in images:
        change = by_id.pop(workflow_id)
        held.append((*_values(tenant, apply_id, change), image))
        size += len(image)
        if size >= _IMAGE_BYTES:
            _insert_images(conn, held)
            held, size = [], 0
    _insert_images(conn, held)
    remaining = (c for c in changes if c.before_id is None or c.before_id in by_id)
    _insert_plain(conn, tenant, apply_id, remaining)


def _values(tenant: Tenant | None, apply_id: str, c: ChangeRow) -> tuple[Any, ...]:
    digests = (c.before_digest, c.after_digest, c.before_id, c.after_id)
    return (tenant_text(tenant), apply_id, c.position, c.key, c.action, *digests, list(c.versions))


_CHANGE_COLUMNS: Final = (
    "tenant, apply_id, position, key, action, before_digest, after_digest, before_id, after_id, versions"
)


def _insert_images(conn: Connection, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO wfsync.apply_changes ({_CHANGE_COLUMNS}, image)"  # noqa: S608 - names from above
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::pg_catalog.int4[], %b)",
                rows,
            )


def _insert_plain(conn: Connection, tenant: Tenant | None, apply_id: str, changes: Iterable[ChangeRow]) -> None:
    """Changes without an image: one JSON document for some thousand rows (see `wfsync.store.ledger.managed.write`)."""
    import orjson

    remaining = iter(changes)
    while chunk := list(islice(remaining, _CHUNK)):
        rows = [
            {
                "position": c.position,
                "key": c.key,
                "action": c.action,
                "before_digest": c.before_digest,
                "after_digest": c.after_digest,
                "before_id": c.before_id,
                "after_id": c.after_id,
                "versions": "{" + ",".join(map(str, c.versions)) + "}",
            }
            for c in chunk
        ]
        conn.execute(
            f"INSERT INTO wfsync.apply_changes ({_CHANGE_COLUMNS})"  # noqa: S608 - names from above
            " SELECT %s, %s::pg_catalog.uuid, position, key, action, before_digest, after_digest, before_id, after_id,"
            " versions::pg_catalog.int4[] FROM pg_catalog.json_to_recordset(%s::pg_catalog.json) AS new (position int4,"
            " key text, action text, before_digest text, after_digest text, before_id text, after_id text,"
            " versions text)",
            [tenant_text(tenant), apply_id, orjson.dumps(rows).decode()],
        )


def record_failure(conn: Connection, tenant: Tenant | None, row: AppliedRow, keep: Retention | None) -> None:
    """Leave one row for an apply that failed, after its rollback; never raises for a database that will not take it.

    Uses ``conn``, or a new connection to the same target where that is gone: a transaction of its own in either case.
    Then thins out: what fails for months must not fill the ledger until it succeeds.
    """
    with contextlib.suppress(psycopg.Error, DatabaseError, ConfigError):
        target = target_of(conn)
        if not conn.closed:
            _record_failure(conn, tenant, row, keep)
        elif target is not None:
            with connect(target, lock_timeout=_PATIENCE) as other:
                _record_failure(other, tenant, row, keep)


def _record_failure(conn: Connection, tenant: Tenant | None, row: AppliedRow, keep: Retention | None) -> None:
    if _patiently(conn, lambda: conn.execute(_INSERT, _parameters(tenant, row))):
        _patiently(conn, lambda: thin_out(conn, tenant, keep))


def _patiently(conn: Connection, write: Callable[[], object]) -> bool:
    """One transaction of its own that nobody waits long for; whether the ledger could be written at all."""
    conn.execute("BEGIN")
    try:
        limit = str(round(_PATIENCE * 1000))
        conn.execute(
            "SELECT pg_catalog.set_config('statement_timeout', %s, true),"
            " pg_catalog.set_config('lock_timeout', %s, true)",
            [limit, limit],
        )
        is_writable = look(conn).is_writable
        if is_writable:
            write()
        conn.execute("COMMIT")
    finally:
        leave(conn)
    return is_writable


def thin_out(conn: Connection, tenant: Tenant | None, keep: Retention | None) -> None:
    """Remove applies that are beyond the number **and** older than the days of ``keep``, with their changes.

    Failed ones are counted by themselves: a daemon that fails every minute must not push out what can be rolled back.
    With None nothing goes.
    """
    if keep is None:
        return
    parameters = {"tenant": tenant_text(tenant), "applies": keep.applies, "days": keep.days}
    gone = [apply_id for (apply_id,) in conn.execute(_TOO_OLD, parameters)]
    if gone:
        for table in ("apply_changes", "applies"):
            conn.execute(
                f"DELETE FROM wfsync.{table} WHERE tenant = %s AND apply_id = ANY (%s)",  # noqa: S608 - names from above
                [tenant_text(tenant), gone],
            )


_TOO_OLD: Final = """
    SELECT r.apply_id FROM (
        SELECT a.apply_id, a.at, pg_catalog.row_number() OVER (PARTITION BY a.outcome ORDER BY a.at DESC) AS place
        FROM wfsync.applies a WHERE a.tenant = %(tenant)s) r
    WHERE r.place > %(applies)s AND r.at < pg_catalog.now() - pg_catalog.make_interval(days => %(days)s)
"""


# ----------------------------------------------------------------------------------------------------------- reading


def applies(
    conn: Connection, tenant: Tenant | None, *, limit: int | None = None, key: str | None = None
) -> list[AppliedRow] | None:
    """The last ``limit`` applies, or those that changed ``key``, newest first; None where no ledger can be read."""
    if not look(conn).may_read("applies", *(["apply_changes"] if key is not None else [])):
        return None
    condition = "TRUE"
    if key is not None:
        condition = (
            "EXISTS (SELECT FROM wfsync.apply_changes c"
            " WHERE c.tenant = a.tenant AND c.apply_id = a.apply_id AND c.key = %(key)s)"
        )
    with translate(target_of(conn), "reading the ledger"):
        found = conn.execute(
            f"SELECT {_COLUMNS} FROM wfsync.applies a WHERE a.tenant = %(tenant)s AND {condition}"  # noqa: S608 - from above
            " ORDER BY a.at DESC LIMIT %(limit)s",
            {"tenant": tenant_text(tenant), "key": key, "limit": limit},
        )
        return [_applied_row(row) for row in found]


_IS_LAST: Final = (
    " AND a.outcome = 'applied' AND a.command NOT IN ('adopt', 'release')"
    " AND EXISTS (SELECT FROM wfsync.apply_changes c WHERE c.tenant = a.tenant AND c.apply_id = a.apply_id)"
)
"""What changes no workflow (those two, and consent to go back) is not meant by whoever says ``last``."""


def find_apply(conn: Connection, tenant: Tenant | None, reference: str) -> AppliedRow:
    """The apply that ``reference`` means: an id, the beginning of one, or ``last`` for the last that was applied.

    Raises `ConfigError`: ``NO_LEDGER``, ``UNKNOWN_APPLY``, ``AMBIGUOUS_APPLY``; `DatabaseError`
    (``LEDGER_UNAVAILABLE``) where it, or what it did, may not be read.
    """
    if not is_open(conn, "applies", "apply_changes"):
        raise ConfigError(
            "there is no ledger in this database",
            code="NO_LEDGER",
            hint="the first `wfsync apply` creates it; `wfsync db status` says what there is",
        )
    is_last = reference == "last"
    with translate(target_of(conn), "reading the ledger"):
        found = conn.execute(
            f"SELECT {_COLUMNS} FROM wfsync.applies a WHERE a.tenant = %(tenant)s"  # noqa: S608 - from above
            + (_IS_LAST if is_last else " AND pg_catalog.starts_with(a.apply_id::text, %(id)s)")
            + f" ORDER BY a.at DESC LIMIT {1 if is_last else 11}",
            {"tenant": tenant_text(tenant), "id": reference.strip().lower()},
        ).fetchall()
    if not found or not reference.strip():
        raise ConfigError(
            f"no apply of the ledger is meant by {reference[:60]!r}",
            code="UNKNOWN_APPLY",
            hint="`wfsync history` lists them; name one by its id or the beginning of it, or say last; those older than"
            " `ledger.keep` says are gone",
        )
    if len(found) > 1:
        ids = [row[0] for row in found[:10]]
        raise ConfigError(
            f"{reference!r} is the beginning of several ids: {', '.join(ids)}{', …' if len(found) > len(ids) else ''}",
            code="AMBIGUOUS_APPLY",
            hint="give more of the id",
            details={"applies": ids},
        )
    return _applied_row(found[0])


def changes_of(conn: Connection, tenant: Tenant | None, apply_id: str) -> list[ChangeRow]:
    """What an apply did, in order of key."""
    with translate(target_of(conn), "reading the ledger"):
        rows = conn.execute(
            "SELECT position, key, action, before_digest, after_digest, before_id, after_id, versions,"
            " image IS NOT NULL FROM wfsync.apply_changes WHERE tenant = %s AND apply_id = %s ORDER BY position",
            [tenant_text(tenant), apply_id],
        )
        return [ChangeRow(*row) for row in rows]


def images_of(
    conn: Connection, tenant: Tenant | None, apply_id: str, positions: Iterable[int]
) -> Iterator[tuple[int, bytes]]:
    """``(position, JSON text)`` of the rows before, as `wfsync.store.ledger.images.expand` describes it, one at a time.

    Changes without an image (creates) are left out.
    """
    for position in positions:
        with translate(target_of(conn), "reading the ledger"):
            row = conn.execute(
                "SELECT image FROM wfsync.apply_changes WHERE tenant = %s AND apply_id = %s AND position = %s",
                [tenant_text(tenant), apply_id, position],
            ).fetchone()
        if row is not None and row[0] is not None:
            yield position, expand(bytes(row[0]))


def _applied_row(row: tuple[Any, ...]) -> AppliedRow:
    return AppliedRow(*row)


def _parameters(tenant: Tenant | None, row: AppliedRow) -> Mapping[str, Any]:
    return {
        "tenant": tenant_text(tenant),
        **{name: getattr(row, name) for name in AppliedRow.__slots__},
        "options": Jsonb(dict(row.options)),
        "counts": Jsonb(dict(row.counts)),
    }
