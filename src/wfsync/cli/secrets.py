"""``secrets``: values that workflows name, kept encrypted in the database."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import click

from wfsync.cli.context import App, pass_app
from wfsync.cli.options import environment_option, format_option

if TYPE_CHECKING:
    from wfsync.store.connection import Connection
    from wfsync.store.runtime.place import Place

__all__ = ["secrets"]

_DIRECTORY = click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the repository is."
)


@click.group()
def secrets() -> None:
    """Keep the secrets that workflows name with {"$secret": NAME}.

    Values are encrypted in the database, with a key that the database never has: WFSYNC_SECRETS_KEY_FILE names the file
    with it, or WFSYNC_SECRETS_KEY is it. An environment variable WFSYNC_SECRET_<NAME> wins over the database.
    """


@secrets.command("set")
@click.argument("name", metavar="NAME")
@environment_option
@_DIRECTORY
@click.option(
    "--from-file", "source", metavar="FILE", type=click.File("rb"), help="Read the value from FILE; - is stdin."
)
@click.option("--keep-newline", is_flag=True, help="Keep the end of the line at the end of the value.")
@click.argument("given", metavar="", nargs=-1)
@pass_app
def set_(
    app: App,
    name: str,
    directory: Path | None,
    source: BinaryIO | None,
    keep_newline: bool,
    given: tuple[str, ...],
) -> None:
    """Set a secret to what stdin or a file says; on a terminal, to what is typed unseen.

    A value is never an argument: others could read it in the list of processes. One end of line at its end is left out.

    \b
    Examples:
      wfsync secrets set MAIL_API_KEY
      wfsync secrets set TLS_KEY --from-file key.pem
    """
    from wfsync.runtime.secret_keys import keys_from
    from wfsync.runtime.secret_store import require_name, set_value

    if given:  # click's own message would repeat what may be the value
        raise click.UsageError(f"A value is never an argument: give the value of {name} on stdin or with --from-file.")
    require_name(name)
    keys = keys_from(os.environ)
    value = _value(name, source, keep_newline=keep_newline)
    with _place(app, directory) as (conn, place):
        set_value(conn, place, keys, name, value, lock_timeout=app.lock_timeout)
    app.result(f"Set {name}.")


def _value(name: str, source: BinaryIO | None, *, keep_newline: bool) -> str:
    """What was typed, piped or written. Raises `InputError` when it is no text."""
    from wfsync.errors import InputError
    from wfsync.runtime.secret_store import MAX_VALUE_BYTES

    if source is None and sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True))
    stream = source or (None if sys.stdin is None else sys.stdin.buffer)
    # Enough to see that it is too long, with an end of line or without
    data = b"" if stream is None else stream.read(MAX_VALUE_BYTES + 3)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InputError(
            f"the value for {name} is no text in UTF-8",
            code="INVALID_SECRET_VALUE",
            hint="encode what is binary, for instance in base64",
        ) from None
    return text if keep_newline else text.removesuffix("\n").removesuffix("\r")


@secrets.command("list")
@environment_option
@_DIRECTORY
@format_option("text", "json")
@pass_app
def list_(app: App, directory: Path | None, form: Literal["text", "json"]) -> None:
    """List the secrets in the database: names, ids of their keys and times, never a value."""
    from wfsync.render.secrets import secrets_json, secrets_text
    from wfsync.runtime.secret_store import listed

    with _place(app, directory) as (conn, place):
        stored = listed(conn, place)
    app.result(secrets_json(stored) if form == "json" else secrets_text(stored))


@secrets.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@environment_option
@_DIRECTORY
@pass_app
def rm(app: App, names: tuple[str, ...], directory: Path | None) -> None:
    """Remove secrets from the database, all of those named or none."""
    from wfsync.runtime.secret_store import remove

    with _place(app, directory) as (conn, place):
        remove(conn, place, names, lock_timeout=app.lock_timeout)
    app.result(f"Removed {', '.join(dict.fromkeys(names))}.")


@secrets.command()
@environment_option
@_DIRECTORY
@pass_app
def rotate(app: App, directory: Path | None) -> None:
    """Encrypt every secret anew that is not under the first key, in one transaction.

    Give the new key first and the old ones after it; when this is done, the old ones can be taken away.
    """
    from wfsync.runtime.secret_keys import keys_from
    from wfsync.runtime.secret_store import rotate as renew

    keys = keys_from(os.environ)
    with _place(app, directory) as (conn, place):
        done = renew(conn, place, keys, lock_timeout=app.lock_timeout)
    app.result(f"{len(done.renewed)} encrypted anew under {done.key_id}, {len(done.kept)} already were.")


@secrets.command()
@pass_app
def keygen(app: App) -> None:
    """Print a new key. Keep it outside of git and of the database.

    \b
    Example:
      (umask 077; wfsync secrets keygen > wfsync-secrets.key)
      export WFSYNC_SECRETS_KEY_FILE=$PWD/wfsync-secrets.key
    """
    from wfsync.runtime.secret_keys import new_key

    app.result(new_key())


@contextmanager
def _place(app: App, directory: Path | None) -> Iterator[tuple[Connection, Place]]:
    """A session on the database that is meant, and where its secrets are."""
    from wfsync.store.runtime.place import require_place

    with app.session(app.target(directory), for_write=True, upgrade=True) as session:
        tenant = session.tenant.value if session.tenant is not None else None
        yield session.conn, require_place(session.conn, session.layout, tenant)
