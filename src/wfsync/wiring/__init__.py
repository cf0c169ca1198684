"""Settings → concrete objects: the only place that picks a repository, a server and a tenant for a command.

Belongs here: what turns options, environment and ``wfsync.yaml`` into an opened repository (`workspace`) and an open
session (`sessions`), and brings both together (`comparing`). Does not belong here: what a command does with them.
"""

from wfsync.wiring.comparing import comparing, owning, stocktaking
from wfsync.wiring.sessions import Session, embedded_root, lacks_tables, open_session, open_target, renewed
from wfsync.wiring.workspace import Workspace, open_workspace, repository_root

__all__ = [
    "Session",
    "Workspace",
    "comparing",
    "embedded_root",
    "lacks_tables",
    "open_session",
    "open_target",
    "open_workspace",
    "owning",
    "renewed",
    "repository_root",
    "stocktaking",
]
