"""Which rows a statement may see: the tenant's, on every layout that has a tenant column (`database.md`, *Layouts*).

Statements of `reader`, `writer`, `rewrite`, `cascade` and `runs` take their tenant from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wfsync.errors import DatabaseError
from wfsync.store.layout import InstanceLayout, Table, Tenant, quoted

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The tenant of a run, as SQL. Statements take their parameters by name; ``tenant`` is one of them."""

    column: str | None = None
    type: str = "text"
    value: str | None = None
    _params: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, layout: InstanceLayout, tenant: Tenant | None) -> Scope:
        """The scope of ``tenant`` in ``layout``; `DatabaseError` when the layout has tenants and none is given."""
        if layout.tenant is None:
            return cls()
        if tenant is None:
            raise DatabaseError(
                "this instance keeps rows of several tenants, and none was named",
                code="TENANT_REQUIRED",
                hint="Name the tenant with --tenant.",
            )
        return cls(layout.tenant.name, layout.tenant.type, tenant.value, {"tenant": tenant.value})

    def where(self, alias: str) -> str:
        """A condition on ``alias``'s tenant; ``TRUE`` where there are no tenants."""
        if self.column is None:
            return "TRUE"
        return f"{alias}.{quoted(self.column)} = %(tenant)s::{self.type}"

    def params(self, **others: Any) -> dict[str, Any]:
        """The parameters of a statement that uses `where`."""
        return {**self._params, **others}

    def ids(self, table: Table, alias: str) -> str:
        """A condition: ``alias``'s workflow is one of the parameter ``ids``."""
        return f"{alias}.workflow_id = ANY (%(ids)s::{table.columns['workflow_id']}[])"
