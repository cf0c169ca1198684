"""``wfsync.yaml``, the environment and options → settings (spec: cli.md "Global options", "wfsync.yaml").

Pure but for `find_config` and `read_config`. The core never imports this room: what it needs is passed to it.

Decisions where the specification is silent: paths are relative to the folder of ``wfsync.yaml`` and stay inside it;
``directory`` is that folder itself unless the file says otherwise; an option that is given but empty is a usage error,
an empty environment variable counts as unset, as it does for libpq.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from wfsync.bundle.field_policies import NAMED_DEFAULT, Policies
from wfsync.bundle.model import Json
from wfsync.bundle.rules.secret_policy import SecretPolicy
from wfsync.bundle.secret_names import is_secret_name
from wfsync.bundle.source_map import Path as Steps
from wfsync.bundle.source_map import SourceMap
from wfsync.environments import (
    ENVIRONMENT_VARIABLE,
    ChosenEnvironment,
    Environment,
    choose_environment,
    environments_of,
    overlay_paths,
)
from wfsync.errors import ConfigError, InputError, Place, Problem
from wfsync.groups import Group, group_faults, groups_of
from wfsync.policy import Policy, policy_of, secret_policy_of
from wfsync.store.ledger.values import Retention

if TYPE_CHECKING:
    from wfsync.bundle.schema import SchemaFault

__all__ = [
    "CONFIG_NAME",
    "Config",
    "DatabaseChoice",
    "find_config",
    "named_environment",
    "parse_config",
    "read_config",
    "resolve_config",
    "resolve_database",
    "resolve_environment",
    "resolve_tenant",
]

CONFIG_NAME: Final = "wfsync.yaml"
USAGE: Final = "USAGE"
"""Code of errors that are about the command line itself: exit code 64."""

_MISNAMED: Final = "wfsync.yml"
_CODE: Final = "INVALID_CONFIG"
_MAX_BYTES: Final = 1024 * 1024
_LIBPQ: Final = ("PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE")
_CREDENTIALS: Final = re.compile(
    r"://[^/?#\s@]*:[^/?#\s]*@"  # scheme://user:password@host
    r"|(?:^|[?&\s])(?:ssl)?password\s*=",  # …?password=…, host=… password=…
    re.IGNORECASE,
)
_SEVERITY: Final = ("policy", "secrets")
_SEVERITIES: Final = ("warn", "error")
"""Values under a name that looks like a secret's, and yet are none."""

Overwrite = Literal["replace", "update"]
DefinitionPolicy = Literal["error", "warn"]


@dataclass(frozen=True, slots=True)
class Config:
    """What ``wfsync.yaml`` says; the defaults are those of a repository without one."""

    directory: str = "."
    """Folder of the bundle files: a relative path with ``/``, ``"."`` for the folder of ``wfsync.yaml`` itself."""
    registry: str | None = None
    """File that lists what the instance offers, likewise; None: dependencies are not checked."""
    overwrite: Overwrite = "replace"
    definitions: DefinitionPolicy = "error"
    """What an unsound published definition is (``policy.definitions``)."""
    keep: Retention = field(default_factory=Retention)
    """How much of the ledger is kept (``ledger.keep``)."""
    suspend: bool = False
    """`wfsync watch` compares, and applies nothing."""
    environments: Mapping[str, Environment] = field(default_factory=dict)
    """By name."""
    groups: Mapping[str, Group] = field(default_factory=dict)
    """Blocks of ``environments`` that name other blocks, by name."""
    database_fields: tuple[str, ...] | None = None
    """``fields.database``; None where the file says nothing of it: then it depends on the database."""
    create_only_fields: tuple[str, ...] = ()
    source: str | None = None
    """What this repository and directory are called in the ledger; None: derived from the remote."""
    policy: Policy = field(default_factory=Policy)
    """Pruning and brakes."""
    verify: Literal["ssh", "gpg"] | None = None
    """The kind of signature that a commit must have to be applied; who may sign stands elsewhere."""
    secrets: SecretPolicy = field(default_factory=SecretPolicy)
    """What a literal that looks like a secret is (``policy.secrets``, ``policy.secrets_allowed``)."""

    def policies(self, kind: Literal["embedded", "named"]) -> Policies:
        """Whose each field of the metadata is, in a database of this kind: a named one owns ``isPaused`` unless the
        file says otherwise, because a sync must not un-pause what operations or auto-pause stopped.
        """
        owned = self.database_fields
        if owned is None:
            owned = NAMED_DEFAULT if kind == "named" else ()
        return Policies.of(owned, self.create_only_fields)


