"""A git work tree as it is now: uncommitted and untracked files count, ignored ones do not (spec: cli.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pygit2
from pygit2.enums import FileStatus

from wfsync.repo import files, git
from wfsync.repo.folder import Folder, finish
from wfsync.repo.identity import repository_identity
from wfsync.repo.labels import Labels
from wfsync.repo.layout import ancestors, is_bundle, is_under, normal
from wfsync.repo.scan import Found, link, scan, submodule
from wfsync.repo.source import MAX_FILE_BYTES, Entry, Reader, Source, SourceInfo

__all__ = ["WorkTree"]


@dataclass(slots=True)
class _GitView:
    """What belongs to the repository: what is in the index, and what is neither there nor ignored."""

    repository: pygit2.Repository
    tracked: frozenset[str]
    untracked: frozenset[str]
    """As git's status lists it; a repository within the repository ends with a slash."""
    submodules: frozenset[str]
    folders: set[str] = field(default_factory=set)
    """Every folder that holds something tracked or untracked."""
    repositories: list[str] = field(default_factory=list)
    """Folders met that are repositories of their own."""

    def __post_init__(self) -> None:
        holding = {path.rstrip("/").rpartition("/")[0] for paths in (self.tracked, self.untracked) for path in paths}
        for path in holding:
            for folder in ancestors(path):
                if folder in self.folders:
                    break
                self.folders.add(folder)

    def enters(self, path: str) -> bool:
        if path in self.submodules or f"{path}/" in self.untracked:
            self.repositories.append(path)
            return False
        return path in self.folders or not self._ignored(f"{path}/")

    def counts(self, path: str) -> bool:
        # A path that git lists nowhere is asked about: status has no pipes, and may fold or compose names otherwise.
        return path in self.tracked or path in self.untracked or not self._ignored(path)

    def _ignored(self, path: str) -> bool:
        try:
            return self.repository.path_is_ignored(path)
        except UnicodeEncodeError:  # not UTF-8: cannot be asked, so it counts, and is a fault by its name
            return False


class WorkTree(Folder):
    """The checked out files of a repository; see `wfsync.repo.source.Repository` for what its methods promise."""

    def __init__(self, repository: pygit2.Repository, root: str, start: str, labels: Labels) -> None:
        super().__init__(root, start, labels)
        self._git = repository
        self.identity = repository_identity(git.remotes(repository), root)

    @property
    def tracked(self) -> int:
        """About as many as the index has."""
        return git.index_size(self._git.path)

    def _exists(self, path: str) -> bool:
        return super()._exists(path) or self._assumed_blob(path) is not None

    def _assumed_blob(self, path: str) -> str | None:
        """The blob of a file that git does not look for in the work tree (sparse checkout)."""
        with git.errors("read the index"):
            if path not in self._git.index:
                return None
        rows = git.index_rows(self._git, path.rpartition("/")[0])
        return next((r.blob_id for r in rows if r.path == path and r.assumed and r.mode != git.LINK), None)

    def read_file(self, path: str) -> bytes | None:
        """One file, from the index where a sparse checkout left it out; None when it does not exist."""
        path = normal(path)
        data = super().read_file(path) if super()._exists(path) else None
        if data is not None:
            return data
        blob_id = self._assumed_blob(path)
        if blob_id is None:
            return None
        return git.read_blob(self._git.path, blob_id, limit=MAX_FILE_BYTES, label=self.label(path))

    def source(self, directory: str, *, exclude: frozenset[str] = frozenset(), allow_empty: bool = False) -> Source:
        """Every bundle file under ``directory`` that is tracked or not ignored."""
        directory = normal(directory)
        exists = files.is_folder(self.root, directory)
        rows = git.index_rows(self._git, directory)
        with git.errors("compare the work tree with the index"):
            status = self._git.status(untracked_files="all", ignored=False)
        found = self._scan(directory, exclude, rows, status) if exists else Found()
        self._add_index(found, rows, directory, exclude)
        if not allow_empty and found.is_empty:
            hint = f"{found.ignored} files there are ignored by .gitignore" if found.ignored else None
            raise files.no_directory(self.label(directory), missing=not exists, hint=hint)
        commit = git.head_commit(self._git)
        info = SourceInfo(
            root=self.root,
            directory=directory or ".",
            commit=str(commit.id) if commit else None,
            branch=git.branch_of(self._git),
            dirty=self._is_dirty(status, rows, directory, exclude),
        )
        return finish(found, info, Reader(self.root, self._git.path))

    def _scan(
        self, directory: str, exclude: frozenset[str], rows: list[git.IndexRow], status: Mapping[str, int]
    ) -> Found:
        view = _GitView(
            self._git,
            tracked=frozenset(row.path for row in rows),
            untracked=frozenset(p for p, s in status.items() if s & FileStatus.WT_NEW and is_under(p, directory)),
            submodules=frozenset(row.path for row in rows if row.mode == git.SUBMODULE),
        )
        found = scan(self.root, directory, exclude, view, self.label)
        found.problems.extend(submodule(self.label(path)) for path in view.repositories)
        return found

    def _add_index(self, found: Found, rows: list[git.IndexRow], directory: str, exclude: frozenset[str]) -> None:
        """Add what only the index knows: files left out of a sparse checkout, links checked out as text, submodules."""
        odd = (row for row in rows if row.assumed or row.mode == git.LINK)  # of thousands hardly any
        own = [row for row in odd if row.path not in exclude and is_bundle(row.path, directory)]
        links = {row.path for row in own if row.mode == git.LINK}
        if links:
            as_text = [entry for entry in found.entries if entry.path in links]
            found.entries = [entry for entry in found.entries if entry.path not in links]
            found.problems.extend(link(entry.path, entry.label) for entry in as_text)
        for row in own:
            if row.assumed and row.mode != git.SUBMODULE and not super()._exists(row.path):
                self._add_absent(found, row)
        # A submodule that was never checked out has no folder, or an empty one.
        seen = {str(problem.place) for problem in found.problems}
        for row in rows:
            if row.mode == git.SUBMODULE and is_bundle(f"{row.path}/x.json", directory):
                label = self.label(row.path)
                if label not in seen:
                    found.problems.append(submodule(label))

    def _add_absent(self, found: Found, row: git.IndexRow) -> None:
        label = self.label(row.path)
        if row.mode == git.LINK:
            found.problems.append(link(row.path, label))
        else:
            size, pointer = git.blob_size(self._git, row.blob_id)
            found.add(Entry(row.path, label, size, row.blob_id, row.blob_id), pointer=pointer)

    def _is_dirty(
        self, status: Mapping[str, int], rows: list[git.IndexRow], directory: str, exclude: frozenset[str]
    ) -> bool:
        """Whether bundles, or the files in ``exclude`` (config, registry), differ from HEAD, as git sees it.

        libgit2 calls a skip-worktree file that is absent deleted; git does not, and neither do we.
        """
        assumed = {row.path for row in rows if row.assumed}
        for path, state in status.items():
            own = path in exclude
            if state == FileStatus.WT_DELETED and (path in assumed or (own and self._assumed_blob(path))):
                continue
            if own or is_bundle(path, directory):
                return True
            if is_under(path.rstrip("/"), directory) and state != FileStatus.WT_NEW:
                return True
        return False
