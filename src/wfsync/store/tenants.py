"""Whose rows a database holds: the tenants that its workflows name."""

from __future__ import annotations

from wfsync.errors import ConfigError
from wfsync.store.faults import translate
from wfsync.store.instance import DEFINITIONS, InstanceLayout, quoted
from wfsync.store.session import Connection, target_of

__all__ = ["tenants_found"]


def tenants_found(conn: Connection, layout: InstanceLayout) -> tuple[str, ...]:
    """Every tenant that a row of ``workflow_definitions`` has, as text, in order; none where there are no tables.

    Raises `ConfigError` (``TENANT_UNSUPPORTED``) where the instance has no tenant column, and `DatabaseError`.
    """
    if layout.definitions is None:
        return ()
    column = layout.tenant
    if column is None:
        raise ConfigError(
            "this instance has no tenant column, so there are no tenants to be found",
            code="TENANT_UNSUPPORTED",
            hint="leave `tenants:` of the environment out for this database",
        )
    name, table = quoted(column.name), layout.definitions.qualified
    # One look into the index for each tenant where there is an index, instead of one at every row
    statement = f"""
        WITH RECURSIVE found AS (
            (SELECT {name} AS tenant FROM {table} WHERE {name} IS NOT NULL ORDER BY {name} LIMIT 1)
            UNION ALL
            SELECT (SELECT {name} FROM {table} WHERE {name} > found.tenant ORDER BY {name} LIMIT 1)
            FROM found WHERE found.tenant IS NOT NULL
        )
        SELECT tenant::pg_catalog.text FROM found WHERE tenant IS NOT NULL ORDER BY tenant
    """  # noqa: S608 - quoted names from the catalog
    with translate(target_of(conn), f"reading the tenants of {DEFINITIONS}"):
        return tuple(str(tenant) for (tenant,) in conn.execute(statement))