@dataclass(frozen=True, slots=True)
class DatabaseChoice:
    """Which database was named, and by what. Never shows its connection string: that may hold a password."""

    kind: Literal["embedded", "named"]
    conninfo: str | None = field(default=None, repr=False)
    """For libpq; ``""`` lets libpq read its own environment variables. None for the embedded server."""
    origin: str = "default"
    """What named it: ``--database``, a variable's name, or ``default``."""


def parse_config(data: bytes, file: str) -> Config:
    """Read the text of a ``wfsync.yaml``; ``file`` is only named in problems.

    Raises `ConfigError` with every fault: unreadable YAML, a password anywhere in it, whatever the schema refuses
    (unknown keys with the nearest known one), paths that leave the folder. A value that looks like a secret is never
    repeated in a message.
    """
    from wfsync.bundle import schema
    from wfsync.bundle.parse import read_document

    if len(data) > _MAX_BYTES:
        raise _invalid(file, [Problem(code=_CODE, message="the file is larger than 1 MiB", place=Place(file))])
    try:
        document = read_document(data, "yaml", file)
    except InputError as error:
        raise _invalid(file, [_recoded(p) for p in error.problems]) from None
    tree, source = document.tree, document.source
    problems = [_recoded(p) for p in document.problems]
    secrets = frozenset(_secrets(tree))
    problems.extend(
        Problem(
            code=_CODE,
            message="a password must not stand in this file",
            place=_unspoken(source.key(path) if path else source.value(path)),
            hint="name the database by --database or WFSYNC_DATABASE_URL, its password by PGPASSWORD or ~/.pgpass",
        )
        for path in sorted(secrets, key=str)
    )
    if not schema.is_valid("wfsync-config.v1", tree):
        problems.extend(
            Problem(code=_CODE, message=_subject(fault.path) + fault.message, place=_place(source, fault))
            for fault in schema.explain("wfsync-config.v1", tree)
            if not _quotes(fault, secrets)
        )
    else:
        paths = [((name,), tree[name]) for name in ("directory", "registry") if name in tree]
        problems.extend(
            Problem(code=_CODE, message=f"{'.'.join(where)} {fault}", place=source.value(where), hint=_PATH_HINT)
            for where, path in (*paths, *overlay_paths(tree))
            if (fault := _path_fault(path))
        )
        problems.extend(
            Problem(code=_CODE, message=fault.message, place=source.value(fault.path), hint=fault.hint)
            for fault in group_faults(tree)
        )
    if problems:
        raise _invalid(file, sorted(problems, key=_position))
    return Config(
        directory=_normal(tree.get("directory", ".")),
        registry=_normal(tree["registry"]) if "registry" in tree else None,
        overwrite=tree.get("overwrite", "replace"),
        definitions=tree.get("policy", {}).get("definitions", "error"),
        keep=Retention(**tree.get("ledger", {}).get("keep", {})),
        suspend=tree.get("suspend", False),
        environments=environments_of(tree),
        groups=groups_of(tree),
        database_fields=_names(tree, "database"),
        create_only_fields=_names(tree, "create_only") or (),
        source=tree.get("source"),
        policy=policy_of(tree),
        verify=tree.get("verify"),
        secrets=secret_policy_of(tree),
    )


def _names(tree: Json, owner: str) -> tuple[str, ...] | None:
    names = tree.get("fields", {}).get(owner)
    return None if names is None else tuple(names)


