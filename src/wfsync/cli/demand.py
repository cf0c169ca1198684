"""``verify:`` of ``wfsync.yaml``: what is applied must be a commit with a good signature.

The file only demands. Who may sign is said by ``--allowed-signers`` or WFSYNC_ALLOWED_SIGNERS: whoever can push a
commit could otherwise change that with it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wfsync.errors import ConfigError

if TYPE_CHECKING:
    from wfsync.cli.context import App
    from wfsync.plan.model import Plan
    from wfsync.wiring import Workspace

__all__ = ["require_demanded", "with_demanded"]


def require_demanded(app: App, workspace: Workspace) -> None:
    """Raise `ConfigError` (``VERIFY_DEMANDED``) when ``workspace`` demands a signature that nobody looked at."""
    app.origin.require_demanded(workspace.repository, workspace.config.verify, workspace.config_label)


def with_demanded(app: App, workspace: Workspace, plan: Plan) -> Plan:
    """``plan`` that says also if apply would refuse because of `require_demanded`."""
    try:
        require_demanded(app, workspace)
    except ConfigError as error:
        if error.code != "VERIFY_DEMANDED":
            raise
        from wfsync.plan.change import Blocked

        return replace(plan, blocks=(*plan.blocks, Blocked(error.code, error.message, hint=error.hint)))
    return plan
