"""What a worker's role must be allowed, asked before it begins: by night it would fail one statement at a time."""

from __future__ import annotations

from typing import Final

from wfsync.errors import DatabaseError
from wfsync.store.faults import as_identifier, translate
from wfsync.store.instance import quoted
from wfsync.store.runtime.place import ENGINE_SCHEMA, Place
from wfsync.store.session import Connection

__all__ = ["require_rights"]

_READ: Final = ("workflow_definition_versions", "workflow_secrets")
_WRITTEN: Final = (
    "workflow_action_invocations",
    "workflow_definition_contents",
    "workflow_run_history",
    "workflow_run_kept_events",
    "workflow_run_logs",
    "workflow_run_steps",
    "workflow_run_waits",
    "workflow_runs",
    "workflow_schedule_state",
    "workflow_tasks",
    "workflow_workers",
)

# Of each object the rights that the role lacks; of a closed schema nothing else is asked.
_LACKING: Final = """
    SELECT current_user::text, 'SCHEMA', n.nspname::text, 'USAGE' FROM pg_catalog.pg_namespace n
    WHERE n.nspname IN (%(schema)s, %(engine)s) AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    UNION ALL
    SELECT current_user::text, 'TABLE', pg_catalog.format('%%I.%%I', n.nspname, c.relname), p.name
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (name)
    WHERE c.relkind IN ('r', 'p') AND NOT pg_catalog.has_table_privilege(c.oid, p.name) AND (
        n.nspname = %(engine)s
        OR n.nspname = %(schema)s AND (c.relname = ANY (%(written)s)
            OR c.relname = ANY (%(read)s) AND p.name = 'SELECT'
            OR c.relname = 'workflow_definitions' AND p.name IN ('SELECT', 'UPDATE')))
    UNION ALL
    SELECT current_user::text, 'SEQUENCE', pg_catalog.format('%%I.%%I', n.nspname, c.relname), 'USAGE'
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND n.nspname = %(engine)s
        AND CASE WHEN c.relkind = 'S' THEN NOT pg_catalog.has_sequence_privilege(c.oid, 'USAGE') END
    ORDER BY 2, 3, 4
"""


def require_rights(conn: Connection, place: Place) -> None:
    """Raise `DatabaseError` (``PERMISSION_DENIED``) with every GRANT that is missing for a worker; nothing is asked of
    tables that are not there.
    """
    names = {"schema": place.schema, "engine": ENGINE_SCHEMA, "written": list(_WRITTEN), "read": list(_READ)}
    with translate(place.target, "asking what the role may do"):
        rows = conn.execute(_LACKING, names).fetchall()
    if not rows:
        return
    user = as_identifier(rows[0][0])
    raise DatabaseError(
        f"the role {user} lacks rights that a worker needs on {place.target.display()}",
        code="PERMISSION_DENIED",
        hint=f"let the owner run: {' '.join(_grants(rows, user))}",
        details={"missing": [f"{right} ON {kind} {name}" for _, kind, name, right in rows]},
    )


def _grants(rows: list[tuple[str, str, str, str]], user: str) -> list[str]:
    """One statement for each set of rights; the engine's tables, of which there are many, all at once."""
    found: dict[str, list[str]] = {}
    for _, kind, name, right in rows:
        found.setdefault(f"{kind} {quoted(name)}" if kind == "SCHEMA" else f"{kind} {name}", []).append(right)
    wanted: dict[tuple[str, str], list[str]] = {}
    for what, rights in found.items():
        kind, _, name = what.partition(" ")
        in_engine = name.startswith(f"{ENGINE_SCHEMA}.")
        right = "SELECT, INSERT, UPDATE, DELETE" if in_engine and kind == "TABLE" else ", ".join(rights)
        names = wanted.setdefault((right, f"ALL {kind}S IN SCHEMA" if in_engine else kind), [])
        if (shown := ENGINE_SCHEMA if in_engine else name) not in names:
            names.append(shown)
    order = ("SCHEMA", "TABLE", "ALL TABLES IN SCHEMA", "ALL SEQUENCES IN SCHEMA")
    return [
        f"GRANT {right} ON {kind} {', '.join(names)} TO {user};"
        for (right, kind), names in sorted(wanted.items(), key=lambda item: order.index(item[0][1]))
    ]
