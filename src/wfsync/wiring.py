"""Settings → concrete objects: the only place that picks a repository, a server and a tenant for a command."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wfsync.bundle.field_policies import GIT_OWNS_ALL, Policies
from wfsync.bundle.load import LoadOptions
from wfsync.bundle.model import Json
from wfsync.bundle.overlay import NO_OVERLAY, Overlay, parse_overlay
from wfsync.bundle.registry import Registry, parse_registry
from wfsync.config import Config, DatabaseChoice, parse_config, resolve_config
from wfsync.environments import Environment
from wfsync.errors import ConfigError, DatabaseError
from wfsync.repo.identity import source_identity
from wfsync.repo.layout import is_under, reserved_keys
from wfsync.repo.opening import open_repository
from wfsync.repo.origin import OpenAt, Origin
from wfsync.repo.source import CONFIG_NAME, Repository, Source

if TYPE_CHECKING:
    from wfsync.bundle.declared import Declared
    from wfsync.plan.model import TargetRef
    from wfsync.store.connection import Connection
    from wfsync.store.layout import InstanceLayout, Tenant
    from wfsync.store.target import Target

__all__ = [
    "Session",
    "Workspace",
    "embedded_root",
    "lacks_tables",
    "open_session",
    "open_target",
    "open_workspace",
    "renewed",
    "repository_root",
]


@dataclass(frozen=True, slots=True)
class Workspace:
    """A repository with its configuration: where bundles are, and under which rules they are read."""

    repository: Repository
    config: Config
    config_path: str | None
    """Of ``wfsync.yaml`` in the repository; None where there is none, or where it lies outside."""
    directory: str
    """Of the bundles, relative to the repository's root."""

    @property
    def registry_path(self) -> str | None:
        """Of the registry file in the repository, if the configuration names one."""
        return None if self.config.registry is None else self._beside_config(self.config.registry)

    @property
    def identity(self) -> str:
        """What these bundles are called in the ledger of a database: a part of them is called as the whole."""
        return source_identity(self.config.source, self.repository.identity, self._whole)

    @property
    def is_part(self) -> bool:
        """Whether a part of the configured directory is read, or another one: then nobody can tell what is gone."""
        return self.config_path is not None and self.directory != self._beside_config(self.config.directory)

    @property
    def _whole(self) -> str:
        configured = self._beside_config(self.config.directory) if self.config_path is not None else self.directory
        return configured if is_under(configured, self.directory) else self.directory

    def own_files(self) -> frozenset[str]:
        """The repository's own files, which are no bundles."""
        overlays = [e.overlay for e in self.config.environments.values()]
        named = (self.config_path, self.registry_path, *(self._beside_config(o) for o in overlays if o is not None))
        return frozenset(path for path in named if path is not None)

    def source(self, *, allow_empty: bool = False, beside: frozenset[str] = frozenset()) -> Source:
        """The bundle files; those in ``beside`` (such as a plan file) are none."""
        from wfsync.testing.folder import tests_among_bundles

        tests = tests_among_bundles(self.repository, self.tests_folder, self.directory)
        exclude = self.own_files() | tests | beside
        return self.repository.source(self.directory, exclude=exclude, allow_empty=allow_empty)

    @property
    def tests_folder(self) -> str:
        """Where the files of tests are, whether it exists or not."""
        from wfsync.testing.folder import FOLDER

        return self._beside_config(FOLDER)

    def tests(self, within: str | None = None) -> Source:
        """The files of tests, or those in one part of their folder. Raises `RepositoryError`."""
        from wfsync.testing.folder import find_tests

        return find_tests(self.repository, self.tests_folder, self.directory, within)

    def is_test(self, path: str) -> bool:
        """Whether the file at ``path`` of the repository is one of tests."""
        from wfsync.testing.folder import are_mixed, says_tests

        if not is_under(path, self.tests_folder):
            return False
        data = self.repository.read_file(path) if are_mixed(self.tests_folder, self.directory) else None
        return data is None or says_tests(path, data)

    def whole(self) -> Workspace:
        """The same with all bundles of the configuration, whatever folder was named; without one, of the repository."""
        directory = "." if self.config_path is None else self._beside_config(self.config.directory)
        return replace(self, directory=directory)

    def settings(self) -> Json:
        """What the configuration file says, as a tree: comments and layout do not count. ``{}`` where there is none."""
        from wfsync.bundle.parse import read_document

        data = None if self.config_path is None else self.repository.read_file(self.config_path)
        return {} if data is None else read_document(data, "yaml", self.config_label).tree

    @property
    def config_label(self) -> str:
        """How messages name the configuration file."""
        return CONFIG_NAME if self.config_path is None else self.repository.label(self.config_path)

    def registry(self) -> Registry | None:
        """What the instance offers according to the registry file; None when the configuration names none.

        Raises `ConfigError` when the file is missing and `InputError` when it is wrong.
        """
        found = self._registry_file()
        return None if found is None else parse_registry(*found)

    def declared(self) -> Declared | None:
        """All that the registry file says, stubs included; as `registry`."""
        from wfsync.bundle.declared import parse_declared

        found = self._registry_file()
        return None if found is None else parse_declared(*found)

    def _registry_file(self) -> tuple[bytes, str] | None:
        path = self.registry_path
        if path is None:
            return None
        data = self.repository.read_file(path)
        if data is None:
            raise ConfigError(
                f"the registry file {self.repository.label(path)} does not exist",
                code="REGISTRY_MISSING",
                hint="correct `registry:` in wfsync.yaml, or add the file",
            )
        return data, self.repository.label(path)

    def overlay(self, environment: Environment) -> Overlay:
        """What holds in ``environment`` only, according to its overlay file; nothing when it names none.

        Raises `ConfigError` when the file is missing and `InputError` when it is wrong.
        """
        if environment.overlay is None:
            return NO_OVERLAY
        path = self._beside_config(environment.overlay)
        data = self.repository.read_file(path)
        if data is None:
            raise ConfigError(
                f"the overlay {self.repository.label(path)} of environment {environment.name} does not exist",
                code="OVERLAY_MISSING",
                hint=f"correct `environments.{environment.name}.overlay` in wfsync.yaml, or add the file",
            )
        return parse_overlay(data, self.repository.label(path), self.config.secrets)

    def policies(self, kind: Literal["embedded", "named"], environment: Environment | None = None) -> Policies:
        """What a database of this kind holds apart from what files say, as ``environment``. Raises as `overlay`."""
        policies = self.config.policies(kind)
        if environment is None:
            return policies
        whole = self.directory == self._beside_config(self.config.directory)
        return replace(policies, overlay=replace(self.overlay(environment), whole=whole))

    def load_options(self, policies: Policies = GIT_OWNS_ALL, *, dependencies: bool = True) -> LoadOptions:
        """The rules under which this repository's files are read, for a target with these ``policies``; without
        ``dependencies`` the registry file is not asked.
        """
        reserved = reserved_keys(self.own_files() | {CONFIG_NAME})
        return LoadOptions(
            definitions=self.config.definitions,
            reserved=reserved,
            registry=self.registry() if dependencies else None,
            policies=policies,
            secrets=self.config.secrets,
        )

    def _beside_config(self, path: str) -> str:
        base = posixpath.dirname(self.config_path or "")
        return posixpath.normpath(posixpath.join(base, path))


