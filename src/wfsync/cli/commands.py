"""Every command of `wfsync`, in the order of `--help`."""

from __future__ import annotations

from typing import Final

import click

from wfsync.cli.authoring import init, new
from wfsync.cli.completion import completion
from wfsync.cli.database import db
from wfsync.cli.events import events
from wfsync.cli.exporting import export
from wfsync.cli.fmt import fmt
from wfsync.cli.history import history, show
from wfsync.cli.importing import import_
from wfsync.cli.inspecting import diff, refs
from wfsync.cli.publish import publish
from wfsync.cli.reconcile import apply, plan
from wfsync.cli.reference import explain, schema
from wfsync.cli.registry import registry
from wfsync.cli.rollback import rollback
from wfsync.cli.run import run
from wfsync.cli.runs import runs
from wfsync.cli.secrets import secrets
from wfsync.cli.simulate import simulate
from wfsync.cli.standing import adopt, release, status
from wfsync.cli.tasks import tasks
from wfsync.cli.test import test
from wfsync.cli.validate import validate
from wfsync.cli.watching import watch
from wfsync.cli.worker import schedules, worker

__all__ = ["COMMANDS"]

COMMANDS: Final[tuple[click.Command, ...]] = (
    init,
    new,
    validate,
    fmt,
    publish,
    test,
    simulate,
    plan,
    apply,
    status,
    adopt,
    release,
    watch,
    export,
    import_,
    diff,
    refs,
    history,
    show,
    rollback,
    run,
    runs,
    events,
    tasks,
    worker,
    schedules,
    registry,
    secrets,
    db,
    schema,
    explain,
    completion,
)
