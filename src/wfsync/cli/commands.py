"""Every command of `wfsync`, in the order of `--help`."""

from __future__ import annotations

from typing import Final

import click

from wfsync.cli.database import db
from wfsync.cli.exporting import export
from wfsync.cli.importing import import_
from wfsync.cli.inspecting import diff, refs
from wfsync.cli.reconcile import apply, plan

__all__ = ["COMMANDS"]

COMMANDS: Final[tuple[click.Command, ...]] = (plan, apply, export, import_, diff, refs, db)