def open_workspace(
    start: Path | None,
    *,
    rev: str | None,
    config_option: str | None,
    environ: Mapping[str, str],
    open_at: OpenAt | None = None,
) -> Workspace:
    """Open the repository around ``start`` (else the working directory), or as ``open_at`` does, and read its
    configuration.

    The bundles are those of the configuration's ``directory``, unless ``start`` was given and lies elsewhere or deeper:
    then they are those of ``start``. With ``rev`` the configuration comes from that revision, too, unless named.
    """
    repository = (open_at or Origin().open)(start, rev)
    config, config_path = _read_config(repository, start, config_option, environ)
    here = repository.start
    if config_path is None:
        if start is None:
            _refuse_no_repository(repository.root, environ)
        return Workspace(repository, config, None, here or ".")
    configured = posixpath.normpath(posixpath.join(posixpath.dirname(config_path), config.directory))
    if start is not None and here not in ("", ".") and not is_under(configured, here) and configured != here:
        return Workspace(repository, config, config_path, here)
    return Workspace(repository, config, config_path, configured)


def _refuse_no_repository(root: str, environ: Mapping[str, str]) -> None:
    """A home folder or the whole machine is not meant when nobody named anything: they hold everybody's YAML."""
    if root in ("/", environ.get("HOME", "").rstrip("/")) and not (Path(root) / ".git").exists():
        raise ConfigError(
            f"{root} is no git repository and holds no {CONFIG_NAME}",
            code="NO_REPOSITORY",
            hint="go to the repository, name its folder as DIR, or begin one with `wfsync init`",
        )


def _read_config(
    repository: Repository, start: Path | None, option: str | None, environ: Mapping[str, str]
) -> tuple[Config, str | None]:
    if option is not None or environ.get("WFSYNC_CONFIG", "").strip():
        path: str | None = _named_config(repository, start, option, environ)
    else:
        path = repository.find_upward(CONFIG_NAME)
    if path is None:
        _refuse_misnamed(repository)
        return Config(), None
    data = repository.read_file(path)
    if data is None:
        at = "" if repository.rev is None else f" at {repository.rev}"
        raise ConfigError(f"{repository.label(path)} does not exist{at}", hint="check --config or WFSYNC_CONFIG")
    return parse_config(data, repository.label(path)), path