def read_config(path: Path) -> Config:
    """Read the ``wfsync.yaml`` at ``path``. Raises `ConfigError`: as `parse_config`, or it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}", hint="check --config") from None
    return parse_config(data, str(path))


def find_config(start: Path, stop: Path | None) -> Path | None:
    """Look for ``wfsync.yaml`` in ``start`` and upward to ``stop``, the repository's root; None where there is none.

    Outside a repository (``stop`` None) there is no natural end: the walk goes to the root of the file system, but
    above ``start`` it takes only a file that root, this user or the owner of ``start`` owns, so that nobody can plant
    one in a shared folder such as ``/tmp``. Raises `ConfigError` for a ``wfsync.yml``, which would otherwise be ignored
    without a word.
    """
    start = start.resolve()
    stop = stop.resolve() if stop is not None else None
    for folder in (start, *start.parents):
        path = folder / CONFIG_NAME
        if path.is_file() and (stop is not None or folder == start or _is_trusted(path, start)):
            return path
        if (stop is not None or folder == start) and (folder / _MISNAMED).is_file():
            raise ConfigError(f"{folder / _MISNAMED} is not read", hint=f"rename it to {CONFIG_NAME}")
        if folder == stop:
            return None
    return None


def resolve_config(option: str | None, environ: Mapping[str, str], start: Path, stop: Path | None) -> Path | None:
    """The configuration file: ``--config``, else ``WFSYNC_CONFIG``, else what `find_config` finds.

    Raises `ConfigError`: an empty option (code ``USAGE``), or a named file that does not exist.
    """
    named = _named(option, "--config", environ, "WFSYNC_CONFIG")
    if named is None:
        return find_config(start, stop)
    value, origin = named
    path = Path(value)
    if not path.is_file():
        raise ConfigError(f"{origin} names {value}, which is not a file", hint="name an existing wfsync.yaml")
    return path


def named_environment(option: str | None, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The name that ``-e`` gives, else ``WFSYNC_ENV``, and which of the two did; None for neither.

    Raises `ConfigError` (code ``USAGE``) for an option that is empty.
    """
    return _named(option, "-e", environ, ENVIRONMENT_VARIABLE)


def resolve_environment(
    option: str | None, environ: Mapping[str, str], config: Config, tenant: str | None = None
) -> ChosenEnvironment | None:
    """The environment of ``config`` that ``-e`` names, else ``WFSYNC_ENV``, else None; ``tenant`` is ``--tenant``.

    Raises `ConfigError`: an empty option (code ``USAGE``), a name that it does not have (``UNKNOWN_ENVIRONMENT``), a
    group (``GROUP_NOT_ALLOWED``).
    """
    return choose_environment(named_environment(option, environ), config.environments, config.groups, tenant=tenant)


def resolve_database(
    option: str | None, environ: Mapping[str, str], chosen: ChosenEnvironment | None = None
) -> DatabaseChoice:
    """Which database: ``--database``, the block of an explicit ``-e``, ``WFSYNC_DATABASE_URL``, the block of
    ``WFSYNC_ENV``, libpq's own variables, else the embedded one.

    Of libpq's, only PGHOST, PGHOSTADDR, PGDATABASE and PGSERVICE name a database (cli.md): PGUSER or PGPASSWORD alone
    say who, not where. Raises `ConfigError`: an option that is empty (code ``USAGE``), or a block whose variable has no
    value (``DATABASE_ENV_UNSET``).
    """
    explicit = chosen is not None and chosen.explicit
    named = _named(option, "--database", {}, "")
    if named is None and chosen is not None and explicit:
        named = chosen.address(environ)
    named = named or _named(None, "", environ, "WFSYNC_DATABASE_URL")
    if named is None and chosen is not None and not explicit:
        named = chosen.address(environ)
    if named is not None:
        value, origin = named
        return DatabaseChoice("named", value, origin)
    for variable in _LIBPQ:
        if environ.get(variable):
            return DatabaseChoice("named", "", variable)
    return DatabaseChoice("embedded")


