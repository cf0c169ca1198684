"""The files of one commit, read from git's objects: no checkout, also in a bare repository."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Final, Literal

import pygit2

from wfsync.errors import RepositoryError
from wfsync.repo import files, git
from wfsync.repo.folder import finish, inside
from wfsync.repo.identity import repository_identity
from wfsync.repo.labels import Labels
from wfsync.repo.layout import BUNDLE_SUFFIXES, ancestors, join, normal
from wfsync.repo.scan import Found, capital_suffix, link, linked_folder, submodule
from wfsync.repo.source import MAX_FILE_BYTES, Entry, Reader, Source, SourceInfo

__all__ = ["Revision"]

_MOST_LINKS: Final = 40
"""As many links on one way as Linux follows."""


class Revision:
    """One commit of a repository; see `wfsync.repo.source.Repository` for what its methods promise."""

    def __init__(self, repository: pygit2.Repository, root: str, start: str, labels: Labels, rev: str) -> None:
        self._git = repository
        self.root = root
        self.start = start
        self.label = labels
        self.identity = repository_identity(git.remotes(repository), root)
        self.rev: str | None = rev
        self._resolved = git.resolve(repository, rev)
        with git.errors(f"read the revision {rev}"):
            self._tree = self._resolved.commit.tree

    @property
    def commit(self) -> str:
        """The id of the commit that is read."""
        return str(self._resolved.commit.id)

    @property
    def git_dir(self) -> str:
        """The folder of git's objects."""
        return self._git.path

    @property
    def tracked(self) -> int:
        """None is looked at by itself: a tree lists them."""
        return 0

    def relative(self, path: str | Path) -> str | None:
        """``path`` of the file system as a path of the repository; a bare one has no place in the file system."""
        return normal(str(path)) if self._git.is_bare else inside(self.root, path)

    def find_upward(self, name: str) -> str | None:
        """The nearest file called ``name`` from ``start`` up to the root, in this commit."""
        for folder in ancestors(self.start):
            path = join(folder, name)
            if self._lookup(path) is not None:
                return path
        return None

    def _lookup(self, path: str) -> pygit2.Object | None:
        with git.errors(f"read {path} at {self.rev}"):
            try:
                return self._tree[path]
            except KeyError:
                return None

    def read_file(self, path: str) -> bytes | None:
        """One file of this commit, or None when it has none of that name."""
        path = normal(path)
        found = self._lookup(path)
        if found is None:
            return None
        label = self.label(path)
        if found.filemode == git.LINK:
            raise RepositoryError(
                f"{label} is a symbolic link at {self.rev}, and links are never followed",
                code="REPOSITORY_SYMLINK",
                hint="commit the file itself",
            )
        if not isinstance(found, pygit2.Blob):
            raise RepositoryError(f"{label} is not a file at {self.rev}", code="REPOSITORY_SPECIAL_FILE")
        return git.read_blob(self._git.path, str(found.id), limit=MAX_FILE_BYTES, label=label)

    def source(self, directory: str, *, exclude: frozenset[str] = frozenset(), allow_empty: bool = False) -> Source:
        """Every bundle file under ``directory`` in this commit."""
        directory = normal(directory)
        tree = self._folder(directory)
        found = Found()
        if tree is not None:
            with git.errors(f"read {directory or 'the root'} at {self.rev}"):
                self._walk(tree, f"{directory}/" if directory else "", exclude, found)
        if not allow_empty and found.is_empty:
            raise files.no_directory(f"{self.label(directory)} at {self.rev}", missing=tree is None)
        info = SourceInfo(
            root=self.root,
            directory=directory or ".",
            commit=self.commit,
            branch=self._resolved.branch,
            dirty=False,
            rev=self.rev,
        )
        return finish(found, info, Reader(self.root, self._git.path))

    def _folder(self, directory: str) -> pygit2.Tree | None:
        """The tree of ``directory``; None when it is missing. Raises when a step is a link, a file, a submodule."""
        for place in reversed([step for step in ancestors(directory) if step]):
            found = self._lookup(place)
            if found is None:
                return None
            if isinstance(found, pygit2.Tree):
                continue
            label = f"{self.label(place)} at {self.rev}"
            if found.filemode == git.LINK:
                raise RepositoryError(
                    f"{label} is a symbolic link, and links are never followed",
                    code="REPOSITORY_SYMLINK",
                    hint="name the real folder in `directory`",
                )
            if found.filemode == git.SUBMODULE:
                problem = submodule(self.label(place))
                raise RepositoryError(f"{label}: {problem.message}", code=problem.code, hint=problem.hint)
            raise RepositoryError(f"{label} is not a folder", code="NOT_A_DIRECTORY")
        found = self._lookup(directory) if directory else self._tree
        return found if isinstance(found, pygit2.Tree) else None

    def _walk(self, tree: pygit2.Tree, prefix: str, exclude: frozenset[str], found: Found) -> None:
        for child in tree:
            name, mode = child.name or "", child.filemode
            path = prefix + name
            if mode == git.FOLDER:
                if not name.startswith("."):
                    self._walk(child, f"{path}/", exclude, found)  # type: ignore[arg-type]
            elif mode == git.SUBMODULE:
                if not name.startswith("."):
                    found.problems.append(submodule(self.label(path)))
            elif name.endswith(BUNDLE_SUFFIXES):
                if path not in exclude:
                    self._take(child, path, found)
            elif mode == git.LINK:
                goal = None if name.startswith(".") else self._goal(child, path)
                if goal is not None:
                    found.problems.append(linked_folder(self.label(path), is_out=goal == "out"))
            elif name.lower().endswith(BUNDLE_SUFFIXES):
                found.problems.append(capital_suffix(self.label(path)))

    def _take(self, blob: pygit2.Object, path: str, found: Found) -> None:
        label = self.label(path)
        if blob.filemode == git.LINK:
            found.problems.append(link(path, label))
            return
        size, pointer = git.blob_size(self._git, blob.id)
        blob_id = str(blob.id)
        found.add(Entry(path, label, size, blob_id, blob_id), pointer=pointer)

    def _goal(self, blob: pygit2.Object, path: str) -> Literal["folder", "out"] | None:
        """What the link leads to: a ``folder`` of this commit, or ``out`` of it, where nobody can tell what is there.

        Other links on the way are followed. None: to a file, or to nothing.
        """
        goal = posixpath.join(posixpath.dirname(path), self._target(blob))
        for _ in range(_MOST_LINKS):
            goal = posixpath.normpath(goal)
            if goal.startswith(("/", "../")) or goal == "..":
                return "out"
            if goal == ".":
                return "folder"
            steps = goal.split("/")
            found: pygit2.Object | None = None
            for number in range(1, len(steps) + 1):
                way = "/".join(steps[:number])
                found = self._lookup(way)
                if found is None:
                    return None
                if found.filemode == git.LINK:
                    goal = posixpath.join(posixpath.dirname(way), self._target(found), *steps[number:])
                    break
            else:
                return "folder" if isinstance(found, pygit2.Tree) else None
        return None  # in a circle

    def _target(self, blob: pygit2.Object) -> str:
        return self._git[blob.id].read_raw().decode("utf-8", "replace")