def _named_config(repository: Repository, start: Path | None, option: str | None, environ: Mapping[str, str]) -> str:
    """The path in the repository of the configuration that option or environment name. It may be gone from the work
    tree when a revision is read; a link is not followed.
    """
    named = option if option is not None else environ["WFSYNC_CONFIG"]
    inside = repository.relative(named) if repository.rev is not None and named.strip() else None
    if inside is not None:
        return inside
    path = resolve_config(option, environ, start if start is not None else Path.cwd(), None)
    inside = None if path is None else repository.relative(path)
    if inside is None:
        raise ConfigError(
            f"{path} lies outside the repository {repository.root}",
            hint="the configuration names folders relative to itself, so it belongs into the repository",
        )
    return inside


def _refuse_misnamed(repository: Repository) -> None:
    misnamed = repository.find_upward(f"{CONFIG_NAME.removesuffix('yaml')}yml")
    if misnamed is not None:
        raise ConfigError(f"{repository.label(misnamed)} is not read", hint=f"rename it to {CONFIG_NAME}")


def repository_root(start: Path) -> str:
    """Root of the repository around ``start``: the work tree, the bare repository, or the folder itself."""
    from wfsync.errors import RepositoryError

    try:
        return open_repository(start).root
    except RepositoryError as error:
        if error.code != "BARE_REPOSITORY":
            raise
        return open_repository(start, rev="HEAD").root


def embedded_root(repository_root: str) -> Path:
    """Where the embedded server of a repository lives."""
    return Path(repository_root) / ".wfsync"


def open_target(choice: DatabaseChoice, repository_root: Callable[[], str], announce: Callable[[str], None]) -> Target:
    """The database that ``choice`` names; starts the embedded server when it names none, and says so."""
    from wfsync.store.target import Target

    if choice.kind == "named":
        return Target("named", choice.conninfo or "")
    from wfsync.store.embedded import EmbeddedServer

    root = embedded_root(repository_root())
    announce(f"no database is named: using the embedded PostgreSQL in {root}")
    return Target("embedded", EmbeddedServer(root).start().conninfo())


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection, the shape of the instance behind it, and whose rows are meant."""

    conn: Connection
    target: Target
    layout: InstanceLayout
    tenant: Tenant | None
    future_tenant: str | None = None
    """Where tables are absent: whose rows those would be that `wfsync db upgrade` makes room for."""

    @property
    def where(self) -> tuple[Connection, InstanceLayout, Tenant | None]:
        """The rows that are meant, as who reads or writes them is told."""
        return self.conn, self.layout, self.tenant

    def reference(self) -> TargetRef:
        """How a plan names this target."""
        from wfsync.plan.model import TargetRef

        tenant = self.tenant.value if self.tenant is not None else self.future_tenant
        target = self.target
        return TargetRef(target.display(), tenant, self.layout.name, target.kind, target.environment)


def lacks_tables(target: Target) -> bool:
    """True when ``target`` is the embedded server and its tables are missing or behind this wfsync."""
    if target.kind != "embedded":
        return False
    from wfsync.store.connection import connect
    from wfsync.store.migrate import pending

    with connect(target, read_only=True) as conn:
        return bool(pending(conn))


def _require_current(behind: tuple[str, ...]) -> None:
    if behind:
        raise DatabaseError(
            f"the tables are older than this wfsync: {', '.join(behind)} not applied",
            code="TABLES_OUTDATED",
            hint="run `wfsync db upgrade`; a named database is never migrated without being asked",
            details={"migrations": list(behind)},
        )


@contextmanager
def open_session(
    target: Target, tenant: str | None, *, lock_timeout: float, for_write: bool = False, upgrade: bool = False
) -> Iterator[Session]:
    """Connect to ``target`` and find out what it is; no wait for a lock takes longer than ``lock_timeout`` seconds.

    ``for_write`` wants tables to write to; ``upgrade`` creates or migrates them first where the server is the embedded
    one (a named database is never migrated without `wfsync db upgrade`).
    """
    from wfsync.store.connection import connect
    from wfsync.store.migrate import pending
    from wfsync.store.migrate import upgrade as migrate

    conn = connect(target, read_only=not (for_write or upgrade), lock_timeout=lock_timeout)
    try:
        if upgrade and target.kind == "embedded" and pending(conn):
            migrate(conn, lock_timeout=lock_timeout)
        yield _examined(conn, target, tenant, for_write=for_write)
    finally:
        conn.close()


def renewed(session: Session, *, for_write: bool = False) -> Session:
    """``session`` on the same connection and for the same tenant, with the instance as it is by now: somebody may have
    upgraded it.
    """
    tenant = session.tenant.value if session.tenant is not None else session.future_tenant
    return _examined(session.conn, session.target, tenant, for_write=for_write)


def _examined(conn: Connection, target: Target, tenant: str | None, *, for_write: bool) -> Session:
    from wfsync.store.layout import detect, future_tenant, resolve_tenant
    from wfsync.store.migrate import pending

    layout = detect(conn)
    layout.require_readable()
    if for_write and layout.name == "wfsync":
        _require_current(pending(conn))
    # A plan for a database without tables must be the one that is applied once they are there
    future = future_tenant(tenant) if layout.name == "absent" else None
    return Session(conn, target, layout, resolve_tenant(conn, layout, tenant, for_write=for_write), future)