def resolve_tenant(
    option: str | None, environ: Mapping[str, str], chosen: ChosenEnvironment | None = None
) -> str | None:
    """``--tenant``, the block of an explicit ``-e``, ``WFSYNC_TENANT``, the block of ``WFSYNC_ENV``, else None: the
    text as given, cast by the database to the column's type.

    Raises `ConfigError` (code ``USAGE``) for an option that is empty.
    """
    block = chosen.environment.tenant if chosen is not None else None
    named = _named(option, "--tenant", {}, "")
    if named is None and block is not None and chosen is not None and chosen.explicit:
        return block
    named = named or _named(None, "", environ, "WFSYNC_TENANT")
    return named[0] if named is not None else block


def _named(option: str | None, flag: str, environ: Mapping[str, str], variable: str) -> tuple[str, str] | None:
    """A setting and what named it; the option wins over the variable."""
    if option is not None:
        if not option.strip():
            raise ConfigError(f"{flag} is empty", code=USAGE, hint=f"give it a value, or leave {flag} out")
        return option, flag
    value = environ.get(variable, "")
    return (value, variable) if value.strip() else None


_PATH_HINT: Final = "write a path relative to the folder of this file, such as workflows"


def _path_fault(text: str) -> str | None:
    """Why ``text`` cannot be a path inside the repository, or None."""
    if "\\" in text or "\0" in text:
        return "must be a path with / between folders"
    path = PurePosixPath(text)
    if path.is_absolute() or text.startswith("~"):
        return "must be a relative path"
    if ".." in path.parts:
        return "must not leave the folder of this file"
    return None


def _normal(text: str) -> str:
    return str(PurePosixPath(text))


def _secrets(tree: Json, path: Steps = ()) -> Iterator[Steps]:
    """Paths of values, and of members by their name, that hold a password as far as anybody can tell."""
    match tree:
        case dict():
            for name, value in tree.items():
                if (*path, name) == _SEVERITY and value in _SEVERITIES:
                    continue
                if _CREDENTIALS.search(name) or (is_secret_name(name) and isinstance(value, str | int)):
                    yield (*path, name)
                else:
                    yield from _secrets(value, (*path, name))
        case list():
            for index, value in enumerate(tree):
                yield from _secrets(value, (*path, index))
        case str() if _CREDENTIALS.search(tree):
            yield path
        case _:
            pass


def _unspoken(place: Place) -> Place:
    """``place`` without its pointer where that would repeat a secret: the name of a member may hold one."""
    spoken = (place.pointer or "").replace("~1", "/").replace("~0", "~")
    return replace(place, pointer=None) if _CREDENTIALS.search(spoken) else place


def _quotes(fault: SchemaFault, secrets: frozenset[Steps]) -> bool:
    """True when the words of ``fault`` may repeat a secret: it is about one, or about something that holds one."""
    if fault.member is not None:
        return (*fault.path, fault.member) in secrets
    return bool(fault.path) and any(secret[: len(fault.path)] == fault.path for secret in secrets)


def _place(source: SourceMap, fault: SchemaFault) -> Place:
    return source.value(fault.path) if fault.member is None else source.key((*fault.path, fault.member))


def _subject(path: Steps) -> str:
    """What a schema fault is about, for messages that begin with a verb; nothing for the whole document."""
    return ".".join(str(step) for step in path) + ": " if path else ""


def _position(problem: Problem) -> tuple[int, int]:
    place = problem.place
    return (place.line or 0, place.column or 0) if place is not None else (0, 0)


def _recoded(problem: Problem) -> Problem:
    """The same fault as the configuration's: the readers know bundles only."""
    return Problem(code=_CODE, message=problem.message, place=problem.place, hint=problem.hint, related=problem.related)


def _invalid(file: str, problems: list[Problem]) -> ConfigError:
    return ConfigError(
        f"{file} is not a configuration that wfsync can use",
        hint="`wfsync schema config` prints what it may say",
        problems=problems,
    )


def _is_trusted(path: Path, start: Path) -> bool:
    try:
        return path.stat().st_uid in {0, os.geteuid(), start.stat().st_uid}
    except OSError:
        return False
