"""Where one command reads: the repository around it, or one elsewhere (``--repo``); and whose signature it wants.

A command asks a remote once for each revision: all that it reads is then of one commit, whatever is pushed meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wfsync.errors import ConfigError, Problem

if TYPE_CHECKING:
    from wfsync.repo.remote import Fetched, Remote
    from wfsync.repo.signatures import Kind, Trust, Verified
    from wfsync.repo.source import Repository

__all__ = ["OpenAt", "Origin"]

OpenAt = Callable[["Path | None", "str | None"], "Repository"]
"""Opens a repository: (folder, revision)."""


@dataclass(slots=True)
class Origin:
    """What ``--repo``, ``--verify`` and ``--allowed-signers`` say; all None: the repository around the command."""

    url: str | None = field(default=None, repr=False)
    """As it was written: it may hold a token."""
    verify: Kind | None = None
    allowed_signers: Path | None = None
    verify_is_ambient: bool = False
    """A variable says it, which is there for other commands, too: it is no mistake where no commit is read."""
    allow_rewind: bool = False
    """Whether a commit may be read that is older than the last applied one, or not on its line."""
    tell: Callable[[Problem], None] = field(default=lambda _problem: None, repr=False)
    """Told once what people should know: why a clone is not kept, and whose signature was found."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    _remote: Remote | None = field(default=None, repr=False)
    _fetched: dict[str | None, Fetched] = field(default_factory=dict, repr=False)
    _verified: dict[str, Verified] = field(default_factory=dict, repr=False)

    def settle(self, repository: Repository, demanded: Kind | None, label: str) -> None:
        """Look at the signature of the commit of ``repository`` where its own configuration ``label`` says what kind it
        must have, and an option or variable who may sign. With ``--verify``, `open` has done it.

        Raises `Refused` (``UNVERIFIED_COMMIT``), and `ConfigError`: ``VERIFY_DEMANDED`` where ``--verify`` names
        another kind, ``ALLOWED_SIGNERS`` where nobody names one.
        """
        from wfsync.repo.revision import Revision

        if self.verify is not None:
            if self.verify_is_ambient and not isinstance(repository, Revision):
                return
            if demanded not in (None, self.verify):
                raise _demanded(f"{label} demands signatures of kind {demanded}, and --verify names {self.verify}")
        elif self.allowed_signers is not None and isinstance(repository, Revision):
            if demanded is None:
                raise _kind_unknown()
            from wfsync.repo.signatures import Trust

            self._require_signature(repository.git_dir, repository.commit, Trust(demanded, self.allowed_signers))

    def require_demanded(self, repository: Repository, demanded: Kind | None, label: str) -> None:
        """Make sure that `settle` or `open` looked at a signature, if ``demanded``: asked by what writes to a database.

        Raises `ConfigError`: ``VERIFY_DEMANDED`` where nobody says who may sign, or files of a work tree are read;
        ``ALLOWED_SIGNERS`` as `settle`.
        """
        from wfsync.repo.revision import Revision

        if self.verify_is_ambient and not isinstance(repository, Revision):
            raise _no_commit("WFSYNC_VERIFY", "VERIFY_DEMANDED")
        if demanded is None:
            if self.verify is None and self.allowed_signers is not None:
                raise _kind_unknown()
            return
        if self.allowed_signers is None:
            raise _demanded(f"{label} demands commits with a signature (verify: {demanded}), and nobody says whose")
        if not isinstance(repository, Revision):
            raise ConfigError(
                f"{label} demands commits with a signature (verify: {demanded}), and the files of a work tree are none",
                code="VERIFY_DEMANDED",
                hint="name a commit, such as --rev HEAD, or read the repository where it is kept with --repo",
            )

    def open(self, start: Path | None, rev: str | None) -> Repository:
        """The repository: at ``rev``, at the remote's HEAD, or as it is in the work tree; ``start`` is a folder of the
        file system, and with ``--repo`` one of that repository.

        Raises `RepositoryError` (`Remote.fetch`, `open_repository`), `Refused` (``UNVERIFIED_COMMIT``) and
        `ConfigError` (code ``USAGE``: options that do not fit together).
        """
        if self.url is not None:
            trust = self.trust()
            remote = self.remote
            repository: Repository = remote.open(self.fetched(rev), _inside(start))
            if trust is not None:
                self._require_signature(remote.path, self.fetched(rev).commit, trust)
            return repository
        from wfsync.repo.opening import open_repository

        if not self.verify_is_ambient:
            self.trust()  # a mistake in the options comes before those in files
        repository = open_repository(start if start is not None else Path.cwd(), rev=rev)
        if self.verify is not None:
            from wfsync.repo.revision import Revision

            if isinstance(repository, Revision):
                trust = self.trust()
                assert trust is not None  # noqa: S101 - there is a kind
                self._require_signature(repository.git_dir, repository.commit, trust)
            elif not self.verify_is_ambient:
                raise _no_commit("--verify")
        return repository

    @property
    def remote(self) -> Remote:
        """The repository elsewhere; only with ``url``."""
        from wfsync.repo.remote import Remote
        from wfsync.repo.remote_url import parse_remote

        if self._remote is None:
            self._remote = Remote(parse_remote(self.url or "", str(Path.cwd())), environ=self.environ)
        return self._remote

    def fetched(self, rev: str | None) -> Fetched:
        """What ``rev`` of the remote is; asked once."""
        if rev not in self._fetched:
            if not self._fetched:
                for note in self.remote.notes:
                    self.tell(note)
            self._fetched[rev] = self.remote.fetch(rev)
        return self._fetched[rev]

    def forget(self) -> None:
        """Ask the remote again from now on: for a command that runs on while others push."""
        self._fetched.clear()

    def trust(self) -> Trust | None:
        """Whose signatures count; None: no option asks for any (`settle`). `ConfigError` for ``--verify`` alone."""
        match self.verify, self.allowed_signers:
            case None, _:
                return None
            case _, None:
                raise ConfigError(
                    "--verify needs to know who may sign, and the repository itself must not say that",
                    code="USAGE",
                    hint="name a file outside of it with --allowed-signers FILE or WFSYNC_ALLOWED_SIGNERS",
                )
            case kind, signers:
                from wfsync.repo.signatures import Trust

                return Trust(kind, signers)

    @property
    def default_rev(self) -> str | None:
        """The revision where none was named: a repository elsewhere has no files, only revisions."""
        return None if self.url is None else "HEAD"

    def require_place(self) -> None:
        """Raise `ConfigError` (``DATABASE_REQUIRED``) for a repository elsewhere: the embedded server lives in the work
        tree of a repository (spec: cli.md), and there is none.
        """
        if self.url is not None:
            raise ConfigError(
                "--repo needs a database: the embedded one lives in a repository's own folder, and there is none",
                code="DATABASE_REQUIRED",
                hint="name one with --database, WFSYNC_DATABASE_URL or -e NAME",
            )

    def _require_signature(self, git_dir: str, commit: str, trust: Trust) -> None:
        from wfsync.repo.signatures import verify_commit

        if commit in self._verified:
            return
        found = self._verified[commit] = verify_commit(git_dir, commit, trust, self.environ)
        self.tell(
            Problem(
                code="COMMIT_VERIFIED",
                severity="note",
                message=f"commit {commit[:12]} is signed by {found.signer} ({found.kind}, {found.key})",
            )
        )


def _no_commit(asker: str, code: str = "USAGE") -> ConfigError:
    return ConfigError(
        f"{asker} needs a commit, and the files of a work tree are none",
        code=code,
        hint="name one with --rev, or read the repository where it is kept with --repo",
    )


def _kind_unknown() -> ConfigError:
    return ConfigError(
        "--allowed-signers or WFSYNC_ALLOWED_SIGNERS says who may sign, and nothing says what kind of signature is"
        " wanted",
        code="ALLOWED_SIGNERS",
        hint="add --verify ssh or --verify gpg; if wfsync.yaml had said it before, find out who took it out",
    )


def _demanded(message: str) -> ConfigError:
    return ConfigError(
        message, code="VERIFY_DEMANDED", hint="name the file of those who may sign with --allowed-signers FILE"
    )


def _inside(start: Path | None) -> str:
    """DIR as a folder of a repository elsewhere."""
    if start is None:
        return ""
    if start.is_absolute():
        raise ConfigError(
            f"{start} is a path of this machine, and with --repo DIR is a folder of that repository",
            code="USAGE",
            hint="write it relative to the repository's root",
        )
    return start.as_posix()
