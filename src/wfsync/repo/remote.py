"""A repository elsewhere: fetched through the git program into a bare clone, read from there like any revision.

    remote = Remote(parse_remote("https://host/team/flows.git", cwd))
    fetched = remote.fetch("main")        # what `main` is there now; None: the branch that the server's HEAD names
    repository = remote.open(fetched)     # a Repository: config, registry and bundles of exactly that commit

All branches and tags are fetched, with all history: names like ``main~2`` work, and whether one commit follows another
can be told. Files are never checked out, so neither submodules nor LFS content is ever fetched.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pygit2

from wfsync.errors import ConfigError, Problem, RepositoryError
from wfsync.repo import git
from wfsync.repo.ancestry import Relation, relation
from wfsync.repo.labels import Labels
from wfsync.repo.layout import normal, printable
from wfsync.repo.remote_cache import CloneCache, open_cache
from wfsync.repo.remote_faults import UNKNOWN, remote_error
from wfsync.repo.remote_git import Finished, network_environment, require_git, run_git
from wfsync.repo.remote_url import RemoteUrl, parse_remote
from wfsync.repo.revision import Revision
from wfsync.repo.source import Source

__all__ = ["Fetched", "Remote", "RemoteRevision"]

_ASK_SECONDS: Final = 60.0
_FETCH_SECONDS: Final = 600.0
_MIRRORED: Final = ("refs/heads/", "refs/tags/")
_FULL_ID: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """One commit of a remote, as of the moment it was asked for."""

    commit: str
    rev: str
    """As it was asked for; ``HEAD`` when nothing was."""
    branch: str | None = None
    """The branch that was named, or that the server's HEAD is on."""


class RemoteRevision(Revision):
    """One commit of a remote; what it says about itself names the remote, not the clone that it is read from."""

    def __init__(self, repository: pygit2.Repository, remote: RemoteUrl, fetched: Fetched, start: str) -> None:
        super().__init__(repository, remote.shown, start, Labels(), fetched.commit)
        self.rev = fetched.rev
        self.identity = remote.identity
        self._branch = fetched.branch

    def source(self, directory: str, *, exclude: frozenset[str] = frozenset(), allow_empty: bool = False) -> Source:
        """Every bundle file under ``directory`` in this commit."""
        found = super().source(directory, exclude=exclude, allow_empty=allow_empty)
        return replace(found, info=replace(found.info, branch=self._branch))


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the server has: its references, and where its HEAD is."""

    references: Mapping[str, str]
    head: str | None
    head_branch: str | None


class Remote:
    """A repository at ``url``; see the module. Nothing happens before `fetch`.

    ``cache_dir`` takes the place of the user's cache folder. ``notes`` are for people: why a clone is not kept.
    """

    def __init__(
        self, url: RemoteUrl | str, cache_dir: str | Path | None = None, *, environ: Mapping[str, str] = os.environ
    ) -> None:
        self.url = parse_remote(url, str(Path.cwd())) if isinstance(url, str) else url
        self._environ = dict(environ)
        self._cache_dir = cache_dir
        self._cache: CloneCache | None = None
        self._seconds = _timeout(environ)

    @property
    def cache(self) -> CloneCache:
        """Where the clone is kept; made at the first use."""
        if self._cache is None:
            self._cache = open_cache(self._environ, self._cache_dir)
        return self._cache

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What people should know about the cache."""
        return self.cache.notes

    @property
    def path(self) -> str:
        """The bare clone."""
        return self.cache.clone(self.url.folder)

    def fetch(self, ref: str | None = None) -> Fetched:
        """Ask the server what ``ref`` is now (branch, tag, commit id, ``main~2``, ``refs/…``; None: its HEAD) and bring
        that commit here.

        Raises `RepositoryError`: ``REMOTE_UNREACHABLE``, ``REMOTE_AUTHENTICATION``, ``REMOTE_UNTRUSTED``,
        ``REMOTE_NOT_FOUND``, ``REMOTE_TIMEOUT``, ``REMOTE_EMPTY``, ``REVISION_NOT_FOUND``, ``REVISION_AMBIGUOUS``,
        ``REMOTE_CACHE``, ``REMOTE_LOCKED``, ``GIT_PROGRAM_MISSING``, ``REMOTE`` (none of these). No message holds a
        credential.
        """
        require_git()
        environment = network_environment(self.url, self._environ)
        session = _Session(self.url, environment, self._seconds)
        with self.cache.locked(self.url.folder, self._seconds or _FETCH_SECONDS):
            offer = session.ask()
            if not offer.references:
                raise RepositoryError(
                    f"{self.url.shown} has no commit yet", code="REMOTE_EMPTY", hint="push one, then try again"
                )
            if os.path.lexists(self.path):
                try:
                    return session.update(self.path, offer, ref)
                except RepositoryError as error:
                    if error.code not in {UNKNOWN, "REPOSITORY", "OBJECT_MISSING"}:
                        raise
            # Nothing there, or something that git cannot make sense of: a clone can always be made again.
            with self.cache.replacing(self.url.folder) as new:
                session.create(new)
                return session.update(new, offer, ref)

    def open(self, fetched: Fetched | str, start: str = "") -> RemoteRevision:
        """Read a commit that `fetch` brought (or any id that the clone has); ``start`` is a folder of the repository.

        Raises `RepositoryError`: ``OUTSIDE_REPOSITORY``, ``REVISION_NOT_FOUND``.
        """
        if isinstance(fetched, str):
            fetched = Fetched(fetched, fetched)
        return RemoteRevision(git.open_git(self.path), self.url, fetched, normal(start))

    def relation(self, base: str, commit: str) -> Relation:
        """How ``commit`` follows ``base``, of what the clone knows; see `wfsync.repo.ancestry`."""
        return relation(self.path, base, commit)


