"""What commands share that look at runs or change them: the place, the sessions, the registry, JSON in options."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from wfsync.cli.context import App
from wfsync.errors import InputError, Problem

if TYPE_CHECKING:
    from wfsync.runtime.registry import Registry
    from wfsync.store.runtime.pool import Pool

__all__ = ["Runtime", "directory_option", "json_value", "note_without_worker", "runtime"]

directory_option = click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where the repository is."
)

_MOST_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Runtime:
    """An instance whose runs can be looked at and changed."""

    pool: Pool
    registry: Registry


@contextmanager
def runtime(app: App, directory: Path | None, *, executes: bool = True) -> Iterator[Runtime]:
    """The instance that is meant, with its tables; the embedded one is started, and its tables are made or migrated.

    Stubs of the repository's registry file shadow real actions on the embedded instance only. ``executes`` makes the
    engine's tables, too. Raises `RuntimeNotInstalled`, `DatabaseError` (``RUNTIME_UNAVAILABLE``).
    """
    from wfsync.runtime.plugins import installed
    from wfsync.runtime.stubs import combined
    from wfsync.runtime.worker import install, require_installed
    from wfsync.store.runtime.place import engine_is_there, require_place
    from wfsync.store.runtime.pool import Pool

    require_installed()
    workspace = app.workspace(directory) if directory is not None else app.workspace_or_none()
    target = app.target(directory, workspace)
    with app.session(target, for_write=True, upgrade=True) as session:
        tenant = session.tenant.value if session.tenant is not None else None
        place = require_place(session.conn, session.layout, tenant)
        lacks_engine = executes and not engine_is_there(session.conn)
    if lacks_engine:
        install(place)
    declared = None if workspace is None else workspace.declared()
    registry = combined(installed(), declared, stubs=target.kind == "embedded")
    pool = Pool(place)
    try:
        yield Runtime(pool, registry)
    finally:
        pool.close()


def note_without_worker(app: App, found: Runtime) -> None:
    """Say so when nobody is there to go on with what was just asked for."""
    from wfsync.store.runtime.workers import living

    with found.pool.session() as conn:
        lives = living(conn, found.pool.place)
    if not lives:
        app.info("no worker is running: `wfsync worker` goes on from here")


def json_value(text: str | None, option: str) -> Any:
    """The value of an option that takes ``JSON|@FILE``; ``@-`` is stdin, and an option that was not given is ``{}``.

    Raises `InputError` (``INVALID_JSON``) with the place of every fault.
    """
    from wfsync.bundle.parse import read_document

    if text is None:
        return {}
    if text.startswith("@"):
        data, label = _file(text[1:], option), text[1:] if text != "@-" else "stdin"
    else:
        data, label = text.encode("utf-8", "surrogateescape"), option
    try:
        document = read_document(data, "json", label)
    except InputError as error:
        raise _no_json(option, error.problems) from None
    if any(problem.is_error for problem in document.problems):
        raise _no_json(option, document.problems)
    return document.tree


def _no_json(option: str, problems: Iterable[Problem]) -> InputError:
    """Under a code of its own: the reader's is about bundles."""
    return InputError(
        f"{option} is no JSON",
        code="INVALID_JSON",
        hint="quote it for the shell: '{\"id\": 7}', or write it into a file: @payload.json",
        problems=[replace(problem, code="INVALID_JSON") for problem in problems],
    )


def _file(name: str, option: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(_MOST_BYTES + 1)
        with Path(name).open("rb") as stream:
            return stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"{option}: {name!r} cannot be read: {error.strerror}", code="INVALID_JSON", hint="check the file's name"
        ) from None
