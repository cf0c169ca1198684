"""The entry point: global options, and errors → messages and exit codes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal

import click

from wfsync import __version__
from wfsync.cli import completion, exit_codes
from wfsync.cli.commands import Commands
from wfsync.cli.context import DEFAULT_LOCK_TIMEOUT, App
from wfsync.cli.interruption import IN_CONTEXT, Signals, Terminated
from wfsync.cli.options import failure_document, shows_refusals
from wfsync.cli.usage_hints import usage_hint
from wfsync.errors import WfsyncError

__all__ = ["cli", "main"]

_CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Commands, context_settings=_CONTEXT)
@click.option("--config", metavar="FILE", help="Use this wfsync.yaml instead of looking for one.")
@click.option(
    "-e", "--env", metavar="NAME", help="Environment of wfsync.yaml: its database, its tenant and its overlay."
)
@click.option("--database", metavar="URL", help="PostgreSQL to use: a URL or libpq's key=value form.")
@click.option("--tenant", metavar="ID", help="Whose workflows are meant, where the instance has tenants.")
@click.option(
    "--actor", metavar="NAME", help="Who applies, for the ledger. Default: WFSYNC_ACTOR, CI's variables, the user."
)
@click.option(
    "--lock-timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True, max=86_400),
    default=DEFAULT_LOCK_TIMEOUT,
    show_default=True,
    help="How long to wait for a lock that somebody else holds.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only results and errors.")
@click.option("-v", "--verbose", count=True, help="Say more; repeat for still more.")
@click.option("--no-color", is_flag=True, help="No colours, also on a terminal (as NO_COLOR does).")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="Form of messages on stderr.")
@click.version_option(__version__, prog_name="wfsync")
@click.pass_context
def cli(
    context: click.Context,
    config: str | None,
    env: str | None,
    database: str | None,
    tenant: str | None,
    actor: str | None,
    lock_timeout: float,
    quiet: bool,
    verbose: int,
    no_color: bool,
    log_format: Literal["text", "json"],
) -> None:
    """GitOps for workflow definitions: plan, apply and export between git and PostgreSQL.

    A directory in git is the source of truth, one bundle file per workflow. With no database named, wfsync starts an
    embedded PostgreSQL under .wfsync/ in the repository.
    """
    signals: Signals = context.meta[IN_CONTEXT]
    context.obj = App(
        config,
        database,
        tenant,
        lock_timeout,
        quiet,
        verbose,
        no_color,
        log_format,
        env=env,
        actor=actor,
        on_commit=signals.commit,
    )


def main(arguments: Sequence[str] | None = None, *, signals: Signals | None = None) -> int:
    """Run one command; returns the exit code (spec: cli.md "Exit codes"). ``arguments`` default to the process's.

    ``signals`` are those of the process where it caught them already; else they are caught here, and given back.
    """
    if signals is None:
        with Signals() as caught:
            return main(arguments, signals=caught)
    if (code := completion.answer(cli)) is not None:
        return code
    begun: click.Context | None = None
    gc.disable()  # a short life with few cycles; collecting while many documents pass through doubles a plan's time
    try:
        with cli.make_context("wfsync", list(sys.argv[1:] if arguments is None else arguments)) as context:
            begun = context
            context.meta[IN_CONTEXT] = signals
            code = _invoke(context, signals)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        code = _usage(error)
    except click.Abort:
        code = exit_codes.INTERRUPTED
    except (KeyboardInterrupt, Terminated) as stop:
        code = _stopped(stop, signals, None if begun is None else begun.obj)
    except BrokenPipeError:
        # The reader of stdout went away (`wfsync plan | head`): no error, and nothing left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exit_codes.OK
    except OSError as error:  # `--help` into a full disk
        code = _unwritable(error, None if begun is None else begun.obj)
    return code


def _invoke(context: click.Context, signals: Signals) -> int:
    try:
        result = cli.invoke(context)
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, it becomes a message and an exit code
        code = _failed(context, error, signals)
        if signals.committed and signals.received is None:
            _say(signals.state, context.obj)
        return code
    return result if isinstance(result, int) else exit_codes.OK


def _failed(context: click.Context, error: Exception, signals: Signals) -> int:
    app: App | None = context.obj
    if isinstance(error, WfsyncError) and app is not None:
        # After a commit, a document that says "failed" would be a lie: only the report did. After a document, a second
        # one would make both unreadable: a run that failed is a result, and an error besides.
        is_told = signals.committed or app.answered.is_set()
        document = None if is_told else failure_document(context, error)
        if document is not None:
            app.result(document)
        app.error(error, listed=document is not None and shows_refusals(context, error))
        return exit_codes.of(error)
    if app is not None and app.verbose > 1:
        raise error
    if signals.received is not None:
        return _stopped(signals.received, signals, app)
    if isinstance(error, OSError):
        return _unwritable(error, app)
    message = f"{type(error).__name__}: {str(error)[:500]}"
    return _fault("INTERNAL", message, app, "this is a defect of wfsync; -vv shows where")


def _stopped(stop: KeyboardInterrupt | Terminated, signals: Signals, app: App | None) -> int:
    _say(f"{'terminated' if isinstance(stop, Terminated) else 'interrupted'}: {signals.state}", app)
    return signals.exit_code(stop)


def _unwritable(error: OSError, app: App | None) -> int:
    return _fault("OUTPUT", f"a file or stream cannot be used: {error.strerror or error}", app)


def _fault(code: str, message: str, app: App | None, hint: str | None = None) -> int:
    """Say what ended the command although nobody foresaw it; as little as can be is imported for that."""
    if app is not None and app.log_format == "json":
        app.record({"level": "error", "code": code, "message": message, "hint": hint})
    else:
        for line in (f"error {code}: {message}", *([] if hint is None else [hint])):
            _say(line, app)
    return exit_codes.ERROR


def _usage(error: click.ClickException) -> int:
    with suppress(OSError):  # nobody can be told
        error.show()
        if hint := usage_hint(error):
            click.echo(hint, err=True)
    return exit_codes.USAGE if isinstance(error, click.UsageError) else exit_codes.ERROR


def _say(message: str, app: App | None) -> None:
    """One line of log, in the form that was asked for, where that is known already."""
    (app or App()).log("info", message)