def _timeout(environ: Mapping[str, str]) -> float | None:
    """Seconds of ``WFSYNC_GIT_TIMEOUT``; None: the defaults."""
    given = environ.get("WFSYNC_GIT_TIMEOUT", "").strip()
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise ConfigError(
            f"WFSYNC_GIT_TIMEOUT is {given!r}, not a number of seconds", hint="write a number such as 120"
        )
    return seconds


@dataclass(frozen=True, slots=True)
class _Session:
    """The git processes of one fetch."""

    url: RemoteUrl
    environment: Mapping[str, str]
    seconds: float | None

    def ask(self) -> _Offer:
        """What the server has now: one question over the network, whatever is in the cache."""
        asked = ["ls-remote", "--symref", "--", self.url.url, "HEAD", "refs/heads/*", "refs/tags/*"]
        lines = self._run(asked, self.seconds or _ASK_SECONDS).output.decode("utf-8", "surrogateescape").splitlines()
        references: dict[str, str] = {}
        head = branch = None
        for line in lines:
            value, _, name = line.partition("\t")
            if value.startswith("ref: "):
                if name == "HEAD" and value.startswith("ref: refs/heads/"):
                    branch = value.removeprefix("ref: refs/heads/")
            elif name == "HEAD":
                head = value
            elif name.startswith(_MIRRORED) and not name.endswith("^{}"):
                references[name] = value
        return _Offer(references, head, branch)

    def create(self, path: str) -> None:
        """An empty bare repository at ``path``. It holds no URL, so no credential can ever stand in it."""
        self._run(["init", "--quiet", "--bare", "--template=", "--", path], _ASK_SECONDS)

    def update(self, path: str, offer: _Offer, ref: str | None) -> Fetched:
        """Bring what ``offer`` has and the clone lacks, and find ``ref`` in it."""
        if _references(path) != offer.references:
            self._fetch(path, ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])
        if ref is not None and not ref.strip():
            raise ConfigError("--rev is empty", code="USAGE", hint="give it a value, or leave it out")
        wanted = "HEAD" if ref is None else ref
        self._set_head(path, offer)
        if wanted == "HEAD" and offer.head is None and f"refs/heads/{offer.head_branch}" not in offer.references:
            raise _not_found(self.url, "HEAD", offer)
        is_elsewhere = wanted.startswith("refs/") and not wanted.startswith(_MIRRORED)
        if is_elsewhere or (_FULL_ID.fullmatch(wanted) and not _has(path, wanted)):
            self._fetch_one(path, wanted, offer)
        known = next(
            (
                offer.references[n]
                for n in (f"refs/heads/{wanted}", f"refs/tags/{wanted}", wanted)
                if n in offer.references
            ),
            offer.head if wanted == "HEAD" else None,
        )
        if known is not None:
            self._require_complete(path, known)  # first: libgit2 reads a truncated object for ever
        fetched = self._resolve(path, wanted, offer)
        if fetched.commit != known:
            self._require_complete(path, fetched.commit)
        return fetched

    def _resolve(self, path: str, wanted: str, offer: _Offer) -> Fetched:
        try:
            resolved = git.resolve(git.open_git(path), wanted)
        except RepositoryError as error:
            if error.code == "REVISION_NOT_FOUND":
                raise _not_found(self.url, wanted, offer) from error
            raise
        branch = offer.head_branch if wanted == "HEAD" else resolved.branch
        return Fetched(str(resolved.commit.id), wanted, branch)

    def _set_head(self, path: str, offer: _Offer) -> None:
        """Let HEAD of the clone be the server's, so that ``HEAD~1`` means what it means there."""
        with git.errors("set HEAD of the clone"):
            repository = git.open_git(path)
            if offer.head_branch is not None:
                repository.references.create("HEAD", f"refs/heads/{offer.head_branch}", force=True)
            elif offer.head is not None and offer.head in repository:
                repository.set_head(pygit2.Oid(hex=offer.head))

    def _fetch_one(self, path: str, wanted: str, offer: _Offer) -> None:
        """A reference that is no branch or tag (pull requests), or a commit that none leads to."""
        if not _FULL_ID.fullmatch(wanted) and not pygit2.reference_is_valid_name(wanted):
            raise _not_found(self.url, wanted, offer)
        into = f"refs/wfsync/{wanted}" if _FULL_ID.fullmatch(wanted) else wanted
        try:
            self._fetch(path, [f"+{wanted}:{into}"], prune=False)
        except RepositoryError as error:
            if re.search(r"couldn't find remote ref|not our ref|unadvertised object", error.details["stderr"]):
                raise _not_found(self.url, wanted, offer) from error
            raise

    def _fetch(self, path: str, refspecs: list[str], *, prune: bool = True) -> None:
        options = ["--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--update-shallow"]
        options += ["--prune"] if prune else []
        git_dir = f"--git-dir={path}"
        self._run([git_dir, "fetch", *options, "--", self.url.url, *refspecs], self.seconds or _FETCH_SECONDS)

    def _require_complete(self, path: str, commit: str) -> None:
        """Raise unless every file of ``commit`` is there: a clone on a disk that lost power may lack some."""
        listed = ["rev-list", "--objects", "--quiet", "--no-walk", commit]
        self._run([f"--git-dir={path}", *listed], self.seconds or _FETCH_SECONDS)

    def _run(self, arguments: list[str], seconds: float) -> Finished:
        done = run_git(arguments, environment=self.environment, seconds=seconds, secrets=self.url.secrets)
        if done.code != 0:
            raise remote_error(self.url.shown, done.words, done.code)
        return done


def _references(path: str) -> dict[str, str]:
    """The branches and tags of the clone; a damaged one has none."""
    try:
        repository = git.open_git(path)
        names = [name for name in repository.references if name.startswith(_MIRRORED)]
        return {name: str(repository.references[name].target) for name in names}
    except (pygit2.GitError, RepositoryError, KeyError, ValueError, OSError):
        return {}


def _has(path: str, commit: str) -> bool:
    with git.errors("look into the clone"):
        return commit in git.open_git(path)


def _not_found(url: RemoteUrl, wanted: str, offer: _Offer) -> RepositoryError:
    names = [name.removeprefix("refs/heads/").removeprefix("refs/tags/") for name in offer.references]
    near = difflib.get_close_matches(wanted, names, n=3) or sorted(names)[:5]
    shown = ", ".join(printable(name) for name in near)
    if wanted == "HEAD":
        message, hint = f"{url.shown}: its HEAD names no commit", f"name a branch with --rev: {shown}"
    else:
        message = f"{url.shown} has no revision {wanted!r}"
        hint = f"name a branch, a tag or a commit id of it; there is {shown}"
    return RepositoryError(message, code="REVISION_NOT_FOUND", hint=hint)
