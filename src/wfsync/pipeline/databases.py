"""What `wfsync db status` tells: a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wfsync.store.connection import connect
from wfsync.store.layout import InstanceLayout, detect
from wfsync.store.migrate import pending
from wfsync.store.target import Target

if TYPE_CHECKING:
    from wfsync.store.embedded import EmbeddedServer, ServerStatus

__all__ = ["DatabaseStatus", "describe"]


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """One database, as far as it can be looked at without changing or starting anything."""

    display: str
    """Without a password."""
    kind: str
    origin: str
    """What named it."""
    server: ServerStatus | None = None
    """Of the embedded server."""
    server_version: str | None = None
    """None when it does not run."""
    layout: InstanceLayout | None = None
    pending: tuple[str, ...] = field(default=())
    """Migrations that `wfsync db upgrade` would apply."""


def describe(target: Target | None, origin: str, server: EmbeddedServer | None) -> DatabaseStatus:
    """Look at ``target``; None is the embedded ``server``, which is not started. Raises `DatabaseError`."""
    status = server.status() if server is not None else None
    if target is None:
        if server is None or status is None or status.state != "running":
            display = str(status.data_dir) if status is not None else "embedded"
            return DatabaseStatus(display, "embedded", origin, status)
        target = Target("embedded", server.start().conninfo())
    with connect(target, read_only=True) as conn:
        layout = detect(conn)
        version = conn.info.parameter_status("server_version")
        return DatabaseStatus(target.display(), target.kind, origin, status, version, layout, pending(conn))
